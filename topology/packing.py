"""Packing spanning trees into a board: the fastest way to use its links, and the proof that none is faster.

A collective of long vectors is a set of trees, each with a share of the data: out-trees (`up` false) broadcast from
their root, in-trees (`up` true) reduce to it. How fast all trees together can be is a linear program:

    maximise  the sum of the groups' rates
    where     demand d gets   sum of its trees' rates >= weight(d) x rate(group of d)
              element e gives sum of rates x uses of e <= capacity(e)

An all-reduce has a group for each root, which reduces to it and broadcasts from it at one rate; an all-gather one
group of all roots. Trees are priced in (column generation): at the elements' prices the cheapest tree of each demand
is an arborescence. The prices prove the bound: no rate exceeds

    (sum of capacity x price) / (cheapest group's sum of weight x cost of its cheapest tree)

whatever the trees (weak duality), so a packing that reaches it is the best.

A tree of many hops fills late. So the search (treesearch.py) climbs a ladder: trees of as few hops as there can be,
then of one more, and so on until the rate meets the bound. On boards of boxes and switches two hops are enough.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .hops import Hops
from .master import Demand, Way

if TYPE_CHECKING:
    from .treesearch import Rung

# A tree to begin with: its root, whether it goes up, parents.
Planted = tuple[int, bool, tuple[int, ...]]

# Rates that differ by less are the same.
EQUAL = 1e-7
# A packing of more hops than need be is of use where it takes less than this part of what the other one takes.
LIGHTER = 0.99


@dataclass(frozen=True)
class PackedTree:
    """Parents of the ranks (-1 at the root), and the share of the data that the tree carries, in GB/s.

    `detours`: ranks whose hop from or to their parent keeps away from the first link of the route.
    """

    root: int
    up: bool
    parents: tuple[int, ...]
    rate_GBps: float
    detours: tuple[int, ...] = ()


@dataclass(frozen=True)
class Packing:
    """Trees of at most `hops` that together reach `rate_GBps`; no trees of any kind exceed `bound_GBps`, by the prices.

    `prices` are those of the elements (links, then limits): what the bound would gain for each GB/s more.
    """

    rate_GBps: float
    bound_GBps: float
    trees: tuple[PackedTree, ...]
    prices: tuple[float, ...]
    hops: int


def demands(
    kind: str, ranks: int, root: int = 0, weights: Sequence[float] | None = None, mirrored: bool = False
) -> list[Demand]:
    """What a collective asks for. `weights`: shares of the data by rank, which sum to 1, for parts that are unequal.

    `mirrored`: what a hop takes, the hop back takes too. Then an all-reduce loses nothing if every tree up is a tree
    down turned round: of a packing and its mirror image half each is as fast, and pairs up so.
    """
    parts = [1 / ranks] * ranks if weights is None else weights
    if kind == "all_reduce":
        ways = (Way.BOTH,) if mirrored else (Way.DOWN, Way.UP)
        return [Demand(r, way, 1.0, r) for r in range(ranks) for way in ways]
    if kind in ("all_gather", "reduce_scatter"):
        way = Way.UP if kind == "reduce_scatter" else Way.DOWN
        return [Demand(r, way, w, 0) for r, w in enumerate(parts) if w > 0]
    if kind in ("broadcast", "reduce"):
        return [Demand(root, Way.UP if kind == "reduce" else Way.DOWN, 1.0, 0)]
    raise ValueError(f"no trees do {kind}")


def pack(hops: Hops, wanted: Sequence[Demand]) -> Packing:
    """The best packing, of the fewest hops. NoRouteError where a root does not reach every rank, or is not reached."""
    return ladder(hops, wanted, lighter=False)[-1]


def ladder(
    hops: Hops,
    wanted: Sequence[Demand],
    lighter: bool = True,
    most_trees: int | None = None,
    bound_GBps: float = math.inf,
    planted: Iterable[Planted] = (),
) -> tuple[Packing, ...]:
    """The best packings of few hops, then of more, each faster than the one before; the last one meets the bound.

    All but the last are found by local search: there may be faster ones of as many hops. Of those of one rate it takes
    one that loads the board least; behind the last one comes, if `lighter`, one of another hop that loads it less.
    `most_trees`: each packing is then made of so many trees (pairs of them in an all-reduce) or fewer, by leaving out
    slow ones, and the packing's bound says what that costs. `bound_GBps`: one that is known already saves proving it.
    `planted`: trees that are likely to be good. Raises NoRouteError.
    """
    from .treesearch import TreeSearch

    search = TreeSearch(hops, wanted)
    search.bound = bound_GBps / search.scale
    search.plant(planted)
    rungs: list[Rung] = []
    for rung in search.climb():
        if not rungs or rung.rate > rungs[-1].rate * (1 + EQUAL):
            rungs.append(search.lighten(rung.hops) if lighter else rung)
    if lighter and rungs[-1].hops < hops.ranks - 1:
        rung = search.lighten(rungs[-1].hops + 1)
        rungs += [rung] if rung.load < rungs[-1].load * LIGHTER else []
    if most_trees is not None:
        rungs = [search.thin(rung, most_trees) for rung in rungs]
    bound, prices = search.bound * search.scale, tuple(search.best_prices.tolist())
    return tuple(
        Packing(rung.rate * search.scale, bound, _packed(wanted, rung, search.scale), prices, rung.hops)
        for rung in rungs
    )


def repaired(hops: Hops, wanted: Sequence[Demand], trees: Iterable[Planted], most_hops: int) -> Packing:
    """The best packing once more, from the trees (root, whether up, parents) of another board of the same ranks.

    Only trees of `most_hops`, and of more if they must be, are sought beside them. Raises NoRouteError.
    """
    from .treesearch import TreeSearch

    search = TreeSearch(hops, wanted)
    search.plant(trees)
    for rung in search.climb(most_hops):
        last = rung
    bound, prices = search.bound * search.scale, tuple(search.best_prices.tolist())
    return Packing(last.rate * search.scale, bound, _packed(wanted, last, search.scale), prices, last.hops)


def _packed(wanted: Sequence[Demand], rung: Rung, scale: float) -> tuple[PackedTree, ...]:
    return tuple(
        PackedTree(wanted[tree.demand].root, up, tree.parents, rate * scale, tree.detours[up])
        for tree, rate in rung.trees
        for up in wanted[tree.demand].way.value
    )
