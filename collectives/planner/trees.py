"""Where the double binary tree lies on a board: the ranks at the places of its two heaps, found by local search."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import combinations, permutations

import numpy as np
from numpy.typing import NDArray

from _ringtree.errors import NoRouteError
from topology import Limit, Link, Topology

# Beyond this many chips the search takes longer than it helps: big systems hang on switches.
MOST_CHIPS = 32
# Places times places times starts of the search.
WORK = 1000
NO_ROUTE = 1e9
# Sums of busy times that differ by rounding are the same.
DIGITS = 12

Orders = tuple[tuple[int, ...], tuple[int, ...]]
Floats = NDArray[np.float64]


def lay_trees(topology: Topology | None, placement: Sequence[int]) -> Orders | None:
    """The order of ranks for each heap (csrc/tree.c) that keeps the busiest link least busy; None for rank order.

    Local search by swaps from rank order and from fixed pseudo-random starts: the same answer every time. Rank order
    stays where no other one is better, as on a switch.
    """
    ranks = len(placement)
    if topology is None or not 3 <= ranks <= MOST_CHIPS:
        return None
    search = _Search(_tolls(topology, placement), ranks)
    in_order = [*range(ranks), *range(ranks)]
    shuffle = random.Random(0).sample
    starts = (shuffle(range(ranks), ranks) + shuffle(range(ranks), ranks) for _ in range(WORK // ranks**2))
    found = [search.improved(start) for start in (in_order, *starts)]
    cost, best = min(found, key=lambda candidate: candidate[0])
    if cost >= search.cost(in_order):
        return None
    return tuple(best[:ranks]), tuple(best[ranks:])


def _tolls(topology: Topology, placement: Sequence[int]) -> Floats:
    """What a byte each way between two ranks takes of the time of links and limits: ranks x ranks x elements.

    Where there is no route it takes forever of one element more.
    """
    parts: list[Link | Limit] = [*topology.links, *topology.limits]
    each = [1 / (part.bandwidth_GBps or NO_ROUTE) for part in parts]
    limits = defaultdict(list)
    for index, limit in enumerate(topology.limits, start=len(topology.links)):
        for link in limit.links:
            limits[link].append(index)
    tolls = np.zeros((len(placement), len(placement), len(parts) + 1))
    for a, b in permutations(range(len(placement)), 2):
        try:
            route = topology.route(placement[a], placement[b])
        except NoRouteError:
            tolls[a, b, -1] = NO_ROUTE
            continue
        for element in (e for link in route for e in (link, *limits[link])):
            tolls[a, b, element] += each[element]
    both: Floats = tolls + tolls.transpose(1, 0, 2)
    return both


def _cost(busy: Floats) -> tuple[float, float]:
    return round(float(busy.max()), DIGITS), round(float(busy @ busy), DIGITS)


class _Search:
    """Orders of both heaps, one after the other, as one list of ranks."""

    def __init__(self, tolls: Floats, ranks: int) -> None:
        self._tolls = tolls
        heap = [(place, (place - 1) // 2) for place in range(1, ranks)]
        last = 2 * ranks - 1  # the second heap counts its places from the end
        self._edges = np.array([*heap, *((last - a, last - b) for a, b in heap)])
        self._swaps = [pair for begin in (0, ranks) for pair in combinations(range(begin, begin + ranks), 2)]
        self._touched = [np.flatnonzero(np.isin(self._edges, pair).any(axis=1)) for pair in self._swaps]

    def cost(self, order: Sequence[int]) -> tuple[float, float]:
        """The time of the busiest link for a byte on every edge, then how unequally all links are busy."""
        return _cost(self._busy(np.array(order), slice(None)))

    def improved(self, order: Sequence[int]) -> tuple[tuple[float, float], list[int]]:
        """The order that no swap within a heap improves any more, and its cost."""
        best, now = self.cost(order), np.array(order)
        while True:
            cost, swap = min(self._costs(now))
            if cost >= best:
                return best, [int(rank) for rank in now]
            now[list(swap)] = now[list(reversed(swap))]
            best = cost

    def _costs(self, order: NDArray[np.int64]) -> Iterator[tuple[tuple[float, float], tuple[int, int]]]:
        """Of each swap: only the edges at the two places differ."""
        busy = self._busy(order, slice(None))
        for (i, j), touched in zip(self._swaps, self._touched, strict=True):
            swapped = order.copy()
            swapped[i], swapped[j] = order[j], order[i]
            new = busy - self._busy(order, touched) + self._busy(swapped, touched)
            yield _cost(new), (i, j)

    def _busy(self, order: NDArray[np.int64], edges: slice | NDArray[np.int64]) -> Floats:
        ends = order[self._edges[edges]]
        busy: Floats = self._tolls[ends[:, 0], ends[:, 1]].sum(axis=0)
        return busy
