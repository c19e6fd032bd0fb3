"""Bounds of collectives that trees do best: one way (all_gather and its kin), and both ways at once (all_reduce).

Where nothing but the links is narrow, the narrowest cut is the answer of one way (Edmonds 1973; through switches
that send no more than they receive: Bang-Jensen, Frank and Jackson 1995). An all-reduce is at least a reduce-scatter
followed by an all-gather; where that meets a bound, nothing more need be computed. Else the program of all cuts
decides (cutprogram.py), as it does for shared limits and for switches that would have to multiply data.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np

from .certificate import Certificate, certify
from .cutprogram import CutProgram, Way
from .cuts import Cut, all_gather, broadcast, tight_parts
from .proven import Bound, by_chips, by_cut, by_parts, by_prices
from .wires import Ints, Nodes, Wires

# Programs of more columns are not solved: the best of what is found without them is the bound.
MOST_COLUMNS = 8_000
NEAR = 1e-9


def one_way(way: Way, cut: Cut, shares: Ints, turned: bool) -> Bound:
    """All data rooted at the ranks by these shares, sent one way; `cut` is the narrowest."""
    branches = bool(way.branching.any())
    by_width = by_cut(way.wires, cut, not branches and passes_on(way), turned)
    if passes_on(way) or not (found := _optimum([way], shares[None, :])):
        return by_width
    certificate, exact = found
    if certificate.rate_GBps >= cut.rate(way.wires) * (1 - Fraction(NEAR)):
        return by_cut(way.wires, cut, not branches, turned)
    return by_prices(way.wires, certificate, exact, "prices", not branches)


def passes_on(way: Way) -> bool:
    """Whether cuts alone tell: no shared limits, no node that would have to send more than it receives."""
    into, out = way.wires.into_and_out()
    return not way.wires.limits and bool((into >= out)[way.wires.others() & ~way.branching].all())


def all_reduce(down: Way, up: Way) -> Bound:
    """`up` is turned: both ways lead from the roots. NoRouteError where a rank does not reach another."""
    ranks = len(down.wires.ranks)
    equal = [Fraction(1, ranks)] * ranks
    gather = all_gather(down.wires, equal)
    scatter = gather if down.wires.symmetric else all_gather(up.wires, equal)
    branches = bool(down.branching.any() or up.branching.any())
    if not branches and passes_on(down) and passes_on(up):
        two_steps = 1 / (1 / gather.rate(down.wires) + 1 / scatter.rate(up.wires))
        if found := _meets(two_steps, down.wires, up.wires, gather, scatter):
            return found
    optimum = _optimum([down, up], np.eye(ranks, dtype=np.int64))
    simple = _whole_cuts(down.wires, up.wires) + ([] if branches else _chips(down.wires, up.wires))
    if optimum is None:
        return min(simple, key=lambda bound: bound.rate_GBps)
    certificate, exact = optimum
    if not branches and (parts := _disjoint(down.wires, certificate.sets)):
        simple += [by_parts(down.wires, parts, False), by_parts(up.wires, parts, False, True)]
    least = min(simple, key=lambda bound: bound.rate_GBps)
    if least.rate_GBps <= certificate.rate_GBps * (1 + NEAR):
        return replace(least, attained=not branches)
    return by_prices(down.wires, certificate, exact, "prices", not branches)


def _meets(rate: Fraction, down: Wires, up: Wires, gather: Cut, scatter: Cut) -> Bound | None:
    """A bound that is no more than this rate of a reduce-scatter and then an all-gather: that is the optimum then."""
    for wires, cut, turned in ((down, gather, False), (up, scatter, True)):
        if cut.width * wires.unit_GBps <= rate:
            return by_cut(wires, replace(cut, share=Fraction(1)), True, turned)
    for bound in _chips(down, up):
        if bound.rate_GBps <= rate * (1 + Fraction(NEAR)):
            return replace(bound, attained=True)
    wires, cut, turned = min(((down, gather, False), (up, scatter, True)), key=lambda way: way[1].rate(way[0]))
    parts = tight_parts(wires, cut)
    if parts and (bound := by_parts(wires, parts, True, turned)).rate_GBps <= rate * (1 + Fraction(NEAR)):
        return bound
    return None


def _whole_cuts(down: Wires, up: Wires) -> list[Bound]:
    """All of the data must cross every cut."""
    return [by_cut(wires, broadcast(wires, 0), False, turned) for wires, turned in ((down, False), (up, True))]


def _chips(down: Wires, up: Wires) -> list[Bound]:
    """Every tree enters, and leaves, every chip but one."""
    return [by_chips(wires, False, turned) for wires, turned in ((down, False), (up, True))]


def _disjoint(wires: Wires, sets: Sequence[Nodes]) -> list[Nodes]:
    """Sets, or what they leave over, that hold each rank once; the largest of no more than half of the ranks first."""
    ranks = len(wires.ranks)
    sides = [side for beyond in sets for side in (beyond, ~beyond) if 0 < 2 * side[wires.ranks].sum() <= ranks]
    left, parts = np.ones(ranks, np.bool_), []
    for side in sorted(sides, key=lambda side: -int(side[wires.ranks].sum())):
        if left[side[wires.ranks]].all():
            left[side[wires.ranks]] = False
            parts.append(side)
    return [] if left.any() else parts


def _optimum(ways: Sequence[Way], roots: Ints) -> tuple[Certificate, bool] | None:
    """Of the program of all cuts, where it is not too large."""
    wires = ways[0].wires
    if len(roots) + len(wires.ranks) + len(ways) * len(wires.src) > MOST_COLUMNS:
        return None
    program = CutProgram(ways, roots)
    rate = program.solve()
    return certify(ways, roots, program.multipliers(), rate)
