"""How fast a collective of long vectors can be on a board, whatever the algorithm: latency left out, switches forward.

- all_reduce, reduce_scatter, all_gather, broadcast, reduce: the best packing of spanning trees (packing.py) over free
  paths, proved by the prices of links. For all_reduce the trees up and down are packed together: reduce-scatter
  followed by all-gather is not the best on unequal boards.
- gather, scatter, all_to_all: the best concurrent flow (flows.py).

Rates are algbw with `bytes` as in rows: the vector; the concatenated output or input; the root's whole buffer; one
rank's whole send buffer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .flows import concurrent_rate
from .hops import FreeHops
from .model import Topology
from .packing import demands, pack

TREES = ("all_reduce", "reduce_scatter", "all_gather", "broadcast", "reduce")
# What counts as a link that binds: this much of the dearest one's price.
BINDS = 1e-6


@dataclass(frozen=True)
class Bound:
    """No schedule exceeds `rate_GBps`. `binding`: where its proof has prices, ids of links, then limits behind them."""

    rate_GBps: float
    binding: tuple[int, ...]


def bound(topology: Topology, kind: str, placement: Sequence[int] | None = None, root: int = 0) -> Bound | None:
    """The bound of a collective of the ranks on these nodes (None: every device). None for a barrier or one rank.

    Raises AssumptionError where a bandwidth is unknown, NoRouteError where ranks are not joined.
    """
    nodes = topology.devices if placement is None else placement
    if kind == "barrier" or len(nodes) < 2:
        return None
    if kind in TREES:
        hops = FreeHops(topology, nodes)
        packing = pack(hops, demands(kind, len(nodes), root, mirrored=hops.mirrored))
        least = BINDS * max(packing.prices)
        return Bound(packing.bound_GBps, tuple(i for i, price in enumerate(packing.prices) if price > least))
    return Bound(concurrent_rate(topology, nodes, _parts(kind, nodes, root)), ())


def _parts(kind: str, nodes: Sequence[int], root: int) -> dict[int, dict[int, float]]:
    """What each node sends to each, in shares of `bytes`."""
    share = 1 / len(nodes)
    if kind == "all_to_all":
        return {src: dict.fromkeys(nodes, share) for src in nodes}
    if kind == "scatter":
        return {nodes[root]: dict.fromkeys(nodes, share)}
    if kind == "gather":
        return {src: {nodes[root]: share} for src in nodes}
    raise ValueError(f"no bound is known for {kind}")
