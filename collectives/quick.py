"""The short way into the core: plain NumPy arrays of equal parts, no board. All else takes accelerated.py's way.

A call costs one call of C, which looks at the arrays itself. What is not plain (lists, IN_PLACE of more than Allreduce,
arrays that are not contiguous, operations of the user's own, lengths that do not fit) is noticed before anything is
said to other ranks, and goes the long way, which understands it or says what is wrong.
"""

from __future__ import annotations

from typing import Any

from mpi4py import MPI

from _ringtree.direct import NOT_UNDERSTOOD, Direct, Kinds, run_call
from _ringtree.names import KINDS, OPS
from _ringtree.native import lib
from _ringtree.ndarrays import table

from .accelerated import Accelerated
from .datatypes import AVG, numpy_name

SUM, IN_PLACE = MPI.SUM, MPI.IN_PLACE
_run, _barrier = run_call, lib.rt_direct_barrier
# By identity: mpi4py's operations live as long as its module and have no hash. Others are not plain.
_OPS = {id(getattr(MPI, name.upper())): number for name, number in OPS.items() if name != "avg"} | {id(AVG): OPS["avg"]}


def _codes(kind: str) -> dict[int, int]:
    """rt_direct_kind's codes of a reducing collective, by the identity of the operation."""
    return {op: KINDS[kind] | (number + 1) << 8 for op, number in _OPS.items()}


_ALL_REDUCE, _REDUCE_SCATTER = _codes("all_reduce"), _codes("reduce_scatter")
_SUM_TO_ALL = _ALL_REDUCE[id(SUM)]
_ALL_GATHER, _ALL_TO_ALL, _BROADCAST = KINDS["all_gather"], KINDS["all_to_all"], KINDS["broadcast"]
_NO_CODE = 0xFF  # no such collective
table().handle.in_place = id(IN_PLACE)


class Quick(Accelerated):
    """`FIELDS` are set while every collective of the communicator takes the direct path, and None else.

    Who inherits has them as slots: in the dictionary of an object of mpi4py's types they take four times as long to be
    found. `_sum_to_all` is one of the kinds: what is called most does not even look it up.
    """

    FIELDS = ("_direct", "_kinds", "_sum_to_all")
    _direct: Direct | None
    _kinds: Kinds | None
    _sum_to_all: Any

    def _go_direct(self, direct: Direct | None) -> None:
        self._direct = direct
        self._kinds = None if direct is None else direct.kinds
        self._sum_to_all = None if self._kinds is None else self._kinds[_SUM_TO_ALL]

    def Allreduce(self, sendbuf: Any, recvbuf: Any, op: Any = SUM) -> None:
        kind = self._sum_to_all if op is SUM else self._all_reduce(op)
        if kind is not None:
            call = (kind, sendbuf, recvbuf)
            try:
                status = _run(id(call))
                if not status or self._settled(status, "all_reduce", sendbuf, recvbuf):
                    return
            except BaseException:
                self.session.interrupted("all_reduce")
                raise
        super().Allreduce(sendbuf, recvbuf, op)

    def Reduce_scatter_block(self, sendbuf: Any, recvbuf: Any, op: Any = SUM) -> None:
        kinds = self._kinds
        if kinds is not None:
            call = (kinds[_REDUCE_SCATTER.get(id(op), _NO_CODE)], sendbuf, recvbuf)
            try:
                status = _run(id(call))
                if not status or self._settled(status, "reduce_scatter", sendbuf, recvbuf):
                    return
            except BaseException:
                self.session.interrupted("reduce_scatter")
                raise
        super().Reduce_scatter_block(sendbuf, recvbuf, op)

    def Allgather(self, sendbuf: Any, recvbuf: Any) -> None:
        kinds = self._kinds
        if kinds is not None:
            call = (kinds[_ALL_GATHER], sendbuf, recvbuf)
            try:
                status = _run(id(call))
                if not status or self._settled(status, "all_gather", sendbuf, recvbuf):
                    return
            except BaseException:
                self.session.interrupted("all_gather")
                raise
        super().Allgather(sendbuf, recvbuf)

    def Alltoall(self, sendbuf: Any, recvbuf: Any) -> None:
        kinds = self._kinds
        if kinds is not None:
            call = (kinds[_ALL_TO_ALL], sendbuf, recvbuf)
            try:
                status = _run(id(call))
                if not status or self._settled(status, "all_to_all", sendbuf, recvbuf):
                    return
            except BaseException:
                self.session.interrupted("all_to_all")
                raise
        super().Alltoall(sendbuf, recvbuf)

    def Bcast(self, buf: Any, root: int = 0) -> None:
        kinds = self._kinds
        if kinds is not None and type(root) is int and 0 <= root < 2**31:
            call = (kinds[_BROADCAST | root << 16], buf, buf)
            try:
                status = _run(id(call))
                if not status or self._settled(status, "broadcast", buf, buf):
                    return
            except BaseException:
                self.session.interrupted("broadcast")
                raise
        super().Bcast(buf, root)

    def Barrier(self) -> None:
        direct = self._direct
        if direct is not None:
            try:
                status = _barrier(direct.caller)
                if not status or self._settled(status, "barrier", None, None):
                    return
            except BaseException:
                self.session.interrupted("barrier")
                raise
        super().Barrier()

    def _all_reduce(self, op: Any) -> Any:
        kinds = self._kinds
        return None if kinds is None else kinds[_ALL_REDUCE.get(id(op), _NO_CODE)]

    def _settled(self, status: int, what: str, send: Any, receive: Any) -> bool:
        """Wait for, or raise, what the core answered; False where it has begun nothing."""
        direct = self._direct
        if direct is None:  # freed meanwhile
            return False
        if status == NOT_UNDERSTOOD and direct.error.text[0] == b"\0":
            _learn(receive)
            return False
        if status == lib.RT_ERR_BUSY and direct.started:
            return False
        if direct.complete(status, lambda: what if receive is None else f"{what} of {receive.size} {receive.dtype}"):
            self.session.lend(receive if send is IN_PLACE else send, receive)
        return True


def _learn(buffer: Any) -> None:
    """The element types of others (ml_dtypes) are known from the second call on."""
    dtype = getattr(buffer, "dtype", None)
    if getattr(dtype, "kind", None) == "V" or getattr(dtype, "name", "").startswith(("bfloat16", "float8")):
        try:
            name = numpy_name(dtype)
        except (AttributeError, TypeError):
            return
        if name is not None:
            table().learn(dtype, name)
