"""Assumed figures: listed, replaced with --assume, filled in; never silently."""

from __future__ import annotations

import pytest

import topology
from _ringtree.assume import Assumptions
from _ringtree.errors import AssumptionError, TopologyError


def test_assumed_figures_are_used_and_listed_as_assume_takes_them() -> None:
    board = topology.load("ppu-8")
    assert {link.latency_us for link in board.links} == {1.0}
    assert board.assumed == ("ppu-8.icn.latency=1 us", "ppu.forward=true")
    again = topology.load("ppu-8", Assumptions.parse(list(board.assumed)))
    assert again.assumed == board.assumed
    assert again.links == board.links


def test_assume_replaces_them_and_says_so() -> None:
    assume = Assumptions.parse(["ppu-8.icn.latency=0.7us", "ppu-8.icn.bandwidth=45 GB/s", "ppu.fp16_tflops=120"])
    board = topology.load("ppu-8", assume)
    assert {link.latency_us for link in board.links} == {0.7}
    assert {link.bandwidth_GBps for link in board.links} == {45.0, 90.0}
    assert board.assumed == ("ppu-8.icn.bandwidth=45 GB/s", "ppu-8.icn.latency=0.7 us", "ppu.forward=true")
    assert assume.unused() == ["ppu.fp16_tflops"]


def test_a_null_is_supplied_by_the_key_that_the_error_names() -> None:
    with pytest.raises(AssumptionError, match=r"--assume kunlun-8\.xpulink\.bandwidth="):
        topology.load("kunlun-8").board()
    board = topology.load("kunlun-8", Assumptions.parse(["kunlun-8.xpulink.bandwidth=25 GB/s"]))
    assert board.total_bandwidth_GBps == 8 * 4 * 25
    assert "kunlun-8.xpulink.bandwidth=25 GB/s" in board.assumed


def test_links_with_a_figure_of_their_own_keep_it() -> None:
    text = """
    nodes: {chip: 3}
    kinds: {w: {bandwidth: 5 GB/s}}
    links: {w: [[0, 1, 2], {between: [1, 2], bandwidth: 7 GB/s, latency: 3 us}]}
    """
    assume = Assumptions.parse(["b.w.bandwidth=6 GB/s", "b.w.latency=1 us"])
    board = topology.loads(text, "b", assume)
    links = {(link.src, link.dst): (link.bandwidth_GBps, link.latency_us) for link in board.links}
    assert links == {(0, 1): (12.0, 1.0), (1, 0): (12.0, 1.0), (1, 2): (7.0, 3.0), (2, 1): (7.0, 3.0)}


def test_limits_are_supplied_the_same_way() -> None:
    text = """
    nodes: {chip: 2}
    kinds: {w: {bandwidth: 5 GB/s, latency: 0 us}}
    links: {w: [[0, 1]]}
    limits: {cap: {bandwidth: null, out: chip}}
    """
    message = r"^b: bandwidth of limit cap\.chip0 is unknown; supply it with --assume b\.cap\.bandwidth="
    with pytest.raises(AssumptionError, match=message):
        topology.loads(text, "b").board()
    board = topology.loads(text, "b", Assumptions.parse(["b.cap.bandwidth=4 GB/s"]))
    assert [limit.bandwidth_GBps for limit in board.limits] == [4.0, 4.0]


def test_forwarding_is_an_assumption_like_others() -> None:
    board = topology.load("torus-4x4", Assumptions.parse(["torus-4x4.forward=false"]))
    assert not any(node.forward for node in board.nodes)
    assert "torus-4x4.forward=false" in board.assumed


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        ("ppu-8.icn.latency=1", "--assume ppu-8.icn.latency: found '1' without a unit; expected a latency of 0 or"),
        ("ppu-8.icn.bandwidth=0 GB/s", "--assume ppu-8.icn.bandwidth: found '0 GB/s'; expected a bandwidth above 0"),
        ("ppu.forward=maybe", "--assume ppu.forward: found 'maybe'; expected true or false"),
    ],
)
def test_a_bad_assumption_is_refused(pair: str, message: str) -> None:
    with pytest.raises(TopologyError) as caught:
        topology.load("ppu-8", Assumptions.parse([pair]))
    assert str(caught.value).startswith(message)
