"""How much flows through a network of directed arcs, and the cut where it is too little: the core's maxflow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from _ringtree.native import check, ffi, lib, new_error


@dataclass(frozen=True)
class Shortfall:
    """A sink that gets too little: its position among those asked for, what it gets, and its side of the cut."""

    position: int
    flow: int
    beyond: NDArray[np.bool_]


class Network:
    """Arcs src[i] -> dst[i] between nodes 0 to nodes - 1."""

    def __init__(self, nodes: int, src: NDArray[np.int32], dst: NDArray[np.int32]) -> None:
        if len(src) != len(dst):
            raise ValueError(f"arcs: found {len(src)} tails and {len(dst)} heads")
        self.nodes = nodes
        self.arcs = len(src)
        made, error = ffi.new("rt_network **"), new_error()
        check(lib.rt_network_new(nodes, self.arcs, _in("int32_t", src), _in("int32_t", dst), made, error), error)
        self._network = ffi.gc(made[0], lib.rt_network_free)

    def short(
        self, capacity: NDArray[np.int64], source: int, sinks: Sequence[int] | NDArray[np.int64], enough: int
    ) -> Shortfall | None:
        """The first sink to which less than `enough` flows from the source; None where all get it.

        Its side of the narrowest cut is the smallest one. InputError where capacities are negative or their sum is
        2^63 or more.
        """
        if len(capacity) != self.arcs:
            raise ValueError(f"capacity: found {len(capacity)} for {self.arcs} arcs")
        first, flow, error = ffi.new("int32_t *"), ffi.new("int64_t *"), new_error()
        beyond = np.zeros(self.nodes, np.bool_)
        out = ffi.from_buffer("uint8_t[]", beyond, require_writable=True)
        ends = np.ascontiguousarray(sinks, np.int32)
        status = lib.rt_network_short(
            self._network, _in("int64_t", capacity), source, len(ends), _in("int32_t", ends), enough,
            first, flow, out, error,
        )  # fmt: skip
        check(status, error)
        return None if first[0] == len(ends) else Shortfall(first[0], flow[0], beyond)


def _in(ctype: str, values: NDArray[np.generic]) -> object:
    """The values as C reads them, while the caller holds them."""
    return ffi.from_buffer(f"{ctype}[]", np.ascontiguousarray(values, ctype.removesuffix("_t")))
