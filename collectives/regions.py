"""Memory that every rank of a communicator can reach: `comm.empty`, and arrays that were registered.

    empty      one segment: rank 0's part │ rank 1's part │ ... │ a line for every rank: has it dropped its part?
    register   a segment of each rank: body, which becomes the array's whole pages │ mirrors of its two ends │ a line

Ranks name such memory to each other by the region's number, which counts what all ranks made together. A rank's mapping
stays until every rank has dropped its part: until then others may name theirs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from _ringtree.direct import Direct
from _ringtree.errors import InputError
from _ringtree.native import ffi
from _ringtree.runtime import Segment, segment_name, take_back, whole_pages

from .buffers import read
from .sharing import agree

LINE = 64
# The ends of an array that fill no page: together less than two of them, or all of a small array.
MIRROR_BYTES = 2 * 65536
_GONE = b"\x01"


def parts_and_lines(stride: int, ranks: int) -> int:
    """The size of a segment with a part and a line for every rank."""
    return (stride + LINE) * ranks


@dataclass(frozen=True)
class Held:
    """A region until all have dropped it: what keeps its memory mapped, and every rank's line."""

    segments: tuple[Segment, ...]
    lines: tuple[Any, ...]


@dataclass(frozen=True)
class Registered:
    """An array whose pages are lent, kept alive, and where those pages are."""

    array: Any
    number: int
    address: int
    size: int


class Regions:
    """The regions of one communicator on one rank."""

    def __init__(self, direct: Direct | None, rank: int, ranks: int) -> None:
        self._direct = direct
        self._rank, self._ranks = rank, ranks
        self._made = 0
        self._held: dict[int, Held] = {}
        self._registered: dict[int, Registered] = {}  # by the array's address

    def adopt(self, segment: Segment, stride: int) -> Any:
        """This rank's part of a segment of equal parts, as a buffer; all ranks call it together."""
        ranks = self._ranks
        lines = tuple(segment.at(stride * ranks + i * LINE) for i in range(ranks))
        number = self._next(Held((segment,), lines))
        if self._direct is not None:
            bodies = [segment.address + i * stride for i in range(ranks)]
            self._direct.add_region(number, bodies[self._rank], stride, bodies, bodies, [0, stride, 0] * ranks)
        return segment.part(self._rank * stride, stride, self._gone(number))

    def register(self, comm: Any, array: Any) -> None:
        """Make the array's own memory reachable; all ranks call it together, each with an array of any size."""
        if self._direct is None:
            return
        buffer = agree(comm, lambda: self._registrable(array))
        lengths = whole_pages(buffer.address, buffer.nbytes)
        name, size = segment_name(), lengths[1] + MIRROR_BYTES + LINE
        own = agree(comm, lambda: Segment(name, size, create=True))
        answers = comm.allgather((name, size, lengths))
        try:
            segments = agree(
                comm,
                lambda: tuple(
                    own if i == self._rank else Segment(other, bytes_, create=False)
                    for i, (other, bytes_, _) in enumerate(answers)
                ),
            )
            agree(comm, lambda: own.lend(buffer.address + lengths[0], lengths[1]))
        finally:
            own.unlink()
        mirrors = [s.address + (0 if i == self._rank else answers[i][2][1]) for i, s in enumerate(segments)]
        bodies = [s.address for s in segments]
        bodies[self._rank] = buffer.address + lengths[0]
        lines = tuple(ffi.cast("char *", mirror + MIRROR_BYTES) for mirror in mirrors)
        number = self._next(Held(segments, lines))
        flat = [length for _, _, three in answers for length in three]
        self._direct.add_region(number, buffer.address, buffer.nbytes, bodies, mirrors, flat)
        self._registered[buffer.address] = Registered(array, number, bodies[self._rank], lengths[1])

    def unregister(self, array: Any) -> None:
        """The array's memory is its own again."""
        address = read(array, "unregister: array", writable=True).address
        if self._direct is None:
            return
        if address not in self._registered:
            raise InputError("unregister: found an array that was not registered")
        self._return(self._registered.pop(address))

    def close(self) -> None:
        """The communicator goes; buffers live on, unknown to it, and registered arrays get their memory back."""
        for registered in self._registered.values():
            self._return(registered)
        self._registered.clear()
        self._direct = None

    def _registrable(self, array: Any) -> Any:
        import numpy as np

        buffer = read(array, "register: array", writable=True)
        owner = array
        while owner is not None:
            if isinstance(owner, np.memmap):
                raise InputError("register: found an array on a file; expected one in memory")
            owner = getattr(owner, "base", None)
        if isinstance(array, np.ndarray) and not array.flags.aligned:
            raise InputError("register: found an array that is not aligned to its elements")
        for known in self._registered.values():
            if buffer.overlaps(read(known.array, "register: array", writable=True)):
                raise InputError("register: found an array that shares memory with a registered one")
        return buffer

    def _return(self, registered: Registered) -> None:
        take_back(registered.address, registered.size)
        self._gone(registered.number)()

    def _next(self, held: Held) -> int:
        self._sweep()
        number = self._made
        self._made += 1
        self._held[number] = held
        return number

    def _gone(self, number: int) -> Callable[[], None]:
        """What is called when this rank's buffer is no more: by the garbage collector, so it does little."""

        def gone() -> None:
            if self._direct is not None:
                self._direct.drop_region(number)
            self._held[number].lines[self._rank][0] = _GONE

        return gone

    def _sweep(self) -> None:
        """Let go of what every rank has dropped."""
        for number, held in list(self._held.items()):
            if all(line[0] == _GONE for line in held.lines):
                if self._direct is not None:
                    self._direct.remove_region(number)
                del self._held[number]
