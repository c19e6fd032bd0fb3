"""How fast trees can be, by cuts: the bound of collectives whose links serve several ends at once.

An all-reduce sends shares of the data up to their roots and down again; both ways share the links:

    maximise  the sum of the roots' rates
    where     what goes up and what goes down a link is at most its bandwidth; shared limits likewise
              into any set of nodes goes down what is rooted outside of it, if it has a rank; out of it, up
              a node that only forwards passes on no more than it receives

Trees do as well as flows (Bang-Jensen, Frank and Jackson 1995: on what satisfies this, trees can be packed), so that
this is the best of all forests. There are too many sets of nodes to write them all down: max-flow finds those that a
solution violates, until none is left. One or two dozen rounds do, on 128 chips too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from _ringtree.maxflow import Network

from .cuts import Flows, around_each
from .quotient import Entries, classes
from .solver import DUAL, Solver
from .wires import MOST, Ints, Nodes, Wires

Floats = NDArray[np.float64]
# What counts as violated, and how near a point inside is near.
TOLERANCE, NEAR = 1e-9, 1e-7
MOST_ROUNDS = 200


@dataclass(frozen=True)
class Way:
    """One direction. `wires` are turned so that data flows from the roots; at the `branching` nodes it multiplies."""

    wires: Wires
    branching: Nodes


class Multipliers(NamedTuple):
    """Prices that prove the optimum: of sets of nodes (way, beyond), of nodes (ways x nodes) and of limits."""

    sets: tuple[tuple[int, Nodes], ...]
    of_sets: Floats
    of_nodes: Floats
    of_limits: Floats


class CutProgram:
    """`roots`: in each row the shares of the ranks; the data is split among the rows at will."""

    def __init__(self, ways: Sequence[Way], roots: Ints) -> None:
        self.ways, self.wires = ways, ways[0].wires
        self.roots = roots / roots.sum(axis=1, keepdims=True)
        widths = np.array(self.wires.into_and_out())[:, self.wires.ranks]
        # The narrowest chip: numbers near 1, whatever the widths of links that are not the bottleneck.
        self._scale = float(widths[widths > 0].min())
        self._unit_GBps = self._scale * float(self.wires.unit_GBps)
        self.settled = False
        self._flows = [Flows(way.wires) for way in ways]
        self._sets: dict[tuple[int, bytes], Nodes] = {}
        self._fineness = MOST / (4 * (1 + self.wires.capacity.sum() / self._scale))
        self._model = Solver(DUAL, TOLERANCE)
        arcs, ranks = len(self.wires.src), len(self.wires.ranks)
        # Columns: all data, its roots, the ranks' parts of it, then the arcs of each way.
        self._rank, self._arc = 1 + len(roots), [1 + len(roots) + ranks + arcs * way for way in range(len(ways))]
        self._model.column(-1.0, {})
        for _ in range(self._arc[-1] + arcs - 1):
            self._model.column(0.0, {})
        self._write_down()
        self._alike = _alike(self.ways, self.roots)
        # Limits may tell apart what links do not.
        self._symmetrical = not self.wires.limits and 4 * self._alike.max() < len(self._alike)

    def _write_down(self) -> None:
        row, wires = self._model.row, self.wires
        row(0.0, 0.0, {0: -1.0} | {1 + root: 1.0 for root in range(len(self.roots))})
        for rank in range(len(wires.ranks)):
            parts = {1 + int(root): float(self.roots[root, rank]) for root in np.flatnonzero(self.roots[:, rank])}
            row(0.0, 0.0, {self._rank + rank: -1.0} | parts)
        for arc, width in enumerate(wires.capacity):
            row(upper=width / self._scale, entries={start + arc: 1.0 for start in self._arc})
        self._limits = [
            row(upper=most / self._scale, entries={start + arc: 1.0 for start in self._arc for arc in arcs})
            for most, arcs in wires.limits
        ]
        self._nodes = {}
        for number, way in enumerate(self.ways):
            for node in np.flatnonzero(wires.others() & ~way.branching):
                into = {self._arc[number] + int(arc): 1.0 for arc in np.flatnonzero(way.wires.dst == node)}
                out = {self._arc[number] + int(arc): -1.0 for arc in np.flatnonzero(way.wires.src == node)}
                if out:
                    self._nodes[number, int(node)] = row(lower=0.0, entries=into | out)
        self._first_set = row() + 1
        for number, way in enumerate(self.ways):
            for beyond in _first_sets(way.wires):
                self._add(number, beyond)

    def _add(self, way: int, beyond: Nodes) -> bool:
        """The row of a set of nodes; whether it is new."""
        key = way, beyond.tobytes()
        if key in self._sets:
            return False
        self._sets[key] = beyond
        entries = {self._arc[way] + int(arc): 1.0 for arc in self.ways[way].wires.crossing(beyond)}
        inside = beyond[self.wires.ranks]
        if inside.sum() * 2 > len(inside):
            entries |= {self._rank + int(rank): -1.0 for rank in np.flatnonzero(~inside)}
        else:
            entries |= {0: -1.0} | {self._rank + int(rank): 1.0 for rank in np.flatnonzero(inside)}
        self._model.row(lower=0.0, entries=entries)
        return True

    def solve(self, even_GBps: float | None = None) -> float:
        """The optimum in GB/s; `settled` says whether it is, or only a bound.

        Where the board is symmetrical, the mean over what looks alike is another optimum, and few sets are needed if
        they are looked for there. Else they are looked for between the solution, which violates some, and the best
        point known to violate none, where they cut deeper (Ben-Ameur and Neto 2007). `even_GBps` is what is reached
        when each way has an equal part of all links, the first such point.
        """
        inner = None if even_GBps is None else self._even(even_GBps / self._unit_GBps)
        for _ in range(MOST_ROUNDS):
            self._model.solve()
            outer = self._model.values
            answer = self._cut_off(self._mean(outer)) if self._symmetrical else None
            while answer is None:
                near = inner is None or inner[0] >= outer[0] * (1 - NEAR)
                point = outer if inner is None or near else (inner + outer) / 2
                if self._cut_off(point):
                    answer = True
                elif near:
                    answer = False
                else:
                    inner = point
            if not answer:
                self.settled = True
                break
        return -self._model.objective * self._unit_GBps

    def _even(self, rate: float) -> Floats:
        """All links, in equal parts for each way, and the rate from all roots alike."""
        roots = np.full(len(self.roots), rate / len(self.roots))
        arcs = np.tile(self.wires.capacity / self._scale / len(self.ways), len(self.ways))
        return np.concatenate([[rate], roots, roots @ self.roots, arcs])

    def _mean(self, values: Floats) -> Floats:
        """The values with alike ones made equal."""
        mean: Floats = (np.bincount(self._alike, values) / np.bincount(self._alike))[self._alike]
        return mean

    def _cut_off(self, point: Floats) -> bool | None:
        """Add the sets that the point violates: True; False where it violates none, None where it does known ones."""
        found = [self._separate(way, point) for way in range(len(self.ways))]
        return True if any(added for _, added in found) else None if any(violated for violated, _ in found) else False

    def _separate(self, way: int, point: Floats) -> tuple[int, int]:
        """How many sets the point violates, and how many of these were added; known ones are not."""
        start, ends = self._arc[way], self.wires.ranks
        supply = self._whole(point[self._rank : self._arc[0]])
        arcs = self._whole(point[start : start + len(self.wires.src)])
        enough = int(supply.sum() * (1 - TOLERANCE)) - len(arcs)
        violated = added = 0
        while len(ends) and (short := self._flows[way].short(arcs, supply, ends, enough)):
            violated += 1
            added += self._add(way, short.beyond)
            ends = ends[short.position + 1 :]
        return violated, added

    def multipliers(self) -> Multipliers:
        """Of the last optimum."""
        prices = np.abs(self._model.duals)
        of_nodes = np.zeros((len(self.ways), self.wires.nodes))
        for (way, node), row in self._nodes.items():
            of_nodes[way, node] = prices[row]
        sets = tuple((way, beyond) for (way, _), beyond in self._sets.items())
        return Multipliers(sets, prices[self._first_set :], of_nodes, prices[self._limits])

    def _whole(self, values: Floats) -> Ints:
        whole: Ints = np.rint(np.maximum(values, 0.0) * self._fineness).astype(np.int64)
        return whole


def _first_sets(wires: Wires) -> Iterator[Nodes]:
    """Around each rank, and all but it; what is narrow around it, and between one rank and the others both ways."""
    for node in wires.ranks:
        alone = np.arange(wires.nodes) == node
        yield from (alone, ~alone)
    yield from around_each(wires)
    yield from (~beyond for beyond in around_each(wires.reversed))
    first, *others = wires.ranks
    network = Network(wires.nodes, wires.src, wires.dst)
    for node in others:
        for source, sink in ((first, node), (node, first)):
            short = network.short(wires.capacity, int(source), [int(sink)], int(wires.capacity.sum()) + 1)
            assert short is not None
            yield short.beyond


def _alike(ways: Sequence[Way], roots: Floats) -> Ints:
    """A class for each column: equal where neither wires nor shares tell them apart."""
    wires = ways[0].wires
    each_alone = len(roots) == len(wires.ranks)
    nodes = np.where(wires.others(), 1.0 + ways[0].branching + 2 * ways[-1].branching, 0.0)
    if not each_alone:
        nodes[wires.ranks] = -roots[0]
    arcs = np.arange(len(wires.src))
    ends = Entries(
        np.concatenate([wires.src, wires.dst]), np.concatenate([arcs, arcs]), np.repeat([1.0, 2.0], len(arcs))
    )
    of_nodes, of_arcs = classes(ends, nodes, wires.capacity.astype(float))
    of_ranks = of_nodes[wires.ranks]
    parts = [np.zeros(1, np.int64), of_ranks if each_alone else np.zeros(1, np.int64), of_ranks, *[of_arcs] * len(ways)]
    numbers = np.concatenate([part + (number << 32) for number, part in enumerate(parts)])
    return np.unique(numbers, return_inverse=True)[1]
