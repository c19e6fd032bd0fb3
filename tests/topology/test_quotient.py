"""Linear programs with equal parts made one, against the same programs as they are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from topology.quotient import Entries, classes, solve


def entries(matrix: np.ndarray) -> Entries:
    rows, columns = np.nonzero(matrix)
    return Entries(rows, columns, matrix[rows, columns].astype(float))


def ring(n: int) -> np.ndarray:
    """Arc i from node i to the next."""
    return np.eye(n) - np.roll(np.eye(n), 1, axis=1)


def test_what_is_symmetrical_is_one_class() -> None:
    of_rows, of_columns = classes(entries(ring(8)), np.zeros(8), np.zeros(8))
    assert set(of_rows) == set(of_columns) == {0}


def test_one_that_differs_tells_all_apart_by_their_distance() -> None:
    """A ring of 7 whose node 0 is another: nodes differ by the way around to it."""
    of_rows, of_columns = classes(entries(ring(7)), np.eye(7)[0], np.zeros(7))
    assert len(set(of_rows)) == len(set(of_columns)) == 7


@settings(deadline=None, max_examples=100)
@given(data=st.data())
def test_the_optimum_is_the_same(data: st.DataObject) -> None:
    """Blocks of one small program, repeated, with a row that joins them: each block is a class."""
    copies, height, width = (data.draw(st.integers(1, 3)) for _ in range(3))
    block = np.array(data.draw(st.lists(st.integers(0, 3), min_size=height * width, max_size=height * width)))
    matrix = np.kron(np.eye(copies), block.reshape(height, width))
    matrix = np.vstack([matrix, np.ones(copies * width)])
    upper = np.array([*[data.draw(st.integers(1, 5)) for _ in range(height)] * copies, data.draw(st.integers(1, 9))])
    costs = -np.array([data.draw(st.integers(0, 4)) for _ in range(width)] * copies, float)
    found = solve(entries(matrix), np.full(len(upper), -np.inf), upper.astype(float), costs, 100)
    expected = linprog(costs, matrix, upper)
    assert found is not None
    assert found.objective == pytest.approx(expected.fun, abs=1e-7)
    # The prices are feasible for the whole program, and reach the same value.
    assert found.prices @ upper == pytest.approx(found.objective, abs=1e-7)
    assert (found.prices @ matrix <= costs + 1e-7).all()


def test_more_columns_than_allowed() -> None:
    matrix = np.array([[1.0, 2.0, 3.0]])
    assert solve(entries(matrix), np.array([-np.inf]), np.array([1.0]), -np.ones(3), 2) is None
