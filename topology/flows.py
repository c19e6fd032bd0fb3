"""Data that is sent and not combined: how fast parts reach their ranks, when ranks may pass on what is not their own.

Maximum concurrent flow, a linear program: for each source a flow over the links that leaves each rank's share of the
rate there; flows share the capacities of links and limits. An optimum of it is a bound for gather, scatter and
all-to-all, and fluid schedules reach it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from .model import Limit, Link, Topology
from .solver import Solver

Demands = Mapping[int, Mapping[int, float]]


def concurrent_rate(topology: Topology, ranks: Sequence[int], demands: Demands) -> float:
    """The largest X in GB/s at which node `src` sends X x demands[src][dst] to node dst, for all of them at once.

    `ranks` are the nodes of the devices that take part; others pass nothing on, unless the board says that they do.
    inf where nothing is asked for, 0 where something cannot be reached. Raises AssumptionError where a bandwidth is
    unknown.
    """
    wanted = {
        src: {dst: share for dst, share in ends.items() if share > 0 and dst != src} for src, ends in demands.items()
    }
    wanted = {src: ends for src, ends in wanted.items() if ends}
    if not wanted:
        return float("inf")
    parts: list[Link | Limit] = [*topology.links, *topology.limits]
    capacities = [topology.bandwidth(part) for part in parts]
    scale = max(capacities)
    model = Solver()
    rows = [model.row(upper=capacity / scale) for capacity in capacities]
    balances = {(src, node.id): model.row(0.0, 0.0) for src in wanted for node in topology.nodes if node.id != src}
    rate = {balances[src, dst]: -share for src, ends in wanted.items() for dst, share in ends.items()}
    model.column(-1.0, rate)
    takes = _takes(topology, rows)
    idle = {node.id for node in topology.nodes if node.kind == "device" and not node.forward} - set(ranks)
    usable = [(index, link) for index, link in enumerate(topology.links) if not {link.src, link.dst} & idle]
    for src in wanted:
        for index, link in usable:
            entries = defaultdict(float, takes[index])
            for node, sign in ((link.dst, 1.0), (link.src, -1.0)):
                if node != src:
                    entries[balances[src, node]] += sign
            model.column(0.0, entries)
    model.solve()
    return -model.objective * scale


def _takes(topology: Topology, rows: Sequence[int]) -> list[dict[int, float]]:
    """By link: the rows of its own capacity and of the limits that it is in."""
    takes = [{rows[index]: 1.0} for index in range(len(topology.links))]
    for index, limit in enumerate(topology.limits, start=len(topology.links)):
        for link in limit.links:
            takes[link][rows[index]] = 1.0
    return takes
