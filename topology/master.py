"""The linear program of a packing, solved anew as trees come in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import NamedTuple

import numpy as np

from .hops import Floats
from .solver import INFINITY, Solver


class Way(Enum):
    """Trees that broadcast from their root, trees that reduce to it, or trees that do both on the same edges."""

    DOWN = (False,)
    UP = (True,)
    BOTH = (True, False)


class Demand(NamedTuple):
    """Trees of one root and way, at `weight` times the rate of the group."""

    root: int
    way: Way
    weight: float
    group: int


class Master:
    """Rows: elements, then demands, then the rate of all. Columns: groups, then trees in the order of `add`.

    First it finds the largest rate. After `hold` it finds, at a given rate, the trees that take the least of the
    board: a tree costs what its elements' `weights` sum to.
    """

    def __init__(self, capacities: Floats, demands: Sequence[Demand]) -> None:
        self._elements = len(capacities)
        self._groups = len({demand.group for demand in demands})
        self._model = Solver()
        self._loads: list[float] = []
        self._weights: Floats | None = None
        for capacity in capacities:
            self._model.row(upper=float(capacity))
        for _ in demands:
            self._model.row(lower=0.0)
        self._rate_row = self._model.row()
        for group in sorted({demand.group for demand in demands}):
            entries = {self._elements + i: -d.weight for i, d in enumerate(demands) if d.group == group}
            self._model.column(-1.0, {**entries, self._rate_row: 1.0})

    def add(self, demand: int, uses: Mapping[int, int], load: float) -> None:
        """A tree of the demand that takes each element so many times; `load` is the sum of its elements' weights."""
        self._loads.append(load)
        cost = 0.0 if self._weights is None else load
        self._model.column(cost, {self._elements + demand: 1.0, **uses})

    def hold(self, rate: float, weights: Floats) -> None:
        """From now on keep this rate and look for the least load."""
        self._weights = weights
        self._turn(0.0, rate, self._loads)

    def release(self) -> None:
        """Look for the largest rate again."""
        self._weights = None
        self._turn(-1.0, -INFINITY, [0.0] * len(self._loads))

    def only(self, trees: set[int] | None) -> None:
        """Of the trees, by number, use these alone (None: all of them)."""
        for tree in range(len(self._loads)):
            used = trees is None or tree in trees
            self._model.set_most(self._groups + tree, INFINITY if used else 0.0)

    def _turn(self, group_cost: float, least_rate: float, loads: Sequence[float]) -> None:
        for column in range(self._groups):
            self._model.set_cost(column, group_cost)
        for column, load in enumerate(loads, start=self._groups):
            self._model.set_cost(column, load)
        self._model.set_bounds(self._rate_row, lower=least_rate)

    def solve(self) -> tuple[float, Floats, Floats]:
        """The groups' rates together, the prices of the elements, and what a tree of each demand is worth.

        A tree pays if its elements cost less than it is worth; while a rate is held, prices have the weights in them.
        """
        self._model.solve()
        duals = self._model.duals
        prices = np.maximum(-duals[: self._elements], 0.0)
        worth = np.abs(duals[self._elements : self._rate_row])
        if self._weights is not None:
            prices = prices + self._weights
        return float(self._model.values[: self._groups].sum()), prices, worth

    def load(self) -> float:
        """Of all trees at their rates."""
        return float(self.rates() @ np.array(self._loads))

    def rates(self) -> Floats:
        """Of each tree."""
        return self._model.values[self._groups :]
