"""Bounds against published optima: the 28 graphs, and the sub-allocations of a DGX-1V."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import pytest
from graphs import PUBLISHED

from topology import load
from topology.bounds import Bound
from topology.hops import FreeHops
from topology.packing import demands, pack

GRAPHS = sorted(PUBLISHED.glob("*.json"))
IN_SWITCH = "ar_joint_lp_in_switch_multicast_aggregation_algbw"
# The files round to four decimals.
ROUNDING = 5.1e-5


def found(bound: Bound | None) -> Bound:
    assert bound is not None
    return bound


@pytest.mark.skipif(not GRAPHS, reason="the published graphs are not here")
@pytest.mark.parametrize("path", GRAPHS, ids=lambda path: path.stem)
def test_the_published_optima(path: Path) -> None:
    expected = json.loads(path.read_text(encoding="utf-8"))["expected"]
    board = load(str(path))
    inv_x_star = Fraction(expected["inv_x_star"]) / Fraction(expected["unit_GBps"])
    for kind in ("all_gather", "reduce_scatter"):
        bound = found(board.bound(kind))
        assert bound.exact == expected["N"] / inv_x_star
        assert bound.rate_GBps == pytest.approx(expected["ag_algbw"], abs=ROUNDING)
    joint = found(board.bound("all_reduce"))
    assert joint.exact is not None
    assert joint.attained
    if "ar_joint_lp_algbw" in expected:
        assert joint.rate_GBps == pytest.approx(expected["ar_joint_lp_algbw"], abs=ROUNDING)
    assert joint.exact >= found(board.bound("all_gather")).exact / 2  # type: ignore[operator]
    in_switch = found(board.bound("all_reduce", in_switch=True))
    assert in_switch.rate_GBps >= joint.rate_GBps
    if IN_SWITCH in expected:
        assert in_switch.rate_GBps == pytest.approx(expected[IN_SWITCH], abs=ROUNDING)


@pytest.mark.skipif(not GRAPHS, reason="the published graphs are not here")
@pytest.mark.parametrize("name", ["dgx1v", "box8_box4_switch", "mesh2d_4x4", "ndv2_2x8_teccl", "a100_2x8"])
def test_trees_that_were_packed_reach_the_bound(name: str) -> None:
    """Column generation and cuts are two sides of one optimum."""
    board = load(str(PUBLISHED / f"{name}.json"))
    packing = pack(FreeHops(board, board.devices), demands("all_reduce", len(board.devices)))
    assert packing.rate_GBps == pytest.approx(found(board.bound("all_reduce")).rate_GBps, rel=1e-7)


@pytest.mark.parametrize(
    ("devices", "all_gather", "all_reduce"),
    [
        ([0, 1, 2], "75", "50"),
        ([0, 1, 3], "112.5", "62.5"),
        ([0, 1, 2, 3], "400/3", "75"),
        ([0, 1, 4, 5], "100", "175/3"),
        ([0, 2, 4, 6], "100", "50"),
        ([0, 1, 2, 3, 4], "62.5", "50"),
        ([0, 1, 3, 4, 5], "93.75", "62.5"),
        ([0, 1, 2, 3, 4, 5], "90", "62.5"),
        ([0, 1, 2, 3, 4, 7], "60", "50"),
        ([0, 1, 2, 3, 4, 5, 6], "350/3", "75"),
        ([0, 1, 2, 3, 4, 5, 6, 7], "1200/7", "600/7"),
    ],
)
def test_parts_of_a_dgx1v(devices: list[int], all_gather: str, all_reduce: str) -> None:
    """The chips that are left out take no part, though the board's chips forward."""
    board = load("dgx1v")
    assert found(board.bound("all_gather", devices)).exact == Fraction(all_gather)
    assert found(board.bound("all_reduce", devices)).exact == Fraction(all_reduce)
    assert found(board.bound("all_reduce", devices[::-1])).exact == Fraction(all_reduce)
