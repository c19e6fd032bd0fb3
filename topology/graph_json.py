"""Plain graph JSON: nodes `{id, kind}` and directed links `{src, dst, bw, lat}`, in GB/s per direction and us.

Only devices (`accel`) and what forwards (`switch`) can be told apart. Reading makes names of the ids (chip0,
switch8). Writing leaves out names, profiles, boards, kinds, counts, marks and sources, and refuses a topology whose
links would behave otherwise when read back: one with limits, with devices that forward, with switches that multicast
or aggregate, or with an unknown bandwidth.
"""

from __future__ import annotations

import json
from typing import Any

from _ringtree.errors import TopologyError, UnsupportedError

from .draft import Draft
from .jsonread import Document, Path
from .model import Link, LinkKind, Topology
from .yamlread import shorten

UNIT = "GB/s per direction"
TOP = ("name", "description", "source", "bandwidth_unit", "nodes", "links", "expected")
NODE_KINDS = {"accel": ("chip", "device"), "switch": ("switch", "switch")}


def load(document: Document, name: str) -> Topology:
    """The graph of a JSON text; `name` holds unless it has one. Raises TopologyError with line and column."""
    return _Graph(document).topology(document.root, name)


def to_graph_json(topology: Topology) -> str:
    """The topology in one line. Raises UnsupportedError naming what the format cannot carry."""
    _refuse_losses(topology)
    nodes = [{"id": node.id, "kind": "accel" if node.kind == "device" else "switch"} for node in topology.nodes]
    links = []
    for link in topology.links:
        latency = {} if link.latency_us is None else {"lat": link.latency_us}
        links.append({"src": link.src, "dst": link.dst, "bw": link.bandwidth_GBps, **latency})
    graph = {
        "name": topology.name,
        "description": topology.description,
        "source": topology.source,
        "bandwidth_unit": UNIT,
        "nodes": nodes,
        "links": links,
    }
    return json.dumps(graph, separators=(",", ":"), ensure_ascii=False, allow_nan=False) + "\n"


def _refuse_losses(topology: Topology) -> None:
    losses = {
        "limits": [limit.name for limit in topology.limits],
        "devices that forward": [node.name for node in topology.nodes if node.kind == "device" and node.forward],
        "switches that multicast or aggregate": [
            node.name for node in topology.nodes if node.multicast or node.aggregation
        ],
        "unknown bandwidths": sorted({link.kind for link in topology.links if link.bandwidth_GBps is None}),
    }
    for what, names in losses.items():
        if names:
            shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
            raise UnsupportedError(
                f"{topology.name}: graph JSON cannot carry {what} ({shown}); expected a board without"
            )


class _Graph:
    """Turns the parsed JSON into a topology."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.draft = Draft()

    def topology(self, graph: Any, name: str) -> Topology:
        self.document.fields((), graph, TOP, ("nodes", "links"))
        texts = {}
        for key, default in (("name", name), ("description", ""), ("source", ""), ("bandwidth_unit", UNIT)):
            texts[key] = graph.get(key, default)
            if not isinstance(texts[key], str) or (key == "name" and not texts[key]):
                self.document.fail((key,), f"found {shorten(repr(texts[key]))} as {key}; expected text")
        if texts["bandwidth_unit"] != UNIT:
            self.document.fail(("bandwidth_unit",), f"found {shorten(texts['bandwidth_unit'])!r}; expected {UNIT!r}")
        for key in ("nodes", "links"):
            self.document.items((key,), graph[key])
        for index, node in enumerate(graph["nodes"]):
            self.node(index, node)
        if not any(node.kind == "device" for node in self.draft.nodes):
            self.document.fail(("nodes",), "found no accel; expected at least one")
        self.draft.kind(LinkKind("link"))
        for index, link in enumerate(graph["links"]):
            self.link(index, link)
        with self.document.at(()):
            return self.draft.finish(texts["name"], texts["description"], texts["source"])

    def node(self, index: int, node: Any) -> None:
        path: Path = ("nodes", index)
        self.document.fields(path, node, ("id", "kind"), ("id", "kind"))
        if type(node["id"]) is not int or node["id"] != index:
            self.document.fail(
                (*path, "id"), f"found id {shorten(repr(node['id']))}; expected {index}: ids count from 0 in order"
            )
        if not isinstance(node["kind"], str) or node["kind"] not in NODE_KINDS:
            self.document.fail(
                (*path, "kind"), f"found kind {shorten(repr(node['kind']))}; expected one of {', '.join(NODE_KINDS)}"
            )
        name, kind = NODE_KINDS[node["kind"]]
        self.draft.node(f"{name}{index}", kind)

    def link(self, index: int, link: Any) -> None:
        path: Path = ("links", index)
        document, last = self.document, len(self.draft.nodes) - 1
        document.fields(path, link, ("src", "dst", "bw", "lat"), ("src", "dst", "bw"))
        for end in ("src", "dst"):
            if type(link[end]) is not int or not 0 <= link[end] <= last:
                found = f"found {end} {shorten(repr(link[end]))}"
                document.fail((*path, end), f"{found}; expected a node id of 0..{last}")
        bandwidth = document.number((*path, "bw"), link["bw"], "a bandwidth above 0 and finite, in GB/s", zero=False)
        latency = None
        if "lat" in link:
            latency = document.number((*path, "lat"), link["lat"], "a latency of 0 or more, in us")
        try:
            self.draft.link(Link(link["src"], link["dst"], bandwidth, latency))
        except TopologyError as error:
            document.fail(path, str(error))
