"""Communicators over all ranks that are freed whatever happens to them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from mpi4py import MPI
from together import WORLD

import ringtree
from topology import Topology, loads

RANK, RANKS = WORLD.Get_rank(), WORLD.Get_size()


@contextmanager
def opened(comm: MPI.Intracomm = WORLD, **options: Any) -> Iterator[ringtree.Communicator]:
    made = ringtree.Communicator(comm, **options)
    try:
        yield made
    finally:
        made.Free()


def total(comm: Any, count: int = 3, dtype: Any = np.float64) -> Any:
    """An all-reduce of rank + 1, whose outcome every rank knows; used as a sign of life."""
    out = np.zeros(count, dtype)
    comm.Allreduce(np.full(count, comm.Get_rank() + 1, dtype), out)
    ranks = comm.Get_size()
    np.testing.assert_array_equal(out, np.full(count, ranks * (ranks + 1) // 2, dtype))
    return out


def torus() -> Topology:
    """A board for all ranks: two rows where they are even, else a ring."""
    shape = [2, RANKS // 2] if RANKS % 2 == 0 else [RANKS]
    kinds = "wire: {bandwidth: 50 GB/s, latency: 1 us}"
    chips = f"chip: {{kind: device, count: {RANKS}, forward: true}}"
    wires = f"wire: [{{torus: chip, shape: {shape}}}]"
    return loads(f"nodes: {{{chips}}}\nkinds: {{{kinds}}}\nlinks: {{{wires}}}\n", "torus")
