"""Runs the command in this process, and small boards for it."""

from __future__ import annotations

import io
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass

from ringtree.cli import main


@dataclass(frozen=True)
class Outcome:
    """Exit status and what was printed."""

    status: int
    out: str
    err: str


def ringtree(*arguments: str) -> Outcome:
    """What `ringtree ARGUMENTS` does."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        status = main(arguments)
    return Outcome(status, out.getvalue(), err.getvalue())


PAIR = """\
board: pair
nodes:
  chip: {kind: device, count: 2}
kinds:
  wire: {bandwidth: 50 GB/s, latency: 1 us}
links:
  wire:
    - [0, 1]
"""

# Five chips in a ring; every wire has its own speed. The shared limit is on what leaves chip 0.
UNEQUAL = (10.0, 25.0, 16.0, 40.0, 12.5)
LATENCIES = (1.0, 0.5, 2.0, 0.25, 1.5)
RING = "board: ring5\nnodes:\n  chip: {kind: device, count: 5, forward: true}\nkinds:\n" + "".join(
    f"  wire{i}: {{bandwidth: {bandwidth} GB/s, latency: {latency} us}}\n"
    for i, (bandwidth, latency) in enumerate(zip(UNEQUAL, LATENCIES, strict=True))
)
RING += "links:\n" + "".join(f"  wire{i}:\n    - [{i}, {(i + 1) % 5}]\n" for i in range(5))
