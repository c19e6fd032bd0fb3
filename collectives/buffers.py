"""What mpi4py takes as a buffer, as address, element count and type.

An array (NumPy, the buffer protocol, DLPack on the CPU, ml_dtypes), or a list or tuple of two to four items:
`[data, type]`, `[data, count]`, `[data, count, type]`, `[data, (count, displ), type]`, `[data, count, displ, type]`.
Where every rank has its own part, counts and displs are sequences, or one number: every part's count, or the distance
from part to part. Without data, `[None, type]`, a rank gives nothing.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from _ringtree.errors import InputError
from _ringtree.names import dtype_size
from _ringtree.native import ffi
from _ringtree.program import equal_parts

from .datatypes import datatype_name, is_type, numpy_name


class NotOurs(Exception):
    """A buffer or type that only MPI understands: the call goes there."""


@dataclass(frozen=True)
class Buffer:
    """Memory of `length` elements at `address`; counts and displs (elements) where the caller gave some.

    `owner` keeps the memory alive.
    """

    address: int
    length: int
    dtype: str
    owner: Any
    counts: tuple[int, ...] | None = None
    displs: tuple[int, ...] | None = None

    @property
    def nbytes(self) -> int:
        return self.length * dtype_size(self.dtype)

    def at(self, element: int) -> int:
        """The address of an element."""
        return self.address + element * dtype_size(self.dtype)

    def overlaps(self, other: Buffer) -> bool:
        begin, end = self.address, self.address + self.nbytes
        apart = begin >= other.address + other.nbytes or other.address >= end
        return not apart and self.length > 0 and other.length > 0


def read(spec: Any, what: str, writable: bool, blocks: int = 1) -> Buffer:
    """Understand a buffer argument. NotOurs where MPI must; InputError for memory that cannot be used.

    blocks: for how many equal parts the memory is; a count that the caller gives is that of one part, as in MPI.
    """
    data, count, displ, datatype = _split(spec, what, (list, tuple))
    memory = _memory(data, datatype, what, writable)
    first = 0 if displ is None else _number(displ, what)
    _require(first, memory.length, what)
    length = memory.length - first if count is None else _number(count, what) * blocks
    _require(first + length, memory.length, what)
    return replace(memory, address=memory.at(first), length=length)


def read_parts(spec: Any, what: str, writable: bool, ranks: int) -> Buffer:
    """The same for memory with a part for every rank; counts and displs are None where the caller gave none."""
    data, counts, displs, datatype = _split(spec, what, tuple)
    memory = _memory(data, datatype, what, writable)
    distance = tuple(range(ranks))
    return replace(
        memory,
        counts=_numbers(counts, (1,) * ranks, what),
        displs=_numbers(displs, distance, what),
    )


def evenly(buffer: Buffer, ranks: int) -> Buffer:
    """With counts: where the caller gave none, all of the memory in equal parts, larger ones first."""
    if buffer.counts is not None:
        return buffer
    return replace(buffer, counts=equal_parts(buffer.length, ranks))


def copied(buffer: Buffer) -> Buffer:
    """The same elements in memory of their own."""
    memory = ffi.new("char[]", max(1, buffer.nbytes))
    ffi.memmove(memory, ffi.cast("char *", buffer.address), buffer.nbytes)
    return replace(buffer, address=int(ffi.cast("uintptr_t", memory)), owner=memory)


def _split(spec: Any, what: str, pair: type[Any] | tuple[type[Any], ...]) -> tuple[Any, Any, Any, Any]:
    """data, count(s), displ(s), type; each of the last three may be None. `pair`: what (count, displ) may be."""
    if not isinstance(spec, (list, tuple)):
        return spec, None, None, None
    if not 2 <= len(spec) <= 4:
        raise InputError(f"{what}: found {len(spec)} items; expected [data, count, displ, type], at least two of them")
    if len(spec) == 4:
        return spec[0], spec[1], spec[2], spec[3]
    data, count, datatype = spec[0], spec[1], spec[2] if len(spec) == 3 else None
    if len(spec) == 2 and is_type(count):
        return data, None, None, count
    if isinstance(count, pair):
        if len(count) != 2:
            raise InputError(f"{what}: found {count!r}; expected (count, displacement) or a list of counts")
        return data, count[0], count[1], datatype
    return data, count, None, datatype


def _memory(data: Any, datatype: Any, what: str, writable: bool) -> Buffer:
    """All of the memory behind `data`, in elements of its own or the given type."""
    if data is None and datatype is not None:
        return Buffer(0, 0, _known(datatype_name(datatype), what), None)
    array, can_be_written = _as_array(data, what)
    name = _known(numpy_name(array.dtype) if datatype is None else datatype_name(datatype), what)
    if not (array.flags.c_contiguous or array.flags.f_contiguous):
        raise InputError(f"{what}: found an array that is not contiguous (strides {array.strides}); pass a copy")
    if writable and not can_be_written:
        raise InputError(f"{what}: found a read-only array; expected one that can be written")
    size = dtype_size(name)
    if array.nbytes % size:
        raise InputError(f"{what}: {array.nbytes} bytes are no whole number of {name} elements of {size}")
    return Buffer(int(array.__array_interface__["data"][0]), array.nbytes // size, name, array)


def _known(name: str | None, what: str) -> str:
    if name is None:
        raise NotOurs(f"{what} has elements of a type that ringtree does not know")
    return name


def _number(item: Any, what: str) -> int:
    try:
        number = operator.index(item)
    except TypeError:
        raise InputError(f"{what}: found {item!r}; expected a whole number of elements") from None
    if number < 0:
        raise InputError(f"{what}: found a count or displacement of {number}; expected 0 or more")
    return number


def _numbers(item: Any, of_one: tuple[int, ...], what: str) -> tuple[int, ...] | None:
    """One number for every rank; a single number is multiplied with `of_one`."""
    if item is None:
        return None
    try:
        return tuple(_number(i, what) for i in item)
    except TypeError:
        return tuple(_number(item, what) * i for i in of_one)


def _as_array(data: Any, what: str) -> tuple[Any, bool]:
    """The data as a NumPy array on the same memory, and whether it may be written."""
    import numpy as np

    if isinstance(data, np.ndarray):
        return data, data.flags.writeable
    if hasattr(data, "__dlpack__"):
        try:
            array = np.from_dlpack(data)
        except (BufferError, RuntimeError, TypeError) as problem:
            raise InputError(f"{what}: {type(data).__name__} cannot be reached through DLPack: {problem}") from None
        return array, array.flags.writeable or not _tells_read_only(data)
    try:
        array = np.asarray(memoryview(data))
    except (TypeError, ValueError):
        raise NotOurs(f"{what} is a {type(data).__name__}, no array") from None
    return array, array.flags.writeable


def _tells_read_only(data: Any) -> bool:
    """Before DLPack 1.0 memory could not be marked read-only, and NumPy then takes all of it for that."""
    try:
        data.__dlpack__(max_version=(1, 0))
    except TypeError:
        return False
    return True


def _require(count: int, length: int, what: str) -> None:
    if count > length:
        raise InputError(f"{what}: {count} elements asked for, but the memory holds {length}")


def dense(counts: Sequence[int]) -> tuple[int, ...]:
    """Displacements of parts that lie one after the other."""
    displs, total = [], 0
    for count in counts:
        displs.append(total)
        total += count
    return tuple(displs)


def parts(buffer: Buffer, counts: Sequence[int], what: str) -> tuple[int, ...]:
    """Where each part begins: the caller's displacements or one after the other. InputError beyond the memory."""
    displs = buffer.displs if buffer.displs is not None else dense(counts)
    if len(displs) != len(counts):
        raise InputError(f"{what}: {len(counts)} counts, but {len(displs)} displacements")
    end = max((d + c for d, c in zip(displs, counts, strict=True)), default=0)
    _require(end, buffer.length, what)
    return tuple(displs)
