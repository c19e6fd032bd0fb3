"""Sums of floats that no two orders agree about: the same bits on every rank, in every run, whatever the timing."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from exactness import numpy_type
from mpi4py import MPI
from opened import RANK, RANKS, opened, torus
from together import WORLD

import ringtree

pytestmark = pytest.mark.mpi

COUNT = 1013
ALGORITHMS = ["ring", "ring:channels=2:chunks=3", "tree:chunks=2:pace=1", "binary_tree", "binomial", "star:chunks=2"]
ALGORITHMS += ["one_shot", "two_shot:chunks=2:pace=1", "recursive_doubling", "rabenseifner", "two_level", "auto"]
ALGORITHMS += ["bucket:chunks=2", "swing:whole=0", "swing:whole=1"]
DTYPES = ["float32", "float64", "bfloat16", "float8_e5m2", "complex64"]


def operand(dtype: str, rank: int) -> Any:
    """Magnitudes far apart, so that rounding depends on the order."""
    random = np.random.default_rng([rank, 5])
    values = random.standard_normal(COUNT) * 2.0 ** random.integers(-6, 6, COUNT)
    return values.astype(numpy_type(dtype))


def summed(comm: ringtree.Communicator, dtype: str, in_place: bool) -> Any:
    mine, out = operand(dtype, RANK), np.zeros(COUNT, numpy_type(dtype))
    if in_place:
        out[:] = mine
    comm.Allreduce(MPI.IN_PLACE if in_place else mine, out)
    return out


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_algorithm_and_type(algorithm: str) -> None:
    board: dict[str, Any] = {}
    if algorithm == "two_level":
        if RANKS == 1:
            pytest.skip("two levels need two boards")
        board = {"board": "ppu-4x8", "devices": [8 * (rank % 2) + rank // 2 for rank in range(RANKS)]}
    if algorithm.startswith(("bucket", "swing")):
        if RANKS < 3 or (algorithm.startswith("swing") and RANKS & (RANKS - 1)):
            pytest.skip("a torus has three chips or more, one to swing on a power of two")
        board = {"board": torus()}
    pause = np.random.default_rng(RANK)
    with opened(algorithm=algorithm, **board) as comm:
        for dtype in DTYPES:
            first = summed(comm, dtype, in_place=False)
            found = {first.tobytes()}
            for in_place in (False, True, False):
                time.sleep(pause.random() / 500)
                found.add(summed(comm, dtype, in_place).tobytes())
            assert len(found) == 1, f"{dtype}: not the same every time"
            assert len(set(WORLD.allgather(first.tobytes()))) == 1, f"{dtype}: not the same on every rank"
            wide = [operand(dtype, rank).astype(np.complex128) for rank in range(RANKS)]
            # Each of at most `RANKS` roundings is off by half a unit of a partial sum's last place.
            unit = float(np.finfo(numpy_type(dtype)).eps) if "8" not in dtype and dtype != "bfloat16" else 0.25
            bound = RANKS * unit * np.abs(wide).sum(axis=0) + 1e-12
            assert (np.abs(first.astype(np.complex128) - np.sum(wide, axis=0)) <= bound).all()
