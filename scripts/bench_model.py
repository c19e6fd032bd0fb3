"""Simulated time against closed forms, on an idle full mesh and an idle switch, 8 B to 1 GiB.

    python scripts/bench_model.py [--ranks 2,4,8,16] [--json]

Closed forms (Hockney; alpha per message, m bytes at beta us per byte, lg = log2 n):
ring 2(n-1) alpha + 2(n-1)/n m beta; recursive doubling lg (alpha + m beta); Rabenseifner 2 lg alpha + 2(n-1)/n m beta;
binomial broadcast ceil(lg) (alpha + m beta); pairwise all-to-all (n-1)(alpha + m/n beta).
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable

import topology
from collectives import plan
from topology import Topology

LATENCY_US = 1.0
BANDWIDTH_GBPS = 50.0
SIZES = [8 * 8**i for i in range(9)] + [2**30]

# The others have no closed form on another number of ranks.
POWERS_OF_TWO = ("recursive_doubling:chunks=1", "rabenseifner:chunks=1")

Form = Callable[[int, float, float, float], float]
FORMS: dict[tuple[str, str], Form] = {
    ("all_reduce", "ring:channels=1:chunks=1"): lambda n, a, m, b: 2 * (n - 1) * a + 2 * (n - 1) / n * m * b,
    ("all_reduce", "recursive_doubling:chunks=1"): lambda n, a, m, b: math.log2(n) * (a + m * b),
    ("all_reduce", "rabenseifner:chunks=1"): lambda n, a, m, b: 2 * math.log2(n) * a + 2 * (n - 1) / n * m * b,
    ("broadcast", "binomial:chunks=1"): lambda n, a, m, b: math.ceil(math.log2(n)) * (a + m * b),
    ("all_to_all", "pairwise:chunks=1"): lambda n, a, m, b: (n - 1) * (a + m / n * b),
}


def graph(ranks: int, switch: bool) -> Topology:
    """Every chip linked to every other, or each to one switch."""
    if switch:
        pairs = [(i, ranks) for i in range(ranks)] + [(ranks, i) for i in range(ranks)]
    else:
        pairs = [(i, j) for i in range(ranks) for j in range(ranks) if i != j]
    nodes = [{"id": i, "kind": "accel"} for i in range(ranks)] + [{"id": ranks, "kind": "switch"}] * switch
    links = [{"src": i, "dst": j, "bw": BANDWIDTH_GBPS, "lat": LATENCY_US} for i, j in pairs]
    name = "switch" if switch else "full mesh"
    header = {"name": name, "description": name, "source": "own", "bandwidth_unit": "GB/s per direction"}
    return topology.loads(json.dumps({**header, "nodes": nodes, "links": links}), name=name)


def worst_error(board: Topology, ranks: int, collective: str, algorithm: str) -> float:
    """The largest relative difference over the sizes."""
    form, hops = FORMS[collective, algorithm], len(board.route(0, 1))
    errors = []
    for size in SIZES:
        expected = form(ranks, hops * LATENCY_US, size, 1 / (BANDWIDTH_GBPS * 1e3))
        found = plan(board, collective, size, algorithm=algorithm, dtype="uint8").time_us
        errors.append(abs(found / expected - 1))
    return max(errors)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ranks", default="2,4,8,16")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = []
    for switch in (False, True):
        for ranks in map(int, options.ranks.split(",")):
            board = graph(ranks, switch)
            for collective, algorithm in FORMS:
                if ranks & (ranks - 1) and algorithm in POWERS_OF_TWO:
                    continue
                error = worst_error(board, ranks, collective, algorithm)
                rows.append({"topology": board.name, "ranks": ranks, "collective": collective})
                rows[-1].update(algorithm=algorithm, worst_percent=100 * error)
    if options.json:
        print(json.dumps(rows))
        return
    for row in rows:
        head = f"{row['topology']:10} {row['ranks']:3} ranks  {row['collective']:11} {row['algorithm']:28}"
        print(f"{head} worst {row['worst_percent']:.5f} %")


if __name__ == "__main__":
    main()
