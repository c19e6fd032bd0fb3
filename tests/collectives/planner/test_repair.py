"""Repaired plans: as good as plans from nothing, and right."""

from __future__ import annotations

from dataclasses import replace

import pytest

from _ringtree.core import Recipe, verify
from _ringtree.errors import InputError
from collectives import plan
from collectives.planner.forests import pack_ladder
from collectives.planner.repair import repair
from topology import degraded, load


@pytest.mark.parametrize("kind", ["all_reduce", "all_gather", "reduce_scatter"])
@pytest.mark.parametrize(
    ("name", "lost", "slowed"),
    [
        ("ppu-8", ["link:0-1"], []),
        ("ppu-8", [], ["chip:3=0.5"]),
        ("dgx1v", ["link:0-4"], ["link:1-3=0.5"]),
        ("unequal-8-4", [], ["chip:0=0.25"]),
    ],
)
def test_as_good_as_planned_from_nothing(name: str, kind: str, lost: list[str], slowed: list[str]) -> None:
    whole = load(name)
    left = degraded(whole, lost, slowed)
    before = plan(whole, kind, 2**28, algorithm="forest")
    after = repair(before, left)
    best = pack_ladder(left, left.devices, kind)[-1].rate_GBps
    assert 0.97 * best <= 2**28 / after.time_us / 1e3 <= best * (1 + 1e-9)
    assert after.time_us <= 1.02 * plan(left, kind, 2**28, algorithm="forest").time_us
    assert after.topology == left
    few = replace(after.recipe or Recipe("forest"), chunks=2)
    verify(type(after.program).build(after.collective, few))


def test_what_has_no_trees_is_planned_anew() -> None:
    board = load("mi300x-8")
    before = plan(board, "all_reduce", 2**20, algorithm="two_shot")
    after = repair(before, degraded(board, ["link:0-1"]))
    assert after.time_us >= before.time_us


def test_lost_chips_are_not_repaired() -> None:
    board = load("ppu-8")
    before = plan(board, "all_reduce", 2**20)
    with pytest.raises(InputError, match="found no chip3; plan anew"):
        repair(before, degraded(board, ["chip:3"]))
    with pytest.raises(InputError, match="found no board"):
        repair(replace(before, topology=None), board)
