"""The wall clock against the virtual one: emulated time of the same all-reduce, median of 9.

mpiexec -n 8 python scripts/bench_wall.py ppu-8 [--sizes 1MiB:16MiB:x4] [--algorithm ring,tree] [--rounds 9]
"""

from __future__ import annotations

import argparse
import statistics

import numpy as np
from mpi4py import MPI

import ringtree
from _ringtree.units import format_bytes, parse_sizes


def emulated_us(comm: ringtree.Communicator, send: np.ndarray, receive: np.ndarray) -> float:
    """One all-reduce from a common start, the slowest rank's emulated time."""
    comm.Barrier()
    MPI.COMM_WORLD.Barrier()
    comm.reset_clock()
    comm.Allreduce(send, receive)
    return float(MPI.COMM_WORLD.allreduce(comm.elapsed_us, MPI.MAX))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("board")
    parser.add_argument("--sizes", type=parse_sizes, default=parse_sizes("1MiB:16MiB:x4"))
    parser.add_argument("--algorithm", default="ring,tree")
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    for algorithm in options.algorithm.split(","):
        virtual = ringtree.Communicator(board=options.board, algorithm=algorithm)
        wall = ringtree.Communicator(board=options.board, algorithm=algorithm, clock="wall")
        for size in options.sizes:
            send = np.full(size // 4, 1, np.float32)
            receive = np.empty_like(send)
            expected = emulated_us(virtual, send, receive)
            emulated_us(wall, send, receive)
            found = statistics.median(emulated_us(wall, send, receive) for _ in range(options.rounds))
            if wall.Get_rank() == 0:
                head = f"{options.board} {algorithm:5} {format_bytes(size):>6}"
                print(f"{head} virtual {expected:9.2f} us  wall {found:9.2f} us  {100 * (found / expected - 1):+5.1f} %"
                      f"  dilation {wall.dilation:.0f}", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
