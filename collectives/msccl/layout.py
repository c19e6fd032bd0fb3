"""Where the chunks of an algorithm lie in a collective's buffers, in elements.

Chunks are of one length where the count divides; else the vector is split in whole elements, larger parts first, and
each rank's part again.

    form      whose files                         what becomes of input (i) and output (o)
    AS_IS     out of place, and ours              i and o are the caller's
    SHARED    in place only: i and o are one      input copied to one memory w, all steps work there:
                                                    w is the output where that has room for it all, else scratch,
                                                    from which the result is then copied out
    ASIDE     out of place only, and not right    input copied to scratch, where the steps read it
              in place

So whatever the file is made for, its program is right out of place and in place (where a copy onto itself is none).
MSCCL's in place: o[c] is i[c]; all_gather, gather: i[c] is o[rank x own + c]; reduce_scatter, scatter the other way.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from _ringtree.core import Collective
from _ringtree.errors import UnsupportedError
from _ringtree.native import lib
from _ringtree.program import equal_parts

from .model import IN_PARTS, INPUT, OUTPUT, SCRATCH, Algorithm


class Form(Enum):
    """How a file's buffers become ours."""

    AS_IS = "as is"
    SHARED = "shared"
    ASIDE = "aside"


@dataclass(frozen=True, slots=True)
class Copy:
    """Elements copied before the first step or after the last; source and target as (buffer of the core, offset)."""

    source: tuple[int, int]
    target: tuple[int, int]
    count: int


def edge(count: int, parts: int, index: int) -> int:
    """Where piece `index` begins when `count` is split in whole elements, larger pieces first."""
    small, larger = divmod(count, parts)
    return small * index + min(index, larger)


class Layout:
    """The places of one algorithm's chunks for one collective. Raises UnsupportedError for one it is not made for."""

    def __init__(self, algorithm: Algorithm, collective: Collective, form: Form) -> None:
        require_made_for(algorithm, collective)
        self.algorithm, self.collective, self.form = algorithm, collective, form
        self.in_parts = algorithm.kind in IN_PARTS
        self.own = algorithm.chunks // algorithm.ranks if self.in_parts else algorithm.chunks
        self.even = collective.count % algorithm.chunks == 0
        parts = algorithm.ranks if self.in_parts else 1
        self.longest = edge(edge(collective.count, parts, 1), self.own, 1)
        self.extents = [collective.extents(rank) for rank in range(algorithm.ranks)]
        if form is Form.SHARED and algorithm.kind == "all_to_all" and not self.even:
            raise UnsupportedError(
                f"{algorithm.label}: an all_to_all in place: found {collective.count} elements; "
                f"expected a multiple of {algorithm.chunks}, its chunks"
            )

    def chunks(self, rank: int, buffer: str) -> int:
        """How many chunks the buffer has."""
        kind, whole, at_root = self.algorithm.kind, self.algorithm.chunks, rank == self.collective.root
        if buffer == SCRATCH:
            return self.algorithm.gpus[rank].chunks[SCRATCH]
        if buffer == INPUT:
            held = {"all_gather": self.own, "gather": self.own, "scatter": whole * at_root}
            return held.get(kind, whole) if kind != "broadcast" or self.shares(rank) else whole * at_root
        held = {"reduce_scatter": self.own, "scatter": self.own, "gather": whole * at_root}
        return held.get(kind, whole) if kind != "reduce" or self.shares(rank) else whole * at_root

    def shares(self, rank: int) -> bool:
        """Whether input and output of the rank are one memory."""
        one_sided = self.algorithm.kind in ("gather", "scatter") and rank != self.collective.root
        return self.form is Form.SHARED and not one_sided

    def begin(self, rank: int, buffer: str, chunk: int) -> int:
        """The element of its own buffer at which the chunk begins."""
        count, kind, own = self.collective.count, self.algorithm.kind, self.own
        if buffer == SCRATCH:
            return chunk * self.longest
        if not self.in_parts:
            return edge(count, own, chunk)
        begin, end = self._part(rank)
        if (kind in ("all_gather", "gather")) == (buffer == INPUT) and kind != "all_to_all":
            return edge(end - begin, own, chunk)
        part, chunk = divmod(chunk, own)
        if kind == "all_to_all" and buffer == OUTPUT:
            return (end - begin) * part + edge(end - begin, own, chunk)
        begin, end = self._part(part)
        return begin + edge(end - begin, own, chunk)

    def length(self, rank: int, buffer: str, chunk: int) -> int:
        """Elements of one chunk; those of a scratch chunk at most."""
        return self.begin(rank, buffer, chunk + 1) - self.begin(rank, buffer, chunk)

    def at(self, rank: int, buffer: str, chunk: int) -> tuple[int, int]:
        """The core's buffer, and the element in it, where the chunk begins."""
        element = self.begin(rank, buffer, chunk)
        if buffer == SCRATCH:
            return lib.RT_SCRATCH, element
        if self.shares(rank):
            whole, base = self._shared(rank)
            return whole, base + element + (self._part(rank)[0] if buffer == self._smaller() else 0)
        if buffer == INPUT and self.form is Form.ASIDE:
            return lib.RT_SCRATCH, self._scratch(rank) + element
        return (lib.RT_INPUT if buffer == INPUT else lib.RT_OUTPUT), element

    def scratch(self, rank: int) -> int:
        """Elements of scratch."""
        size = self._scratch(rank)
        if self.form is Form.ASIDE:
            return size + self.extents[rank][0]
        return size + self.collective.count if self.shares(rank) and not self._in_output(rank) else size

    def before(self, rank: int) -> list[Copy]:
        """What is copied before the first step."""
        reads = self.extents[rank][0]
        if reads == 0 or not (self.form is Form.ASIDE or self.shares(rank)):
            return []
        return [Copy((lib.RT_INPUT, 0), self.at(rank, INPUT, 0), reads)]

    def after(self, rank: int) -> list[Copy]:
        """What is copied after the last step."""
        writes = self.extents[rank][1]
        if writes == 0 or not self.shares(rank) or self._in_output(rank):
            return []
        return [Copy(self.at(rank, OUTPUT, 0), (lib.RT_OUTPUT, 0), writes)]

    def _part(self, rank: int) -> tuple[int, int]:
        count, ranks = self.collective.count, self.algorithm.ranks
        return edge(count, ranks, rank), edge(count, ranks, rank + 1)

    def _scratch(self, rank: int) -> int:
        return self.algorithm.gpus[rank].chunks[SCRATCH] * self.longest

    def _smaller(self) -> str | None:
        """The buffer that is a part of the other in place."""
        return {"all_gather": INPUT, "gather": INPUT, "reduce_scatter": OUTPUT, "scatter": OUTPUT}.get(
            self.algorithm.kind
        )

    def _in_output(self, rank: int) -> bool:
        return self.extents[rank][1] == self.collective.count

    def _shared(self, rank: int) -> tuple[int, int]:
        """The core's buffer that holds the one memory, and where it begins there."""
        return (lib.RT_OUTPUT, 0) if self._in_output(rank) else (lib.RT_SCRATCH, self._scratch(rank))


def require_made_for(algorithm: Algorithm, collective: Collective) -> None:
    """UnsupportedError where the file is for another collective."""
    label, kind = algorithm.label, algorithm.kind
    if kind != collective.kind:
        raise UnsupportedError(f"{label}: does {kind}; found {collective.kind}")
    if algorithm.ranks != collective.ranks:
        raise UnsupportedError(f"{label}: made for {algorithm.ranks} ranks; found {collective.ranks}")
    if collective.counts is not None and not _evenly_split(collective):
        raise UnsupportedError(f"{label}: made for parts of one size; found {kind} with counts for each rank")
    if algorithm.root not in (None, collective.root):
        raise UnsupportedError(f"{label}: made for root {algorithm.root}; found {collective.root}")
    if kind in IN_PARTS and algorithm.chunks % algorithm.ranks:
        found = f"found {algorithm.chunks} chunks"
        raise UnsupportedError(f"{label}: {found}; expected a multiple of {algorithm.ranks}, one part for each rank")


def _evenly_split(collective: Collective) -> bool:
    """Whether the counts are what the split of the whole would give."""
    split = equal_parts(collective.count, collective.ranks)
    return (collective.counts, collective.displs) == (split, None) and collective.kind != "all_to_all"
