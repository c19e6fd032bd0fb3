"""TACCL topology files: nodes that TACCL knows, nodes of one's own, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import topology
from _ringtree.assume import Assumptions
from _ringtree.errors import TopologyError

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "taccl"

SWITCHED: dict[str, Any] = {
    "name": "box_2MB",
    "gpus_per_node": 4,
    "nics_per_node": 2,
    "alpha": 0.6,
    "node_betas_list": [8],
    "node_invbws_list": [9],
    "remote_alpha": 2.6,
    "remote_beta": 105,
    "remote_invbw": 107,
}
OWN: dict[str, Any] = {
    "name": "own",
    "gpus_per_node": 3,
    "alpha": 2,
    "links": [[0, 2, 0], [1, 0, 1], [1, 0, 0]],
    "betas": [[0, 10, 0], [20, 0, 10], [10, 0, 0]],
    "invbws": [[0, 12, 0], [22, 0, 12], [12, 0, 0]],
}


def test_one_cost_is_a_node_around_a_switch() -> None:
    board = topology.loads(json.dumps(SWITCHED), name="file")
    assert board.name == "box_2MB"
    assert [node.name for node in board.nodes] == ["gpu0", "gpu1", "gpu2", "gpu3", "switch"]
    assert {(link.bandwidth_GBps, link.latency_us) for link in board.links} == {(2_000_000 / 8 / 1000, 0.3)}
    assert len(board.links) == 8
    assert board.assumed == ("box_2MB.link.bandwidth=250 GB/s", "box_2MB.link.latency=0.3 us")


def test_assumed_figures_can_be_replaced() -> None:
    board = topology.loads(json.dumps(SWITCHED), assume=Assumptions({"box_2MB.link.bandwidth": "100 GB/s"}))
    assert {link.bandwidth_GBps for link in board.links} == {100.0}


def test_two_costs_are_the_hybrid_cube_mesh() -> None:
    known = {**SWITCHED, "name": "n_32KB", "gpus_per_node": 8, "node_betas_list": [10, 20], "node_invbws_list": [1, 2]}
    board = topology.loads(json.dumps(known))
    chunk = 1_000_000 * 32 / 1024
    costs = {(x.src, x.dst): chunk / (x.bandwidth_GBps or 1) / 1000 for x in board.links}
    assert {pair for pair, cost in costs.items() if cost == pytest.approx(10)} == {
        pair for a, b in [(0, 1), (0, 4), (1, 3), (2, 3), (2, 6), (4, 5), (5, 7), (6, 7)] for pair in ((a, b), (b, a))
    }
    assert len(costs) == 32
    dgx1 = topology.load("dgx1v")
    assert {(x.src, x.dst) for x in dgx1.links if x.count == 2} != {}
    assert {(x.src, x.dst) for x in board.links} == {
        (x.src, x.dst) for x in dgx1.links if {dgx1.nodes[end].kind for end in (x.src, x.dst)} == {"device"}
    }


def test_matrices_are_read_as_dst_src_with_parallel_links() -> None:
    board = topology.loads(json.dumps(OWN))
    assert {(x.src, x.dst): (x.count, x.bandwidth_GBps, x.latency_us) for x in board.links} == {
        (1, 0): (2, 200.0, 2.0),
        (0, 1): (1, 50.0, 2.0),
        (2, 1): (1, 100.0, 2.0),
        (0, 2): (1, 100.0, 2.0),
    }
    assert topology.loads(topology.to_yaml(board)) == board


def without(text: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in text.items() if key not in keys}


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ({**SWITCHED, "node_betas_list": [1, 2]}, "node_betas_list: found 2 costs for 4 GPUs; expected 1 (all GPUs at"),
        ({**SWITCHED, "node_betas_list": [0]}, "node_betas_list[0]: found 0; expected a cost above 0, in us"),
        ({**SWITCHED, "node_betas_list": 8}, "node_betas_list: found a number as node_betas_list; expected a list"),
        ({**SWITCHED, "gpus_per_node": 10**9}, "gpus_per_node: found gpus_per_node 1000000000; expected a whole"),
        ({**SWITCHED, "gpus_per_node": 0}, "gpus_per_node: found gpus_per_node 0; expected a whole number of 1..512"),
        ({**SWITCHED, "alpha": -1}, "alpha: found alpha -1; expected a cost of 0 or more, in us"),
        ({**SWITCHED, "remote_beta": "1"}, "remote_beta: found remote_beta '1'; expected a cost of 0 or more, in us"),
        ({**SWITCHED, "name": ""}, "name: found '' as name; expected text"),
        ({**SWITCHED, "speed": 1}, "speed: unknown key 'speed'; expected one of name, gpus_per_node, alpha"),
        ({**SWITCHED, "links": []}, "node_betas_list: unknown key 'node_betas_list'; expected one of name, gpus_per"),
        (without(SWITCHED, "node_betas_list"), "found no 'node_betas_list'; expected name, gpus_per_node, alpha, node"),
        (without(OWN, "betas"), "found no 'betas'; expected name, gpus_per_node, alpha, links, betas"),
        ({**OWN, "links": OWN["links"][:2]}, "links: found 2 values; expected 3"),
        ({**OWN, "links": [[0, 1.5, 0], *OWN["links"][1:]]}, "links[0][1]: found 1.5; expected a whole number of 0"),
        ({**OWN, "links": [[1, 2, 0], *OWN["links"][1:]], "betas": [[1, 1, 0], *OWN["betas"][1:]]},
         "links[0][0]: found a link of gpu0 to itself; expected two ends"),
        ({**OWN, "betas": [[0, 0, 0], *OWN["betas"][1:]]}, "betas[0][1]: found 0; expected a cost above 0, in us"),
        ({**OWN, "links": [[0, 2, 0], [1, 0, 1], [0, 0, 0]]}, "device 'gpu2' cannot be reached from 'gpu0'"),
    ],
)  # fmt: skip
def test_a_mistake_is_answered_in_one_line_with_its_place(file: dict[str, Any], message: str) -> None:
    with pytest.raises(TopologyError) as caught:
        topology.loads(json.dumps(file), name="t")
    place, _, text = str(caught.value).partition(": ")
    assert text.startswith(message)
    assert place.startswith("t:1:") or "cannot be reached" in message
    assert "\n" not in str(caught.value)


def test_a_sketch_is_refused_with_what_to_give_instead() -> None:
    with pytest.raises(
        TopologyError, match=r"^s:1:35: intranode_sketch: found a TACCL sketch.*expected the topology f"
    ):
        topology.loads('{"nnodes": 2, "intranode_sketch": {"strategy": "none"}}', name="s")


def test_the_published_files_load_and_the_sketches_do_not() -> None:
    if not DATA.exists():
        pytest.skip(f"{DATA} is not there")
    boards = {path.stem: topology.load(path) for path in sorted(DATA.glob("topo_*.json"))}
    assert len(boards) == 5
    dgx2, ndv2 = boards["topo_topo-dgx2-1MB"], boards["topo_topo-ndv2-1MB"]
    assert {x.bandwidth_GBps for x in dgx2.links} == {125.0}
    assert (len(dgx2.devices), len(dgx2.links)) == (16, 32)
    assert {x.bandwidth_GBps for x in ndv2.links} == {1000 / 23, 1000 / 46}
    assert {x.latency_us for x in ndv2.links} == {0.3}
    sketches = sorted(DATA.glob("sketch_*.json"))
    assert len(sketches) == 11
    for path in sketches:
        with pytest.raises(TopologyError, match="found a TACCL sketch"):
            topology.load(path)
