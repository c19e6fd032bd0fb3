"""Why a training step takes as long as it does on a board: the figure of the chip, the link, or latency."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from emulator import Device
from emulator.device import RATES
from ringtree.network import Work

if TYPE_CHECKING:
    from collections.abc import Sequence

    from _ringtree.core import Record
    from collectives import Plan
    from topology import Limit, Link

# A link that is busy for at least this share of the time is what limits, not latency.
BUSY = 0.5


def of_compute(device: Device, kernels: Sequence[Work], dtype: str) -> str:
    """Which figure of the chip's profile takes most of the time of these kernels."""
    probe = Device(device.profile)
    launch = probe.compute(dtype=dtype)
    took: dict[str, float] = defaultdict(float)
    for work in kernels:
        for name, us in (
            (RATES[dtype], probe.compute(flops=work.flops, dtype=dtype) - launch),
            ("memory_GBps", probe.compute(bytes=work.bytes, dtype=dtype) - launch),
        ):
            took[name] += us
    took["launch_us"] = launch * len(kernels)
    name = max(took, key=lambda figure: took[figure])
    what = {"memory_GBps": "memory-bound", "launch_us": "bound by launches"}.get(name, "compute-bound")
    return f"{what}: {took[name]:.3g} us for {device.profile.name}.{name}"


def of_communication(plan: Plan) -> str:
    """The link that is busy longest while the plan runs, or latency where none is busy for long."""
    board, busy = plan.topology, defaultdict[int, float](float)
    assert board is not None
    parts: list[Link | Limit] = [*board.links, *board.limits]

    def watch(records: list[Record]) -> None:
        for record in records:
            busy[record.element] += record.bytes / (parts[record.element].bandwidth_GBps or 1.0) / 1e3 + plan.cost_us

    time_us = max(plan.simulate(observer=watch))
    if not busy:
        return f"{plan.plan}: nothing crosses a link"
    element = max(busy, key=lambda index: (busy[index], -index))
    share = busy[element] / time_us
    if element < len(board.links):
        link = board.links[element]
        name = f"link {board.nodes[link.src].name} > {board.nodes[link.dst].name}"
    else:
        name = f"limit {board.limits[element - len(board.links)].name}"
    what = f"{name} ({parts[element].kind}, {parts[element].bandwidth_GBps:g} GB/s) is busy {share:.0%} of the time"
    return f"{plan.plan}: {'bandwidth' if share >= BUSY else 'latency'}: the busiest, {what}"
