"""Programs written down as Python lists, for tests of the simulator and the verifier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from _ringtree_core import ffi, lib

from _ringtree.core import Collective, Program


@dataclass(frozen=True)
class Step:
    """A step; offsets and count in elements, deps as (lane, lanes, step)."""

    opcode: int
    count: int = 1
    receives: int = -1
    sends: int = -1
    src: tuple[int, int] = (lib.RT_INPUT, 0)
    dst: tuple[int, int] = (lib.RT_OUTPUT, 0)
    deps: tuple[tuple[int, int, int], ...] = ()


Lanes = Mapping[tuple[int, int], Sequence[Step]]
"""(rank, lane) -> steps."""

TAKES = {lib.RT_RECV, lib.RT_RECV_SEND, lib.RT_RECV_REDUCE, lib.RT_RECV_REDUCE_SEND, lib.RT_RECV_REDUCE_STORE_SEND}
GIVES = {lib.RT_SEND, lib.RT_RECV_SEND, lib.RT_RECV_REDUCE_SEND, lib.RT_RECV_REDUCE_STORE_SEND}


def store(
    collective: Collective,
    channels: Sequence[tuple[int, int]],
    lanes: Lanes,
    depth: int = 1,
    scratch: Sequence[int] = (),
) -> Program:
    """A stored program."""
    c, keep = collective.to_c()
    room = ffi.new("int64_t[]", list(scratch) or [0] * collective.ranks)
    out, error = ffi.new("rt_program **"), ffi.new("rt_error *")
    ends = ffi.new("rt_channel[]", list(channels))
    assert lib.rt_stored_new(c, depth, len(channels), ends, room, out, error) == 0, ffi.string(error.text)
    del keep
    program = Program(out[0], collective)
    for (rank, lane), steps in sorted(lanes.items()):
        for step in steps:
            raw = ffi.new(
                "rt_step *",
                {
                    "opcode": step.opcode,
                    "src_buffer": step.src[0],
                    "src_offset": step.src[1],
                    "dst_buffer": step.dst[0],
                    "dst_offset": step.dst[1],
                    "count": step.count,
                    "recv_channel": step.receives,
                    "send_channel": step.sends,
                    "n_deps": len(step.deps),
                    "deps": list(step.deps),
                },
            )
            assert lib.rt_stored_add(program.handle, rank, lane, raw, error) == 0, ffi.string(error.text)
    return program


def unstore(program: Program) -> dict[tuple[int, int], list[Step]]:
    """The steps of any program."""
    return {
        (rank, lane): [
            Step(
                s.opcode,
                s.count,
                s.recv_channel,
                s.send_channel,
                (s.src_buffer, s.src_offset),
                (s.dst_buffer, s.dst_offset),
                tuple((d.lane, d.lanes, d.step) for d in s.deps[0 : s.n_deps]),
            )
            for s in program.steps(rank, lane)
        ]
        for rank in range(program.collective.ranks)
        for lane in range(program.lanes(rank))
    }
