"""Memory that every rank of a communicator can reach: `comm.empty`, and arrays that were registered.

    segment   rank 0's part │ rank 1's part │ ...  │ one line per rank: has it dropped its part?

Ranks name such memory to each other by the region's number, which counts what all ranks made together. A rank's mapping
stays until every rank has dropped its part: until then others may name theirs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from _ringtree.direct import Direct
from _ringtree.native import ffi
from _ringtree.runtime import Segment

LINE = 64
_GONE = b"\x01"


def parts_and_lines(stride: int, ranks: int) -> int:
    """The size of a segment with a part and a line for every rank."""
    return (stride + LINE) * ranks


class Regions:
    """The regions of one communicator on one rank."""

    def __init__(self, direct: Direct | None, rank: int, ranks: int) -> None:
        self._direct = direct
        self._rank, self._ranks = rank, ranks
        self._made = 0
        self._held: dict[int, tuple[Segment, int]] = {}  # until all have dropped it: the segment, where its lines are

    def adopt(self, segment: Segment, stride: int) -> Any:
        """This rank's part of a segment of equal parts, as a buffer; all ranks call it together."""
        self._sweep()
        number, lines = self._made, stride * self._ranks
        self._made += 1
        self._held[number] = segment, lines
        if self._direct is not None:
            base = segment.address
            bodies = [base + i * stride for i in range(self._ranks)]
            self._direct.add_region(number, bodies[self._rank], stride, bodies, bodies, [0, stride, 0] * self._ranks)
        return segment.part(self._rank * stride, stride, self._gone(number))

    def _gone(self, number: int) -> Callable[[], None]:
        """What is called when this rank's buffer is no more: by the garbage collector, so it does little."""

        def gone() -> None:
            if self._direct is not None:
                self._direct.drop_region(number)
            segment, lines = self._held[number]
            ffi.buffer(segment.at(lines + self._rank * LINE), 1)[0:1] = _GONE

        return gone

    def _sweep(self) -> None:
        """Let go of what every rank has dropped."""
        for number, (segment, lines) in list(self._held.items()):
            marks = ffi.buffer(segment.at(lines), self._ranks * LINE)[:]
            if all(marks[rank * LINE : rank * LINE + 1] == _GONE for rank in range(self._ranks)):
                if self._direct is not None:
                    self._direct.remove_region(number)
                del self._held[number]

    def close(self) -> None:
        """The communicator goes; buffers live on, unknown to it."""
        self._direct = None
