"""Steps, lanes and slices: less memory than chunks need, and the order in which memory is touched."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from _ringtree_core import lib
from local_ranks import CoreError, Program, Rank, data, run_ranks

IN, OUT, SCRATCH = lib.RT_INPUT, lib.RT_OUTPUT, lib.RT_SCRATCH


def swap(sends: int, each: int, depth: int) -> Program:
    """Both ranks send all their chunks before they receive any: it needs FIFOs `sends` chunks deep."""
    program = Program(lib.RT_ALL_TO_ALL, 2, 2 * sends * each, [(0, 1), (1, 0)], depth=depth)
    for rank in range(2):
        mine, others = rank * sends * each, (1 - rank) * sends * each
        program.add(rank, 1, lib.RT_COPY, sends * each, src=(IN, mine), dst=(OUT, mine))
        for i in range(sends):
            program.add(rank, 0, lib.RT_SEND, each, src=(IN, others + i * each), send=rank)
        for i in range(sends):
            program.add(rank, 0, lib.RT_RECV, each, dst=(OUT, others + i * each), recv=1 - rank)
    return program


@pytest.mark.parametrize("sends", [1, 2, 4])
def test_a_program_of_depth_d_runs_in_less_memory(sends: int) -> None:
    each = 200_000
    program = swap(sends, each, depth=sends)

    def body(me: Rank) -> bool:
        out = np.zeros(program.count, np.float32)
        me.run(program, data(me.rank, program.count), out)
        blocks = [data(r, program.count).reshape(2, -1)[me.rank] for r in range(2)]
        return bool((out == np.concatenate(blocks)).all())

    assert all(run_ranks(2, body, nbytes=128 << 10))


def test_a_deeper_program_than_its_depth_is_not_given_memory_without_end() -> None:
    program = swap(8, 200_000, depth=2)

    def body(me: Rank) -> str:
        op = me.start(program, data(me.rank, program.count), np.zeros(program.count, np.float32))
        with pytest.raises(CoreError) as caught:
            me.wait(op, timeout_s=0.3)
        lib.rt_op_free(op)
        return caught.value.text

    assert all("did not come" in text for text in run_ranks(2, body, nbytes=128 << 10))


def test_steps_wait_for_lanes_they_depend_on() -> None:
    """Lane 2 copies what lanes 0 and 1 received, and only then lane 3 overwrites it."""
    n = 30_000
    program = Program(lib.RT_BROADCAST, 2, 2 * n, [(0, 1), (0, 1), (0, 1)], scratch=2 * n)
    for lane in range(2):
        program.add(0, lane, lib.RT_SEND, n, src=(IN, lane * n), send=lane)
        program.add(1, lane, lib.RT_RECV, n, dst=(SCRATCH, lane * n), recv=lane)
    program.add(0, 2, lib.RT_SEND, n, src=(IN, 0), send=2)
    program.add(1, 2, lib.RT_NOP, deps=((0, 2, 0),))
    program.add(1, 2, lib.RT_COPY, 2 * n, src=(SCRATCH, 0), dst=(OUT, 0))
    program.add(1, 3, lib.RT_RECV, n, dst=(SCRATCH, n), recv=2, deps=((2, 1, 1),))

    def body(me: Rank) -> bool:
        for _ in range(20):
            out = np.zeros(2 * n, np.float32)
            me.run(program, data(0, 2 * n), out)
            if me.rank == 1 and not (out == data(0, 2 * n)).all():
                return False
        return True

    assert all(run_ranks(2, body, nbytes=256 << 10))


def runs_right(program: Program, source: Callable[[int], np.ndarray], want: np.ndarray) -> None:
    """Rank 0's output begins with `want`, in an arena whose FIFOs hold a fraction of a chunk."""

    def body(me: Rank) -> bool:
        for _ in range(10):
            out = np.zeros(program.count, np.float32)
            me.run(program, source(me.rank), out)
            if me.rank == 0 and not (out[: want.size] == want).all():
                return False
        return True

    assert all(run_ranks(program.ranks, body, nbytes=256 << 10))


@pytest.mark.parametrize(("sends", "receives"), [(0, 1), (1, 0)])
def test_an_answer_never_overtakes_the_question(sends: int, receives: int) -> None:
    """Rank 1 passes slices on as they come; what comes back lands, shifted, on what rank 0 is still sending."""
    n, shift = 400_000, 100_000
    program = Program(lib.RT_BROADCAST, 2, n + shift, [(0, 1), (1, 0)], scratch=n + shift)
    program.add(0, sends, lib.RT_COPY, n, src=(IN, 0), dst=(SCRATCH, 0))
    program.add(0, sends, lib.RT_SEND, n, src=(SCRATCH, 0), send=0)
    program.add(0, receives, lib.RT_RECV, n, dst=(SCRATCH, shift), recv=1)
    program.add(0, 2, lib.RT_COPY, n, src=(SCRATCH, shift), dst=(OUT, 0), deps=((receives, 1, 0),))
    program.add(1, 0, lib.RT_RECV_SEND, n, dst=(OUT, 0), recv=0, send=1)
    runs_right(program, lambda _: data(0, n + shift), data(0, n + shift)[:n])


@pytest.mark.parametrize(("passes", "combines"), [(0, 1), (1, 0)])
def test_an_answer_is_not_combined_with_what_has_yet_to_come(passes: int, combines: int) -> None:
    """Rank 0 passes on what rank 1 sends, and adds to rank 2's answer what came some slices later."""
    n, ahead = 400_000, 100_000
    program = Program(lib.RT_ALL_REDUCE, 3, n + ahead, [(1, 0), (0, 2), (2, 0)], scratch=n + ahead)
    program.add(0, 2, lib.RT_COPY, n + ahead, src=(IN, 0), dst=(SCRATCH, 0))
    program.add(0, passes, lib.RT_RECV_SEND, n, dst=(SCRATCH, 0), recv=0, send=1, deps=((2, 1, 0),))
    program.add(0, combines, lib.RT_RECV_REDUCE, n, src=(SCRATCH, ahead), dst=(OUT, 0), recv=2, deps=((2, 1, 0),))
    program.add(1, 0, lib.RT_SEND, n, src=(IN, 0), send=0)
    program.add(2, 0, lib.RT_RECV_SEND, n, dst=(OUT, 0), recv=1, send=2)
    sources = [data(rank, n + ahead) for rank in range(3)]
    scratch = np.concatenate([sources[1][:n], sources[0][n:]])
    runs_right(program, lambda rank: sources[rank], sources[1][:n] + scratch[ahead:])
