"""Small boards as graph JSON: whole GB/s, 1 us a link."""

from __future__ import annotations

import json
from pathlib import Path

from topology import Topology, loads

# Published graphs with their exact optima, where they are at hand.
PUBLISHED = Path(__file__).parents[3] / "shared" / "data" / "graphs"

Wires = dict[tuple[int, int], int]


def graph(chips: int, wires: Wires, switches: int = 0) -> Topology:
    """Chips, then switches; bandwidth by (src, dst)."""
    nodes = [{"id": i, "kind": "accel" if i < chips else "switch"} for i in range(chips + switches)]
    links = [{"src": src, "dst": dst, "bw": bw, "lat": 1} for (src, dst), bw in wires.items()]
    return loads(json.dumps({"nodes": nodes, "links": links}), "graph")


def both_ways(wires: Wires) -> Wires:
    return wires | {(b, a): bw for (a, b), bw in wires.items()}
