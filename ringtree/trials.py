"""One collective of one size on this rank: its buffers, the call, and how many elements came out wrong.

Parts that do not divide evenly are whole elements, larger ones first, and go through the v-variants.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mpi4py import MPI

from _ringtree.program import equal_parts
from collectives import Communicator, DataType, Op
from ringtree import exact
from ringtree.rows import Request


def _nothing() -> None:
    pass


@dataclass(frozen=True)
class Trial:
    """refill: set the buffers up anew; call: the collective; wrong: elements of this rank that differ."""

    call: Callable[[], None]
    refill: Callable[[], None] = _nothing
    wrong: Callable[[], int] = lambda: 0


@dataclass(frozen=True)
class Setting:
    """What the trials of one request share on this rank."""

    comm: Communicator
    request: Request
    pattern: exact.Pattern

    @property
    def rank(self) -> int:
        return self.comm.Get_rank()

    @property
    def at_root(self) -> bool:
        return self.rank == self.request.root

    def op(self) -> Op:
        return Op(self.request.op)

    def buffer(self, array: Any, counts: list[int] | None = None) -> list[Any]:
        """As mpi4py takes it, with the parts one after the other where counts are given."""
        kind = DataType(self.request.dtype)
        return [array, kind] if counts is None else [array, (counts, _offsets(counts)), kind]

    def empty(self, count: int) -> Any:
        return exact.empty(self.request.dtype, count)

    def parts(self, count: int) -> list[int]:
        """Elements of each rank's part."""
        return list(equal_parts(count, self.request.ranks))


def setting(comm: Communicator, request: Request) -> Setting:
    """Raises UnsupportedError where no exact inputs exist."""
    from _ringtree.core import REDUCING

    if request.collective in REDUCING:
        return Setting(comm, request, exact.reduction(request.dtype, request.op, request.ranks))
    return Setting(comm, request, exact.movement(request.dtype, request.ranks))


def forms(collective: str, count: int, ranks: int) -> list[bool]:
    """Whether in place, for each form that the collective has: broadcast and barrier have one."""
    if collective in ("broadcast", "barrier") or (collective == "all_to_all" and count % ranks):
        return [False]
    return [False, True]


def prepare(setting: Setting, count: int, in_place: bool) -> Trial:
    """The trial of `count` elements, counted as rows do."""
    return _MAKERS[setting.request.collective](setting, count, in_place)


def _offsets(counts: list[int]) -> list[int]:
    return [sum(counts[:i]) for i in range(len(counts))]


def _poison(array: Any) -> None:
    array.view("uint8").fill(0xA5)


def _all_reduce(s: Setting, count: int, in_place: bool) -> Trial:
    receive = s.empty(count)
    send = receive if in_place else s.empty(count)
    given = MPI.IN_PLACE if in_place else s.buffer(send)

    def refill() -> None:
        _poison(receive)
        exact.fill(send, s.pattern.inputs[s.rank], 0)

    return Trial(
        lambda: s.comm.Allreduce(given, s.buffer(receive), s.op()),
        refill,
        lambda: exact.count_wrong(receive, s.pattern.expected, 0),
    )


def _reduce(s: Setting, count: int, in_place: bool) -> Trial:
    receive = s.empty(count if s.at_root else 0)
    apart = not (in_place and s.at_root)
    send = s.empty(count) if apart else receive
    given = s.buffer(send) if apart else MPI.IN_PLACE
    target = s.buffer(receive) if s.at_root else None

    def refill() -> None:
        _poison(receive)
        exact.fill(send, s.pattern.inputs[s.rank], 0)

    return Trial(
        lambda: s.comm.Reduce(given, target, s.op(), s.request.root),
        refill,
        lambda: exact.count_wrong(receive, s.pattern.expected, 0),
    )


def _reduce_scatter(s: Setting, count: int, in_place: bool) -> Trial:
    counts = s.parts(count)
    mine, start = counts[s.rank], _offsets(counts)[s.rank]
    receive = s.empty(count if in_place else mine)
    send = receive if in_place else s.empty(count)
    given = MPI.IN_PLACE if in_place else s.buffer(send)

    def refill() -> None:
        _poison(receive)
        exact.fill(send, s.pattern.inputs[s.rank], 0)

    def call() -> None:
        if count % s.request.ranks:
            s.comm.Reduce_scatter(given, s.buffer(receive), counts, s.op())
        else:
            s.comm.Reduce_scatter_block(given, s.buffer(receive), s.op())

    return Trial(call, refill, lambda: exact.count_wrong(receive[:mine], s.pattern.expected, start))


def _all_gather(s: Setting, count: int, in_place: bool) -> Trial:
    counts = s.parts(count)
    mine, start = counts[s.rank], _offsets(counts)[s.rank]
    receive = s.empty(count)
    send = receive[start : start + mine] if in_place else s.empty(mine)
    given = MPI.IN_PLACE if in_place else s.buffer(send)

    def refill() -> None:
        _poison(receive)
        exact.fill(send, s.pattern.expected, start)

    def call() -> None:
        if count % s.request.ranks:
            s.comm.Allgatherv(given, s.buffer(receive, counts))
        else:
            s.comm.Allgather(given, s.buffer(receive))

    return Trial(call, refill, lambda: exact.count_wrong(receive, s.pattern.expected, 0))


def _gather(s: Setting, count: int, in_place: bool) -> Trial:
    counts = s.parts(count)
    mine, start = counts[s.rank], _offsets(counts)[s.rank]
    receive = s.empty(count if s.at_root else 0)
    apart = not (in_place and s.at_root)
    send = s.empty(mine) if apart else receive[start : start + mine]
    given = s.buffer(send) if apart else MPI.IN_PLACE

    def refill() -> None:
        _poison(receive)
        exact.fill(send, s.pattern.expected, start)

    def call() -> None:
        if count % s.request.ranks:
            s.comm.Gatherv(given, s.buffer(receive, counts) if s.at_root else None, s.request.root)
        else:
            s.comm.Gather(given, s.buffer(receive) if s.at_root else None, s.request.root)

    return Trial(call, refill, lambda: exact.count_wrong(receive, s.pattern.expected, 0))


def _scatter(s: Setting, count: int, in_place: bool) -> Trial:
    counts = s.parts(count)
    mine, start = counts[s.rank], _offsets(counts)[s.rank]
    send = s.empty(count if s.at_root else 0)
    apart = not (in_place and s.at_root)
    receive = s.empty(mine) if apart else send[start : start + mine]
    target = s.buffer(receive) if apart else MPI.IN_PLACE

    def refill() -> None:
        _poison(receive)
        exact.fill(send, s.pattern.expected, 0)

    def call() -> None:
        if count % s.request.ranks:
            s.comm.Scatterv(s.buffer(send, counts) if s.at_root else None, target, s.request.root)
        else:
            s.comm.Scatter(s.buffer(send) if s.at_root else None, target, s.request.root)

    return Trial(call, refill, lambda: exact.count_wrong(receive, s.pattern.expected, start))


def _broadcast(s: Setting, count: int, in_place: bool) -> Trial:
    array = s.empty(count)

    def refill() -> None:
        _poison(array)
        if s.at_root:
            exact.fill(array, s.pattern.expected, 0)

    return Trial(
        lambda: s.comm.Bcast(s.buffer(array), s.request.root),
        refill,
        lambda: exact.count_wrong(array, s.pattern.expected, 0),
    )


def _all_to_all(s: Setting, count: int, in_place: bool) -> Trial:
    counts = s.parts(count)
    mine, start = counts[s.rank], _offsets(counts)[s.rank]
    receive = s.empty(mine * s.request.ranks)
    send = receive if in_place else s.empty(count)
    given = MPI.IN_PLACE if in_place else s.buffer(send)

    def refill() -> None:
        _poison(receive)
        exact.fill(send, s.pattern.inputs[s.rank], 0)

    def call() -> None:
        if count % s.request.ranks:
            s.comm.Alltoallv(s.buffer(send, counts), s.buffer(receive, [mine] * s.request.ranks))
        else:
            s.comm.Alltoall(given, s.buffer(receive))

    def wrong() -> int:
        tables = s.pattern.inputs
        return sum(exact.count_wrong(receive[i * mine : (i + 1) * mine], t, start) for i, t in enumerate(tables))

    return Trial(call, refill, wrong)


def _barrier(s: Setting, count: int, in_place: bool) -> Trial:
    return Trial(s.comm.Barrier)


_MAKERS: dict[str, Callable[[Setting, int, bool], Trial]] = {
    "all_reduce": _all_reduce,
    "reduce": _reduce,
    "reduce_scatter": _reduce_scatter,
    "all_gather": _all_gather,
    "gather": _gather,
    "scatter": _scatter,
    "broadcast": _broadcast,
    "all_to_all": _all_to_all,
    "barrier": _barrier,
}
