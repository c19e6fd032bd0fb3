"""Boards of boards: copies, their names, links across them, and what may not be nested."""

from __future__ import annotations

from pathlib import Path

import pytest

import topology
from _ringtree.assume import Assumptions
from _ringtree.errors import TopologyError

POD = """
boards:
  box: {use: ppu-8, copies: 8}
nodes:
  nic: {kind: nic, count: 64}
  fabric: switch
kinds: {pcie: {bandwidth: 64 GB/s, latency: 1 us}, net: {bandwidth: 25 GB/s, latency: 2 us}}
links:
  pcie: [[box.chip, nic]]
  net: [[nic, fabric]]
"""


def test_eight_boards_of_eight_chips_are_ten_lines() -> None:
    assert len(POD.strip().splitlines()) <= 10
    pod = topology.loads(POD, name="pod")
    single = topology.load("ppu-8")
    assert len(pod.devices) == 64
    assert len(pod.links) == 8 * len(single.links) + 2 * 64 + 2 * 64
    assert [pod.nodes[i].name for i in pod.devices[7:10]] == ["box0.chip7", "box1.chip0", "box1.chip1"]
    assert [pod.nodes[i].group for i in (0, 8, 63)] == ["box0", "box1", "box7"]
    assert pod.nodes[-1].group == ""
    index = pod.link_index
    names = {node.name: node.id for node in pod.nodes}
    assert (names["box3.chip5"], names["nic29"]) in index
    for link in single.links:
        copy = pod.links[index[link.src + 24, link.dst + 24]]
        assert (copy.bandwidth_GBps, copy.latency_us, copy.count) == (
            link.bandwidth_GBps,
            link.latency_us,
            link.count,
        )


def test_figures_keep_the_name_of_the_board_that_states_them() -> None:
    pod = topology.loads(POD, name="pod")
    assert {kind.name for kind in pod.kinds} == {"ppu-8.icn", "pcie", "net"}
    assert pod.assumed == ("ppu-8.icn.latency=1 us", "ppu.forward=true")


def test_assumptions_reach_the_boards_within(tmp_path: Path) -> None:
    (tmp_path / "pod.yaml").write_text(POD)
    assume = Assumptions.parse(["ppu-8.icn.latency=3us", "pod.net.bandwidth=50 GB/s", "ppu.forward=false"])
    pod = topology.load(tmp_path / "pod.yaml", assume)
    assert {link.latency_us for link in pod.links if link.kind == "ppu-8.icn"} == {3.0}
    assert {link.bandwidth_GBps for link in pod.links if link.kind == "net"} == {50.0}
    assert not any(pod.nodes[i].forward for i in pod.devices)
    assert assume.unused() == []
    assert set(pod.assumed) == {"ppu-8.icn.latency=3 us", "pod.net.bandwidth=50 GB/s", "ppu.forward=false"}


def test_paths_are_relative_to_the_file_and_any_format_can_be_used(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "pair.yaml").write_text("boards: {half: {use: ../one.json, copies: 2}}\n" + WIRES)
    (tmp_path / "one.json").write_text('{"nodes": [{"id": 0, "kind": "accel"}], "links": []}')
    (tmp_path / "top.yaml").write_text("boards: {a: {use: parts/pair.yaml}}\nnodes: {chip: 1}\n" + JOIN)
    board = topology.load(tmp_path / "top.yaml")
    assert [node.name for node in board.nodes] == ["a.half0.chip0", "a.half1.chip0", "chip0"]
    assert [node.group for node in board.nodes] == ["a.half0", "a.half1", ""]
    assert {kind.name for kind in board.kinds} == {"pair.w", "w"}


WIRES = "kinds: {w: {bandwidth: 1 GB/s}}\nlinks: {w: [[half0.0, half1.chip0]]}\n"
JOIN = "kinds: {w: {bandwidth: 2 GB/s}}\nlinks: {w: [[a.half.0, chip0]]}\n"


def test_forwarding_can_be_said_anew_where_a_board_is_used() -> None:
    assert all(topology.load("ppu-8").nodes[i].forward for i in range(8))
    board = topology.load("ppu-8-pcie")
    assert not any(board.nodes[i].forward for i in board.devices)


def test_limits_come_with_each_copy() -> None:
    text = "boards: {b: {use: pcie-8, copies: 2}}\nkinds: {w: {bandwidth: 1 GB/s}}\nlinks: {w: [[b0.cpu0, b1.cpu0]]}\n"
    board = topology.loads(text)
    assert [limit.name for limit in board.limits] == ["b0.root.cpu0", "b0.root.cpu1", "b1.root.cpu0", "b1.root.cpu1"]
    for limit in board.limits:
        sources = {board.nodes[board.links[i].src].name for i in limit.links}
        assert sources == {limit.name.replace("root.", "")}
        # The wire between the boards is new: the limits of a copy hold for its own links.
        assert {board.links[i].kind for i in limit.links} == {"pcie-8.pcie", "pcie-8.upi"}


def test_a_board_that_contains_itself_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("boards: {x: {use: b.yaml}}\n")
    (tmp_path / "b.yaml").write_text("boards:\n  y: {use: a.yaml}\n")
    message = r"b\.yaml:2:12: found a board that contains itself \(a\.yaml uses b\.yaml uses a\.yaml\); expected"
    with pytest.raises(TopologyError, match=message):
        topology.load(tmp_path / "a.yaml")


def test_nesting_has_an_end(tmp_path: Path) -> None:
    for level in range(12):
        (tmp_path / f"{level}.yaml").write_text(f"boards: {{x: {{use: {level + 1}.yaml}}}}\n")
    with pytest.raises(TopologyError, match=r"7\.yaml:1:19: found boards within boards 9 deep; expected at most 8$"):
        topology.load(tmp_path / "0.yaml")


def test_copies_of_copies_stop_before_they_fill_the_memory(tmp_path: Path) -> None:
    (tmp_path / "0.yaml").write_text("nodes: {chip: 10}\n")
    for level in range(1, 8):
        parts = ", ".join(f"p{i}: {{use: {level - 1}.yaml, copies: 10}}" for i in range(10))
        (tmp_path / f"{level}.yaml").write_text(f"boards: {{{parts}}}\n")
    with pytest.raises(TopologyError, match=r"found more than 100000 nodes; expected fewer$"):
        topology.load(tmp_path / "7.yaml")


def test_mistakes_in_a_used_board_name_its_file(tmp_path: Path) -> None:
    (tmp_path / "top.yaml").write_text("boards: {x: {use: part.yaml}}\n")
    (tmp_path / "part.yaml").write_text("nodes: {chip: 2}\nlnks: {}\n")
    with pytest.raises(TopologyError, match=r"part\.yaml:2:1: unknown key 'lnks' in board"):
        topology.load(tmp_path / "top.yaml")


@pytest.mark.parametrize(
    ("links", "message"),
    [
        ("[[box0.nic, fabric]]", "b:10:10: found the link end 'box0.nic', which does not exist; expected one of chip"),
        ("[[box9.chip, fabric]]", "b:10:10: found the link end 'box9.chip', which does not exist; expected one of"),
        ("[[box0, fabric]]", "b:10:10: found 'box0', which is a board; expected a node on it, such as 'box0.0'"),
        ("[[box0.0, box0.1]]", "b:10:9: found the link box0.chip0 -> box0.chip1 again; expected each once"),
    ],
)
def test_mistakes_in_wiring_boards(links: str, message: str) -> None:
    with pytest.raises(TopologyError) as caught:
        topology.loads(POD.replace("[[nic, fabric]]", links), name="b")
    assert str(caught.value).startswith(message)
