"""Boards for bench_planner.py that no file describes: parts of a DGX-1V, meshes, unequal boxes, boxes behind NICs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import combinations, permutations

import topology
from topology import Topology

LATENCY_US = 1.0
Wires = dict[tuple[int, int], float]


def board(name: str, chips: int, switches: int, wires: Wires) -> Topology:
    """Chips, then switches; a link each way between two nodes, of so many GB/s."""
    nodes = [{"id": i, "kind": "accel" if i < chips else "switch"} for i in range(chips + switches)]
    links = [
        {"src": src, "dst": dst, "bw": bandwidth, "lat": LATENCY_US}
        for (a, b), bandwidth in wires.items()
        for src, dst in ((a, b), (b, a))
    ]
    return topology.loads(json.dumps({"name": name, "nodes": nodes, "links": links}), name)


def mesh(rows: int, columns: int) -> Topology:
    """A mesh without wrap, 1 GB/s a link."""
    wires = {}
    for row in range(rows):
        for column in range(columns):
            for there in ((row + 1, column), (row, column + 1)):
                if there[0] < rows and there[1] < columns:
                    wires[row * columns + column, there[0] * columns + there[1]] = 1.0
    return board(f"mesh{rows}x{columns}", rows * columns, 0, wires)


def boxes(name: str, sizes: list[int], inside_GBps: float, nic_GBps: float, lost_nics: int = 0) -> Topology:
    """Boxes of chips on a switch each, and a NIC for each chip on one switch between them; the first may be lost."""
    chips = sum(sizes)
    wires: Wires = {}
    between, chip = chips + len(sizes) + chips, 0
    for box, size in enumerate(sizes):
        for _ in range(size):
            wires[chip, chips + box] = inside_GBps
            if chip >= lost_nics:
                wires[chip, chips + len(sizes) + chip] = wires[chips + len(sizes) + chip, between] = nic_GBps
            chip += 1
    used = sorted({node for pair in wires for node in pair})
    number = {node: new for new, node in enumerate(used)}
    renamed = {(number[a], number[b]): bandwidth for (a, b), bandwidth in wires.items()}
    return board(name, chips, len(used) - chips, renamed)


def meshed_boxes(name: str, sizes: list[int], inside_GBps: float, between_GBps: float) -> Topology:
    """Full meshes, and one link from the last chip of each to the first of the next."""
    wires: Wires = {}
    first = 0
    for size in sizes:
        wires |= dict.fromkeys(combinations(range(first, first + size), 2), inside_GBps)
        if first:
            wires[first - 1, first] = between_GBps
        first += size
    return board(name, first, 0, wires)


def teccl(name: str, chassis: int) -> Topology:
    """A topology of TE-CCL's examples, with its latencies."""
    parameters = {"name": name, "option": 1, "chassis": chassis, "chunk_size": 0.0625}
    return topology.loads(json.dumps({"TopologyParams": parameters}), f"{name} {chassis}")


def connected_parts(whole: Topology) -> Iterator[tuple[int, ...]]:
    """Sets of 3 chips or more of a board of direct links that hang together, one of each shape (by isomorphism)."""
    width = {(link.src, link.dst): link.bandwidth_GBps or 0.0 for link in whole.links}
    seen: set[tuple[tuple[float, ...], ...]] = set()
    for size in range(3, len(whole.devices) + 1):
        for part in combinations(whole.devices, size):
            if _hangs_together(part, width) and (shape := _shape(part, width)) not in seen:
                seen.add(shape)
                yield part


def _hangs_together(part: tuple[int, ...], width: Wires) -> bool:
    reached = {part[0]}
    for _ in part:
        reached |= {b for a in reached for b in part if width.get((a, b))}
    return len(reached) == len(part)


def _shape(part: tuple[int, ...], width: Wires) -> tuple[tuple[float, ...], ...]:
    """The largest link matrix over all orders: equal for isomorphic parts alone."""
    return max(tuple(tuple(width.get((a, b), 0.0) for b in order) for a in order) for order in permutations(part))
