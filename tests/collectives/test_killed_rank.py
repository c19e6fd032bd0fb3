"""A rank that is killed takes no shared memory with it, and the others do not wait for ever."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

PROGRAM = """
import os, re, signal, sys, time
from mpi4py import MPI
import numpy as np
import ringtree

comm = ringtree.Communicator(MPI.COMM_WORLD, board=sys.argv[1], algorithm="binomial")
more = comm.empty(1000)
comm.Allreduce(np.ones(3), np.zeros(3))
for name in re.findall(r"/dev/shm/ringtree-\\w+", open("/proc/self/maps").read()):
    print(name, flush=True)
comm.Barrier()
if comm.rank == 1:
    time.sleep(0.2)
    os.kill(os.getpid(), signal.SIGKILL)
comm.Allreduce(np.ones(3), np.zeros(3))
"""


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="no /proc")
@pytest.mark.parametrize("board", ["none", "ppu-8"])
def test_nothing_stays_behind(board: str) -> None:
    mpiexec = shutil.which("mpiexec", path=str(Path(sys.executable).parent)) or shutil.which("mpiexec")
    if mpiexec is None:
        pytest.skip("no mpiexec")
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("PMI", "OMPI", "MPI_", "RINGTREE_"))}
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    environment = inherited | {"PYTHONPATH": path, "RINGTREE_TIMEOUT": "5", "RINGTREE_ARENA": "2MiB"}
    found = subprocess.run(
        [mpiexec, "-n", "3", sys.executable, "-c", PROGRAM, board],
        env=environment, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    segments = set(re.findall(r"/dev/shm/ringtree-[0-9a-f]{32}", found.stdout))
    assert len(segments) == (3 if board == "none" else 2), found.stderr  # the arena, the direct path, empty
    assert found.returncode != 0
    assert not any(Path(segment).exists() for segment in segments)
