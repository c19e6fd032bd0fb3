"""List the boards that ship with ringtree: chips, links, total bandwidth."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Any


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="one array of objects on stdout, nothing else")


def run(arguments: Namespace) -> int:
    import topology
    from ringtree.report import fit, to_json

    boards = [_summary(topology.load(name)) for name in topology.shipped()]
    if arguments.json:
        print(to_json(boards))
        return 0
    width = max(len(board["name"]) for board in boards)
    print(f"{'board':<{width}}  {'chips':>5}  {'links':>5}  {'total GB/s':>10}  description")
    for board in boards:
        total = fit(board["total_bandwidth_GBps"], 10)
        print(
            f"{board['name']:<{width}}  {board['chips']:>5}  {board['links']:>5}  {total:>10}  {board['description']}"
        )
    return 0


def _summary(board: Any) -> dict[str, Any]:
    """`links` counts cables (both directions of a pair are one, parallel ones each); bandwidth as all chips send."""
    return {
        "name": board.name,
        "chips": len(board.devices),
        "links": cables(board),
        "total_bandwidth_GBps": board.total_bandwidth_GBps,
        "description": board.description,
    }


def cables(board: Any) -> int:
    """Physical links: parallel ones counted each, the two directions of a pair once."""
    ends: dict[tuple[int, int], int] = {}
    for link in board.links:
        pair = (min(link.src, link.dst), max(link.src, link.dst))
        ends[pair] = max(ends.get(pair, 0), link.count)
    return sum(ends.values())
