"""Running programs between ranks: shared segments, the arena, and operations that are waited for with a time limit."""

from __future__ import annotations

import os
import time
import zlib
from collections.abc import Callable, Sequence
from typing import Any

from _ringtree.errors import CollectiveTimeoutError
from _ringtree.native import check, exception, ffi, lib, new_error, text_of
from _ringtree.program import Program
from _ringtree.simulator import Board

# Python waits in slices, so that a signal (Ctrl-C) is seen between two of them.
WAIT_SLICE_NS = 50_000_000
EXCHANGE_BYTES = int(lib.RT_EXCHANGE_BYTES)


def segment_name() -> str:
    """A fresh name for a shared segment that nobody can guess."""
    name, error = ffi.new("char[48]"), new_error()
    check(lib.rt_segment_name(name, error), error)
    return str(ffi.string(name).decode())


class Segment:
    """Shared memory that several ranks map. Private (mode 0600); unlink it as soon as all have mapped it.

    later: created outside /dev/shm, and its first `later` bytes get their memory when they are lent; `name`, by which
    others attach it, then is one of this process's open files, and /proc/PID/maps has the name that it was given.
    """

    def __init__(self, name: str, size: int, create: bool, later: int | None = None) -> None:
        out, error = ffi.new("rt_segment **"), new_error()
        if later is not None:
            status = lib.rt_segment_create_nameless(name.encode(), later, size, out, error)
        else:
            make = lib.rt_segment_create if create else lib.rt_segment_attach
            status = make(name.encode(), size, out, error)
        check(status, error)
        self.name = ffi.string(lib.rt_segment_name_of(out[0])).decode() if create else name
        self.size = size
        self._nameless = later is not None
        self.handle = ffi.gc(out[0], lib.rt_segment_free)

    def unlink(self) -> None:
        error = new_error()
        if self._nameless:
            check(lib.rt_segment_hide(self.handle, error), error)
        else:
            check(lib.rt_segment_unlink(self.name.encode(), error), error)

    def buffer(self) -> Any:
        """The mapped bytes; they stay mapped as long as the segment lives."""
        return ffi.buffer(lib.rt_segment_data(self.handle), self.size)

    def part(self, offset: int, size: int, gone: Callable[[], None] | None = None) -> Any:
        """A buffer over some of the bytes that keeps the segment mapped as long as it lives itself; then `gone`."""
        begin = self.at(offset)
        return ffi.buffer(ffi.gc(begin, lambda _, owner=self: None if gone is None else gone()), size)

    def at(self, offset: int) -> Any:
        """A char pointer to one of the bytes."""
        return ffi.cast("char *", lib.rt_segment_data(self.handle)) + offset

    @property
    def address(self) -> int:
        return int(ffi.cast("uintptr_t", lib.rt_segment_data(self.handle)))

    def lend(self, address: int, size: int) -> None:
        """The first `size` bytes become the pages at the address (csrc/lend.h); only the rest stays here."""
        error = new_error()
        check(lib.rt_segment_lend(self.handle, address, size, error), error)
        self.size -= size

    def release(self) -> None:
        """Somebody else frees it from here on."""
        ffi.gc(self.handle, None)
        self.handle = None


class Arena:
    """The shared state of one communicator. elements: of the board in wall clock, else 0."""

    def __init__(self, segment: Segment, ranks: int, elements: int, create: bool) -> None:
        out, error = ffi.new("rt_arena **"), new_error()
        make = lib.rt_arena_format if create else lib.rt_arena_open
        check(make(segment.handle, ranks, elements, out, error), error)
        segment.release()  # the arena has taken it over
        self.handle = ffi.gc(out[0], lib.rt_arena_free)

    def close(self) -> None:
        ffi.release(self.handle)


def arena_least_bytes(ranks: int, elements: int) -> int:
    """The smallest segment that an arena for so many ranks and board elements fits in."""
    return int(lib.rt_arena_least_bytes(ranks, elements))


class _Engine:
    """The process's one engine; a forked child makes its own when it makes a communicator."""

    def __init__(self) -> None:
        self._handle: Any = None
        self._pid = 0

    def handle(self) -> Any:
        if self._handle is None or self._pid != os.getpid():
            out, error = ffi.new("rt_engine **"), new_error()
            check(lib.rt_engine_new(out, error), error)
            self._handle, self._pid = out[0], os.getpid()
        return self._handle


_engine = _Engine()


class Endpoint:
    """One rank's end of a communicator: starts programs and waits for them.

    timeout_s 0 means that a wait may last for ever. After an error the communicator is revoked for all its ranks.
    """

    def __init__(self, arena: Arena, rank: int, ranks_here: int, timeout_s: float) -> None:
        out, error = ffi.new("rt_comm **"), new_error()
        check(lib.rt_comm_new(_engine.handle(), arena.handle, rank, ranks_here, out, error), error)
        self._comm = out[0]
        self._arena = arena
        self._error = new_error()
        self._op = ffi.new("rt_op **")
        self._keep: tuple[Any, ...] = ()
        self.rank = rank
        self.timeout_s = timeout_s

    @property
    def handle(self) -> Any:
        """The rt_comm."""
        return self._comm

    def wall(self, board: Board, placement: Sequence[int], dilation: float) -> None:
        """From here on links pace the transfers: emulated us = host us / dilation."""
        nodes = ffi.new("int32_t[]", list(placement))
        check(lib.rt_comm_wall(self._comm, board.handle, nodes, dilation, self._error), self._error)
        self._keep = (board, nodes)

    def run(self, program: Program, spec: Any, describe: Callable[[], str]) -> int:
        """Run a program to its end (spec: an rt_op_spec *); returns the bytes that this rank sent.

        describe() names the operation in an error.
        """
        return self._complete(describe, lib.rt_op_start, self._comm, spec)

    def exchange(self, mine: bytes, ranks: int, describe: Callable[[], str]) -> list[bytes]:
        """What every rank gave, in rank order. All give equally many bytes, at least 1, and describe it alike."""
        parts: list[list[bytes]] = [[] for _ in range(ranks)]
        signature = zlib.crc32(describe().encode()) << 32 | len(mine)
        for begin in range(0, len(mine), EXCHANGE_BYTES):
            piece = mine[begin : begin + EXCHANGE_BYTES]
            answer = ffi.new("char[]", ranks * len(piece))
            self._complete(describe, lib.rt_exchange_start, self._comm, piece, answer, len(piece), signature)
            flat = ffi.buffer(answer)[:]
            for rank in range(ranks):
                parts[rank].append(flat[rank * len(piece) : (rank + 1) * len(piece)])
        return [b"".join(part) for part in parts]

    def _complete(self, describe: Callable[[], str], start: Callable[..., int], *arguments: Any) -> int:
        """Start an operation and see it to its end; where a signal interrupts that, it is given up for all ranks."""
        self._op[0] = ffi.NULL
        try:
            check(start(*arguments, self._op, self._error), self._error)
            op = self._op[0]
            status = lib.rt_op_wait(op, WAIT_SLICE_NS, self._error)
            if status == lib.RT_PENDING:
                status = self._wait_longer(op, describe)
            if status < 0:
                self._raise(status, describe)
            return int(lib.rt_op_moved_bytes(op))
        except KeyboardInterrupt:
            self.give_up(describe())
            raise
        finally:
            lib.rt_op_free(self._op[0])

    def _wait_longer(self, op: Any, describe: Callable[[], str]) -> int:
        deadline = time.monotonic() + self.timeout_s if self.timeout_s else float("inf")
        while True:
            status = int(lib.rt_op_wait(op, WAIT_SLICE_NS, self._error))
            if status != lib.RT_PENDING:
                return status
            if time.monotonic() > deadline:
                text = f"{describe()} timed out after {self.timeout_s:g} s on rank {self.rank}; {self._missing(op)}"
                self.revoke(int(lib.RT_ERR_TIMEOUT), text)
                raise CollectiveTimeoutError(text)

    def _missing(self, op: Any) -> str:
        ranks = ffi.new("int32_t[]", 64)
        count = int(lib.rt_op_missing(op, ranks, 64))
        if not count:
            return "all ranks arrived, but not all made progress"
        return f"ranks that did not arrive: {', '.join(str(ranks[i]) for i in range(min(count, 64)))}"

    def _raise(self, status: int, describe: Callable[[], str]) -> None:
        text = text_of(self._error)
        raise exception(status, text if status == lib.RT_ERR_TIMEOUT else f"{describe()} on rank {self.rank}: {text}")

    def revoke(self, status: int, text: str) -> None:
        """End the communicator for every rank; the first reason stays."""
        lib.rt_comm_revoke(self._comm, status, text.encode())

    def give_up(self, what: str) -> None:
        """Revoke after an interrupt, so that no rank waits for this one."""
        self.revoke(int(lib.RT_ERR_REVOKED), f"{what} was interrupted on rank {self.rank}")

    def close(self) -> None:
        """Free what this rank holds of the communicator; the endpoint is of no more use."""
        if self._comm is not None:
            lib.rt_comm_free(self._comm)
            self._arena.close()
            self._comm = None
