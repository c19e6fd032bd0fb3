"""The row: one measured or simulated collective, with the keys that JSON and CSV carry.

Rates follow the convention of nccl-tests: algbw = bytes / time, and busbw = algbw x a factor that makes it the
bandwidth of a link in an ideal algorithm, whatever the number of ranks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collectives import Plan
    from topology import Topology

ROOTED = frozenset({"broadcast", "reduce", "gather", "scatter"})


def _moved_by_all_but_one(ranks: int) -> float:
    return (ranks - 1) / ranks


_BUS_FACTORS: dict[str, Callable[[int], float]] = {
    "all_reduce": lambda ranks: 2 * (ranks - 1) / ranks,
    "reduce_scatter": _moved_by_all_but_one,
    "all_gather": _moved_by_all_but_one,
    "gather": _moved_by_all_but_one,
    "scatter": _moved_by_all_but_one,
    "all_to_all": _moved_by_all_but_one,
    "broadcast": lambda ranks: 1.0,
    "reduce": lambda ranks: 1.0,
}


@dataclass(frozen=True)
class Row:
    """One tuple of independent variables and what came out; None is unknown or without meaning.

    bytes: the vector (all_reduce, broadcast, reduce), the concatenated output (all_gather), the whole input
    (reduce_scatter), the root's whole buffer (gather, scatter), one rank's send buffer (all_to_all), 0 (barrier).
    time_us: emulated with clock `virtual` and `wall` (the latter `dilation` times slower on the host), the host's
    own with `off`. wrong: elements that differ from the exact result, on all ranks together.
    """

    topology: str
    collective: str
    algorithm: str
    ranks: int
    bytes: int
    dtype: str
    op: str | None
    clock: str
    time_us: float
    algbw_GBps: float | None
    busbw_GBps: float | None
    bound_GBps: float | None
    percent_of_bound: float | None
    wrong: int | None
    plan: str | None
    in_place: bool
    root: int | None
    devices: list[int] | None
    dilation: float | None
    assumed: list[str]

    def as_dict(self) -> dict[str, Any]:
        """Keys in the order of the documentation."""
        return asdict(self)


def rates(collective: str, ranks: int, nbytes: int, time_us: float) -> tuple[float | None, float | None]:
    """algbw and busbw in GB/s (10^9 bytes); None where nothing is moved or no time passes."""
    factor = _BUS_FACTORS.get(collective)
    if factor is None or nbytes == 0 or time_us <= 0:
        return None, None
    algbw = nbytes / time_us / 1000
    return algbw, algbw * factor(ranks)


@dataclass(frozen=True)
class Request:
    """The independent variables that all rows of one run share. devices: of the ranks, in order; None off a board."""

    collective: str
    dtype: str
    op: str
    root: int
    ranks: int
    devices: list[int] | None
    cost_us: float = 0.0

    def plan(self, board: Topology, algorithm: str, nbytes: int) -> Plan:
        """What the board would do. Raises InputError where the algorithm cannot run there."""
        from collectives import plan

        return plan(
            board,
            self.collective,
            nbytes,
            dtype=self.dtype,
            op=self.op,
            root=self.root,
            ranks=self.ranks,
            devices=self.devices,
            algorithm=algorithm,
            cost_us=self.cost_us,
        )

    def count(self, nbytes: int) -> int:
        """Elements in that many bytes."""
        from _ringtree.core import dtype_size

        return nbytes // dtype_size(self.dtype)

    def row(
        self,
        board: Topology | None,
        algorithm: str,
        nbytes: int,
        *,
        clock: str,
        time_us: float,
        plan: str | None,
        wrong: int | None = None,
        in_place: bool = False,
        dilation: float | None = None,
        assumed: list[str] | None = None,
    ) -> Row:
        """The row of one measurement. No bound is known before there is a planner."""
        from _ringtree.core import REDUCING

        algbw, busbw = rates(self.collective, self.ranks, nbytes, time_us)
        return Row(
            topology=board.name if board else "none",
            collective=self.collective,
            algorithm=algorithm,
            ranks=self.ranks,
            bytes=nbytes,
            dtype=self.dtype,
            op=self.op if self.collective in REDUCING else None,
            clock=clock,
            time_us=time_us,
            algbw_GBps=algbw,
            busbw_GBps=busbw,
            bound_GBps=None,
            percent_of_bound=None,
            wrong=wrong,
            plan=plan,
            in_place=in_place,
            root=self.root if self.collective in ROOTED else None,
            devices=self.devices,
            dilation=dilation,
            assumed=assumed or [],
        )
