"""The best packings of trees: bound, time to find them, and what the simulator makes of them.

    python scripts/bench_planner.py [BOARD|FILE ...] [--latency 1us] [--json]

Without names: all shipped boards of up to 32 chips whose bandwidths are known. For all-reduce, all-gather and
reduce-scatter: the bound over free paths, the packing over the board's routes, and the share of the bound that
`forest` reaches at 64 MiB and 1 GiB with its best number of pieces.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from typing import Any

import topology
from _ringtree.core import Collective
from _ringtree.errors import Error
from _ringtree.units import parse_time_us
from collectives import plan
from collectives.planning import Planner
from topology import Topology
from topology.bounds import bound

# Measured is planning from nothing.
os.environ["RINGTREE_CACHE"] = "off"

KINDS = ("all_reduce", "all_gather", "reduce_scatter")
SIZES = {"64MiB": 2**26, "1GiB": 2**30}
MOST_CHIPS = 32


def measure(board: Topology, kind: str) -> dict[str, Any]:
    """One row."""
    limit = bound(board, kind)
    assert limit is not None
    begin = time.perf_counter()
    trees = Planner(board, board.devices).shares(Collective(kind, len(board.devices), 1))
    seconds = time.perf_counter() - begin
    row: dict[str, Any] = {"topology": board.name, "ranks": len(board.devices), "collective": kind}
    row |= {"bound_GBps": limit.rate_GBps, "trees": len(trees), "seconds": seconds}
    for name, size in SIZES.items():
        found = plan(board, kind, size, algorithm="forest")
        row[f"percent_{name}"] = 100 * size / found.time_us / 1e3 / limit.rate_GBps
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("boards", nargs="*")
    parser.add_argument("--latency", type=parse_time_us, default=1.0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = []
    for name in options.boards or topology.shipped():
        board = topology.load(name).with_defaults(latency_us=options.latency)
        if len(board.devices) > MOST_CHIPS:
            continue
        for kind in KINDS:
            try:
                rows.append(measure(board, kind))
            except Error as problem:
                print(f"# {problem}")
                break
            if not options.json:
                report(rows[-1])
    if options.json:
        print(json.dumps(rows))


def report(row: dict[str, Any]) -> None:
    head = f"{row['topology']:24} {row['ranks']:3} {row['collective']:15} bound {row['bound_GBps']:8.3f} GB/s"
    shares = "  ".join(f"{name} {row[f'percent_{name}']:5.1f} %" for name in SIZES)
    print(f"{head}  {row['trees']:4} trees in {row['seconds']:5.2f} s  {shares}", flush=True)


if __name__ == "__main__":
    main()
