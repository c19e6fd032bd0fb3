"""Forests of few steps as shares of one collective's data: what short and middle vectors want (topology.stepped)."""

from __future__ import annotations

from collections.abc import Sequence

from _ringtree.errors import UnsupportedError
from topology import Topology
from topology.stepped import WORK, Stepped, stepped

from .forests import Share

KINDS = ("all_reduce", "reduce_scatter", "all_gather")


def stepped_shares(
    topology: Topology, placement: Sequence[int], kind: str, steps: int, trees: int, work: int = WORK
) -> tuple[Share, ...]:
    """`trees` equal shares for each rank's part, each tree of `steps` hops at most, and links that are evenly busy.

    An all-reduce goes up such trees and then down such trees. `work`: about how many nanoseconds the search of each
    way may take. Raises NoRouteError where a rank is more hops away, UnsupportedError for other collectives.
    """
    if kind not in KINDS:
        raise UnsupportedError(f"stepped trees: found {kind}; expected one of {', '.join(KINDS)}")
    ways = [
        stepped(topology, placement, steps, trees, up, work) if kind in wanted else None
        for up, wanted in ((True, ("all_reduce", "reduce_scatter")), (False, ("all_reduce", "all_gather")))
    ]
    return joined(*ways)


def joined(up: Stepped | None, down: Stepped | None) -> tuple[Share, ...]:
    """The trees as equal shares, those of both ways joined at their roots."""
    ups = [(tree.root, tree.parents) for tree in up.trees] if up else []
    downs = [(tree.root, tree.parents) for tree in down.trees] if down else []
    roots = [root for root, _ in ups or downs]
    return tuple(
        Share(root, ups[i][1] if ups else None, downs[i][1] if downs else None, 1.0) for i, root in enumerate(roots)
    )
