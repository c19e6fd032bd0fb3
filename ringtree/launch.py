"""Ranks for a command that needs them: found running, or started with the mpiexec that belongs to the installed MPI."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from _ringtree.errors import InputError

# Set by `launch` for the ranks that it starts.
RANKS = "RINGTREE_RANKS"
PROGRESS = "RINGTREE_PROGRESS"
INTERRUPTED_S = 5.0
# Set for their processes by the launchers of MPICH and Intel MPI, Open MPI, and whatever speaks PMIx.
_LAUNCHED = (RANKS, "PMI_RANK", "PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "MPI_LOCALNRANKS")
_RANK = ("PMI_RANK", "OMPI_COMM_WORLD_RANK", "PMIX_RANK", "MPI_LOCALRANKID")


def under_mpi() -> bool:
    """Whether this process is one of several that a launcher started."""
    return any(name in os.environ for name in _LAUNCHED)


def one_thread_each() -> None:
    """Ranks share the processors: NumPy's products must not start threads for each. Before NumPy is imported."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")


def launcher_rank() -> int:
    """This process's number according to the launcher, which holds even where MPI believes to be alone."""
    return next((int(os.environ[name]) for name in _RANK if os.environ.get(name, "").isdigit()), 0)


def check_size(size: int) -> None:
    """InputError when the launcher started more ranks than MPI knows of."""
    started = os.environ.get(RANKS, str(size))
    if started != str(size):
        raise InputError(
            f"{started} ranks were started, but MPI says rank 0 of {size}: {_mpiexec()} belongs to another MPI than "
            "the one that mpi4py uses; put that MPI's mpiexec first on the PATH"
        )


def launch(arguments: Sequence[str], ranks: int) -> int:
    """Run `ringtree` with these arguments on so many ranks; returns their exit status."""
    mpiexec = _mpiexec()
    if mpiexec is None:
        raise InputError("no mpiexec found; pip install 'ringtree[mpi]', or start under your MPI's mpirun")
    environment = dict(os.environ) | {RANKS: str(ranks)}
    if sys.stderr.isatty():
        environment.setdefault(PROGRESS, "1")
    options: list[str] = []
    if _is_open_mpi(mpiexec):
        options = ["--oversubscribe", "--bind-to", "none"]
        environment |= {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    command = [mpiexec, *options, "-n", str(ranks), sys.executable, "-m", "ringtree", *arguments]
    # In a session of its own, Ctrl-C reaches this process alone, which hands it on once: launchers grow loud otherwise.
    with subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, start_new_session=True) as process:
        return _wait(process)


def _wait(process: subprocess.Popen[bytes]) -> int:
    before = signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    try:
        return process.wait()
    except KeyboardInterrupt:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(INTERRUPTED_S)
        except subprocess.TimeoutExpired:
            process.kill()
        raise
    finally:
        signal.signal(signal.SIGTERM, before)


def _mpiexec() -> str | None:
    """That of the environment which runs this Python, else the first on the PATH."""
    beside = Path(sys.executable).parent
    for folder in (str(beside), None):
        for name in ("mpiexec", "mpirun"):
            found = shutil.which(name, path=folder)
            if found:
                return found
    return None


def _is_open_mpi(mpiexec: str) -> bool:
    try:
        answer = subprocess.run([mpiexec, "--version"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired) as problem:
        raise InputError(f"{mpiexec} --version: {problem}") from None
    return any(name in answer.stdout for name in ("Open MPI", "OpenRTE", "PRRTE", "open-mpi"))
