"""Proofs in whole numbers: prices of sets, nodes and limits, however they were found, prove a bound.

Let every set of nodes ask its price of what must enter it, and every node that forwards take its price for what comes
in and give it for what goes out. An arc of one way then earns

    earns = prices of the sets that it enters + price of its end - price of its start

and all data together asks at least `asked`, the least that one root's data does. A link costs what its arcs earn, the
dearer way, less what its limits cost: no schedule is faster than

    (sum of bandwidth x cost of links + sum of limit x price) / asked
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from .cutprogram import Floats, Multipliers, Way
from .wires import Ints, Nodes

# Prices are ratios of small numbers as a rule: common denominators up to this are tried.
MOST_DENOMINATOR = 2520
FINEST = 2**30
# How far off a value may be from what it is taken for, and which is nothing at all.
NEAR, TINY = 1e-7, 1e-9


@dataclass(frozen=True)
class Certificate:
    """No schedule exceeds `rate_GBps`; links and limits that have a price, by their ids, and sets of nodes."""

    rate_GBps: Fraction
    links: tuple[int, ...]
    limits: tuple[int, ...]
    sets: tuple[Nodes, ...] = ()


def certify(ways: Sequence[Way], roots: Ints, found: Multipliers, rate_GBps: float) -> tuple[Certificate, bool] | None:
    """A proof of about this rate, and whether simple fractions prove it: then it is exact.

    `roots` as whole numbers, of the same sum in each row. None where the multipliers prove nothing.
    """
    most = max(float(found.of_sets.max()), TINY)
    floats = [
        np.where(part > TINY * most, part, 0.0) / most for part in (found.of_sets, found.of_nodes, found.of_limits)
    ]
    below = common_denominator(np.unique(np.concatenate([part.ravel() for part in floats])))
    if below is not None:
        simple = _prove(ways, roots, found.sets, *(_times(part, below) for part in floats))
        if simple is not None and abs(simple.rate_GBps - rate_GBps) <= NEAR * rate_GBps:
            return simple, True
    fine = _prove(ways, roots, found.sets, *(_times(part, FINEST) for part in floats))
    return None if fine is None else (fine, False)


def _times(values: Floats, below: int) -> Ints:
    return np.rint(values * below).astype(np.int64)


def common_denominator(values: Floats) -> int | None:
    """The least that makes all values almost whole; None where none up to MOST_DENOMINATOR does."""
    for below in range(1, MOST_DENOMINATOR + 1):
        if np.abs(values * below - np.rint(values * below)).max() < NEAR * below:
            return below
    return None


def _prove(
    ways: Sequence[Way], roots: Ints, sets: Sequence[tuple[int, Nodes]], of_sets: Ints, of_nodes: Ints, of_limits: Ints
) -> Certificate | None:
    """What whole prices prove; None where they ask nothing of some root's data."""
    wires = ways[0].wires
    earns = np.array([at[way.wires.dst] - at[way.wires.src] for way, at in zip(ways, of_nodes, strict=True)])
    of_ranks = np.zeros(len(wires.ranks), np.int64)
    for price, (way, beyond) in zip(of_sets, sets, strict=True):
        if price:
            earns[way][ways[way].wires.crossing(beyond)] += price
            of_ranks[~beyond[wires.ranks]] += price
    costs = np.maximum(earns.max(axis=0), 0)
    paid = 0
    for price, (most, arcs) in zip(of_limits, wires.limits, strict=True):
        costs[list(arcs)] -= price
        paid += int(price) * most
    costs = np.maximum(costs, 0)
    paid += sum(int(wires.capacity[arc]) * int(costs[arc]) for arc in np.flatnonzero(costs))
    asked = Fraction(min(roots.astype(object) @ of_ranks.astype(object)), int(roots[0].sum()))
    if asked <= 0:
        return None
    links = tuple(wires.links[costs > 0].tolist())
    limits = tuple(number for number, price in zip(wires.limit_ids, of_limits, strict=True) if price)
    priced = tuple(beyond for price, (_, beyond) in zip(of_sets, sets, strict=True) if price)
    return Certificate(paid * wires.unit_GBps / asked, links, limits, priced)
