"""Memory that the ranks of the direct path reach: it comes, goes, ends, and is dropped by one of them alone."""

from __future__ import annotations

import gc
import re
from pathlib import Path

import numpy as np
import pytest
from directly import (
    CROWDED,
    LAST,
    LIMITS,
    MAPS,
    core,
)
from mpi4py import MPI
from opened import RANK, RANKS
from together import meet

import ringtree

pytestmark = pytest.mark.mpi


def footprint() -> tuple[int, int, int]:
    """Mappings of shared segments and their bytes here, and all that /dev/shm holds of ringtree."""
    gc.collect()
    spans = re.findall(r"^(\w+)-(\w+) .* /dev/shm/ringtree-\w+", MAPS.read_text(), re.MULTILINE)
    named = len(list(Path("/dev/shm").glob("ringtree-*")))
    return len(spans), sum(int(end, 16) - int(begin, 16) for begin, end in spans), named


@pytest.mark.skipif(not MAPS.exists(), reason="no /proc")
def test_memory_comes_and_goes(comm: ringtree.Communicator) -> None:
    """What all ranks dropped is unmapped when the next is made, at the latest when the communicator goes."""
    core(comm).limits = LIMITS[1]

    def once(step: int) -> None:
        first, second = comm.empty(300, np.float32), comm.empty((20, 30), np.float32)
        view = first[7:]
        del first
        view[:] = RANK + step
        if step % RANKS == RANK:
            del second
        out = comm.empty(len(view), np.float32)
        comm.Allreduce(view, out)
        assert (out == sum(range(RANKS)) + RANKS * step).all()

    for step in range(3):
        once(step)
    meet()
    before = footprint()
    for step in range(4 if CROWDED else 12):
        once(step)
    meet()
    gc.collect()
    meet()
    last = comm.empty(1, np.int8)
    mappings, size, named = footprint()
    del last
    assert mappings <= before[0] + 3
    assert size <= before[1] + 3 * RANKS * 4096
    meet()
    assert named <= before[2] + RANKS


@pytest.mark.skipif(not MAPS.exists(), reason="no /proc")
def test_communicators_leave_nothing(parent: ringtree.Communicator) -> None:
    def once() -> None:
        made = parent.Dup()
        kept = made.empty(5000, np.int32)
        kept[:] = RANK
        made.Allreduce(MPI.IN_PLACE, kept)
        made.Free()
        assert kept[-1] == sum(range(RANKS))  # memory outlives its communicator

    once()
    meet()
    before = footprint()[:2]
    for _ in range(4):
        once()
    assert footprint()[:2] == before


def test_memory_dropped_by_one_rank_alone(comm: ringtree.Communicator) -> None:
    """The others go on with theirs, and its new memory at the same address is no part of the old one."""
    core(comm).limits = LIMITS[1]
    kept = comm.empty(500, np.float64)
    kept[:] = RANK
    plain = np.full(500, float(RANK))
    if RANK == LAST:
        del kept
        gc.collect()
        kept = plain
    for _ in range(3):
        out = np.zeros(500)
        comm.Allreduce(kept, out)
        assert (out == sum(range(RANKS))).all()
        everything = np.zeros(500 * RANKS)
        comm.Allgather(kept, everything)
        assert (everything == np.repeat(np.arange(RANKS), 500)).all()
    again = comm.empty(500, np.float64)
    comm.Allreduce(kept, again)
    assert (again == sum(range(RANKS))).all()


def test_a_buffer_that_ends_where_its_region_does(comm: ringtree.Communicator) -> None:
    core(comm).limits = LIMITS[1]
    for count in (400, 512, 513):
        memory = comm.empty(count, np.float32)
        for begin in (0, 1, count // 2):
            memory[:] = RANK
            comm.Allreduce(MPI.IN_PLACE, memory[begin:])
            assert (memory[begin:] == sum(range(RANKS))).all()
            assert (memory[:begin] == RANK).all()
