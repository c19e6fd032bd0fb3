"""The direct path (no board): what Python adds to the core, how near large calls are to the memory, idle waiting.

    mpirun -n 2 python scripts/bench_direct.py [--json]

us; medians of 9 rounds, the slowest rank of each. `C` is a loop in the core, `prepared` an Allreduce_init called again,
`Python` comm.Allreduce on NumPy arrays. `bound`: bytes that an all-reduce must move (each rank reads its part of all
inputs and writes it to all outputs) over the memory bandwidth that the same ranks reach together when each combines
private arrays of its own, the same loads and stores without any hand-over.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np
from mpi4py import MPI
from tabulate import tabulate

import ringtree
from _ringtree.core import DTYPES, OPS
from _ringtree.native import ffi, lib
from _ringtree.units import format_bytes

WORLD = MPI.COMM_WORLD
ROUNDS = 9


def slowest(call: Callable[[], float]) -> float:
    """Median over rounds of the slowest rank's figure."""
    found = []
    for _ in range(ROUNDS):
        WORLD.Barrier()
        found.append(WORLD.allreduce(call(), MPI.MAX))
    return median(found)


def per_call(call: Callable[[], object], repeats: int) -> Callable[[], float]:
    def run() -> float:
        begin = time.perf_counter()
        for _ in range(repeats):
            call()
        return (time.perf_counter() - begin) / repeats * 1e6

    return run


def per_all_reduce(comm: Any, repeats: int, send: Any, receive: Any) -> Callable[[], float]:
    """The same, written as one writes it: unpacking arguments would be measured too."""

    def run() -> float:
        begin = time.perf_counter()
        for _ in range(repeats):
            comm.Allreduce(send, receive)
        return (time.perf_counter() - begin) / repeats * 1e6

    return run


def overheads(comm: Any, nbytes: int) -> dict[str, float]:
    """One size, three ways to call."""
    send, receive = np.ones(nbytes // 4, np.float32), np.zeros(nbytes // 4, np.float32)
    prepared = comm.Allreduce_init(send, receive)
    direct, repeats = comm.session.direct, 20_000
    spec = prepared._call.spec

    def in_c() -> float:
        return float(lib.rt_direct_repeat(direct.handle, spec, repeats, direct.error)) / repeats / 1e3

    return {
        "bytes": nbytes,
        "C": slowest(in_c),
        "prepared": slowest(per_call(prepared, repeats)),
        "Python": slowest(per_all_reduce(comm, repeats, send, receive)),
    }


def of_the_bound(comm: Any, nbytes: int) -> dict[str, float]:
    """A large call on reachable arrays, against memory bandwidth."""
    ranks, count = WORLD.size, nbytes // 4
    send, receive = comm.empty(count), comm.empty(count)
    send[:], receive[:] = 1, 0
    part = count // ranks
    inputs = [np.ones(part, np.float32) for _ in range(ranks)]
    outputs = [np.zeros(part, np.float32) for _ in range(ranks)]
    sources = ffi.new("void *[]", [ffi.from_buffer(a) for a in inputs])
    targets = ffi.new("void *[]", [ffi.from_buffer(a) for a in outputs])

    fold, best, f32, total = lib.rt_fold_with, lib.rt_isa_best(), DTYPES["float32"], OPS["sum"]

    def alone() -> None:
        fold(best, f32, total, ranks, targets, ranks, sources, ranks, part, 1)

    moved = 2 * ranks * nbytes
    call_us, alone_us = slowest(per_all_reduce(comm, 5, send, receive)), slowest(per_call(alone, 5))
    return {
        "bytes": nbytes,
        "time_us": call_us,
        "GBps": moved / call_us / 1e3,
        "bound_GBps": moved / alone_us / 1e3,
        "percent": 100 * alone_us / call_us,
    }


def idle_percent(comm: Any) -> float:
    """Processor time of the ranks that wait a second for the last one."""
    comm.Barrier()
    begin, wall = time.process_time(), time.perf_counter()
    if WORLD.rank == WORLD.size - 1:
        time.sleep(1)
    comm.Barrier()
    used = 100 * (time.process_time() - begin) / (time.perf_counter() - wall)
    return float(WORLD.allreduce(used, MPI.MAX))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    as_json = parser.parse_args().json
    comm = ringtree.Communicator(WORLD)
    calls = [overheads(comm, nbytes) for nbytes in (8, 48, 1024)]
    large = [of_the_bound(comm, nbytes << 20) for nbytes in (8, 64)]
    idle = idle_percent(comm)
    if WORLD.rank:
        return
    if as_json:
        json.dump({"calls_us": calls, "large": large, "idle_percent": idle}, sys.stdout, indent=1)
        print()
        return
    print(tabulate([row | {"bytes": format_bytes(int(row["bytes"]))} for row in calls], headers="keys", floatfmt=".3f"))
    print()
    print(tabulate([row | {"bytes": format_bytes(int(row["bytes"]))} for row in large], headers="keys", floatfmt=".1f"))
    print(f"\na rank that waits for a second uses {idle:.2f} % of a processor")


if __name__ == "__main__":
    main()
