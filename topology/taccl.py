"""TACCL topology files: one node of GPUs, its links and what a chunk costs on them.

    {"name": "NDv2_1MB", "gpus_per_node": 8, "alpha": 0.3, "node_betas_list": [23, 46], ...}    a node TACCL knows
    {"name": ..., "links": [[dst][src]], "betas": [[dst][src]], "invbws": [[dst][src]], ...}    a node of your own

Costs are for one chunk, in microseconds: alpha + beta. How large a chunk is stands in the name only (`_1MB`, where
MB is 10^6 bytes and KB MB / 1024), so bandwidths are assumed (mark A): the chunk of the name, 1 MB without one, over
beta. A list of one beta is a node around one switch (DGX2, HubAndSpoke; half of alpha on each of the two hops), a
list of two is NDv2: the pairs with two NVLinks, then those with one.

Lost: invbws (alpha + beta again) and everything about other nodes: how nodes are joined is in the sketch.
"""

from __future__ import annotations

import re
from typing import Any

from .draft import Draft
from .jsonread import Document
from .model import Figure, Link, LinkKind, Topology
from .teccl import CUBE_MESH
from .yamlread import shorten

COMMON = ("name", "gpus_per_node", "alpha", "nics_per_node", "remote_alpha", "remote_beta", "remote_invbw")
LISTS = ("node_betas_list", "node_invbws_list")
MATRICES = ("links", "betas", "invbws")
COST = "a cost of 0 or more, in us"
POSITIVE = "a cost above 0, in us"
CHUNK = re.compile(r"_([0-9]{1,9})(KB|MB)(?![A-Za-z0-9])")
MB = 1_000_000.0
MOST_GPUS = 512


def load(document: Document, name: str) -> Topology:
    """One node, under the name in the file. Raises TopologyError with line and column."""
    return _Node(document, name).topology()


class _Node:
    """Turns the parsed JSON into a topology."""

    def __init__(self, document: Document, name: str) -> None:
        self.document = document
        self.root: dict[str, Any] = document.root
        self.name = name
        self.draft = Draft()

    def topology(self) -> Topology:
        document, root = self.document, self.root
        custom = any(key in root for key in MATRICES)
        needed = MATRICES[:2] if custom else LISTS[:1]
        document.fields((), root, (*COMMON, *(MATRICES if custom else LISTS)), (*COMMON[:3], *needed))
        if not isinstance(root["name"], str) or not root["name"].strip():
            document.fail(("name",), f"found {shorten(repr(root['name']))} as name; expected text")
        count = document.whole(("gpus_per_node",), root["gpus_per_node"], 1, MOST_GPUS)
        self.alpha = document.number(("alpha",), root["alpha"], COST)
        for key in ("remote_alpha", "remote_beta", "remote_invbw"):
            if key in root:
                document.number((key,), root[key], COST)
        gpus = [self.draft.node(f"gpu{gpu}", "device") for gpu in range(count)]
        if custom:
            self.matrices(gpus)
        else:
            self.known(gpus)
        with document.at(()):
            return self.draft.finish(root["name"], "one node of a TACCL topology")

    def known(self, gpus: list[int]) -> None:
        """A node whose wiring TACCL has in its code."""
        path = (LISTS[0],)
        given = self.document.items(path, self.root[LISTS[0]])
        betas = [self.document.number((*path, i), beta, POSITIVE, zero=False) for i, beta in enumerate(given)]
        if len(betas) == 1:
            kind = self.kind("link", betas[0], self.alpha / 2)
            switch = self.draft.node("switch", "switch")
            for gpu in gpus:
                self.draft.both(Link(gpu, switch, kind.bandwidth.value, kind.latency.value, kind="link"))
        elif len(betas) == 2 and len(gpus) == 8:
            kinds = {2: self.kind("double", betas[0], self.alpha), 1: self.kind("single", betas[1], self.alpha)}
            for (a, b), count in CUBE_MESH.items():
                kind = kinds[count]
                self.draft.both(Link(gpus[a], gpus[b], kind.bandwidth.value, kind.latency.value, kind=kind.name))
        else:
            wanted = "1 (all GPUs at a switch), 2 for 8 GPUs (NDv2), or the matrices links and betas"
            self.document.fail(path, f"found {len(betas)} costs for {len(gpus)} GPUs; expected {wanted}")

    def matrices(self, gpus: list[int]) -> None:
        """A node of one's own: `links` parallel links from src to dst, of a cost `betas` each."""
        rows = {key: self.matrix(key, len(gpus)) for key in MATRICES if key in self.root}
        costs: dict[float, LinkKind] = {}
        for dst, counts in enumerate(rows["links"]):
            for src, given in enumerate(counts):
                path = (dst, src)
                count = self.document.whole(("links", *path), given, 0, 1_000_000)
                if not count:
                    continue
                cost = self.document.number(("betas", *path), rows["betas"][dst][src], POSITIVE, zero=False)
                if cost not in costs:
                    costs[cost] = self.kind(f"link{len(costs)}", cost, self.alpha)
                kind = costs[cost]
                with self.document.at(("links", *path)):
                    total = (kind.bandwidth.value or 0.0) * count
                    self.draft.link(Link(src, dst, total, kind.latency.value, count, kind.name))

    def matrix(self, key: str, size: int) -> list[list[Any]]:
        rows = self.document.items((key,), self.root[key], size)
        return [self.document.items((key, index), row, size) for index, row in enumerate(rows)]

    def kind(self, name: str, beta: float, latency_us: float) -> LinkKind:
        """Links that take `beta` us for a chunk."""
        match = CHUNK.search(self.root["name"])
        size = int(match[1]) * (MB if match[2] == "MB" else MB / 1024) if match else MB
        said = f"{match[1]} {match[2]}, from the name" if match else "1 MB, as the name has none"
        bandwidth = Figure(size / beta / 1000, "A", f"TACCL: beta {beta:g} us for a chunk of {said}")
        kind = LinkKind(name, bandwidth, Figure(latency_us, "A", f"TACCL: alpha {self.alpha:g}, taken as us"))
        self.draft.kind(kind)
        return kind
