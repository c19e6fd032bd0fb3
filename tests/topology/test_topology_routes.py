"""Routes of the core against every path there is, on small random boards."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import topology
from _ringtree.errors import NoRouteError
from topology import Link, LinkKind, Node, Topology

Arc = tuple[int, int, float]


def best_path(nodes: list[bool], arcs: list[Arc], src: int, dst: int) -> list[int] | None:
    """The nodes of the best of all simple paths: fewest links, widest, smallest ids. Tries them all."""
    width = {(a, b): bandwidth for a, b, bandwidth in arcs}
    found: list[tuple[int, float, list[int]]] = []

    def extend(path: list[int], narrowest: float) -> None:
        if path[-1] == dst:
            found.append((len(path), -narrowest, path))
            return
        if len(path) > 1 and not nodes[path[-1]]:
            return
        for (a, b), bandwidth in width.items():
            if a == path[-1] and b not in path:
                extend([*path, b], min(narrowest, bandwidth))

    extend([src], float("inf"))
    return min(found)[2] if found else None


@st.composite
def boards(draw: st.DrawFn) -> tuple[list[bool], list[Arc]]:
    count = draw(st.integers(2, 6))
    forwards = [False, False] + [draw(st.booleans()) for _ in range(count - 2)]
    pairs = [(a, b) for a in range(count) for b in range(count) if a != b]
    chosen = draw(st.lists(st.sampled_from(pairs), unique=True, max_size=16))
    return forwards, [(a, b, float(draw(st.integers(1, 3)))) for a, b in sorted(chosen)]


@settings(deadline=None, max_examples=300)
@given(boards())
def test_routes_are_the_best_of_all_paths(board: tuple[list[bool], list[Arc]]) -> None:
    forwards, arcs = board
    nodes = tuple(Node(i, f"n{i}", "device", forward=forward) for i, forward in enumerate(forwards))
    links = tuple(Link(a, b, bandwidth) for a, b, bandwidth in arcs)
    value = Topology("random", nodes, links, kinds=(LinkKind("link"),))
    for src in range(len(nodes)):
        for dst in range(len(nodes)):
            if src == dst:
                assert value.route(src, dst) == ()
                continue
            expected = best_path(forwards, arcs, src, dst)
            if expected is None:
                with pytest.raises(NoRouteError, match=f"^random: no route from n{src} to n{dst}; devices that lie"):
                    value.route(src, dst)
            else:
                path = [src] + [value.links[index].dst for index in value.route(src, dst)]
                assert path == expected


def test_traffic_passes_through_everything_but_devices() -> None:
    text = """
    nodes: {{chip: 3, s: {kind}}}
    kinds: {{w: {{bandwidth: 1 GB/s}}}}
    links: {{w: [[0, {via}], [{via}, 2], [0, 1], [1, 2]]}}
    """
    for kind in ("switch", "host", "pcie", "nic"):
        board = topology.loads(text.format(kind=kind, via="s"))
        assert [board.nodes[board.links[i].dst].name for i in board.route(0, 2)] == ["s", "chip2"]


def test_the_wider_of_two_equally_short_routes_is_taken() -> None:
    text = """
    nodes: {chip: 2, a: switch, b: switch}
    kinds: {w: {bandwidth: 10 GB/s}}
    links: {w: [[chip, a], [0, b], {between: [1, b], bandwidth: 9 GB/s}]}
    """
    board = topology.loads(text)
    assert [board.links[i].dst for i in board.route(0, 1)] == [2, 1]
    wider = topology.loads(text.replace("9 GB/s", "11 GB/s").replace("[0, b]", "[0, b, 2]"))
    assert [wider.links[i].dst for i in wider.route(0, 1)] == [3, 1]


def test_limits_stand_before_the_links_that_they_limit() -> None:
    board = topology.load("pcie-8")
    names = [node.name for node in board.nodes]
    cards = (0, 7)
    elements = board.board().route(*cards, links_only=False)
    shown = [
        board.limits[e - len(board.links)].name if e >= len(board.links) else names[board.links[e].dst]
        for e in elements
    ]
    assert shown == ["switch0", "cpu0", "root.cpu0", "cpu1", "root.cpu1", "switch3", "card7"]
