"""Lent pages: a fork parts parent and child, and they go back where the array is, or where it was."""

from __future__ import annotations

import os
import resource
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from _ringtree import lent
from _ringtree.errors import ResourceError
from _ringtree.runtime import Segment

PAGE = 4096
pytestmark = pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="pages move on Linux only")


@contextmanager
def lent_array(pages: int = 2100) -> Iterator[tuple[np.ndarray, np.ndarray, lent.Lent]]:
    """An array on whole pages of its own; the same memory as another rank maps it; and what is known of it."""
    block = np.zeros((pages + 1) * PAGE, np.uint8)
    address = block.ctypes.data
    array = block[-address % PAGE :][: pages * PAGE]
    array[:] = np.arange(array.size) % 251
    known = lent.claim(array.ctypes.data, array.size)
    assert known is not None
    own = Segment(known.label, array.size + PAGE, create=True, later=array.size)
    other = Segment(own.name, array.size + PAGE, create=False)
    own.unlink()
    own.lend(known.address, known.size)
    try:
        yield array, np.frombuffer(other.buffer(), np.uint8, array.size), known
    finally:
        if lent.holds(known):
            lent.take_back(known)
            lent.forget(known)


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
        lent.take_back(known)
        lent.forget(known)
        assert (array[5], array[6]) == (100, 101)
        elsewhere[5] = 7
        assert array[5] == 100


def test_memory_is_claimed_once() -> None:
    with lent_array() as (_, _elsewhere, known):
        assert lent.claim(known.address + PAGE, 2 * PAGE) is None
        assert lent.claim(known.address - PAGE, 2 * PAGE) is None
    again = lent.claim(known.address, known.size)
    assert again is not None
    lent.forget(known)  # another's claim
    assert lent.holds(again)
    lent.forget(again)
    assert not lent.overlapping(known.address, known.size)


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


def test_threads_that_fork_at_the_same_time() -> None:
    """Each waits for its own child: none sees what its parent wrote later."""
    before = len(os.listdir("/proc/self/fd"))
    with lent_array() as (array, _, _known):
        ends: list[int] = []

        def forks(place: int) -> None:
            for turn in range(8):
                array[place] = turn
                pid = os.fork()
                if pid == 0:
                    os._exit(int(array[place] != turn))
                array[place] = 99
                ends.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))

        threads = [threading.Thread(target=forks, args=(place,)) for place in (0, 5 * PAGE, 9 * PAGE)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert ends == [0] * 24
    assert len(os.listdir("/proc/self/fd")) == before


def test_many_open_files() -> None:
    """Descriptors above what select() takes."""
    with lent_array() as (array, elsewhere, _), open(os.devnull, "rb") as null:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard < 1200:
            pytest.skip("too few descriptors allowed")
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 1200), hard))
        many = [os.dup(null.fileno()) for _ in range(1100)]
        try:
            assert in_child(lambda: bool(array[7] == 7)) == 0
        finally:
            for descriptor in many:
                os.close(descriptor)
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert elsewhere[7] == 7


def test_no_memory_to_take_back_with_is_an_error() -> None:
    """Pieces get smaller down to a page; then it ends, and all is as it was."""

    def body() -> bool:
        with lent_array(3) as (array, elsewhere, known):
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(20)  # ends a wait without end
            limits = resource.getrlimit(resource.RLIMIT_AS)
            resource.setrlimit(resource.RLIMIT_AS, (1, limits[1]))
            try:
                lent.take_back(known)
            except ResourceError:
                resource.setrlimit(resource.RLIMIT_AS, limits)
                array[4] = 44
                return bool(elsewhere[4] == 44)
        return False

    assert in_child(body) == 0


def test_memory_that_moved_away_unseen_is_left_alone() -> None:
    """Part of it is another's by then: only what is still the segment's goes back."""
    with lent_array() as (array, elsewhere, known):
        lent.take_back(lent.Lent(known.address, 4 * PAGE, known.label))  # as if somebody had mapped other memory there
        array[0] = 55
        lent.take_back_rest(known)
        lent.forget(known)
        array[:] += 1
        assert array[0] == 56
        assert (array[5 * PAGE], elsewhere[5 * PAGE]) == (5 * PAGE % 251 + 1, 0)  # the segment's memory was released


def test_discarded_memory_is_zero_and_private() -> None:
    with lent_array() as (array, elsewhere, known):
        lent.discard(known)
        lent.forget(known)
        assert not array.any()
        assert not elsewhere.any()
        array[:] = 1
        assert not elsewhere.any()
