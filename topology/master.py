"""The linear program of a packing, solved anew as trees come in, by HiGHS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from .hops import Floats

_NONE = np.array([], dtype=np.int32), np.array([], dtype=float)


class Demand(NamedTuple):
    """Trees of one root and direction, at `weight` times the rate of the group."""

    root: int
    up: bool
    weight: float
    group: int


class Master:
    """Rows: elements, then demands. Columns: groups, then trees in the order of `add`."""

    def __init__(self, capacities: Floats, demands: Sequence[Demand]) -> None:
        self._model = _silent_model()
        self._infinity = self._model.getInfinity()
        self._elements = len(capacities)
        self._groups = len({demand.group for demand in demands})
        for capacity in capacities:
            self._model.addRow(-self._infinity, float(capacity), 0, *_NONE)
        for _ in demands:
            self._model.addRow(0.0, self._infinity, 0, *_NONE)
        for group in sorted({demand.group for demand in demands}):
            entries = {self._elements + i: -d.weight for i, d in enumerate(demands) if d.group == group}
            self._column(-1.0, entries)

    def add(self, demand: int, uses: Mapping[int, int]) -> None:
        """A tree of the demand that takes each element so many times."""
        self._column(0.0, {self._elements + demand: 1.0, **uses})

    def _column(self, cost: float, entries: Mapping[int, float]) -> None:
        rows = np.array([*entries], dtype=np.int32)
        self._model.addCol(cost, 0.0, self._infinity, len(rows), rows, np.array([*entries.values()], dtype=float))

    def solve(self) -> tuple[float, Floats, Floats]:
        """The groups' rates together, the prices of the elements, and what a tree of each demand is worth."""
        self._model.run()
        duals = np.array(self._model.getSolution().row_dual)
        rate = -float(self._model.getInfo().objective_function_value)
        return rate, np.maximum(-duals[: self._elements], 0.0), np.abs(duals[self._elements :])

    def rates(self) -> Floats:
        """Of each tree."""
        return np.array(self._model.getSolution().col_value)[self._groups :]


def _silent_model() -> Any:
    """HiGHS prints its name when callbacks are enabled, which its constructor does, unless it is silent by then."""
    from highspy import Highs

    class Silent(Highs):
        def enableCallbacks(self) -> None:
            self.silent()
            super().enableCallbacks()  # type: ignore[no-untyped-call]

    return Silent()  # type: ignore[no-untyped-call]
