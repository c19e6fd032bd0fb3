"""A plan for a board that has changed, made from the plan that there was: most of its trees are still good."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from _ringtree.errors import InputError
from topology import Topology

from .placement import place
from .specification import Specification, parse

if TYPE_CHECKING:
    from .planning import Plan

Parents = tuple[int, ...]


def repair(plan: Plan, topology: Topology) -> Plan:
    """The same collective on `topology`, which has the same chips: a board that lost a link, or has slow ones.

    A forest keeps its pieces and pacing, and its trees are the start of the search for the new packing, which is the
    best again; `certificate` says how good it is against the new bound. What has no trees is planned anew. Raises
    InputError where chips are lost (plan anew then), NoRouteError.
    """
    from .planning import Planner

    names = [plan.topology.nodes[node].name for node in plan.placement] if plan.topology else []
    there = {topology.nodes[node].name: number for number, node in enumerate(topology.devices)}
    lost = [name for name in names if name not in there]
    if lost or not names:
        raise InputError(f"repair: found no {', '.join(lost) or 'board'}; plan anew for the chips that are left")
    board, placement = place(topology, len(names), [there[name] for name in names])
    planner, asked = Planner(board, placement, plan.cost_us), parse(plan.plan)
    if asked.name != "forest" or asked.get("hops") is None or plan.recipe is None:
        return planner.plan(plan.collective, plan.dtype, plan.op, Specification("auto"))
    detours = any(tree.up_detours or tree.down_detours for tree in plan.recipe.forest)
    packing = planner.repack(plan.collective, list(_trees(plan)), asked.get("hops") or 1, detours)
    values = {**dict(asked.parameters), "hops": packing.hops}
    values.pop("trees", None)
    chosen = str(Specification("forest", tuple(values.items())))
    return planner.build(plan.collective, plan.dtype, plan.op, plan.algorithm, chosen)


def _trees(plan: Plan) -> Iterator[tuple[int, bool, Parents]]:
    for tree in plan.recipe.forest if plan.recipe else ():
        for up, parents in ((True, tree.up), (False, tree.down)):
            if parents is not None:
                yield tree.root, up, parents
