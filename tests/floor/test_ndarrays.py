"""NumPy's arrays read in place: what the core sees is what NumPy says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from _ringtree.native import ffi, lib
from _ringtree.ndarrays import TUPLE_HEAD_WORDS as HEAD
from _ringtree.ndarrays import table

TYPES = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
TYPES += ["float16", "float32", "float64", "complex64", "complex128", "bool"]


@given(st.sampled_from(TYPES).flatmap(lambda name: arrays.arrays(name, arrays.array_shapes(min_dims=0, min_side=0))))
def test_contiguous_arrays(array: np.ndarray) -> None:
    found = table().read(array)
    address = int(array.__array_interface__["data"][0])
    assert found == (address, array.size, str(array.dtype), array.flags.writeable)


def test_a_view_and_a_frozen_array() -> None:
    block = np.zeros((4, 6), np.int16)
    assert table().read(block[1:3]) == (block.__array_interface__["data"][0] + 12, 12, "int16", True)
    block.flags.writeable = False
    assert table().read(block) == (block.__array_interface__["data"][0], 24, "int16", False)


class Mine(np.ndarray):
    pass


def test_whether_an_array_has_the_memory_that_it_had() -> None:
    array = np.zeros((30, 20), np.float32)
    state = table().note(array)
    assert lib.rt_array_stands(state)
    array.shape = 600
    array[:] = 3
    assert lib.rt_array_stands(state)
    array.resize(700, refcheck=False)
    assert not lib.rt_array_stands(state)
    assert lib.rt_array_stands(ffi.new("rt_array_state *"))  # of no array


@pytest.mark.parametrize(
    "thing",
    [None, 3, "text", [1.0], np.float32(1), np.zeros(4)[::2], np.zeros(3, "S4"), np.zeros(3, ">i4"), np.zeros(2, "O"),
     np.zeros(3).view(Mine), np.matrix([1.0]), np.dtype("float32"), np.frombuffer(bytes(9), "i1")[1:].view("f8"),
     np.zeros(3, [("a", "i4")]), np.zeros(1, "M8[s]")],
)  # fmt: skip
def test_what_is_not_plain_is_not_understood(thing: object) -> None:
    assert table().read(thing) is None


@given(st.lists(st.integers() | st.text(max_size=3), max_size=6).map(tuple))
def test_the_items_of_a_tuple(items: tuple[object, ...]) -> None:
    assert [lib.rt_object_word(id(items), HEAD + at) for at in range(len(items))] == [id(item) for item in items]
