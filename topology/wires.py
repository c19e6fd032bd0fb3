"""The board that is left to some ranks, in whole numbers, so that cuts are compared exactly.

Chips without a rank take no part, unless the board says that they forward. Bandwidths are read as they are written
(12.8 is 64/5), and counted in the largest unit that divides them all. Where that takes more digits than 64-bit flows
have, they are rounded: `exact` is false, and what is found is a bound, but maybe not the least one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import gcd, lcm

import numpy as np
from numpy.typing import NDArray

from .model import Topology

# Flows are sums of bandwidths x weights, with as much again from the source: together below 2^63.
MOST = 2**62
ROUNDED = 2**40

Ints = NDArray[np.int64]
Nodes = NDArray[np.bool_]


@dataclass(frozen=True)
class Wires:
    """Arc i is link links[i] of the topology: capacity[i] x unit_GBps from node src[i] to node dst[i].

    `limits`: what some arcs carry together at most, in units; those that cannot bind are left out, and so are, if the
    wires are `loose`, some that prove nothing.
    """

    nodes: int
    ranks: Ints
    src: NDArray[np.int32]
    dst: NDArray[np.int32]
    capacity: Ints
    links: Ints
    limits: tuple[tuple[int, tuple[int, ...]], ...]
    limit_ids: tuple[int, ...]
    unit_GBps: Fraction
    exact: bool
    loose: bool = False

    @property
    def reversed(self) -> Wires:
        """The same with all arcs turned round."""
        return replace(self, src=self.dst, dst=self.src)

    @property
    def symmetric(self) -> bool:
        """Whether each arc has one of the same capacity back, and no limit tells them apart."""
        there = dict(zip(zip(self.src.tolist(), self.dst.tolist(), strict=True), self.capacity.tolist(), strict=True))
        return not self.limits and all(there.get((b, a)) == width for (a, b), width in there.items())

    def crossing(self, beyond: Nodes) -> Ints:
        """The arcs into these nodes from the others."""
        return np.flatnonzero(beyond[self.dst] & ~beyond[self.src])

    def width(self, beyond: Nodes) -> int:
        """What those arcs carry, in units."""
        return int(self.capacity[self.crossing(beyond)].sum())

    def into_and_out(self) -> tuple[Ints, Ints]:
        """By node: what its arcs carry."""
        ways = (np.zeros(self.nodes, np.int64), np.zeros(self.nodes, np.int64))
        for total, ends in zip(ways, (self.dst, self.src), strict=True):
            np.add.at(total, ends, self.capacity)
        return ways

    def others(self) -> Nodes:
        """Nodes without a rank."""
        left = np.ones(self.nodes, np.bool_)
        left[self.ranks] = False
        return left


def wires(topology: Topology, ranks: Sequence[int], alone: bool = False) -> Wires:
    """What joins these nodes; without any other device where they are `alone`.

    Raises AssumptionError where a bandwidth is unknown.
    """
    chips = (node for node in topology.nodes if node.kind == "device")
    idle = {node.id for node in chips if alone or not node.forward} - set(ranks)
    links = [i for i, link in enumerate(topology.links) if not {link.src, link.dst} & idle]
    widths = [_written(topology.bandwidth(topology.links[i])) for i in links]
    limits = _narrow(topology, {link: arc for arc, link in enumerate(links)}, widths)
    sound = [limit for limit in limits if not _follow(topology, [links[arc] for arc in limit[2]], set(ranks))]
    loose, limits = len(sound) < len(limits), sound
    whole, unit, exact = whole_numbers([*widths, *(limit for _, limit, _ in limits)], ROUNDED)
    return Wires(
        len(topology.nodes),
        np.array(ranks, np.int64),
        np.array([topology.links[i].src for i in links], np.int32),
        np.array([topology.links[i].dst for i in links], np.int32),
        np.array(whole[: len(links)], np.int64),
        np.array(links, np.int64),
        tuple((most, arcs) for most, (_, _, arcs) in zip(whole[len(links) :], limits, strict=True)),
        tuple(number for number, _, _ in limits),
        unit,
        exact,
        loose,
    )


def _follow(topology: Topology, links: Sequence[int], ranks: set[int]) -> bool:
    """Whether the way of a message, which passes no rank and no node twice, may take two of these links."""
    ends = [(topology.links[link].src, topology.links[link].dst) for link in links]
    if ranks.issuperset(dst for _, dst in ends):
        return False
    onward: dict[int, list[int]] = {}
    for link in topology.links:
        onward.setdefault(link.src, []).append(link.dst)
    return any(_leads_on(onward, src, dst, ends, ranks) for src, dst in ends if dst not in ranks)


def _leads_on(
    onward: dict[int, list[int]], src: int, dst: int, ends: Sequence[tuple[int, int]], ranks: set[int]
) -> bool:
    """Whether the link from src to dst can be followed by another of those with these ends."""
    seen, queue = {src, dst}, [dst]
    while queue:
        new = [there for there in onward.get(queue.pop(), ()) if there not in seen and there not in ranks]
        seen.update(new)
        queue += new
    return any(a in seen and a != src and b not in (src, dst) for a, b in ends)


def _written(value: float) -> Fraction:
    return Fraction(repr(float(value)))


def _narrow(
    topology: Topology, arc_of: dict[int, int], widths: list[Fraction]
) -> list[tuple[int, Fraction, tuple[int, ...]]]:
    """The limits that may bind: number, GB/s, arcs. One of a single arc narrows that arc instead.

    On the way of a message a limit counts once, however many of its links are on it (csrc/board.h), so that what its
    arcs carry together proves nothing where one can follow on another: such a limit is left out.
    """
    found = []
    for number, limit in enumerate(topology.limits):
        arcs = tuple(arc_of[link] for link in limit.links if link in arc_of)
        most = _written(topology.bandwidth(limit))
        if len(arcs) == 1:
            widths[arcs[0]] = min(widths[arcs[0]], most)
        elif arcs:
            found.append((number, most, arcs))
    return [limit for limit in found if limit[1] < sum(widths[arc] for arc in limit[2])]


def whole_numbers(values: Sequence[Fraction], most: int) -> tuple[list[int], Fraction, bool]:
    """Multiples of a unit, the unit, and whether they are exact: rounded where their sum would exceed `most`."""
    counts = Counter(values)
    below = lcm(*(value.denominator for value in counts))
    above = gcd(*(value.numerator * (below // value.denominator) for value in counts)) or 1
    unit, total = Fraction(above, below), sum(value * count for value, count in counts.items())
    exact = total / unit <= most
    if not exact:
        unit = Fraction(total) / most
    whole = {value: max(1, round(value / unit)) if value else 0 for value in counts}
    return [whole[value] for value in values], unit, exact
