"""TE-CCL inputs: the topologies they name, against the published graphs and closed numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import topology
from _ringtree.errors import TopologyError
from topology import Topology, bounds

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"


def given(**parameters: Any) -> Topology:
    return topology.loads(json.dumps({"TopologyParams": parameters, "InstanceParams": {}}), name="t")


def latencies(board: Topology) -> dict[str, set[float | None]]:
    kinds = {link.kind for link in board.links}
    return {kind: {link.latency_us for link in board.links if link.kind == kind} for kind in kinds}


@pytest.mark.parametrize(
    ("sample", "graph"), [("ndv2_sample", "ndv2_2x8"), ("ndv2_input", "ndv2_2x8"), ("dgx2_sample", "dgx2_2x16")]
)
def test_samples_equal_the_published_graphs(sample: str, graph: str) -> None:
    paths = DATA / "teccl" / f"sample_{sample}.json", DATA / "graphs" / f"{graph}_teccl.json"
    if not all(path.exists() for path in paths):
        pytest.skip(f"{paths[0]} or {paths[1]} is not there")
    board, expected = (topology.load(path) for path in paths)
    assert [(x.src, x.dst, x.bandwidth_GBps) for x in board.links] == [
        (x.src, x.dst, x.bandwidth_GBps) for x in expected.links
    ]
    assert [node.kind for node in board.nodes] == [node.kind for node in expected.nodes]
    assert topology.loads(topology.to_yaml(board)) == board


def test_every_sample_loads_and_schedules_do_not() -> None:
    folder = DATA / "teccl"
    if not folder.exists():
        pytest.skip(f"{folder} is not there")
    samples = {path.stem: topology.load(path) for path in sorted(folder.glob("sample_*.json"))}
    assert {name: len(board.devices) for name, board in samples.items()} == {
        "sample_amd_sample": 16, "sample_dgx2_sample": 32, "sample_mesh": 36, "sample_ndv2_input": 16,
        "sample_ndv2_sample": 16,
    }  # fmt: skip
    for path in folder.glob("schedule_*.json"):
        with pytest.raises(TopologyError, match="found a schedule of TE-CCL, which has no links; expected the input"):
            topology.load(path)


def test_alphas_are_latencies() -> None:
    assert latencies(given(name="NDv2", chassis=2)) == {"nvlink": {0.7}, "net": {1.3}}
    assert latencies(given(name="DGX2", chassis=2)) == {"nvlink": {0.35}, "net": {2.6}}
    assert latencies(given(name="DGX1", alpha=[2e-6, 0])) == {"nvlink": {2.0}}
    assert latencies(given(name="AMD", chassis=2, alpha=[2e-6, 3e-6])) == {"xgmi": {2.0}, "net": {3.0}}
    assert latencies(given(name="Mesh")) == {"link": {0.0}}


@pytest.mark.parametrize(
    ("parameters", "bound"),
    [
        ({"name": "NDv2", "chassis": 2}, 16 / (8 / 12.5)),  # all of a box leaves on one link
        ({"name": "NDv2", "chassis": 4}, 32 / (24 / 12.5)),  # what three boxes have enters one
        ({"name": "DGX2", "chassis": 2}, 32 / (31 / 125)),  # a GPU takes what all others have
        ({"name": "Mesh", "side_length": 4}, 16 / (15 / 200)),  # a corner does
    ],
)
def test_all_gather_is_bound_by_the_narrowest_cut(parameters: dict[str, Any], bound: float) -> None:
    found = bounds.bound(given(**parameters), "all_gather")
    assert found is not None
    assert found.rate_GBps == pytest.approx(bound, rel=1e-9)


def test_four_boxes_of_ndv2_meet_at_a_switch() -> None:
    board = given(name="NDv2", chassis=4, chunk_size=0.5)
    switch = len(board.nodes) - 1
    assert board.nodes[switch].kind == "switch"
    assert {(x.src, x.dst, x.bandwidth_GBps, x.latency_us) for x in board.links if x.kind == "net"} == {
        way for box in range(4) for way in ((8 * box, switch, 12.5, 1.3), (switch, 8 * box + 1, 12.5, 1.3))
    }
    assert board.nodes[9].name == "box1.gpu1"


def test_a_box_alone_has_no_network() -> None:
    assert given(name="NDv2").links == given(name="DGX1", alpha=[0.7e-6, 0]).links
    assert {x.bandwidth_GBps for x in given(name="NDv2").links} == {25.0, 50.0}
    assert all(sum(x.bandwidth_GBps or 0 for x in given(name="DGX1").links if x.src == gpu) == 150 for gpu in range(8))


def test_mi250_has_the_links_of_the_published_graph() -> None:
    path = DATA / "graphs" / "mi250_1x16.json"
    if not path.exists():
        pytest.skip(f"{path} is not there")
    chips = {(x.src, x.dst, x.bandwidth_GBps) for x in topology.load(path).links if max(x.src, x.dst) < 16}
    assert {(x.src, x.dst, x.bandwidth_GBps) for x in given(name="AMD").links} == chips


def test_several_boxes_of_mi250_share_nics_and_a_switch() -> None:
    board = given(name="AMD", chassis=3)
    assert len(board.devices) == 48
    net = [x for x in board.links if x.kind == "net"]
    assert {x.bandwidth_GBps for x in net} == {25.0}
    assert len(net) == 2 * 3 * 8 * 3
    nic = next(node.id for node in board.nodes if node.name == "box1.nic2")
    assert {board.nodes[x.dst].name for x in net if x.src == nic} == {"box1.gpu4", "box1.gpu5", "switch"}


@pytest.mark.parametrize("side", [2, 4, 6])
def test_a_mesh_is_helical(side: int) -> None:
    board = given(name="Mesh", side_length=side, alpha=[0.0, 0.0])
    steps = {1, -1, side, -side}
    expected = {(i, i + step) for i in range(side**2) for step in steps if 0 <= i + step < side**2}
    assert {(x.src, x.dst) for x in board.links} == expected
    assert {x.bandwidth_GBps for x in board.links} == {100.0}


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"name": "DGX3"}, "TopologyParams.name: found the topology 'DGX3'; expected one of DGX1, DGX2, NDv2, AMD, Me"),
        ({"name": 3}, "TopologyParams.name: found the topology 3; expected one of"),
        ({"chassis": 2}, "TopologyParams: found no 'name'; expected name"),
        ({"name": "NDv2", "boxes": 2}, "TopologyParams.boxes: unknown key 'boxes'; expected one of name, option, cha"),
        ({"name": "NDv2", "chassis": 0}, "TopologyParams.chassis: found chassis 0; expected a whole number of 1..10"),
        ({"name": "NDv2", "chassis": 10**12}, "TopologyParams.chassis: found chassis 1000000000000; expected a whole"),
        ({"name": "NDv2", "chassis": 90_000}, "TopologyParams.chassis: found more than 100000 nodes; expected fewer"),
        ({"name": "AMD", "chassis": 6_000}, "TopologyParams.chassis: found more than 100000 nodes; expected fewer"),
        (
            {"name": "DGX2", "chassis": 1},
            "TopologyParams.chassis: found 1 chassis; expected 2: TE-CCL builds this topology of 2 only",
        ),
        ({"name": "Mesh", "side_length": 1}, "TopologyParams.side_length: found side_length 1; expected a whole num"),
        ({"name": "Mesh", "side_length": 99_999}, "TopologyParams.side_length: found more than 100000 nodes; expected"),
        ({"name": "DGX1", "alpha": [1]}, "TopologyParams.alpha: found 1 values; expected 2"),
        ({"name": "DGX1", "alpha": [1, -1]}, "TopologyParams.alpha[1]: found -1; expected seconds, 0 or more"),
        ({"name": "DGX1", "chunk_size": 0}, "TopologyParams.chunk_size: found chunk_size 0; expected a size above 0"),
    ],
)
def test_a_mistake_is_answered_in_one_line_with_its_place(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(TopologyError) as caught:
        given(**parameters)
    place, _, text = str(caught.value).partition(": ")
    assert text.startswith(message)
    assert place.startswith("t:1:")
    assert "\n" not in text
