"""What goes wrong: ranks that do not come, die, turn hostile, give up or fork."""

from __future__ import annotations

import contextlib
import os
import signal
import time

import numpy as np
import pytest
from _ringtree_core import ffi, lib
from local_ranks import (
    CoreError,
    Program,
    Rank,
    arena_segment,
    data,
    error_of,
    in_processes,
    made,
    one_shot,
    ring,
    run_ranks,
    total,
)

OUT = lib.RT_OUTPUT


@pytest.mark.parametrize("build", [ring, one_shot])
def test_ranks_that_do_not_come_are_named_and_the_others_freed(build: object) -> None:
    program = build(4, 1000)

    def body(me: Rank) -> tuple[list[int], int, str, float]:
        me.run(program, data(me.rank, 1000), np.zeros(1000, np.float32))
        if me.rank == 2:
            time.sleep(0.8)
            return [], *error_of(me, program), 0.0
        op = me.start(program, data(me.rank, 1000), np.zeros(1000, np.float32))
        begin = time.monotonic()
        with pytest.raises(CoreError) as caught:
            me.wait(op, timeout_s=0.2 if me.rank == 0 else 20)
        missing = me.missing(op)
        lib.rt_op_free(op)
        return missing, caught.value.status, caught.value.text, time.monotonic() - begin

    results = run_ranks(4, body)
    for missing, status, text, seconds in (results[0], results[1], results[3]):
        assert missing == [2]
        assert (status, text) == (lib.RT_ERR_TIMEOUT, "ranks [2] did not come")
        assert seconds < 0.7
    assert results[2][1] == lib.RT_ERR_TIMEOUT


def test_a_killed_rank_does_not_hold_the_others() -> None:
    program = ring(3, 2_000_000)

    def body(me: Rank) -> int:
        source, out = data(me.rank, 2_000_000), np.zeros(2_000_000, np.float32)
        me.exchange(b"x")
        if me.rank == 1:
            with contextlib.suppress(CoreError):  # on a busy host the others may have given up already
                me.start(program, source, out)
                lib.rt_progress(me.engine, 100_000)
            os.kill(os.getpid(), signal.SIGKILL)
        with pytest.raises(CoreError) as caught:
            me.wait(me.start(program, source, out), timeout_s=0.3)
        return caught.value.status

    assert run_ranks(3, body, nbytes=512 << 10) == [lib.RT_ERR_TIMEOUT, None, lib.RT_ERR_TIMEOUT]


def test_the_first_reason_stays() -> None:
    def body(me: Rank) -> tuple[int, str]:
        me.exchange(b"x")
        if me.rank == 0:
            lib.rt_comm_revoke(me.comm, lib.RT_ERR_TIMEOUT, b"first")
            lib.rt_comm_revoke(me.comm, lib.RT_ERR_MISMATCH, b"second")
        with pytest.raises(CoreError) as caught:
            me.exchange(b"y")
        return caught.value.status, caught.value.text

    assert run_ranks(2, body) == [(lib.RT_ERR_TIMEOUT, "first")] * 2


def test_an_operation_given_up_ends_the_communicator() -> None:
    program = ring(2, 10)

    def body(me: Rank) -> str:
        source, out = data(me.rank, 10), np.zeros(10, np.float32)
        if me.rank == 0:
            lib.rt_op_free(me.start(program, source, out))
        else:
            time.sleep(0.1)
        return error_of(me, program)[1]

    assert all("rank 0 gave up operation 1" in text for text in run_ranks(2, body))


def test_giving_up_one_operation_leaves_those_before_it() -> None:
    program = ring(2, 1000)

    def body(me: Rank) -> tuple[bool, str]:
        source, out = data(me.rank, 1000), np.zeros(1000, np.float32)
        if me.rank == 1:
            time.sleep(0.1)
        first = me.start(program, source, out)
        if me.rank == 0:
            lib.rt_op_free(me.start(program, source, np.zeros(1000, np.float32)))
        me.wait(first)
        lib.rt_op_free(first)
        return bool((out == total(2, 1000)).all()), error_of(me, program)[1]

    assert all(right and "rank 0 gave up operation 2" in text for right, text in run_ranks(2, body))


BAD_STEPS = {
    "beyond its buffer": {"opcode": lib.RT_COPY, "count": 11},
    "overlaps its source": {"opcode": lib.RT_REDUCE_LOCAL, "count": 5, "src": (OUT, 0), "dst": (OUT, 3)},
}


@pytest.mark.parametrize("words", BAD_STEPS)
def test_steps_that_cannot_be_right_are_refused(words: str) -> None:
    program = Program(lib.RT_ALL_REDUCE, 2, 10, [(0, 1)])
    program.add(0, 0, **BAD_STEPS[words])

    def body(me: Rank) -> str:
        return error_of(me, program)[1] if me.rank == 0 else ""

    assert words in run_ranks(2, body)[0]


def test_a_counter_out_of_range_is_an_error_and_not_a_crash() -> None:
    """Rank 0 turns hostile: it fills the counters of all channels with a count no FIFO can have."""
    program = ring(2, 100)
    nbytes = 1 << 20
    counters = (lib.rt_arena_least_bytes(2, 0) - 2 * 4096 - 16 * 192) // 8

    def process(rank: int) -> tuple[int, str]:
        me = Rank(name, nbytes, 2, rank)
        me.run(program, data(rank, 100), np.zeros(100, np.float32))
        me.exchange(b"x")
        if rank == 1:
            return error_of(me, program)
        segment = made(lib.rt_segment_attach, "rt_segment", name, nbytes)
        words = np.frombuffer(ffi.buffer(lib.rt_segment_data(segment), nbytes), np.uint64)
        words[counters : counters + 2 * 24] = 1 << 60
        time.sleep(0.5)  # the other rank looks at least every 50 ms
        with pytest.raises(CoreError) as caught:
            me.exchange(b"x")
        return caught.value.status, caught.value.text

    with arena_segment(2, nbytes) as name:
        results = in_processes(2, process)
    assert [status for status, _ in results] == [lib.RT_ERR_SYSTEM] * 2
    assert all("from rank 0 to rank 1 holds what no rank sends" in text for _, text in results)


def test_a_rank_can_be_taken_once() -> None:
    def body(me: Rank) -> str:
        with pytest.raises(CoreError) as caught:
            made(lib.rt_comm_new, "rt_comm", me.engine, me.arena, 0, 1)
        return caught.value.text

    assert "has been in this arena before" in run_ranks(1, body)[0]


def test_a_forked_child_gets_an_error() -> None:
    program = ring(1, 10)

    def body(me: Rank) -> list[int]:
        def child(_: int) -> list[int]:
            source, out = data(0, 10), np.zeros(10, np.float32)
            status = [error_of(me, program)[0], lib.rt_progress(me.engine, 0)]
            lib.rt_comm_revoke(me.comm, lib.RT_ERR_TIMEOUT, b"the child must not end it")
            with pytest.raises(CoreError) as caught:
                made(lib.rt_comm_new, "rt_comm", me.engine, me.arena, 0, 1)
            me.close()
            engine = made(lib.rt_engine_new, "rt_engine")  # a fresh one is the child's own
            lib.rt_engine_free(engine)
            return [*status, caught.value.status, int(out.sum() + source.sum() * 0)]

        answer = in_processes(1, child)[0]
        me.run(program, data(0, 10), np.zeros(10, np.float32))
        return answer

    assert run_ranks(1, body)[0] == [lib.RT_ERR_FORKED, 0, lib.RT_ERR_FORKED, 0]
