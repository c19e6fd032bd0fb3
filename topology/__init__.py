"""What is wired to what: boards described in files, as one immutable value.

board = topology.load("ppu-8")          # a shipped board, or a file of any format that is known
board.devices, board.links, board.limits
board.route(0, 4)                       # indices of the links from node 0 to node 4
topology.without(board, "link:0-6")     # the same board with a fault; slow(board, "chip:3=0.5")
"""

from __future__ import annotations

from .catalog import shipped as _shipped
from .degrade import degraded, slow, without
from .graph_json import to_graph_json
from .loading import load, loads
from .model import Figure, Limit, Link, LinkKind, Node, Topology
from .yaml_write import to_yaml

__all__ = [
    "Figure",
    "Limit",
    "Link",
    "LinkKind",
    "Node",
    "Topology",
    "degraded",
    "load",
    "loads",
    "shipped",
    "slow",
    "to_graph_json",
    "to_yaml",
    "without",
]


def shipped() -> list[str]:
    """Names of the boards that ship with the project."""
    return list(_shipped())
