"""From chip to chip: which links and shared limits an edge between two ranks takes, and what it costs at a price.

Elements are the topology's links, then its limits. A hop never passes through a third chip: a tree has that chip as a
node of its own instead. `RoutedHops` takes the one route that the link model takes; `FreeHops` the cheapest path
through switches at the present prices, which no schedule can beat.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
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

    def costs(self, prices: Floats) -> Floats:
        """What a byte per second costs from each rank to each other one; inf where there is no hop."""

    def elements(self, src: int, dst: int) -> Sequence[int]:
        """What the hop takes at the prices of the last `costs`."""


class _Elements:
    """Capacities, and the limits that stand before a link."""

    def __init__(self, topology: Topology) -> None:
        parts: list[Link | Limit] = [*topology.links, *topology.limits]
        self.capacities_GBps = np.array([topology.bandwidth(part) for part in parts])
        self.limits: dict[int, list[int]] = defaultdict(list)
        for index, limit in enumerate(topology.limits, start=len(topology.links)):
            for link in limit.links:
                self.limits[link].append(index)

    def of(self, path: Sequence[int]) -> tuple[int, ...]:
        return tuple(element for link in path for element in (link, *self.limits[link]))


class RoutedHops:
    """Hops over the link model's routes. Raises AssumptionError where a bandwidth is unknown."""

    def __init__(self, topology: Topology, placement: Sequence[int]) -> None:
        elements = _Elements(topology)
        self.ranks = len(placement)
        self.capacities_GBps = elements.capacities_GBps
        self._elements: dict[tuple[int, int], tuple[int, ...]] = {}
        for i, src in enumerate(placement):
            for j, dst in enumerate(placement):
                path = _route(topology, src, dst) if i != j else None
                if path:
                    self._elements[i, j] = elements.of(path)
        uses = [(i, j, element) for (i, j), taken in self._elements.items() for element in taken]
        self._src, self._dst, self._element = np.array(uses, dtype=int).reshape(-1, 3).T

    def costs(self, prices: Floats) -> Floats:
        found = np.full((self.ranks, self.ranks), np.inf)
        found[self._src, self._dst] = 0.0
        np.add.at(found, (self._src, self._dst), prices[self._element])
        return found

    def elements(self, src: int, dst: int) -> Sequence[int]:
        return self._elements[src, dst]

    @property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """The hops that there are, from rank to rank."""
        return tuple(self._elements)


def _route(topology: Topology, src: int, dst: int) -> tuple[int, ...] | None:
    try:
        path = topology.route(src, dst)
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
