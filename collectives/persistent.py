"""Operations prepared once and run again and again on the same memory.

    step = comm.Allreduce_init(gradients, total)     as MPI's: all ranks prepare the same ones in the same order
    step.Start(); ...; step.Wait()                   the ranks' data moves when they wait, here or elsewhere in ringtree
    step()                                           both at once: one call of C

Without a board a repeat does nothing in Python but this call. With one, Start runs the usual method, to its end.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mpi4py import MPI

from _ringtree.direct import Call, Direct
from _ringtree.errors import InputError
from _ringtree.native import lib

from .accelerated import Accelerated

_again = lib.rt_direct_again


class Persistent:
    """A prepared operation; `memory` is kept alive. replay: the same by its usual method, where there is no call."""

    def __init__(
        self,
        direct: Direct | None,
        call: Call | None,
        replay: Callable[[], None],
        memory: tuple[Any, ...],
        session: Any,
    ) -> None:
        self._direct, self._call, self._replay, self._memory, self._session = direct, call, replay, memory, session
        self._active = False
        self._sequence = 0
        if direct is not None and call is not None:
            call.prepared.caller = direct.caller
            call.spec.lends = 1
            self._prepared = call.prepared

    def __call__(self) -> None:
        """Start and wait."""
        direct = self._direct
        if direct is None or self._active:
            self.Start()
            self.Wait()
            return
        try:
            status = _again(self._prepared)
            if status:
                self._go_on(direct, status)
        except BaseException:
            self._session.interrupted("a prepared operation")
            raise

    def _go_on(self, direct: Direct, status: int) -> None:
        assert self._call is not None
        if status == lib.RT_ERR_BUSY and direct.started:
            asked = direct.run(self._call)
        else:
            asked = direct.complete(status, self._call.describe)
        if asked:
            self._session.lend(*self._memory[:2])

    def Start(self) -> None:
        """Begin. The memory is the operation's until Wait."""
        if self._active:
            raise InputError("Start: the operation is under way; Wait for it first")
        self._active = True
        if self._direct is None or self._call is None:
            self._replay()
            return
        self._direct.start(self._call)
        self._sequence = self._direct.sequence

    def Wait(self, status: MPI.Status | None = None) -> bool:
        """Until it has ended; at once if it was not started."""
        if self._active and self._direct is not None and self._direct.sequence == self._sequence:
            self._direct.finish_started()
        self._active = False
        return True

    def Test(self, status: MPI.Status | None = None) -> bool:
        """Whether it has ended; makes it go on."""
        if self._active and self._direct is not None and not self._direct.ended(self._sequence):
            return False
        self._active = False
        return True

    def Free(self) -> None:
        """Finish it, and let go of its memory."""
        self.Wait()
        self._direct, self._call, self._memory, self._session = None, None, (), None


class Preparing:
    """The methods that prepare operations. A mixin above those that run them."""

    session: Any

    def _prepare(self, name: str, *arguments: Any) -> Persistent:
        method = getattr(self, name)
        session = self.session
        in_place = arguments and (arguments[0] is None or arguments[0] is MPI.IN_PLACE)
        copied = in_place and name in ("Reduce_scatter_block", "Alltoall")
        call = None
        if session.direct is not None and not copied:
            # The long way, which says what it would run; the quick one runs it.
            call = session.record(lambda: getattr(Accelerated, name)(self, *arguments))
        direct = session.direct if call else None
        return Persistent(direct, call, lambda: method(*arguments), arguments, session)

    def Allreduce_init(self, sendbuf: Any, recvbuf: Any, op: Any = MPI.SUM, info: Any = None) -> Persistent:
        return self._prepare("Allreduce", sendbuf, recvbuf, op)

    def Reduce_scatter_block_init(self, sendbuf: Any, recvbuf: Any, op: Any = MPI.SUM, info: Any = None) -> Persistent:
        return self._prepare("Reduce_scatter_block", sendbuf, recvbuf, op)

    def Allgather_init(self, sendbuf: Any, recvbuf: Any, info: Any = None) -> Persistent:
        return self._prepare("Allgather", sendbuf, recvbuf)

    def Alltoall_init(self, sendbuf: Any, recvbuf: Any, info: Any = None) -> Persistent:
        return self._prepare("Alltoall", sendbuf, recvbuf)

    def Bcast_init(self, buf: Any, root: int = 0, info: Any = None) -> Persistent:
        return self._prepare("Bcast", buf, root)

    def Reduce_init(self, sendbuf: Any, recvbuf: Any, op: Any = MPI.SUM, root: int = 0, info: Any = None) -> Persistent:
        return self._prepare("Reduce", sendbuf, recvbuf, op, root)

    def Gather_init(self, sendbuf: Any, recvbuf: Any, root: int = 0, info: Any = None) -> Persistent:
        return self._prepare("Gather", sendbuf, recvbuf, root)

    def Scatter_init(self, sendbuf: Any, recvbuf: Any, root: int = 0, info: Any = None) -> Persistent:
        return self._prepare("Scatter", sendbuf, recvbuf, root)

    def Barrier_init(self, info: Any = None) -> Persistent:
        return self._prepare("Barrier")
