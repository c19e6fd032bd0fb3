"""What mpi4py takes as a buffer, understood as address, length and type: against NumPy's own account of the memory."""

from __future__ import annotations

import array
from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mpi4py import MPI

from _ringtree.errors import InputError, UnsupportedError
from collectives import BFLOAT16, DataType
from collectives.buffers import Buffer, NotOurs, copied, dense, evenly, parts, read, read_parts

TYPES = ["int8", "uint16", "int32", "uint64", "float16", "float32", "float64", "complex64", "complex128", "bool"]
TYPES += ["bfloat16", "float8_e4m3fn", "float8_e5m2"]
NUMBERS = np.arange(12, dtype=np.float32)


def numpy_kind(name: str) -> np.dtype[Any]:
    return np.dtype(getattr(ml_dtypes, name, name))


def address(item: Any) -> int:
    return int(np.asarray(item).__array_interface__["data"][0])


def found(spec: Any, blocks: int = 1) -> tuple[int, int, str]:
    buffer = read(spec, "Test: buf", writable=True, blocks=blocks)
    return buffer.address, buffer.length, buffer.dtype


class Exported:
    """An array that shows itself through DLPack alone, of a time before its versions or after, or not at all."""

    def __init__(self, data: Any, old: bool = False, far: bool = False) -> None:
        self._data, self._old, self._far = data, old, far

    def __dlpack__(self, **keywords: Any) -> Any:
        if self._far:
            raise BufferError("the memory is another device's")
        if self._old and keywords.get("max_version"):
            raise TypeError("unexpected keyword argument 'max_version'")
        return self._data.__dlpack__(**({} if self._old else keywords))

    def __dlpack_device__(self) -> tuple[int, int]:
        return (2 if self._far else 1), 0


@given(st.sampled_from(TYPES), st.lists(st.integers(0, 4), max_size=3))
def test_arrays_of_any_type_and_shape(dtype: str, shape: list[int]) -> None:
    data = np.zeros(shape, numpy_kind(dtype))
    assert found(data) == (address(data), data.size, dtype)
    assert found(np.asfortranarray(data))[1:] == (data.size, dtype)


@given(st.integers(0, 12), st.integers(0, 12), st.integers(1, 4))
def test_counts_and_displacements(count: int, displ: int, blocks: int) -> None:
    base = address(NUMBERS)
    specs: list[Any] = [[NUMBERS, count, displ, MPI.FLOAT], [NUMBERS, (count, displ), "f"], (NUMBERS, [count, displ])]
    for spec in specs:
        if displ + count * blocks <= 12:
            assert found(spec, blocks) == (base + 4 * displ, count * blocks, "float32")
        else:
            with pytest.raises(InputError, match=r"Test: buf: .* asked for, but the memory holds 12"):
                found(spec, blocks)
    if displ <= 12:
        assert found([NUMBERS, None, displ, MPI.FLOAT]) == (base + 4 * displ, 12 - displ, "float32")


@pytest.mark.parametrize(
    "spec",
    [
        [NUMBERS, MPI.FLOAT],
        [NUMBERS, np.float32],
        (NUMBERS, "f"),
        [NUMBERS, 12],
        [NUMBERS, np.int64(12)],
        [NUMBERS, 12, DataType("float32")],
        [NUMBERS, 12, 0, np.dtype("f4")],
        [NUMBERS, None],
        [NUMBERS, None, MPI.FLOAT],
        [NUMBERS, None, None, None],
    ],
    ids=str,
)
def test_the_same_in_other_words(spec: Any) -> None:
    assert found(spec) == found(NUMBERS)


@pytest.mark.parametrize(
    ("make", "length", "dtype"),
    [
        (lambda: bytearray(6), 6, "uint8"),
        (lambda: memoryview(bytearray(8)).cast("i"), 2, "int32"),
        (lambda: memoryview(bytearray(6))[2:5], 3, "uint8"),
        (lambda: array.array("d", [1, 2, 3]), 3, "float64"),
        (lambda: array.array("h", []), 0, "int16"),
        (lambda: np.zeros(5, ml_dtypes.bfloat16), 5, "bfloat16"),
        (lambda: np.zeros(10, np.int16)[2:7], 5, "int16"),
        (lambda: np.array(1.5), 1, "float64"),
        (lambda: Exported(np.zeros(7, np.int64)), 7, "int64"),
        (lambda: Exported(np.zeros(7, np.int64), old=True), 7, "int64"),
    ],
)
def test_memory_of_many_kinds(make: Callable[[], Any], length: int, dtype: str) -> None:
    assert found(make())[1:] == (length, dtype)


@pytest.mark.parametrize(
    "make", [bytearray, np.zeros, lambda n: Exported(np.zeros(n)), lambda n: array.array("b", [0] * n)]
)
def test_it_is_the_same_memory(make: Callable[[int], Any]) -> None:
    data = make(8)
    buffer = read(data, "Test: buf", writable=True)
    other = read(data, "Test: buf", writable=True)
    assert buffer.address == other.address
    assert buffer.overlaps(other)
    assert copied(buffer).address != buffer.address
    assert not buffer.overlaps(copied(buffer))


def test_a_type_over_memory_of_another() -> None:
    bits = np.zeros(6, np.uint16)
    assert found([bits, 6, BFLOAT16]) == (address(bits), 6, "bfloat16")
    assert found([bytearray(12), MPI.INT])[1:] == (3, "int32")
    with pytest.raises(InputError, match="10 bytes are no whole number of float32 elements of 4"):
        found([bytearray(10), MPI.FLOAT])
    with pytest.raises(UnsupportedError, match="dtype: found 'float3'"):
        found([bits, 6, DataType("float3")])


def test_nothing_with_a_type() -> None:
    assert found([None, MPI.INT]) == found([None, 0, MPI.INT]) == (0, 0, "int32")
    with pytest.raises(InputError, match="1 elements asked for, but the memory holds 0"):
        found([None, 1, MPI.INT])


@pytest.mark.parametrize(
    "make",
    [
        lambda: b"constant",
        lambda: memoryview(b"constant"),
        lambda: np.broadcast_to(np.float32(1), 3)[:1],
        lambda: _frozen(np.zeros(3)),
        lambda: Exported(_frozen(np.zeros(3))),
    ],
)
def test_read_only_memory_can_be_sent_only(make: Callable[[], Any]) -> None:
    assert read(make(), "Bcast: buf", writable=False).length > 0
    with pytest.raises(InputError, match="Bcast: buf: found a read-only array"):
        read(make(), "Bcast: buf", writable=True)


def _frozen(data: Any) -> Any:
    data.flags.writeable = False
    return data


@pytest.mark.parametrize(
    "data", [np.zeros(10)[::2], np.zeros((4, 4))[:, 1:3], np.zeros(4)[::-1], memoryview(bytearray(9))[::3]]
)
def test_gaps_between_elements(data: Any) -> None:
    with pytest.raises(InputError, match="Test: buf: found an array that is not contiguous"):
        found(data)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ([NUMBERS], "found 1 items; expected"),
        ([], "found 0 items; expected"),
        ([NUMBERS, 1, 0, MPI.FLOAT, 5], "found 5 items; expected"),
        ([NUMBERS, (1, 2, 3)], r"expected \(count, displacement\)"),
        ([NUMBERS, 1.5], "found 1.5; expected a whole number of elements"),
        ([NUMBERS, -1], "count or displacement of -1"),
        ([NUMBERS, 1, -1, MPI.FLOAT], "count or displacement of -1"),
        (Exported(np.zeros(3), far=True), "Exported cannot be reached through DLPack"),
    ],
)
def test_bad_buffers(spec: Any, message: str) -> None:
    with pytest.raises(InputError, match=rf"Test: buf: .*{message}"):
        found(spec)


@pytest.mark.parametrize(
    "spec",
    [None, 3, "text", object(), np.zeros(3, ">f4"), np.zeros(3, "S3"), [bytearray(8), MPI.FLOAT_INT]],
)
def test_what_only_mpi_can_judge(spec: Any) -> None:
    with pytest.raises(NotOurs):
        found(spec)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=6), st.data())
def test_parts_lie_dense_or_where_the_caller_says(counts: list[int], data: st.DataObject) -> None:
    ranks, memory = len(counts), np.zeros(30, np.int16)
    begins = [sum(counts[:rank]) for rank in range(ranks)]
    assert dense(counts) == tuple(begins)
    for spec in ([memory, counts], [memory, (counts, None)], (memory, counts, MPI.INT16_T)):
        buffer = read_parts(spec, "Test: buf", True, ranks)
        assert (buffer.counts, parts(buffer, counts, "Test: buf")) == (tuple(counts), tuple(begins))
    displs = data.draw(st.lists(st.integers(0, 30), min_size=ranks, max_size=ranks))
    for spec in ([memory, (counts, displs)], [memory, counts, displs, MPI.INT16_T]):
        buffer = read_parts(spec, "Test: buf", True, ranks)
        if all(d + c <= 30 for c, d in zip(counts, displs, strict=True)):
            assert parts(buffer, counts, "Test: buf") == tuple(displs)
        else:
            with pytest.raises(InputError, match=r"Test: buf: .* the memory holds 30"):
                parts(buffer, counts, "Test: buf")


def test_one_number_for_all_parts() -> None:
    memory = np.zeros(30, np.int16)
    buffer = read_parts([memory, 4, 7, MPI.INT16_T], "Test: buf", True, 4)
    assert (buffer.counts, buffer.displs) == ((4,) * 4, (0, 7, 14, 21))
    assert read_parts(memory, "Test: buf", True, 4).counts is None


def test_as_many_displacements_as_counts() -> None:
    buffer = read_parts([NUMBERS, ([1, 2, 3], [0, 1])], "Test: buf", True, 3)
    with pytest.raises(InputError, match="Test: buf: 3 counts, but 2 displacements"):
        parts(buffer, (1, 2, 3), "Test: buf")
    with pytest.raises(InputError, match="count or displacement of -2"):
        read_parts([NUMBERS, [1, -2, 3]], "Test: buf", True, 3)
    with pytest.raises(InputError, match=r"found 0\.5; expected a whole number"):
        read_parts([NUMBERS, [1, 0.5, 3]], "Test: buf", True, 3)


@given(st.integers(0, 40), st.integers(1, 9))
def test_even_parts_larger_ones_first(length: int, ranks: int) -> None:
    counts = evenly(Buffer(0, length, "int8", None), ranks).counts
    assert counts is not None
    assert counts == tuple(len(part) for part in np.array_split(np.arange(length), ranks))
    given_counts = Buffer(0, length, "int8", None, counts=(length,))
    assert evenly(given_counts, ranks) is given_counts


@given(st.integers(0, 8), st.integers(0, 8), st.integers(0, 8), st.integers(0, 8))
def test_overlap_is_a_common_byte(begin: int, length: int, other_begin: int, other_length: int) -> None:
    a, b = Buffer(2 * begin, length, "int16", None), Buffer(other_begin, other_length, "int8", None)
    bytes_of_a, bytes_of_b = (set(range(x.address, x.address + x.nbytes)) for x in (a, b))
    assert a.overlaps(b) == b.overlaps(a) == bool(bytes_of_a & bytes_of_b)
    assert a.at(3) == a.address + 6
