"""Hamiltonian cycles on the direct links of boards whose best numbers are known (chips-and-boards.md C.3)."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from _ringtree_core import ffi, lib
from hypothesis import given, settings
from hypothesis import strategies as st

Matrix = list[list[int]]


def matrix(n: int, pairs: dict[tuple[int, int], int]) -> Matrix:
    """Links in both directions."""
    return [[pairs.get((a, b), pairs.get((b, a), 0)) for b in range(n)] for a in range(n)]


def mesh(n: int) -> Matrix:
    return [[int(a != b) for b in range(n)] for a in range(n)]


def find(count: Matrix, most: int = 16, budget: int = 100_000) -> list[list[int]]:
    n = len(count)
    orders = ffi.new("int32_t[]", max(1, n * most))
    found = lib.rt_find_cycles(n, ffi.new("int32_t[]", [c for row in count for c in row]), most, budget, orders)
    assert 0 <= found <= most
    return [list(orders[i * n : (i + 1) * n]) for i in range(found)]


def check(count: Matrix, cycles: list[list[int]]) -> None:
    """Each cycle visits all, and together they use no more arcs than there are."""
    left = [list(row) for row in count]
    for cycle in cycles:
        assert sorted(cycle) == list(range(len(count)))
        for a, b in pairwise([*cycle, cycle[0]]):
            left[a][b] -= 1
            assert left[a][b] >= 0


def links(text: str) -> dict[tuple[int, int], int]:
    """'01:2 03' is two links between 0 and 1, and one between 0 and 3."""
    return {(int(word[0]), int(word[1])): int(word[3:] or 1) for word in text.split()}


PPU = links("01:2 03 06:2 12 17:2 23:2 24 25 34 35 45:2 47 56 67:2")
DGX1V = links("01 02 03:2 04:2 12:2 13 15:2 23 26:2 37:2 45 46 47:2 56:2 57 67")
QUADS = {(a, b): 1 for a in range(4) for b in range(a)}
KUNLUN = {**QUADS, **{(a + 4, b + 4): 1 for a, b in QUADS}, **{(a, a + 4): 1 for a in range(4)}}


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        pytest.param(matrix(8, PPU), 4, id="ppu-8"),
        pytest.param(matrix(8, DGX1V), 6, id="dgx-1v"),
        pytest.param(matrix(8, KUNLUN), 4, id="kunlun"),
        pytest.param(mesh(8), 7, id="mesh of 8"),
        pytest.param(mesh(4), 2, id="mesh of 4"),  # three cannot be had
        pytest.param(matrix(8, {(a, (a + 1) % 8): 1 for a in range(8)}), 2, id="bidirectional ring"),
        pytest.param([[int(b == (a + 1) % 8) for b in range(8)] for a in range(8)], 1, id="one-way ring"),
        pytest.param(mesh(2), 1, id="pair"),
        pytest.param([[0, 3], [2, 0]], 2, id="pair with parallel links"),
        pytest.param(matrix(8, QUADS), 0, id="not connected"),
        pytest.param(matrix(4, {(0, 1): 1, (1, 2): 1, (2, 3): 1}), 0, id="line"),
        pytest.param([[0]], 0, id="alone"),
    ],
)
def test_finds_as_many_as_there_are(count: Matrix, expected: int) -> None:
    start = time.process_time()
    cycles = find(count)
    assert time.process_time() - start < 0.05
    assert len(cycles) == expected
    check(count, cycles)
    assert find(count) == cycles  # the same on every run


def test_stops_at_most_and_at_the_budget() -> None:
    assert len(find(mesh(8), most=3)) == 3
    assert find(mesh(8), most=0) == []
    assert find(mesh(8), budget=0) == []
    assert find(mesh(8), budget=6) == []  # the first cycle alone takes 7 visits


@settings(deadline=None, max_examples=100)
@given(st.integers(2, 7).flatmap(lambda n: st.lists(st.integers(0, 2), min_size=n * n, max_size=n * n)))
def test_cycles_are_disjoint_on_any_graph(flat: list[int]) -> None:
    n = round(len(flat) ** 0.5)
    count = [flat[i * n : (i + 1) * n] for i in range(n)]
    for node in range(n):
        count[node][node] = 0
    check(count, find(count, budget=2000))
