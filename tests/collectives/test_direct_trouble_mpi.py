"""Ranks of the direct path that disagree, stay away, or make mistakes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from directly import (
    CROWDED,
    LAST,
    LIMITS,
    core,
    direct,
)
from mpi4py import MPI
from opened import RANK, RANKS, total
from together import meet

import ringtree

pytestmark = pytest.mark.mpi


def numbers(count: int, dtype: Any = np.float64) -> Any:
    return np.ones(count, dtype)


def all_reduce_of(count: int, dtype: Any = np.float64, op: Any = MPI.SUM) -> Callable[[Any], None]:
    return lambda comm: comm.Allreduce(numbers(count, dtype), numbers(count, dtype), op)


def bcast_of(count: int, root: int, dtype: Any = np.float64) -> Callable[[Any], None]:
    return lambda comm: comm.Bcast(numbers(count, dtype), root)


def reduce_of(count: int, root: int) -> Callable[[Any], None]:
    return lambda comm: comm.Reduce(numbers(count), numbers(count), root=root)


def barrier(comm: Any) -> None:
    comm.Barrier()


DIFFERENT: dict[str, tuple[Callable[[Any], None], Callable[[Any], None]]] = {
    "count, tiny": (all_reduce_of(2), all_reduce_of(3)),
    "count, small": (all_reduce_of(20), all_reduce_of(21)),
    "count, large": (all_reduce_of(5000), all_reduce_of(5001)),
    "count, another way": (all_reduce_of(1), all_reduce_of(5000)),
    "type": (all_reduce_of(10), all_reduce_of(10, np.int64)),
    "operation": (all_reduce_of(10), all_reduce_of(10, op=MPI.MAX)),
    "kind": (all_reduce_of(10), bcast_of(10, 0)),
    "barrier": (all_reduce_of(10), barrier),
    "barrier and broadcast": (barrier, bcast_of(10, 0)),
    "root, tiny": (bcast_of(1, 0), bcast_of(1, LAST)),
    "root, small": (bcast_of(10, 0), bcast_of(10, LAST)),
    "root, large": (bcast_of(5000, 0), bcast_of(5000, LAST)),
    "root of reduce": (reduce_of(5, 0), reduce_of(5, LAST)),
    "root of a large reduce": (reduce_of(5000, 0), reduce_of(5000, LAST)),
    "count of broadcast": (bcast_of(10, 0), bcast_of(11, 0)),
    "count of broadcast, from who differs": (bcast_of(10, LAST), bcast_of(11, LAST)),
    "pieces of broadcast": (bcast_of(100, 0), bcast_of(5000, 0)),
    "reduce and gather": (
        reduce_of(6, 0),
        lambda comm: comm.Gather(numbers(6), numbers(6 * RANKS), 0),
    ),
}


@pytest.mark.skipif(RANKS < 2, reason="one rank agrees with itself")
@pytest.mark.parametrize("late", [False] if CROWDED else [False, True], ids=lambda late: "late" if late else "together")
@pytest.mark.parametrize("what", DIFFERENT)
def test_what_differs_is_an_error_on_every_rank(comm: ringtree.Communicator, what: str, late: bool) -> None:
    """At this call, or at the next one where a rank's part in this one asked nothing of the others."""
    ours, theirs = DIFFERENT[what]
    core(comm).limits = LIMITS[1]
    total(comm)
    if late and RANK == LAST:
        time.sleep(0.005)
    with pytest.raises(ringtree.CommunicationError, match=r"disagree about call \d+|timed out"):  # noqa: PT012
        (theirs if RANK == LAST else ours)(comm)
        comm.Barrier()
    with pytest.raises(ringtree.CommunicationError, match="disagree"):
        comm.Barrier()


@pytest.mark.parametrize("call", [all_reduce_of(3), all_reduce_of(3000), bcast_of(2, LAST), reduce_of(9, 0)])
@pytest.mark.skipif(RANKS < 2, reason="nobody can be missing")
def test_who_does_not_come_is_named(call: Callable[[Any], None]) -> None:
    with direct(timeout=0.5) as comm:
        total(comm)
        meet()
        began = time.monotonic()
        if RANK == LAST:
            meet()
        # Leaves of a reduce do not wait for it; in the barrier they miss the root too, which does, or hear from it.
        pattern = rf"timed out after 0\.5 s on rank \d; ranks that did not arrive: (0, )?{LAST}$"
        try:
            with pytest.raises(ringtree.CommunicationError, match=pattern):  # noqa: PT012
                call(comm)
                comm.Barrier()
        finally:
            if RANK != LAST:
                meet()
        assert time.monotonic() - began < 5
        with pytest.raises(ringtree.CommunicationError, match=pattern):
            total(comm)


@pytest.mark.skipif(RANKS < 2, reason="one rank agrees with itself")
def test_what_was_revoked_stays_so(parent: ringtree.Communicator, comm: ringtree.Communicator) -> None:
    """The reason is told to every later call, of whatever sort; other communicators live on."""
    with pytest.raises(ringtree.MismatchError, match=r"ranks \d and \d disagree about call 1 "):
        all_reduce_of(10 + (RANK == LAST))(comm)
    for again in (all_reduce_of(3), all_reduce_of(3000), bcast_of(4, 0), reduce_of(4, LAST), barrier):
        with pytest.raises(ringtree.CommunicationError, match=r"ranks \d and \d disagree about call 1 "):
            again(comm)
    total(parent)
    copy = parent.Dup()
    total(copy)
    copy.Free()


def test_a_mistake_before_anything_is_said_revokes_nothing(comm: ringtree.Communicator) -> None:
    for wrong in (
        lambda: comm.Allreduce(numbers(3), numbers(4)),
        lambda: comm.Bcast(numbers(3), RANKS),
        lambda: comm.Bcast(numbers(3), -1),
        lambda: comm.Reduce(numbers(3), numbers(3), root=RANKS),
        lambda: comm.Allreduce(numbers(3, np.complex64), numbers(3, np.complex64), MPI.MAX),
        lambda: comm.Allgather(numbers(3), numbers(0)),
    ):
        with pytest.raises((ringtree.InputError, ringtree.UnsupportedError)):
            wrong()
        total(comm)
