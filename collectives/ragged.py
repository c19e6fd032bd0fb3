"""Parts with gaps between them: a program sees them one after the other, copied aside where they do not lie so."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from _ringtree.names import dtype_size
from _ringtree.native import ffi

from .buffers import Buffer, dense


def _lies_dense(counts: Sequence[int], displs: Sequence[int]) -> bool:
    return all(c == 0 or d == e for c, d, e in zip(counts, displs, dense(counts), strict=True))


@contextmanager
def scatter_parts(buffer: Buffer | None, counts: Sequence[int], displs: Sequence[int] | None) -> Iterator[int]:
    """The address of a dense output; afterwards its parts are where the caller wants them."""
    if buffer is None or displs is None or _lies_dense(counts, displs):
        yield buffer.address if buffer else 0
        return
    size = dtype_size(buffer.dtype)
    memory = ffi.new("char[]", max(1, sum(counts) * size))
    yield int(ffi.cast("uintptr_t", memory))
    for count, to, begin in zip(counts, displs, dense(counts), strict=True):
        ffi.memmove(ffi.cast("char *", buffer.at(to)), memory + begin * size, count * size)


@contextmanager
def gather_parts(buffer: Buffer | None, counts: Sequence[int], displs: Sequence[int] | None) -> Iterator[int]:
    """The address of a dense copy of an input's parts, or of the input where they lie so already."""
    if buffer is None or displs is None or _lies_dense(counts, displs):
        yield buffer.address if buffer else 0
        return
    size = dtype_size(buffer.dtype)
    memory = ffi.new("char[]", max(1, sum(counts) * size))
    for count, begin_at, begin in zip(counts, displs, dense(counts), strict=True):
        ffi.memmove(memory + begin * size, ffi.cast("char *", buffer.at(begin_at)), count * size)
    yield int(ffi.cast("uintptr_t", memory))
