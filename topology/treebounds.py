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
from typing import NamedTuple

import numpy as np

from .certificate import Certificate, certify
from .cutprogram import CutProgram, Way
from .cuts import Cut, all_gather, around_each, broadcast, tight_parts
from .proven import Bound, by_chips, by_cut, by_parts, by_prices
from .wires import Ints, Nodes, Wires

# Programs of more columns are not solved: the best of what is found without them is the bound.
MOST_COLUMNS = 5_000
NEAR = 1e-9


def one_way(way: Way, cut: Cut, weights: Ints, turned: bool) -> Bound:
    """All data rooted at the ranks by these weights, sent one way; `cut` is the narrowest."""
    branches = bool(way.branching.any())
    by_width = by_cut(way.wires, cut, not branches and passes_on(way), turned)
    if passes_on(way):
        return by_width
    found = _optimum([way], weights[None, :])
    if found is None:
        return by_width
    attained = found.settled and not branches
    if by_width.rate_GBps <= found.certificate.rate_GBps * (1 + NEAR):
        return replace(by_width, attained=attained)
    return by_prices(way.wires, found.certificate, found.simple, "prices", attained)


def passes_on(way: Way) -> bool:
    """Whether cuts alone tell: no shared limits, no node that would have to send more than it receives."""
    into, out = way.wires.into_and_out()
    return not way.wires.limits and bool((into >= out)[way.wires.others() & ~way.branching].all())


def all_reduce(down: Way, up: Way) -> Bound:
    """`up` is turned: both ways lead from the roots. NoRouteError where a rank does not reach another."""
    ranks = len(down.wires.ranks)
    equal = np.ones(ranks, np.int64)
    gather = all_gather(down.wires, equal)
    scatter = gather if down.wires.symmetric else all_gather(up.wires, equal)
    branches = bool(down.branching.any() or up.branching.any())
    rates = gather.rate(down.wires), scatter.rate(up.wires)
    plain = passes_on(down) and passes_on(up)
    if plain and not branches:
        two_steps = 1 / (1 / rates[0] + 1 / rates[1])
        if found := _meets(two_steps, down.wires, up.wires, gather, scatter):
            return found
    optimum = _optimum([down, up], np.eye(ranks, dtype=np.int64), float(min(rates)) / 2 if plain else None)
    simple = _whole_cuts(down.wires, up.wires) + ([] if branches else _chips(down.wires, up.wires))
    sets = optimum.certificate.sets if optimum else [*around_each(down.wires), *around_each(up.wires)]
    if not branches and (parts := _disjoint(down.wires, sets)):
        simple += [by_parts(down.wires, parts, False), by_parts(up.wires, parts, False, True)]
    least = min(simple, key=lambda bound: bound.rate_GBps)
    if optimum is None:
        return least
    attained = optimum.settled and not branches
    if least.rate_GBps <= optimum.certificate.rate_GBps * (1 + NEAR):
        return replace(least, attained=attained)
    return by_prices(down.wires, optimum.certificate, optimum.simple, "prices", attained)


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


class _Optimum(NamedTuple):
    """`simple`: the certificate's prices are; `settled`: it is the program's optimum, not only a bound."""

    certificate: Certificate
    simple: bool
    settled: bool


def _optimum(ways: Sequence[Way], roots: Ints, even_GBps: float | None = None) -> _Optimum | None:
    """Of the program of all cuts, where it is not too large and can be solved."""
    wires = ways[0].wires
    if len(roots) + len(wires.ranks) + len(ways) * len(wires.src) > MOST_COLUMNS:
        return None
    program = CutProgram(ways, roots)
    rate = program.solve(even_GBps)
    found = certify(ways, roots, program.multipliers(), rate)
    return found and _Optimum(*found, program.settled)
