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

whatever the trees (weak duality), so a packing that reaches it is the best. Prices between the last ones and the best
so far keep the search from swinging (Wentges 1997).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from _ringtree.errors import NoRouteError
from _ringtree.trees import arborescences

from .hops import Floats, Hops
from .master import Demand, Master

GAP = 1e-9
MOST_ROUNDS = 1000
SMOOTHING = 0.5


@dataclass(frozen=True)
class PackedTree:
    """Parents of the ranks (-1 at the root), and the share of the data that the tree carries, in GB/s."""

    root: int
    up: bool
    parents: tuple[int, ...]
    rate_GBps: float


@dataclass(frozen=True)
class Packing:
    """Trees that together reach `rate_GBps`; `bound_GBps` is what no trees can exceed, proved by the prices.

    `prices` are those of the elements (links, then limits): what the bound would gain for each GB/s more.
    """

    rate_GBps: float
    bound_GBps: float
    trees: tuple[PackedTree, ...]
    prices: tuple[float, ...]


def demands(kind: str, ranks: int, root: int = 0, weights: Sequence[float] | None = None) -> list[Demand]:
    """What a collective asks for. `weights`: shares of the data by rank, which sum to 1, for parts that are unequal."""
    parts = [1 / ranks] * ranks if weights is None else weights
    if kind == "all_reduce":
        return [Demand(r, up, 1.0, r) for r in range(ranks) for up in (False, True)]
    if kind in ("all_gather", "reduce_scatter"):
        return [Demand(r, kind == "reduce_scatter", w, 0) for r, w in enumerate(parts) if w > 0]
    if kind in ("broadcast", "reduce"):
        return [Demand(root, kind == "reduce", 1.0, 0)]
    raise ValueError(f"no trees do {kind}")


def pack(hops: Hops, wanted: Sequence[Demand]) -> Packing:
    """The best packing. NoRouteError where a root does not reach every rank, or is not reached."""
    scale = float(hops.capacities_GBps.max())
    search = _Search(hops, wanted, hops.capacities_GBps / scale)
    search.run()
    trees = [
        PackedTree(wanted[demand].root, wanted[demand].up, parents, float(rate) * scale)
        for (demand, parents), rate in zip(search.trees, search.master.rates(), strict=True)
        if rate > GAP
    ]
    return Packing(search.rate * scale, search.bound * scale, tuple(trees), tuple(search.best_prices.tolist()))


class _Search:
    """Column generation; capacities and rates are in units of the widest element."""

    def __init__(self, hops: Hops, wanted: Sequence[Demand], capacities: Floats) -> None:
        self.hops = hops
        self.wanted = wanted
        self.capacities = capacities
        self.master = Master(capacities, wanted)
        self.trees: list[tuple[int, tuple[int, ...]]] = []
        self._known: set[tuple[int, tuple[int, ...], frozenset[tuple[int, int]]]] = set()
        self.rate = 0.0
        self.bound = float("inf")
        self.best_prices = 1 / capacities

    def run(self) -> None:
        prices, worth, smoothing = 1 / self.capacities, np.full(len(self.wanted), np.inf), 0.0
        for _ in range(MOST_ROUNDS):
            mixed = smoothing * self.best_prices + (1 - smoothing) * prices
            found = self._cheapest(mixed)
            if self.rate >= self.bound * (1 - GAP):
                return
            if self._add(found, prices, worth):
                self.rate, prices, worth = self.master.solve()
                self.best_prices *= (prices @ self.capacities) / (self.best_prices @ self.capacities)
                smoothing = SMOOTHING
            elif smoothing:
                smoothing = 0.0
            else:
                return

    def _cheapest(self, prices: Floats) -> list[tuple[int, ...]]:
        """The cheapest tree of each demand, and the bound that these prices prove."""
        costs = self.hops.costs(prices)
        trees: list[tuple[int, ...]] = [()] * len(self.wanted)
        groups: Counter[int] = Counter()
        for up in (False, True):
            which = [i for i, demand in enumerate(self.wanted) if demand.up == up]
            parents, totals = arborescences(costs.T if up else costs, [self.wanted[i].root for i in which])
            for i, tree, total in zip(which, parents, totals, strict=True):
                if not np.isfinite(total):
                    raise NoRouteError(f"no tree joins rank {self.wanted[i].root} with all others")
                trees[i] = tuple(tree.tolist())
                groups[self.wanted[i].group] += self.wanted[i].weight * total
        dearest = min(groups.values())
        if dearest > 0 and (bound := float(prices @ self.capacities / dearest)) < self.bound:
            self.bound, self.best_prices = bound, prices / dearest
        return trees

    def _add(self, found: Sequence[tuple[int, ...]], prices: Floats, worth: Floats) -> int:
        """Give the master the trees that pay at its own prices; how many."""
        added = 0
        for demand, parents in enumerate(found):
            uses = self._uses(parents, self.wanted[demand].up)
            paid = sum(prices[element] * times for element, times in uses.items())
            column = (demand, parents, frozenset(uses.items()))
            if paid < worth[demand] - GAP and column not in self._known:
                self._known.add(column)
                self.trees.append((demand, parents))
                self.master.add(demand, uses)
                added += 1
        return added

    def _uses(self, parents: Sequence[int], up: bool) -> Counter[int]:
        uses: Counter[int] = Counter()
        for child, parent in enumerate(parents):
            if parent >= 0:
                uses.update(self.hops.elements(child, parent) if up else self.hops.elements(parent, child))
        return uses
