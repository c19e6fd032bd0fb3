"""Runs the command and the scripts on ranks."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def run(*command: str, timeout: float = 90.0, **variables: str) -> subprocess.CompletedProcess[str]:
    """A process at the root of the project, as if no launcher had started the tests."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("PMI", "OMPI", "MPI_", "RINGTREE_"))}
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    environment = inherited | {"PYTHONPATH": path, "RINGTREE_TIMEOUT": "30"} | variables
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=timeout)


def ringtree(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """The command, which starts its own ranks."""
    return run(sys.executable, "-m", "ringtree", *arguments, **variables)


def mpiexec(ranks: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`mpiexec -n RANKS python ARGUMENTS`."""
    found = shutil.which("mpiexec", path=str(Path(sys.executable).parent)) or shutil.which("mpiexec")
    if found is None:
        pytest.skip("no mpiexec")
    return run(found, "-n", str(ranks), sys.executable, *arguments)
