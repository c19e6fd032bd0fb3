"""The verb convert: any topology as a board file or as graph JSON, and back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from commandline import PAIR, ringtree

import topology
from topology import Topology

FILES = {
    "astra.yml": "topology: [Switch]\nnpus_count: [4]\nbandwidth: [50.0]\nlatency: [500.0]\n",
    "taccl.json": '{"name": "t_1MB", "gpus_per_node": 4, "alpha": 1, "node_betas_list": [8]}',
    "teccl.json": '{"TopologyParams": {"name": "Mesh", "side_length": 3}}',
    "simgrid.xml": """<platform version="4.1"><cluster id="c" prefix="n-" suffix="" radical="0-3" speed="1f"
        bw="125MBps" lat="50us"/></platform>""",
    "graph.json": '{"nodes": [{"id": 0, "kind": "accel"}, {"id": 1, "kind": "accel"}], "links": '
    '[{"src": 0, "dst": 1, "bw": 3.5, "lat": 0.25}, {"src": 1, "dst": 0, "bw": 1e-3}]}',
    "pair.yaml": PAIR,
    "matrix.txt": "\tGPU0\tGPU1\nGPU0\t X \tNV2\nGPU1\tNV2\t X \n",
}
UNKNOWN = ["--assume", "matrix.nvlink.bandwidth=25 GB/s"]


def carried(board: Topology) -> list[object]:
    """What graph JSON keeps."""
    return [
        [(node.id, node.kind == "device") for node in board.nodes],
        [(link.src, link.dst, link.bandwidth_GBps, link.latency_us) for link in board.links],
        (board.name, board.description, board.source),
    ]


@pytest.fixture(params=FILES)
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / request.param
    path.write_text(FILES[request.param], encoding="utf-8")
    return path


def test_yaml_and_back_is_the_same_board(path: Path) -> None:
    out = path.with_name("out.yaml")
    done = ringtree("convert", str(path), "-o", str(out))
    assert (done.status, done.out, done.err) == (0, "", "")
    assert topology.load(out) == topology.load(path)


def test_graph_json_and_back_has_the_same_links(path: Path) -> None:
    out = path.with_name("out.json")
    more = UNKNOWN if path.suffix == ".txt" else []
    done = ringtree("convert", str(path), "-o", str(out), *more)
    assert (done.status, done.out, done.err) == (0, "", "")
    if not more:
        assert carried(topology.load(out)) == carried(topology.load(path))
    assert topology.loads(topology.to_graph_json(topology.load(out))) == topology.load(out)


def test_without_a_file_it_goes_to_stdout(path: Path) -> None:
    board = topology.load(path)
    for arguments in ([], ["--to", "yaml"]):
        done = ringtree("convert", str(path), *arguments)
        assert (done.status, done.out) == (0, topology.to_yaml(board))


def test_json_on_stdout_and_figures_that_are_given() -> None:
    done = ringtree("convert", "c500-8", "--to", "json", "--latency", "2us")
    assert done.status == 0
    assert len(json.loads(done.out)["nodes"]) == len(topology.load("c500-8").nodes)


def test_every_listed_file_is_one_that_boards_lists(tmp_path: Path) -> None:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    done = ringtree("boards", "--json", *(str(tmp_path / name) for name in FILES))
    assert (done.status, done.err) == (0, "")
    assert [board["chips"] for board in json.loads(done.out)] == [4, 4, 9, 4, 2, 2, 2]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["n300", "-o", "out.txt"], "-o out.txt: expected a name that ends in .yaml, .yml, .json, or --to"),
        (["n300", "-o", "out.json", "--to", "yaml"], "-o out.json: a name for json, but --to says yaml; expected one"),
        (["n300", "-o", "missing/out.yaml"], "-o missing/out.yaml: no folder missing"),
        (["n300", "-o", ""], "-o: found ''; expected the name of a file"),
        (["n300", "--to", "xml"], "argument --to: invalid choice"),
        (["pcie-8", "--to", "json"], "pcie-8: graph JSON cannot carry limits (root.cpu0, root.cpu1); expected a board"),
        (["n300", "--assume", "n300.no.bandwidth=1 GB/s"], "--assume: nothing here uses n300.no.bandwidth"),
        (["nowhere.yaml"], "nowhere.yaml: no such board; expected a file or one of"),
    ],
)
def test_a_mistake_is_one_line_and_nothing_is_written(
    arguments: list[str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = ringtree("convert", *arguments)
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith(f"ringtree: {words}")
    assert len(done.err.splitlines()) == 1
    assert not list(tmp_path.iterdir())
