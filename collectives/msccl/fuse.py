"""Two lanes into one, of which one receives what the other sends on: half the thread blocks, half the steps.

    lane a: receive chunk 0, receive chunk 1, ...         receive and send chunk 0, receive and send chunk 1, ...
    lane b:    send chunk 0,    send chunk 1, ...   ──▶

The result is the same and the time not quite: a chunk is received only when the one before it has been sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from _ringtree.native import lib
from _ringtree.stored import Step

from .peers import Classes, Lane

_FUSED = {lib.RT_RECV: lib.RT_RECV_SEND, lib.RT_RECV_REDUCE: lib.RT_RECV_REDUCE_STORE_SEND}


def fused(lanes: Sequence[Lane], classes: Classes) -> list[Lane]:
    """The lanes of a rank; those that were joined to another are left empty, so that numbers stay."""
    partner: dict[int, int] = {}  # of a lane that sends, the one that receives
    for number, lane in enumerate(lanes):
        other = _receiver(lanes, number)
        if other is None or other in partner.values() or not classes.join(lanes[other][0].receives, lane[0].sends):
            continue
        partner[number] = other
    found: list[Lane] = []
    for number, lane in enumerate(lanes):
        if number in partner:
            lane = []
        elif number in partner.values():
            sender = next(a for a, b in partner.items() if b == number)
            lane = [_both(*pair, number) for pair in zip(lane, lanes[sender], strict=True)]
        found.append([_moved(step, partner) for step in lane])
    return found


def _receiver(lanes: Sequence[Lane], number: int) -> int | None:
    """The lane that receives what the lane sends on, step for step."""
    lane = lanes[number]
    if not lane or lane[0].opcode != lib.RT_SEND or not lane[0].dependencies:
        return None
    other = lane[0].dependencies[0][0]
    steps = lanes[other]
    same = len(steps) == len(lane) and all(
        a.opcode in _FUSED
        and b.opcode == lib.RT_SEND
        and (a.receives, b.sends) == (steps[0].receives, lane[0].sends)
        and (a.target, a.count) == (b.source, b.count)
        and (other, 1, at) in b.dependencies
        for at, (a, b) in enumerate(zip(steps, lane, strict=False))
    )
    return other if same else None


def _both(receives: Step, sends: Step, lane: int) -> Step:
    rest = [dep for dep in sends.dependencies if dep[:2] != (lane, 1)]
    return replace(
        receives, opcode=_FUSED[receives.opcode], sends=sends.sends, dependencies=[*receives.dependencies, *rest]
    )


def _moved(step: Step, partner: dict[int, int]) -> Step:
    """Dependencies on a lane that was joined are on the one that it was joined to."""
    single = [(dep[0] + i, dep[2]) for dep in step.dependencies for i in range(dep[1])]
    return replace(step, dependencies=[(partner.get(lane, lane), 1, at) for lane, at in single])
