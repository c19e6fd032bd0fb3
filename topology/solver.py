"""A linear program that grows: minimise cost x subject to lower <= A x <= upper, x >= 0, by HiGHS.

Columns may be choices, 0 or 1; then it is an integer program, and `least` says how good its solution can be at most.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

INFINITY = float("inf")
DUAL, PRIMAL = 1, 4
FEASIBLE = 2
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

    def column(self, cost: float, entries: Mapping[int, float], choice: bool = False) -> int:
        """A variable of at least 0, or of 0 or 1, with its entries by row. Its number."""
        rows, values = _split(entries)
        self._model.addCol(cost, 0.0, 1.0 if choice else INFINITY, len(rows), rows, values)
        number = int(self._model.getNumCol()) - 1
        if choice:
            from highspy import HighsVarType

            self._model.changeColIntegrality(number, HighsVarType.kInteger)
        return number

    def set_cost(self, column: int, cost: float) -> None:
        self._model.changeColCost(column, cost)

    def set_most(self, column: int, most: float) -> None:
        """The column's upper bound."""
        self._model.changeColBounds(column, 0.0, most)

    def set_bounds(self, row: int, lower: float = -INFINITY, upper: float = INFINITY) -> None:
        self._model.changeRowBounds(row, lower, upper)

    def solve(self, seconds: float = INFINITY) -> None:
        self._model.setOptionValue("time_limit", seconds)
        self._model.run()

    @property
    def found(self) -> bool:
        """Whether there is a solution, the best or not."""
        return int(self._model.getInfo().primal_solution_status) == FEASIBLE

    @property
    def least(self) -> float:
        """What no choices can fall below, as far as the solver has proved it."""
        return float(self._model.getInfo().mip_dual_bound)

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
