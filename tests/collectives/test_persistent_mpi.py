"""Operations prepared once: what they give, in which order they may be started, and how they go on from elsewhere."""

from __future__ import annotations

import numpy as np
import pytest
from mpi4py import MPI
from opened import RANK, RANKS, opened

import ringtree

pytestmark = pytest.mark.mpi

SUM_OF_RANKS = RANKS * (RANKS - 1) // 2
BOARDS = pytest.mark.parametrize("board", ["none", "ppu-8"])


@BOARDS
def test_a_repeat_sees_what_the_memory_holds_by_then(board: str) -> None:
    with opened(board=board) as comm:
        data, total = np.zeros(5, np.float32), np.zeros(5, np.float32)
        step = comm.Allreduce_init(data, total)
        for i in range(4):
            data[:] = i + RANK
            if i % 2:
                step()
            else:
                step.Start()
                step.Wait()
            np.testing.assert_array_equal(total, np.full(5, RANKS * i + SUM_OF_RANKS))
        step.Free()


@BOARDS
def test_every_method_that_has_one(board: str) -> None:
    with opened(board=board) as comm:
        part, whole, other = np.full(2, RANK), np.zeros(2 * RANKS, int), np.zeros(2 * RANKS, int)
        comm.Allgather_init(part, whole)()
        np.testing.assert_array_equal(whole, np.repeat(np.arange(RANKS), 2))
        comm.Alltoall_init(whole, other)()
        np.testing.assert_array_equal(other, np.full(2 * RANKS, RANK))
        comm.Reduce_scatter_block_init(whole, part)()
        np.testing.assert_array_equal(part, np.full(2, RANK * RANKS))
        comm.Bcast_init(part, RANKS - 1)()
        np.testing.assert_array_equal(part, np.full(2, (RANKS - 1) * RANKS))
        comm.Reduce_init(part, other[:2], MPI.MAX, 0)()
        comm.Gather_init(part, whole, 0)()
        comm.Scatter_init(whole, part, 0)()
        np.testing.assert_array_equal(part, np.full(2, (RANKS - 1) * RANKS))
        in_place = np.arange(RANKS) + RANK
        comm.Alltoall_init(MPI.IN_PLACE, in_place)()
        np.testing.assert_array_equal(in_place, np.arange(RANKS) + RANK)
        comm.Barrier_init()()


@pytest.mark.parametrize("count", [3, 1000, 300_000])
def test_another_call_between_start_and_wait(count: int) -> None:
    with opened() as comm:
        data, total, sign = np.full(count, RANK, np.int32), np.zeros(count, np.int32), np.zeros(1)
        step = comm.Allreduce_init(data, total)
        step.Start()
        comm.Allreduce(np.ones(1), sign)
        assert sign[0] == RANKS
        step.Wait()
        np.testing.assert_array_equal(total, np.full(count, SUM_OF_RANKS))


@pytest.mark.parametrize("count", [3, 300_000])
def test_what_was_started_goes_on_while_its_rank_waits_elsewhere(count: int) -> None:
    """Half the ranks wait for it first, the others first meet on another communicator."""
    with opened() as comm, opened() as other:
        data, total = np.full(count, RANK, np.int32), np.zeros(count, np.int32)
        step = comm.Allreduce_init(data, total)
        step.Start()
        if RANK % 2:
            step.Wait()
            other.Barrier()
        else:
            other.Barrier()
            while not step.Test():
                pass
        np.testing.assert_array_equal(total, np.full(count, SUM_OF_RANKS))


def test_mistakes() -> None:
    with opened() as comm:
        total = np.zeros(3)
        step = comm.Allreduce_init(np.ones(3), total)
        step.Start()
        with pytest.raises(ringtree.InputError, match="under way"):
            step.Start()
        step.Wait()
        assert step.Wait()
        with pytest.raises(ringtree.InputError, match="found 2 elements; expected 3"):
            comm.Allreduce_init(np.ones(3), np.ones(2))
    with pytest.raises(ringtree.InputError, match="freed"):
        step()


@pytest.mark.skipif(RANKS < 2, reason="one rank agrees with itself")
def test_what_fails_while_its_rank_waits_elsewhere_is_told_at_wait() -> None:
    """Who starts last hears of it at once, the others while they wait on another communicator."""
    told = 0
    with opened(timeout=20) as comm, opened(timeout=20) as other:
        count = 3 + (RANK == 0)
        step = comm.Allreduce_init(np.ones(count), np.zeros(count))
        try:
            step.Start()
        except ringtree.MismatchError:
            told = 1
        for _ in range(3):
            other.Barrier()
        if not told:
            with pytest.raises(ringtree.MismatchError, match="disagree"):
                step.Wait()
        everybody = np.zeros(1, int)
        other.Allreduce(np.array([told]), everybody)
        assert everybody[0] < RANKS
