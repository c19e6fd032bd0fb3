"""Cheapest spanning trees of a directed graph, from any of its nodes: the core's arborescences."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from _ringtree.native import check, ffi, lib, new_error


def arborescences(cost: NDArray[np.float64], roots: Sequence[int]) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """The cheapest tree from each root; `cost[src, dst]` of an edge, inf where there is none, never negative.

    Returns parents (roots x n, -1 at the root) and what the edges of each tree cost together: inf, and no parents,
    where a root does not reach every node.
    """
    n = len(cost)
    cost = np.ascontiguousarray(cost, np.float64)
    if cost.shape != (n, n):
        raise ValueError(f"cost: found shape {cost.shape}, expected a square")
    parents = np.empty((len(roots), n), np.int32)
    costs = np.empty(len(roots), np.float64)
    error = new_error()
    status = lib.rt_arborescences(
        n,
        ffi.from_buffer("double[]", cost),
        len(roots),
        ffi.new("int32_t[]", list(roots)),
        ffi.from_buffer("int32_t[]", parents, require_writable=True),
        ffi.from_buffer("double[]", costs, require_writable=True),
        error,
    )
    check(status, error)
    return parents, costs
