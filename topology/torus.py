"""Tori recognised by their links, whatever the numbers of their chips.

Along each dimension of a torus the chips stand in rings: a ring of two is one link. The direct links between the
chips that take part, both ways, must be those of a torus and no others; a ring alone is a torus of one dimension.

A torus is a product of rings, and of a product it is known which links belong to one ring: two links of a chip that
lie on different rings are sides of exactly one square, two of the same ring are sides of none (or of a triangle, in a
ring of three). A ring of four is itself the product of two pairs, so it is found as such, and made a ring again where
its chips are numbered around it. What is found that way from one chip is checked link by link in the end.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from .model import Topology

LEAST_RANKS = 3
MOST_DIMENSIONS = 16

Neighbours = list[set[int]]
Grid = NDArray[np.int64]


@dataclass(frozen=True)
class Torus:
    """Sizes of the dimensions, and the rank at each place: row-major order, the last dimension fastest."""

    sizes: tuple[int, ...]
    order: tuple[int, ...]

    def coordinates(self) -> dict[int, tuple[int, ...]]:
        """Of each rank."""
        return {rank: tuple(map(int, np.unravel_index(place, self.sizes))) for place, rank in enumerate(self.order)}


def find_torus(topology: Topology, placement: Sequence[int]) -> Torus | None:
    """The torus that the direct links between these nodes make, ranks numbered as they stand here; None where none."""
    neighbours = _neighbours(topology, placement)
    degree = len(neighbours[0]) if neighbours else 0
    if len(neighbours) < LEAST_RANKS or any(len(found) != degree for found in neighbours):
        return None
    if not 0 < degree <= 2 * MOST_DIMENSIONS:
        return None
    grid = _unrolled(neighbours)
    if grid is None or not _is_torus(grid, neighbours):
        return None
    return Torus(grid.shape, tuple(grid.ravel().tolist()))


def _neighbours(topology: Topology, placement: Sequence[int]) -> Neighbours:
    """Ranks with a link to each rank and from it."""
    rank_of = {node: rank for rank, node in enumerate(placement)}
    links = topology.link_index
    neighbours: Neighbours = [set() for _ in placement]
    for src, dst in links:
        if src < dst and src in rank_of and dst in rank_of and (dst, src) in links:
            neighbours[rank_of[src]].add(rank_of[dst])
            neighbours[rank_of[dst]].add(rank_of[src])
    return neighbours


def _unrolled(neighbours: Neighbours) -> Grid | None:
    """Ranks by coordinates, if these are neighbours on a torus: along the rings of rank 0, then square by square."""
    axes = _axes(neighbours)
    if axes is None or math.prod(map(len, axes)) != len(neighbours):
        return None
    sizes = tuple(map(len, axes))
    strides = [math.prod(sizes[i + 1 :]) for i in range(len(sizes))]
    order: list[int] = []
    for place, coordinates in enumerate(product(*map(range, sizes))):
        away = [i for i, coordinate in enumerate(coordinates) if coordinate]
        if len(away) < 2:
            order.append(axes[away[0]][coordinates[away[0]]] if away else 0)
            continue
        one, other = strides[away[-2]], strides[away[-1]]
        corners = neighbours[order[place - one]] & neighbours[order[place - other]] - {order[place - one - other]}
        if len(corners) != 1:
            return None
        order += corners
    return np.array(order).reshape(sizes)


def _axes(neighbours: Neighbours) -> list[list[int]] | None:
    """The rings of rank 0, from 0 on; the one with the nearest rank last, as row-major numbers have it."""
    mates = {rank: _mates(neighbours, 0, rank, neighbours[0] - {rank}) for rank in sorted(neighbours[0])}
    axes = []
    for rank, found in mates.items():
        if len(found) > 1:
            return None
        if not found:
            axes.append([0, rank])
        elif rank < found[0]:
            axes.append(_walk(neighbours, rank))
    return sorted(_around(axes, neighbours), key=lambda axis: -axis[1])


def _mates(neighbours: Neighbours, here: int, rank: int, others: set[int]) -> list[int]:
    """Those of the others that go on from `here` on the ring that leads from `rank`: there is no square with both."""
    return [other for other in others if other in neighbours[rank] or neighbours[other] & neighbours[rank] == {here}]


def _walk(neighbours: Neighbours, first: int) -> list[int]:
    """The ring from rank 0 over `first`; cut short where it does not go on as one."""
    ring = [0, first]
    while len(ring) <= len(neighbours):
        before, here = ring[-2:]
        onward = _mates(neighbours, here, before, neighbours[here] - {before})
        if len(onward) != 1 or onward[0] == 0:
            break
        ring += onward
    return ring


def _around(axes: list[list[int]], neighbours: Neighbours) -> list[list[int]]:
    """Pairs joined to rings of four where the numbers go around: 0, 1, 2, 3, and not 0, 1, 3, 2."""
    pairs = [axis[1] for axis in axes if len(axis) == 2]
    joined = [axis for axis in axes if len(axis) > 2]
    while pairs:
        one = pairs.pop(0)
        for other in pairs:
            corner = neighbours[one] & neighbours[other] - {0}
            if len(corner) == 1 and one < min(corner) < other:
                pairs.remove(other)
                joined.append([0, one, *corner, other])
                break
        else:
            joined.append([0, one])
    return joined


def _is_torus(grid: Grid, neighbours: Neighbours) -> bool:
    """Whether the links between neighbours on the grid are all that there are."""
    ranks = len(neighbours)
    ends = [np.stack([grid.ravel(), np.roll(grid, 1, axis).ravel()]) for axis in range(grid.ndim)]
    wanted = np.unique(np.concatenate([pair.min(axis=0) * ranks + pair.max(axis=0) for pair in ends]))
    found = sorted(a * ranks + b for a, others in enumerate(neighbours) for b in others if a < b)
    return len(np.unique(grid)) == ranks and np.array_equal(wanted, found)
