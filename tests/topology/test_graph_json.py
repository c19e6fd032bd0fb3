"""Graph JSON: what is read, what is refused, what is written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import topology
from _ringtree.errors import AssumptionError, TopologyError, UnsupportedError

GRAPHS = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "graphs"

PAIR: dict[str, Any] = {
    "nodes": [{"id": 0, "kind": "accel"}, {"id": 1, "kind": "accel"}, {"id": 2, "kind": "switch"}],
    "links": [
        {"src": 0, "dst": 1, "bw": 10.0},
        {"src": 1, "dst": 0, "bw": 12.5, "lat": 2},
        {"src": 1, "dst": 2, "bw": 5},
        {"src": 2, "dst": 1, "bw": 5},
    ],
}


def changed(*path: Any, to: Any) -> str:
    graph = json.loads(json.dumps(PAIR))
    place = graph
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = to
    return json.dumps(graph)


def test_a_graph_becomes_devices_switches_and_directed_links() -> None:
    board = topology.loads(json.dumps(PAIR), name="pair")
    assert board.name == "pair"
    assert [(node.name, node.kind) for node in board.nodes] == [
        ("chip0", "device"),
        ("chip1", "device"),
        ("switch2", "switch"),
    ]
    assert [(link.src, link.dst, link.bandwidth_GBps, link.latency_us) for link in board.links] == [
        (0, 1, 10.0, None),
        (1, 0, 12.5, 2.0),
        (1, 2, 5.0, None),
        (2, 1, 5.0, None),
    ]


def test_a_name_in_the_file_holds_before_that_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "one.json").write_text(json.dumps(PAIR))
    (tmp_path / "two.json").write_text(json.dumps({"name": "pair", **PAIR}))
    assert topology.load(tmp_path / "one.json").name == "one"
    assert topology.load(tmp_path / "two.json").name == "pair"


def test_links_that_state_no_latency_get_the_default_and_only_those() -> None:
    board = topology.loads(json.dumps(PAIR), name="pair")
    with pytest.raises(AssumptionError, match=r"^pair: latency of link chip0 -> chip1 .*--latency 1us$"):
        board.board()
    filled = board.with_defaults(latency_us=0.5)
    assert [link.latency_us for link in filled.links] == [0.5, 2.0, 0.5, 0.5]
    assert filled.assumed == ("pair.link.latency=0.5 us",)
    assert board.with_defaults() is board


# Text, what stands at the place that the message names (None: no place), the message.
MISTAKES = [
    ("{", None, "g:1:2: not JSON: Expecting property name"),
    ('{"a": 1,\n"b"}', None, "g:2:4: not JSON: Expecting ':' delimiter"),
    ('{"a":' * 100_000, None, "g: not JSON: "),
    ('{"nodes": [], "nodes": []}', None, "g: not JSON: the key 'nodes' appears twice in an object"),
    ('{"links": NaN}', None, "g: not JSON: found NaN; expected finite numbers"),
    ('{"links": []}', "{", "found no 'nodes'; expected nodes, links"),
    (changed("edges", to="e"), '"e"', "edges: unknown key 'edges'; expected one of name, description, source, "),
    (changed("links", to={}), "{}", "links: found an object as links; expected a list"),
    (changed("nodes", to=[]), "[]", "nodes: found no accel; expected at least one"),
    (changed("nodes", 1, "id", to=55), "55", "nodes[1].id: found id 55; expected 1: ids count from 0 in order"),
    (changed("nodes", 1, "kind", to="gpu"), '"gpu"', "nodes[1].kind: found kind 'gpu'; expected one of accel, switch"),
    (changed("links", 0, "dst", to=77), "77", "links[0].dst: found dst 77; expected a node id of 0..2"),
    (changed("links", 0, "dst", to=True), "true", "links[0].dst: found dst True; expected a node id of 0..2"),
    (changed("links", 0, "dst", to=0), '{"src": 0', "links[0]: found a link of chip0 to itself; expected two ends"),
    (
        changed("links", 1, "dst", to=2),
        '{"src": 1, "dst": 2, "bw": 5}',
        "links[2]: found the link chip1 -> switch2 again; expected each once",
    ),
    (changed("links", 0, "bw", to=0), '0}, {"src": 1', "links[0].bw: found bw 0; expected a bandwidth above 0 and"),
    (changed("links", 0, "bw", to=-3), "-3", "links[0].bw: found bw -3; expected a bandwidth above 0 and finite"),
    (changed("links", 0, "bw", to="10 GB/s"), '"10 GB', "links[0].bw: found bw '10 GB/s'; expected a bandwidth"),
    (changed("links", 1, "lat", to=-2), "-2", "links[1].lat: found lat -2; expected a latency of 0 or more, in us"),
    (changed("links", 1, "cap", to=99), "99", "links[1].cap: unknown key 'cap'; expected one of src, dst, bw, lat"),
    (changed("bandwidth_unit", to="Gb/s"), '"Gb', "bandwidth_unit: found 'Gb/s'; expected 'GB/s per direction'"),
    (changed("links", to=[]), None, "g: device 'chip1' cannot be reached from 'chip0'; expected links that join all"),
    (json.dumps(PAIR).replace("10.0", "1e999"), "1e999", "links[0].bw: found bw inf; expected a bandwidth above 0"),
]


@pytest.mark.parametrize(("text", "spot", "message"), MISTAKES)
def test_a_mistake_is_answered_in_one_line_with_its_place(text: str, spot: str | None, message: str) -> None:
    with pytest.raises(TopologyError) as caught:
        topology.loads(text, name="g")
    place = "" if spot is None else f"g:1:{text.index(spot) + 1}: "
    assert str(caught.value).startswith(place + message)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("ppu-8", r"devices that forward \(chip0, chip1, chip2, \.\.\.\)"),
        ("pcie-8", r"limits \(root\.cpu0, root\.cpu1\)"),
        ("h100-8", r"switches that multicast or aggregate \(nvswitch\)"),
    ],
)
def test_writing_refuses_what_the_format_cannot_carry(name: str, what: str) -> None:
    with pytest.raises(UnsupportedError, match=rf"^{name}: graph JSON cannot carry {what}; expected a board without$"):
        topology.to_graph_json(topology.load(name))


def test_writing_refuses_an_unknown_bandwidth() -> None:
    board = topology.loads("nodes: {chip: 2}\nkinds: {w: {}}\nlinks: {w: [[0, 1]]}\n", name="b")
    with pytest.raises(UnsupportedError, match=r"^b: graph JSON cannot carry unknown bandwidths \(w\)"):
        topology.to_graph_json(board)


def test_writing_keeps_every_link_of_a_board_that_fits() -> None:
    board = topology.load("unequal-8-4")
    again = topology.loads(topology.to_graph_json(board))
    assert [(x.src, x.dst, x.bandwidth_GBps, x.latency_us) for x in again.links] == [
        (x.src, x.dst, x.bandwidth_GBps, x.latency_us) for x in board.links
    ]
    assert again.devices == board.devices
    assert (again.name, again.description, again.source) == (board.name, board.description, board.source)


def test_all_graphs_load_and_come_back_the_same() -> None:
    if not GRAPHS.exists():
        pytest.skip(f"{GRAPHS} is not there")
    paths = sorted(GRAPHS.glob("*.json"))
    assert len(paths) == 28
    for path in paths:
        board = topology.load(path)
        raw = json.loads(path.read_text())
        assert board.name == path.stem
        assert len(board.devices) == raw["expected"]["N"]
        assert {(x.src, x.dst, x.bandwidth_GBps) for x in board.links} == {
            (x["src"], x["dst"], x["bw"]) for x in raw["links"]
        }
        assert topology.loads(topology.to_graph_json(board)) == board
        assert topology.loads(topology.to_yaml(board)) == board
