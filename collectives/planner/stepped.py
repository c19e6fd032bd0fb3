"""Forests of few steps: trees for each rank's part that are all done after so many steps, none longer than it must be.

What short and middle vectors want (topology/stepped.py): the step-optimal all-gathers of SCCL are of this kind.
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
    from topology.stepped import Stepped

    from .planning import Planner

# What a search may take, about, in nanoseconds.
WORK = 5_000_000
# Trees for each rank's part, where they are not asked for.
TREES = (1, 2, 3)
MOST_STEPS = 8
MOST_RANKS = 32


def stepped_families(planner: Planner, collective: Collective, asked: Specification) -> Iterator[Family]:
    """Those of the steps and trees asked for; or else, among others, of as few steps as there can be, and one more."""
    steps_asked = asked.get("steps")
    if planner.topology is None or collective.kind not in KINDS or collective.counts is not None:
        if steps_asked:
            raise UnsupportedError(f"algorithm: forest:steps does not do {collective.kind} here")
        return
    if steps_asked is None and collective.ranks > MOST_RANKS:
        return
    tried = 0
    for steps in range(1, MOST_STEPS + 1) if steps_asked is None else (steps_asked,):
        try:
            for trees in TREES if asked.get("trees") is None else (asked.get("trees") or 1,):
                found, rate_GBps = planner.stepped(collective, steps, trees)
                settled = {"steps": steps, "trees": trees}
                yield Family(members(collective, forest(collective, found), asked, settled), steps, rate_GBps)
        except NoRouteError:
            if steps_asked:
                raise
            continue
        tried += 1
        if tried == 2:
            return


def stepped_with_rate(
    topology: Topology, placement: Sequence[int], kind: str, steps: int, trees: int
) -> tuple[tuple[Share, ...], float]:
    """The shares, and the algbw in GB/s that they cannot exceed. Raises NoRouteError."""
    from topology.hops import RoutedHops

    found = stepped_shares(topology, placement, kind, steps, trees, WORK)
    return found, utmost_GBps(RoutedHops(topology, placement), found)


KINDS = ("all_reduce", "reduce_scatter", "all_gather")


def stepped_shares(
    topology: Topology, placement: Sequence[int], kind: str, steps: int, trees: int, work: int = WORK
) -> tuple[Share, ...]:
    """`trees` equal shares for each rank's part, each tree of `steps` hops at most, and links that are evenly busy.

    An all-reduce goes up such trees and then down such trees. `work`: about how many nanoseconds the search of each
    way may take. Raises NoRouteError where a rank is more hops away, UnsupportedError for other collectives.
    """
    from topology.stepped import stepped

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
