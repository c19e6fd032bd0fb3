"""How long the first byte takes: the least latency between chips over any path, and what that leaves of a collective.

L of an all-reduce is the smallest over roots of the longest way to the root plus the longest way from it; of the
others, the longest way that some data must go.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from heapq import heappop, heappush

from .model import Topology

Ways = Mapping[int, Sequence[tuple[int, float]]]


def least_latency_us(topology: Topology, kind: str, placement: Sequence[int], root: int = 0) -> float:
    """L in us of the collective of ranks on these nodes; unknown latencies count as 0, inf where a rank is cut off."""
    if kind == "barrier" or len(placement) < 2:
        return 0.0
    out, back = _ways(topology, False), _ways(topology, True)
    if kind in ("broadcast", "scatter"):
        return _longest(out, placement[root], placement)
    if kind in ("reduce", "gather"):
        return _longest(back, placement[root], placement)
    if kind == "all_reduce":
        return min(_longest(out, node, placement) + _longest(back, node, placement) for node in placement)
    return max(_longest(out, node, placement) for node in placement)


def _ways(topology: Topology, backwards: bool) -> Ways:
    ways: dict[int, list[tuple[int, float]]] = defaultdict(list)
    for link in topology.links:
        src, dst = (link.dst, link.src) if backwards else (link.src, link.dst)
        ways[src].append((dst, link.latency_us or 0.0))
    return ways


def _longest(ways: Ways, start: int, ends: Sequence[int]) -> float:
    """The way to the farthest of the ends (Dijkstra)."""
    known: dict[int, float] = {}
    queue = [(0.0, start)]
    while queue:
        so_far, node = heappop(queue)
        if node in known:
            continue
        known[node] = so_far
        for there, latency in ways.get(node, ()):
            if there not in known:
                heappush(queue, (so_far + latency, there))
    return max(known.get(end, float("inf")) for end in ends)
