"""Bounds of hundreds of small boards against cuts that are all enumerated and programs that are written out."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import brute
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from collectives import plan
from topology import Topology
from topology.bounds import Bound
from topology.certificate import certify
from topology.cutprogram import Multipliers, Way
from topology.hops import FreeHops
from topology.packing import demands, pack
from topology.wires import wires

Shares = list[Fraction]


@dataclass(frozen=True)
class Small:
    """A board of chips and switches, as plain numbers."""

    chips: int
    nodes: int
    wires: brute.Wires
    limits: tuple[tuple[Fraction, tuple[int, ...]], ...] = ()

    def topology(self) -> Topology:
        return brute.board(self.chips, self.wires, self.nodes - self.chips, self.limits)

    def balanced(self) -> bool:
        """Whether switches receive as much as they send."""
        switches = range(self.chips, self.nodes)
        return all(sum(w * ((a == s) - (b == s)) for (a, b), w in self.wires.items()) == 0 for s in switches)

    def joined(self) -> bool:
        """Whether every chip reaches every other one."""
        return all(brute.out_of(side, self.wires) for side in brute.sides(self.chips, self.nodes))


@st.composite
def boards(draw: st.DrawFn, most_nodes: int = 7, limited: bool = False) -> Small:
    """3 to 7 nodes, whole, half and third widths; half of the boards are the same both ways."""
    nodes = draw(st.integers(2, most_nodes))
    chips = draw(st.integers(2, nodes))
    width = st.sampled_from([Fraction(n, d) for n in (1, 2, 5, 10, 25) for d in (1, 2, 5)])
    pairs = [(a, b) for a in range(nodes) for b in range(nodes) if a != b]
    wires = {pair: draw(width) for pair in pairs if draw(st.integers(0, 2))}
    if draw(st.booleans()):
        wires = {pair: wires[min(pair), max(pair)] for pair in pairs if (min(pair), max(pair)) in wires}
    limits = []
    for _ in range(draw(st.integers(1, 3)) if limited and wires else 0):
        # What leaves a node, what enters it, or a wire both ways: no way takes two of them.
        a, b = draw(st.sampled_from(sorted(wires)))
        way = draw(st.sampled_from(["out", "into", "both"]))
        alike = [
            (way == "out" and s == a) or (way == "into" and d == b) or (way == "both" and {s, d} == {a, b})
            for s, d in wires
        ]
        over = [number for number, like in enumerate(alike) if like and draw(st.integers(0, 3))]
        if over:
            limits.append((draw(width), tuple(over)))
    small = Small(chips, nodes, wires, tuple(limits))
    assume(small.joined())
    return small


@st.composite
def shares(draw: st.DrawFn, chips: int) -> tuple[list[int], Shares]:
    weights = draw(st.lists(st.integers(0, 7), min_size=chips, max_size=chips).filter(any))
    return weights, [Fraction(weight, sum(weights)) for weight in weights]


def found(bound: Bound | None) -> Bound:
    assert bound is not None
    return bound


@settings(deadline=None, max_examples=200)
@given(small=boards(), data=st.data())
def test_one_way_is_what_the_narrowest_cut_allows(small: Small, data: st.DataObject) -> None:
    """Exactly, and the cut that is named is as narrow; where switches would have to multiply, no more than that."""
    weights, parts = data.draw(shares(small.chips))
    root = data.draw(st.integers(0, small.chips - 1))
    board = small.topology()
    for kind, back in [("all_gather", False), ("reduce_scatter", True), ("broadcast", False), ("reduce", True)]:
        wires = brute.turned(small.wires) if back else small.wires
        if kind in ("all_gather", "reduce_scatter"):
            bound = found(board.bound(kind, weights=weights))
            expected = brute.all_gather(small.chips, small.nodes, wires, parts)
        else:
            bound = found(board.bound(kind, root=root))
            expected = brute.broadcast(small.chips, small.nodes, wires, root)
        if small.balanced():
            assert (bound.exact, bound.proof, bound.attained) == (expected, "cut", True)
            check_cut(bound, board)
        else:
            assert bound.rate_GBps <= expected * (1 + Fraction(1, 10**9))


def check_cut(bound: Bound, board: Topology) -> None:
    """What crosses from one side to the other is the links that are named, and their width / share is the rate."""
    side = set(bound.side)
    ways = [(link.src in side, link.dst in side) for link in board.links]
    assert [i for i, way in enumerate(ways) if way == (not bound.into, bound.into)] == list(bound.links)
    width = sum(Fraction(repr(board.links[i].bandwidth_GBps)) for i in bound.links)
    assert width / (bound.share or 0) == bound.exact
    assert bound.in_words(board).startswith("cut: ")


@settings(deadline=None, max_examples=150)
@given(small=boards(), data=st.data())
def test_gather_and_scatter(small: Small, data: st.DataObject) -> None:
    weights, parts = data.draw(shares(small.chips))
    root = data.draw(st.integers(0, small.chips - 1))
    board = small.topology()
    for kind, ends in [("scatter", small.wires), ("gather", brute.turned(small.wires))]:
        bound = board.bound(kind, root=root, weights=weights)
        if parts[root] == 1:
            assert bound is None
        else:
            assert found(bound).exact == brute.scatter(small.chips, small.nodes, ends, root, parts)
            check_cut(found(bound), board)


@settings(deadline=None, max_examples=150)
@given(small=boards(), in_switch=st.booleans())
def test_all_reduce_is_the_optimum_of_all_flows(small: Small, in_switch: bool) -> None:
    bound = found(small.topology().bound("all_reduce", in_switch=in_switch))
    expected = brute.trees("both", small.chips, small.nodes, small.wires, multiply=in_switch)
    assert bound.rate_GBps == pytest.approx(expected, rel=1e-7)
    assert bound.exact is not None
    assert bound.rate_GBps == float(bound.exact)


@settings(deadline=None, max_examples=40)
@given(small=boards(5, limited=True), data=st.data())
def test_shared_limits(small: Small, data: st.DataObject) -> None:
    board = small.topology()
    weights, parts = data.draw(shares(small.chips))
    root = data.draw(st.integers(0, small.chips - 1))
    at_root = [Fraction(chip == root) for chip in range(small.chips)]
    kinds: list[tuple[str, str, Shares | None]] = [
        ("all_reduce", "both", None), ("all_gather", "down", parts), ("reduce_scatter", "up", parts),
        ("broadcast", "down", at_root), ("reduce", "up", at_root),
    ]  # fmt: skip
    for kind, ways, roots in kinds:
        bound = found(board.bound(kind, root=root, weights=weights))
        expected = brute.trees(ways, small.chips, small.nodes, small.wires, small.limits, roots)
        assert bound.rate_GBps == pytest.approx(expected, rel=1e-7)


@settings(deadline=None, max_examples=60)
@given(small=boards(5), data=st.data())
def test_switches_that_would_have_to_multiply(small: Small, data: st.DataObject) -> None:
    board = small.topology()
    weights, parts = data.draw(shares(small.chips))
    for kind, ways in [("all_gather", "down"), ("reduce_scatter", "up")]:
        for in_switch in (False, True):
            bound = found(board.bound(kind, weights=weights, in_switch=in_switch))
            expected = brute.trees(ways, small.chips, small.nodes, small.wires, (), parts, in_switch)
            assert bound.rate_GBps == pytest.approx(expected, rel=1e-7)


@settings(deadline=None, max_examples=60)
@given(small=boards(6, limited=True))
def test_trees_that_are_packed_reach_the_bound(small: Small) -> None:
    """Through switches and under limits: trees do as well as flows."""
    board = small.topology()
    for kind in ("all_reduce", "all_gather", "broadcast"):
        packing = pack(FreeHops(board, board.devices), demands(kind, small.chips))
        assert packing.rate_GBps == pytest.approx(found(board.bound(kind)).rate_GBps, rel=1e-6)


@settings(deadline=None, max_examples=60)
@given(small=boards(5), data=st.data())
def test_any_prices_prove_a_bound(small: Small, data: st.DataObject) -> None:
    """Whatever the prices, what they prove is no less than the optimum, both ways at once."""
    board = wires(small.topology(), range(small.chips))
    ways = [Way(turned, np.zeros(small.nodes, np.bool_)) for turned in (board, board.reversed)]
    price = st.floats(0, 1)
    sides = data.draw(st.lists(st.sampled_from(list(brute.sides(small.chips, small.nodes))), min_size=1, max_size=6))
    sets = tuple((data.draw(st.integers(0, 1)), np.array([v in side for v in range(small.nodes)])) for side in sides)
    nodes = np.array([[data.draw(price) if v >= small.chips else 0.0 for v in range(small.nodes)] for _ in ways])
    found = Multipliers(sets, np.array([data.draw(price) for _ in sets]), nodes, np.zeros(0))
    expected = brute.trees("both", small.chips, small.nodes, small.wires)
    proved = certify(ways, np.eye(small.chips, dtype=np.int64), found, expected)
    if proved is not None:
        assert proved[0].rate_GBps >= expected * (1 - 1e-9)


@settings(deadline=None, max_examples=80)
@given(small=boards(5, limited=True), limited=st.booleans(), data=st.data())
def test_all_to_all_is_the_best_flow(small: Small, limited: bool, data: st.DataObject) -> None:
    weights, parts = data.draw(shares(small.chips))
    limits = small.limits if limited else ()
    bound = found(brute.board(small.chips, small.wires, small.nodes - small.chips, limits).bound(
        "all_to_all", weights=weights
    ))  # fmt: skip
    expected = brute.all_to_all(small.chips, small.nodes, small.wires, parts, limits)
    assert bound.rate_GBps == pytest.approx(expected, rel=1e-7)
    assert bound.attained


def test_a_limit_that_counts_once_on_a_way_proves_nothing_of_links_in_a_row() -> None:
    """Two chips over a switch, one limit on all four links: each message takes it once, and not twice."""
    wires = {(0, 2): Fraction(10), (2, 0): Fraction(10), (1, 2): Fraction(10), (2, 1): Fraction(10)}
    small = Small(2, 3, wires, ((Fraction(10), (0, 1, 2, 3)),))
    board = small.topology().with_defaults(latency_us=0.0)
    bound = found(board.bound("all_reduce"))
    assert not bound.attained
    reached = 2**28 / plan(board, "all_reduce", 2**28).time_us / 1e3
    assert 4.9 < reached <= bound.rate_GBps
