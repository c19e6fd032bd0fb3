"""How good a plan is: what no schedule can exceed on its board, the proof in words, and the part that it reaches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from topology import Topology

from . import cache

if TYPE_CHECKING:
    from .planning import Plan


@dataclass(frozen=True)
class Certificate:
    """`percent` of the bound is what the plan reaches with its latencies; None where nothing is moved."""

    bound_GBps: float
    proof: str
    percent: float | None = None


def bound_of(topology: Topology, placement: Sequence[int], kind: str, root: int) -> Certificate | None:
    """The bound of a collective of the ranks on these nodes; None for a barrier or one rank. Raises NoRouteError."""
    found = cache.of_plans(topology, placement, 0.0).recall(
        ("bound", kind, root), lambda: _find(topology, placement, kind, root)
    )
    return None if found is None else Certificate(*found)


def _find(topology: Topology, placement: Sequence[int], kind: str, root: int) -> tuple[float, str] | None:
    """The bound and its proof in words."""
    from topology.bounds import bound

    found = bound(topology, kind, placement, root)
    return None if found is None else (found.rate_GBps, found.in_words(topology))


def certify(plan: Plan) -> Certificate | None:
    """What the plan says of itself; None without a board or a bound."""
    if plan.topology is None:
        return None
    found = bound_of(plan.topology, plan.placement, plan.collective.kind, plan.collective.root)
    if found is None or not plan.nbytes or not plan.time_us:
        return found
    return Certificate(found.bound_GBps, found.proof, 100 * plan.nbytes / plan.time_us / 1e3 / found.bound_GBps)
