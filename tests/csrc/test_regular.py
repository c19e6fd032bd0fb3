"""csrc/regular: after how many uses a buffer is to be lent, against the rule as it is written down."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
from _ringtree_core import ffi, lib
from hypothesis import given
from hypothesis import strategies as st

KIB, MIB = 1024, 1 << 20
# What lending costs, in bytes copied: docs/host-path.md.
FIXED, TIMES = 4 * MIB, 8


def uses_until(regulars: Any, address: int, nbytes: int, most: int = 10_000, sharing: int = 1) -> int | None:
    """How often it is met until it is to be lent."""
    for number in range(1, most + 1):
        if lib.rt_regular_meet(regulars, ffi.cast("void *", address), nbytes, sharing):
            return number
    return None


@pytest.mark.parametrize(("nbytes", "uses"), [(16 * KIB, 264), (64 * KIB, 72), (MIB, 12), (64 * MIB, 9)])
def test_the_documented_numbers(nbytes: int, uses: int) -> None:
    assert uses_until(ffi.new("rt_regulars *"), 4096, nbytes) == uses


@given(st.integers(16 * KIB, 1 << 40), st.integers(1, 2**48), st.integers(1, 9))
def test_it_has_cost_what_lending_costs(nbytes: int, address: int, sharing: int) -> None:
    uses = uses_until(ffi.new("rt_regulars *"), address, nbytes, sharing=sharing)
    assert uses == math.ceil((sharing * FIXED + TIMES * nbytes) / nbytes)


@given(st.integers(0, 16 * KIB - 1))
def test_small_ones_never(nbytes: int) -> None:
    assert uses_until(ffi.new("rt_regulars *"), 4096, nbytes, 1000) is None


def test_who_was_asked_for_in_vain_is_asked_for_ever_less() -> None:
    regulars = ffi.new("rt_regulars *")
    waits = [uses_until(regulars, 4096, MIB) for _ in range(5)]
    for before, after in itertools.pairwise(waits):
        assert 1.6 * before <= after <= 2 * before


@given(st.integers(16 * KIB, 1 << 40), st.integers(1, 9), st.integers(0, 3))
def test_who_has_paid_off_begins_anew(nbytes: int, sharing: int, times: int) -> None:
    regulars, address = ffi.new("rt_regulars *"), ffi.cast("void *", 4096)
    first = uses_until(regulars, 4096, nbytes, sharing=sharing)
    assert first is not None
    for _ in range(times):
        for _ in range(first):
            lib.rt_regular_saves(regulars, address, nbytes, sharing)
        assert uses_until(regulars, 4096, nbytes, sharing=sharing) == first
    for _ in range(first - 1):
        lib.rt_regular_saves(regulars, address, nbytes, sharing)
    assert uses_until(regulars, 4096, nbytes, first, sharing) is None  # not yet


def test_what_was_never_plain_leaves_no_trace() -> None:
    regulars = ffi.new("rt_regulars *")
    for address in range(0, 1 << 20, 4096):
        lib.rt_regular_saves(regulars, ffi.cast("void *", address), MIB, 1)
    assert bytes(ffi.buffer(regulars)) == bytes(ffi.sizeof("rt_regulars"))


@given(st.lists(st.integers(1, 2**40), min_size=lib.RT_WAYS, max_size=lib.RT_WAYS, unique=True))
def test_so_many_never_get_into_each_others_way(pages: list[int]) -> None:
    """Whatever their hashes are: as many as an all-reduce has buffers, twice."""
    regulars = ffi.new("rt_regulars *")
    found = [lib.rt_regular_meet(regulars, ffi.cast("void *", 4096 * p), MIB, 1) for _ in range(12) for p in pages]
    assert found == [False] * 11 * lib.RT_WAYS + [True] * lib.RT_WAYS


def test_buffers_are_told_apart_by_address_and_size() -> None:
    regulars = ffi.new("rt_regulars *")
    for _ in range(11):
        assert not lib.rt_regular_meet(regulars, ffi.cast("void *", 4096), MIB, 1)
        assert not lib.rt_regular_meet(regulars, ffi.cast("void *", 1 << 30), MIB, 1)
        assert not lib.rt_regular_meet(regulars, ffi.cast("void *", 4096), MIB - 64, 1)
    assert lib.rt_regular_meet(regulars, ffi.cast("void *", 4096), MIB, 1)
