"""Boards with faults: what is left against a plain filter over names, and bounds against closed forms."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from graphs import both_ways, graph
from hypothesis import given, settings
from hypothesis import strategies as st

from _ringtree.errors import AssumptionError, TopologyError
from topology import Topology, degraded, load, loads, shipped, slow, to_yaml, without
from topology.bounds import bound

PPU = load("ppu-8")
KNOWN = [name for name in shipped() if name != "kunlun-8" and not name.startswith("supernode")]

Wires = dict[tuple[str, str], tuple[float | None, float | None, int]]

LIMITED = """
board: limited
nodes:
  chip: {kind: device, count: 4}
  leaf: switch
kinds:
  wire: {bandwidth: 50 GB/s, latency: 1 us}
  bus: {bandwidth: 16 GB/s, latency: 1 us, duplex: half}
links:
  wire: [[chip, leaf]]
  bus: [[chip0, chip1]]
limits:
  out: {bandwidth: 40 GB/s, out: chip0}
  root: {bandwidth: 120 GB/s, links: [[chip0, leaf], [chip1, leaf], [chip2, leaf]]}
"""


def wires(board: Topology) -> Wires:
    """Every directed link by the names of its ends."""
    names = [node.name for node in board.nodes]
    return {(names[k.src], names[k.dst]): (k.bandwidth_GBps, k.latency_us, k.count) for k in board.links}


def limits(board: Topology) -> dict[str, tuple[float | None, set[tuple[str, str]]]]:
    ends = list(wires(board))
    return {limit.name: (limit.bandwidth_GBps, {ends[i] for i in limit.links}) for limit in board.limits}


@pytest.mark.parametrize("spelled", ["link:0-6", "link:6-0", "link:chip0-chip6", "link: chip6 - 0"])
def test_a_lost_link_is_lost_both_ways(spelled: str) -> None:
    left = without(PPU, spelled)
    assert wires(left) == {ends: w for ends, w in wires(PPU).items() if set(ends) != {"chip0", "chip6"}}
    assert [node.name for node in left.nodes] == [node.name for node in PPU.nodes]
    assert left.name == f"ppu-8 without {spelled}"
    assert left.description.endswith("; without the links between chip0 and chip6") or "chip6 and chip0" in (
        left.description
    )


def test_a_link_lost_in_one_direction() -> None:
    left = without(PPU, "link:0>6")
    assert wires(PPU).keys() - wires(left).keys() == {("chip0", "chip6")}


def test_a_lost_chip_takes_its_links_and_the_others_keep_their_names() -> None:
    left = without(PPU, "chip:3")
    assert [node.name for node in left.nodes] == [f"chip{i}" for i in range(8) if i != 3]
    assert left.devices == tuple(range(7))
    assert wires(left) == {ends: w for ends, w in wires(PPU).items() if "chip3" not in ends}
    assert wires(without(PPU, "node:chip3")) == wires(left)


@pytest.mark.parametrize("name", KNOWN)
def test_every_node_that_may_go(name: str) -> None:
    """Each node of each shipped board: what is left is the filtered board, or an error that names chips cut off."""
    board = load(name)
    for node in board.nodes[:: max(1, len(board.nodes) // 10)]:
        try:
            left = without(board, f"node:{node.name}")
        except TopologyError as problem:
            assert "cut off" in str(problem) or "no chip is left" in str(problem)  # noqa: PT017
            continue
        assert wires(left) == {ends: w for ends, w in wires(board).items() if node.name not in ends}
        kept = {name: {e for e in ends if node.name not in e} for name, (_, ends) in limits(board).items()}
        assert {name: ends for name, (_, ends) in limits(left).items()} == {n: e for n, e in kept.items() if e}
        assert left.assumed == tuple(a for a in board.assumed if a in left.assumed)
        assert loads(to_yaml(left)) == left


def test_a_slow_link_and_a_slow_chip() -> None:
    half = slow(PPU, "chip:3=0.5")
    quarter = slow(PPU, "link:0-6=0.25")
    for ends, (bandwidth, latency, count) in wires(PPU).items():
        assert bandwidth is not None
        assert wires(half)[ends] == (bandwidth * (0.5 if "chip3" in ends else 1), latency, count)
        assert wires(quarter)[ends] == (bandwidth * (0.25 if set(ends) == {"chip0", "chip6"} else 1), latency, count)
    assert half.name == "ppu-8 slow chip:3=0.5"
    assert half.description.endswith("; chip3 at 0.5 of the bandwidth")


def test_faults_add_up_and_numbers_are_those_of_the_whole_board() -> None:
    left = degraded(PPU, lost=["chip:1", "link:0-6"], slowed=["chip:3=0.5", "link:2>3=0.5"])
    assert left.name == "ppu-8 without chip:1 without link:0-6 slow chip:3=0.5 slow link:2>3=0.5"
    assert wires(left)["chip2", "chip3"][0] == 0.25 * (wires(PPU)["chip2", "chip3"][0] or 0)
    assert wires(left)["chip3", "chip2"][0] == 0.5 * (wires(PPU)["chip3", "chip2"][0] or 0)
    assert "chip1" not in {node.name for node in left.nodes}
    assert degraded(PPU) is PPU


def test_what_two_faults_leave_is_judged_once() -> None:
    """Alone the link would cut off chip 0; but chip 0 is lost as well."""
    line = graph(3, both_ways({(0, 1): 10, (1, 2): 10}))
    with pytest.raises(TopologyError, match="chip0 is cut off from the other 2 chips"):
        without(line, "link:0-1")
    assert len(degraded(line, lost=["link:0-1", "chip:0"]).devices) == 2


def test_limits_last_with_their_links_and_are_slow_when_all_of_them_are() -> None:
    board = loads(LIMITED)
    name = "bus.chip0-chip1"
    assert limits(board)[name] == (16.0, {("chip0", "chip1"), ("chip1", "chip0")})
    assert name not in limits(without(board, "link:0-1"))
    assert limits(slow(board, "link:0-1=0.5"))[name][0] == 8.0
    assert limits(slow(board, "link:0>1=0.5"))[name][0] == 16.0
    assert limits(slow(board, "chip:0=0.5"))["out.chip0"][0] == 20.0
    assert limits(slow(board, "chip:0=0.5"))["root"][0] == 120.0
    assert limits(slow(board, "node:leaf=0.5"))["root"][0] == 60.0
    mildest = degraded(board, slowed=["chip:0=0.2", "chip:1=0.5", "chip:2=0.4"])
    assert limits(mildest)["root"] == (60.0, limits(board)["root"][1])
    assert limits(without(board, "chip:0"))["root"] == (120.0, {("chip1", "leaf"), ("chip2", "leaf")})


def test_the_content_has_another_hash() -> None:
    changes: list[Callable[[], Topology]] = [
        lambda: PPU,
        lambda: without(PPU, "link:0-6"),
        lambda: without(PPU, "link:0>6"),
        lambda: without(PPU, "chip:3"),
        lambda: slow(PPU, "chip:3=0.5"),
        lambda: slow(PPU, "chip:3=0.25"),
    ]
    assert len({change().digest() for change in changes}) == len(changes)


def test_assumptions_keep_the_name_of_the_whole_board() -> None:
    assert without(PPU, "link:0-6").assumed == PPU.assumed
    twice = without(without(PPU, "link:0-6"), "chip:3")
    assert twice.assumed == PPU.assumed
    with pytest.raises(AssumptionError, match=r"--assume kunlun-8\.xpulink\.bandwidth"):
        slow(load("kunlun-8"), "chip:3=0.5")
    with pytest.raises(AssumptionError, match=r"--assume kunlun-8\.xpulink\.bandwidth"):
        bound(without(load("kunlun-8"), "chip:3"), "all_reduce")


@given(st.integers(3, 8), st.floats(0.05, 1))
@settings(deadline=None, max_examples=20)
def test_the_bound_with_a_straggler(chips: int, factor: float) -> None:
    """p chips on a switch at B, one of them at rho B: min(rho B, B/2 (1 + rho / (p - 1)))."""
    board = graph(chips, both_ways({(chip, chips): 100 for chip in range(chips)}), switches=1)
    found = bound(slow(board, f"chip:1={factor!r}"), "all_reduce")
    assert found is not None
    assert found.rate_GBps == pytest.approx(min(100 * factor, 50 * (1 + factor / (chips - 1))))


@given(st.floats(0.1, 1), st.sampled_from(["all_reduce", "all_gather"]))
@settings(deadline=None, max_examples=10)
def test_everything_slower_is_slower_by_as_much(factor: float, kind: str) -> None:
    everything = degraded(
        PPU, slowed=[f"link:{a}-{b}={factor!r}" for a, b in {(k.src, k.dst) for k in PPU.links if k.src < k.dst}]
    )
    whole, slower = bound(PPU, kind), bound(everything, kind)
    assert whole is not None
    assert slower is not None
    assert slower.rate_GBps == pytest.approx(whole.rate_GBps * factor)


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("link:0-7", "ppu-8: link:0-7: found no link between chip0 and chip7; chip0 has links to chip1, chip3, chip6"),
        ("link:0>7", "ppu-8: link:0>7: found no link from chip0 to chip7; chip0 has links to chip1"),
        ("link:0-0", "ppu-8: link:0-0: found no link between chip0 and chip0"),
        ("link:0-8", "ppu-8: link:0-8: found device 8; expected 0 to 7"),
        ("link:0-leaf", "ppu-8: link:0-leaf: found no node 'leaf'; expected a device number or one of chip0, chip1"),
        ("chip:8", "ppu-8: chip:8: found device 8; expected 0 to 7"),
        ("chip:" + "9" * 5000, "found device 99999999999999999999; expected 0 to 7"),
        ("chip:", "ppu-8: found 'chip:'; expected link:A-B, link:A>B, chip:A or node:A"),
        ("chip3", "ppu-8: found 'chip3'; expected link:A-B, link:A>B, chip:A or node:A"),
        ("link:0", "ppu-8: found 'link:0'; expected link:A-B"),
        ("link:0-1-2", "ppu-8: found 'link:0-1-2'; expected link:A-B"),
        ("", "ppu-8: found ''; expected link:A-B"),
    ],
)
def test_what_cannot_be_lost(what: str, message: str) -> None:
    with pytest.raises(TopologyError) as caught:
        without(PPU, what)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("chip:3", "ppu-8: found 'chip:3'; expected link:A-B, link:A>B, chip:A or node:A, with =FACTOR behind it"),
        ("chip:3=", "ppu-8: chip:3=: found ''; expected a factor above 0 and at most 1"),
        ("chip:3=0", "found '0'; expected a factor above 0"),
        ("chip:3=1.5", "found '1.5'; expected a factor above 0"),
        ("chip:3=nan", "found 'nan'; expected a factor above 0"),
        ("chip:3=half", "found 'half'; expected a factor above 0"),
        ("chip:9=0.5", "ppu-8: chip:9: found device 9; expected 0 to 7"),
    ],
)
def test_what_cannot_be_slow(what: str, message: str) -> None:
    with pytest.raises(TopologyError) as caught:
        slow(PPU, what)
    assert message in str(caught.value)


def test_chips_are_devices() -> None:
    with pytest.raises(TopologyError, match="chip:leaf: found a switch; expected a device"):
        without(loads(LIMITED), "chip:leaf")


def test_a_board_that_falls_apart_names_who_is_cut_off() -> None:
    bridge = graph(6, both_ways({(0, 1): 1, (1, 2): 1, (0, 2): 1, (3, 4): 1, (4, 5): 1, (2, 3): 1}))
    with pytest.raises(TopologyError, match="without link:2-3: chip3, chip4, chip5 are cut off from the other 3 chips"):
        without(bridge, "link:2-3")
    with pytest.raises(TopologyError, match="without link:2>3: chip3, chip4, chip5 are cut off from"):
        without(bridge, "link:2>3")
    star = graph(30, both_ways({(0, chip): 1 for chip in range(1, 30)}))
    with pytest.raises(
        TopologyError, match=r"without chip:0: .*, \.\.\. chip29 \(28 in all\) are cut off from the other chip$"
    ):
        without(star, "chip:0")
    pair = graph(2, both_ways({(0, 1): 1}))
    assert len(without(pair, "chip:0").devices) == 1
    with pytest.raises(TopologyError, match="no chip is left"):
        degraded(pair, lost=["chip:0", "chip:1"])
