"""A request carried over to the board that faults leave: ranks whose chips are lost drop out, the others move up."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from _ringtree.errors import InputError
from ringtree.rows import ROOTED, Request

if TYPE_CHECKING:
    from collectives import Plan
    from topology import Topology


def carried_over(request: Request, whole: Topology, left: Topology) -> Request:
    """The request on the board that is left; devices are counted there. InputError where nothing is left to do."""
    numbers = {left.nodes[node].name: number for number, node in enumerate(left.devices)}
    names = [whole.nodes[whole.devices[device]].name for device in request.devices or ()]
    ranks = [rank for rank, name in enumerate(names) if name in numbers]
    if not ranks:
        raise InputError(f"{left.name}: none of the ranks' chips is left")
    if request.collective in ROOTED and request.root not in ranks:
        raise InputError(f"--root: rank {request.root} sits on {names[request.root]}, which is lost")
    root = ranks.index(request.root) if request.root in ranks else 0
    return replace(request, ranks=len(ranks), devices=[numbers[names[rank]] for rank in ranks], root=root)


def kept_up(before: Plan, after: Plan) -> str:
    """What becomes of the whole board's plan if it is run unchanged on what is left; "" where ranks are lost."""
    if before.collective.ranks != after.collective.ranks:
        return ""
    try:
        time_us = max(replace(before, topology=after.topology, placement=after.placement).simulate())
    except InputError as problem:
        return f"unchanged, that plan cannot run: {problem}"
    slower = f"{time_us / after.time_us:.2f} times as long as the new plan" if after.time_us else "as before"
    return f"unchanged, that plan takes {time_us:.2f} us on what is left, {slower}"


def repaired(before: Plan, after: Plan) -> str:
    """How the whole board's plan fares when it is repaired; "" where ranks are lost."""
    from collectives import repair

    if before.collective.ranks != after.collective.ranks or after.topology is None:
        return ""
    begin = time.perf_counter()
    try:
        plan = repair(before, after.topology)
    except InputError as problem:
        return f"that plan cannot be repaired: {problem}"
    milliseconds = 1e3 * (time.perf_counter() - begin)
    return f"from that plan in {milliseconds:.0f} ms: {plan.plan}, {plan.time_us:.2f} us"
