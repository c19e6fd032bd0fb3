"""The direct path against NumPy, bit for bit: every call, type and operation, in every way that it can take."""

from __future__ import annotations

import gc
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from calls import EVERY_CALL, OPS, REDUCING, Call, Case
from exactness import DTYPES, NARROW, generator, means_something, numpy_type, operand
from exactness import OPS as OP_NAMES
from guarded import FILL, GUARD, Guarded
from inorder import any_bits, in_order
from mpi4py import MPI
from opened import RANK, RANKS, opened, total
from together import WORLD, meet

import ringtree
from _ringtree.direct import Direct, Limits
from _ringtree.names import KINDS

pytestmark = pytest.mark.mpi

LAST = RANKS - 1
MAPS = Path("/proc/self/maps")
MEANINGFUL = [(dtype, op) for dtype in DTYPES for op in OP_NAMES if means_something(dtype, op)]
ROOTED = ("bcast", "reduce", "gather", "scatter", "gather_v", "scatter_v")
NEVER = 2**63 - 1
CROWDED = RANKS > 3  # more than a small machine's processors: each call takes long, so there are fewer

# Small ones, so that small arrays go every way and in many pieces.
LIMITS = [
    Limits(48, 64, 0),
    Limits(256, 64, 1024),
    Limits(256, 192, NEVER),
    Limits(1000, 448, 4000),
    Limits(1 << 20, 1 << 20, 2000),
    Limits(256, 64, 1024, 0),
]
SIZES = [0, 1, 40, 47, 48, 49, 56, 64, 255, 256, 257, 320, 1000, 1001, 1023, 1025, 1999, 2500, 4097, 6000]
MEMORY = 192 * 1024


class Pool:
    """Memory from comm.empty, given out from the begin to the end and then anew."""

    def __init__(self, memory: Any) -> None:
        self._memory, self._used = memory, 0

    def take(self, size: int) -> Any:
        """So many bytes; None where the pool never has them."""
        if size > len(self._memory):
            return None
        if self._used + size > len(self._memory):
            self._used = 0
        begin, self._used = self._used, self._used + size
        return self._memory[begin : self._used]


class Exact(Guarded):
    """Guarded elements that are checked bit for bit: NumPy takes no NaN of ml_dtypes' types for one."""

    def check(self, expected: Any) -> None:
        self.check_bits(expected)


class Placed(Exact):
    """In memory that exists already."""

    def __init__(self, memory: Any, dtype: str, count: int, shift: int) -> None:
        begin, size = GUARD + shift, count * numpy_type(dtype).itemsize
        self._memory = memory
        self._memory[:] = FILL
        self._before, self._after = memory[:begin], memory[begin + size :]
        self.array = memory[begin : begin + size].view(numpy_type(dtype))


class Places:
    """Where this rank's next buffer lies: in its own memory, or in what the others reach; each rank decides alone."""

    def __init__(self, pools: list[Pool], seed: int) -> None:
        self._pools, self._random = pools, generator(seed, RANK)
        self._share = 0.0

    def choose(self, kind: int) -> None:
        """0: all plain, 1: all in reach, 2: mixed."""
        self._share = (0.0, 1.0, 0.5)[kind]

    def make(self, dtype: str, count: int, shift: int) -> Guarded:
        if self._random.random() >= self._share:
            return Exact(dtype, count, shift)
        shift = int(self._random.integers(0, 130))
        size = -(-(count * numpy_type(dtype).itemsize + 2 * GUARD + shift) // 64) * 64
        memory = self._pools[self._random.integers(len(self._pools))].take(size)
        return Exact(dtype, count, shift) if memory is None else Placed(memory, dtype, count, shift)


@dataclass(frozen=True)
class Anywhere(Case):
    """A case with any bits, in memory of any sort, reduced in the order of the ranks."""

    places: Any = None
    by_value: bool = False  # the call compares values: no NaN of ml_dtypes' types

    def guarded(self, count: int) -> Guarded:
        return self.places.make(self.dtype, count, self.shift)

    def holding(self, values: Any) -> Guarded:
        made = self.guarded(len(values))
        made.array[:] = values
        return made

    def data(self, count: int, *seeds: int) -> Any:
        return any_bits(self.dtype, count, self.seed, *seeds)

    def reduced(self, ranks: int, count: int) -> tuple[list[Any], Any]:
        if self.by_value:
            operands = [operand(self.dtype, self.op, count, rank, self.seed) for rank in range(ranks)]
        else:
            operands = [self.data(count, rank) for rank in range(ranks)]
        return operands, in_order(operands, self.dtype, self.op)


@contextmanager
def direct(**options: Any) -> Iterator[ringtree.Communicator]:
    """Takes the direct path whatever the environment says."""
    with opened(algorithm="direct", **options) as made:
        yield made


@pytest.fixture(scope="module")
def parent() -> Iterator[ringtree.Communicator]:
    with direct() as made:
        yield made


@pytest.fixture
def comm(parent: ringtree.Communicator) -> Iterator[ringtree.Communicator]:
    """One that a test may spoil."""
    made = parent.Dup()
    yield made
    made.Free()


@pytest.fixture(scope="module")
def pools(parent: ringtree.Communicator) -> list[Pool]:
    return [Pool(parent.empty(MEMORY, np.uint8)) for _ in range(2)]


def core(comm: ringtree.Communicator) -> Direct:
    found = comm.session.direct
    assert found is not None
    return found


@contextmanager
def limited(comm: ringtree.Communicator) -> Iterator[Direct]:
    """Its limits are what they were, afterwards."""
    path = core(comm)
    before = path.limits
    try:
        yield path
    finally:
        path.limits = before


def elements(dtype: str, size: int, random: Any) -> int:
    """About so many bytes' worth."""
    return max(0, size // numpy_type(dtype).itemsize + int(random.integers(-1, 2)))


# -- values -----------------------------------------------------------------------------------------------------


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


# -- memory in reach --------------------------------------------------------------------------------------------


def footprint() -> tuple[int, int, int]:
    """Mappings of shared segments and their bytes here, and all that /dev/shm holds of ringtree."""
    gc.collect()
    spans = re.findall(r"^(\w+)-(\w+) .* /dev/shm/ringtree-\w+", MAPS.read_text(), re.MULTILINE)
    named = len(list(Path("/dev/shm").glob("ringtree-*")))
    return len(spans), sum(int(end, 16) - int(begin, 16) for begin, end in spans), named


@pytest.mark.skipif(not MAPS.exists(), reason="no /proc")
def test_memory_comes_and_goes(comm: ringtree.Communicator) -> None:
    """What all ranks dropped is unmapped when the next is made, at the latest when the communicator goes."""
    core(comm).limits = LIMITS[1]

    def once(step: int) -> None:
        first, second = comm.empty(300, np.float32), comm.empty((20, 30), np.float32)
        view = first[7:]
        del first
        view[:] = RANK + step
        if step % RANKS == RANK:
            del second
        out = comm.empty(len(view), np.float32)
        comm.Allreduce(view, out)
        assert (out == sum(range(RANKS)) + RANKS * step).all()

    for step in range(3):
        once(step)
    meet()
    before = footprint()
    for step in range(4 if CROWDED else 12):
        once(step)
    meet()
    gc.collect()
    meet()
    last = comm.empty(1, np.int8)
    mappings, size, named = footprint()
    del last
    assert mappings <= before[0] + 3
    assert size <= before[1] + 3 * RANKS * 4096
    meet()
    assert named <= before[2] + RANKS


@pytest.mark.skipif(not MAPS.exists(), reason="no /proc")
def test_communicators_leave_nothing(parent: ringtree.Communicator) -> None:
    def once() -> None:
        made = parent.Dup()
        kept = made.empty(5000, np.int32)
        kept[:] = RANK
        made.Allreduce(MPI.IN_PLACE, kept)
        made.Free()
        assert kept[-1] == sum(range(RANKS))  # memory outlives its communicator

    once()
    meet()
    before = footprint()[:2]
    for _ in range(4):
        once()
    assert footprint()[:2] == before


def test_memory_dropped_by_one_rank_alone(comm: ringtree.Communicator) -> None:
    """The others go on with theirs, and its new memory at the same address is no part of the old one."""
    core(comm).limits = LIMITS[1]
    kept = comm.empty(500, np.float64)
    kept[:] = RANK
    plain = np.full(500, float(RANK))
    if RANK == LAST:
        del kept
        gc.collect()
        kept = plain
    for _ in range(3):
        out = np.zeros(500)
        comm.Allreduce(kept, out)
        assert (out == sum(range(RANKS))).all()
        everything = np.zeros(500 * RANKS)
        comm.Allgather(kept, everything)
        assert (everything == np.repeat(np.arange(RANKS), 500)).all()
    again = comm.empty(500, np.float64)
    comm.Allreduce(kept, again)
    assert (again == sum(range(RANKS))).all()


def test_a_buffer_that_ends_where_its_region_does(comm: ringtree.Communicator) -> None:
    core(comm).limits = LIMITS[1]
    for count in (400, 512, 513):
        memory = comm.empty(count, np.float32)
        for begin in (0, 1, count // 2):
            memory[:] = RANK
            comm.Allreduce(MPI.IN_PLACE, memory[begin:])
            assert (memory[begin:] == sum(range(RANKS))).all()
            assert (memory[:begin] == RANK).all()


# -- disagreement, absence, revocation --------------------------------------------------------------------------


def numbers(count: int, dtype: Any = np.float64) -> Any:
    return np.ones(count, dtype)


def all_reduce_of(count: int, dtype: Any = np.float64, op: Any = MPI.SUM) -> Callable[[Any], None]:
    return lambda comm: comm.Allreduce(numbers(count, dtype), numbers(count, dtype), op)


def bcast_of(count: int, root: int, dtype: Any = np.float64) -> Callable[[Any], None]:
    return lambda comm: comm.Bcast(numbers(count, dtype), root)


def reduce_of(count: int, root: int) -> Callable[[Any], None]:
    return lambda comm: comm.Reduce(numbers(count), numbers(count), root=root)


def barrier(comm: Any) -> None:
    comm.Barrier()


DIFFERENT: dict[str, tuple[Callable[[Any], None], Callable[[Any], None]]] = {
    "count, tiny": (all_reduce_of(2), all_reduce_of(3)),
    "count, small": (all_reduce_of(20), all_reduce_of(21)),
    "count, large": (all_reduce_of(5000), all_reduce_of(5001)),
    "count, another way": (all_reduce_of(1), all_reduce_of(5000)),
    "type": (all_reduce_of(10), all_reduce_of(10, np.int64)),
    "operation": (all_reduce_of(10), all_reduce_of(10, op=MPI.MAX)),
    "kind": (all_reduce_of(10), bcast_of(10, 0)),
    "barrier": (all_reduce_of(10), barrier),
    "barrier and broadcast": (barrier, bcast_of(10, 0)),
    "root, tiny": (bcast_of(1, 0), bcast_of(1, LAST)),
    "root, small": (bcast_of(10, 0), bcast_of(10, LAST)),
    "root, large": (bcast_of(5000, 0), bcast_of(5000, LAST)),
    "root of reduce": (reduce_of(5, 0), reduce_of(5, LAST)),
    "root of a large reduce": (reduce_of(5000, 0), reduce_of(5000, LAST)),
    "count of broadcast": (bcast_of(10, 0), bcast_of(11, 0)),
    "count of broadcast, from who differs": (bcast_of(10, LAST), bcast_of(11, LAST)),
    "pieces of broadcast": (bcast_of(100, 0), bcast_of(5000, 0)),
    "reduce and gather": (
        reduce_of(6, 0),
        lambda comm: comm.Gather(numbers(6), numbers(6 * RANKS), 0),
    ),
}


@pytest.mark.skipif(RANKS < 2, reason="one rank agrees with itself")
@pytest.mark.parametrize("late", [False] if CROWDED else [False, True], ids=lambda late: "late" if late else "together")
@pytest.mark.parametrize("what", DIFFERENT)
def test_what_differs_is_an_error_on_every_rank(comm: ringtree.Communicator, what: str, late: bool) -> None:
    """At this call, or at the next one where a rank's part in this one asked nothing of the others."""
    ours, theirs = DIFFERENT[what]
    core(comm).limits = LIMITS[1]
    total(comm)
    if late and RANK == LAST:
        time.sleep(0.005)
    with pytest.raises(ringtree.CommunicationError, match=r"disagree about call \d+|timed out"):  # noqa: PT012
        (theirs if RANK == LAST else ours)(comm)
        comm.Barrier()
    with pytest.raises(ringtree.CommunicationError, match="disagree"):
        comm.Barrier()


@pytest.mark.parametrize("call", [all_reduce_of(3), all_reduce_of(3000), bcast_of(2, LAST), reduce_of(9, 0)])
@pytest.mark.skipif(RANKS < 2, reason="nobody can be missing")
def test_who_does_not_come_is_named(call: Callable[[Any], None]) -> None:
    with direct(timeout=0.5) as comm:
        total(comm)
        meet()
        began = time.monotonic()
        if RANK == LAST:
            meet()
        # Leaves of a reduce do not wait for it; in the barrier they miss the root too, which does, or hear from it.
        pattern = rf"timed out after 0\.5 s on rank \d; ranks that did not arrive: (0, )?{LAST}$"
        try:
            with pytest.raises(ringtree.CommunicationError, match=pattern):  # noqa: PT012
                call(comm)
                comm.Barrier()
        finally:
            if RANK != LAST:
                meet()
        assert time.monotonic() - began < 5
        with pytest.raises(ringtree.CommunicationError, match=pattern):
            total(comm)


@pytest.mark.skipif(RANKS < 2, reason="one rank agrees with itself")
def test_what_was_revoked_stays_so(parent: ringtree.Communicator, comm: ringtree.Communicator) -> None:
    """The reason is told to every later call, of whatever sort; other communicators live on."""
    with pytest.raises(ringtree.MismatchError, match=r"ranks \d and \d disagree about call 1 "):
        all_reduce_of(10 + (RANK == LAST))(comm)
    for again in (all_reduce_of(3), all_reduce_of(3000), bcast_of(4, 0), reduce_of(4, LAST), barrier):
        with pytest.raises(ringtree.CommunicationError, match=r"ranks \d and \d disagree about call 1 "):
            again(comm)
    total(parent)
    copy = parent.Dup()
    total(copy)
    copy.Free()


def test_a_mistake_before_anything_is_said_revokes_nothing(comm: ringtree.Communicator) -> None:
    for wrong in (
        lambda: comm.Allreduce(numbers(3), numbers(4)),
        lambda: comm.Bcast(numbers(3), RANKS),
        lambda: comm.Bcast(numbers(3), -1),
        lambda: comm.Reduce(numbers(3), numbers(3), root=RANKS),
        lambda: comm.Allreduce(numbers(3, np.complex64), numbers(3, np.complex64), MPI.MAX),
        lambda: comm.Allgather(numbers(3), numbers(0)),
    ):
        with pytest.raises((ringtree.InputError, ringtree.UnsupportedError)):
            wrong()
        total(comm)


# -- which way --------------------------------------------------------------------------------------------------


def ways(comm: ringtree.Communicator) -> set[str]:
    return {kind for kind in KINDS if comm.is_direct(kind)}


def test_the_direct_path_is_what_one_gets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RINGTREE_ALGO", raising=False)
    with opened() as comm:
        assert ways(comm) == set(KINDS)
        total(comm)
        copy, part = comm.Dup(), comm.Split(RANK % 2)
        assert ways(copy) == ways(part) == set(KINDS)
        copy.Free()
        part.Free()


def test_programs_for_who_asks_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(algorithm="binomial") as comm:
        assert not comm.is_direct("all_reduce")
        total(comm)
    with opened(board="ppu-8") as comm:
        assert not ways(comm)
    monkeypatch.setenv("RINGTREE_ALGO", "binomial")
    with opened() as comm:
        assert ways(comm) == {"all_to_all"}  # which binomial does not do
        total(comm)
    with direct() as comm:  # what the caller says goes before
        assert ways(comm) == set(KINDS)
        total(comm)
    monkeypatch.setenv("RINGTREE_ALGO", "allreduce:binomial")
    with opened() as comm:
        assert ways(comm) == set(KINDS) - {"all_reduce"}
        total(comm)
        comm.Bcast(numbers(5), LAST)
        comm.Barrier()


def test_rank_0_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RINGTREE_ALGO", "direct" if RANK == 0 else "auto")
    with opened() as comm:
        assert len(set(WORLD.allgather(comm.is_direct("broadcast")))) == 1
        total(comm)


def test_a_board_has_no_direct_path() -> None:
    text = r"direct.* without a board"
    with pytest.raises(ringtree.Error, match=text), opened(board="ppu-8", algorithm="direct") as comm:
        total(comm)


def test_limits_out_of_range_are_drawn_in(comm: ringtree.Communicator) -> None:
    path = core(comm)
    path.limits = Limits(-5, -5, -5, -5)
    small = path.limits
    assert small.whole_bytes >= 48
    assert small.piece_bytes >= 64
    assert min(small.stream_bytes, small.fetch_bytes) >= 0
    total(comm, 1000)
    path.limits = Limits(NEVER, NEVER, NEVER, NEVER)
    large = path.limits
    assert small.whole_bytes < large.whole_bytes < NEVER
    assert small.piece_bytes < large.piece_bytes < NEVER
    total(comm, 40_000)
