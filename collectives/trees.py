"""Where the double binary tree lies on a board: the ranks at the places of its two heaps, found by local search."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import combinations

from _ringtree.errors import NoRouteError
from topology import Topology

# Beyond this many chips the search takes longer than it helps: big systems hang on switches.
MOST_CHIPS = 32
# Places times places times starts of the search.
WORK = 1000
NO_ROUTE = float("inf")

Orders = tuple[tuple[int, ...], tuple[int, ...]]
# What a byte takes of the time of every link and shared limit on the way.
Toll = dict[int, float]


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


def _tolls(topology: Topology, placement: Sequence[int]) -> dict[tuple[int, int], Toll]:
    """By pair of ranks, both ways; links by their index, limits behind them."""
    limits = defaultdict(list)
    for index, limit in enumerate(topology.limits, start=len(topology.links)):
        for link in limit.links:
            limits[link].append((index, 1 / (limit.bandwidth_GBps or NO_ROUTE)))

    def way(src: int, dst: int) -> Iterator[tuple[int, float]]:
        try:
            route = topology.route(placement[src], placement[dst])
        except NoRouteError:
            yield -1, NO_ROUTE
            return
        for link in route:
            yield link, 1 / (topology.links[link].bandwidth_GBps or NO_ROUTE)
            yield from limits[link]

    tolls: dict[tuple[int, int], Toll] = defaultdict(lambda: defaultdict(float))
    for a, b in combinations(range(len(placement)), 2):
        for src, dst in ((a, b), (b, a)):
            for element, toll in way(src, dst):
                tolls[a, b][element] += toll
        tolls[b, a] = tolls[a, b]
    return tolls


class _Search:
    """Orders of both heaps, one after the other, as one list of ranks."""

    def __init__(self, tolls: dict[tuple[int, int], Toll], ranks: int) -> None:
        self._tolls = tolls
        self._ranks = ranks
        heap = [(place, (place - 1) // 2) for place in range(1, ranks)]
        last = 2 * ranks - 1  # the second heap counts its places from the end
        self._edges = [*heap, *((last - a, last - b) for a, b in heap)]

    def cost(self, order: Sequence[int]) -> tuple[float, float]:
        """The time of the busiest link for a byte on every edge, then that of all links."""
        busy: Toll = defaultdict(float)
        for a, b in self._edges:
            for element, toll in self._tolls[order[a], order[b]].items():
                busy[element] += toll
        return max(busy.values()), sum(busy.values())

    def improved(self, order: list[int]) -> tuple[tuple[float, float], list[int]]:
        """The order that no swap within a heap improves any more, and its cost."""
        best, improved = self.cost(order), True
        while improved:
            improved = False
            for candidate in self._swaps(order):
                cost = self.cost(candidate)
                if cost < best:
                    order, best, improved = candidate, cost, True
        return best, order

    def _swaps(self, order: list[int]) -> Iterator[list[int]]:
        for begin in (0, self._ranks):
            for i, j in combinations(range(begin, begin + self._ranks), 2):
                swapped = order.copy()
                swapped[i], swapped[j] = order[j], order[i]
                yield swapped
