"""The short way into the core: plain NumPy arrays of equal parts, no board. All else takes accelerated.py's way.

A call costs two looks at a buffer and one call of C. What is not plain (lists, IN_PLACE of more than Allreduce, arrays
that are not contiguous, types and operations of the user's own, lengths that do not fit) is noticed before anything is
said to other ranks, and goes the long way, which understands it or says what is wrong.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mpi4py import MPI

from _ringtree.direct import NOT_UNDERSTOOD, Direct
from _ringtree.names import DTYPES, KINDS, OPS
from _ringtree.native import ffi, lib

from .accelerated import Accelerated
from .datatypes import AVG, numpy_name

SUM, IN_PLACE = MPI.SUM, MPI.IN_PLACE
BYTES = ffi.typeof("char[]")
NULL = ffi.NULL
_view, _run = ffi.from_buffer, lib.rt_direct_quick
# Raised by what is looked at before the core is called.
_NOT_PLAIN = (AttributeError, KeyError, TypeError, ValueError, BufferError)
_BARRIER = KINDS["barrier"]


class Codes(dict[Any, int]):
    """NumPy type -> the core's code of (collective, type, operation); filled as types are met."""

    def __init__(self, kind: str, op: str | None = None) -> None:
        self._kind, self._op = kind, op

    def __missing__(self, dtype: Any) -> int:
        name = numpy_name(dtype)
        if name is None or (self._op is not None and not lib.rt_reduce_supports(DTYPES[name], OPS[self._op])):
            raise KeyError(dtype)
        op = 0 if self._op is None else OPS[self._op] + 1
        code: int = KINDS[self._kind] | DTYPES[name] << 8 | op << 16
        self[dtype] = code
        return code


def _by_op(kind: str) -> dict[int, Codes]:
    """By the identity of mpi4py's operations, which live as long as the module and have no hash."""
    names = {"SUM": "sum", "PROD": "prod", "MIN": "min", "MAX": "max", "LAND": "land", "LOR": "lor", "LXOR": "lxor"}
    names |= {"BAND": "band", "BOR": "bor", "BXOR": "bxor"}
    return {id(getattr(MPI, mpi)): Codes(kind, own) for mpi, own in names.items()} | {id(AVG): Codes(kind, "avg")}


_ALL_REDUCE, _REDUCE_SCATTER = _by_op("all_reduce"), _by_op("reduce_scatter")
_SUMS = _ALL_REDUCE[id(SUM)]
_ALL_GATHER, _ALL_TO_ALL, _BROADCAST = Codes("all_gather"), Codes("all_to_all"), Codes("broadcast")


def _bytes_of(data: Any, writable: bool) -> Any:
    """The memory of an array; NumPy has no word for ml_dtypes' types in its buffers, so those are seen as bytes."""
    try:
        return _view(BYTES, data, writable)
    except ValueError:
        return _view(BYTES, data.view("u1"), writable)


class Quick(Accelerated):
    """`_direct` is set while every collective of the communicator takes the direct path."""

    _direct: Direct | None = None

    def Allreduce(self, sendbuf: Any, recvbuf: Any, op: Any = SUM) -> None:
        direct = self._direct
        if direct is not None:
            try:
                dtype = recvbuf.dtype
                code = _SUMS[dtype] if op is SUM else _ALL_REDUCE[id(op)][dtype]
                size = recvbuf.nbytes
                try:
                    target = _view(BYTES, recvbuf, True)
                except ValueError:
                    target = _bytes_of(recvbuf, True)
                if sendbuf is IN_PLACE:
                    status = _run(direct.handle, code, 0, target, size, target, size, direct.error)
                elif sendbuf.dtype is dtype:
                    try:
                        source = _view(sendbuf)
                    except ValueError:
                        source = _bytes_of(sendbuf, False)
                    status = _run(direct.handle, code, 0, source, sendbuf.nbytes, target, size, direct.error)
                else:
                    status = NOT_UNDERSTOOD
            except _NOT_PLAIN:
                status = NOT_UNDERSTOOD
            if not status or _settled(direct, status, "all_reduce", recvbuf):
                return
        super().Allreduce(sendbuf, recvbuf, op)

    def Reduce_scatter_block(self, sendbuf: Any, recvbuf: Any, op: Any = SUM) -> None:
        direct = self._direct
        if direct is not None:
            status = _pair(direct, _REDUCE_SCATTER.get(id(op)), sendbuf, recvbuf)
            if not status or _settled(direct, status, "reduce_scatter", recvbuf):
                return
        super().Reduce_scatter_block(sendbuf, recvbuf, op)

    def Allgather(self, sendbuf: Any, recvbuf: Any) -> None:
        direct = self._direct
        if direct is not None:
            status = _pair(direct, _ALL_GATHER, sendbuf, recvbuf)
            if not status or _settled(direct, status, "all_gather", recvbuf):
                return
        super().Allgather(sendbuf, recvbuf)

    def Alltoall(self, sendbuf: Any, recvbuf: Any) -> None:
        direct = self._direct
        if direct is not None:
            status = _pair(direct, _ALL_TO_ALL, sendbuf, recvbuf)
            if not status or _settled(direct, status, "all_to_all", recvbuf):
                return
        super().Alltoall(sendbuf, recvbuf)

    def Bcast(self, buf: Any, root: int = 0) -> None:
        direct = self._direct
        if direct is not None:
            try:
                code, size = _BROADCAST[buf.dtype], buf.nbytes
                memory = _bytes_of(buf, direct.rank != root)
                status = _run(direct.handle, code, root, NULL, 0, memory, size, direct.error)
            except (*_NOT_PLAIN, OverflowError):
                status = NOT_UNDERSTOOD
            if not status or _settled(direct, status, "broadcast", buf):
                return
        super().Bcast(buf, root)

    def Barrier(self) -> None:
        direct = self._direct
        if direct is not None:
            status = _run(direct.handle, _BARRIER, 0, NULL, 0, NULL, 0, direct.error)
            if not status or _settled(direct, status, "barrier", None):
                return
        super().Barrier()

    if TYPE_CHECKING:  # mpi4py's own, where not even accelerated.py understands the arguments
        session: Any


def _pair(direct: Direct, codes: Codes | None, sendbuf: Any, recvbuf: Any) -> int:
    try:
        if codes is None or sendbuf.dtype is not recvbuf.dtype:
            return NOT_UNDERSTOOD
        code, target = codes[recvbuf.dtype], _bytes_of(recvbuf, True)
        source = _bytes_of(sendbuf, False)
        status: int = _run(direct.handle, code, 0, source, sendbuf.nbytes, target, recvbuf.nbytes, direct.error)
    except _NOT_PLAIN:
        return NOT_UNDERSTOOD
    return status


def _settled(direct: Direct, status: int, what: str, buffer: Any) -> bool:
    """Wait for, or raise, what the core answered; False where it has begun nothing."""
    if status == NOT_UNDERSTOOD and direct.error.text[0] == b"\0":
        return False
    if status == lib.RT_ERR_BUSY and direct.started:
        return False
    direct.complete(status, lambda: what if buffer is None else f"{what} of {buffer.size} {buffer.dtype}")
    return True
