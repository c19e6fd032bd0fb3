"""Time to prove the bounds of collectives on boards of many chips, each on a topology that knows nothing yet.

    python scripts/bench_bounds.py [BOARD|FILE ...] [--json]

Without names: boxes of 8 chips (450 GB/s to a switch, a NIC of 50 GB/s each to one more), whole and with one NIC down,
meshes of links of 10 GB/s, and one switch for 4,096 chips.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import topology
from topology import Topology

KINDS = ("all_gather", "all_reduce", "all_to_all")
Wires = dict[tuple[int, int], float]


def graph(name: str, chips: int, switches: int, wires: Wires) -> Topology:
    """The same bandwidth both ways."""
    nodes = [{"id": i, "kind": "accel" if i < chips else "switch"} for i in range(chips + switches)]
    links = [{"src": a, "dst": b, "bw": bw, "lat": 1} for ends, bw in wires.items() for a, b in (ends, ends[::-1])]
    return topology.loads(json.dumps({"name": name, "nodes": nodes, "links": links}), name)


def boxes(count: int, dead: int = 0) -> Topology:
    chips = 8 * count
    wires = {(chip, chips + chip // 8): 450.0 for chip in range(chips)}
    wires |= {(chip, chips + count): 50.0 for chip in range(dead, chips)}
    return graph(f"{count}x8" + ", one NIC down" * (dead > 0), chips, count + 1, wires)


def mesh(side: int) -> Topology:
    chips = range(side * side)
    right = {(chip, chip + 1): 10.0 for chip in chips if chip % side < side - 1}
    return graph(f"mesh {side}x{side}", len(chips), 0, right | {(chip, chip + side): 10.0 for chip in chips[:-side]})


def boards() -> Iterator[Topology]:
    yield from (boxes(count, dead) for count in (2, 4, 16) for dead in (0, 1))
    yield from (mesh(side) for side in (4, 8, 16))
    yield graph("switch of 4096", 4096, 1, {(chip, 4096): 12.5 for chip in range(4096)})


def measure(board: Topology, kind: str) -> dict[str, Any]:
    """One row."""
    fresh = replace(board)
    begin = time.perf_counter()
    bound = fresh.bound(kind)
    seconds = time.perf_counter() - begin
    assert bound is not None
    row = {"topology": board.name, "ranks": len(board.devices), "collective": kind, "bound_GBps": bound.rate_GBps}
    return row | {"seconds": seconds, "attained": bound.attained, "proof": bound.in_words(fresh)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("boards", nargs="*")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = []
    measure(topology.load("unequal-8-4"), "all_reduce")  # so that no row pays for imports
    for board in map(topology.load, options.boards) if options.boards else boards():
        for kind in KINDS:
            rows.append(row := measure(board, kind))
            if not options.json:
                head = f"{row['topology']:20} {row['ranks']:5} {kind:11} {row['bound_GBps']:9.3f} GB/s"
                print(f"{head} {row['seconds'] * 1e3:7.1f} ms  {row['proof']}", flush=True)
    if options.json:
        print(json.dumps(rows))


if __name__ == "__main__":
    main()
