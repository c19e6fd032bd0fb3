"""Cheap spanning trees of a directed graph, from any of its nodes: the core's arborescences and shallow trees."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from _ringtree.native import check, ffi, lib, new_error

Floats = NDArray[np.float64]
Parents = NDArray[np.int32]


def arborescences(cost: Floats, roots: Sequence[int]) -> tuple[Parents, Floats]:
    """The cheapest tree from each root; `cost[src, dst]` of an edge, inf where there is none, never negative.

    Returns parents (roots x n, -1 at the root) and what the edges of each tree cost together: inf, and no parents,
    where a root does not reach every node.
    """
    return _trees(lib.rt_arborescences, cost, roots)


def shallow_trees(cost: Floats, roots: Sequence[int], hops: int) -> tuple[Parents, Floats]:
    """A cheap tree of at most `hops` from each root, by local search; arguments and results as of `arborescences`."""

    def find(n: int, matrix: Any, *rest: Any) -> int:
        return int(lib.rt_shallow_trees(n, matrix, hops, *rest))

    return _trees(find, cost, roots)


def _trees(find: Callable[..., int], cost: Floats, roots: Sequence[int]) -> tuple[Parents, Floats]:
    n = len(cost)
    cost = np.ascontiguousarray(cost, np.float64)
    if cost.shape != (n, n):
        raise ValueError(f"cost: found shape {cost.shape}, expected a square")
    parents = np.empty((len(roots), n), np.int32)
    costs = np.empty(len(roots), np.float64)
    error = new_error()
    status = find(
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
