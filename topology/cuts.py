"""The narrowest cuts of a board: what must cross them bounds a collective, and max-flow finds them exactly.

    all_gather    each rank beyond the cut needs all that lies before it: width / weight before
    scatter       what is meant for ranks beyond the cut: width / weight beyond
    broadcast     all of it: width alone

"Beyond" is the side without what is sent, so its arcs are those into it. Reduce_scatter, gather and reduce are the
same with all arcs turned round. The least ratio is found by Newton's iteration (Dinkelbach 1967): at the ratio of the
narrowest cut so far, flows show that none is narrower, or a cut that is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from _ringtree.errors import NoRouteError
from _ringtree.maxflow import Network, Shortfall

from .wires import MOST, Ints, Nodes, Wires, whole_numbers

# Cuts around each rank are looked for on boards of no more ranks x arcs.
MOST_AROUND = 2_000_000


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


def all_gather(wires: Wires, weights: Ints) -> Cut:
    """The cut that is narrowest for what lies before it; `weights` of the ranks' parts.

    NoRouteError where a rank does not reach another.
    """
    into, missing = wires.into_and_out()[0][wires.ranks], weights.sum() - weights
    slowness = np.where(into > 0, missing / np.maximum(into, 1), np.where(missing > 0, np.inf, 0))
    start = int(wires.ranks[np.argmax(slowness)])
    beyond = _narrowest(Flows(wires), _flowing(wires, weights), start, wires.ranks)
    return cut_before(wires, beyond, weights)


def cut_before(wires: Wires, beyond: Nodes, weights: Ints) -> Cut:
    """A cut whose parts before it must cross it. NoRouteError where nothing does."""
    return _cut(wires, beyond, Fraction(int(weights[~beyond[wires.ranks]].sum()), int(weights.sum())))


def around_each(wires: Wires) -> Iterator[Nodes]:
    """For each rank the side of the cut that is narrowest for an all_gather of equal parts, of those around it.

    None on boards so large that this would take long.
    """
    flows, parts = Flows(wires), np.ones(len(wires.ranks), np.int64)
    for node in wires.ranks if len(wires.ranks) * len(wires.src) <= MOST_AROUND else ():
        yield _narrowest(flows, parts, int(node), node[None])


def _narrowest(flows: Flows, parts: Ints, start: int, sinks: Ints) -> Nodes:
    """Newton's iteration, from the cut around one rank, over cuts that have one of the sinks beyond them."""
    wires = flows.wires
    beyond: Nodes = np.arange(wires.nodes) == start
    while True:
        width, before = wires.width(beyond), int(parts[~beyond[wires.ranks]].sum())
        short = flows.short(wires.capacity * before, parts * width, sinks, width * int(parts.sum()))
        if short is None:
            return beyond
        beyond, sinks = short.beyond, np.roll(sinks, -short.position)


def scatter(wires: Wires, root: int, weights: Ints) -> Cut:
    """The cut that is narrowest for what is meant for ranks beyond it; `root` is a rank."""
    turned, node, total = wires.reversed, int(wires.ranks[root]), int(weights.sum())
    flows, parts = Flows(turned), _flowing(wires, weights)
    parts[root] = 0
    beyond = np.arange(wires.nodes) != node
    while True:
        inside = beyond[wires.ranks]
        cut = _cut(wires, beyond, Fraction(int(weights[inside].sum()), total))
        # Turned round: each rank sends what is meant for it, and the root takes it all.
        arcs, enough = wires.capacity * int(parts[inside].sum()), cut.width * int(parts.sum())
        short = flows.short(arcs, parts * cut.width, [node], enough)
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


def _flowing(wires: Wires, weights: Ints) -> Ints:
    """The weights so that flows can take them: in the ratios that they have, or nearly."""
    most = MOST // (2 * max(1, int(wires.capacity.sum())))
    return np.array(whole_numbers([Fraction(weight) for weight in weights.tolist()], most)[0], np.int64)


def _cut(wires: Wires, beyond: Nodes, share: Fraction) -> Cut:
    width = wires.width(beyond)
    if width == 0 and share > 0:
        rank = next(i for i, node in enumerate(wires.ranks) if beyond[node])
        raise NoRouteError(f"no tree joins rank {rank} with all others")
    return Cut(beyond, width, share)
