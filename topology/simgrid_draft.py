"""A SimGrid platform in the making: nodes under SimGrid's ids, links out of pipes, limits where pipes are shared."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from _ringtree.errors import TopologyError

from .draft import Draft
from .model import Limit, Link, LinkKind, Topology
from .simgrid_values import Attributes, Pipe, node_name
from .xmlread import Element
from .yamlread import PlacedError, fail, shorten

ROUTE = "route"  # kind of links that stand for what a file says between two points
SHARED = "shared"  # kind of limits


class PlatformDraft:
    """Fills a Draft; messages name the element of the file."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.read = Attributes(label)
        self.draft = Draft()
        self.draft.kind(LinkKind(ROUTE))
        self.draft.kind(LinkKind(SHARED))
        self.points: dict[str, int] = {}
        self.pipes: list[Pipe] = []
        self.names: set[str] = set()

    def node(self, element: Element, ident: str, path: str, kind: str, name: str = "", forward: bool = False) -> int:
        """A node that routes can name by the id, called `name` (the id if empty) below the path."""
        if ident in self.points:
            fail(self.label, element, f"found the id {shorten(ident)!r} again; expected ids of their own")
        full = path + node_name(name or ident)
        if full in self.names:
            found = f"found {shorten(ident)!r}, which is called {shorten(full)!r} as another is"
            fail(self.label, element, f"{found}; expected ids that differ in letters and digits")
        self.names.add(full)
        self.points[ident] = self.draft.node(full, kind, forward=forward)
        return self.points[ident]

    def forwards(self, node: int) -> None:
        """Let traffic of others pass through the node."""
        self.draft.nodes[node] = replace(self.draft.nodes[node], forward=True)

    def pipe(self, name: str, bandwidth_GBps: float, latency_us: float, shared: bool = True) -> Pipe:
        self.pipes.append(Pipe(name, bandwidth_GBps, latency_us, shared))
        return self.pipes[-1]

    def way(self, element: Element, src: int, dst: int, pipes: list[Pipe], kind: str = ROUTE) -> None:
        """One link for a sequence of pipes: as narrow as the narrowest, as late as all together."""
        bandwidth = min(pipe.bandwidth_GBps for pipe in pipes)
        latency = math.fsum(pipe.latency_us for pipe in pipes)
        with self.at(element):
            self.draft.link(Link(src, dst, bandwidth, latency, kind=kind))
        for pipe in dict.fromkeys(pipes):
            if pipe.shared:
                pipe.ways.append((src, dst))

    def finish(self, name: str, root: Element) -> Topology:
        """A pipe that several links pass becomes a limit over them; one of a single link is in its figures."""
        with self.at(root):
            for pipe in self.pipes:
                if len(pipe.ways) > 1:
                    self.draft.limit(Limit(pipe.name, pipe.bandwidth_GBps, (), kind=SHARED), pipe.ways)
            return self.draft.finish(name, "SimGrid platform")

    @contextmanager
    def at(self, element: Element) -> Iterator[None]:
        """Give whatever is wrong inside the place of the element."""
        try:
            yield
        except PlacedError:
            raise
        except TopologyError as error:
            fail(self.label, element, str(error))
