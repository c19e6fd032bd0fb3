"""NumPy's array objects, as the core reads them in place (csrc/ndarray.h): probed once, never assumed."""

from __future__ import annotations

import sys
from functools import lru_cache
from typing import Any

from _ringtree.names import DTYPE_NAMES, DTYPES
from _ringtree.native import ffi, lib

# References, type and length; from CPython 3.14 on a hash.
TUPLE_HEAD_WORDS = tuple.__basicsize__ // 8
_FIRST = ("float32", "float64", "int32", "int64")


class ArrayTable:
    """What the core knows of NumPy: its array type, and the element types that have been met."""

    def __init__(self) -> None:
        import numpy as np

        self.handle = ffi.new("rt_ndarrays *")
        self.handle.array_type = id(np.ndarray)
        self._kept: list[Any] = []  # a known type must not go, or another object could take its address
        for name in sorted(DTYPES, key=lambda name: name not in _FIRST):
            if name == "bool" or hasattr(np, name):
                self.learn(np.dtype(name), name)
        if not self._holds(np):
            self.handle.types = 0

    def learn(self, dtype: Any, name: str) -> None:
        """An element type that the core has under this name."""
        at = self.handle.types
        if at < lib.RT_ARRAY_TYPES and all(dtype is not known for known in self._kept):
            self._kept.append(dtype)
            self.handle.descrs[at], self.handle.dtypes[at] = id(dtype), DTYPES[name]
            self.handle.types = at + 1

    def read(self, array: Any) -> tuple[int, int, str, bool] | None:
        """Address, element count, type and whether it can be written; None where the core does not understand it."""
        view = ffi.new("rt_ndarray *")
        if not lib.rt_ndarray_read(self.handle, id(array), view):
            return None
        address = int(ffi.cast("uintptr_t", view.data))
        return address, int(view.count), DTYPE_NAMES[view.dtype], bool(view.writable)

    def note(self, array: Any) -> Any:
        """An rt_array_state of the array's memory as it is; the array must outlive it."""
        state = ffi.new("rt_array_state *")
        lib.rt_array_note(id(array), state)
        return state

    def _holds(self, np: Any) -> bool:
        """Whether the core reads of some objects what Python and NumPy say of them."""
        if sys.implementation.name != "cpython" or object.__basicsize__ != 16:
            return False
        if TUPLE_HEAD_WORDS not in (3, 4):
            return False
        block = np.arange(60, dtype=np.float64)
        frozen = np.zeros((2, 0, 3), np.int16)
        frozen.flags.writeable = False
        probes = [block, block[7:19], block.reshape(3, 4, 5), block.reshape(3, 20).T, frozen, np.array(1, np.uint8)]
        for array in probes:
            address = int(array.__array_interface__["data"][0])
            if int(ffi.cast("uintptr_t", lib.rt_ndarray_memory(id(array)))) != address:
                return False
            if self.read(array) != (address, array.size, str(array.dtype), array.flags.writeable):
                return False
        items = tuple(probes)
        if any(lib.rt_object_word(id(items), TUPLE_HEAD_WORDS + at) != id(each) for at, each in enumerate(items)):
            return False
        return all(self.read(array) is None for array in (block[::2], np.zeros(3, "S4")))


@lru_cache(maxsize=1)
def table() -> ArrayTable:
    return ArrayTable()
