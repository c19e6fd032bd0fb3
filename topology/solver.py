"""A linear program that grows: minimise cost x subject to lower <= A x <= upper, x >= 0, by HiGHS."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

INFINITY = float("inf")
DUAL, PRIMAL = 1, 4
_NONE = np.array([], dtype=np.int32), np.array([], dtype=float)


class Solver:
    """Rows, columns and then more of either, solved anew as often as wanted, each time from the last optimum.

    A new column leaves the last optimum feasible: the primal simplex goes on from there, three times as fast. A new
    row leaves its prices feasible: then it is the dual simplex.
    """

    def __init__(self, simplex: int = PRIMAL, tolerance: float | None = None) -> None:
        self._model = _silent_model()
        self._model.setOptionValue("simplex_strategy", simplex)
        for side in ("primal", "dual") if tolerance is not None else ():
            self._model.setOptionValue(f"{side}_feasibility_tolerance", tolerance)

    def row(self, lower: float = -INFINITY, upper: float = INFINITY, entries: Mapping[int, float] | None = None) -> int:
        """Its number. `entries` by column, of those that are there."""
        columns, values = _NONE if entries is None else _split(entries)
        self._model.addRow(lower, upper, len(columns), columns, values)
        return int(self._model.getNumRow()) - 1

    def column(self, cost: float, entries: Mapping[int, float]) -> None:
        """A variable of at least 0 with its entries by row."""
        rows, values = _split(entries)
        self._model.addCol(cost, 0.0, INFINITY, len(rows), rows, values)

    def solve(self) -> None:
        self._model.run()

    @property
    def objective(self) -> float:
        return float(self._model.getInfo().objective_function_value)

    @property
    def values(self) -> NDArray[np.float64]:
        """Of the columns."""
        return np.array(self._model.getSolution().col_value)

    @property
    def duals(self) -> NDArray[np.float64]:
        """Of the rows."""
        return np.array(self._model.getSolution().row_dual)


def _split(entries: Mapping[int, float]) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    return np.array([*entries], dtype=np.int32), np.array([*entries.values()], dtype=float)


def _silent_model() -> Any:
    """HiGHS prints its name when callbacks are enabled, which its constructor does, unless it is silent by then."""
    from highspy import Highs

    class Silent(Highs):
        def enableCallbacks(self) -> None:
            self.silent()
            super().enableCallbacks()  # type: ignore[no-untyped-call]

    return Silent()  # type: ignore[no-untyped-call]
