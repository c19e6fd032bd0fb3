"""What a collective costs in emulated time: one timekeeper per clock.

virtual: all ranks tell when they enter; the simulator prices the program from those offsets, on idle links; each
chip's clock moves to its own finish. Rank 0 prices and shares; prices are kept by the offsets from the earliest rank.
wall: the links pace the transfers while they happen; nothing is left to charge. off: the host's own time.
"""

from __future__ import annotations

import struct
import time
from typing import TYPE_CHECKING, Any, Protocol

from _ringtree.errors import Error, InputError
from emulator import Clock, Device, Host, Profile, choose_dilation, load_profile, measure_copy_GBps

if TYPE_CHECKING:
    from .session import Prepared, Session

PRICES_KEPT = 4096
# Chunks shorter than this are not held to the wall clock's accuracy.
CHUNK_BYTES = 64 * 1024
HANDOVER_US = 80.0


class Timekeeper(Protocol):
    """Charges collectives and tells the time."""

    @property
    def device(self) -> Device | None: ...
    @property
    def dilation(self) -> float | None: ...

    def enter(self, prepared: Prepared) -> None: ...
    def leave(self) -> None: ...
    def elapsed_us(self) -> float: ...
    def reset(self) -> None: ...


class OffTime:
    """No emulation: host time since the communicator was made or reset."""

    device: Device | None = None
    dilation: float | None = None

    def __init__(self) -> None:
        self.reset()

    def enter(self, prepared: Prepared) -> None:
        pass

    def leave(self) -> None:
        pass

    def elapsed_us(self) -> float:
        return (time.perf_counter_ns() - self._since) / 1e3

    def reset(self) -> None:
        self._since = time.perf_counter_ns()


class WallTime(OffTime):
    """Emulated time passes `dilation` times slower than host time."""

    def __init__(self, session: Session, dilation: float) -> None:
        super().__init__()
        self.dilation = dilation
        self._stretch = dilation
        self.device = make_device(session, self._pass)
        topology = session.planner.topology
        assert topology is not None
        board = topology.board(session.options.cost_us)
        session.endpoint.wall(board, session.planner.placement, dilation)

    def elapsed_us(self) -> float:
        return super().elapsed_us() / self._stretch

    def _pass(self, us: float) -> None:
        end = time.perf_counter_ns() + int(us * self._stretch * 1e3)
        while (left := end - time.perf_counter_ns()) > 0:
            time.sleep(max(0, left - 60_000) / 1e9)


class VirtualTime:
    """The device's own clock; collectives are priced from the offsets at which the ranks enter."""

    dilation: float | None = None

    def __init__(self, session: Session) -> None:
        self._session = session
        self.device = make_device(session, None)
        self._prices: dict[tuple[object, ...], tuple[float, ...]] = {}

    def enter(self, prepared: Prepared) -> None:
        session, form = self._session, struct.Struct("=d")
        answers = session.exchange(form.pack(self.device.time_us), f"{prepared.describe()}: agreement on the clock")
        starts = [form.unpack(answer)[0] for answer in answers]
        first = min(starts)
        offsets = tuple(start - first for start in starts)
        self.device.time_us = first + self._price(prepared, offsets)[session.rank]

    def leave(self) -> None:
        pass

    def elapsed_us(self) -> float:
        return self.device.time_us

    def reset(self) -> None:
        self.device.time_us = 0.0

    def _price(self, prepared: Prepared, offsets: tuple[float, ...]) -> tuple[float, ...]:
        """Finish of each rank, us after the earliest start. All ranks hold the same prices, so all miss together."""
        plan = prepared.plan
        key = (plan.collective, plan.dtype, plan.plan, offsets)
        if key not in self._prices:
            if len(self._prices) >= PRICES_KEPT:
                self._prices.clear()
            self._prices[key] = self._priced_by_rank_0(prepared, offsets)
        return self._prices[key]

    def _priced_by_rank_0(self, prepared: Prepared, offsets: tuple[float, ...]) -> tuple[float, ...]:
        form = struct.Struct(f"=?{len(offsets)}d")
        problem: Error | None = None
        finish = list(offsets)
        if self._session.rank == 0:
            try:
                finish = prepared.plan.simulate(offsets)
            except Error as error:
                problem = error
        mine = form.pack(problem is None, *finish)
        answers = self._session.exchange(mine, f"{prepared.describe()}: agreement on the price")
        right, *finish = form.unpack(answers[0])
        if not right:
            raise problem or InputError(f"rank 0 could not price {prepared.describe()} on this board")
        return tuple(finish)


def make_device(session: Session, wait: Any) -> Device:
    """The rank's chip, with the profile that the board names."""
    topology = session.planner.topology
    assert topology is not None
    name = topology.nodes[session.planner.placement[session.rank]].profile
    profile = load_profile(name) if name else Profile("chip", "a chip without a profile", {})
    return Device(profile, session.options.assume, wait)


def make_timekeeper(session: Session, comm: Any) -> Timekeeper:
    """For the session's clock; in wall clock rank 0 measures the host and all take its dilation."""
    clock = session.options.clock
    if clock is Clock.OFF:
        return OffTime()
    if clock is Clock.VIRTUAL:
        return VirtualTime(session)
    dilation = session.options.dilation
    if dilation is None:
        dilation = comm.bcast(fitting_dilation(session) if session.rank == 0 else None)
    return WallTime(session, dilation)


def fitting_dilation(session: Session) -> float:
    """How many times slower than the board this host must run to keep up (emulator.choose_dilation)."""
    import os

    topology = session.planner.topology
    assert topology is not None
    bandwidths = [link.bandwidth_GBps or 0.0 for link in topology.links]
    chunk_us = CHUNK_BYTES / (max(bandwidths) * 1e3)
    host = Host(measure_copy_GBps(), len(os.sched_getaffinity(0)), HANDOVER_US)
    traffic = topology.total_bandwidth_GBps or sum(bandwidths)
    return choose_dilation(traffic, chunk_us, session.ranks, host)
