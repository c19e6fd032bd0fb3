"""Programs and plans of ours as MSCCL XML.

A plan is written step for step where MSCCL's runtimes have room for it. Where they have not, it is written anew with
fewer pieces, in coarser chunks, its lanes joined in pairs, and a forest without its smallest trees: the same idea,
within the limits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from _ringtree.core import Collective, Program, Recipe
from _ringtree.errors import UnsupportedError

from ..planner.forests import Share, forest
from .blocks import to_algorithm
from .limits import MOST_BLOCKS, beyond
from .model import IN_PARTS, UNLIMITED
from .write import text_of

if TYPE_CHECKING:
    from ..planner.planning import Plan

# Powers of two, so that vectors of usual sizes divide: the runtimes take no others.
PIECES = (16, 8, 4, 2, 1)
CHUNKS_PER_PIECE = 32  # of the vector: a tree's share of it is rounded to such chunks
MOST_DROPPED = 0.05  # of a forest's data, with the smallest trees


def program_to_msccl(
    program: Program,
    name: str = "ringtree",
    *,
    protocol: str = "Simple",
    limits: bool = True,
    fuse: bool = False,
    least_bytes: int = 0,
    most_bytes: int = UNLIMITED,
) -> str:
    """The program as XML. Read back, it takes the same simulated time, if each of its lanes has one peer each way.

    limits: UnsupportedError names what RCCL's and MSCCL's runtimes would refuse, and the figure; without, it is
    written all the same. fuse: a lane that receives and one that sends the same on become one block (fuse.py).
    """
    algorithm = to_algorithm(program, name, protocol, limits=limits, fuse=fuse)
    for problem in beyond(algorithm) if limits else ():
        raise UnsupportedError(f"msccl: {problem}")
    return text_of(replace(algorithm, least_bytes=least_bytes, most_bytes=most_bytes))


def plan_to_msccl(plan: Plan, *, limits: bool = True) -> str:
    """The plan as XML within the limits, coarser than the plan where it must be. Raises UnsupportedError."""
    try:
        return program_to_msccl(plan.program, plan.plan, limits=limits)
    except UnsupportedError as problem:
        first = problem
    for program in _coarser(plan) if limits else ():
        crowded = max(program.lanes(rank) for rank in range(program.collective.ranks)) > MOST_BLOCKS
        for fuse in (True,) if crowded else (False, True):
            try:
                return program_to_msccl(program, plan.plan, fuse=fuse)
            except UnsupportedError:
                continue
    raise first


def _coarser(plan: Plan) -> Iterator[Program]:
    """The plan's algorithm with fewer and fewer pieces, on so few elements that a chunk is one of them."""
    from ..planner.planning import Planner
    from ..planner.specification import Specification, parse

    asked = parse(plan.plan)
    most = asked.get("chunks")
    if most is None or plan.collective.counts is not None:
        return
    planner = Planner(plan.topology, plan.placement, plan.cost_us)
    parts = plan.collective.ranks if asked.name != "forest" or plan.collective.kind in IN_PARTS else 1
    for pieces in (pieces for pieces in PIECES if pieces <= most):
        count = pieces * CHUNKS_PER_PIECE * parts * (asked.get("channels") or 1)
        shape = replace(plan.collective, count=count)
        if asked.name == "forest":
            recipe = Recipe("forest", pieces, asked.get("pace") or 0, asked.get("depth") or 1)
            yield from _forests(planner.shares_of(shape, asked), shape, recipe)
        else:
            parameters = tuple((key, pieces if key == "chunks" else value) for key, value in asked.parameters)
            coarser = str(Specification(asked.name, parameters))
            yield planner.build(shape, plan.dtype, plan.op, plan.algorithm, coarser).program


def _forests(found: Sequence[Share], shape: Collective, recipe: Recipe) -> Iterator[Program]:
    """The forest, then without its smallest tree, without its two smallest, ..., as long as every root keeps one."""
    kept = list(found)
    least = (1 - MOST_DROPPED) * sum(share.weight for share in found)
    roots = {share.root for share in found}
    while sum(share.weight for share in kept) >= least and {share.root for share in kept} >= roots:
        yield Program.build(shape, replace(recipe, forest=forest(shape, kept)))
        kept.remove(min(kept, key=lambda share: share.weight))
