"""List boards with chips, links and total bandwidth: those that ship, or the files and names that are given."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Any


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("topology", nargs="*", help="files or shipped boards' names (default: all that ship)")
    parser.add_argument("--json", action="store_true", help="one array of objects on stdout, nothing else")


def run(arguments: Namespace) -> int:
    """What cannot be loaded has its line on stderr, and the status is 2; the others are listed."""
    import sys

    import topology
    from _ringtree.errors import Error
    from ringtree.report import to_json

    boards = []
    status = 0
    for name in arguments.topology or topology.shipped():
        try:
            boards.append(_summary(topology.load(name)))
        except Error as problem:
            print(f"ringtree: {problem}", file=sys.stderr)
            status = 2
    if arguments.json:
        print(to_json(boards))
    elif boards:
        _print_table(boards)
    return status


def _print_table(boards: list[dict[str, Any]]) -> None:
    from tabulate import tabulate

    from ringtree.report import fit

    rows = [[*board.values()] for board in boards]
    for row in rows:
        row[4] = fit(row[4], 10)
    headers = ("board", "chips", "nodes", "links", "total GB/s", "description")
    aligned = ("left", "right", "right", "right", "right", "left")
    print(tabulate(rows, headers, tablefmt="plain", colalign=aligned, disable_numparse=True))


def _summary(board: Any) -> dict[str, Any]:
    """`links` counts cables (both directions of a pair are one, parallel ones each); bandwidth as all chips send."""
    return {
        "name": board.name,
        "chips": len(board.devices),
        "nodes": len(board.nodes),
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
