"""Cheapest arborescences against all of them, enumerated."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from _ringtree.errors import InputError
from _ringtree.trees import arborescences

Graph = NDArray[np.float64]


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    n = draw(st.integers(1, 5))
    costs = st.one_of(st.just(np.inf), st.integers(0, 4).map(float), st.floats(0, 10))
    return np.array(draw(st.lists(costs, min_size=n * n, max_size=n * n))).reshape(n, n)


def is_tree(parents: tuple[int, ...], root: int) -> bool:
    """Whether every node leads to the root."""
    for node in range(len(parents)):
        for _ in parents:
            node = node if node == root else parents[node]
        if node != root:
            return False
    return True


def cheapest(cost: Graph, root: int) -> float:
    n = len(cost)
    choices = [[-1] if node == root else [p for p in range(n) if p != node] for node in range(n)]
    trees = (parents for parents in product(*choices) if is_tree(parents, root))
    return min((sum(cost[p, v] for v, p in enumerate(parents) if v != root) for parents in trees), default=np.inf)


@settings(deadline=None, max_examples=300)
@given(cost=graphs())
def test_none_is_cheaper(cost: Graph) -> None:
    roots = range(len(cost))
    parents, costs = arborescences(cost, roots)
    for root in roots:
        assert costs[root] == pytest.approx(cheapest(cost, root), abs=1e-9)
        if costs[root] < np.inf:
            found = tuple(int(p) for p in parents[root])
            assert found[root] == -1
            assert is_tree(found, root)
            assert sum(cost[p, v] for v, p in enumerate(found) if v != root) == pytest.approx(costs[root], abs=1e-9)


def test_cycles_within_cycles() -> None:
    """Cheap cycles 1-2 and 3-4, cheap edges between the two, a dear way in: all merge before the root is met."""
    cost = np.full((5, 5), np.inf)
    for src, dst, price in [(1, 2, 1), (2, 1, 1), (3, 4, 1), (4, 3, 1), (2, 3, 2), (4, 1, 2), (0, 1, 50), (0, 4, 49)]:
        cost[src, dst] = price
    parents, costs = arborescences(cost, [0])
    assert parents[0].tolist() == [-1, 4, 1, 4, 0]
    assert costs[0] == 49 + 1 + 2 + 1


def test_a_node_out_of_reach() -> None:
    _, costs = arborescences(np.array([[0, 1, np.inf], [1, 0, np.inf], [1, 1, 0]]), [0, 2])
    assert costs.tolist() == [np.inf, 2]


def test_a_root_that_is_no_node() -> None:
    with pytest.raises(InputError, match="root 3, expected 0 to 2"):
        arborescences(np.zeros((3, 3)), [3])
    with pytest.raises(ValueError, match="square"):
        arborescences(np.zeros((3, 2)), [0])
