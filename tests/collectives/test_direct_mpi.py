"""The direct path against NumPy, bit for bit: every call, type and operation, in every way that it can take."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from calls import EVERY_CALL, OPS, REDUCING, Call
from directly import (
    CROWDED,
    LAST,
    LIMITS,
    MEANINGFUL,
    ROOTED,
    SIZES,
    Anywhere,
    Places,
    Pool,
    core,
    elements,
    limited,
)
from exactness import DTYPES, NARROW, generator, numpy_type
from inorder import any_bits, in_order
from mpi4py import MPI
from opened import RANK, RANKS, total
from together import WORLD

import ringtree

pytestmark = pytest.mark.mpi


@pytest.mark.parametrize("call", EVERY_CALL, ids=lambda c: c.__name__)
def test_every_type_in_every_way(parent: ringtree.Communicator, pools: list[Pool], call: Call) -> None:
    """No barrier between the calls: buffers are overwritten as soon as a call has returned."""
    if call.__name__ == "barrier":
        cases = [("int8", "sum")]
    elif call in REDUCING:
        cases = MEANINGFUL[EVERY_CALL.index(call) % 2 :: 2] if CROWDED else MEANINGFUL
    else:
        cases = [(dtype, "sum") for dtype in DTYPES] * (1 if CROWDED else 3)
    number = EVERY_CALL.index(call)
    random, places = generator(number, 1), Places(pools, number)
    with limited(parent) as path:
        for dtype, op in cases:
            path.limits = LIMITS[random.integers(len(LIMITS))]
            places.choose(int(random.integers(3)))
            count = elements(dtype, SIZES[random.integers(len(SIZES))], random)
            root, shift, seed = (int(random.integers(n)) for n in (RANKS, 18, 1000))
            in_place = bool(random.integers(2))
            by_value = in_place and dtype in NARROW and call.__name__.startswith("reduce_scatter")
            case = Anywhere(dtype, op, count, root, shift, in_place, seed, places, by_value)
            call(parent, case)


@pytest.mark.parametrize("memory", range(3), ids=["plain", "reachable", "mixed"])
@pytest.mark.parametrize("call", EVERY_CALL, ids=lambda c: c.__name__)
def test_counts_around_every_limit(parent: ringtree.Communicator, pools: list[Pool], call: Call, memory: int) -> None:
    """The same bits under all limits: there is but one expected result."""
    places = Places(pools, memory)
    places.choose(memory)
    random = generator(EVERY_CALL.index(call), memory)
    with limited(parent) as path:
        for number, limits in enumerate(LIMITS):
            path.limits = limits
            for size in random.choice([48, 256, 1000, 1024, 5000], 1 if CROWDED else 2, replace=False):
                dtype = ("float32", "bfloat16", "complex64")[random.integers(3)]
                count = max(0, int(size) // numpy_type(dtype).itemsize + int(random.integers(-1, 2)))
                part = -(-count // RANKS) if random.integers(2) else count
                case = Anywhere(dtype, "avg", part, number % RANKS, 4, number % 2 == 1, number, places, number % 2 == 1)
                call(parent, case)


@pytest.mark.parametrize("memory", range(3), ids=["plain", "reachable", "mixed"])
def test_limits_as_they_come(parent: ringtree.Communicator, pools: list[Pool], memory: int) -> None:
    places = Places(pools, memory + 10)
    places.choose(memory)
    for call in EVERY_CALL:
        for size in (16_384, 16_400, 66_000):
            whole = call.__name__ in ("bcast", "all_reduce", "reduce")
            count = size // (1 if whole else RANKS) // 4 + 1
            call(parent, Anywhere("float32", "sum", count, size % RANKS, 0, False, size, places))


def test_one_result_under_all_limits_and_in_all_memory(parent: ringtree.Communicator, pools: list[Pool]) -> None:
    """And on all ranks."""
    places, found = Places(pools, 5), set()
    mine = any_bits("float32", 700, RANK)
    with limited(parent) as path:
        for limits in LIMITS:
            path.limits = limits
            for memory in range(3):
                places.choose(memory)
                source, target = places.make("float32", 700, 0), places.make("float32", 700, 0)
                source.array[:] = mine
                parent.Allreduce(source.array, target.array)
                found.add(target.array.tobytes())
    assert len(found) == 1
    assert len(set(WORLD.allgather(found.pop()))) == 1


@pytest.mark.skipif(RANKS < 2, reason="one input alone is copied")
@pytest.mark.parametrize("size", [5, 400])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float8_e4m3fn", "float8_e5m2", "float32", "complex128"])
def test_nans_of_a_result_are_canonical(parent: ringtree.Communicator, dtype: str, size: int) -> None:
    """Whatever payload and sign the one that came in had, and on whatever rank it was."""
    mine, out = np.ones(size, numpy_type(dtype)), np.zeros(size, numpy_type(dtype))
    if size % RANKS == RANK:
        mine.view(np.uint8)[:] = 0xFF
    operands = [np.frombuffer(text, mine.dtype) for text in WORLD.allgather(mine.tobytes())]
    with limited(parent) as path:
        path.limits = LIMITS[1]
        for op in ("sum", "prod", "avg", *(() if dtype == "complex128" else ("min", "max"))):
            parent.Allreduce(mine, out, OPS[op])
            assert out.tobytes() == in_order(operands, dtype, op).tobytes(), op


def test_narrow_types_are_rounded_once(parent: ringtree.Communicator) -> None:
    """2048 + 1 + 1 .. in float16 would stay 2048 at every step; avg divides before the rounding."""
    mine, out = np.full(300, 2048 if RANK == 0 else 1, np.float16), np.zeros(300, np.float16)
    for op, expected in ((MPI.SUM, 2048 + LAST), (ringtree.AVG, (2048 + LAST) / RANKS)):
        parent.Allreduce(mine, out, op)
        np.testing.assert_array_equal(out, np.full(300, expected, np.float64).astype(np.float16))
    large = np.full(300, 60000, np.float16)
    parent.Allreduce(large, out, ringtree.AVG)
    np.testing.assert_array_equal(out, large)


# -- order of calls ---------------------------------------------------------------------------------------------


def chain(parent: ringtree.Communicator, pools: list[Pool], seed: int, slow: Callable[[int, Any], bool]) -> None:
    """Any calls one after the other, with nothing between them; pauses where `slow` says so."""
    random, places = generator(seed, 77), Places(pools, seed + 100)
    with limited(parent) as path:
        for step in range(60):
            call = EVERY_CALL[random.integers(len(EVERY_CALL))]
            dtype = ("float32", "int8", "complex64")[random.integers(3)]
            if step % 10 == 0:
                path.limits = LIMITS[random.integers(len(LIMITS))]
            places.choose(int(random.integers(3)))
            count = elements(dtype, SIZES[random.integers(len(SIZES))], random)
            case = Anywhere(dtype, "sum", count, int(random.integers(RANKS)), 0, False, step, places)
            if step % 6 == 0 and slow(step, call):
                time.sleep(0.002)
            call(parent, case)


def test_a_slow_rank_among_any_calls(parent: ringtree.Communicator, pools: list[Pool]) -> None:
    chain(parent, pools, 1, lambda step, _: step % RANKS == RANK)


def test_one_fast_rank_among_any_calls(parent: ringtree.Communicator, pools: list[Pool]) -> None:
    chain(parent, pools, 2, lambda step, _: step % RANKS != RANK)


ROOTED_CALLS = [call for call in EVERY_CALL if call.__name__ in ROOTED]


@pytest.mark.parametrize("late", ["root", "leaf", "leaves"])
@pytest.mark.parametrize("size", [32, 240, 5000])
def test_rooted_calls_one_after_the_other(
    parent: ringtree.Communicator, pools: list[Pool], late: str, size: int
) -> None:
    """Ranks run ahead as far as they may, and no further."""
    places = Places(pools, size)
    places.choose(2)
    with limited(parent) as path:
        path.limits = LIMITS[1]
        for step in range(24):
            root = (0, LAST, step % RANKS)[step // 8]
            slow = {"root": root == RANK, "leaf": (root + 1) % RANKS == RANK, "leaves": root != RANK}[late]
            if slow and step % 4 == 0:
                time.sleep(0.002)
            call = ROOTED_CALLS[step % len(ROOTED_CALLS)] if step % 3 else ROOTED_CALLS[0]
            call(parent, Anywhere("int16", "max", size // 2, root, 0, False, step, places))


def test_a_root_sends_often_to_who_is_late(parent: ringtree.Communicator) -> None:
    """Its slots and marks come round again before others have read them."""
    with limited(parent) as path:
        path.limits = LIMITS[1]
        for count in (3, 20, 100):
            if RANK:
                time.sleep(0.003)
            for step in range(40):
                data = np.full(count, step if RANK == 0 else -1, np.int64)
                parent.Bcast(data, 0)
                assert (data == step).all()


def test_communicators_in_turns(parent: ringtree.Communicator, pools: list[Pool]) -> None:
    """Parts and copies keep their own rounds."""
    part, copy = parent.Split(RANK % 2, -RANK), parent.Dup()
    places = Places(pools, 9)
    try:
        for step in range(30):
            total(part, 1 + step % 9)
            total(copy, 10 + step)
            all_reduce = EVERY_CALL[0]
            places.choose(step % 3)
            all_reduce(parent, Anywhere("float32", "sum", 5000 * (step % 2) + step, seed=step, places=places))
    finally:
        part.Free()
        copy.Free()


def test_memory_of_another_communicator_is_plain(comm: ringtree.Communicator, pools: list[Pool]) -> None:
    places = Places(pools, 3)
    places.choose(1)
    core(comm).limits = LIMITS[1]
    for call in EVERY_CALL:
        call(comm, Anywhere("int32", "sum", 500, LAST, places=places))
