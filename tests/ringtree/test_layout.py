"""Where nodes stand: apart, in their boxes, few links crossing."""

from __future__ import annotations

import math
from itertools import combinations, permutations

import pytest

import topology
from ringtree.crossings import best_circle
from ringtree.layout import arrange


def crossings(order: list[int], links: list[tuple[int, int]]) -> int:
    """Counted on the circle itself: two chords cross when their ends alternate."""
    place = {node: i for i, node in enumerate(order)}
    count = 0
    for (a, b), (c, d) in combinations(links, 2):
        if len({a, b, c, d}) == 4:
            low, high = sorted((place[a], place[b]))
            count += (low < place[c] < high) != (low < place[d] < high)
    return count


def links_of(name: str) -> list[tuple[int, int]]:
    return [(link.src, link.dst) for link in topology.load(name).links if link.src < link.dst]


@pytest.mark.parametrize("name", ["ppu-8", "dgx1v", "kunlun-8"])
def test_no_order_of_eight_crosses_less(name: str) -> None:
    links = links_of(name)
    found = best_circle(range(8), links)
    assert sorted(found) == list(range(8))
    fewest = min(crossings([0, *rest], links) for rest in permutations(range(1, 8)) if rest[0] < rest[-1])
    assert crossings(found, links) == fewest


def test_a_ring_stays_as_it_is() -> None:
    assert best_circle(range(9), [(i, (i + 1) % 9) for i in range(9)]) == list(range(9))


@pytest.mark.parametrize("name", topology.shipped())
def test_nodes_stand_apart_and_in_their_boxes(name: str) -> None:
    board = topology.load(name)
    layout = arrange(board)
    hidden = {device for devices in layout.stands_for.values() for device in devices[1:]}
    assert set(layout.points) == {node.id for node in board.nodes} - hidden
    for (_, a), (_, b) in combinations(layout.points.items(), 2):
        assert math.dist(a, b) > 0.6
    for box in layout.boxes:
        for node, (x, y) in layout.points.items():
            inside = box.left < x < box.left + box.width and box.bottom < y < box.bottom + box.height
            path = board.nodes[node].group
            assert inside == (path == box.name or path.startswith(f"{box.name}."))


def test_many_devices_wired_alike_are_one_stack() -> None:
    layout = arrange(topology.load("supernode-128"))
    assert [len(devices) for devices in layout.stands_for.values()] == [128]


def test_a_torus_is_a_grid() -> None:
    layout = arrange(topology.load("torus-4x4"))
    assert layout.is_grid
    assert len({round(x, 6) for x, _ in layout.points.values()}) == 4
    assert len({round(y, 6) for _, y in layout.points.values()}) == 4
