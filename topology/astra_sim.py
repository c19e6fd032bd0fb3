"""ASTRA-sim network YAML (its analytical network): dimensions of rings, full meshes and switches over NPUs.

    topology: [Ring, FullyConnected, Switch]     # one for each dimension
    npus_count: [2, 8, 4]                        # NPU 0, 1 differ in the first dimension: it is the fastest
    bandwidth: [200.0, 100.0, 50.0]              # GB/s of 2^30 bytes
    latency: [50.0, 500.0, 2000.0]               # ns

As in astra-network-analytical (congestion aware), a dimension's bandwidth is that of every single link and direction,
whatever their number: a ring's NPU sends as much both ways at once, a full mesh's on each of its links, and an NPU at
a switch on one. A switch is two hops, each with the latency. NPUs forward where messages may have to pass them: in
rings, and where there are several dimensions.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from _ringtree.errors import InputError

from .draft import MAX_NODES, Draft
from .model import Figure, Link, LinkKind, Topology
from .schema import Reader
from .shapes import full_mesh, ring
from .yamlread import Mapping, Tree, shorten

KEYS = ("topology", "npus_count", "bandwidth", "latency")
BLOCKS = ("Ring", "FullyConnected", "Switch")
MAX_DIMENSIONS = 16
NUMBER = re.compile(r"[0-9]+(\.[0-9]*)?([eE][-+]?[0-9]+)?")


@dataclass(frozen=True)
class Dimension:
    block: str
    size: int
    kind: LinkKind


def is_network(tree: Tree) -> bool:
    """Whether a YAML file is one of ASTRA-sim's."""
    return isinstance(tree, Mapping) and "npus_count" in tree.items


def load(tree: Tree, label: str, name: str) -> Topology:
    """The network of a file's tree, called `name`. Raises TopologyError with line and column."""
    reader = Reader(label)
    fields = reader.fields(tree, "network", KEYS)
    for key in KEYS:
        if key not in fields:
            reader.fail(tree, f"found no {key!r} in network; expected {', '.join(KEYS)}")
    columns = [reader.items(fields[key], key) for key in KEYS]
    for key, column in zip(KEYS, columns, strict=True):
        if not 1 <= len(column) <= MAX_DIMENSIONS or len(column) != len(columns[0]):
            wanted = f"as many as of topology, 1 to {MAX_DIMENSIONS}"
            reader.fail(fields[key], f"found {len(column)} values of {key}; expected {wanted}")
    dimensions = [_dimension(reader, number, *row) for number, row in enumerate(zip(*columns, strict=True))]
    with reader.at(fields["npus_count"]):
        draft = _draft(dimensions)
    with reader.at(tree):
        shape = ", ".join(f"{dimension.block} of {dimension.size}" for dimension in dimensions)
        return draft.finish(name, f"ASTRA-sim network: {shape}")


def _dimension(reader: Reader, number: int, block: Tree, size: Tree, bandwidth: Tree, latency: Tree) -> Dimension:
    name = reader.choice(block, "topology", BLOCKS)
    count = reader.number(size, "npus_count", MAX_NODES)
    if count < 2:
        reader.fail(size, "found 1 as npus_count; expected 2 or more")
    width = reader.value(bandwidth, "bandwidth", _number)
    delay = reader.value(latency, "latency", _number)
    if not width:
        reader.fail(bandwidth, "found 0 as bandwidth; expected one above 0")
    said = f"{width:g} GB/s of 2^30 bytes"
    kind = LinkKind(f"dim{number}", Figure(width * 2**30 / 1e9, source=said), Figure(delay / 1000))
    return Dimension(name, count, kind)


def _number(text: str) -> float:
    value = float(text) if NUMBER.fullmatch(text) else math.inf
    if not value < 1e300:
        raise InputError(f"found {shorten(text)!r}; expected a number of 0 or more")
    return value


def _draft(dimensions: list[Dimension]) -> Draft:
    draft = Draft()
    npus = math.prod(dimension.size for dimension in dimensions)
    draft.room(npus, sum(_links(dimension, npus) for dimension in dimensions))
    forward = len(dimensions) > 1 or dimensions[0].block == "Ring"
    for npu in range(npus):
        draft.node(f"npu{npu}", "device", forward=forward)
    stride = 1
    for dimension in dimensions:
        kind = dimension.kind
        draft.kind(kind)
        prefix = "switch" if len(dimensions) == 1 else f"{kind.name}_switch"
        firsts = (npu for npu in range(npus) if npu // stride % dimension.size == 0)
        for index, first in enumerate(firsts):
            group = list(range(first, first + stride * dimension.size, stride))
            if dimension.block == "Switch":
                switch = draft.node(f"{prefix}{index}", "switch")
                pairs = [(npu, switch) for npu in group]
            else:
                pairs = ring(group) if dimension.block == "Ring" else full_mesh(group)
            for a, b in pairs:
                draft.both(
                    Link(a, b, dimension.kind.bandwidth.value, dimension.kind.latency.value, 1, dimension.kind.name)
                )
        stride *= dimension.size
    return draft


def _links(dimension: Dimension, npus: int) -> int:
    """Directed links of a dimension."""
    return npus * (dimension.size - 1 if dimension.block == "FullyConnected" else 2)
