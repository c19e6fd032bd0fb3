"""The search for a packing (packing.py): trees come into a linear program by price, first those of few hops.

Every round prices the links and limits by how scarce they are, finds a cheap tree for each demand, and solves the
program with those that pay. Prices between the last ones and the ones before keep it from swinging (Wentges 1997).
When no tree of so many hops pays any more, exact arborescences at the same prices prove a bound on all packings.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from _ringtree.errors import NoRouteError, UnsupportedError
from _ringtree.trees import arborescences, shallow_trees

from .hops import Floats, Hops
from .master import Demand, Master, Way

GAP = 1e-9
MOST_ROUNDS = 1000
SMOOTHING = 0.5
# On more ranks the last thousandth takes longer than all before: it is left.
MANY_RANKS, LEFT = 64, 1e-3

Parents = tuple[int, ...]


class Column(NamedTuple):
    """A tree of a demand; `detours` are the ranks whose hop from their parent is one, and those of the hop to it."""

    demand: int
    parents: Parents
    detours: tuple[tuple[int, ...], tuple[int, ...]]


class Rung(NamedTuple):
    """The best found with trees of at most so many hops: its rate, and the trees with theirs.

    `load`: how busy the links and limits are, summed over all of them.
    """

    hops: int
    rate: float
    trees: list[tuple[Column, float]]
    load: float


class TreeSearch:
    """Column generation; capacities and rates are in units of the widest element, `scale` GB/s."""

    def __init__(self, hops: Hops, wanted: Sequence[Demand]) -> None:
        self.scale = float(hops.capacities_GBps.max())
        self.bound = float("inf")
        self.best_prices = np.zeros(0)
        self._hops = hops
        self._wanted = wanted
        self._capacities = hops.capacities_GBps / self.scale
        self._master = Master(self._capacities, wanted)
        self._trees: list[Column] = []
        self._known: set[tuple[int, Parents, frozenset[tuple[int, int]]]] = set()
        self._rate = 0.0
        self._all_needed = len({demand.group for demand in wanted}) < len(wanted)
        self._loads = 1 / self._capacities
        self._prices = self._loads
        self._worth = np.full(len(wanted), np.inf)

    def plant(self, trees: Iterable[tuple[int, bool, Parents]]) -> None:
        """Begin with these trees (root, whether up, parents), those of them that there still can be."""
        costs = self._hops.costs(self._prices)
        found: dict[tuple[int, bool], list[Parents]] = defaultdict(list)
        for root, up, parents in trees:
            if all(np.isfinite(costs[(v, p) if up else (p, v)]) for v, p in enumerate(parents) if p >= 0):
                found[root, up].append(parents)
        for number, demand in enumerate(self._wanted):
            for parents in found[demand.root, demand.way.value[0]]:
                self._add([parents if i == number else () for i in range(len(self._wanted))])
        if self._trees:
            self._rate, self._prices, self._worth = self._master.solve()

    def climb(self, first: int = 1) -> Iterator[Rung]:
        """The ladder from trees of `first` hops on, up to a packing that meets the bound.

        NoRouteError where no tree joins a root with all ranks.
        """
        self._prove(self._prices)
        for hops in range(min(first, self._hops.ranks - 1), self._hops.ranks):
            if self._settle(hops):
                yield self._rung(hops)
                self._prove(self._prices)
            if self._proved():
                return
        self._settle(None)
        yield self._rung(self._hops.ranks - 1)

    def lighten(self, hops: int) -> Rung:
        """The same rate by trees of at most `hops` that take less of the board: they get in each other's way less."""
        self._master.hold(self._rate * (1 - GAP), self._loads)
        self._rate, self._prices, self._worth = self._master.solve()
        self._settle(hops, lighter=True)
        rung = self._rung(hops)
        self._master.release()
        self._rate, self._prices, self._worth = self._master.solve()
        return rung

    def thin(self, rung: Rung, most: int) -> Rung:
        """The best rate found with at most so many of the rung's trees: the slowest go, the others make up for it."""
        kept = dict(rung.trees)
        while len(kept) > most:
            left = Counter(tree.demand for tree in kept)
            if self._all_needed and len(left) > most:
                raise UnsupportedError(f"no packing of {most} trees: each of {len(left)} ranks needs one")
            # The slowest first, but for the last tree of a demand whose data nothing else brings.
            fewer = len(kept) - max(1, (len(kept) - most) // 4)
            for tree in sorted(kept, key=lambda tree: kept[tree]):
                if len(kept) > fewer and (left[tree.demand] > 1 or not self._all_needed):
                    left[tree.demand] -= 1
                    del kept[tree]
            self._master.only({i for i, tree in enumerate(self._trees) if tree in kept})
            rate, *_ = self._master.solve()
            rates = self._master.rates()
            kept = {tree: float(rates[i]) for i, tree in enumerate(self._trees) if tree in kept and rates[i] > GAP}
            rung = Rung(rung.hops, rate, list(kept.items()), self._master.load())
        self._master.only(None)
        return rung

    def _proved(self) -> bool:
        left = GAP if self._hops.ranks <= MANY_RANKS else LEFT
        return self._rate >= self.bound * (1 - left)

    def _rung(self, hops: int) -> Rung:
        rates = self._master.rates()
        trees = [(tree, float(rate)) for tree, rate in zip(self._trees, rates, strict=True) if rate > GAP]
        return Rung(hops, self._rate, trees, self._master.load())

    def _settle(self, hops: int | None, lighter: bool = False) -> bool:
        """Take in trees of at most `hops` (None: any) while they pay; False where a group has none at all.

        Nothing is to be gained once the bound is met, unless it is to be by `lighter` trees.
        """
        smooth, smoothing = self._prices, 0.0
        for _ in range(MOST_ROUNDS):
            mixed = smoothing * smooth + (1 - smoothing) * self._prices
            found = self._shallow(mixed, hops) if hops else self._prove(mixed)
            if found is None:
                return False
            if self._proved() and not lighter:
                return True
            if self._add(found):
                self._rate, self._prices, self._worth = self._master.solve()
                smooth = (mixed + self._prices) / 2
                worth = float(smooth @ self._capacities)
                smooth *= (self._prices @ self._capacities) / worth if worth > 0 else 1.0
                smoothing = SMOOTHING
            elif smoothing:
                smoothing = 0.0
            else:
                break
        return True

    def _shallow(self, prices: Floats, hops: int) -> list[Parents] | None:
        """A cheap tree of at most `hops` for each demand, () where there is none; None where no group has all."""
        costs = self._hops.costs(prices)
        trees: list[Parents] = [()] * len(self._wanted)
        for which, matrix in self._ways(costs):
            parents, totals = shallow_trees(matrix, [self._wanted[i].root for i in which], hops)
            for i, tree, total in zip(which, parents, totals, strict=True):
                trees[i] = tuple(tree.tolist()) if np.isfinite(total) else ()
        complete = {d.group: True for d in self._wanted}
        for demand, tree in zip(self._wanted, trees, strict=True):
            complete[demand.group] &= bool(tree)
        return trees if any(complete.values()) else None

    def _prove(self, prices: Floats) -> list[Parents]:
        """The cheapest tree of each demand, and the bound that these prices prove."""
        costs = self._hops.costs(prices)
        trees: list[Parents] = [()] * len(self._wanted)
        groups: Counter[int] = Counter()
        for which, matrix in self._ways(costs):
            parents, totals = arborescences(matrix, [self._wanted[i].root for i in which])
            for i, tree, total in zip(which, parents, totals, strict=True):
                if not np.isfinite(total):
                    raise NoRouteError(f"no tree joins rank {self._wanted[i].root} with all others")
                trees[i] = tuple(tree.tolist())
                groups[self._wanted[i].group] += self._wanted[i].weight * total
        dearest = min(groups.values())
        if dearest > 0 and (bound := float(prices @ self._capacities / dearest)) < self.bound:
            self.bound, self.best_prices = bound, prices / dearest
        return trees

    def _ways(self, costs: Floats) -> Iterator[tuple[list[int], Floats]]:
        """Demands way by way, and what their hops cost seen from the root."""
        matrices = {Way.DOWN: costs, Way.UP: costs.T, Way.BOTH: costs + costs.T}
        for way, matrix in matrices.items():
            which = [i for i, demand in enumerate(self._wanted) if demand.way is way]
            if which:
                yield which, matrix

    def _add(self, found: Sequence[Parents]) -> int:
        """Give the master the trees that pay at its own prices; how many."""
        added, prices = 0, self._prices.tolist()
        for demand, parents in enumerate(found):
            if not parents:
                continue
            uses = self._uses(parents, self._wanted[demand].way)
            if sum(prices[element] * times for element, times in uses.items()) >= self._worth[demand] - GAP:
                continue
            column = (demand, parents, frozenset(uses.items()))
            if column not in self._known:
                self._known.add(column)
                detours = (self._detours(parents, up=False), self._detours(parents, up=True))
                self._trees.append(Column(demand, parents, detours))
                self._master.add(demand, uses, sum(self._loads[element] * times for element, times in uses.items()))
                added += 1
        return added

    def _uses(self, parents: Parents, way: Way) -> Counter[int]:
        taken, ways = self._hops.elements, way.value
        hops = [(child, parent) for child, parent in enumerate(parents) if parent >= 0]
        return Counter(
            element
            for child, parent in hops
            for up in ways
            for element in (taken(child, parent) if up else taken(parent, child))
        )

    def _detours(self, parents: Parents, up: bool) -> tuple[int, ...]:
        """Ranks whose hop to their parent, or from it, is a detour."""
        return tuple(
            child
            for child, parent in enumerate(parents)
            if parent >= 0 and (self._hops.is_detour(child, parent) if up else self._hops.is_detour(parent, child))
        )
