"""One long run of the direct path: mixed collectives, sizes, types and communicators, each result held against NumPy.

    mpirun -n 2 python scripts/soak_direct.py --calls 1000000 [--seed 1] [--json]

All ranks draw the same cases from the seed; a rank's input is a window into a table that every rank can compute, so
each knows the exact result without talking. Values are small whole numbers: sums are exact in every type and order.
Ranks pause at random; communicators (Dup, Split) are freed and made anew; buffers are plain, or from `empty`, or plain
ones that come again and again until they are lent, and then die. Exit status 1 if a bit is wrong, or if memory grows. A
hang would end with an error after RINGTREE_TIMEOUT.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np
from mpi4py import MPI
from tqdm import tqdm

import ringtree
from _ringtree import lent

WORLD = MPI.COMM_WORLD
TYPES = [np.dtype(t) for t in ("float32", "float64", "int32", "uint8", ml_dtypes.bfloat16, "float16")]
COUNTS = (1, 2, 3, 7, 12, 13, 50, 300, 1000, 3000, 9000, 20_000, 90_000)
WEIGHTS = (20, 20, 20, 20, 20, 20, 20, 20, 8, 4, 2, 1, 0.2)
MOST = 100_000
REMADE_EVERY = 2_000
REGULAR = 12_000  # float32 elements of the buffers that come again and again
GROWTH_ALLOWED = 24 * 2**20  # of resident memory: what allocators keep

Pairs = list[tuple[Any, Any]]


@dataclass(frozen=True)
class Case:
    """One call: this rank's views and every rank's input. counts: of every rank's ragged part."""

    comm: Any
    rank: int
    ranks: int
    root: int
    send: Any
    receive: Any
    inputs: list[Any]
    counts: list[int]

    @property
    def part(self) -> int:
        return len(self.send) // self.ranks

    @property
    def total(self) -> Any:
        return sum(i.astype(np.float64) for i in self.inputs).astype(self.send.dtype)

    def block(self, rank: int) -> slice:
        return slice(rank * self.part, (rank + 1) * self.part)

    def ragged(self, rank: int) -> slice:
        begin = sum(self.counts[:rank])
        return slice(begin, begin + self.counts[rank])


# Each makes its call and says what was found and what is right.


def all_reduce(c: Case) -> Pairs:
    c.comm.Allreduce(c.send, c.receive)
    return [(c.receive, c.total), (c.send, c.inputs[c.rank])]


def in_place(c: Case) -> Pairs:
    c.comm.Allreduce(MPI.IN_PLACE, c.send)
    return [(c.send, c.total)]


def reduce(c: Case) -> Pairs:
    c.comm.Reduce(c.send, c.receive if c.rank == c.root else None, root=c.root)
    return [(c.receive, c.total)] if c.rank == c.root else []


def reduce_scatter(c: Case) -> Pairs:
    c.comm.Reduce_scatter_block(c.send, c.receive[: c.part])
    return [(c.receive[: c.part], c.total[c.block(c.rank)])]


def reduce_scatter_ragged(c: Case) -> Pairs:
    own = c.receive[: c.counts[c.rank]]
    c.comm.Reduce_scatter(c.send[: sum(c.counts)], own, c.counts)
    return [(own, c.total[c.ragged(c.rank)])]


def all_gather(c: Case) -> Pairs:
    c.comm.Allgather(c.send[: c.part], c.receive)
    return [(c.receive, np.concatenate([i[: c.part] for i in c.inputs]))]


def all_gather_ragged(c: Case) -> Pairs:
    c.comm.Allgatherv(c.send[: c.counts[c.rank]], [c.receive, c.counts])
    right = np.concatenate([i[:n] for i, n in zip(c.inputs, c.counts, strict=True)])
    return [(c.receive[: len(right)], right)]


def gather(c: Case) -> Pairs:
    c.comm.Gather(c.send[: c.part], c.receive if c.rank == c.root else None, c.root)
    return [(c.receive, np.concatenate([i[: c.part] for i in c.inputs]))] if c.rank == c.root else []


def scatter(c: Case) -> Pairs:
    c.comm.Scatter(c.send if c.rank == c.root else None, c.receive[: c.part], c.root)
    return [(c.receive[: c.part], c.inputs[c.root][c.block(c.rank)])]


def broadcast(c: Case) -> Pairs:
    c.comm.Bcast(c.send, c.root)
    return [(c.send, c.inputs[c.root])]


def all_to_all(c: Case) -> Pairs:
    c.comm.Alltoall(c.send, c.receive)
    return [(c.receive, np.concatenate([i[c.block(c.rank)] for i in c.inputs]))]


def barrier(c: Case) -> Pairs:
    c.comm.Barrier()
    return []


KINDS: tuple[Callable[[Case], Pairs], ...] = (
    all_reduce, all_reduce, in_place, reduce, reduce_scatter, reduce_scatter_ragged, all_gather, all_gather_ragged,
    gather, scatter, broadcast, all_to_all, barrier,
)  # fmt: skip


class Soak:
    """The state of one rank."""

    def __init__(self, seed: int) -> None:
        self.draw, self.own = random.Random(seed), random.Random(seed * 1000 + WORLD.rank)
        numbers = np.arange(3 * MOST) * 7 % 5
        self.tables = {t: numbers.astype(t) for t in TYPES}
        self.wrong = self.lent = 0
        self.comms: list[Any] = []
        self.remake()

    def remake(self) -> None:
        """Communicators and their buffers, all new."""
        for comm in self.comms:
            comm.Free()
        whole = ringtree.Communicator(WORLD)
        self.comms = [whole, whole.Dup(), whole.Split(WORLD.rank % 2, -WORLD.rank)]
        self.buffers = [[(c.empty(8 * MOST, "u1"), c.empty(8 * MOST, "u1")), self._plain()] for c in self.comms]
        self.regular = np.empty(REGULAR, np.float32), np.empty(REGULAR, np.float32)

    def _plain(self) -> tuple[Any, Any]:
        return np.empty(8 * MOST, np.uint8), np.empty(8 * MOST, np.uint8)

    def step(self) -> None:
        if self.own.random() < 0.0005:
            time.sleep(self.own.random() * 0.002)
        case, kind = self._regular() if self.draw.random() < 0.1 else self._any()
        case.send[:] = case.inputs[case.rank]
        for found, right in kind(case):
            self.wrong += not np.array_equal(found.view("u1"), right.view("u1"))

    def _regular(self) -> tuple[Case, Callable[[Case], Pairs]]:
        """Until they are lent; now and then they die."""
        comm = self.comms[0]
        if self.draw.random() < 0.005:
            self.lent += bool(lent.overlapping(self.regular[0].ctypes.data, self.regular[0].nbytes))
            self.regular = np.empty(REGULAR, np.float32), np.empty(REGULAR, np.float32)
        inputs = self._inputs(np.dtype("float32"), REGULAR, comm.size)
        return Case(comm, comm.rank, comm.size, 0, *self.regular, inputs, []), all_reduce

    def _any(self) -> tuple[Case, Callable[[Case], Pairs]]:
        which = self.draw.choices((0, 1, 2), (6, 2, 2))[0]
        comm, ranks = self.comms[which], self.comms[which].size
        kind, dtype = self.draw.choice(KINDS), self.draw.choice(TYPES)
        count = -(-self.draw.choices(COUNTS, WEIGHTS)[0] // ranks) * ranks
        reachable, root = self.draw.random() < 0.5, self.draw.randrange(60) % ranks
        first, second = self.buffers[which][0 if reachable else 1]
        ragged = random.Random(self.draw.random())  # communicators of a Split differ in their ranks
        counts = [ragged.randrange(count // ranks + 1) for _ in range(ranks)]
        views = (buffer[: count * dtype.itemsize].view(dtype) for buffer in (first, second))
        return Case(comm, comm.rank, ranks, root, *views, self._inputs(dtype, count, ranks), counts), kind

    def _inputs(self, dtype: Any, count: int, ranks: int) -> list[Any]:
        shift = self.draw.randrange(MOST)
        return [self.tables[dtype][shift + 11 * r : shift + 11 * r + count] for r in range(ranks)]


def memory() -> dict[str, int]:
    """Bytes of this rank and of all shared mappings of ringtree's, on this rank."""
    with open("/proc/self/statm", encoding="ascii") as file:
        resident = int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    shared = 0
    with open("/proc/self/maps", encoding="utf-8") as file:
        for line in file:
            if "/ringtree-" in line or "memfd:ringtree-" in line:
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
            soak.remake()  # the same moment as at the end: how much is lent meanwhile is chance
            first = memory()
        soak.step()
    soak.remake()
    wrong, last = WORLD.allreduce(soak.wrong), memory()
    grown = last["shared"] > first["shared"] or last["resident"] > first["resident"] + GROWTH_ALLOWED
    grown = WORLD.allreduce(grown, MPI.LOR)
    if WORLD.rank == 0:
        found = {"ranks": WORLD.size, "calls": arguments.calls, "wrong": wrong, "lent": soak.lent}
        found["seconds"] = time.monotonic() - began
        found |= {f"{k}_early": v for k, v in first.items()} | {f"{k}_end": v for k, v in last.items()}
        print(json.dumps(found) if arguments.json else "\n".join(f"{k:15} {v:,.0f}" for k, v in found.items()))
        if grown:
            print("soak_direct: memory grew", file=sys.stderr)
    return 1 if wrong or grown else 0


if __name__ == "__main__":
    sys.exit(main())
