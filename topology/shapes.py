"""Shorthands for many links: which pairs of nodes a full mesh, a ring or a torus joins."""

from __future__ import annotations

import math
from itertools import combinations

from _ringtree.errors import TopologyError

Pair = tuple[int, int]


def full_mesh(nodes: list[int]) -> list[Pair]:
    """Every node with every other."""
    return list(combinations(nodes, 2))


def ring(nodes: list[int]) -> list[Pair]:
    """Each node with the next, the last with the first; two nodes are joined once."""
    if len(nodes) < 2:
        raise TopologyError(f"found a ring of {len(nodes)}; expected two nodes or more")
    around = list(zip(nodes, nodes[1:] + nodes[:1], strict=True))
    return around if len(nodes) > 2 else around[:1]


def torus(nodes: list[int], sizes: list[int]) -> list[Pair]:
    """Rings along each dimension; nodes in row-major order, the last dimension fastest."""
    if not sizes or math.prod(sizes) != len(nodes) or len(nodes) < 2:
        shape = " x ".join(map(str, sizes)) or "nothing"
        raise TopologyError(f"found {len(nodes)} nodes for a torus of {shape}; expected as many as the shape has")
    pairs = []
    stride = 1
    for size in reversed(sizes):
        if size > 1:
            for first in range(len(nodes)):
                if first // stride % size == 0:
                    pairs += ring(nodes[first : first + stride * size : stride])
        stride *= size
    return pairs
