"""The collectives of mpi4py's buffer interface, on ringtree. A mixin: the class below it is MPI.Intracomm.

Each method reads its buffers, says what is to be achieved (a Collective) and where the memory is, and runs it.
What ringtree does not know (derived datatypes, operations of the user's own) goes to MPI with the same arguments.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar, cast

from mpi4py import MPI

from _ringtree.errors import InputError, MismatchError
from _ringtree.log import info
from _ringtree.program import Collective

from .buffers import Buffer, NotOurs, copied, dense, evenly, parts, read, read_parts
from .datatypes import op_name
from .ragged import gather_parts, scatter_parts

if TYPE_CHECKING:
    from .session import Session

Method = TypeVar("Method", bound=Callable[..., None])


def accelerates(method: Method) -> Method:
    """Where the method finds that only MPI understands its arguments (NotOurs), MPI gets them unchanged."""

    @wraps(method)
    def call(self: Accelerated, *arguments: Any, **keywords: Any) -> None:
        try:
            method(self, *arguments, **keywords)
        except NotOurs as why:
            info(f"{method.__name__} goes to MPI: {why}")
            getattr(super(Accelerated, self), method.__name__)(*arguments, **keywords)

    return cast("Method", call)


def _reducing(op: Any) -> str:
    name = op_name(op)
    if name is None:
        raise NotOurs("the operation is the user's own")
    return name


def _in_place(buffer: Any) -> bool:
    """mpi4py takes None for MPI.IN_PLACE."""
    return buffer is None or buffer is MPI.IN_PLACE


def _pair(send: Buffer, receive: Buffer, what: str, same_allowed: bool = False) -> None:
    """Check that two buffers of one call fit together. same_allowed: as in place, where they are the same memory."""
    if send.dtype != receive.dtype:
        raise InputError(f"{what}: sends {send.dtype}, receives {receive.dtype}; expected one type")
    same = same_allowed and send.address == receive.address
    if send.overlaps(receive) and not same:
        raise InputError(f"{what}: send and receive buffer overlap; use MPI.IN_PLACE")


def _holds(buffer: Buffer, count: int, what: str) -> None:
    if buffer.length < count:
        raise InputError(f"{what}: the buffer holds {buffer.length} elements; expected at least {count}")


def _equal(found: int, expected: int, what: str) -> None:
    if found != expected:
        raise InputError(f"{what}: found {found} elements; expected {expected}")


class Accelerated:
    """Allreduce and its relatives. `session` comes from the communicator."""

    if TYPE_CHECKING:

        @property
        def session(self) -> Session: ...

    # -- reductions ---------------------------------------------------------------------------------------------

    @accelerates
    def Allreduce(self, sendbuf: Any, recvbuf: Any, op: Any = MPI.SUM) -> None:
        name = _reducing(op)
        receive = read(recvbuf, "Allreduce: recvbuf", writable=True)
        send = receive if _in_place(sendbuf) else read(sendbuf, "Allreduce: sendbuf", writable=False)
        if send is not receive:
            _pair(send, receive, "Allreduce", same_allowed=True)
            _equal(receive.length, send.length, "Allreduce: recvbuf")
        shape = Collective("all_reduce", self.session.ranks, send.length)
        self.session.run(shape, send.dtype, name, send.address, receive.address)

    @accelerates
    def Reduce(self, sendbuf: Any, recvbuf: Any, op: Any = MPI.SUM, root: int = 0) -> None:
        self._require_root(root, "Reduce")
        at_root = self.session.rank == root
        name = _reducing(op)
        receive = read(recvbuf, "Reduce: recvbuf", writable=True) if at_root else None
        in_place = at_root and _in_place(sendbuf)
        send = receive if in_place else read(sendbuf, "Reduce: sendbuf", writable=False)
        assert send is not None
        if receive is not None and not in_place:
            _pair(send, receive, "Reduce", same_allowed=True)
            _equal(receive.length, send.length, "Reduce: recvbuf")
        shape = Collective("reduce", self.session.ranks, send.length, root)
        self.session.run(shape, send.dtype, name, send.address, receive.address if receive else 0)

    @accelerates
    def Reduce_scatter_block(self, sendbuf: Any, recvbuf: Any, op: Any = MPI.SUM) -> None:
        name, ranks = _reducing(op), self.session.ranks
        send, receive = self._reduce_scatter_buffers("Reduce_scatter_block", sendbuf, recvbuf, ranks)
        if send.length % ranks:
            raise InputError(f"Reduce_scatter_block: {send.length} elements do not divide by {ranks} ranks")
        _holds(receive, send.length // ranks, "Reduce_scatter_block: recvbuf")
        shape = Collective("reduce_scatter", ranks, send.length)
        self.session.run(shape, send.dtype, name, send.address, receive.address)

    @accelerates
    def Reduce_scatter(self, sendbuf: Any, recvbuf: Any, recvcounts: Any = None, op: Any = MPI.SUM) -> None:
        name, session = _reducing(op), self.session
        send, receive = self._reduce_scatter_buffers("Reduce_scatter", sendbuf, recvbuf, 1)
        if recvcounts is None:
            mine = struct.pack("=q", receive.length)
            counts = tuple(struct.unpack("=q", a)[0] for a in session.exchange(mine, "counts of Reduce_scatter"))
        else:
            counts = tuple(int(c) for c in recvcounts)
        if len(counts) != session.ranks or min(counts) < 0:
            raise InputError(f"Reduce_scatter: found counts {counts}; expected {session.ranks}, none negative")
        _holds(send, sum(counts), "Reduce_scatter: sendbuf")
        _holds(receive, counts[session.rank], "Reduce_scatter: recvbuf")
        shape = Collective("reduce_scatter", session.ranks, sum(counts), counts=counts)
        session.run(shape, send.dtype, name, send.address, receive.address)

    def _reduce_scatter_buffers(self, what: str, sendbuf: Any, recvbuf: Any, blocks: int) -> tuple[Buffer, Buffer]:
        """Input and output; in place the input lies in recvbuf, where it would be overwritten: it is copied aside."""
        if _in_place(sendbuf):
            receive = read(recvbuf, f"{what}: recvbuf", writable=True, blocks=blocks)
            return copied(receive), receive
        receive = read(recvbuf, f"{what}: recvbuf", writable=True)
        send = read(sendbuf, f"{what}: sendbuf", writable=False, blocks=blocks)
        _pair(send, receive, what)
        return send, receive

    # -- from one to all and back -------------------------------------------------------------------------------

    @accelerates
    def Bcast(self, buf: Any, root: int = 0) -> None:
        self._require_root(root, "Bcast")
        buffer = read(buf, "Bcast: buf", writable=self.session.rank != root)
        shape = Collective("broadcast", self.session.ranks, buffer.length, root)
        self.session.run(shape, buffer.dtype, None, buffer.address, buffer.address)

    @accelerates
    def Gather(self, sendbuf: Any, recvbuf: Any, root: int = 0) -> None:
        self._require_root(root, "Gather")
        rank, ranks = self.session.rank, self.session.ranks
        receive = read(recvbuf, "Gather: recvbuf", writable=True, blocks=ranks) if rank == root else None
        in_place = rank == root and _in_place(sendbuf)
        send = None if in_place else read(sendbuf, "Gather: sendbuf", writable=False)
        own = send or receive
        assert own is not None
        count = own.length if send is not None else own.length // ranks
        source = send.address if send is not None else own.at(rank * count)
        if receive is not None:
            _holds(receive, count * ranks, "Gather: recvbuf")
            if send is not None:
                _pair(send, receive, "Gather")
        shape = Collective("gather", ranks, count * ranks, root)
        self.session.run(shape, own.dtype, None, source, receive.address if receive else 0)

    @accelerates
    def Scatter(self, sendbuf: Any, recvbuf: Any, root: int = 0) -> None:
        self._require_root(root, "Scatter")
        rank, ranks = self.session.rank, self.session.ranks
        send = read(sendbuf, "Scatter: sendbuf", writable=False, blocks=ranks) if rank == root else None
        in_place = rank == root and _in_place(recvbuf)
        receive = None if in_place else read(recvbuf, "Scatter: recvbuf", writable=True)
        own = receive or send
        assert own is not None
        count = own.length if receive is not None else own.length // ranks
        target = receive.address if receive is not None else own.at(rank * count)
        if send is not None:
            _holds(send, count * ranks, "Scatter: sendbuf")
            if receive is not None:
                _pair(send, receive, "Scatter")
        shape = Collective("scatter", ranks, count * ranks, root)
        self.session.run(shape, own.dtype, None, send.address if send else 0, target)

    @accelerates
    def Gatherv(self, sendbuf: Any, recvbuf: Any, root: int = 0) -> None:
        self._require_root(root, "Gatherv")
        session = self.session
        at_root = session.rank == root
        receive = read_parts(recvbuf, "Gatherv: recvbuf", True, session.ranks) if at_root else None
        in_place = at_root and _in_place(sendbuf)
        send = None if in_place else read(sendbuf, "Gatherv: sendbuf", writable=False)
        counts = self._root_counts("Gatherv", root, receive, None if send is None else send.length)
        own = send or receive
        assert own is not None
        displs = parts(receive, counts, "Gatherv: recvbuf") if receive is not None else None
        source = send.address if send is not None else own.at(displs[root] if displs else 0)
        shape = Collective("gather", session.ranks, sum(counts), root, counts)
        with scatter_parts(receive, counts, displs) as target:
            session.run(shape, own.dtype, None, source, target)

    @accelerates
    def Scatterv(self, sendbuf: Any, recvbuf: Any, root: int = 0) -> None:
        self._require_root(root, "Scatterv")
        session = self.session
        at_root = session.rank == root
        send = read_parts(sendbuf, "Scatterv: sendbuf", False, session.ranks) if at_root else None
        in_place = at_root and _in_place(recvbuf)
        receive = None if in_place else read(recvbuf, "Scatterv: recvbuf", writable=True)
        counts = self._root_counts("Scatterv", root, send, None if receive is None else receive.length)
        own = receive or send
        assert own is not None
        displs = parts(send, counts, "Scatterv: sendbuf") if send is not None else None
        target = receive.address if receive is not None else own.at(displs[root] if displs else 0)
        shape = Collective("scatter", session.ranks, sum(counts), root, counts)
        with gather_parts(send, counts, displs) as source:
            session.run(shape, own.dtype, None, source, target)

    def _root_counts(self, what: str, root: int, whole: Buffer | None, own: int | None) -> tuple[int, ...]:
        """The counts that the root gave, after every rank compared its own with them."""
        session = self.session
        given = (-1,) * session.ranks if whole is None or whole.counts is None else whole.counts
        if len(given) != session.ranks:
            given = (-2,) * session.ranks
        form = struct.Struct(f"={session.ranks + 1}q")
        answers = [form.unpack(a) for a in session.exchange(form.pack(-1 if own is None else own, *given), what)]
        stated = answers[root][1:]
        if stated[0] == -2:
            raise InputError(f"{what}: the root gave a number of counts other than {session.ranks}")
        owns = [answer[0] for answer in answers]
        if stated[0] == -1:
            return tuple(max(0, own) for own in owns)
        for rank, (own_count, count) in enumerate(zip(owns, stated, strict=True)):
            if own_count not in (-1, count):
                raise MismatchError(f"{what}: rank {rank} has {own_count} elements, but the root says {count}")
        return stated

    # -- from all to all ----------------------------------------------------------------------------------------

    @accelerates
    def Allgather(self, sendbuf: Any, recvbuf: Any) -> None:
        rank, ranks = self.session.rank, self.session.ranks
        receive = read(recvbuf, "Allgather: recvbuf", writable=True, blocks=ranks)
        send = None if _in_place(sendbuf) else read(sendbuf, "Allgather: sendbuf", writable=False)
        count = receive.length // ranks if send is None else send.length
        _holds(receive, count * ranks, "Allgather: recvbuf")
        if send is not None:
            _pair(send, receive, "Allgather")
        source = receive.at(rank * count) if send is None else send.address
        self.session.run(Collective("all_gather", ranks, count * ranks), receive.dtype, None, source, receive.address)

    @accelerates
    def Allgatherv(self, sendbuf: Any, recvbuf: Any) -> None:
        session = self.session
        receive = read_parts(recvbuf, "Allgatherv: recvbuf", True, session.ranks)
        send = None if _in_place(sendbuf) else read(sendbuf, "Allgatherv: sendbuf", writable=False)
        counts = receive.counts
        if counts is None:
            if send is None:
                raise InputError("Allgatherv: MPI.IN_PLACE needs the counts of every rank in recvbuf")
            mine = struct.pack("=q", send.length)
            counts = tuple(struct.unpack("=q", a)[0] for a in session.exchange(mine, "counts of Allgatherv"))
        if len(counts) != session.ranks:
            raise InputError(f"Allgatherv: found {len(counts)} counts; expected {session.ranks}")
        if send is not None:
            _pair(send, receive, "Allgatherv")
            _equal(send.length, counts[session.rank], "Allgatherv: sendbuf")
        displs = parts(receive, counts, "Allgatherv: recvbuf")
        source = receive.at(displs[session.rank]) if send is None else send.address
        shape = Collective("all_gather", session.ranks, sum(counts), counts=counts)
        with scatter_parts(receive, counts, displs) as target:
            session.run(shape, receive.dtype, None, source, target)

    @accelerates
    def Alltoall(self, sendbuf: Any, recvbuf: Any) -> None:
        ranks = self.session.ranks
        receive = read(recvbuf, "Alltoall: recvbuf", writable=True, blocks=ranks)
        here = _in_place(sendbuf)
        send = copied(receive) if here else read(sendbuf, "Alltoall: sendbuf", writable=False, blocks=ranks)
        _pair(send, receive, "Alltoall")
        if send.length % ranks:
            raise InputError(f"Alltoall: {send.length} elements do not divide by {ranks} ranks")
        _holds(receive, send.length, "Alltoall: recvbuf")
        shape = Collective("all_to_all", ranks, send.length)
        self.session.run(shape, send.dtype, None, send.address, receive.address)

    @accelerates
    def Alltoallv(self, sendbuf: Any, recvbuf: Any) -> None:
        session = self.session
        ranks = session.ranks
        receive = evenly(read_parts(recvbuf, "Alltoallv: recvbuf", True, ranks), ranks)
        here = _in_place(sendbuf)
        send = copied(receive) if here else evenly(read_parts(sendbuf, "Alltoallv: sendbuf", False, ranks), ranks)
        assert send.counts is not None
        assert receive.counts is not None
        if not len(send.counts) == len(receive.counts) == ranks:
            raise InputError(f"Alltoallv: expected {ranks} counts in sendbuf and in recvbuf")
        _pair(send, receive, "Alltoallv")
        form = struct.Struct(f"={2 * ranks}q")
        mine = form.pack(*send.counts, *receive.counts)
        table = [form.unpack(a) for a in session.exchange(mine, "counts of Alltoallv")]
        matrix = _all_to_all_matrix(table, ranks)
        send_displs = parts(send, send.counts, "Alltoallv: sendbuf")
        receive_displs = parts(receive, receive.counts, "Alltoallv: recvbuf")
        columns = [[matrix[s][d] for s in range(ranks)] for d in range(ranks)]
        shape = Collective(
            "all_to_all",
            ranks,
            sum(map(sum, matrix)),
            counts=tuple(c for row in matrix for c in row),
            displs=tuple(d for row in matrix for d in dense(row)),
            recv_displs=tuple(d for column in columns for d in dense(column)),
        )
        with (
            gather_parts(send, send.counts, send_displs) as source,
            scatter_parts(receive, receive.counts, receive_displs) as target,
        ):
            session.run(shape, send.dtype, None, source, target)

    def Barrier(self) -> None:
        self.session.run(Collective("barrier", self.session.ranks, 0), "uint8", None, 0, 0)

    def _require_root(self, root: int, what: str) -> None:
        if not 0 <= root < self.session.ranks:
            raise InputError(f"{what}: root: found {root}; expected 0 to {self.session.ranks - 1}")


def _all_to_all_matrix(table: list[tuple[int, ...]], ranks: int) -> list[tuple[int, ...]]:
    """What s sends to d, after comparing it with what d expects from s."""
    for s in range(ranks):
        for d in range(ranks):
            sends, expects = table[s][d], table[d][ranks + s]
            if sends != expects:
                raise MismatchError(f"Alltoallv: rank {s} sends {sends} elements to rank {d}, which expects {expects}")
    return [row[:ranks] for row in table]
