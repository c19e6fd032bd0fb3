"""Asks the core for programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from _ringtree_core import ffi, lib
from interpreter import Task

ALGORITHMS = {
    "ring": lib.RT_ALGO_RING,
    "tree": lib.RT_ALGO_TREE,
    "binary_tree": lib.RT_ALGO_BINARY_TREE,
    "binomial": lib.RT_ALGO_BINOMIAL,
    "star": lib.RT_ALGO_STAR,
    "one_shot": lib.RT_ALGO_ONE_SHOT,
    "two_shot": lib.RT_ALGO_TWO_SHOT,
    "recursive_doubling": lib.RT_ALGO_RECURSIVE_DOUBLING,
    "rabenseifner": lib.RT_ALGO_RABENSEIFNER,
    "pairwise": lib.RT_ALGO_PAIRWISE,
    "two_level": lib.RT_ALGO_TWO_LEVEL,
    "forest": lib.RT_ALGO_FOREST,
    "bucket": lib.RT_ALGO_BUCKET,
    "swing": lib.RT_ALGO_SWING,
}
KINDS = {
    "all_reduce": lib.RT_ALL_REDUCE,
    "reduce_scatter": lib.RT_REDUCE_SCATTER,
    "all_gather": lib.RT_ALL_GATHER,
    "broadcast": lib.RT_BROADCAST,
    "reduce": lib.RT_REDUCE,
    "gather": lib.RT_GATHER,
    "scatter": lib.RT_SCATTER,
    "all_to_all": lib.RT_ALL_TO_ALL,
    "barrier": lib.RT_BARRIER,
}


class Refused(Exception):
    """The core's status and text."""

    def __init__(self, status: int, error: ffi.CData) -> None:
        super().__init__(ffi.string(error.text).decode())
        self.status = status


@dataclass(frozen=True)
class Tree:
    """A share of the data, its root, each rank's parent on the way up and down (None: no such way)."""

    offset: int
    length: int
    root: int
    up: tuple[int, ...] | None = None
    down: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Recipe:
    """As rt_recipe has it."""

    algorithm: str
    chunks: int = 1
    pace: int = 0
    depth: int = 2
    orders: tuple[tuple[int, ...], ...] = ()
    rings: int = 0
    board_of_rank: tuple[int, ...] = ()
    forest: tuple[Tree, ...] = ()
    sizes: tuple[int, ...] = ()
    whole: bool = False


def array(kind: str, values: Sequence[int] | None) -> ffi.CData:
    return ffi.NULL if values is None else ffi.new(f"{kind}[]", list(values))


def collective(task: Task) -> tuple[ffi.CData, list[ffi.CData]]:
    """The struct, and the arrays it points to."""
    arrays = [array("int64_t", values) for values in (task.counts, task.displs, task.recv_displs)]
    return ffi.new("rt_collective *", (task.kind, task.ranks, task.root, task.count, *arrays)), arrays


def build(task: Task, recipe: Recipe) -> ffi.CData:
    """A program that frees itself; Refused where the core says no."""
    keep, kept = collective(task)
    boards = max(recipe.board_of_rank, default=-1) + 1
    orders = array("int32_t", [rank for order in recipe.orders for rank in order] or None)
    board_of_rank = array("int32_t", recipe.board_of_rank or None)
    ways = [(array("int32_t", t.up), array("int32_t", t.down)) for t in recipe.forest]
    trees = ffi.new("rt_tree[]", len(recipe.forest))
    for tree, given, (up, down) in zip(trees, recipe.forest, ways, strict=True):
        tree.offset, tree.length, tree.root, tree.up, tree.down = given.offset, given.length, given.root, up, down
    rings = recipe.rings or len(recipe.orders)
    numbers = (ALGORITHMS[recipe.algorithm], recipe.chunks, recipe.pace, recipe.depth, rings)
    sizes = array("int32_t", recipe.sizes or None)
    torus = (len(recipe.sizes), sizes, recipe.whole)
    spec = ffi.new("rt_recipe *", (*numbers, orders, boards, board_of_rank, len(trees), trees, *torus))
    program, error = ffi.new("rt_program **"), ffi.new("rt_error *")
    status = lib.rt_build(keep, spec, program, error)
    if status != lib.RT_OK:
        raise Refused(status, error)
    del kept
    return ffi.gc(program[0], lib.rt_program_free)
