"""Lent pages: a fork parts parent and child, and they go back where the array is, or where it was."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from _ringtree import lent
from _ringtree.runtime import Segment, segment_name

PAGE = 4096
pytestmark = pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="pages move on Linux only")


@contextmanager
def lent_array(pages: int = 20) -> Iterator[tuple[np.ndarray, np.ndarray, lent.Lent]]:
    """An array on whole pages of its own; the same memory as another rank maps it; and what is known of it."""
    block = np.zeros((pages + 1) * PAGE, np.uint8)
    address = block.ctypes.data
    array = block[-address % PAGE :][: pages * PAGE]
    array[:] = np.arange(array.size) % 251
    label = segment_name().strip("/")
    own = Segment(label, array.size + PAGE, create=True, nameless=True)
    other = Segment(own.name, array.size + PAGE, create=False)
    own.unlink()
    known = lent.Lent(array.ctypes.data, array.size, label, None)
    lent.note(known)
    own.lend(known.address, known.size)
    try:
        yield array, np.frombuffer(other.buffer(), np.uint8, array.size), known
    finally:
        if lent.forget(known.address) is not None:
            lent.take_back(known.address, known.size)


def in_child(body: Callable[[], Any]) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            os._exit(0 if body() else 1)
        finally:
            os._exit(2)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_content_is_kept_and_shared_both_ways() -> None:
    with lent_array() as (array, elsewhere, known):
        np.testing.assert_array_equal(array, np.arange(array.size) % 251)
        array[5], elsewhere[6] = 100, 101
        assert (elsewhere[5], array[6]) == (100, 101)
        assert lent.overlapping(known.address + known.size - 1, 1) == [known]
        assert lent.overlapping(known.address + known.size, 100) == []
        lent.forget(known.address)
        lent.take_back(known.address, known.size)
        assert (array[5], array[6]) == (100, 101)
        elsewhere[5] = 7
        assert array[5] == 100


def test_a_child_sees_what_was_and_writes_for_itself() -> None:
    with lent_array() as (array, elsewhere, _):

        def body() -> bool:
            right = bool(array[9] == 9) and not lent._lent
            array[:] = 200
            return right

        assert in_child(body) == 0
        assert (array[9], elsewhere[9]) == (9, 9)
        array[9] = 10
        assert elsewhere[9] == 10  # still lent


def test_a_childs_child_too() -> None:
    with lent_array() as (array, _, _known):

        def body() -> bool:
            array[3] = 77
            inner = in_child(lambda: array[3] == 77)
            return inner == 0 and bool(array[3] == 77)

        assert in_child(body) == 0
        assert array[3] == 3


def test_forks_without_anything_lent_open_nothing() -> None:
    before = set(os.listdir("/proc/self/fd"))
    assert in_child(lambda: True) == 0
    with lent_array():
        assert in_child(lambda: True) == 0
    assert len(os.listdir("/proc/self/fd")) == len(before)


def test_memory_that_moved_away_unseen_is_left_alone() -> None:
    """Part of it is another's by then: only what is still the segment's goes back."""
    with lent_array() as (array, elsewhere, known):
        lent.take_back(known.address, 4 * PAGE)  # as if somebody had mapped other memory there
        array[0] = 55
        lent.forget(known.address)
        lent.take_back_rest(known)
        array[:] += 1
        assert array[0] == 56
        assert (array[5 * PAGE], elsewhere[5 * PAGE]) == (5 * PAGE % 251 + 1, 5 * PAGE % 251)


def test_discarded_memory_is_zero_and_private() -> None:
    with lent_array() as (array, elsewhere, known):
        lent.forget(known.address)
        lent.discard(known.address, known.size)
        assert not array.any()
        assert not elsewhere.any()
        array[:] = 1
        assert not elsewhere.any()
