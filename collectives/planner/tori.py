"""What there is only on a torus: buckets and swings, where the board's direct links make one (topology.torus)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from _ringtree.core import Collective, Recipe

from .family import Candidate, Family
from .specification import Specification

if TYPE_CHECKING:
    from .planning import Planner

ON_TORI = ("bucket", "swing")


def on_torus(
    planner: Planner, collective: Collective, name: str, whole: int | None, chunks: Sequence[int], depth: int
) -> Iterator[Family]:
    """Families of them; none where there is no torus."""
    torus = planner.torus() if planner.topology else None
    if torus is None:
        return
    ranks, flows = collective.ranks, 2 * len(torus.sizes)
    if name == "bucket":
        transfers = 2 * ranks * flows * sum(torus.sizes)
        yield Family(
            tuple(
                Candidate(
                    Specification(name, (("chunks", pieces), ("depth", depth))),
                    Recipe(name, pieces, depth=depth, orders=(torus.order,), sizes=torus.sizes),
                    transfers * pieces,
                )
                for pieces in chunks
            ),
            sum(torus.sizes),
        )
        return
    for swaps_whole in (0, 1) if whole is None else (whole,):
        recipe = Recipe(name, depth=depth, orders=(torus.order,), sizes=torus.sizes, whole=bool(swaps_whole))
        specification = Specification(name, (("whole", swaps_whole), ("depth", depth)))
        yield Family((Candidate(specification, recipe, 2 * ranks * flows * ranks.bit_length()),))
