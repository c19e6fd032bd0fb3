"""Memory of this process whose pages other ranks share (csrc/lend.h), and what a fork does about it.

Shared pages stay shared over a fork: parent and child would see each other's writes. So a child, before its fork
returns, makes them its own, and the parent waits for that: to both all memory looks as after any fork. Forks that do
not go through Python (a C library's) are not seen; children that run another program at once share nothing.
"""

from __future__ import annotations

import os
import select
from collections.abc import Callable
from dataclasses import dataclass

from _ringtree.native import check, ffi, lib, new_error

# A child copies some GB in a second; one that cannot go on must not hold its parent for ever.
FORK_WAIT_S = 30.0


@dataclass(frozen=True)
class Lent:
    """Whole pages. label: of the segment that they are now. back: takes them back, where nobody asked to lend them."""

    address: int
    size: int
    label: str
    back: Callable[[], None] | None


_lent: dict[int, Lent] = {}
_pipe: list[int] = []


def note(lent: Lent) -> None:
    """Before the pages are lent."""
    _lent[lent.address] = lent


def forget(address: int) -> Lent | None:
    """Before they are taken back; None where they are known no more, as in a forked child."""
    return _lent.pop(address, None)


def overlapping(address: int, size: int) -> list[Lent]:
    """What is lent of this memory."""
    end = address + size
    return [lent for lent in list(_lent.values()) if lent.address < end and address < lent.address + lent.size]


def take_back(address: int, size: int) -> None:
    """Pages that were lent become private again, with what they hold."""
    error = new_error()
    check(lib.rt_segment_take_back(address, size, error), error)


def discard(address: int, size: int) -> None:
    """The same for memory that nobody will read."""
    error = new_error()
    check(lib.rt_segment_discard(address, size, error), error)


def take_back_rest(lent: Lent) -> None:
    """Where the memory was freed or moved unseen: take back what of its addresses is still the segment's."""
    with open("/proc/self/maps", encoding="utf-8", errors="replace") as file:
        lines = [line for line in file if lent.label in line]
    for line in lines:
        begin, end = (int(part, 16) for part in line.split(None, 1)[0].split("-"))
        begin, end = max(begin, lent.address), min(end, lent.address + lent.size)
        if begin < end:
            take_back(begin, end - begin)


def whole_pages(address: int, size: int) -> tuple[int, int, int]:
    """Bytes before the first whole page, in whole pages, behind the last."""
    lengths = ffi.new("int64_t[3]")
    lib.rt_whole_pages(address, size, lengths)
    return int(lengths[0]), int(lengths[1]), int(lengths[2])


def _before_fork() -> None:
    if _lent:
        _pipe[:] = os.pipe()


def _in_parent() -> None:
    if _pipe:
        reading, writing = _pipe
        _pipe.clear()
        os.close(writing)
        select.select([reading], [], [], FORK_WAIT_S)  # it can be read when the child has closed its end
        os.close(reading)


def _in_child() -> None:
    pipe, kept = list(_pipe), list(_lent.values())
    _pipe.clear()
    _lent.clear()
    try:
        for lent in kept:
            take_back(lent.address, lent.size)
    finally:
        for end in pipe:
            os.close(end)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_in_parent, after_in_child=_in_child)
