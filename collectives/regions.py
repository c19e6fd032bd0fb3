"""Memory that every rank of a communicator can reach: `comm.empty`, and arrays that were registered.

    empty      one segment: rank 0's part │ rank 1's part │ ... │ a line for every rank: has it dropped its part?
    register   a segment of each rank: body, which becomes the array's whole pages │ mirrors of its two ends │ a line

Ranks name such memory to each other by the region's number, which counts what all ranks made together. A rank's mapping
stays until every rank has dropped its part: until then others may name theirs.
"""

from __future__ import annotations

import mmap
import os
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from _ringtree import lent
from _ringtree.direct import Direct
from _ringtree.errors import InputError
from _ringtree.native import ffi, lib
from _ringtree.runtime import Segment

from .buffers import read
from .sharing import agree, exchange

LINE = 64
# The ends of an array that fill no page: together less than two of them, or all of a small array.
MIRROR_BYTES = 2 * mmap.PAGESIZE
_GONE = b"\x01"


def parts_and_lines(stride: int, ranks: int) -> int:
    """The size of a segment with a part and a line for every rank."""
    return (stride + LINE) * ranks


@dataclass
class Held:
    """A region until all have dropped it: what keeps its memory mapped, and every rank's line."""

    segments: tuple[Segment, ...]
    lines: tuple[Any, ...]
    region: Any = None


class Regions:
    """The regions of one communicator on one rank."""

    def __init__(self, direct: Direct | None, rank: int, ranks: int) -> None:
        self._direct = direct
        self._rank, self.ranks = rank, ranks
        self._process = os.getpid()
        self._made = 0
        self._held: dict[int, Held] = {}
        self._registered: dict[int, tuple[Any, int, lent.Lent]] = {}  # the array, kept alive, by its address

    def adopt(self, segment: Segment, stride: int) -> Any:
        """This rank's part of a segment of equal parts, as a buffer; all ranks call it together."""
        ranks = self.ranks
        lines = tuple(segment.at(stride * ranks + i * LINE) for i in range(ranks))
        number = self._next(Held((segment,), lines))
        if self._direct is not None:
            bodies = [segment.address + i * stride for i in range(ranks)]
            lengths = [0, stride, 0] * ranks
            region = self._direct.add_region(number, bodies[self._rank], stride, bodies, bodies, lengths)
            self._held[number].region = region
        return segment.part(self._rank * stride, stride, lambda: self.drop(number))

    def register(self, comm: Any, array: Any) -> None:
        """Make the array's own memory reachable; all ranks call it together, each with an array of any size."""
        if self._direct is None:
            return
        claimed: list[lent.Lent] = []
        try:
            buffer = agree(comm, lambda: self._registrable(array, claimed))
        except BaseException:
            for pages in claimed:
                lent.forget(pages)
            raise
        number = self.share(comm, buffer.address, buffer.nbytes, claimed[0])
        self._registered[buffer.address] = array, number, claimed[0]

    def unregister(self, array: Any) -> None:
        """The array's memory is its own again."""
        address = read(array, "unregister: array", writable=True).address
        if self._direct is None:
            return
        if address not in self._registered:
            raise InputError("unregister: found an array that was not registered")
        self._return(*self._registered.pop(address)[1:])

    def close(self) -> None:
        """The communicator goes; buffers live on, unknown to it, and registered arrays get their memory back."""
        with ExitStack() as ending:  # all of them, whatever fails
            for _, number, pages in self._registered.values():
                ending.callback(self._return, number, pages)
        self._registered.clear()
        self._direct = None

    def share(self, comm: Any, address: int, size: int, pages: lent.Lent, array_state: Any = ffi.NULL) -> int:
        """This rank's `size` bytes become reachable where they are, none perhaps; all ranks call it together.

        pages: the whole ones among them, claimed. Returns the region's number. What fails on one rank fails on all, and
        leaves the memory as it was.
        """
        assert self._direct is not None
        lengths = lent.whole_pages(address, size)
        made: list[Segment] = []

        def lend() -> tuple[str, tuple[int, int, int]]:
            own = Segment(pages.label, lengths[1] + MIRROR_BYTES + LINE, create=True, later=lengths[1])
            made.append(own)
            own.lend(pages.address, pages.size)
            return own.name, lengths

        try:
            answers = exchange(comm, lend)
            segments = agree(comm, lambda: tuple(self._attached(made[0], answers)))
        except BaseException:
            lent.take_back_rest(pages)
            lent.forget(pages)
            raise
        finally:
            for own in made:
                own.unlink()
        mirrors = [s.address + (0 if i == self._rank else answers[i][1][1]) for i, s in enumerate(segments)]
        bodies = [s.address for s in segments]
        bodies[self._rank] = pages.address
        lines = tuple(ffi.cast("char *", mirror + MIRROR_BYTES) for mirror in mirrors)
        number = self._next(Held(segments, lines))
        flat = [length for _, three in answers for length in three]
        region = self._direct.add_region(number, address, size, bodies, mirrors, flat, array_state)
        self._held[number].region = region
        return number

    def dropped(self, number: int) -> Any:
        """A byte: once it is not 0 nobody finds this rank's part. Of a region that has not been dropped."""
        return ffi.buffer(ffi.cast("char *", lib.rt_region_dropped(self._held[number].region)), 1)

    def drop(self, number: int) -> None:
        """This rank's part of the region is no more. Little happens here: garbage collectors of any thread call it."""
        if os.getpid() != self._process:
            return  # a forked child's copy
        held = self._held[number]
        if self._direct is not None:
            self._direct.drop_region(held.region)
        held.lines[self._rank][0] = _GONE

    def _attached(self, own: Segment, answers: list[Any]) -> list[Segment]:
        """Every rank's segment. Lengths that do not fit it would lead outside."""
        segments = []
        for rank, (name, (head, body, tail)) in enumerate(answers):
            if min(head, body, tail) < 0 or head + tail > MIRROR_BYTES:
                raise InputError(
                    f"rank {rank} shares {head}, {body} and {tail} bytes; expected ends of less than a page"
                )
            whole = body + MIRROR_BYTES + LINE
            segments.append(own if rank == self._rank else Segment(name, whole, create=False))
        return segments

    def _registrable(self, array: Any, claimed: list[lent.Lent]) -> Any:
        import numpy as np

        buffer = read(array, "register: array", writable=True)
        owner = array
        while owner is not None:
            if isinstance(owner, np.memmap):
                raise InputError("register: found an array on a file; expected one in memory")
            owner = getattr(owner, "base", None)
        if isinstance(array, np.ndarray) and not array.flags.aligned:
            raise InputError("register: found an array that is not aligned to its elements")
        for other, _, _ in self._registered.values():  # those that fill no page
            if buffer.overlaps(read(other, "register: array", writable=True)):
                raise InputError("register: found an array that shares memory with a registered one")
        for known in lent.overlapping(buffer.address, buffer.nbytes):
            if known.back is not None:
                known.back()
        pages = lent.claim(buffer.address, buffer.nbytes)
        if pages is None:
            raise InputError("register: found an array that shares memory with a registered one")
        claimed.append(pages)
        return buffer

    def _return(self, number: int, pages: lent.Lent) -> None:
        self.drop(number)
        if lent.holds(pages):
            lent.take_back(pages)
            lent.forget(pages)

    def _next(self, held: Held) -> int:
        self._sweep()
        number = self._made
        self._made += 1
        self._held[number] = held
        return number

    def _sweep(self) -> None:
        """Let go of what every rank has dropped."""
        for number, held in list(self._held.items()):
            if all(line[0] == _GONE for line in held.lines):
                if self._direct is not None:
                    self._direct.remove_region(number)
                del self._held[number]
