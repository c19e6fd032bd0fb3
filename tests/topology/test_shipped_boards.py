"""The boards that ship, against the figures of chips-and-boards.md and the graphs with the same wiring."""

from __future__ import annotations

import json
from collections import deque
from pathlib import Path

import pytest

import topology
from topology import Topology

GRAPHS = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "graphs"

# Board: devices, physical links of the chips' own network, what all chips send at once in GB/s.
FACTS = {
    "ppu-8": (8, 20, 8 * 5 * 50),
    "c500-8": (8, 12, None),
    "910b-8": (8, 28, 8 * 196),
    "kunlun-8": (8, 16, None),
    "dgx1v": (8, 24, 8 * 150),
    "h20-8": (8, 8 * 18, 8 * 450),
    "a100-8": (8, 8 * 12, 8 * 300),
    "h100-8": (8, 8 * 18, 8 * 450),
    "mi300x-8": (8, 28, 8 * 448),
    "mi250x-16": (16, 56, 5600),
    "gaudi2-8": (8, 84, 8 * 21 * 12.5),
    "n300": (2, 2, None),
    "torus-4x4": (16, 32, 16 * 4 * 50),
    "supernode-128": (128, 128, 128 * 875),
    "ppu-4x8": (32, 4 * 20, None),
    "ppu-8-pcie": (8, 20, None),
    "pcie-8": (8, 0, 8 * 32),
    "unequal-8-4": (12, 12 * 12, 12 * 325),
}
HOST_SIDE = ("pcie", "upi", "net")


def neighbours(board: Topology) -> dict[int, set[int]]:
    near: dict[int, set[int]] = {node: set() for node in board.devices}
    for link in board.links:
        if link.src in near and link.dst in near:
            near[link.src].add(link.dst)
    return near


def diameter(near: dict[int, set[int]]) -> int:
    most = 0
    for start in near:
        far = {start: 0}
        queue = deque([start])
        while queue:
            node = queue.popleft()
            for other in near[node] - far.keys():
                far[other] = far[node] + 1
                queue.append(other)
        most = max(most, *far.values())
    return most


def test_every_board_is_listed_here() -> None:
    assert set(topology.shipped()) == set(FACTS)


@pytest.mark.parametrize("name", FACTS)
def test_devices_links_and_bandwidth(name: str) -> None:
    board = topology.load(name)
    devices, links, total = FACTS[name]
    own = [link for link in board.links if link.kind not in HOST_SIDE]
    assert board.name == name
    assert len(board.devices) == devices
    assert sum(link.count for link in own) == 2 * links
    if total is not None:
        assert board.total_bandwidth_GBps == total


@pytest.mark.parametrize("name", FACTS)
def test_every_figure_has_a_mark_and_a_source_and_every_chip_a_route(name: str) -> None:
    board = topology.load(name)
    assert board.description
    assert board.source
    for kind in board.kinds:
        for figure in (kind.bandwidth, kind.latency):
            # A limit has no latency, and says nothing about it.
            assert (figure.mark and figure.source) or kind.name == "root"
    for link in board.links:
        assert link.latency_us is not None
    if name != "kunlun-8":
        assert board.board() is board.board()
        assert all(board.route(board.devices[0], other) for other in board.devices[1:])


def test_only_kunlun_has_a_figure_that_must_be_supplied() -> None:
    unknown = {name for name in FACTS if any(link.bandwidth_GBps is None for link in topology.load(name).links)}
    assert unknown == {"kunlun-8"}


def test_the_ppu_board_is_the_partial_mesh_of_the_manual() -> None:
    board = topology.load("ppu-8")
    near = neighbours(board)
    counts = {(link.src, link.dst): link.count for link in board.links}
    table = {
        0: {1: 2, 3: 1, 6: 2},
        1: {0: 2, 2: 1, 7: 2},
        2: {1: 1, 3: 2, 4: 1, 5: 1},
        3: {0: 1, 2: 2, 4: 1, 5: 1},
        4: {2: 1, 3: 1, 5: 2, 7: 1},
        5: {2: 1, 3: 1, 4: 2, 6: 1},
        6: {0: 2, 5: 1, 7: 2},
        7: {1: 2, 4: 1, 6: 2},
    }
    assert counts == {(a, b): count for a, row in table.items() for b, count in row.items()}
    assert all(link.bandwidth_GBps == 50 * link.count for link in board.links)
    assert sum(len(others) for others in near.values()) // 2 == 14
    assert diameter(near) == 2
    assert board.assumed == ("ppu-8.icn.latency=1 us", "ppu.forward=true")


def test_the_host_path_is_added_to_the_same_mesh() -> None:
    direct, hosted = topology.load("ppu-8"), topology.load("ppu-8-pcie")

    def mesh(board: Topology) -> set[tuple[int, int, float | None]]:
        return {(x.src, x.dst, x.bandwidth_GBps) for x in board.links if x.kind not in HOST_SIDE}

    assert mesh(hosted) == mesh(direct)
    # 0 and 4 share no link: over PCIe switch, socket, socket, PCIe switch.
    ends = [hosted.nodes[hosted.links[i].dst].name for i in hosted.route(0, 4)]
    assert ends == ["switch0", "cpu0", "cpu1", "switch2", "ppu.chip4"]


@pytest.mark.parametrize(
    ("name", "degree", "adjacent", "far"),
    [("910b-8", 7, 28, 1), ("kunlun-8", 4, 16, 2), ("dgx1v", 4, 16, 2), ("mi300x-8", 7, 28, 1), ("gaudi2-8", 7, 28, 1)],
)
def test_direct_meshes(name: str, degree: int, adjacent: int, far: int) -> None:
    near = neighbours(topology.load(name))
    assert {len(others) for others in near.values()} == {degree}
    assert sum(len(others) for others in near.values()) // 2 == adjacent
    assert diameter(near) == far


def test_the_quads_of_the_c500_meet_at_the_host_only() -> None:
    near = neighbours(topology.load("c500-8"))
    assert [near[chip] for chip in (0, 7)] == [{1, 2, 3}, {4, 5, 6}]


def test_pcie_roots_are_limits() -> None:
    board = topology.load("pcie-8")
    assert [limit.name for limit in board.limits] == ["root.cpu0", "root.cpu1"]
    assert all(
        {board.nodes[board.links[i].src].name for i in limit.links} == {limit.name[5:]} for limit in board.limits
    )


@pytest.mark.parametrize(
    ("name", "graph"), [("dgx1v", "dgx1v"), ("mi250x-16", "mi250_1x16"), ("unequal-8-4", "box8_box4_switch")]
)
def test_wiring_equals_the_graph_with_a_known_optimum(name: str, graph: str) -> None:
    path = GRAPHS / f"{graph}.json"
    if not path.exists():
        pytest.skip(f"{path} is not there")
    expected = {(link["src"], link["dst"], link["bw"]) for link in json.loads(path.read_text())["links"]}
    assert {(link.src, link.dst, link.bandwidth_GBps) for link in topology.load(name).links} == expected


def test_the_torus_equals_its_graph_but_for_the_bandwidth() -> None:
    path = GRAPHS / "torus_4x4.json"
    if not path.exists():
        pytest.skip(f"{path} is not there")
    expected = {(link["src"], link["dst"]) for link in json.loads(path.read_text())["links"]}
    assert {(link.src, link.dst) for link in topology.load("torus-4x4").links} == expected
