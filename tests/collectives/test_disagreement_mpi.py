"""Ranks that disagree, and ranks that do not come: nobody hangs, everybody gets an error that says what it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from mpi4py import MPI
from opened import RANK, RANKS, opened, total
from together import meet

import ringtree

pytestmark = [pytest.mark.mpi, pytest.mark.skipif(RANKS < 2, reason="one rank agrees with itself")]

Call = Callable[[Any], None]
LAST = RANKS - 1


def numbers(count: int, dtype: Any = np.float64) -> Any:
    return np.ones(count, dtype)


def all_reduce(count: int, dtype: Any = np.float64, op: Any = MPI.SUM) -> Call:
    return lambda comm: comm.Allreduce(numbers(count, dtype), numbers(count, dtype), op)


def reduce_scatter(counts: list[int]) -> Call:
    return lambda comm: comm.Reduce_scatter(numbers(sum(counts)), numbers(counts[comm.Get_rank()]), counts)


DIFFERENT: dict[str, tuple[Call, Call]] = {
    "count": (all_reduce(10), all_reduce(11)),
    "size class": (all_reduce(10), all_reduce(1000)),
    "type": (all_reduce(10), all_reduce(10, np.int64)),
    "operation": (all_reduce(10), all_reduce(10, op=MPI.MAX)),
    "root": (lambda comm: comm.Bcast(numbers(10), 0), lambda comm: comm.Bcast(numbers(10), 1)),
    "root of reduce": (
        lambda comm: comm.Reduce(numbers(9), numbers(9), root=0),
        lambda comm: comm.Reduce(numbers(9), numbers(9), root=1),
    ),
    "collective": (all_reduce(10), lambda comm: comm.Bcast(numbers(10), 0)),
    "barrier": (all_reduce(10), lambda comm: comm.Barrier()),
    "counts": (reduce_scatter([1, 2, 3, 4, 5, 6, 7, 8][:RANKS]), reduce_scatter([8, 7, 6, 5, 4, 3, 2, 1][:RANKS])),
}


@pytest.fixture(scope="module", params=[None, "ppu-8"], ids=["host", "board"])
def parent(request: pytest.FixtureRequest) -> Iterator[ringtree.Communicator]:
    with opened(board=request.param, algorithm="binomial:chunks=1:pace=0") as made:
        yield made


def all_fail(comm: ringtree.Communicator, call: Call) -> None:
    """In this operation or, where a rank's part was over before another one's began, in the next one."""
    with pytest.raises(ringtree.CommunicationError):  # noqa: PT012
        call(comm)
        comm.Barrier()
    with pytest.raises(ringtree.CommunicationError):
        comm.Barrier()


@pytest.mark.parametrize("what", DIFFERENT)
@pytest.mark.parametrize("known", [False, True], ids=["new", "known"])
def test_what_differs_is_an_error_on_every_rank(
    parent: ringtree.Communicator, comm: ringtree.Communicator, what: str, known: bool
) -> None:
    if parent.board and (not known or what not in ("count", "root", "operation")):
        pytest.skip("as without a board")
    ours, theirs = DIFFERENT[what]
    if known:  # nothing has to be agreed upon any more
        ours(comm)
        theirs(comm)
    all_fail(comm, theirs if RANK == LAST else ours)


PARTS: dict[str, Call] = {
    "Gatherv": lambda comm: comm.Gatherv(numbers(2 + (RANK == LAST)), [numbers(2 * RANKS), [2] * RANKS]),
    "Scatterv": lambda comm: comm.Scatterv([numbers(2 * RANKS), [2] * RANKS], numbers(2 + (RANK == LAST))),
    "Alltoallv": lambda comm: comm.Alltoallv(
        [numbers(2 * RANKS), [2] * RANKS], [numbers(3 * RANKS), [2 + (RANK == LAST)] * RANKS]
    ),
}


@pytest.mark.parametrize("name", PARTS)
def test_parts_that_do_not_fit(comm: ringtree.Communicator, name: str) -> None:
    """The counts are compared before anything moves: the communicator lives on."""
    with pytest.raises(ringtree.MismatchError, match=rf"{name}: rank .* elements"):
        PARTS[name](comm)
    total(comm)


def test_the_reason_is_told_again(comm: ringtree.Communicator) -> None:
    with pytest.raises(ringtree.MismatchError, match=r"ranks \d and \d disagree about operation"):
        all_reduce(10 + (RANK == LAST))(comm)
    for _ in range(2):
        with pytest.raises(ringtree.CommunicationError, match=r"ranks \d and \d disagree about operation"):
            total(comm)


def test_other_communicators_live_on(parent: ringtree.Communicator, comm: ringtree.Communicator) -> None:
    all_fail(comm, all_reduce(10 + (RANK == LAST)))
    total(parent)
    again = parent.Dup()
    total(again)
    again.Free()


LATE: dict[str, tuple[Call, str]] = {
    "all_reduce": (all_reduce(3), "all_reduce of 3 float64"),
    "broadcast": (lambda comm: comm.Bcast(numbers(5, np.int8), LAST), "broadcast of 5 int8"),
    "barrier": (lambda comm: comm.Barrier(), "barrier"),
    "Gatherv": (lambda comm: comm.Gatherv(numbers(2), [numbers(2 * RANKS), [2] * RANKS]), "Gatherv"),
    "Allgatherv": (lambda comm: comm.Allgatherv(numbers(2), numbers(2 * RANKS)), "counts of Allgatherv"),
}


@pytest.mark.parametrize(
    ("what", "known", "board"),
    [("all_reduce", False, None), ("all_reduce", True, "ppu-8"), *((w, True, None) for w in LATE)],
)
def test_a_rank_that_does_not_come_is_named(
    monkeypatch: pytest.MonkeyPatch, what: str, known: bool, board: str | None
) -> None:
    monkeypatch.setenv("RINGTREE_TIMEOUT", "0.2")
    call, name = LATE[what]
    with opened(board=board, algorithm="binomial:chunks=1:pace=0") as comm:
        if known:
            call(comm)
        meet()
        if RANK == LAST:
            meet()
        expected = rf"{name}.* timed out after 0\.2 s on rank \d; ranks that did not arrive: {LAST}$"
        with pytest.raises(ringtree.CollectiveTimeoutError, match=expected):
            call(comm)
        if RANK != LAST:
            meet()


def test_a_timeout_is_a_timeout_error() -> None:
    assert issubclass(ringtree.CollectiveTimeoutError, TimeoutError)


def test_no_time_limit() -> None:
    with opened(timeout=0) as comm:
        total(comm)
