"""Which chip of the board each rank sits on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from _ringtree.errors import InputError
from topology import Topology


def place(
    topology: Topology,
    ranks: int | None = None,
    devices: Sequence[int] | None = None,
    others: Sequence[int] = (),
) -> tuple[Topology, tuple[int, ...]]:
    """The board that is left for the ranks, and the node of each: the first chips, or `devices` (chip numbers).

    Chips without a rank take no part: nothing is routed through them. `others` are chips with ranks of the job that
    are not among these. InputError for more ranks than chips.
    """
    chips = topology.devices
    if devices is None:
        devices = range(len(chips) if ranks is None else ranks)
    elif ranks is not None and ranks != len(devices):
        raise InputError(f"devices: {len(devices)} named for {ranks} ranks")
    if len(devices) > len(chips):
        raise InputError(f"{topology.name}: {len(devices)} ranks, but the board has only {len(chips)} chips")
    if len(devices) < 1:
        raise InputError(f"ranks: found {ranks or 0}; expected at least 1")
    for device in devices:
        if not 0 <= device < len(chips):
            raise InputError(f"{topology.name}: device {device} does not exist; expected 0 to {len(chips) - 1}")
    if len(set(devices)) != len(devices):
        raise InputError("devices: a chip is named twice")
    placement = tuple(chips[device] for device in devices)
    return _without_idle_chips(topology, {*placement, *(chips[other] for other in others)}), placement


def _without_idle_chips(topology: Topology, busy: set[int]) -> Topology:
    idle = [node for node in topology.nodes if node.kind == "device" and node.forward and node.id not in busy]
    if not idle:
        return topology
    nodes = tuple(replace(node, forward=False) if node in idle else node for node in topology.nodes)
    return replace(topology, nodes=nodes)
