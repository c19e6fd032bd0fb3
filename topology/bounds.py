"""How fast a collective of long vectors can be on a board, whatever the algorithm: latency left out.

- all_gather, reduce_scatter, broadcast, reduce: the narrowest cut (cuts.py), or trees' prices (cutprogram.py).
- all_reduce: the best forest, whose trees up and down share the links (treebounds.py): reduce-scatter followed by
  all-gather is not the best on unequal boards.
- gather, scatter: the narrowest cut; all_to_all: the best concurrent flow (flows.py).

Rates are algbw with `bytes` as in rows: the vector; the concatenated output or input; the root's whole buffer; one
rank's whole send buffer. Switches only forward, unless `in_switch` is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np

from _ringtree.errors import InputError

from .cutprogram import Way
from .cuts import Cut, all_gather, broadcast, scatter
from .flows import Demands, concurrent
from .model import Topology
from .proven import Bound, by_cut, by_prices
from .treebounds import NEAR, all_reduce, one_way
from .wires import Ints, Nodes, Wires, whole_numbers, wires

__all__ = ["Bound", "bound"]

# Collectives whose data flows to the root or the owners: the same as another one with all arcs turned round.
TURNED = {"reduce_scatter": "all_gather", "reduce": "broadcast", "gather": "scatter"}
# Shares of the data are taken as so many parts of it at most.
FINEST = 2**40


def bound(
    topology: Topology,
    kind: str,
    placement: Sequence[int] | None = None,
    root: int = 0,
    in_switch: bool = False,
    weights: Sequence[int] | None = None,
    alone: bool = False,
) -> Bound | None:
    """The bound of a collective of the ranks on these nodes (None: every device). None where nothing must move.

    alone: other devices pass nothing on, even if the board says that they forward. in_switch: with switches that
    multiply and combine what passes, as the board says of them; with all of them where it says so of none.
    `weights`: of the ranks' parts, where these differ (all_gather, reduce_scatter, gather, scatter, all_to_all).

    Raises AssumptionError where a bandwidth is unknown, NoRouteError where ranks are not joined.
    """
    nodes = topology.devices if placement is None else placement
    if kind == "barrier" or len(nodes) < 2:
        return None
    board, shares = wires(topology, nodes, alone), _shares(len(nodes), weights)
    multiply, combine = (_branching(topology, what, in_switch) for what in ("multicast", "aggregation"))
    ways = Way(board, multiply), Way(board.reversed, combine)
    if kind == "all_reduce":
        found: Bound | None = all_reduce(*ways)
    elif kind == "all_to_all":
        found = _all_to_all(board, shares)
    else:
        found = _from_roots(ways[kind in TURNED], TURNED.get(kind, kind), root, shares, kind in TURNED)
    return found and replace(found, collective=kind)


def bound_on(
    topology: Topology,
    kind: str,
    devices: Sequence[int] | None = None,
    root: int = 0,
    in_switch: bool = False,
    weights: Sequence[int] | None = None,
) -> Bound | None:
    """The bound on these devices of the board, by number; the other ones take no part, even if they forward."""
    chips = topology.devices
    numbers = range(len(chips)) if devices is None else devices
    for number in numbers:
        if not 0 <= number < len(chips):
            raise InputError(f"{topology.name}: device {number} does not exist; expected 0 to {len(chips) - 1}")
    if len(set(numbers)) != len(numbers):
        raise InputError(f"devices: found {list(numbers)}; expected each chip once")
    if not 0 <= root < len(numbers):
        raise InputError(f"root: found {root}; expected 0 to {len(numbers) - 1}")
    if weights is not None and (len(weights) != len(numbers) or min(weights, default=0) < 0):
        raise InputError(f"weights: found {list(weights)}; expected {len(numbers)} numbers, none below 0")
    return bound(topology, kind, [chips[number] for number in numbers], root, in_switch, weights, alone=True)


def _shares(ranks: int, weights: Sequence[int] | None) -> list[Fraction]:
    """Of the data, 1 together."""
    total = sum(weights or ())
    return [Fraction(weight, total) for weight in weights] if weights and total else [Fraction(1, ranks)] * ranks


def _branching(topology: Topology, what: str, in_switch: bool) -> Nodes:
    """Nodes that multiply (`multicast`) or combine (`aggregation`) what passes."""
    found = np.zeros(len(topology.nodes), np.bool_)
    if in_switch:
        declared = any(node.multicast or node.aggregation for node in topology.nodes)
        for node in topology.nodes:
            found[node.id] = getattr(node, what) if declared else node.kind == "switch"
    return found


def _from_roots(way: Way, kind: str, root: int, shares: Sequence[Fraction], turned: bool) -> Bound | None:
    """Of a collective that goes one way, from the root's chip or from all of them."""
    if kind == "all_gather":
        parts = np.array(whole_numbers(shares, FINEST)[0], np.int64)
        return one_way(way, all_gather(way.wires, shares), parts, turned)
    if kind == "broadcast":
        parts = np.zeros(len(shares), np.int64)
        parts[root] = 1
        return one_way(way, broadcast(way.wires, root), parts, turned)
    if kind == "scatter":
        return _scatter(way.wires, root, shares, turned)
    raise ValueError(f"no bound is known for {kind}")


def _scatter(board: Wires, root: int, shares: Sequence[Fraction], turned: bool) -> Bound | None:
    if shares[root] == 1:
        return None
    cut = scatter(board, root, shares)
    by_width = by_cut(board, cut, not board.limits, turned)
    if not board.limits:
        return by_width
    return _narrower(by_width, board, board.ranks[[root]], shares)


def _all_to_all(board: Wires, shares: Sequence[Fraction]) -> Bound:
    """Every rank sends each its share; NoRouteError where one does not reach another."""
    ranks = len(shares)
    gather = all_gather(board, [Fraction(1, ranks)] * ranks)
    cuts = [_between(board, side, shares) for side in (gather.beyond, ~gather.beyond, *_busiest_chips(board, shares))]
    least = min((cut for cut in cuts if cut.share), key=lambda cut: cut.rate(board))
    return _narrower(by_cut(board, least, False), board, board.ranks, shares)


def _busiest_chips(board: Wires, shares: Sequence[Fraction]) -> list[Nodes]:
    """The chip with the most to receive for its links, and all chips but that with the most to send."""
    into, out = (way[board.ranks] for way in board.into_and_out())
    receives = [share * (len(shares) - 1) / int(width) for share, width in zip(shares, into, strict=True)]
    sends = [(1 - share) / int(width) for share, width in zip(shares, out, strict=True)]
    nodes = np.arange(board.nodes)
    receiver, sender = (board.ranks[load.index(max(load))] for load in (receives, sends))
    return [nodes == receiver, nodes != sender]


def _between(board: Wires, beyond: Nodes, shares: Sequence[Fraction]) -> Cut:
    """What all ranks before the cut send beyond it."""
    inside = beyond[board.ranks]
    share = sum((share for share, far in zip(shares, inside, strict=True) if far), Fraction(0))
    return Cut(beyond, board.width(beyond), share * int((~inside).sum()))


def _narrower(by_width: Bound, board: Wires, sources: Ints, shares: Sequence[Fraction]) -> Bound:
    """The cut where flows say that it can be filled, else what they say."""
    parts, _, _ = whole_numbers(shares, FINEST)
    demands = Demands(sources, np.array([parts] * len(sources), np.int64), sum(parts))
    found = concurrent(board, demands)
    if found is None:
        return by_width
    certificate, exact = found
    if by_width.rate_GBps <= certificate.rate_GBps * (1 + NEAR):
        return replace(by_width, attained=True)
    return by_prices(board, certificate, exact, "flow", True)
