"""Ranks on chips: which chips take part, and that no route leads through the others."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from _ringtree.errors import InputError, NoRouteError
from collectives.planner.placement import place
from topology import Topology, load, loads

PPU = load("ppu-8")


WIRE = "kinds: {wire: {bandwidth: 10 GB/s, latency: 1 us}}"


def line(chips: int) -> Topology:
    """Chips in a row that forward for each other."""
    nodes = f"nodes: {{chip: {{kind: device, count: {chips}, forward: true}}}}"
    pairs = ", ".join(f"[{chip}, {chip + 1}]" for chip in range(chips - 1))
    return loads(f"board: line\n{nodes}\n{WIRE}\nlinks: {{wire: [{pairs}]}}\n", "line.yaml")


@given(st.permutations(range(8)), st.integers(1, 8))
def test_rank_i_sits_on_device_i(chips: list[int], ranks: int) -> None:
    devices = chips[:ranks]
    board, placement = place(PPU, ranks, devices)
    assert placement == tuple(PPU.devices[device] for device in devices)
    assert place(PPU, None, devices) == (board, placement)
    assert {node.id for node in board.nodes if node.forward} == set(placement)
    assert board.links == PPU.links


@pytest.mark.parametrize("ranks", range(1, 9))
def test_the_first_chips_by_default(ranks: int) -> None:
    assert place(PPU, ranks)[1] == PPU.devices[:ranks]


def test_all_chips_by_default() -> None:
    board, placement = place(PPU)
    assert placement == PPU.devices
    assert board == PPU


def test_idle_chips_forward_nothing() -> None:
    row = line(4)
    assert len(place(row, None, [0, 3])[0].nodes) == 4
    with pytest.raises(NoRouteError):
        place(row, None, [0, 3])[0].route(0, 3)
    with pytest.raises(NoRouteError):
        place(row, None, [0, 3], others=[1])[0].route(0, 3)
    assert len(place(row, None, [0, 3], others=[1, 2])[0].route(0, 3)) == 3
    assert len(place(row, None, [0, 1, 2])[0].route(0, 2)) == 2


def test_chips_are_counted_without_switches_and_hosts() -> None:
    """Devices are numbered among themselves, wherever other nodes stand in the file."""
    nodes = "nodes: {middle: switch, chip: {kind: device, count: 2}}"
    board = loads(f"board: star\n{nodes}\n{WIRE}\nlinks: {{wire: [[chip, middle]]}}\n", "star.yaml")
    assert place(board, 2)[1] == (1, 2)
    assert place(board, None, [1])[1] == (2,)
    with pytest.raises(InputError, match="3 ranks, but the board has only 2 chips"):
        place(board, 3)


@pytest.mark.parametrize(
    ("ranks", "devices", "message"),
    [
        (9, None, "ppu-8: 9 ranks, but the board has only 8 chips"),
        (0, None, "ranks: found 0; expected at least 1"),
        (None, [], "ranks: found 0; expected at least 1"),
        (None, list(range(9)), "only 8 chips"),
        (None, [8], "device 8 does not exist; expected 0 to 7"),
        (None, [0, -1], "device -1 does not exist"),
        (None, [3, 1, 3], "a chip is named twice"),
        (2, [0], "1 named for 2 ranks"),
        (1, [0, 1], "2 named for 1 ranks"),
        (-1, None, "ranks: found -1; expected at least 1"),
    ],
)
def test_what_cannot_be_placed(ranks: int | None, devices: list[int] | None, message: str) -> None:
    with pytest.raises(InputError, match=message):
        place(PPU, ranks, devices)
