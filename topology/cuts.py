"""The narrowest cuts of a board: what must cross them bounds a collective, and max-flow finds them exactly.

    all_gather    each rank beyond the cut needs all that lies before it: width / weight before
    scatter       what is meant for ranks beyond the cut: width / weight beyond
    broadcast     all of it: width alone

"Beyond" is the side without what is sent, so its arcs are those into it. Reduce_scatter, gather and reduce are the
same with all arcs turned round. The least ratio is found by Newton's iteration (Dinkelbach 1967): at the ratio of the
narrowest cut so far, flows show that none is narrower, or a cut that is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from _ringtree.errors import NoRouteError
from _ringtree.maxflow import Network, Shortfall

from .wires import MOST, Ints, Nodes, Wires, whole_numbers


@dataclass(frozen=True, eq=False)
class Cut:
    """`share` of the data must enter the nodes `beyond`, over arcs that carry `width` units together."""

    beyond: Nodes
    width: int
    share: Fraction

    def rate(self, wires: Wires) -> Fraction:
        """GB/s."""
        return self.width * wires.unit_GBps / self.share


class Flows:
    """Flows from a source that is joined to every rank."""

    def __init__(self, wires: Wires) -> None:
        self.wires = wires
        self.source = wires.nodes
        src = np.concatenate([wires.src, np.full(len(wires.ranks), self.source, np.int32)])
        self._network = Network(wires.nodes + 1, src, np.concatenate([wires.dst, wires.ranks]))

    def short(self, arcs: Ints, supply: Ints, sinks: Sequence[int] | Ints, enough: int) -> Shortfall | None:
        """The first sink that gets less than enough where ranks are supplied so; its side of the cut."""
        found = self._network.short(np.concatenate([arcs, supply]), self.source, sinks, enough)
        return found and Shortfall(found.position, found.flow, found.beyond[: self.source])


def all_gather(wires: Wires, weights: Sequence[Fraction]) -> Cut:
    """The cut that is narrowest for what lies before it; `weights`: the share of each rank, 1 together.

    NoRouteError where a rank does not reach another.
    """
    flows, parts = Flows(wires), _weights(wires, weights)
    cut = _narrowest_chip(wires, weights)
    order = wires.ranks
    while True:
        before, width = int(parts[~cut.beyond[wires.ranks]].sum()), cut.width
        short = flows.short(wires.capacity * before, parts * width, order, width * int(parts.sum()))
        if short is None:
            return cut
        cut = _cut(wires, short.beyond, _among(wires, ~short.beyond, weights))
        order = np.roll(order, -short.position)


def _narrowest_chip(wires: Wires, weights: Sequence[Fraction]) -> Cut:
    """The narrowest of the cuts around a single rank."""
    into, _ = wires.into_and_out()
    slowness = [_slowness(1 - weight, int(into[node])) for weight, node in zip(weights, wires.ranks, strict=True)]
    narrowest = slowness.index(max(slowness))
    beyond = np.zeros(wires.nodes, np.bool_)
    beyond[wires.ranks[narrowest]] = True
    return _cut(wires, beyond, 1 - weights[narrowest])


def _slowness(share: Fraction, width: int) -> Fraction:
    return share / width if width else Fraction(MOST if share else 0)


def scatter(wires: Wires, root: int, weights: Sequence[Fraction]) -> Cut:
    """The cut that is narrowest for what is meant for ranks beyond it; `root` is a rank."""
    turned = wires.reversed
    flows, parts, node = Flows(turned), _weights(wires, weights), int(wires.ranks[root])
    parts[root] = 0
    beyond = np.ones(wires.nodes, np.bool_)
    beyond[node] = False
    while True:
        cut = _cut(wires, beyond, _among(wires, beyond, weights))
        wanted = int(parts[beyond[wires.ranks]].sum())
        # Turned round: each rank sends what is meant for it, and the root takes it all.
        short = flows.short(wires.capacity * wanted, parts * cut.width, [node], cut.width * int(parts.sum()))
        if short is None:
            return cut
        beyond = ~short.beyond


def broadcast(wires: Wires, root: int) -> Cut:
    """The narrowest cut between the root's node and another rank's (Edmonds 1973)."""
    network = Network(wires.nodes, wires.src, wires.dst)
    node, others = int(wires.ranks[root]), np.delete(wires.ranks, root)
    enough, best = int(wires.capacity.sum()) + 1, None
    while True:
        short = network.short(wires.capacity, node, others, enough)
        if short is None:
            assert best is not None
            return best
        best = _cut(wires, short.beyond, Fraction(1))
        enough, others = short.flow, others[short.position :]


def tight_parts(wires: Wires, cut: Cut) -> list[Nodes]:
    """Where every rank lies beyond a cut that is as narrow as this one of all_gather: sets of nodes, each such a side.

    Empty where a rank does not, and where there are less than two sets.
    """
    flows, each = Flows(wires), np.ones(len(wires.ranks), np.int64)
    before = int((~cut.beyond[wires.ranks]).sum())
    arcs, supply, enough = wires.capacity * before, each * cut.width, cut.width * len(wires.ranks)
    parts: list[Nodes] = []
    for node in map(int, wires.ranks):
        if any(part[node] for part in parts):
            continue
        short = flows.short(arcs, supply, [node], enough + 1)
        if short is None:
            return []
        # Two sides that meet are one: the union of tight sides is tight, unless it holds every rank.
        meeting = [part for part in parts if (part & short.beyond).any()]
        parts = [part for part in parts if not (part & short.beyond).any()]
        parts.append(np.logical_or.reduce([short.beyond, *meeting]))
    return parts if len(parts) > 1 else []


def _weights(wires: Wires, weights: Sequence[Fraction]) -> Ints:
    """In whole numbers that flows can take."""
    return np.array(whole_numbers(weights, MOST // (2 * max(1, int(wires.capacity.sum()))))[0], np.int64)


def _among(wires: Wires, nodes: Nodes, weights: Sequence[Fraction]) -> Fraction:
    return sum((weight for node, weight in zip(wires.ranks, weights, strict=True) if nodes[node]), Fraction(0))


def _cut(wires: Wires, beyond: Nodes, share: Fraction) -> Cut:
    width = wires.width(beyond)
    if width == 0 and share > 0:
        rank = next(i for i, node in enumerate(wires.ranks) if beyond[node])
        raise NoRouteError(f"no tree joins all ranks: too little leads to rank {rank}")
    return Cut(beyond, width, share)
