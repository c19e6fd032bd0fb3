"""The value itself: what may not be put together, how fast it is made, and what importing it costs."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import topology
from _ringtree.errors import TopologyError
from topology import Figure, Limit, Link, LinkKind, Node, Topology

NODES = (Node(0, "a", "device"), Node(1, "b", "device"))
KINDS = (LinkKind("link"),)
LINKS = (Link(0, 1, 5.0), Link(1, 0, 5.0))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": ""}, ": found an empty name; expected the board's"),
        ({"nodes": (Node(1, "a", "device"),)}, "t: node 0: found id 1; expected ids in order"),
        ({"nodes": (NODES[0], Node(1, "a", "device"))}, "t: node 1: found name 'a'; expected a unique path"),
        ({"nodes": (NODES[0], Node(1, "0b", "device"))}, "t: node 1: found name '0b'; expected a unique path"),
        ({"nodes": (NODES[0], Node(1, "b", "gpu"))}, "t: node b: found kind 'gpu'; expected one of device, switch"),
        ({"nodes": (NODES[0], Node(1, "b", "switch"))}, "t: node b: found forward=False; expected a switch to forward"),
        ({"nodes": (replace(NODES[0], forward_mark="U"), NODES[1])}, "t: node a: found mark 'U'; expected M, V, P"),
        (
            {"nodes": (Node(0, "s", "switch", forward=True),), "links": ()},
            "t: found no device; expected at least one",
        ),
        ({"links": (Link(0, 2, 5.0),)}, "t: link 0 -> 2: expected two different nodes of 0..1"),
        ({"links": (Link(0, 0, 5.0),)}, "t: link 0 -> 0: expected two different nodes of 0..1"),
        ({"links": LINKS[::-1]}, "t: link 0 -> 1: expected links ordered by (src, dst), each once"),
        ({"links": (LINKS[0], LINKS[0])}, "t: link 0 -> 1: expected links ordered by (src, dst), each once"),
        ({"links": (Link(0, 1, 0.0),)}, "t: link 0 -> 1: found bandwidth 0.0; expected GB/s, finite, above 0"),
        ({"links": (Link(0, 1, float("inf")),)}, "t: link 0 -> 1: found bandwidth inf; expected GB/s, finite"),
        ({"links": (Link(0, 1, float("nan")),)}, "t: link 0 -> 1: found bandwidth nan; expected GB/s, finite"),
        ({"links": (Link(0, 1, 1.0, -1.0),)}, "t: link 0 -> 1: found latency -1.0; expected microseconds, finite"),
        ({"links": (Link(0, 1, 1.0, count=0),)}, "t: link 0 -> 1: found count 0; expected 1 or more"),
        ({"links": (Link(0, 1, 1.0, kind="x"),)}, "t: link 0 -> 1: found kind 'x'; expected one of the topology's"),
        ({"kinds": (LinkKind("link", latency=Figure(1.0)),)}, "t: link 0 -> 1: found no latency; expected one, as"),
        (
            {"kinds": (LinkKind("link", Figure(1.0)),), "links": (Link(0, 1, None),)},
            "t: link 0 -> 1: found no bandwidth; expected one, as its kind 'link' has one",
        ),
        ({"kinds": (LinkKind("link", Figure(None, "V")),)}, "t: kind 'link': found mark 'V'; expected one that fits"),
        ({"kinds": (LinkKind("link", Figure(-1.0)),)}, "t: kind 'link': expected a finite bandwidth above 0"),
        ({"kinds": KINDS * 2}, "t: kinds: expected names of their own, in order"),
        ({"limits": (Limit("x", 1.0, (), kind="link"),)}, "t: limit 'x': expected link indices of 0..1, ascending"),
        ({"limits": (Limit("x", 1.0, (2,), kind="link"),)}, "t: limit 'x': expected link indices of 0..1, ascending"),
        ({"limits": (Limit("x", 1.0, (1, 0), kind="link"),)}, "t: limit 'x': expected link indices of 0..1, asc"),
        ({"limits": (Limit("x", 1.0, (0,), kind="link"),) * 2}, "t: limit 'x': expected a name of its own"),
    ],
)
def test_parts_that_do_not_fit_are_refused(change: dict[str, Any], message: str) -> None:
    fitting: dict[str, Any] = {"name": "t", "nodes": NODES, "links": LINKS, "kinds": KINDS}
    assert Topology(**fitting).devices == (0, 1)
    with pytest.raises(TopologyError) as caught:
        Topology(**(fitting | change))
    assert str(caught.value).startswith(message)


def test_it_is_immutable() -> None:
    board = topology.load("n300")
    with pytest.raises(AttributeError):
        board.name = "x"  # type: ignore[misc]


def fastest(text: str) -> float:
    times = []
    for _ in range(5):
        start = time.perf_counter()
        board = topology.loads(text)
        times.append(time.perf_counter() - start)
        assert len(board.devices) == 1024
        assert len(board.links) == 2048
    return min(times)


def test_a_switch_of_1024_devices_loads_in_50_ms() -> None:
    nodes = [{"id": i, "kind": "accel"} for i in range(1024)] + [{"id": 1024, "kind": "switch"}]
    links = [{"src": a, "dst": b, "bw": 50.0, "lat": 1.0} for i in range(1024) for a, b in ((i, 1024), (1024, i))]
    assert fastest(json.dumps({"nodes": nodes, "links": links})) < 0.05
    yaml_text = """
    nodes: {chip: 1024, leaf: switch}
    kinds: {port: {bandwidth: 50 GB/s, latency: 1 us}}
    links: {port: [[chip, leaf]]}
    """
    assert fastest(yaml_text) < 0.05


def test_importing_and_reading_a_graph_leave_out_what_they_do_not_need() -> None:
    code = """
import sys, topology
heavy = {"numpy", "mpi4py", "jsonschema", "defusedxml", "_ringtree_core"}
assert not heavy & sys.modules.keys(), heavy & sys.modules.keys()
assert "yaml" not in sys.modules
topology.loads('{"nodes": [{"id": 0, "kind": "accel"}], "links": []}')
assert not (heavy | {"yaml"}) & sys.modules.keys()
topology.load("ppu-8")
assert not heavy & sys.modules.keys()
"""
    root = Path(topology.__file__).parent.parent
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
