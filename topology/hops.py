"""From chip to chip: which links and shared limits an edge between two ranks takes, and what it costs at a price.

Elements are the topology's links, then its limits. A hop never passes through a third chip: a tree has that chip as a
node of its own instead. `RoutedHops` takes the cheaper of the two ways that the link model knows, route and detour;
`FreeHops` the cheapest path through switches at the present prices, which no schedule can beat.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from _ringtree.errors import NoRouteError

from .model import Limit, Link, Topology

Floats = NDArray[np.float64]


class Hops(Protocol):
    """The edges between ranks."""

    ranks: int
    capacities_GBps: Floats
    mirrored: bool  # what a hop takes, the hop back takes in the other direction, and as much of it is there

    def costs(self, prices: Floats) -> Floats:
        """What a byte per second costs from each rank to each other one; inf where there is no hop."""

    def elements(self, src: int, dst: int) -> Sequence[int]:
        """What the hop takes at the prices of the last `costs`."""

    def is_detour(self, src: int, dst: int) -> bool:
        """Whether it then keeps away from the first link of the route (csrc/route.h)."""


class _Elements:
    """Capacities, and the limits that stand before a link."""

    def __init__(self, topology: Topology) -> None:
        parts: list[Link | Limit] = [*topology.links, *topology.limits]
        self.capacities_GBps = np.array([topology.bandwidth(part) for part in parts])
        self.limits: dict[int, list[int]] = defaultdict(list)
        for index, limit in enumerate(topology.limits, start=len(topology.links)):
            for link in limit.links:
                self.limits[link].append(index)
        self.back = [topology.link_index.get((link.dst, link.src), -1) for link in topology.links]
        self.mirrored = not topology.limits and all(
            back >= 0 and self.capacities_GBps[link] == self.capacities_GBps[back]
            for link, back in enumerate(self.back)
        )

    def of(self, path: Sequence[int]) -> tuple[int, ...]:
        """Limits stand before the link that they guard, each once, as on the core's board."""
        return tuple(dict.fromkeys(element for link in path for element in (*self.limits[link], link)))


class RoutedHops:
    """Hops over the link model's routes and, if they are wanted, over detours. Raises AssumptionError where a bandwidth
    is unknown."""

    def __init__(self, topology: Topology, placement: Sequence[int], detours: bool = False) -> None:
        elements = _Elements(topology)
        self.ranks = len(placement)
        self.capacities_GBps = elements.capacities_GBps
        self._ways: dict[tuple[int, int, bool], tuple[int, ...]] = {}
        for i, src in enumerate(placement):
            for j, dst in enumerate(placement):
                for detour in (False, True)[: 1 + detours]:
                    path = _route(topology, src, dst, detour) if i != j else None
                    if path and (not detour or elements.of(path) != self._ways.get((i, j, False))):
                        self._ways[i, j, detour] = elements.of(path)
        self.mirrored = elements.mirrored and all(
            self._ways.get((j, i, detour)) == tuple(elements.back[link] for link in reversed(taken))
            for (i, j, detour), taken in self._ways.items()
        )
        self._matrices = [self._matrix(detour) for detour in (False, True)]
        self._round = [[False] * self.ranks] * self.ranks

    def _matrix(self, detour: bool) -> tuple[NDArray[np.int64], ...]:
        uses = [(i, j, e) for (i, j, way), taken in self._ways.items() if way == detour for e in taken]
        return tuple(np.array(uses, dtype=int).reshape(-1, 3).T)

    def costs(self, prices: Floats) -> Floats:
        found = []
        for src, dst, element in self._matrices:
            cost = np.full((self.ranks, self.ranks), np.inf)
            cost[src, dst] = 0.0
            np.add.at(cost, (src, dst), prices[element])
            found.append(cost)
        self._round = (found[1] < found[0]).tolist()
        cheaper: Floats = np.minimum(*found)
        return cheaper

    def elements(self, src: int, dst: int) -> Sequence[int]:
        return self._ways[src, dst, self.is_detour(src, dst)]

    def is_detour(self, src: int, dst: int) -> bool:
        return self._round[src][dst]

    def paths(self) -> Mapping[tuple[int, int], Sequence[int]]:
        """The elements of every hop that is no detour, by its two ranks."""
        return {(i, j): taken for (i, j, detour), taken in self._ways.items() if not detour}


def _route(topology: Topology, src: int, dst: int, detour: bool) -> tuple[int, ...] | None:
    try:
        path = topology.route(src, dst, detour)
    except NoRouteError:
        return None
    between = (topology.nodes[topology.links[link].dst] for link in path[:-1])
    return None if any(node.kind == "device" for node in between) else path


class FreeHops:
    """Hops over the cheapest paths through all that is no chip."""

    def __init__(self, topology: Topology, placement: Sequence[int]) -> None:
        self._parts = _Elements(topology)
        self._placement = np.array(placement)
        self._links = [(link.src, link.dst) for link in topology.links]
        self._nodes = len(topology.nodes)
        self._between = [node.id for node in topology.nodes if node.kind != "device"]
        self.ranks = len(placement)
        self.capacities_GBps = self._parts.capacities_GBps
        self.mirrored = self._parts.mirrored

    def costs(self, prices: Floats) -> Floats:
        """Floyd and Warshall, through nodes that are no chips alone."""
        cost = np.full((self._nodes, self._nodes), np.inf)
        first = np.full((self._nodes, self._nodes), -1)
        for index, (src, dst) in enumerate(self._links):
            cost[src, dst] = prices[list(self._parts.of([index]))].sum()
            first[src, dst] = index
        for node in self._between:
            through = cost[:, node, None] + cost[None, node, :]
            better = through < cost
            cost[better] = through[better]
            first[better] = np.broadcast_to(first[:, node, None], first.shape)[better]
        self._first = first
        among: Floats = cost[np.ix_(self._placement, self._placement)]
        return among

    def elements(self, src: int, dst: int) -> Sequence[int]:
        at, end = int(self._placement[src]), int(self._placement[dst])
        path = []
        while at != end:
            path.append(int(self._first[at, end]))
            at = self._links[path[-1]][1]
        return self._parts.of(path)

    def is_detour(self, src: int, dst: int) -> bool:
        return False
