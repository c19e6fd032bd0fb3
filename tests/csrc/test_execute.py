"""The executor: programs on real buffers, ranks as processes, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from _ringtree_core import lib
from hypothesis import given, settings
from hypothesis import strategies as st
from local_ranks import CoreError, Program, Rank, data, one_shot, ring, run_ranks, total

RANKS = [1, 2, 3, 5, 8]
IN, OUT, SCRATCH = lib.RT_INPUT, lib.RT_OUTPUT, lib.RT_SCRATCH


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


def test_a_step_of_no_elements_touches_nothing_wherever_it_points() -> None:
    """As the verifier has it."""
    program = Program(lib.RT_BROADCAST, 2, 5, [(0, 1)])
    program.add(0, 0, lib.RT_SEND, 0, src=(IN, 100), send=0)
    program.add(1, 0, lib.RT_RECV, 0, dst=(SCRATCH, 100), recv=0)
    run_ranks(2, lambda me: me.run(program, data(0, 5), np.zeros(5, np.float32)))


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
