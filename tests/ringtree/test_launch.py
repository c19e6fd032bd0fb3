"""Finding the launcher, and what is said when it belongs to another MPI."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from _ringtree.errors import InputError
from ringtree import launch

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("RINGTREE_RANKS", "PMI_RANK", "PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "MPI_LOCALNRANKS")


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


def script(folder: Path, name: str, text: str) -> str:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("PMI", "OMPI", "MPI_"))}


@pytest.mark.parametrize("name", NAMES)
def test_under_mpi(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not launch.under_mpi()
    monkeypatch.setenv(name, "1")
    assert launch.under_mpi()


def test_open_mpi_gets_what_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    version = 'if [ "$1" = --version ]; then echo "mpirun (Open MPI) 5.0.11"; exit; fi'
    said = f'printf "%s " "$@" $OMPI_ALLOW_RUN_AS_ROOT $RINGTREE_RANKS > {out}; exit 3'
    path = script(tmp_path, "mpiexec", f"{version}\n{said}")
    monkeypatch.setattr(launch, "_mpiexec", lambda: path)
    assert launch.launch(["sweep", "ppu-8"], 4) == 3
    words = out.read_text(encoding="utf-8").split()
    assert words == [
        "--oversubscribe", "--bind-to", "none", "-n", "4", sys.executable, "-m", "ringtree", "sweep", "ppu-8", "1", "4",
    ]  # fmt: skip


def test_others_get_no_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    path = script(tmp_path, "mpiexec", f'[ "$1" = --version ] && echo HYDRA && exit; printf "%s " "$@" > {out}')
    monkeypatch.setattr(launch, "_mpiexec", lambda: path)
    assert launch.launch([], 2) == 0
    assert out.read_text(encoding="utf-8").split()[:2] == ["-n", "2"]


def test_the_launcher_of_this_environment_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "env").mkdir()
    (tmp_path / "other").mkdir()
    own = script(tmp_path / "env", "mpiexec", "")
    other = script(tmp_path / "other", "mpiexec", "")
    monkeypatch.setenv("PATH", str(tmp_path / "other"))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "env" / "python"))
    assert launch._mpiexec() == own
    os.unlink(own)
    assert launch._mpiexec() == other


def test_no_launcher_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "_mpiexec", lambda: None)
    with pytest.raises(InputError, match=r"ringtree\[mpi\]"):
        launch.launch([], 2)


def test_the_launcher_of_another_mpi(tmp_path: Path) -> None:
    """It starts three processes that each believe to be alone: one line, status 2."""
    code = (
        "import sys; from ringtree import launch; launch._mpiexec = lambda: sys.argv[1]; from ringtree.cli import main;"
        "sys.exit(main(['sweep', 'ppu-8', '--ranks', '3', '--bytes', '1KiB']))"
    )
    start = 'for i in 0 1 2; do OMPI_COMM_WORLD_RANK=$i "$@" & pids="$pids $!"; done'
    wait = "status=0; for p in $pids; do wait $p || status=$?; done; exit $status"
    path = script(tmp_path, "mpiexec", f'[ "$1" = --version ] && exit\nshift 2\n{start}\n{wait}')
    done = subprocess.run(
        [sys.executable, "-c", code, path], cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "rank 0 of 1" in done.stderr
