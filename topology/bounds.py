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
from _ringtree.names import KINDS, lookup

from .cutprogram import Way
from .cuts import Cut, all_gather, around_each, broadcast, scatter
from .flows import Demands, concurrent, hops
from .model import Topology
from .proven import Bound, by_cut, by_prices
from .treebounds import NEAR, all_reduce, one_way
from .wires import MOST, Ints, Nodes, Wires, wires

__all__ = ["Bound", "bound"]

# Collectives whose data flows to the root or the owners: the same as another one with all arcs turned round.
TURNED = {"reduce_scatter": "all_gather", "reduce": "broadcast", "gather": "scatter"}


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
    board = wires(topology, nodes, alone)
    parts = np.array(weights if weights and any(weights) else [1] * len(nodes), np.int64)
    multiply, combine = (_branching(topology, what, in_switch) for what in ("multicast", "aggregation"))
    ways = Way(board, multiply), Way(board.reversed, combine)
    if kind == "all_reduce":
        found: Bound | None = all_reduce(*ways)
    elif kind == "all_to_all":
        found = _all_to_all(board, parts)
    else:
        found = _from_roots(ways[kind in TURNED], TURNED.get(kind, kind), root, parts, kind in TURNED)
    return found and replace(found, collective=kind, attained=found.attained and not board.loose)


def bound_on(
    topology: Topology,
    kind: str,
    devices: Sequence[int] | None = None,
    root: int = 0,
    in_switch: bool = False,
    weights: Sequence[int] | None = None,
) -> Bound | None:
    """The bound on these devices of the board, by number; the other ones take no part, even if they forward."""
    lookup(KINDS, kind, "collective")
    chips = topology.devices
    numbers = range(len(chips)) if devices is None else devices
    for number in numbers:
        if not 0 <= number < len(chips):
            raise InputError(f"{topology.name}: device {number} does not exist; expected 0 to {len(chips) - 1}")
    if len(set(numbers)) != len(numbers):
        raise InputError(f"devices: found {list(numbers)}; expected each chip once")
    if not 0 <= root < len(numbers):
        raise InputError(f"root: found {root}; expected 0 to {len(numbers) - 1}")
    if weights is not None and (len(weights) != len(numbers) or min(weights) < 0 or sum(weights) >= MOST):
        raise InputError(f"weights: found {list(weights)}; expected {len(numbers)} numbers of 0 or more, small ones")
    return bound(topology, kind, [chips[number] for number in numbers], root, in_switch, weights, alone=True)


def _branching(topology: Topology, what: str, in_switch: bool) -> Nodes:
    """Nodes that multiply (`multicast`) or combine (`aggregation`) what passes."""
    found = np.zeros(len(topology.nodes), np.bool_)
    if in_switch:
        declared = any(node.multicast or node.aggregation for node in topology.nodes)
        for node in topology.nodes:
            found[node.id] = getattr(node, what) if declared else node.kind == "switch"
    return found


def _from_roots(way: Way, kind: str, root: int, weights: Ints, turned: bool) -> Bound | None:
    """Of a collective that goes one way, from the root's chip or from all of them."""
    if kind == "all_gather":
        return one_way(way, all_gather(way.wires, weights), weights, turned)
    if kind == "broadcast":
        at_root = (np.arange(len(weights)) == root).astype(np.int64)
        return one_way(way, broadcast(way.wires, root), at_root, turned)
    if kind == "scatter":
        return _scatter(way.wires, root, weights, turned)
    raise ValueError(f"no bound is known for {kind}")


def _scatter(board: Wires, root: int, weights: Ints, turned: bool) -> Bound | None:
    if weights[root] == weights.sum():
        return None
    by_width = by_cut(board, scatter(board, root, weights), not board.limits, turned)
    return _narrower(by_width, board, board.ranks[[root]], weights) if board.limits else by_width


def _all_to_all(board: Wires, weights: Ints) -> Bound:
    """Every rank sends each its part. NoRouteError where one does not reach another."""
    gather = all_gather(board, np.ones(len(weights), np.int64))
    sides = [gather.beyond, ~gather.beyond, *_busiest_chips(board, weights)]
    sides += [*around_each(board), *(~beyond for beyond in around_each(board.reversed))]
    cuts = [_between(board, side, weights) for side in sides]
    least = min((cut for cut in cuts if cut.share), key=lambda cut: cut.rate(board))
    return _narrower(by_cut(board, least, False), board, board.ranks, weights)


def _busiest_chips(board: Wires, weights: Ints) -> list[Nodes]:
    """The chip with the most to receive for its links, and all chips but that with the most to send."""
    into, out = (way[board.ranks] for way in board.into_and_out())
    receiver = board.ranks[np.argmax(weights / into)]
    sender = board.ranks[np.argmax((weights.sum() - weights) / out)]
    nodes = np.arange(board.nodes)
    return [nodes == receiver, nodes != sender]


def _between(board: Wires, beyond: Nodes, weights: Ints) -> Cut:
    """What all ranks before the cut send beyond it."""
    inside = beyond[board.ranks]
    share = Fraction(int(weights[inside].sum()) * int((~inside).sum()), int(weights.sum()))
    return Cut(beyond, board.width(beyond), share)


def _narrower(by_width: Bound, board: Wires, sources: Ints, weights: Ints) -> Bound:
    """The cut where flows say that it can be filled, else what they say."""
    demands = Demands(sources, np.tile(weights, (len(sources), 1)), int(weights.sum()))
    found = concurrent(board, demands, by_width.rate_GBps)
    if found is None:
        by_hops = hops(board, demands)
        bounds = [by_width] + ([by_prices(board, by_hops, True, "flow", False)] if by_hops else [])
        return min(bounds, key=lambda bound: bound.rate_GBps)
    certificate, simple = found
    if by_width.rate_GBps <= certificate.rate_GBps * (1 + NEAR):
        return replace(by_width, attained=True)
    return by_prices(board, certificate, simple, "flow", True)
