"""The planner, measured: bounds and plans on many boards, hard cases, regret of the choice, time that planning takes.

    python scripts/bench_planner.py plans [BOARD|FILE ...]     bound, plan, share of the bound at 64 MiB and 1 GiB
    python scripts/bench_planner.py cases                      parts of a DGX-1V, meshes, unequal boxes, a lost NIC
    python scripts/bench_planner.py published                  all-gathers of TE-CCL and SCCL
    python scripts/bench_planner.py regret [BOARD|FILE ...]    the choice against every candidate with every chunk count
    python scripts/bench_planner.py times                      from nothing, and repaired after a fault

Without names: the shipped boards whose bandwidths are known. --latency is for links that state none; --json: rows.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import planner_cases as cases
from tqdm import tqdm

import topology
from _ringtree.core import Collective, Job, Program, find_cycles, price
from _ringtree.errors import Error
from _ringtree.units import parse_time_us
from collectives import plan, repair
from collectives.planner.candidates import candidates
from collectives.planner.planning import Planner
from collectives.planner.rings import link_matrix
from collectives.planner.specification import parse
from topology import Topology, degraded
from topology.latency import least_latency_us
from topology.steps import step_optimal

# Measured is planning from nothing.
os.environ["RINGTREE_CACHE"] = "off"

KINDS = ("all_reduce", "all_gather", "reduce_scatter")
MIB64, GIB = 2**26, 2**30
MOST_CHIPS = 128
MOST_CHIPS_TRIED = 32  # with every candidate
SIZES = tuple(2**n for n in range(10, 31, 2))
Row = dict[str, Any]


def boards(options: argparse.Namespace) -> Iterator[Topology]:
    for name in options.boards or topology.shipped():
        try:
            board = topology.load(name).with_defaults(latency_us=options.latency)
            board.bound("all_reduce")
        except Error as problem:
            print(f"# {problem}", file=sys.stderr)
            continue
        if len(board.devices) <= MOST_CHIPS:
            yield board


def rate(board: Topology, kind: str, size: int, **more: Any) -> float:
    """algbw of the plan, GB/s."""
    return size / plan(board, kind, size, **more).time_us / 1e3


def plans(options: argparse.Namespace) -> Iterator[Row]:
    """`target_64MiB`: 95 % of what latency leaves, M / (M / bound + L), as a share of the bound."""
    for board in boards(options):
        for kind in KINDS:
            bound = board.bound(kind).rate_GBps
            left = MIB64 / 1e3 / (MIB64 / 1e3 / bound + least_latency_us(board, kind, board.devices))
            begin = time.perf_counter()
            large = plan(board, kind, GIB)
            yield {
                "topology": board.name, "ranks": len(board.devices), "collective": kind, "bound_GBps": bound,
                "plan": large.plan, "seconds": time.perf_counter() - begin,
                "percent_64MiB": 100 * rate(board, kind, MIB64) / bound, "target_64MiB": 95 * left / bound,
                "percent_1GiB": 100 * GIB / large.time_us / 1e3 / bound,
            }  # fmt: skip


def hard_cases(options: argparse.Namespace) -> Iterator[Row]:
    ppu = topology.load("ppu-8").with_defaults(latency_us=1.0)
    yield _case("PPU board", ppu, 140)
    yield from _parts_of_a_dgx1v()
    for board, least in (
        (cases.mesh(4, 4), 1.57),
        (cases.mesh(8, 8), 1.74),
        (cases.boxes("8+4, 300 inside, NICs of 25", [8, 4], 300, 25), 98),
        (cases.meshed_boxes("7+1, 50 inside, 10 between", [7, 1], 50, 10), 9.8),
        (cases.boxes("H100 2x8, one NIC lost", [8, 8], 450, 50, lost_nics=1), 262),
    ):
        yield _case(board.name, board, least)


def _case(name: str, board: Topology, least: float) -> Row:
    return {"case": name, "bound": board.bound("all_reduce").rate_GBps, "reached": rate(board, "all_reduce", GIB),
            "at_least": least}  # fmt: skip


def _parts_of_a_dgx1v() -> Iterator[Row]:
    whole = topology.load("dgx1v").with_defaults(latency_us=1.0)
    over_two_phases, over_rings, bounds = [], [], []
    for part in cases.connected_parts(whole):
        devices = [whole.devices.index(node) for node in part]
        reached = rate(whole, "all_reduce", GIB, devices=devices)
        two_phases = whole.bound("all_gather", devices=devices).rate_GBps / 2
        over_two_phases.append(reached / two_phases)
        bounds.append(whole.bound("all_reduce", devices=devices).rate_GBps / two_phases)
        if find_cycles(link_matrix(whole, part), 1):  # rings of NVLinks, as NCCL lays them
            over_rings.append(reached / rate(whole, "all_reduce", GIB, devices=devices, algorithm="ring"))
    name = f"{len(over_two_phases)} parts of a DGX-1V, over"
    yield {"case": f"{name} RS + AG (geometric mean)", "bound": statistics.geometric_mean(bounds),
           "reached": statistics.geometric_mean(over_two_phases), "at_least": 1.33}  # fmt: skip
    yield {"case": f"{name} rings ({len(over_rings)} have any)", "bound": None,
           "reached": statistics.geometric_mean(over_rings), "at_least": 1.5}  # fmt: skip


# TE-CCL's own figures (SIGCOMM 2024, output_provided in its repository), GB/s, and what we hold ourselves to.
TECCL = (
    ("NDv2", 2, 10**9, 22.857, 24.5),
    ("NDv2", 2, 10**6, 20.51, 21.5),
    ("NDv2", 2, 64 * 10**3, 10.53, 10.5),
    ("NDv2", 4, 10**9, 15.38, 16.4),
    ("DGX2", 2, 10**9, 129.03, 128),
    ("DGX2", 2, 10**6, 93.0, 95),
)


def published(options: argparse.Namespace) -> Iterator[Row]:
    """All-gathers that TE-CCL synthesised, and SCCL's step-optimal ones of a DGX-1."""
    for name, chassis, size, theirs, least in TECCL:
        board = cases.teccl(name, chassis)
        part = 4 * len(board.devices)
        begin = time.perf_counter()
        reached = rate(board, "all_gather", size // part * part)
        yield {"case": f"{name} {chassis}, {size} B", "bound": board.bound("all_gather").rate_GBps,
               "reached": reached, "TE-CCL": theirs, "at_least": least,
               "seconds": time.perf_counter() - begin}  # fmt: skip
    dgx1 = topology.load("dgx1v").with_defaults(latency_us=1.0)
    for steps, rounds, chunks in ((2, 3, 2), (3, 7, 6)):
        begin = time.perf_counter()
        found = step_optimal(dgx1, dgx1.devices, steps, chunks)
        yield {"case": f"DGX-1 all-gather of {steps} steps and {chunks} chunks: rounds", "bound": found.least_rounds,
               "reached": found.rounds, "SCCL": rounds, "seconds": time.perf_counter() - begin}  # fmt: skip


def regret(options: argparse.Namespace) -> Iterator[Row]:
    """How much longer the choice takes than the best of all candidates with all chunk counts."""
    for board in boards(options):
        if len(board.devices) > MOST_CHIPS_TRIED:
            continue
        planner = Planner(board, board.devices)
        for size in tqdm(SIZES, desc=board.name, leave=False, disable=None):
            shape = Collective("all_reduce", len(board.devices), size // 4)
            chosen = planner.plan(shape, "float32", "sum", parse("auto"))
            best = chosen.time_us
            for candidate in candidates(planner, shape, parse("auto")):
                try:
                    job = Job(Program.build(shape, candidate.recipe), board.devices, 4)
                    best = min(best, price(board.board(), job, best))
                except Error:
                    continue
            yield {"topology": board.name, "bytes": size, "plan": chosen.plan, "time_us": chosen.time_us,
                   "percent": 100 * (chosen.time_us / best - 1)}  # fmt: skip


def times(options: argparse.Namespace) -> Iterator[Row]:
    """CPU seconds of an all-reduce of 1 GiB, planned from nothing; and repaired after its first link was lost."""
    found: list[Topology] = [topology.load(name).with_defaults(latency_us=1.0) for name in
                             ("ppu-8", "mi250x-16", "torus-4x4", "ppu-4x8")]  # fmt: skip
    found += [cases.boxes(f"H100 {many}x8", [8] * many, 450, 50) for many in (2, 4, 16)]
    for board in found:
        begin = time.process_time()
        made = plan(board, "all_reduce", GIB)
        seconds = time.process_time() - begin
        row: Row = {"topology": board.name, "ranks": len(board.devices), "seconds": seconds,
                    "percent": 100 * GIB / made.time_us / 1e3 / board.bound("all_reduce").rate_GBps}  # fmt: skip
        link = board.links[0]
        left = degraded(board, [f"link:{board.nodes[link.src].name}-{board.nodes[link.dst].name}"])
        begin = time.process_time()
        mended = repair(made, left)
        row["repaired_seconds"] = time.process_time() - begin
        certificate = mended.certificate
        row["repaired_percent"] = certificate.percent if certificate else None
        yield row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=SECTIONS)
    parser.add_argument("boards", nargs="*")
    parser.add_argument("--latency", type=parse_time_us, default=1.0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = []
    for row in SECTIONS[options.what](options):
        rows.append(row)
        if not options.json:
            print("  ".join(f"{key} {_text(value)}" for key, value in row.items()), flush=True)
    if options.json:
        print(json.dumps(rows))
    elif options.what == "regret":
        worst = sorted(row["percent"] for row in rows)
        print(f"{len(rows)} rows: median {statistics.median(worst):.2f} %, worst {worst[-1]:.2f} %")


def _text(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, float) and not math.isnan(value) else str(value)


SECTIONS: dict[str, Callable[[argparse.Namespace], Iterator[Row]]] = {
    "plans": plans, "cases": hard_cases, "published": published, "regret": regret, "times": times,
}  # fmt: skip


if __name__ == "__main__":
    main()
