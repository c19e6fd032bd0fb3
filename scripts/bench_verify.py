"""Time of the verifier on programs of at least 10^5 steps, generated and stored, out of place and in place.

    python scripts/bench_verify.py [--rounds 5] [--json]

Process start and building are not in the figures; a stored program is the generated one, copied step by step.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Iterator

import topology
from _ringtree.core import Program, verify
from _ringtree.stored import Step, steps_of, store
from collectives import plan

LEAST_STEPS = 100_000
# Board, bytes, algorithm.
PROGRAMS = (
    ("ppu-8", 64 * 2**20, "forest:chunks=128:pace=2"),
    ("ppu-8", 64 * 2**20, "ring:channels=4:chunks=256"),
    ("ppu-8", 64 * 2**20, "two_shot:chunks=512:pace=2"),
    ("supernode-128", 64 * 2**20, "ring:channels=1:chunks=4"),
)


def stored(program: Program) -> Program:
    """The same steps, kept as arrays."""

    def steps() -> Iterator[tuple[int, int, Step]]:
        for rank in range(program.collective.ranks):
            for lane in range(program.lanes(rank)):
                for step in steps_of(program, rank, lane):
                    yield rank, lane, step

    scratch = [program.scratch(rank) for rank in range(program.collective.ranks)]
    return store(program.collective, program.channel_ends(), steps(), depth=program.depth, scratch=scratch)


def measure(program: Program, in_place: bool, rounds: int) -> tuple[int, float]:
    """Steps, and the median of seconds."""
    seconds, steps = [], 0
    for _ in range(rounds):
        begin = time.perf_counter()
        steps = verify(program, in_place=in_place).steps
        seconds.append(time.perf_counter() - begin)
    assert steps >= LEAST_STEPS, steps
    return steps, statistics.median(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = []
    for board, nbytes, algorithm in PROGRAMS:
        generated = plan(topology.load(board), "all_reduce", nbytes, algorithm=algorithm).program
        for form, program in (("generated", generated), ("stored", stored(generated))):
            for in_place in (False, True):
                steps, seconds = measure(program, in_place, options.rounds)
                rows.append({"board": board, "algorithm": algorithm, "form": form, "in_place": in_place,
                             "steps": steps, "seconds": seconds})  # fmt: skip
    if options.json:
        print(json.dumps(rows))
        return
    for row in rows:
        way = "in place" if row["in_place"] else "out of place"
        rate = row["steps"] / row["seconds"] / 1e6
        print(f"{row['board']:13} {row['algorithm']:27} {row['form']:9} {way:12} {row['steps']:7d} steps "
              f"{row['seconds']:6.3f} s {rate:6.2f} million/s")  # fmt: skip


if __name__ == "__main__":
    main()
