"""csrc/direct: segments that are not its own, peers that lie, limits out of range, waits that do not wait."""

from __future__ import annotations

import contextlib
import struct
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from _ringtree_core import ffi, lib
from local_ranks import SLICE_NS, CoreError, Rank, arena_segment, check, in_processes, made, segment_name

MANY = 4 << 20
# What rounds.h says of the segment.
HEADER, LINE, DEPTH, INLINE = 128, 64, 4, 48
NOWHERE, PRIVATE = -1, -2
ALL_REDUCE = lib.RT_ALL_REDUCE


@contextlib.contextmanager
def fresh_segment(nbytes: int) -> Iterator[bytes]:
    """The name of a segment of zeros."""
    name = segment_name()
    segment = made(lib.rt_segment_create, "rt_segment", name, nbytes)
    try:
        yield name
    finally:
        lib.rt_segment_free(segment)


class Path(Rank):
    """A rank with a direct path; nobody formats its segment unless told so."""

    def __init__(self, arena: bytes, name: bytes, ranks: int, rank: int, nbytes: int = MANY) -> None:
        super().__init__(arena, MANY, ranks, rank)
        self.shared = made(lib.rt_segment_attach, "rt_segment", name, nbytes)
        self.bytes = ffi.buffer(lib.rt_segment_data(self.shared), nbytes)
        self.direct: Any = None

    def open(self, create: bool) -> None:
        self.direct = made(lib.rt_direct_new, "rt_direct", self.comm, self.shared, int(create))

    def spec(self, source: np.ndarray, target: np.ndarray, kind: int = ALL_REDUCE, root: int = 0) -> Any:
        spec = ffi.new("rt_direct_spec *")
        spec.collective.kind, spec.collective.ranks, spec.collective.root = kind, self.ranks, root
        spec.collective.count, spec.dtype = source.size, lib.RT_FLOAT32
        spec.op = lib.RT_SUM if kind in (lib.RT_ALL_REDUCE, lib.RT_REDUCE) else -1
        spec.input, spec.output = (ffi.cast("void *", a.ctypes.data) for a in (source, target))
        return spec

    def run(self, spec: Any, timeout_s: float = 5.0) -> None:
        """To its end. A forged mark rings no bell: it is seen at the next wait."""
        error, deadline = ffi.new("rt_error *"), time.monotonic() + timeout_s
        status = lib.rt_direct_run(self.direct, spec, SLICE_NS, error)
        while status == lib.RT_PENDING and time.monotonic() < deadline:
            status = lib.rt_direct_wait(self.direct, SLICE_NS, error)
        if status == lib.RT_PENDING:
            lib.rt_direct_revoke(self.direct, lib.RT_ERR_TIMEOUT, b"pending for too long")
        if status:
            raise CoreError(status, ffi.string(error.text).decode())

    def all_reduce(self, count: int) -> np.ndarray:
        source, target = np.full(count, self.rank + 1, np.float32), np.zeros(count, np.float32)
        self.run(self.spec(source, target))
        return target

    def limits(self, *values: int) -> list[int]:
        """Ask for these; what they are then."""
        limits = ffi.new("rt_limits *", values)
        lib.rt_direct_set_limits(self.direct, limits)
        lib.rt_direct_limits(self.direct, limits)
        return [limits.whole_bytes, limits.piece_bytes, limits.stream_bytes, limits.fetch_bytes]

    # -- what a peer can do to the segment -----------------------------------------------------------------------

    def mark(self, rank: int, number: int) -> tuple[int, int]:
        """(round, signature)"""
        begin = HEADER + (rank * DEPTH + number % DEPTH) * LINE
        return struct.unpack("=QQ", self.bytes[begin : begin + 16])

    def forge(self, number: int, signature: int, places: tuple[int, ...]) -> None:
        """This rank's mark, the round last."""
        begin = HEADER + (self.rank * DEPTH + number % DEPTH) * LINE
        self.bytes[begin + 8 : begin + 16 + 8 * len(places)] = struct.pack(f"=Q{len(places)}q", signature, *places)
        self.bytes[begin : begin + 8] = struct.pack("=Q", number)

    def signature_of(self, rank: int, number: int) -> int:
        deadline = time.monotonic() + 10
        while self.mark(rank, number)[0] < number:
            assert time.monotonic() < deadline, f"rank {rank} did not mark round {number}"
            time.sleep(0.001)
        return self.mark(rank, number)[1]

    def close(self) -> None:
        lib.rt_direct_free(self.direct or ffi.NULL)
        super().close()
        lib.rt_segment_free(self.shared)


def on_ranks(ranks: int, body: Callable[[Path], Any], nbytes: int = MANY) -> list[Any]:
    """body(Path) on every rank; rank 0 formats the segment."""
    with arena_segment(ranks, MANY) as arena, fresh_segment(nbytes) as name:

        def process(rank: int) -> Any:
            me = Path(arena, name, ranks, rank, nbytes)
            while rank and me.bytes[0:8] == bytes(8):  # the magic number is written last
                time.sleep(0.001)
            me.open(create=rank == 0)
            value = body(me)
            me.close()
            return value

        return in_processes(ranks, process, 10.0)


@contextlib.contextmanager
def alone(ranks: int = 2, nbytes: int = MANY, create: bool = True) -> Iterator[Path]:
    """Rank 0 in this process; the others never come."""
    with arena_segment(ranks, MANY) as arena, fresh_segment(nbytes) as name:
        me = Path(arena, name, ranks, 0, nbytes)
        if create:
            me.open(create=True)
        try:
            yield me
        finally:
            me.close()


def refused(me: Path) -> str:
    with pytest.raises(CoreError) as caught:
        me.open(create=False)
    assert caught.value.status == lib.RT_ERR_INVALID
    return caught.value.text


# -- segments ---------------------------------------------------------------------------------------------------


def test_nobody_formatted_the_segment() -> None:
    with alone(create=False) as me:
        assert "magic 0000000000000000" in refused(me)


@pytest.mark.parametrize(
    ("offset", "value", "text"),
    [
        (0, 0x1234, "magic 0000000000001234"),
        (8, 0x1234, "all ranks must run the same ringtree"),
        (16, MANY + 64, f"in {MANY + 64} bytes, expected 2 in {MANY}"),
        (16, -1, "in -1 bytes"),
        (24, 3, "made for 3 ranks"),
        (24, 0xFFFFFFFF, "made for -1 ranks"),
    ],
    ids=["magic", "build", "bytes", "negative bytes", "ranks", "negative ranks"],
)
def test_a_segment_of_somebody_else(offset: int, value: int, text: str) -> None:
    with alone() as me:
        size = "i" if offset == 24 else "q"
        value -= 1 << 32 if offset == 24 and value >> 31 else 0
        old = me.bytes[offset : offset + struct.calcsize(size)]
        me.bytes[offset : offset + struct.calcsize(size)] = struct.pack(f"={size}", value)
        lib.rt_direct_free(me.direct)
        me.direct = None
        assert text in refused(me)
        me.bytes[offset : offset + len(old)] = old
        me.open(create=False)


def test_a_segment_that_is_too_small() -> None:
    least = lib.rt_direct_least_bytes(2)
    with alone(nbytes=least - 64, create=False) as me, pytest.raises(CoreError, match=f"at least {least} bytes"):
        me.open(create=True)
    with alone(nbytes=least) as me:
        assert me.limits(0, 0, 0, 0)[:2] == [INLINE, LINE]


@pytest.mark.parametrize("ranks", [1, 2, 5])
def test_the_smallest_segment_is_enough(ranks: int) -> None:
    def body(me: Path) -> list[bool]:
        found = []
        for values in ((48, 64, 0, 2**63 - 1), (2**62, 2**62, 2**62, 2**63 - 1)):
            me.limits(*values)
            found += [bool((me.all_reduce(n) == ranks * (ranks + 1) / 2).all()) for n in (0, 1, 13, 1000, 30_000)]
        return found

    assert all(all(found) for found in on_ranks(ranks, body, lib.rt_direct_least_bytes(ranks)))


# -- limits -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ranks", [1, 2, 8])
def test_limits_are_drawn_into_their_range(ranks: int) -> None:
    with alone(ranks) as me:
        for low in (0, -1, -(2**63)):
            assert me.limits(low, low, low, low) == [INLINE, LINE, 0, 0]
        whole, piece, *rest = me.limits(*[2**63 - 1] * 4)
        assert whole * ranks * DEPTH <= MANY
        assert INLINE < piece * (ranks + 1) <= whole
        assert rest == [2**63 - 1] * 2
        assert me.limits(1000, 640, 5, 7) == [1000, 640, 5, 7]


# -- peers that lie ---------------------------------------------------------------------------------------------

BODY = 4096
LIES = {
    "a region that nobody made": (7, 0, NOWHERE, 0, 0),
    "a region below all": (-3, 0, NOWHERE, 0, 0),
    "the lowest number": (-(2**63), 0, NOWHERE, 0, 0),
    "an input that ends behind its region": (0, 1, NOWHERE, 0, 0),
    "an input before its region": (0, -1, NOWHERE, 0, 0),
    "an input far away": (0, 2**63 - 1, NOWHERE, 0, 0),
    "an input far before": (0, -(2**63), NOWHERE, 0, 0),
    "an output that ends behind its region": (NOWHERE, 0, 0, 64, 0),
    "an output far away": (NOWHERE, 0, 0, 2**63 - 8, 0),
    "an output that nobody made": (NOWHERE, 0, 1, 0, 0),
    "private memory as output": (NOWHERE, 0, PRIVATE, 4096, 1),
    "private memory that may not be read": (PRIVATE, 4096, NOWHERE, 0, 1),
}


@pytest.mark.parametrize("lie", LIES)
def test_places_out_of_range_are_an_error(lie: str) -> None:
    """Rank 1 writes its mark itself: its region is as long as the vector."""

    def body(me: Path) -> tuple[int, str]:
        base = ffi.cast("char *", lib.rt_segment_data(me.shared))
        parts = ffi.new("void *[]", [base, base])  # any memory: it must not be touched
        lengths = ffi.new("int64_t[]", [0, BODY, 0] * 2)
        region = ffi.new("rt_region **")
        check(lib.rt_direct_add_region, me.direct, 0, base, BODY, ffi.NULL, parts, parts, lengths, region)
        me.limits(48, 64, 2**62, 2**63 - 1)
        if me.rank == 1:
            me.forge(1, me.signature_of(0, 1), LIES[lie])
            while not failed(me):
                time.sleep(0.001)
        try:
            me.all_reduce(BODY // 4)
        except CoreError as error:
            return error.status, error.text
        raise AssertionError("it did not fail")

    (status, text), (_, again) = on_ranks(2, body)
    assert status == lib.RT_ERR_INVALID
    assert "memory that" in text
    assert "memory that" in again


def failed(me: Path) -> bool:
    """Whether some operation failed: a word of the segment's header."""
    return bool(struct.unpack("=Q", me.bytes[64:72])[0])


@pytest.mark.parametrize("process", [0, -1, 2**31 - 1, 2**40], ids=["none", "any", "no such one", "too large"])
def test_private_memory_of_no_process(process: int) -> None:
    """What the kernel may copy from is checked by the kernel: an error, and not a hang."""

    def body(me: Path) -> str:
        me.limits(48, 64, 2**62, 0)
        if me.rank == 1:
            me.forge(1, me.signature_of(0, 1), (PRIVATE, 4096, NOWHERE, 0, process))
            while not failed(me):
                time.sleep(0.001)
            return "memory"
        source, target = np.ones(1000, np.float32), np.zeros(2000, np.float32)
        spec = me.spec(source, target, lib.RT_ALL_GATHER)
        spec.collective.count = 2000
        with pytest.raises(CoreError) as caught:
            me.run(spec)
        return caught.value.text

    assert all("memory" in text for text in on_ranks(2, body))


def test_another_signature_is_a_disagreement() -> None:
    def body(me: Path) -> str:
        if me.rank == 1:
            me.forge(1, me.signature_of(0, 1) ^ 1, (0,) * 6)
        try:
            me.all_reduce(1 + me.rank)
        except CoreError as error:
            return error.text
        return ""

    assert all("disagree about call 1" in text for text in on_ranks(2, body))


# -- waiting ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 1000, 100_000])
def test_without_time_it_does_not_wait(count: int) -> None:
    with alone() as me:
        source, target, error = np.ones(count, np.float32), np.zeros(count, np.float32), ffi.new("rt_error *")
        spec = me.spec(source, target)
        assert lib.rt_direct_run(me.direct, spec, 0, error) == lib.RT_PENDING
        assert lib.rt_direct_busy(me.direct) == 1
        for _ in range(3):
            assert lib.rt_direct_wait(me.direct, 0, error) == lib.RT_PENDING
        began = time.monotonic()
        assert lib.rt_direct_wait(me.direct, SLICE_NS, error) == lib.RT_PENDING
        assert 0.04 < time.monotonic() - began < 1
        missing = ffi.new("int32_t[]", 2)
        assert lib.rt_direct_missing(me.direct, missing, 2) == 1
        assert missing[0] == 1


def test_one_operation_at_a_time() -> None:
    with alone() as me:
        source, target, error = np.ones(5, np.float32), np.zeros(5, np.float32), ffi.new("rt_error *")
        spec = me.spec(source, target)
        assert lib.rt_direct_start(me.direct, spec, error) == lib.RT_PENDING
        assert lib.rt_direct_busy(me.direct) == 2
        sequence = lib.rt_direct_sequence(me.direct)
        for begin in (lambda: lib.rt_direct_run(me.direct, spec, 0, error),
                      lambda: lib.rt_direct_start(me.direct, spec, error)):  # fmt: skip
            assert begin() == lib.RT_ERR_BUSY
            assert lib.rt_direct_sequence(me.direct) == sequence


def test_an_operation_that_was_given_up() -> None:
    """Revoked, then abandoned: the next call hears why, on the rank that waited and on one that comes late."""

    def body(me: Path) -> list[tuple[int, str]]:
        heard = []
        if me.rank == 0:
            source, target, error = np.ones(1000, np.float32), np.zeros(1000, np.float32), ffi.new("rt_error *")
            assert lib.rt_direct_run(me.direct, me.spec(source, target), 0, error) == lib.RT_PENDING
            lib.rt_direct_revoke(me.direct, lib.RT_ERR_TIMEOUT, b"rank 1 was too slow")
            lib.rt_direct_revoke(me.direct, lib.RT_ERR_INVALID, b"a second reason")
            lib.rt_direct_abandon(me.direct)
            assert lib.rt_direct_busy(me.direct) == 0
            assert lib.rt_direct_wait(me.direct, 0, error) == lib.RT_OK  # nothing is under way
            assert (target == 0).all()
        else:
            while not failed(me):
                time.sleep(0.001)
        for count in (1000, 1, 0):
            try:
                me.all_reduce(count)
            except CoreError as error:
                heard.append((error.status, error.text))
        return heard

    for heard in on_ranks(2, body):
        assert len(heard) == 3
        assert all(status < 0 and "rank 1 was too slow" in text for status, text in heard)


def test_what_is_wrong_with_a_call_is_said_to_nobody() -> None:
    """RT_ERR_INVALID and the like before the first mark: numbers do not move, the communicator lives."""

    def body(me: Path) -> float:
        source, target, error = np.ones(4, np.float32), np.zeros(4, np.float32), ffi.new("rt_error *")

        def wrong(**changes: Any) -> None:
            spec = me.spec(source, target)
            for name, value in changes.items():
                setattr(spec.collective if name in ("kind", "ranks", "root", "count") else spec, name, value)
            assert lib.rt_direct_run(me.direct, spec, 0, error) < 0, changes
            assert error.text[0] != b"\0"

        wrong(dtype=99)
        wrong(dtype=-1)
        wrong(op=-1)
        wrong(op=99)
        wrong(kind=99)
        wrong(ranks=me.ranks + 1)
        wrong(count=-1)
        wrong(count=2**62)
        wrong(input=ffi.NULL)
        wrong(output=ffi.NULL)
        wrong(kind=lib.RT_BROADCAST, op=-1, root=me.ranks)
        wrong(kind=lib.RT_BROADCAST, op=-1, root=-1)
        assert lib.rt_direct_sequence(me.direct) == 0
        assert lib.rt_direct_busy(me.direct) == 0
        return float(me.all_reduce(9)[8])

    assert on_ranks(2, body) == [3.0, 3.0]


KIB64 = 16 * 1024  # float32 elements
USES = 72  # after which buffers of 64 KiB are to be lent: tests/csrc/test_regular.py


def asked_at(me: Path, spec: Any, calls: int) -> list[int]:
    """In which of the calls the rank was told to lend."""
    lib.rt_direct_set_lends(me.direct, 1)
    error, found = ffi.new("rt_error *"), []
    for number in range(1, calls + 1):
        status = lib.rt_direct_run(me.direct, spec, SLICE_NS, error)
        while status == lib.RT_PENDING:
            status = lib.rt_direct_wait(me.direct, SLICE_NS, error)
        assert status in (0, lib.RT_LEND), ffi.string(error.text)
        if status:
            found.append(number)
    return found


@pytest.mark.parametrize("kind", [lib.RT_ALL_REDUCE, lib.RT_BROADCAST, lib.RT_ALL_TO_ALL])
def test_all_ranks_are_told_to_lend_in_the_same_call(kind: int) -> None:
    def body(me: Path) -> tuple[list[int], int]:
        source, target = np.ones(KIB64, np.float32), np.zeros(KIB64, np.float32)
        spec = me.spec(source, target, kind)
        if kind == lib.RT_BROADCAST:
            spec.output = spec.input
        spec.lends = 1
        return asked_at(me, spec, USES), lib.rt_direct_lending(me.direct)

    (first, mine), (second, theirs) = on_ranks(2, body)
    assert first == second == [USES]
    bits = {lib.RT_ALL_REDUCE: (15, 15), lib.RT_BROADCAST: (5, 1), lib.RT_ALL_TO_ALL: (5, 5)}
    assert (mine, theirs) == bits[kind]


def test_one_caller_that_cannot_lend_is_enough() -> None:
    def body(me: Path) -> list[int]:
        source, target = np.ones(KIB64, np.float32), np.zeros(KIB64, np.float32)
        spec = me.spec(source, target)
        spec.lends = me.rank
        return asked_at(me, spec, 2 * USES)

    assert on_ranks(3, body) == [[], [], []]


def test_regions_come_in_order_and_go_in_any() -> None:
    with alone(1) as me:
        base = ffi.cast("char *", lib.rt_segment_data(me.shared))
        parts, lengths = ffi.new("void *[]", [base]), ffi.new("int64_t[]", [0, 64, 0])

        def add(number: int) -> Any:
            region = ffi.new("rt_region **")
            check(lib.rt_direct_add_region, me.direct, number, base, 64, ffi.NULL, parts, parts, lengths, region)
            return region[0]

        regions = {number: add(number) for number in range(20)}
        with pytest.raises(CoreError, match="found number 19"):
            add(19)
        for number in (3, 19, 0, 19, 77, -1):
            if number in regions:
                lib.rt_region_drop(regions.pop(number))
            lib.rt_direct_remove_region(me.direct, number)
        add(20)
        assert (me.all_reduce(100) == 1).all()
