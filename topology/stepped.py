"""Trees of few steps, which all-gathers of short vectors want: every rank's part, cut in chunks, in a tree for each.

A step is over when all its hops are made; it takes as long as the busiest link has chunks to carry in it. A schedule of
S steps that together take R rounds, a round being the time of a chunk on the narrowest link, so needs no longer than

    S latencies + R x bytes of a chunk / bandwidth of the narrowest link

(S, R, chunks) is how SCCL (Cai et al., PPoPP 2021) counts. `stepped` finds good trees fast; steps.py the best ones of
small boards. Reversed, trees out of all roots are those of a reduce-scatter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from _ringtree.trees import Hop, stepped_trees

from .hops import RoutedHops
from .model import Topology

WORK = 20_000_000


@dataclass(frozen=True)
class SteppedTree:
    """Parents of the ranks (-1 at the root) and the step in which the root's chunk reaches each (0 at the root).

    Of a tree up, the steps count from the end: what is sent in step 1 comes last.
    """

    root: int
    parents: tuple[int, ...]
    steps: tuple[int, ...]


@dataclass(frozen=True)
class Stepped:
    """Trees, root after root, and how many rounds each step takes; a round is a chunk's time at `unit_GBps`.

    `least_rounds`: no trees of so many steps and chunks need fewer, as far as that is proved.
    """

    trees: tuple[SteppedTree, ...]
    durations: tuple[float, ...]
    unit_GBps: float
    least_rounds: float = 0.0

    @property
    def rounds(self) -> float:
        return sum(self.durations)


@dataclass(frozen=True)
class SharedHops:
    """Hops between ranks with the links and limits that each takes, renumbered, and how many rounds a chunk does."""

    ranks: int
    hops: tuple[Hop, ...]
    busy: tuple[float, ...]
    unit_GBps: float


def shared_hops(topology: Topology, placement: Sequence[int], up: bool) -> SharedHops:
    """Those over the board's routes; for trees up, each hop the other way. Raises AssumptionError."""
    routed = RoutedHops(topology, placement)
    taken = routed.paths()
    used = sorted({element for elements in taken.values() for element in elements})
    capacities = routed.capacities_GBps[used]
    unit = float(min(capacities, default=1.0))
    number = {element: index for index, element in enumerate(used)}
    hops = [(*(ends[::-1] if up else ends), [number[e] for e in elements]) for ends, elements in taken.items()]
    return SharedHops(len(placement), tuple(hops), tuple((unit / capacities).tolist()), unit)


def stepped(
    topology: Topology, placement: Sequence[int], steps: int, chunks: int, up: bool = False, work: int = WORK
) -> Stepped:
    """`chunks` trees from each rank (to it, if `up`), each of so many steps at most; the same every time.

    `work`: about how many nanoseconds the search may take. Raises NoRouteError where a rank is further away.
    """
    shared = shared_hops(topology, placement, up)
    parents, step_of, durations = stepped_trees(shared.ranks, shared.hops, shared.busy, steps, chunks, work)
    trees = [
        SteppedTree(number // chunks, tuple(p), tuple(s))
        for number, (p, s) in enumerate(zip(parents.tolist(), step_of.tolist(), strict=True))
    ]
    return Stepped(tuple(trees), tuple(durations.tolist()), shared.unit_GBps)
