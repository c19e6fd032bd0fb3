"""Tests alone and under mpiexec.

Under mpiexec every rank runs the same pytest; rank 0 reports. What fails elsewhere goes to stderr, with its rank.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("RINGTREE_TIMEOUT", "20")
# Many communicators, and a /dev/shm of 64 MB in many containers.
os.environ.setdefault("RINGTREE_ARENA", "2MiB")
# Every test plans anew; those of the cache give it a folder of its own.
os.environ["RINGTREE_CACHE"] = "off"

# What MPICH and Intel MPI (PMI), Open MPI and others (PMIx) tell the processes that they start.
_RANK = next((os.environ[v] for v in ("PMI_RANK", "OMPI_COMM_WORLD_RANK", "PMIX_RANK") if v in os.environ), None)


class _Quiet:
    """Keeps the report of a rank that is not 0, and shows it unless all went well there."""

    def __init__(self, config: pytest.Config) -> None:
        self.report = io.StringIO()
        self.well = False
        config.pluginmanager.unregister(name="terminalreporter")
        config.pluginmanager.register(pytest.TerminalReporter(config, self.report), "terminalreporter")

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        self.well = exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)

    def pytest_unconfigure(self) -> None:
        if not self.well:
            lines = self.report.getvalue().splitlines()
            print("\n".join(f"[rank {_RANK}] {line}" for line in lines), file=sys.stderr, flush=True)


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """A rank that hangs inside MPI hears no signal: a thread ends its process, and mpiexec the others."""
    if _RANK is not None and not config.getoption("timeout_method", None):
        config.option.timeout_method = "thread"


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    if _RANK not in (None, "0"):
        config.pluginmanager.register(_Quiet(config), "quiet-rank")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """With --only-mpi, do not even import files without such tests."""
    if collection_path.suffix != ".py" or not config.getoption("--only-mpi", False):
        return None
    return "pytest.mark.mpi" not in collection_path.read_text(encoding="utf-8") or None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """--only-mpi means it with --with-mpi too, where pytest-mpi would run everything."""
    if not config.getoption("--only-mpi", False):
        return
    others = [item for item in items if item.get_closest_marker("mpi") is None]
    config.hook.pytest_deselected(items=others)
    items[:] = [item for item in items if item.get_closest_marker("mpi")]


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, Any, Any]:
    """A test on several ranks ends on all of them together, and fails on all if it does on one."""
    if pyfuncitem.get_closest_marker("mpi") is None:
        return (yield)
    from together import in_step

    with in_step():
        return (yield)
