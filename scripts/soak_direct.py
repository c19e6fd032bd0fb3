"""One long run of the direct path: mixed collectives, sizes, types and communicators, each result held against NumPy.

    mpirun -n 2 python scripts/soak_direct.py --calls 1000000 [--seed 1] [--json]

All ranks draw the same cases from the seed; a rank's input is a window into a table that every rank can compute, so
each knows the exact result without talking. Values are small whole numbers: sums are exact in every type and order.
Ranks pause at random; communicators (Dup, Split) are freed and made anew; buffers are plain, or from `empty`. Exit
status 1 if a bit is wrong. A hang would end with an error after RINGTREE_TIMEOUT.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import time
from typing import Any

import ml_dtypes
import numpy as np
from mpi4py import MPI
from tqdm import tqdm

import ringtree

WORLD = MPI.COMM_WORLD
TYPES = [np.dtype(t) for t in ("float32", "float64", "int32", "uint8", ml_dtypes.bfloat16, "float16")]
COUNTS = (1, 2, 3, 7, 12, 13, 50, 300, 1000, 3000, 9000, 20_000, 100_000)
WEIGHTS = (20, 20, 20, 20, 20, 20, 20, 20, 8, 4, 2, 1, 0.2)
KINDS = ("all_reduce", "in_place", "all_gather", "reduce_scatter", "broadcast", "all_to_all", "barrier")
MOST = 100_000
REMADE_EVERY = 2_000


class Soak:
    """The state of one rank."""

    def __init__(self, seed: int) -> None:
        self.draw, self.own = random.Random(seed), random.Random(seed * 1000 + WORLD.rank)
        numbers = np.arange(3 * MOST) * 7 % 5
        self.tables = {t: numbers.astype(t) for t in TYPES}
        self.wrong = 0
        self.comms: list[Any] = []
        self.remake()

    def remake(self) -> None:
        """Communicators and their reachable buffers, all new."""
        for comm in self.comms:
            comm.Free()
        whole = ringtree.Communicator(WORLD)
        self.comms = [whole, whole.Dup(), whole.Split(WORLD.rank % 2, -WORLD.rank)]
        self.buffers = [[(c.empty(8 * MOST, "u1"), c.empty(8 * MOST, "u1")), self._plain()] for c in self.comms]

    def _plain(self) -> tuple[Any, Any]:
        return np.empty(8 * MOST, np.uint8), np.empty(8 * MOST, np.uint8)

    def step(self) -> None:
        which = self.draw.choices((0, 1, 2), (6, 2, 2))[0]
        comm = self.comms[which]
        rank, ranks = comm.rank, comm.size
        kind, dtype = self.draw.choice(KINDS), self.draw.choice(TYPES)
        count = -(-self.draw.choices(COUNTS, WEIGHTS)[0] // ranks) * ranks
        shift, root, reachable = self.draw.randrange(MOST), self.draw.randrange(60), self.draw.random() < 0.5
        first, second = self.buffers[which][0 if reachable else 1]
        send = first[: count * dtype.itemsize].view(dtype)
        receive = second[: count * dtype.itemsize].view(dtype)
        inputs = [self.tables[dtype][shift + 11 * r : shift + 11 * r + count] for r in range(ranks)]
        if self.own.random() < 0.0005:
            time.sleep(self.own.random() * 0.002)
        expected = self._run(comm, kind, root % ranks, send, receive, inputs, rank)
        for found, right in expected:
            self.wrong += not np.array_equal(found.view("u1"), right.view("u1"))

    def _run(self, comm: Any, kind: str, root: int, send: Any, receive: Any, inputs: Any, rank: int) -> list[Any]:
        """Make the call; pairs of what was found and what is right."""
        ranks, count = len(inputs), len(send)
        part = count // ranks
        send[:] = inputs[rank]
        if kind == "barrier":
            comm.Barrier()
            return []
        if kind == "broadcast":
            comm.Bcast(send, root)
            return [(send, inputs[root])]
        if kind == "all_gather":
            comm.Allgather(send[:part], receive)
            return [(receive, np.concatenate([i[:part] for i in inputs]))]
        if kind == "all_to_all":
            comm.Alltoall(send, receive)
            return [(receive, np.concatenate([i[rank * part : (rank + 1) * part] for i in inputs]))]
        total = sum(i.astype(np.float64) for i in inputs).astype(send.dtype)
        if kind == "reduce_scatter":
            comm.Reduce_scatter_block(send, receive[:part])
            return [(receive[:part], total[rank * part : (rank + 1) * part])]
        if kind == "in_place":
            comm.Allreduce(MPI.IN_PLACE, send)
            return [(send, total)]
        comm.Allreduce(send, receive)
        return [(receive, total), (send, inputs[rank])]


def memory() -> dict[str, int]:
    """Bytes of this rank and of all shared mappings of ringtree's, on this rank."""
    with open("/proc/self/statm", encoding="ascii") as file:
        resident = int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    shared = 0
    with open("/proc/self/maps", encoding="utf-8") as file:
        for line in file:
            if "/dev/shm/ringtree-" in line:
                begin, _, end = line.split()[0].partition("-")
                shared += int(end, 16) - int(begin, 16)
    return {"resident": resident, "shared": shared}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    soak, began, first = Soak(arguments.seed), time.monotonic(), memory()
    for call in tqdm(range(arguments.calls), disable=WORLD.rank > 0 or not sys.stderr.isatty()):
        if call and call % REMADE_EVERY == 0:
            soak.remake()
        if call == max(arguments.calls // 100, min(2 * REMADE_EVERY + 1, arguments.calls - 1)):
            first = memory()
        soak.step()
    wrong, last = WORLD.allreduce(soak.wrong), memory()
    if WORLD.rank == 0:
        found = {"ranks": WORLD.size, "calls": arguments.calls, "wrong": wrong, "seconds": time.monotonic() - began}
        found |= {f"{k}_early": v for k, v in first.items()} | {f"{k}_end": v for k, v in last.items()}
        print(json.dumps(found) if arguments.json else "\n".join(f"{k:15} {v:,.0f}" for k, v in found.items()))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
