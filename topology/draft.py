"""A topology in the making: what loaders fill, part by part, before it becomes a value."""

from __future__ import annotations

from dataclasses import replace

from _ringtree.errors import TopologyError

from .model import Limit, Link, LinkKind, Node, Topology

# Beyond these a file is a mistake or an attack: a full mesh of a million chips would not fit in memory.
MAX_NODES = 100_000
MAX_LINKS = 2_000_000


class Draft:
    """Nodes by position, links by their ends, limits by the ends of their links."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.links: dict[tuple[int, int], Link] = {}
        self.limits: dict[str, tuple[Limit, list[tuple[int, int]]]] = {}
        self.kinds: dict[str, LinkKind] = {}

    def room(self, nodes: int = 0, links: int = 0) -> None:
        """Raise TopologyError unless that many more fit."""
        if len(self.nodes) + nodes > MAX_NODES:
            raise TopologyError(f"found more than {MAX_NODES} nodes; expected fewer")
        if len(self.links) + links > MAX_LINKS:
            raise TopologyError(f"found more than {MAX_LINKS} links; expected fewer")

    def node(self, name: str, kind: str, profile: str | None = None, forward: bool = False) -> int:
        """Add a plain node; its id. `forward` is about devices: everything else does."""
        self.room(nodes=1)
        self.nodes.append(Node(len(self.nodes), name, kind, profile, forward=forward or kind != "device"))
        return len(self.nodes) - 1

    def link(self, link: Link) -> None:
        """Add a directed link. Raises TopologyError where there is one already or it leads nowhere."""
        ends = f"{self.nodes[link.src].name} -> {self.nodes[link.dst].name}"
        if link.src == link.dst:
            raise TopologyError(f"found a link of {self.nodes[link.src].name} to itself; expected two ends")
        if (link.src, link.dst) in self.links:
            raise TopologyError(f"found the link {ends} again; expected each once, with `count` for parallel ones")
        self.links[link.src, link.dst] = link

    def both(self, link: Link) -> None:
        """Add the link and its like in the other direction."""
        self.link(link)
        self.link(Link(link.dst, link.src, link.bandwidth_GBps, link.latency_us, link.count, link.kind))

    def limit(self, limit: Limit, ends: list[tuple[int, int]]) -> None:
        """Add a limit over the links with these ends; they may come later."""
        if limit.name in self.limits:
            raise TopologyError(f"found the limit {limit.name!r} again; expected names of their own")
        self.limits[limit.name] = (limit, ends)

    def kind(self, kind: LinkKind) -> None:
        """Add a kind. Raises TopologyError where the name already has other figures."""
        known = self.kinds.setdefault(kind.name, kind)
        if known != kind:
            raise TopologyError(f"found two sets of figures for the kind {kind.name!r}; expected one")

    def place(self, board: Topology, path: str) -> None:
        """Add a copy of a board: its names below `path`, its kinds under the board's name."""
        self.room(len(board.nodes), len(board.links))
        base = len(self.nodes)
        for kind in board.kinds:
            self.kind(replace(kind, name=board.key(kind.name)))
        self.nodes += [replace(node, id=base + node.id, name=f"{path}.{node.name}") for node in board.nodes]
        for link in board.links:
            src, dst = base + link.src, base + link.dst
            self.links[src, dst] = replace(link, src=src, dst=dst, kind=board.key(link.kind))
        for limit in board.limits:
            ends = [(base + board.links[index].src, base + board.links[index].dst) for index in limit.links]
            self.limit(replace(limit, name=f"{path}.{limit.name}", links=(), kind=board.key(limit.kind)), ends)

    def finish(self, name: str, description: str = "", source: str = "") -> Topology:
        """The value: links in order, kinds that are used in order, limits as they were added."""
        links = tuple(self.links[ends] for ends in sorted(self.links))
        index = {(link.src, link.dst): position for position, link in enumerate(links)}
        limits = tuple(
            replace(limit, links=tuple(sorted({index[pair] for pair in ends}))) for limit, ends in self.limits.values()
        )
        used = {link.kind for link in links} | {limit.kind for limit in limits}
        kinds = tuple(self.kinds[kind] for kind in sorted(used))
        return Topology(name, tuple(self.nodes), links, limits, kinds, description, source)
