"""Memory of this process whose pages other ranks share (csrc/lend.h), and what a fork does about it.

Shared pages stay shared over a fork: parent and child would see each other's writes. So a child, before its fork
returns, makes them its own, and the parent waits for that: to both all memory looks as after any fork. Forks that do
not go through Python (a C library's) are not seen; children that run another program at once share nothing.
"""

from __future__ import annotations

import os
import select
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from _ringtree.native import check, ffi, lib, new_error
from _ringtree.runtime import segment_name

# A child copies some GB in a second; one that cannot go on must not hold its parent for ever.
FORK_WAIT_S = 30.0
EXIT_SHARED = 70


@dataclass(frozen=True, eq=False)
class Lent:
    """Whole pages. label: of the segment that they become. back: takes them back, where nobody asked to lend them."""

    address: int
    size: int
    label: str
    back: Callable[[], None] | None = None


_lent: dict[int, Lent] = {}
_claiming = threading.RLock()  # a claim may set off the garbage collector, and that the end of another array
_forking = threading.Lock()
_pipe: list[int] = []


def whole_pages(address: int, size: int) -> tuple[int, int, int]:
    """Bytes before the first whole page, in whole pages, behind the last."""
    lengths = ffi.new("int64_t[3]")
    lib.rt_whole_pages(address, size, lengths)
    return int(lengths[0]), int(lengths[1]), int(lengths[2])


def nothing() -> Lent:
    """No pages, of a segment of their own all the same."""
    return Lent(0, 0, segment_name().strip("/"))


def claim(address: int, size: int, back: Callable[[], None] | None = None) -> Lent | None:
    """Who lends pages of this memory claims them first; None where somebody has."""
    head, pages, _ = whole_pages(address, size)
    claimed = Lent(address + head, pages, segment_name().strip("/"), back)
    with _claiming:
        if overlapping(address, size):
            return None
        if pages:
            _lent[claimed.address] = claimed
    return claimed


def holds(lent: Lent) -> bool:
    """Whether it is still claimed: not in a forked child."""
    return _lent.get(lent.address) is lent


def forget(lent: Lent) -> None:
    """The claim ends."""
    if holds(lent):
        _lent.pop(lent.address, None)


def overlapping(address: int, size: int) -> list[Lent]:
    """What is claimed of this memory."""
    end = address + size
    return [lent for lent in list(_lent.values()) if lent.address < end and address < lent.address + lent.size]


def take_back(lent: Lent) -> None:
    """Pages that were lent become private again, with what they hold."""
    _take_back(lent.address, lent.size, True)


def discard(lent: Lent) -> None:
    """The same for memory that nobody will read."""
    error = new_error()
    check(lib.rt_segment_discard(lent.address, lent.size, error), error)


def take_back_rest(lent: Lent) -> None:
    """Where the memory may have been freed or moved unseen: take back what of it is still the segment's."""
    for begin, size in _still_shared([lent]):
        _take_back(begin, size, True)


def _take_back(address: int, size: int, release: bool) -> None:
    error = new_error()
    check(lib.rt_segment_take_back(address, size, int(release), error), error)


def _still_shared(known: Iterable[Lent]) -> Iterator[tuple[int, int]]:
    """Address and size of what is mapped from the segments of these, at their addresses."""
    by_label = {lent.label: lent for lent in known}
    with open("/proc/self/maps", encoding="utf-8", errors="replace") as file:
        lines = file.read().splitlines()
    for line in lines:
        lent = by_label.get(line.partition("memfd:")[2].partition(" ")[0])
        if lent is not None:
            begin, end = (int(part, 16) for part in line.split(None, 1)[0].split("-"))
            begin, end = max(begin, lent.address), min(end, lent.address + lent.size)
            if begin < end:
                yield begin, end - begin


# -- forks --------------------------------------------------------------------------------------------------------


def _before_fork() -> None:
    """One fork at a time: the ends of another's pipe would be inherited too."""
    _forking.acquire()
    if _lent:
        try:
            _pipe[:] = os.pipe()
        except OSError:  # no descriptors to wait with: nothing is lent while this process forks
            for lent in list(_lent.values()):
                if lent.back is not None:
                    lent.back()


def _in_parent() -> None:
    try:
        if _pipe:
            _wait_for_child(*_pipe)
    finally:
        _pipe.clear()
        _forking.release()


def _wait_for_child(reading: int, writing: int) -> None:
    try:
        os.close(writing)
        ended = select.poll()
        ended.register(reading, select.POLLIN | select.POLLHUP)
        ended.poll(FORK_WAIT_S * 1000)  # its end is closed, by it or with it
    finally:
        os.close(reading)


def _in_child() -> None:
    global _claiming, _forking
    pipe, known = list(_pipe), list(_lent.values())
    _claiming, _forking = threading.RLock(), threading.Lock()
    _pipe.clear()
    _lent.clear()
    try:
        if known:
            for begin, size in list(_still_shared(known)):
                _take_back(begin, size, False)
    except BaseException as problem:
        with suppress(OSError):
            print(f"ringtree: a forked child gets no memory of its own: {problem}", file=sys.stderr, flush=True)
        os._exit(EXIT_SHARED)  # it would write into its parent's
    finally:
        for end in pipe:
            os.close(end)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_in_parent, after_in_child=_in_child)
