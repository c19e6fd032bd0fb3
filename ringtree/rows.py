"""The row: one measured or simulated collective, with the keys that JSON and CSV carry.

Rates follow the convention of nccl-tests: algbw = bytes / time, and busbw = algbw x a factor that makes it the
bandwidth of a link in an ideal algorithm, whatever the number of ranks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collectives import Plan
    from topology import Topology

ROOTED = frozenset({"broadcast", "reduce", "gather", "scatter"})
# Each rank has a part of the data.
PARTED = frozenset({"all_gather", "reduce_scatter", "gather", "scatter", "all_to_all"})


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
    bound_GBps: the algbw that no schedule exceeds there (topology.bounds), which switches that only forward allow;
    bound_in_switch_GBps: with those that multiply and combine data, where the board says that it has such.
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
    bound_in_switch_GBps: float | None = None

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


class Bounds(NamedTuple):
    """Of algbw, in GB/s; None where there is none."""

    forwarding: float | None = None
    in_switch: float | None = None


def _percent(algbw: float | None, bounds: Bounds, clock: str) -> float | None:
    """Of the bound; the host's own time has nothing to do with what the board could do."""
    if algbw is None or bounds.forwarding is None or clock == "off":
        return None
    return 100 * algbw / bounds.forwarding


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

    def bounds(self, board: Topology | None, nbytes: int) -> Bounds:
        """What no schedule exceeds. The board keeps what it computed, so that the sizes of a sweep cost it once."""
        from _ringtree.errors import NoRouteError
        from _ringtree.program import equal_parts

        if board is None:
            return Bounds()
        count = self.count(nbytes)
        # Few elements are not shared out evenly, and where links differ that may be faster.
        weights = equal_parts(count, self.ranks) if self.collective in PARTED and count % self.ranks else None
        special = any(node.multicast or node.aggregation for node in board.nodes)
        try:
            found = [
                board.bound(self.collective, self.devices, self.root, in_switch, weights)
                for in_switch in (False, True)[: 1 + special]
            ]
        except NoRouteError:
            return Bounds()
        return Bounds(*(None if bound is None else bound.rate_GBps for bound in found))

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
        bounds: Bounds | None = None,
    ) -> Row:
        """The row of one measurement; `bounds` where they are at hand already."""
        from _ringtree.core import REDUCING

        algbw, busbw = rates(self.collective, self.ranks, nbytes, time_us)
        bounds = bounds or self.bounds(board, nbytes)
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
            bound_GBps=bounds.forwarding,
            percent_of_bound=_percent(algbw, bounds, clock),
            wrong=wrong,
            plan=plan,
            in_place=in_place,
            root=self.root if self.collective in ROOTED else None,
            devices=self.devices,
            dilation=dilation,
            assumed=assumed or [],
            bound_in_switch_GBps=bounds.in_switch,
        )
