"""Early trees: as early as can be where that is known, and what they promise is what the simulator finds."""

from __future__ import annotations

from itertools import pairwise

import pytest

from _ringtree.core import Collective, Job, Program, Recipe, Tree, price
from _ringtree.errors import InputError, NoRouteError
from _ringtree.simulator import Board
from _ringtree.trees import early_trees

LATENCY, RATE = 1.0, 0.1  # us, GB/s: 100 bytes per us


def wired(ranks: int, pairs: list[tuple[int, int]]) -> tuple[Board, dict[tuple[int, int], tuple[int, ...]]]:
    """Direct links, and the hop over each."""
    links = [(*pair, RATE, LATENCY, 0.0) for pair in pairs]
    return Board([False] * ranks, links), {pair: (number,) for number, pair in enumerate(pairs)}


def both(pairs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    return [*pairs, *((b, a) for a, b in pairs)]


def test_a_full_mesh_needs_one_hop() -> None:
    board, hops = wired(4, [(a, b) for a in range(4) for b in range(4) if a != b])
    parents, last_us = early_trees(board, hops, 4, range(4), 1, 50.0)
    assert [[root if rank != root else -1 for rank in range(4)] for root in range(4)] == parents[0].tolist()
    assert last_us == LATENCY + 0.5


def test_pieces_from_one_root_take_different_ways_round_a_ring() -> None:
    """Two pieces, two ways: the farthest rank of six is three hops away, and each link carries one piece first."""
    board, hops = wired(6, both([*pairwise(range(6)), (5, 0)]))
    parents, last_us = early_trees(board, hops, 6, [0], 2, 100.0)
    for tree in parents[:, 0].tolist():
        assert tree[0] == -1
        assert all(abs(tree[v] - v) in (1, 5) for v in range(1, 6))
    assert last_us == pytest.approx(3 * (LATENCY + 1.0) + 1.0)


@pytest.mark.parametrize("pieces", [1, 2])
@pytest.mark.parametrize("nbytes", [4, 400])
def test_the_simulator_finds_the_time_that_was_promised(pieces: int, nbytes: int) -> None:
    """On direct links, where nothing but order can differ: an all-gather on a mesh of 2 x 3."""
    board, hops = wired(6, both([(0, 1), (1, 2), (3, 4), (4, 5), (0, 3), (1, 4), (2, 5)]))
    parents, last_us = early_trees(board, hops, 6, range(6), pieces, nbytes)
    count = nbytes // 4
    trees = tuple(
        Tree((root * pieces + piece) * count, count, root, None, tuple(parents[piece, root].tolist()))
        for root in range(6)
        for piece in range(pieces)
    )
    collective = Collective("all_gather", 6, 6 * pieces * count)
    program = Program.build(collective, Recipe("forest", 1, 2, 8, forest=trees))
    assert price(board, Job(program, range(6), 4.0)) == pytest.approx(last_us, rel=0.1)


def test_what_cannot_be() -> None:
    board, hops = wired(3, [(0, 1), (1, 0)])
    with pytest.raises(NoRouteError, match="some root does not reach every rank"):
        early_trees(board, hops, 3, range(3), 1, 8.0)
    with pytest.raises(InputError, match="root 3, expected 0 to 2"):
        early_trees(board, hops, 3, [3], 1, 8.0)
