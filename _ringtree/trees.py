"""Cheap spanning trees of a directed graph, from any of its nodes: the core's arborescences and shallow trees."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

from _ringtree.native import array, check, ffi, lib, new_error
from _ringtree.simulator import Board

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


Hops = Mapping[tuple[int, int], Sequence[int]]


def early_trees(
    board: Board, hops: Hops, ranks: int, roots: Sequence[int], pieces: int, nbytes: float
) -> tuple[NDArray[np.int32], float]:
    """Trees that bring `pieces` of `nbytes` from each root to all ranks as early as they can, all at once.

    `hops[src, dst]` are the board's elements that a message passes, in order. Returns parents (pieces x roots x ranks,
    -1 at the root) and when the last piece arrives, us. NoRouteError where a root does not reach every rank.
    """
    paths = [hops.get((src, dst), ()) for src in range(ranks) for dst in range(ranks)]
    first = array("int32_t", list(accumulate((len(path) for path in paths), initial=0)))
    elements = array("int32_t", [element for path in paths for element in path] or [0])
    parents = np.empty((pieces, len(roots), ranks), np.int32)
    out = ffi.from_buffer("int32_t[]", parents, require_writable=True)
    last_us, error = ffi.new("double *"), new_error()
    c_hops, c_roots = ffi.new("rt_hops *", [ranks, first, elements]), array("int32_t", list(roots))
    check(lib.rt_early_trees(board.handle, c_hops, len(roots), c_roots, pieces, nbytes, out, last_us, error), error)
    return parents, float(last_us[0])
