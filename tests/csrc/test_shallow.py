"""Trees of few hops: right and never cheaper than the cheapest of all, which are enumerated; found where it is easy."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from _ringtree.errors import InputError
from _ringtree.trees import arborescences, shallow_trees

Graph = NDArray[np.float64]


def depths(parents: tuple[int, ...], root: int) -> list[int] | None:
    """Hops from the root to each node; None where that is no tree."""
    found = []
    for node in range(len(parents)):
        hops = 0
        while node != root and hops <= len(parents):
            node, hops = parents[node], hops + 1
        if node != root:
            return None
        found.append(hops)
    return found


def cheapest(cost: Graph, root: int, hops: int) -> float:
    n = len(cost)
    choices = [[-1] if node == root else [p for p in range(n) if p != node] for node in range(n)]
    prices = []
    for parents in product(*choices):
        found = depths(parents, root)
        if found is not None and max(found) <= hops:
            prices.append(sum(cost[p, v] for v, p in enumerate(parents) if v != root))
    return min(prices, default=np.inf)


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    n = draw(st.integers(2, 5))
    costs = st.one_of(st.just(np.inf), st.integers(0, 4).map(float), st.floats(0, 10))
    return np.array(draw(st.lists(costs, min_size=n * n, max_size=n * n))).reshape(n, n)


@settings(deadline=None, max_examples=200)
@given(cost=graphs(), hops=st.integers(1, 4))
def test_trees_are_trees_and_cost_what_they_say(cost: Graph, hops: int) -> None:
    roots = range(len(cost))
    parents, costs = shallow_trees(cost, roots, hops)
    for root in roots:
        least = cheapest(cost, root, hops)
        assert np.isinf(costs[root]) == np.isinf(least)
        if costs[root] < np.inf:
            tree = tuple(int(p) for p in parents[root])
            found = depths(tree, root)
            assert found is not None
            assert max(found) <= hops
            assert sum(cost[p, v] for v, p in enumerate(tree) if v != root) == pytest.approx(costs[root], abs=1e-9)
            assert costs[root] >= least - 1e-9


def test_one_hop_is_a_star_and_any_number_is_nearly_the_cheapest() -> None:
    random = np.random.default_rng(1)
    excess = []
    for _ in range(50):
        cost = random.random((10, 10))
        _, stars = shallow_trees(cost, [3], 1)
        assert stars[0] == pytest.approx(cost[3].sum() - cost[3, 3])
        excess.append(shallow_trees(cost, [3], 9)[1][0] / arborescences(cost, [3])[1][0])
    assert min(excess) >= 1 - 1e-9
    assert np.median(excess) < 1.02


def test_a_node_moves_up_where_others_gain_by_it() -> None:
    """Each node is dear from the root, cheap from node 1: two hops by way of 1, though 1 is no cheap child itself."""
    cost = np.full((6, 6), 10.0)
    cost[1], cost[0, 1] = 1.0, 12.0
    parents, costs = shallow_trees(cost, [0], 2)
    assert parents[0].tolist() == [-1, 0, 1, 1, 1, 1]
    assert costs[0] == 16


def test_a_root_that_is_no_node() -> None:
    with pytest.raises(InputError, match="root 3, expected 0 to 2"):
        shallow_trees(np.zeros((3, 3)), [3], 2)
