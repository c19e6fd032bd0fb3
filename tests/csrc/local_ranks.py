"""Ranks as forked processes that share an arena, and small hand-written programs for them to run."""

from __future__ import annotations

import contextlib
import os
import pickle
import select
import signal
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from _ringtree_core import ffi, lib

SLICE_NS = 50_000_000  # one wait, as Python callers do it
DTYPES = {
    np.dtype(np.float32): lib.RT_FLOAT32,
    np.dtype(np.float64): lib.RT_FLOAT64,
    np.dtype(np.int32): lib.RT_INT32,
    np.dtype(np.uint8): lib.RT_UINT8,
}


class CoreError(Exception):
    """A status below 0, with its text."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(status, text)
        self.status = status
        self.text = text


def check(call: Callable[..., int], *arguments: Any) -> None:
    """Call a function of the core whose last argument is the error; raise CoreError where it fails."""
    error = ffi.new("rt_error *")
    status = call(*arguments, error)
    if status < 0:
        raise CoreError(status, ffi.string(error.text).decode())


def made(call: Callable[..., int], kind: str, *arguments: Any) -> Any:
    """The object that a function of the core puts into its last but one argument."""
    handle = ffi.new(f"{kind} **")
    check(call, *arguments, handle)
    return handle[0]


def segment_name() -> bytes:
    name = ffi.new("char[48]")
    check(lib.rt_segment_name, name)
    return bytes(ffi.string(name))


@dataclass
class Program:
    """A stored program under construction; offsets and counts in elements."""

    kind: int
    ranks: int
    count: int
    channels: list[tuple[int, int]]
    scratch: int = 0
    depth: int = 2
    root: int = 0
    handle: Any = field(init=False)

    def __post_init__(self) -> None:
        collective = ffi.new("rt_collective *")
        collective.kind, collective.ranks, collective.root, collective.count = (
            self.kind,
            self.ranks,
            self.root,
            self.count,
        )
        scratch = ffi.new("int64_t[]", [self.scratch] * self.ranks)
        ends = ffi.new("rt_channel[]", [{"src": a, "dst": b} for a, b in self.channels] or 1)
        self.handle = made(lib.rt_stored_new, "rt_program", collective, self.depth, len(self.channels), ends, scratch)

    def add(
        self,
        rank: int,
        lane: int,
        opcode: int,
        count: int = 0,
        *,
        src: tuple[int, int] = (0, 0),
        dst: tuple[int, int] = (0, 0),
        recv: int = -1,
        send: int = -1,
        deps: tuple[tuple[int, int, int], ...] = (),
    ) -> None:
        """Append a step; src and dst are (buffer, offset), deps are (lane, lanes, step)."""
        step = ffi.new("rt_step *")
        step.opcode, step.count, step.recv_channel, step.send_channel = opcode, count, recv, send
        step.src_buffer, step.src_offset = src
        step.dst_buffer, step.dst_offset = dst
        step.n_deps = len(deps)
        for i, dep in enumerate(deps):
            step.deps[i].lane, step.deps[i].lanes, step.deps[i].step = dep
        check(lib.rt_stored_add, self.handle, rank, lane, step)


def part(count: int, parts: int, index: int) -> tuple[int, int]:
    """(offset, length) of a piece, larger ones first."""
    small, larger = divmod(count, parts)
    return small * index + min(index, larger), small + (index < larger)


def ring(ranks: int, count: int, depth: int = 2) -> Program:
    """All-reduce over one ring in one lane per rank: every rank sends before it receives."""
    channels = [(r, (r + 1) % ranks) for r in range(ranks)] if ranks > 1 else []
    program = Program(lib.RT_ALL_REDUCE, ranks, count, channels, depth=depth)
    if ranks == 1:
        program.add(0, 0, lib.RT_COPY, count, src=(lib.RT_INPUT, 0), dst=(lib.RT_OUTPUT, 0))
        return program
    for rank in range(ranks):
        came, goes = (rank - 1) % ranks, rank
        for k in range(2 * ranks - 1):
            offset, length = part(count, ranks, (rank - k) % ranks)
            opcode = (
                lib.RT_SEND
                if k == 0
                else lib.RT_RECV_REDUCE_SEND
                if k < ranks - 1
                else lib.RT_RECV_REDUCE_STORE_SEND
                if k == ranks - 1
                else lib.RT_RECV_SEND
                if k < 2 * ranks - 2
                else lib.RT_RECV
            )
            program.add(
                rank,
                0,
                opcode,
                length,
                src=(lib.RT_INPUT, offset),
                dst=(lib.RT_OUTPUT, offset),
                recv=came,
                send=goes,
            )
    return program


def one_shot(ranks: int, count: int) -> Program:
    """All-reduce in which everybody sends all to everybody; a lane per peer, combined in rank order."""
    channels = [(a, b) for a in range(ranks) for b in range(ranks) if a != b]
    program = Program(lib.RT_ALL_REDUCE, ranks, count, channels, depth=1)
    for rank in range(ranks):
        program.add(rank, 0, lib.RT_COPY, count, src=(lib.RT_INPUT, 0), dst=(lib.RT_OUTPUT, 0))
        for lane, peer in enumerate((p for p in range(ranks) if p != rank), start=1):
            program.add(rank, lane, lib.RT_SEND, count, src=(lib.RT_INPUT, 0), send=channels.index((rank, peer)))
            program.add(
                rank,
                0,
                lib.RT_RECV_REDUCE,
                count,
                src=(lib.RT_OUTPUT, 0),
                dst=(lib.RT_OUTPUT, 0),
                recv=channels.index((peer, rank)),
            )
    return program


class Rank:
    """One rank of a communicator, in the process that runs it."""

    def __init__(self, name: bytes, nbytes: int, ranks: int, rank: int, elements: int = 0, engine: Any = None) -> None:
        self.rank, self.ranks = rank, ranks
        self.segment = made(lib.rt_segment_attach, "rt_segment", name, nbytes)
        self.arena = made(lib.rt_arena_open, "rt_arena", self.segment, ranks, elements)
        self.engine = engine or made(lib.rt_engine_new, "rt_engine")
        self.comm = made(lib.rt_comm_new, "rt_comm", self.engine, self.arena, rank, ranks)

    def start(
        self, program: Program, source: np.ndarray, target: np.ndarray, op: int = lib.RT_SUM, signature: int = 1
    ) -> Any:
        scratch = np.zeros(max(program.scratch, 1), source.dtype)
        spec = ffi.new("rt_op_spec *")
        spec.program = program.handle
        buffers = [ffi.from_buffer(b) for b in (source, target, scratch)]
        spec.input, spec.output, spec.scratch = buffers
        spec.dtype, spec.op, spec.signature = DTYPES[source.dtype], op, signature
        handle = made(lib.rt_op_start, "rt_op", self.comm, spec)
        self.alive = [*getattr(self, "alive", [])[-64:], (spec, buffers)]
        return handle

    def wait(self, op: Any, timeout_s: float = 20.0) -> None:
        """Until the operation ends; a time-out revokes the communicator and names who is missing."""
        deadline = time.monotonic() + timeout_s
        error = ffi.new("rt_error *")
        while True:
            status = lib.rt_op_wait(op, SLICE_NS, error)
            if status < 0:
                raise CoreError(status, ffi.string(error.text).decode())
            if status == lib.RT_OK:
                return
            if time.monotonic() > deadline:
                missing = self.missing(op)
                lib.rt_comm_revoke(self.comm, lib.RT_ERR_TIMEOUT, f"ranks {missing} did not come".encode())

    def missing(self, op: Any) -> list[int]:
        ranks = ffi.new("int32_t[]", self.ranks)
        return list(ranks[0 : lib.rt_op_missing(op, ranks, self.ranks)])

    def run(self, program: Program, source: np.ndarray, target: np.ndarray, **options: Any) -> None:
        op = self.start(program, source, target, **options)
        try:
            self.wait(op)
        finally:
            lib.rt_op_free(op)

    def exchange(self, mine: bytes, signature: int = 7) -> list[bytes]:
        everything = ffi.new("char[]", len(mine) * self.ranks)
        op = made(lib.rt_exchange_start, "rt_op", self.comm, mine, everything, len(mine), signature)
        try:
            self.wait(op)
        finally:
            lib.rt_op_free(op)
        text = bytes(ffi.buffer(everything))
        return [text[i : i + len(mine)] for i in range(0, len(text), len(mine))]

    def close(self) -> None:
        lib.rt_comm_free(self.comm)
        lib.rt_arena_free(self.arena)


@contextlib.contextmanager
def arena_segment(ranks: int, nbytes: int, elements: int = 0) -> Iterator[bytes]:
    """The name of a formatted arena, which goes with it."""
    name = segment_name()
    arena = made(
        lib.rt_arena_format, "rt_arena", made(lib.rt_segment_create, "rt_segment", name, nbytes), ranks, elements
    )
    try:
        yield name
    finally:
        lib.rt_arena_free(arena)


def _child(write: int, body: Callable[[int], Any], rank: int) -> None:
    try:
        answer = (True, body(rank))
    except BaseException:
        answer = (False, traceback.format_exc())
    try:
        with os.fdopen(write, "wb") as pipe:
            pickle.dump(answer, pipe)
    finally:
        os._exit(0)


def in_processes(ranks: int, body: Callable[[int], Any], timeout_s: float = 60.0) -> list[Any]:
    """body(rank) in one forked process each; their results, None for a process that died."""
    pipes, pids = [], []
    for rank in range(ranks):
        read, write = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(read)
            _child(write, body, rank)
        os.close(write)
        pipes.append(read)
        pids.append(pid)
    data: dict[int, bytes] = dict.fromkeys(pipes, b"")
    live = set(pipes)
    deadline = time.monotonic() + timeout_s
    while live and (left := deadline - time.monotonic()) > 0:
        for pipe in select.select(list(live), [], [], left)[0]:
            block = os.read(pipe, 1 << 16)
            data[pipe] += block
            if not block:
                live.remove(pipe)
    for pipe, pid in zip(pipes, pids, strict=True):
        if pipe in live:
            os.kill(pid, signal.SIGKILL)
        os.close(pipe)
        os.waitpid(pid, 0)
    assert not live, f"ranks {[pipes.index(p) for p in live]} did not end within {timeout_s} s"
    answers = [pickle.loads(block) if block else (True, None) for block in data.values()]
    failed = [text for right, text in answers if not right]
    assert not failed, "\n".join(failed)
    return [value for _, value in answers]


def run_ranks(
    ranks: int, body: Callable[[Rank], Any], *, nbytes: int = 4 << 20, elements: int = 0, timeout_s: float = 60.0
) -> list[Any]:
    """body(Rank) on every rank of a fresh arena."""
    with arena_segment(ranks, nbytes, elements) as name:

        def process(rank: int) -> Any:
            me = Rank(name, nbytes, ranks, rank, elements)
            value = body(me)
            me.close()
            return value

        return in_processes(ranks, process, timeout_s)


def data(rank: int, count: int, dtype: type = np.float32) -> np.ndarray:
    """Small whole numbers: sums are exact in any order."""
    return np.random.default_rng([rank, count]).integers(0, 50, count).astype(dtype)


def total(ranks: int, count: int, dtype: type = np.float32) -> np.ndarray:
    return np.sum([data(r, count, np.int64) for r in range(ranks)], axis=0).astype(dtype)


def error_of(me: Rank, program: Program, **options: Any) -> tuple[int, str]:
    """What a run that must fail says."""
    try:
        me.run(program, data(me.rank, program.count), np.zeros(program.count, np.float32), **options)
    except CoreError as error:
        return error.status, error.text
    raise AssertionError("it did not fail")
