"""Forests for short messages: trees that reach every rank as early as they can, over links that they keep busy.

A packing (forests.py) is the best where only rates count; here the pieces have a size, and each hop takes its latency
and its turn on the links (csrc/early.h). Trees up are trees down on the board turned round.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from _ringtree.core import Collective
from _ringtree.errors import NoRouteError, UnsupportedError
from topology import Topology

from .family import Family
from .forests import Share, forest, members, utmost_GBps
from .specification import Specification

if TYPE_CHECKING:
    from .planning import Planner

# Of each part: more of them share the links more evenly, and each is a lane on every rank.
PIECES = 4
MOST_RANKS = 64
# Where the links alone take this many times the latency, packings are faster.
LONG = 30


def early_families(planner: Planner, collective: Collective, asked: Specification, nbytes: int) -> Iterator[Family]:
    """The one family of such forests: asked for by the bytes of a piece, or else, among others, of this very size."""
    if planner.topology is None or collective.ranks < 2 or collective.counts is not None:
        if asked.get("early"):
            raise UnsupportedError("algorithm: forest:early needs a board, two ranks and parts that are alike")
        return
    parts = 1 if collective.kind in ("broadcast", "reduce") else collective.ranks
    size = asked.get("early") or max(1, nbytes // (parts * PIECES))
    try:
        found, rate_GBps = planner.early(collective, size)
    except NoRouteError:
        if asked.get("early"):
            raise
        return
    yield Family(members(collective, forest(collective, found), asked, {"early": size}), 2, rate_GBps)


def early_shares(
    topology: Topology, placement: Sequence[int], kind: str, root: int, nbytes: int, cost_us: float
) -> tuple[tuple[Share, ...], float]:
    """The shares, and the algbw in GB/s that they cannot exceed. Raises NoRouteError."""
    from _ringtree.trees import early_trees
    from topology.hops import RoutedHops

    hops = RoutedHops(topology, placement)
    paths = hops.paths()
    ranks, board = len(placement), topology.board(cost_us)
    roots = [root] if kind in ("broadcast", "reduce") else list(range(ranks))
    ways: dict[bool, list[list[int]]] = {}
    for up in (True, False):
        if kind in (("all_reduce", "reduce_scatter", "reduce") if up else ("all_reduce", "all_gather", "broadcast")):
            turned = {(dst, src): path[::-1] for (src, dst), path in paths.items()} if up else paths
            ways[up] = early_trees(board, turned, ranks, roots, PIECES, nbytes)[0].reshape(-1, ranks).tolist()

    def parents(up: bool, tree: int) -> tuple[int, ...] | None:
        return tuple(ways[up][tree]) if up in ways else None

    trees = range(PIECES * len(roots))
    found = tuple(Share(roots[tree % len(roots)], parents(True, tree), parents(False, tree), 1.0) for tree in trees)
    return found, utmost_GBps(hops, found)
