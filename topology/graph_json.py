"""Plain graph JSON: nodes `{id, kind}` and directed links `{src, dst, bw, lat}`, in GB/s per direction and us.

Only devices (`accel`) and what forwards (`switch`) can be told apart. Reading makes names of the ids (chip0,
switch8). Writing leaves out names, profiles, boards, kinds, counts, marks and sources, and refuses a topology whose
links would behave otherwise when read back: one with limits, with devices that forward, with switches that multicast
or aggregate, or with an unknown bandwidth.
"""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

from _ringtree.errors import TopologyError, UnsupportedError

from .draft import Draft
from .model import Link, LinkKind, Topology
from .yamlread import Mapping, Place, Sequence, read, shorten

UNIT = "GB/s per direction"
TOP = ("name", "description", "source", "bandwidth_unit", "nodes", "links", "expected")
NODE_KINDS = {"accel": ("chip", "device"), "switch": ("switch", "switch")}

Path = tuple[str | int, ...]


def load(text: str, label: str, name: str) -> Topology:
    """The graph of a JSON text; `name` holds unless it has one. Raises TopologyError with line and column."""
    try:
        graph = json.loads(text, object_pairs_hook=_unique, parse_constant=_constant)
    except json.JSONDecodeError as error:
        raise TopologyError(f"{label}:{error.lineno}:{error.colno}: not JSON: {error.msg}") from None
    except (ValueError, RecursionError) as error:
        raise TopologyError(f"{label}: not JSON: {shorten(str(error))}") from None
    return _Graph(text, label).topology(graph, name)


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


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        again = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {shorten(again)!r} appears twice in an object")
    return found


def _constant(text: str) -> NoReturn:
    raise ValueError(f"found {text}; expected finite numbers")


class _Graph:
    """Turns the parsed JSON into a topology; text and label are for messages."""

    def __init__(self, text: str, label: str) -> None:
        self.text = text
        self.label = label
        self.draft = Draft()

    def topology(self, graph: Any, name: str) -> Topology:
        self.fields((), graph, TOP, ("nodes", "links"))
        texts = {}
        for key, default in (("name", name), ("description", ""), ("source", ""), ("bandwidth_unit", UNIT)):
            texts[key] = graph.get(key, default)
            if not isinstance(texts[key], str) or (key == "name" and not texts[key]):
                self.fail((key,), f"found {shorten(repr(texts[key]))} as {key}; expected text")
        if texts["bandwidth_unit"] != UNIT:
            self.fail(("bandwidth_unit",), f"found {shorten(texts['bandwidth_unit'])!r}; expected {UNIT!r}")
        for key in ("nodes", "links"):
            if not isinstance(graph[key], list):
                self.fail((key,), f"found {_kind_of(graph[key])} as {key}; expected a list")
        for index, node in enumerate(graph["nodes"]):
            self.node(index, node)
        if not any(node.kind == "device" for node in self.draft.nodes):
            self.fail(("nodes",), "found no accel; expected at least one")
        self.draft.kind(LinkKind("link"))
        for index, link in enumerate(graph["links"]):
            self.link(index, link)
        try:
            return self.draft.finish(texts["name"], texts["description"], texts["source"])
        except TopologyError as error:
            self.fail((), str(error))

    def node(self, index: int, node: Any) -> None:
        path: Path = ("nodes", index)
        self.fields(path, node, ("id", "kind"), ("id", "kind"))
        if type(node["id"]) is not int or node["id"] != index:
            self.fail(
                (*path, "id"), f"found id {shorten(repr(node['id']))}; expected {index}: ids count from 0 in order"
            )
        if not isinstance(node["kind"], str) or node["kind"] not in NODE_KINDS:
            self.fail(
                (*path, "kind"), f"found kind {shorten(repr(node['kind']))}; expected one of {', '.join(NODE_KINDS)}"
            )
        name, kind = NODE_KINDS[node["kind"]]
        self.draft.node(f"{name}{index}", kind)

    def link(self, index: int, link: Any) -> None:
        path: Path = ("links", index)
        self.fields(path, link, ("src", "dst", "bw", "lat"), ("src", "dst", "bw"))
        last = len(self.draft.nodes) - 1
        for end in ("src", "dst"):
            if type(link[end]) is not int or not 0 <= link[end] <= last:
                self.fail((*path, end), f"found {end} {shorten(repr(link[end]))}; expected a node id of 0..{last}")
        bandwidth = self.number((*path, "bw"), link["bw"], "a bandwidth above 0 and finite, in GB/s")
        latency = self.number((*path, "lat"), link["lat"], "a latency of 0 or more, in us") if "lat" in link else None
        try:
            self.draft.link(Link(link["src"], link["dst"], bandwidth, latency))
        except TopologyError as error:
            self.fail(path, str(error))

    def number(self, path: Path, value: Any, wanted: str) -> float:
        valid = type(value) in (int, float) and abs(value) < 1e300 and math.isfinite(value)
        if not valid or value < 0 or (value == 0 and path[-1] == "bw"):
            self.fail(path, f"found {path[-1]} {shorten(repr(value))}; expected {wanted}")
        return float(value)

    def fields(self, path: Path, value: Any, allowed: tuple[str, ...], needed: tuple[str, ...]) -> None:
        if not isinstance(value, dict):
            self.fail(path, f"found {_kind_of(value)}; expected an object with {', '.join(needed)}")
        for key in value:
            if key not in allowed:
                self.fail((*path, key), f"unknown key {shorten(key)!r}; expected one of {', '.join(allowed)}")
        for key in needed:
            if key not in value:
                self.fail(path, f"found no {key!r}; expected {', '.join(needed)}")

    def fail(self, path: Path, message: str) -> NoReturn:
        """Raise, with the place looked up now: reading JSON keeps none, and most files are right."""
        spot = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".")
        place = _find(self.text, self.label, path)
        where = f"{self.label}:{place.line}:{place.column}" if place else self.label
        raise TopologyError(f"{where}: {spot + ': ' if spot else ''}{message}")


def _find(text: str, label: str, path: Path) -> Place | None:
    """Where the value at `path` stands: JSON is YAML enough for its nodes to be found again."""
    try:
        tree = read(text, label)
    except TopologyError:
        return None
    for step in path:
        if isinstance(tree, Mapping) and step in tree.items:
            tree = tree.items[str(step)]
        elif isinstance(tree, Sequence) and isinstance(step, int):
            tree = tree.items[step]
    return tree


def _kind_of(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")
