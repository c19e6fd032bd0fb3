"""Boards: routes against all paths there are, limits on them, and what is refused."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from _ringtree.core import Board
from _ringtree.errors import InputError, NoRouteError

Graph = tuple[list[bool], dict[tuple[int, int], float]]


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Small graphs in which many paths are as short and as wide as others."""
    nodes = draw(st.integers(2, 7))
    pairs = [(a, b) for a in range(nodes) for b in range(nodes) if a != b]
    chosen = draw(st.lists(st.sampled_from(pairs), unique=True, max_size=len(pairs)))
    forwards = draw(st.lists(st.booleans(), min_size=nodes, max_size=nodes))
    return forwards, {pair: draw(st.sampled_from([1.0, 2.0, 3.0])) for pair in chosen}


def paths(graph: Graph, src: int, dst: int, seen: tuple[int, ...] = ()) -> Iterator[tuple[int, ...]]:
    """Every path that passes no node twice, as its nodes."""
    forwards, links = graph
    if src == dst:
        yield (*seen, dst)
    elif not seen or forwards[src]:
        for a, b in links:
            if a == src and b not in seen:
                yield from paths(graph, b, dst, (*seen, src))


def best(graph: Graph, src: int, dst: int) -> tuple[int, ...] | None:
    def order(path: tuple[int, ...]) -> tuple[int, float, tuple[int, ...]]:
        return len(path), -min((graph[1][link] for link in pairwise(path)), default=0), path

    return min(paths(graph, src, dst), key=order, default=None)


@given(graphs())
@settings(deadline=None, max_examples=300)
def test_routes_are_the_best_of_all_paths(graph: Graph) -> None:
    forwards, links = graph
    numbers = {link: i for i, link in enumerate(links)}
    board = Board(forwards, [(*link, bandwidth, 1.0, 0.0) for link, bandwidth in links.items()])
    for src in range(len(forwards)):
        for dst in range(len(forwards)):
            path = best(graph, src, dst)
            if path is None:
                with pytest.raises(NoRouteError, match=f"from node {src} to node {dst}"):
                    board.route(src, dst)
            else:
                assert board.route(src, dst) == tuple(numbers[link] for link in pairwise(path))


def test_a_wide_detour_is_not_taken() -> None:
    links = [(0, 1, 1.0, 1.0, 0.0), (0, 2, 100.0, 1.0, 0.0), (2, 1, 100.0, 1.0, 0.0)]
    assert Board([True] * 3, links).route(0, 1) == (0,)


def test_a_narrow_end_does_not_decide_how_to_begin() -> None:
    """The last link is the bottleneck of every path: then the ids decide, not the width of what comes before."""
    ends = [(0, 1, 2.0), (0, 2, 9.0), (1, 3, 2.0), (2, 3, 9.0), (3, 4, 1.0)]
    board = Board([True] * 5, [(a, b, bandwidth, 0.0, 0.0) for a, b, bandwidth in ends])
    assert board.route(0, 4) == (0, 2, 4)
    assert board.route(0, 3) == (1, 3)


def test_limits_stand_before_the_first_link_they_guard() -> None:
    links = [(0, 1, 1.0, 1.0, 0.0), (1, 2, 1.0, 1.0, 0.0), (2, 3, 1.0, 1.0, 0.0)]
    limits = [(5.0, 0.0, [1]), (5.0, 0.0, [0, 2]), (5.0, 0.0, [1, 0]), (5.0, 0.0, [])]
    board = Board([True] * 4, links, limits)
    assert board.route(0, 3, links_only=False) == (4, 5, 0, 3, 1, 2)
    assert board.route(1, 3, links_only=False) == (3, 5, 1, 4, 2)
    assert board.route(0, 3) == (0, 1, 2)
    assert board.route(2, 2) == ()


@pytest.mark.parametrize(
    ("links", "words"),
    [
        ([(0, 1, 0.0, 1.0, 0.0)], "link 0: found bandwidth 0 GB/s"),
        ([(0, 1, 1.0, 1.0, 0.0), (1, 0, -3.0, 1.0, 0.0)], "link 1: found bandwidth -3 GB/s"),
        ([(0, 1, math.inf, 1.0, 0.0)], "link 0: found bandwidth inf"),
        ([(0, 1, math.nan, 1.0, 0.0)], "link 0: found bandwidth"),
        ([(0, 1, 1.0, -1.0, 0.0)], "link 0: found latency -1 us"),
        ([(0, 1, 1.0, math.inf, 0.0)], "link 0: found latency inf"),
        ([(0, 1, 1.0, 1.0, math.nan)], "link 0: .*cost"),
        ([(0, 3, 1.0, 1.0, 0.0)], "link 0: found nodes 0 to 3, expected 0 to 2"),
        ([(-1, 1, 1.0, 1.0, 0.0)], "link 0: found nodes -1 to 1"),
        ([(1, 1, 1.0, 1.0, 0.0)], "link 0: joins node 1 to itself"),
        ([(0, 1, 1.0, 1.0, 0.0), (1, 0, 1.0, 1.0, 0.0), (0, 1, 2.0, 1.0, 0.0)], "links 0 and 2 both join node 0"),
    ],
)
def test_links_that_cannot_be(links: list[tuple[int, int, float, float, float]], words: str) -> None:
    with pytest.raises(InputError, match=words):
        Board([True] * 3, links)


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ([(0.0, 0.0, [0])], "limit 0: found bandwidth 0"),
        ([(1.0, -1.0, [0])], "limit 0: .*cost -1"),
        ([(1.0, 0.0, [1])], "found limit 0 of link 1"),
        ([(1.0, 0.0, [0, 0])], "limit 0 names link 0 twice"),
    ],
)
def test_limits_that_cannot_be(limits: list[tuple[float, float, list[int]]], words: str) -> None:
    with pytest.raises(InputError, match=words):
        Board([True] * 2, [(0, 1, 1.0, 1.0, 0.0)], limits)


def test_nodes_outside_the_board() -> None:
    with pytest.raises(InputError, match="found nodes 0 and 2, expected 0 to 1"):
        Board([True] * 2, [(0, 1, 1.0, 1.0, 0.0)]).route(0, 2)


def test_a_large_switch_needs_no_table() -> None:
    """100,000 devices: a table of all pairs would have 10^10 entries."""
    n = 100_000
    links = [end for i in range(n) for end in ((i, n, 50.0, 1.0, 0.0), (n, i, 50.0, 1.0, 0.0))]
    board = Board([False] * n + [True], links)
    begin = time.perf_counter()
    assert board.route(12_345, 67_890) == (2 * 12_345, 2 * 67_890 + 1)
    assert time.perf_counter() - begin < 5


def test_a_detour_keeps_away_from_the_first_link_of_the_route() -> None:
    """0 and 1 have a link, and a switch 3; 0 and 2 have the switch alone."""
    pairs = [(0, 1), (1, 0), (0, 3), (3, 0), (1, 3), (3, 1), (2, 3), (3, 2)]
    board = Board([False, False, False, True], [(*pair, 1.0, 1.0, 0.0) for pair in pairs])
    at = {pair: number for number, pair in enumerate(pairs)}
    assert board.route(0, 1) == (at[0, 1],)
    assert board.route(0, 1, detour=True) == (at[0, 3], at[3, 1])
    assert board.route(0, 2) == (at[0, 3], at[3, 2])
    with pytest.raises(NoRouteError, match="no detour from node 0 to node 2"):
        board.route(0, 2, detour=True)
    assert board.route(0, 1, detour=True) == (at[0, 3], at[3, 1])
    assert board.route(0, 0, detour=True) == ()
    alone = Board([False, False], [(0, 1, 1.0, 1.0, 0.0)])
    with pytest.raises(NoRouteError):
        alone.route(0, 1, detour=True)
