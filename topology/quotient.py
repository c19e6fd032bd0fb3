"""Large linear programs of symmetrical boards made small: variables that no count of neighbours tells apart are equal.

Rows and columns begin as equals where their bounds and costs are; they are told apart by how much they have of each
class of the others, until that changes nothing (colour refinement). Means over the classes of an optimum are an
optimum too (Grohe, Kersting, Mladenov and Selman 2014), so one row and one column of each class are enough.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from .solver import PRIMAL, Solver

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Codes = NDArray[np.uint64]
TOLERANCE = 1e-9


@dataclass(frozen=True)
class Entries:
    """A sparse matrix: value[i] at (row[i], column[i]), each place once."""

    row: Ints
    column: Ints
    value: Floats


def classes(entries: Entries, rows: Floats, columns: Floats) -> tuple[Ints, Ints]:
    """The class of each row and column; they begin with those whose numbers in `rows` and `columns` are equal."""
    of_rows, of_columns = (np.unique(start, return_inverse=True)[1] for start in (rows, columns))
    values = _spread(np.unique(entries.value, return_inverse=True)[1].astype(np.uint64) + np.uint64(1))
    orders = [np.argsort(which, kind="stable") for which in (entries.row, entries.column)]
    while True:
        found = of_rows.max() + of_columns.max()
        of_rows = _split(of_rows, entries.row, of_columns[entries.column], values, orders[0])
        of_columns = _split(of_columns, entries.column, of_rows[entries.row], values, orders[1])
        if of_rows.max() + of_columns.max() == found:
            return of_rows, of_columns


def _spread(codes: Codes) -> Codes:
    """Numbers scrambled so that sums of different ones differ (the finaliser of splitmix64)."""
    codes = (codes ^ (codes >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    codes = (codes ^ (codes >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    codes ^= codes >> np.uint64(31)
    return codes


def _split(own: Ints, which: Ints, others: Ints, values: Codes, order: Ints) -> Ints:
    """Classes told apart by the others that they have entries with."""
    codes = _spread(others.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + values)[order]
    starts = np.flatnonzero(np.diff(which[order], prepend=-1))
    sums = np.zeros(len(own), np.uint64)
    sums[which[order][starts]] = np.add.reduceat(codes, starts)
    mixed = _spread(sums + own.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15))
    return np.unique(mixed, return_inverse=True)[1]


@dataclass(frozen=True)
class Optimum:
    """Of the whole program: the objective, and the price of each row."""

    objective: float
    prices: Floats


def solve(entries: Entries, lower: Floats, upper: Floats, costs: Floats, most: int) -> Optimum | None:
    """Minimise costs x, lower <= A x <= upper, x >= 0; None where more than `most` columns differ."""
    bounds = np.unique(np.stack([lower, upper]), axis=1, return_inverse=True)[1].ravel()
    of_rows, of_columns = classes(entries, bounds.astype(float), costs)
    if of_columns.max() >= most:
        return None
    row_sizes, column_sizes = np.bincount(of_rows), np.bincount(of_columns)
    first = np.unique(of_rows, return_index=True)[1]
    kept = first[of_rows[entries.row]] == entries.row
    places = of_columns[entries.column[kept]] * len(first) + of_rows[entries.row[kept]]
    places, which = np.unique(places, return_inverse=True)
    values = np.bincount(which, entries.value[kept])
    model = Solver(PRIMAL, TOLERANCE)
    for row in first:
        model.row(float(lower[row]), float(upper[row]))
    columns, rows = np.divmod(places, len(first))
    ends = np.searchsorted(columns, np.arange(len(column_sizes) + 1))
    at = np.unique(of_columns, return_index=True)[1]
    for number, (begin, end) in enumerate(pairwise(ends)):
        uses = dict(zip(rows[begin:end].tolist(), values[begin:end].tolist(), strict=True))
        model.column(float(costs[at[number]] * column_sizes[number]), uses)
    model.solve()
    return Optimum(model.objective, (model.duals / row_sizes)[of_rows])
