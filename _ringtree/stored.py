"""Stored programs: steps written down as Python values, into the core and out of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from _ringtree.native import array, check, ffi, lib, new_error
from _ringtree.program import Collective, Program

MOST_DEPENDENCIES = int(lib.RT_MAX_DEPS)
MOST_DEPTH = int(lib.RT_MAX_DEPTH)


@dataclass(frozen=True, slots=True)
class Step:
    """A step as rt_step has it: source and target are (buffer, offset), dependencies (lane, lanes, step)."""

    opcode: int
    count: int = 0
    source: tuple[int, int] = (0, 0)
    target: tuple[int, int] = (0, 0)
    receives: int = -1
    sends: int = -1
    dependencies: Sequence[tuple[int, int, int]] = ()


def store(
    collective: Collective,
    ends: Sequence[tuple[int, int]],
    steps: Iterable[tuple[int, int, Step]],
    *,
    depth: int,
    scratch: Sequence[int],
) -> Program:
    """The program of these (rank, lane, step), each lane's in order; `ends` are the ranks that each channel joins.

    scratch: elements for each rank. Raises InputError for what cannot be a program.
    """
    c, _keep = collective.to_c()
    out, error = ffi.new("rt_program **"), new_error()
    channels, room = array("rt_channel", list(ends)), array("int64_t", list(scratch))
    check(lib.rt_stored_new(c, depth, len(ends), channels, room, out, error), error)
    program = Program(out[0], collective)
    raw = ffi.new("rt_step *")
    for rank, lane, step in steps:
        raw.opcode, raw.count = step.opcode, step.count
        raw.src_buffer, raw.src_offset = step.source
        raw.dst_buffer, raw.dst_offset = step.target
        raw.recv_channel, raw.send_channel = step.receives, step.sends
        raw.n_deps = len(step.dependencies)
        for number, dependency in enumerate(step.dependencies):
            raw.deps[number] = dependency
        check(lib.rt_stored_add(program.handle, rank, lane, raw, error), error)
    return program


def steps_of(program: Program, rank: int, lane: int) -> Iterator[Step]:
    """The steps of a lane of any program."""
    for raw in program.steps(rank, lane):
        yield Step(
            raw.opcode,
            raw.count,
            (raw.src_buffer, raw.src_offset),
            (raw.dst_buffer, raw.dst_offset),
            raw.recv_channel,
            raw.send_channel,
            [(dep.lane, dep.lanes, dep.step) for dep in raw.deps[0 : raw.n_deps]],
        )
