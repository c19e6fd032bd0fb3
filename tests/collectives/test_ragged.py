"""Parts with gaps: a program sees them one after the other; afterwards each is in its place, and the gaps untouched."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from _ringtree.native import ffi
from collectives.buffers import read_parts
from collectives.ragged import gather_parts, scatter_parts

SIZE = 40


@st.composite
def layouts(draw: st.DrawFn) -> tuple[list[int], list[int]]:
    """Counts and displacements of parts in any order, with gaps or without."""
    counts = draw(st.lists(st.integers(0, 4), min_size=1, max_size=6))
    displs, end = [0] * len(counts), 0
    for part in draw(st.permutations(range(len(counts)))):
        displs[part] = end + draw(st.integers(0, 2))
        end = displs[part] + counts[part]
    return counts, displs


def seen(address: int, count: int) -> Any:
    return np.frombuffer(ffi.buffer(ffi.cast("char *", address), 4 * count), np.int32)


@given(layouts())
def test_gather_and_scatter(layout: tuple[list[int], list[int]]) -> None:
    counts, displs = layout
    memory = np.arange(SIZE, dtype=np.int32)
    own = [memory[d : d + c] for c, d in zip(counts, displs, strict=True)]
    buffer = read_parts([memory, (counts, displs)], "Test: buf", True, len(counts))
    with gather_parts(buffer, counts, displs) as source:
        np.testing.assert_array_equal(seen(source, sum(counts)), np.concatenate(own))
    np.testing.assert_array_equal(memory, np.arange(SIZE))

    expected = memory.copy()
    fresh, begin = np.arange(1000, 1000 + sum(counts), dtype=np.int32), 0
    for count, displ in zip(counts, displs, strict=True):
        expected[displ : displ + count] = fresh[begin : begin + count]
        begin += count
    with scatter_parts(buffer, counts, displs) as target:
        seen(target, sum(counts))[:] = fresh
    np.testing.assert_array_equal(memory, expected)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=6))
def test_dense_parts_are_used_where_they_lie(counts: list[int]) -> None:
    memory = np.arange(SIZE, dtype=np.int32)
    displs = [sum(counts[:part]) for part in range(len(counts))]
    buffer = read_parts([memory, (counts, displs)], "Test: buf", True, len(counts))
    for use in (gather_parts, scatter_parts):
        with use(buffer, counts, displs) as address:
            assert address == memory.__array_interface__["data"][0]


def test_no_buffer_has_no_address() -> None:
    for use in (gather_parts, scatter_parts):
        with use(None, (1, 2), None) as address:
            assert address == 0
