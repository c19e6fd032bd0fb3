"""Bytes that the executor moves per second, against what memcpy does in one process, in one run.

    mpiexec -n 2 python scripts/bench_executor.py [--bytes 16MiB] [--rounds 9] [--json]

Moved bytes are those that cross channels, summed over ranks. Emulation is off; the algorithm is ring:channels=1.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time

import numpy as np
from mpi4py import MPI

import ringtree
from _ringtree.units import parse_bytes


def memcpy_GBps(source: np.ndarray, target: np.ndarray) -> float:
    """Bytes copied per second between two buffers of this process, all pages of which are there."""
    begin = time.perf_counter()
    np.copyto(target, source)
    return source.nbytes / (time.perf_counter() - begin) / 1e9


def all_reduce_us(comm: ringtree.Communicator, send: np.ndarray, receive: np.ndarray) -> float:
    """One all-reduce from a common start, the slowest rank's time."""
    comm.Barrier()
    begin = time.perf_counter()
    comm.Allreduce(send, receive)
    mine = time.perf_counter() - begin
    return 1e6 * float(MPI.COMM_WORLD.allreduce(mine, MPI.MAX))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bytes", type=parse_bytes, default=16 * 2**20)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    comm = ringtree.Communicator(algorithm="ring:channels=1:chunks=1")
    ranks = comm.Get_size()
    send = np.full(options.bytes // 4, comm.Get_rank() + 1, np.float32)
    receive = np.empty_like(send)
    target = np.full_like(send, 0)
    memcpy_GBps(send, target)
    all_reduce_us(comm, send, receive)
    moved = 2 * (ranks - 1) * options.bytes
    rows = []
    for _ in range(options.rounds):
        copy = memcpy_GBps(send, target) if comm.Get_rank() == 0 else 0.0
        rows.append((copy, all_reduce_us(comm, send, receive)))
    assert (receive == ranks * (ranks + 1) / 2).all()
    if comm.Get_rank() == 0:
        report(options, ranks, moved, rows)


def report(options: argparse.Namespace, ranks: int, moved: int, rows: list[tuple[float, float]]) -> None:
    copy = statistics.median(row[0] for row in rows)
    time_us = statistics.median(row[1] for row in rows)
    rate = moved / time_us / 1e3
    row = {"ranks": ranks, "bytes": options.bytes, "time_us": time_us, "moved_GBps": rate, "memcpy_GBps": copy}
    row["ratio"] = rate / copy
    if options.json:
        print(json.dumps(row))
    else:
        print(f"{ranks} ranks, ring all-reduce of {options.bytes} bytes: {time_us:.0f} us")
        print(f"moved {rate:.2f} GB/s; memcpy in one process {copy:.2f} GB/s; ratio {row['ratio']:.2f}")


if __name__ == "__main__":
    main()
