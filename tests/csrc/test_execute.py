"""The executor: programs on real buffers, ranks as processes, against NumPy; then everything that goes wrong."""

from __future__ import annotations

import os
import signal
import threading
import time

import numpy as np
import pytest
from _ringtree_core import ffi, lib
from hypothesis import given, settings
from hypothesis import strategies as st
from local_ranks import CoreError, Program, Rank, arena_segment, in_processes, made, one_shot, ring, run_ranks

RANKS = [1, 2, 3, 5, 8]
IN, OUT, SCRATCH = lib.RT_INPUT, lib.RT_OUTPUT, lib.RT_SCRATCH


def data(rank: int, count: int, dtype: type = np.float32) -> np.ndarray:
    """Small whole numbers: sums are exact in any order."""
    return np.random.default_rng([rank, count]).integers(0, 50, count).astype(dtype)


def total(ranks: int, count: int, dtype: type = np.float32) -> np.ndarray:
    return np.sum([data(r, count, np.int64) for r in range(ranks)], axis=0).astype(dtype)


def assert_all_reduces(program: Program, *, nbytes: int = 4 << 20, dtype: type = np.float32, times: int = 1) -> None:
    def body(me: Rank) -> bool:
        right = True
        for _ in range(times):
            out = np.full(program.count, 99, dtype)
            me.run(program, data(me.rank, program.count, dtype), out)
            right &= bool((out == total(program.ranks, program.count, dtype)).all())
        return right

    assert all(run_ranks(program.ranks, body, nbytes=nbytes))


@pytest.mark.parametrize("ranks", RANKS)
@pytest.mark.parametrize("build", [ring, one_shot])
def test_all_reduce_is_numpys_sum(build: object, ranks: int) -> None:
    for count in (0, 1, 1000):
        assert_all_reduces(build(ranks, count), times=2)


@pytest.mark.parametrize("dtype", [np.float64, np.int32, np.uint8])
def test_types_of_other_sizes(dtype: type) -> None:
    assert_all_reduces(ring(3, 100_003), dtype=dtype)


@given(
    ranks=st.integers(1, 4),
    count=st.integers(0, 60_000),
    kib=st.integers(24, 300),
    build=st.sampled_from([ring, one_shot]),
)
@settings(deadline=None, max_examples=25)
def test_any_count_through_any_memory(ranks: int, count: int, kib: int, build: object) -> None:
    assert_all_reduces(build(ranks, count), nbytes=lib.rt_arena_least_bytes(ranks, 0) + kib * 1024, times=2)


def test_a_chunk_larger_than_all_fifos() -> None:
    assert_all_reduces(ring(3, 3_000_001), nbytes=256 << 10)


def test_in_place() -> None:
    program = ring(3, 50_000)

    def body(me: Rank) -> bool:
        both = data(me.rank, 50_000)
        me.run(program, both, both)
        return bool((both == total(3, 50_000)).all())

    assert all(run_ranks(3, body))


def test_moved_bytes_are_what_the_rank_sent() -> None:
    program = ring(4, 4000)

    def body(me: Rank) -> int:
        op = me.start(program, data(me.rank, 4000), np.empty(4000, np.float32))
        me.wait(op)
        moved = lib.rt_op_moved_bytes(op)
        lib.rt_op_free(op)
        return moved

    assert run_ranks(4, body) == [2 * 3 * 4000] * 4


def test_many_channels_between_two_ranks() -> None:
    lanes, each = 300, 50
    program = Program(lib.RT_BROADCAST, 2, lanes * each, [(0, 1)] * lanes)
    for lane in range(lanes):
        at = (OUT, lane * each)
        program.add(0, lane, lib.RT_SEND, each, src=(IN, lane * each), send=lane)
        program.add(1, lane, lib.RT_RECV, each, dst=at, recv=lane)

    def body(me: Rank) -> bool:
        out = np.zeros(lanes * each, np.float32)
        me.run(program, data(0, lanes * each), out)
        return me.rank == 0 or bool((out == data(0, lanes * each)).all())

    assert all(run_ranks(2, body))


def test_layouts_change_between_operations_that_are_all_under_way() -> None:
    programs = [ring(3, 5000), one_shot(3, 5000), ring(3, 7), one_shot(3, 5000), one_shot(3, 1)] * 6

    def body(me: Rank) -> bool:
        outs = [np.zeros(p.count, np.float32) for p in programs]
        sources = [data(me.rank, p.count) for p in programs]
        ops = [me.start(*each) for each in zip(programs, sources, outs, strict=True)]
        for op in ops:
            me.wait(op)
            lib.rt_op_free(op)
        return all((out == total(3, p.count)).all() for p, out in zip(programs, outs, strict=True))

    assert all(run_ranks(3, body))


def test_too_many_channels_for_the_arena_name_the_remedy() -> None:
    program = Program(lib.RT_BARRIER, 2, 0, [(0, 1)] * 5000)

    def body(me: Rank) -> tuple[int, str]:
        with pytest.raises(CoreError) as caught:
            me.start(program, data(0, 1), data(0, 1))
        return caught.value.status, caught.value.text

    for status, text in run_ranks(2, body, nbytes=256 << 10):
        assert status == lib.RT_ERR_NO_MEMORY
        assert "5000 channels" in text
        assert "RINGTREE_ARENA" in text


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


def test_an_answer_never_overtakes_the_question() -> None:
    """Rank 1 passes slices on as they come; what comes back lands, shifted, on what rank 0 is still sending."""
    n, shift = 400_000, 100_000
    program = Program(lib.RT_BROADCAST, 2, n + shift, [(0, 1), (1, 0)], scratch=n + shift)
    program.add(0, 0, lib.RT_COPY, n, src=(IN, 0), dst=(SCRATCH, 0))
    program.add(0, 0, lib.RT_SEND, n, src=(SCRATCH, 0), send=0)
    program.add(0, 1, lib.RT_RECV, n, dst=(SCRATCH, shift), recv=1)
    program.add(0, 2, lib.RT_COPY, n, src=(SCRATCH, shift), dst=(OUT, 0), deps=((1, 1, 0),))
    program.add(1, 0, lib.RT_RECV_SEND, n, dst=(OUT, 0), recv=0, send=1)

    def body(me: Rank) -> bool:
        for _ in range(10):
            out = np.zeros(n + shift, np.float32)
            me.run(program, data(0, n + shift), out)
            if not (out[:n] == data(0, n + shift)[:n]).all():
                return False
        return True

    assert all(run_ranks(2, body, nbytes=256 << 10))


@pytest.mark.parametrize("kind", [lib.RT_ALL_REDUCE, lib.RT_REDUCE, lib.RT_REDUCE_SCATTER])
def test_averages_divide_what_the_rank_holds_at_the_end(kind: int) -> None:
    """Rank 0 sums all of it, then hands on what the collective asks for."""
    count, ranks = 7, 3
    program = Program(kind, ranks, count, [(1, 0), (2, 0), (0, 1), (0, 2)], scratch=count)
    for rank in (1, 2):
        program.add(rank, 0, lib.RT_SEND, count, src=(IN, 0), send=rank - 1)
    program.add(0, 0, lib.RT_RECV_REDUCE, count, src=(IN, 0), dst=(SCRATCH, 0), recv=0)
    program.add(0, 0, lib.RT_RECV_REDUCE, count, src=(SCRATCH, 0), dst=(SCRATCH, 0), recv=1)
    parts = [(0, 3), (3, 2), (5, 2)] if kind == lib.RT_REDUCE_SCATTER else [(0, count)] * 3
    program.add(0, 0, lib.RT_COPY, parts[0][1], src=(SCRATCH, 0), dst=(OUT, 0))
    for rank in (1, 2) if kind != lib.RT_REDUCE else ():
        offset, length = parts[rank]
        program.add(0, 0, lib.RT_SEND, length, src=(SCRATCH, offset), send=rank + 1)
        program.add(rank, 0, lib.RT_RECV, length, dst=(OUT, 0), recv=rank + 1)

    def body(me: Rank) -> list[float]:
        out = np.full(count, -1, np.float32)
        me.run(program, data(me.rank, count), out, op=lib.RT_AVG)
        return out.tolist()

    mean = (total(ranks, count) / np.float32(ranks)).tolist()
    for rank, got in enumerate(run_ranks(ranks, body)):
        offset, length = parts[rank]
        want = [] if kind == lib.RT_REDUCE and rank else mean[offset : offset + length]
        assert got == want + [-1] * (count - len(want))


def test_local_steps() -> None:
    program = Program(lib.RT_ALL_REDUCE, 1, 10, [])
    program.add(0, 0, lib.RT_COPY, 10, src=(IN, 0), dst=(OUT, 0))
    program.add(0, 0, lib.RT_COPY, 8, src=(OUT, 0), dst=(OUT, 2))
    program.add(0, 0, lib.RT_REDUCE_LOCAL, 2, src=(IN, 8), dst=(OUT, 0))
    source = np.arange(10, dtype=np.float32)
    want = np.concatenate([source[:2] + source[8:], source[:8]])

    def body(me: Rank) -> bool:
        out = np.zeros(10, np.float32)
        me.run(program, source, out)
        return bool((out == want).all())

    assert run_ranks(1, body) == [True]


# --- agreement ------------------------------------------------------------------------------------------------------


def test_exchanges_gather_everybodys_bytes() -> None:
    program = ring(3, 100)

    def body(me: Rank) -> bool:
        right = True
        for i in range(100):
            size = 1 + (i * 37) % lib.RT_EXCHANGE_BYTES
            right &= me.exchange(bytes([me.rank + i]) * size) == [bytes([r + i]) * size for r in range(3)]
            if i % 5 == 0:
                me.run(program, data(me.rank, 100), np.zeros(100, np.float32))
        return right

    assert all(run_ranks(3, body))


def error_of(me: Rank, program: Program, **options: object) -> tuple[int, str]:
    with pytest.raises(CoreError) as caught:
        me.run(program, data(me.rank, program.count), np.zeros(program.count, np.float32), **options)
    return caught.value.status, caught.value.text


def test_ranks_that_disagree_all_get_the_error_and_later_calls_quote_it() -> None:
    program = ring(4, 1000)

    def body(me: Rank) -> list[tuple[int, str]]:
        me.run(program, data(me.rank, 1000), np.zeros(1000, np.float32))
        return [error_of(me, program, signature=2 if me.rank == 2 else 1), error_of(me, program)]

    for (status, text), (later, quoted) in run_ranks(4, body):
        assert status == lib.RT_ERR_MISMATCH
        assert "2" in text.split(" disagree")[0]
        assert "operation 2" in text
        assert later == lib.RT_ERR_REVOKED
        assert text in quoted


def test_a_disagreement_long_past_is_still_seen() -> None:
    """The root of broadcasts runs ahead; the other rank finds only later that one of them was different."""
    program = Program(lib.RT_BROADCAST, 2, 1, [(0, 1)])
    program.add(0, 0, lib.RT_SEND, 1, src=(IN, 0), send=0)
    program.add(1, 0, lib.RT_RECV, 1, dst=(OUT, 0), recv=0)

    def body(me: Rank) -> tuple[int, int]:
        if me.rank == 1:
            time.sleep(0.3)
        for i in range(100):
            try:
                me.run(program, data(0, 1), np.zeros(1, np.float32), signature=i + (me.rank == 1 and i == 3))
            except CoreError as error:
                return i, error.status
        return 100, 0

    (ahead, first), (found, second) = run_ranks(2, body)
    assert {first, second} <= {lib.RT_ERR_MISMATCH, lib.RT_ERR_REVOKED}
    assert found == 3
    assert 4 <= ahead <= 3 + 16


def test_programs_that_differ_are_noticed_by_their_slices() -> None:
    mine, other = ring(2, 1000), ring(2, 2000)

    def body(me: Rank) -> tuple[int, str]:
        return error_of(me, other if me.rank else mine)

    for status, text in run_ranks(2, body):
        assert status == lib.RT_ERR_MISMATCH
        assert "expected 2000" in text or "expected 4000" in text


def test_programs_with_other_channels_are_noticed_before_they_meet() -> None:
    def body(me: Rank) -> int:
        return error_of(me, one_shot(3, 10) if me.rank == 1 else ring(3, 10))[0]

    assert run_ranks(3, body) == [lib.RT_ERR_MISMATCH] * 3


# --- failure --------------------------------------------------------------------------------------------------------


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
        op = me.start(program, source, out)
        if me.rank == 1:
            lib.rt_progress(me.engine, 100_000)
            os.kill(os.getpid(), signal.SIGKILL)
        with pytest.raises(CoreError) as caught:
            me.wait(op, timeout_s=0.3)
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


# --- waiting --------------------------------------------------------------------------------------------------------


def test_a_waiting_rank_uses_almost_no_processor() -> None:
    program = ring(2, 1000)

    def body(me: Rank) -> float:
        if me.rank == 1:
            time.sleep(1.0)
        used, begin = time.process_time(), time.perf_counter()
        me.run(program, data(me.rank, 1000), np.zeros(1000, np.float32))
        return (time.process_time() - used) / (time.perf_counter() - begin)

    assert run_ranks(2, body)[0] < 0.02


def test_waiting_no_time_answers_pending_and_progress_finishes() -> None:
    program = ring(2, 300_000)

    def body(me: Rank) -> tuple[int, int, bool]:
        source, out = data(me.rank, 300_000), np.zeros(300_000, np.float32)
        op = me.start(program, source, out)
        first = lib.rt_op_wait(op, 0, ffi.NULL) if me.rank == 0 else lib.RT_PENDING
        deadline = time.monotonic() + 20
        if me.rank == 1:
            time.sleep(0.2)
        while lib.rt_progress(me.engine, 1_000_000) > 0 and time.monotonic() < deadline:
            time.sleep(0.0005)
        last = lib.rt_op_wait(op, 0, ffi.NULL)
        lib.rt_op_free(op)
        return first, last, bool((out == total(2, 300_000)).all())

    assert run_ranks(2, body) == [(lib.RT_PENDING, lib.RT_OK, True)] * 2


def test_two_communicators_in_two_threads() -> None:
    nbytes = 1 << 20
    programs = [ring(2, 20_000), one_shot(2, 3_000)]

    def process(rank: int) -> list[bool]:
        engine = made(lib.rt_engine_new, "rt_engine")
        ranks = [Rank(name, nbytes, 2, rank, engine=engine) for name in names]
        right = [True, True]

        def use(which: int) -> None:
            program, me = programs[which], ranks[which]
            for _ in range(150):
                out = np.zeros(program.count, np.float32)
                me.run(program, data(rank, program.count), out)
                right[which] &= bool((out == total(2, program.count)).all())

        threads = [threading.Thread(target=use, args=(i,)) for i in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for me in ranks:
            me.close()
        lib.rt_engine_free(engine)
        return right

    with arena_segment(2, nbytes) as one, arena_segment(2, nbytes) as other:
        names = (one, other)
        assert in_processes(2, process) == [[True, True]] * 2


def test_ranks_wait_for_one_communicator_while_others_need_them_in_another() -> None:
    """Rank 0 waits in the first communicator, rank 1 in the second: each must serve the other one."""
    nbytes = 1 << 20
    program = ring(2, 100_000)

    def process(rank: int) -> bool:
        engine = made(lib.rt_engine_new, "rt_engine")
        ranks = [Rank(name, nbytes, 2, rank, engine=engine) for name in names]
        outs = [np.zeros(program.count, np.float32) for _ in ranks]
        ops = [me.start(program, data(rank, program.count), out) for me, out in zip(ranks, outs, strict=True)]
        order = (0, 1) if rank == 0 else (1, 0)
        for which in order:
            ranks[which].wait(ops[which])
        return all((out == total(2, program.count)).all() for out in outs)

    with arena_segment(2, nbytes) as one, arena_segment(2, nbytes) as other:
        names = (one, other)
        assert all(in_processes(2, process))
