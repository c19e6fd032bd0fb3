"""The linear program of a packing, solved anew as trees come in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from .hops import Floats
from .solver import Solver


class Demand(NamedTuple):
    """Trees of one root and direction, at `weight` times the rate of the group."""

    root: int
    up: bool
    weight: float
    group: int


class Master:
    """Rows: elements, then demands. Columns: groups, then trees in the order of `add`."""

    def __init__(self, capacities: Floats, demands: Sequence[Demand]) -> None:
        self._elements = len(capacities)
        self._groups = len({demand.group for demand in demands})
        self._model = Solver()
        for capacity in capacities:
            self._model.row(upper=float(capacity))
        for _ in demands:
            self._model.row(lower=0.0)
        for group in sorted({demand.group for demand in demands}):
            entries = {self._elements + i: -d.weight for i, d in enumerate(demands) if d.group == group}
            self._model.column(-1.0, entries)

    def add(self, demand: int, uses: Mapping[int, int]) -> None:
        """A tree of the demand that takes each element so many times."""
        self._model.column(0.0, {self._elements + demand: 1.0, **uses})

    def solve(self) -> tuple[float, Floats, Floats]:
        """The groups' rates together, the prices of the elements, and what a tree of each demand is worth."""
        self._model.solve()
        duals = self._model.duals
        prices, worth = np.maximum(-duals[: self._elements], 0.0), np.abs(duals[self._elements :])
        return -self._model.objective, prices, worth

    def rates(self) -> Floats:
        """Of each tree."""
        return self._model.values[self._groups :]
