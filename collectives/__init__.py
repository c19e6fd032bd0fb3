"""What the user calls: communicators, algorithms and plans.

`plan` and specifications need no MPI; mpi4py is imported when `Communicator` is first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .datatypes import AVG, BFLOAT16, FLOAT8_E4M3FN, FLOAT8_E5M2, FLOAT16, DataType, Op
from .planner.planning import Plan, Planner, plan
from .planner.repair import repair
from .planner.specification import Specification, parse

if TYPE_CHECKING:
    from .communicator import Communicator

__all__ = [
    "AVG",
    "BFLOAT16",
    "FLOAT8_E4M3FN",
    "FLOAT8_E5M2",
    "FLOAT16",
    "Communicator",
    "DataType",
    "Op",
    "Plan",
    "Planner",
    "Specification",
    "parse",
    "plan",
    "repair",
]


def __getattr__(name: str) -> Any:
    if name == "Communicator":
        from .communicator import Communicator

        return Communicator
    raise AttributeError(f"module 'collectives' has no attribute {name!r}")
