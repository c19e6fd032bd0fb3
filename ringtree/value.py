"""A topology as plain data, for `show --json`: every field, with node ids and link indices as in records."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from topology import Topology


def as_dict(board: Topology) -> dict[str, Any]:
    """Bandwidths in GB/s per direction, latencies in us, null where unknown."""
    return {
        "name": board.name,
        "description": board.description,
        "source": board.source,
        "devices": list(board.devices),
        "nodes": [asdict(node) | {"group": node.group} for node in board.nodes],
        "links": [asdict(link) for link in board.links],
        "limits": [asdict(limit) for limit in board.limits],
        "kinds": [asdict(kind) for kind in board.kinds],
        "total_bandwidth_GBps": board.total_bandwidth_GBps,
        "assumed": list(board.assumed),
        "digest": board.digest(),
    }
