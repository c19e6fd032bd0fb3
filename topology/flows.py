"""Data that is sent and not combined: how fast parts reach their ranks, when ranks may pass on what is not their own.

Maximum concurrent flow, a linear program: for each source a flow over the arcs that leaves each rank's share of the
rate there; flows share the capacities of arcs and limits. Fluid schedules reach its optimum. It is proved by lengths
of the arcs, the program's prices: what every byte must travel, against what there is to travel on,

    rate <= (sum of bandwidth x length) / (sum over pairs of share x distance)
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from .certificate import FINEST, NEAR, Certificate, common_denominator
from .quotient import Entries, solve
from .wires import Ints, Wires

Floats = NDArray[np.float64]
# Columns of the program that are written down, and that may be left when equal ones are one.
MOST_WRITTEN, MOST_LEFT = 500_000, 20_000
# Distances between all nodes are worked out for no more than this many.
MOST_NODES = 600


@dataclass(frozen=True)
class Demands:
    """sources[i] sends parts[i, r] of the data to rank r: whole numbers of 1 / `whole`."""

    sources: Ints
    parts: Ints
    whole: int


def hops(wires: Wires, demands: Demands) -> Certificate | None:
    """What equal lengths of all arcs prove, on boards that are not too large for it."""
    if wires.nodes > MOST_NODES:
        return None
    return _prove(wires, demands, np.array([1] * len(wires.src) + [0] * len(wires.limits), np.int64))


def concurrent(wires: Wires, demands: Demands, near_GBps: float) -> tuple[Certificate, bool] | None:
    """The largest rate at which all demands flow at once, proved, and whether that is exact.

    `near_GBps` is about that rate. None where the program is too large. Ranks that are asked for must be in reach.
    """
    sources, arcs = len(demands.sources), len(wires.src)
    if sources * arcs > MOST_WRITTEN:
        return None
    scale = near_GBps / float(wires.unit_GBps)
    most = np.array([*wires.capacity, *(limit for limit, _ in wires.limits)]) / scale
    balances = np.zeros(sources * wires.nodes)
    lower = np.concatenate([np.full(len(most), -np.inf), balances])
    costs = np.zeros(1 + sources * arcs)
    costs[0] = -1.0
    found = solve(_entries(wires, demands), lower, np.concatenate([most, balances]), costs, MOST_LEFT)
    if found is None:
        return None
    prices = np.abs(found.prices[: len(most)])
    rate = -found.objective * scale * float(wires.unit_GBps)
    return _certify(wires, demands, prices / prices.max(), rate) if prices.any() else None


def _entries(wires: Wires, demands: Demands) -> Entries:
    """Rows: arcs, limits, then by source and node. Columns: the rate, then by source and arc."""
    arcs, nodes = len(wires.src), wires.nodes
    source, arc = (index.ravel() for index in np.indices((len(demands.sources), arcs)))
    column, balance = 1 + source * arcs + arc, arcs + len(wires.limits) + source * nodes
    start = demands.sources[source]
    blocks = [(arc, column, np.ones(len(arc)))]
    for number, (_, limited) in enumerate(wires.limits, start=arcs):
        under = np.isin(arc, limited)
        blocks.append((np.full(under.sum(), number), column[under], np.ones(under.sum())))
    for ends, sign in ((wires.dst[arc], 1.0), (wires.src[arc], -1.0)):
        counts = ends != start
        blocks.append(((balance + ends)[counts], column[counts], np.full(counts.sum(), sign)))
    of, rank = np.nonzero(demands.parts)
    far = demands.sources[of] != wires.ranks[rank]
    of, rank = of[far], rank[far]
    row = arcs + len(wires.limits) + of * nodes + wires.ranks[rank]
    blocks.append((row, np.zeros(len(row), np.int64), -demands.parts[of, rank] / demands.whole))
    rows, columns, values = (np.concatenate(part) for part in zip(*blocks, strict=True))
    return Entries(rows, columns, values)


def _certify(wires: Wires, demands: Demands, prices: Floats, rate: float) -> tuple[Certificate, bool] | None:
    below = common_denominator(prices)
    if below is not None:
        simple = _prove(wires, demands, np.rint(prices * below).astype(np.int64))
        if simple is not None and abs(simple.rate_GBps - rate) <= NEAR * rate:
            return simple, True
    fine = _prove(wires, demands, np.rint(prices * FINEST).astype(np.int64))
    return None if fine is None else (fine, False)


def _prove(wires: Wires, demands: Demands, prices: Ints) -> Certificate | None:
    """What whole lengths of arcs and limits prove."""
    arcs = len(wires.src)
    lengths = prices[:arcs].copy()
    for price, (_, limited) in zip(prices[arcs:], wires.limits, strict=True):
        lengths[list(limited)] += price
    far = distances(wires, lengths)[np.ix_(demands.sources, wires.ranks)]
    asked = sum(int(far[i, j]) * int(demands.parts[i, j]) for i, j in zip(*np.nonzero(demands.parts), strict=True))
    if asked == 0:
        return None
    most = [*wires.capacity.tolist(), *(limit for limit, _ in wires.limits)]
    there = sum(width * int(price) for width, price in zip(most, prices, strict=True))
    return Certificate(
        there * wires.unit_GBps * Fraction(demands.whole, asked),
        tuple(wires.links[prices[:arcs] > 0].tolist()),
        tuple(number for number, price in zip(wires.limit_ids, prices[arcs:], strict=True) if price),
    )


def distances(wires: Wires, lengths: Ints) -> Floats:
    """Between all nodes (Floyd and Warshall); whole numbers are exact up to 2^53."""
    far = np.full((wires.nodes, wires.nodes), np.inf)
    np.fill_diagonal(far, 0.0)
    np.minimum.at(far, (wires.src, wires.dst), lengths.astype(float))
    for node in range(wires.nodes):
        np.minimum(far, far[:, node, None] + far[None, node, :], out=far)
    return far
