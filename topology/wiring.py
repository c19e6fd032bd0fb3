"""The `links` and `limits` of a board file: lists and shorthands into directed links and shared limits."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from .assumptions import times
from .draft import Draft
from .endpoints import Scope
from .figures import parse_bandwidth, parse_latency
from .model import Figure, Limit, Link, LinkKind
from .schema import Reader
from .shapes import Pair, full_mesh, ring, torus
from .yamlread import Scalar, Sequence, Tree, shorten

SHAPES = ("between", "from", "ring", "mesh", "torus")
LINK = ("between", "from", "to", "ring", "mesh", "torus", "shape", "count", "bandwidth", "latency")
SETS = ("out", "in", "through", "links", "between")
LIMIT = ("bandwidth", "kind", "count", "out", "in", "through", "links", "between", "only")


@dataclass(frozen=True)
class KindRule:
    """What a kind says beyond its figures: how many links lie side by side, whether the directions share one."""

    count: int = 1
    half: bool = False


class Wiring:
    """Adds links and limits to a draft whose nodes and kinds are complete."""

    def __init__(self, reader: Reader, draft: Draft, scope: Scope, rules: dict[str, KindRule]) -> None:
        self.reader = reader
        self.draft = draft
        self.scope = scope
        self.rules = rules

    def links(self, tree: Tree) -> None:
        """`links`: for each kind a list of `[a, b]`, `[a, b, count]` or mappings with a shape."""
        section = self.reader.mapping(tree, "links")
        for name, entries in section.items.items():
            kind = self.known_kind(section.keys[name])
            for entry in self.reader.items(entries, f"links of kind {shorten(name)!r}"):
                self.entry(kind, entry)

    def limits(self, tree: Tree) -> None:
        """`limits`: what sets of links carry together."""
        section = self.reader.mapping(tree, "limits")
        for name, entry in section.items.items():
            self.limit(section.keys[name], entry)

    def known_kind(self, tree: Tree) -> LinkKind:
        name = self.reader.text(tree, "kind")
        if name not in self.draft.kinds:
            known = ", ".join(self.draft.kinds) or "none yet: add it to `kinds`"
            self.reader.fail(tree, f"found the kind {shorten(name)!r}; expected one of {known}")
        return self.draft.kinds[name]

    def entry(self, kind: LinkKind, entry: Tree) -> None:
        """One entry of a kind's list: its links, in both directions unless it says from and to."""
        rule = self.rules.get(kind.name, KindRule())
        fields = self.listed(entry) if isinstance(entry, Sequence) else self.reader.fields(entry, "link", LINK)
        pattern = self.pattern(entry, kind, fields, rule.count)
        both = "from" not in fields
        pairs = self.shape(entry, fields)
        with self.reader.at(entry):
            for a, b in pairs:
                self.draft.room(links=2)
                for src, dst in ((a, b), (b, a)) if both else ((a, b),):
                    self.draft.link(replace(pattern, src=src, dst=dst))
                if both and rule.half:
                    name = f"{kind.name}.{self.draft.nodes[a].name}-{self.draft.nodes[b].name}"
                    limit = Limit(name, pattern.bandwidth_GBps, (), pattern.count, kind.name)
                    self.draft.limit(limit, [(a, b), (b, a)])

    def listed(self, entry: Sequence) -> dict[str, Tree]:
        """`[a, b]` and `[a, b, count]` as the mapping that they abbreviate."""
        if len(entry.items) not in (2, 3):
            self.reader.fail(entry, f"found a list of {len(entry.items)}; expected [a, b] or [a, b, count]")
        fields: dict[str, Tree] = {"between": Sequence(entry.line, entry.column, entry.items[:2])}
        return fields if len(entry.items) == 2 else {**fields, "count": entry.items[2]}

    def pattern(self, entry: Tree, kind: LinkKind, fields: dict[str, Tree], count: int) -> Link:
        """A link with the figures of an entry: its own before those of its kind."""
        bandwidth, latency = kind.bandwidth.value, kind.latency.value
        if "count" in fields:
            count = self.reader.number(fields["count"], "count")
        if "bandwidth" in fields:
            bandwidth = self.reader.value(fields["bandwidth"], "bandwidth", parse_bandwidth)
        if "latency" in fields:
            latency = self.reader.value(fields["latency"], "latency", parse_latency)
        total = times(bandwidth, count)
        if total is not None and not math.isfinite(total):
            self.reader.fail(entry, f"found {count} links whose sum is not finite; expected fewer or slower ones")
        return Link(0, 0, total, latency, count, kind.name)

    def shape(self, entry: Tree, fields: dict[str, Tree]) -> list[Pair]:
        """The pairs that an entry with a shape joins."""
        given = [key for key in SHAPES if key in fields]
        if len(given) != 1 or ("to" in fields) != ("from" in fields) or ("shape" in fields) != ("torus" in fields):
            wanted = "between; from and to; ring; mesh; torus and shape"
            self.reader.fail(entry, f"found {', '.join(fields)} in link; expected one of: {wanted}")
        shape = given[0]
        if shape == "between":
            return self.matched(fields[shape], self.reader.items(fields[shape], "between"))
        if shape == "from":
            return self.matched(entry, [fields["from"], fields["to"]])
        nodes = self.ends(fields[shape])
        with self.reader.at(fields[shape]):
            if shape == "ring":
                return ring(nodes)
            if shape == "mesh":
                self.draft.room(links=len(nodes) * (len(nodes) - 1))
                return full_mesh(nodes)
            sizes = [self.reader.number(size, "size") for size in self.reader.items(fields["shape"], "shape")]
            return torus(nodes, sizes)

    def ends(self, tree: Tree) -> list[int]:
        """The nodes that a name, or a list of names, stands for."""
        if isinstance(tree, Sequence):
            return [node for item in tree.items for node in self.ends(item)]
        text = self.reader.text(tree, "link end")
        with self.reader.at(tree):
            return self.scope.resolve(text)

    def matched(self, place: Tree, trees: list[Tree]) -> list[Pair]:
        """Pairs of two ends: one node with each of many, or as many with as many, in order."""
        if len(trees) != 2:
            self.reader.fail(place, f"found {len(trees)} link ends; expected two")
        first, second = (self.ends(tree) for tree in trees)
        if len(first) == 1:
            first *= len(second)
        if len(second) == 1:
            second *= len(first)
        if len(first) != len(second):
            message = f"found {len(first)} nodes at one end and {len(second)} at the other"
            self.reader.fail(place, f"{message}; expected one, or as many as opposite")
        return list(zip(first, second, strict=True))

    def limit(self, key: Scalar, tree: Tree) -> None:
        """One entry of `limits`: a limit over a set of links, or one for each node of a group."""
        what = f"limit {shorten(key.text)!r}"
        fields = self.reader.fields(tree, what, LIMIT)
        given = [name for name in SETS if name in fields]
        if len(given) != 1 or not {"bandwidth", "kind"} & fields.keys():
            self.reader.fail(
                tree, f"found {', '.join(fields)} in {what}; expected bandwidth, and one of {', '.join(SETS)}"
            )
        kind, bandwidth = self.limit_figures(key, fields)
        count = self.reader.number(fields["count"], "count") if "count" in fields else 1
        only = self.known_kind(fields["only"]).name if "only" in fields else None
        with self.reader.at(tree):
            for name, ends in self.limit_sets(key.text, given[0], fields[given[0]], only):
                if not ends:
                    self.reader.fail(tree, f"found no link for {what}; expected at least one")
                self.draft.limit(Limit(name, times(bandwidth, count), (), count, kind), ends)

    def limit_figures(self, key: Scalar, fields: dict[str, Tree]) -> tuple[str, float | None]:
        """The kind whose figures a limit has, and the bandwidth of this one."""
        if "kind" in fields:
            kind = self.known_kind(fields["kind"])
            if "bandwidth" in fields:
                return kind.name, self.reader.value(fields["bandwidth"], "bandwidth", parse_bandwidth)
            return kind.name, kind.bandwidth.value
        figure = self.reader.figure(fields["bandwidth"], "bandwidth", parse_bandwidth)
        with self.reader.at(key):
            self.draft.kind(LinkKind(key.text, figure, Figure()))
        return key.text, figure.value

    def limit_sets(self, name: str, how: str, tree: Tree, only: str | None) -> list[tuple[str, list[Pair]]]:
        """Names and links of the limits that one entry stands for."""
        if how in ("links", "between"):
            pairs = [pair for item in self.reader.items(tree, how) for pair in self.existing(item, how == "between")]
            return [(name, [pair for pair in pairs if only in (None, self.draft.links[pair].kind)])]
        chosen: dict[int, list[Pair]] = {node: [] for node in self.ends(tree)}
        for (src, dst), link in self.draft.links.items():
            for node, ways in ((src, ("out", "through")), (dst, ("in", "through"))):
                if node in chosen and how in ways and only in (None, link.kind):
                    chosen[node].append((src, dst))
        return [(f"{name}.{self.draft.nodes[node].name}", pairs) for node, pairs in chosen.items()]

    def existing(self, tree: Tree, both: bool) -> list[Pair]:
        """The links that `[a, b]` names, from a to b or both ways."""
        pairs = self.matched(tree, self.reader.items(tree, "links of a limit"))
        if both:
            pairs = [way for a, b in pairs for way in ((a, b), (b, a))]
        for src, dst in pairs:
            if (src, dst) not in self.draft.links:
                ends = f"{self.draft.nodes[src].name} -> {self.draft.nodes[dst].name}"
                self.reader.fail(tree, f"found {ends}, which is not a link; expected links of this board")
        return pairs
