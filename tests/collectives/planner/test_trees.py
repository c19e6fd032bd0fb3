"""Double binary trees on boards: busy links counted anew here, by walking every tree edge over its route."""

from __future__ import annotations

import json
from collections import Counter
from fractions import Fraction
from itertools import permutations

import pytest

from collectives.planner.trees import MOST_CHIPS, Orders, lay_trees
from topology import Topology, load, loads

PPU = load("ppu-8")


def heaps(orders: Orders) -> list[tuple[int, int]]:
    """Child and parent of every edge: a heap of places, and one that counts them from the end."""
    first, second = orders[0], orders[1][::-1]
    return [(order[v], order[(v - 1) // 2]) for order in (first, second) for v in range(1, len(order))]


def busiest(topology: Topology, orders: Orders) -> Fraction:
    """Time of the busiest link when one byte goes up and down every edge; links have whole GB/s."""
    uses = Counter[int]()
    for child, parent in heaps(orders):
        for src, dst in ((child, parent), (parent, child)):
            uses.update(topology.route(topology.devices[src], topology.devices[dst]))
    return max(Fraction(times) / int(topology.links[link].bandwidth_GBps or 0) for link, times in uses.items())


def in_order(ranks: int) -> Orders:
    return tuple(range(ranks)), tuple(range(ranks))


@pytest.mark.parametrize("name", ["dgx1v", "torus-4x4", "mi250x-16", "unequal-8-4"])
def test_the_busiest_link_is_less_busy_than_in_rank_order(name: str) -> None:
    board = load(name)
    found = lay_trees(board, board.devices)
    assert found is not None
    assert 2 * busiest(board, found) <= busiest(board, in_order(len(board.devices)))


@pytest.mark.parametrize("name", ["ppu-8", "910b-8"])
def test_every_edge_is_a_direct_link_of_its_own(name: str) -> None:
    board = load(name)
    orders = lay_trees(board, board.devices)
    assert orders is not None
    devices = list(range(len(board.devices)))
    assert [sorted(order) for order in orders] == [devices, devices]
    uses = Counter(tuple(sorted((board.devices[a], board.devices[b]))) for a, b in heaps(orders))
    narrowest = min(link.bandwidth_GBps or 0 for link in board.links)
    for (a, b), times in uses.items():
        assert times * narrowest <= (board.links[board.link_index[a, b]].bandwidth_GBps or 0)


def test_nothing_better_exists_on_a_small_board() -> None:
    ways = [(0, 4, 3), (1, 4, 5), (2, 5, 2), (3, 5, 4), (4, 5, 6), (0, 2, 1)]
    nodes = [{"id": i, "kind": "accel" if i < 4 else "switch"} for i in range(6)]
    links = [{"src": a, "dst": b, "bw": bw, "lat": 1} for x, y, bw in ways for a, b in ((x, y), (y, x))]
    board = loads(json.dumps({"nodes": nodes, "links": links}), "two switches")
    found = lay_trees(board, board.devices) or in_order(4)
    best = min(busiest(board, (a, b)) for a in permutations(range(4)) for b in permutations(range(4)))
    assert busiest(board, found) == best


def test_the_same_answer_every_time() -> None:
    assert lay_trees(PPU, PPU.devices) == lay_trees(load("ppu-8"), PPU.devices)


def test_rank_order_stays_where_nothing_is_gained() -> None:
    switch = load("h20-8")
    assert lay_trees(switch, switch.devices) is None
    assert lay_trees(None, range(8)) is None
    assert lay_trees(PPU, PPU.devices[:2]) is None
    large = load("supernode-128")
    assert len(large.devices) > MOST_CHIPS
    assert lay_trees(large, large.devices) is None
