"""The least latency of collectives, against counts of hops by hand."""

from __future__ import annotations

import pytest
from graphs import both_ways, graph

from topology import load
from topology.latency import least_latency_us


def test_a_line_of_four() -> None:
    board = graph(4, both_ways({(0, 1): 10, (1, 2): 10, (2, 3): 10}))
    chips = board.devices
    assert least_latency_us(board, "all_gather", chips) == 3
    assert least_latency_us(board, "all_reduce", chips) == 4  # to one of the inner chips, and back
    assert least_latency_us(board, "broadcast", chips, 1) == 2
    assert least_latency_us(board, "reduce", chips, 3) == 3
    assert least_latency_us(board, "barrier", chips) == 0
    assert least_latency_us(board, "all_reduce", chips[:1]) == 0


def test_one_way_links() -> None:
    board = graph(3, {(0, 1): 10, (1, 2): 10, (2, 0): 10})
    assert least_latency_us(board, "broadcast", board.devices, 0) == 2
    assert least_latency_us(board, "reduce", board.devices, 1) == 2
    assert least_latency_us(board, "all_reduce", board.devices) == 4


@pytest.mark.parametrize(("name", "hops"), [("h20-8", 4), ("910b-8", 2), ("torus-4x4", 8)])
def test_shipped_boards(name: str, hops: int) -> None:
    board = load(name)
    link_us = {link.latency_us for link in board.links}
    assert least_latency_us(board, "all_reduce", board.devices) == pytest.approx(hops * (link_us.pop() or 0))
