"""Spanning trees found by the core: cheapest, of few hops, as early as can be, of few steps (csrc/ has a file each)."""

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

Hop = tuple[int, int, Sequence[int]]
"""From which rank to which, and the elements of the board that it takes."""


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


def stepped_trees(
    ranks: int, hops: Sequence[Hop], busy: Sequence[float], steps: int, chunks: int, work: int
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float64]]:
    """`chunks` trees from each rank that reach all in so many steps, and keep the busiest element of each step short.

    `busy`: how long a chunk takes each element; `work`: about how many nanoseconds the search may take. Returns parents
    and steps of arrival (both trees x ranks, root after root; at a root -1 and 0), and how long each step takes.
    NoRouteError where a rank cannot be reached in time.
    """
    src, dst, taken = zip(*hops, strict=True) if hops else ((), (), ())
    first = [0]
    for elements in taken:
        first.append(first[-1] + len(elements))
    keep = {
        "src": array("int32_t", src),
        "dst": array("int32_t", dst),
        "first": ffi.new("int32_t[]", first),
        "element": array("int32_t", [element for elements in taken for element in elements]),
        "busy": array("double", busy),
    }
    spec = ffi.new("rt_step_hops *", {"ranks": ranks, "hops": len(hops), "elements": len(busy), **keep})
    parents, step_of = (np.empty((ranks * chunks, ranks), np.int32) for _ in range(2))
    durations, error = np.empty(steps, np.float64), new_error()
    status = lib.rt_stepped_trees(
        spec,
        steps,
        chunks,
        work,
        ffi.from_buffer("int32_t[]", parents, require_writable=True),
        ffi.from_buffer("int32_t[]", step_of, require_writable=True),
        ffi.from_buffer("double[]", durations, require_writable=True),
        error,
    )
    check(status, error)
    return parents, step_of, durations
