"""The board file: YAML as docs/topology-files.md describes it, into a Topology."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from _ringtree.errors import InputError

from .check import NODE_KINDS, NODE_NAME, mark_fits
from .draft import Draft
from .endpoints import Scope
from .figures import parse_bandwidth, parse_latency
from .model import Figure, LinkKind, Node, Topology
from .schema import Reader
from .wiring import KindRule, Wiring
from .yamlread import Scalar, Tree, shorten

TOP = ("board", "description", "source", "nodes", "boards", "kinds", "links", "limits")
NODE = ("kind", "count", "profile", "forward", "multicast", "aggregation")
USE = ("use", "copies", "forward")
KIND = ("bandwidth", "latency", "count", "duplex", "mark", "source")


def load(tree: Tree, label: str, name: str, use: Callable[[str], Topology]) -> tuple[Topology, dict[int, str]]:
    """The board of a file's tree and, for each node id, `label:line:column` of what declared it.

    `use` loads the boards that this one is made of; `name` holds unless the file has a name of its own.
    """
    return _Board(Reader(label), use).load(tree, name)


class _Board:
    def __init__(self, reader: Reader, use: Callable[[str], Topology]) -> None:
        self.reader = reader
        self.use = use
        self.draft = Draft()
        self.rules: dict[str, KindRule] = {}
        self.places: dict[int, str] = {}

    def load(self, tree: Tree, name: str) -> tuple[Topology, dict[int, str]]:
        reader = self.reader
        top = reader.fields(tree, "board", TOP)
        sections = {"nodes": self.node, "boards": self.board, "kinds": self.kind}
        for key in top:
            if key in sections:
                section = reader.mapping(top[key], key)
                for item, value in section.items.items():
                    sections[key](section.keys[item], value)
        if not any(node.kind == "device" for node in self.draft.nodes):
            reader.fail(tree, "found no device; expected `nodes` with at least one, such as {chip: 8}")
        with reader.at(tree):
            scope = Scope(self.draft.nodes)
        wiring = Wiring(reader, self.draft, scope, self.rules)
        if "links" in top:
            wiring.links(top["links"])
        if "limits" in top:
            wiring.limits(top["limits"])
        title, description, source = (
            reader.text(top[key], key) if key in top else other
            for key, other in (("board", name), ("description", ""), ("source", ""))
        )
        with reader.at(tree):
            return self.draft.finish(title, description, source), self.places

    def node(self, key: Scalar, tree: Tree) -> None:
        """`chip: 8`, `leaf: switch`, `chip: {kind: device, count: 8, profile: ppu}`."""
        reader = self.reader
        self.check_name(key, "node")
        if isinstance(tree, Scalar):
            if tree.text in NODE_KINDS:
                self.add(key, Node(0, key.text, tree.text, forward=tree.text != "device"), None)
            else:
                self.add(key, Node(0, key.text, "device"), reader.number(tree, f"node {key.text!r}"))
            return
        fields = reader.fields(tree, f"node {key.text!r}", NODE)
        kind = reader.choice(fields["kind"], "kind", NODE_KINDS) if "kind" in fields else "device"
        devices_only = kind != "device" and sorted({"profile", "forward"} & fields.keys())
        switches_only = kind != "switch" and sorted({"multicast", "aggregation"} & fields.keys())
        for misplaced, owner in ((devices_only, "devices"), (switches_only, "switches")):
            if misplaced:
                reader.fail(fields[misplaced[0]], f"found {misplaced[0]!r} on a {kind}; expected it on {owner} only")
        node = Node(0, key.text, kind, forward=kind != "device")
        if "profile" in fields:
            node = replace(node, profile=reader.text(fields["profile"], "profile"))
        if "forward" in fields:
            node = self.forwarding(node, fields["forward"])
        if "multicast" in fields:
            node = replace(node, multicast=reader.flag(fields["multicast"], "multicast"))
        if "aggregation" in fields:
            node = replace(node, aggregation=reader.flag(fields["aggregation"], "aggregation"))
        self.add(key, node, reader.number(fields["count"], "count") if "count" in fields else None)

    def board(self, key: Scalar, tree: Tree) -> None:
        """`box: {use: ppu-8, copies: 4}`: copies of another board, at the paths box0 to box3."""
        reader = self.reader
        self.check_name(key, "board")
        fields = reader.fields(tree, f"board {key.text!r}", USE)
        if "use" not in fields:
            reader.fail(tree, f"found no `use` in board {key.text!r}; expected the name or path of a board")
        with reader.at(fields["use"]):
            board = self.use(reader.text(fields["use"], "use"))
        if "forward" in fields:
            nodes = (
                self.forwarding(node, fields["forward"]) if node.kind == "device" else node for node in board.nodes
            )
            board = replace(board, nodes=tuple(nodes))
        copies = reader.number(fields["copies"], "copies") if "copies" in fields else None
        with reader.at(key):
            self.draft.room(len(board.nodes) * (copies or 1), len(board.links) * (copies or 1))
            for path in _names(key.text, copies):
                self.place(key, len(board.nodes))
                self.draft.place(board, path)

    def kind(self, key: Scalar, tree: Tree) -> None:
        """`icn: {bandwidth: 50 GB/s, latency: 1 us}`: what a single link of the kind is."""
        reader = self.reader
        what = f"kind {shorten(key.text)!r}"
        if not key.text.strip():
            reader.fail(key, "found an empty name; expected a name for the kind")
        empty = isinstance(tree, Scalar) and tree.empty
        fields = {} if empty else reader.fields(tree, what, KIND)
        mark, source = (reader.text(fields[item], item) if item in fields else "" for item in ("mark", "source"))
        figures = {"bandwidth": Figure(), "latency": Figure()}
        for item, parse in (("bandwidth", parse_bandwidth), ("latency", parse_latency)):
            if item in fields:
                figures[item] = reader.figure(fields[item], item, parse, mark, source)
        if "mark" in fields and (mark == "A" or not mark_fits(mark, True)):
            reader.fail(fields["mark"], f"found the mark {shorten(mark)!r} in {what}; expected M, V, P, D or R")
        self.rules[key.text] = KindRule(
            reader.number(fields["count"], "count") if "count" in fields else 1,
            "duplex" in fields and reader.choice(fields["duplex"], "duplex", ("full", "half")) == "half",
        )
        with reader.at(key):
            self.draft.kind(LinkKind(key.text, figures["bandwidth"], figures["latency"]))

    def forwarding(self, node: Node, tree: Tree) -> Node:
        """The device with `forward` as the tree says: true, false, or a mapping with its mark and source."""
        figure = self.reader.figure(tree, "forward", _truth)
        if figure.value is None:
            self.reader.fail(tree, "found no value as forward; expected true or false")
        return replace(node, forward=bool(figure.value), forward_mark=figure.mark, forward_source=figure.source)

    def add(self, key: Scalar, pattern: Node, count: int | None) -> None:
        """Copies of the pattern, numbered when there is a count."""
        with self.reader.at(key):
            self.draft.room(nodes=count or 1)
        self.place(key, count or 1)
        for name in _names(key.text, count):
            self.draft.nodes.append(replace(pattern, id=len(self.draft.nodes), name=name))

    def place(self, key: Scalar, count: int) -> None:
        """Remember that the next `count` nodes were declared there."""
        where = f"{self.reader.label}:{key.line}:{key.column}"
        base = len(self.draft.nodes)
        self.places.update(dict.fromkeys(range(base, base + count), where))

    def check_name(self, key: Scalar, what: str) -> None:
        if not NODE_NAME.fullmatch(key.text):
            wanted = "letters, digits and _, not a digit first, in parts with dots between"
            self.reader.fail(key, f"found {shorten(key.text)!r} as the name of a {what}; expected {wanted}")


def _names(name: str, count: int | None) -> list[str]:
    return [name] if count is None else [f"{name}{number}" for number in range(count)]


def _truth(text: str) -> float:
    if text not in ("true", "false"):
        raise InputError(f"found {shorten(text)!r}; expected true or false")
    return float(text == "true")
