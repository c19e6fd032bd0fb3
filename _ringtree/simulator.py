"""Boards and the simulator of the core: routes, and the emulated time of programs."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from _ringtree.errors import NoRouteError
from _ringtree.native import array, check, ffi, lib, new_error
from _ringtree.program import Program


class Board:
    """Links as (src, dst, GB/s, latency us, cost us), limits as (GB/s, cost us, indices of their links)."""

    def __init__(
        self,
        forwards: Sequence[bool],
        links: Sequence[tuple[int, int, float, float, float]],
        limits: Sequence[tuple[float, float, Sequence[int]]] = (),
    ) -> None:
        src, dst, bandwidth, latency, cost = zip(*links, strict=True) if links else ((),) * 5
        members = [(number, link) for number, limit in enumerate(limits) for link in limit[2]]
        keep = {
            "forwards": array("uint8_t", [int(f) for f in forwards]),
            "src": array("int32_t", src),
            "dst": array("int32_t", dst),
            "bandwidth_GBps": array("double", bandwidth),
            "latency_us": array("double", latency),
            "cost_us": array("double", cost),
            "limit_bandwidth_GBps": array("double", [limit[0] for limit in limits]),
            "limit_cost_us": array("double", [limit[1] for limit in limits]),
            "member_limit": array("int32_t", [limit for limit, _ in members]),
            "member_link": array("int32_t", [link for _, link in members]),
        }
        counts = {"nodes": len(forwards), "links": len(links), "limits": len(limits), "members": len(members)}
        spec = ffi.new("rt_board_spec *", {**keep, **counts})
        out, error = ffi.new("rt_board **"), new_error()
        check(lib.rt_board_new(spec, out, error), error)
        self.handle = ffi.gc(out[0], lib.rt_board_free)
        self.nodes = len(forwards)
        self.links = len(links)
        self.elements = len(links) + len(limits)

    def route(self, src: int, dst: int, links_only: bool = True, detour: bool = False) -> tuple[int, ...]:
        """Elements from node src to node dst: links, or links and limits (limits count on after the links).

        `detour`: as if the first link of the route were not there.
        """
        capacity = 2 * self.nodes + self.elements
        elements, length, error = ffi.new("int32_t[]", capacity), ffi.new("int32_t *"), new_error()
        what = (self.handle, src, dst, int(detour), int(links_only))
        status = lib.rt_board_route(*what, elements, capacity, length, error)
        check(status, error)
        return tuple(ffi.unpack(elements, length[0])) if length[0] else ()


class Record(NamedTuple):
    """One transfer on one element (link, or links + limit) of the board; times in us. Mirrors rt_record."""

    job: int
    rank: int
    lane: int
    element: int
    step: int
    bytes: float
    start_us: float
    finish_us: float


_RECORD = struct.Struct("@iiiiqddd")

Observer = Callable[[list[Record]], None]


@dataclass(frozen=True)
class Job:
    """A program, the node that each rank sits on, and when each rank enters (None: all at 0)."""

    program: Program
    placement: Sequence[int]
    element_bytes: float
    start_us: Sequence[float] | None = None


@dataclass(frozen=True)
class Simulation:
    """Finish time of each rank of each job, us, and how much work it was."""

    finish_us: list[list[float]]
    transfers: int
    link_events: int
    steps: int


class _Watch:
    """An observer, and the exception that it may have raised in the middle of C."""

    def __init__(self, observer: Observer) -> None:
        self.observer = observer
        self.problem: BaseException | None = None


@ffi.def_extern()  # type: ignore[untyped-decorator]
def rt_python_observer(context: Any, records: Any, n: int) -> None:
    watch: _Watch = ffi.from_handle(context)
    if watch.problem is None:
        try:
            raw = ffi.buffer(records, n * _RECORD.size)
            watch.observer([Record._make(fields) for fields in _RECORD.iter_unpack(raw)])
        except BaseException as problem:
            watch.problem = problem


def simulate(
    board: Board,
    jobs: Sequence[Job],
    events: Sequence[tuple[float, int, float]] = (),
    observer: Observer | None = None,
) -> Simulation:
    """Run the jobs on the board in virtual time. events: (time us, element, factor on its bandwidth).

    Raises NoRouteError, VerificationError (deadlock). The observer gets every transfer on every element, in batches.
    """
    found = _simulate(board, jobs, events, observer, math.inf)
    assert found is not None, "nothing is later than infinity"
    return found


def price(board: Board, job: Job, until_us: float = math.inf) -> float:
    """When the last rank of the job finishes, us; inf where anything would still happen after `until_us`."""
    found = _simulate(board, [job], (), None, until_us)
    return math.inf if found is None else max(found.finish_us[0], default=0.0)


def _simulate(
    board: Board,
    jobs: Sequence[Job],
    events: Sequence[tuple[float, int, float]],
    observer: Observer | None,
    until_us: float,
) -> Simulation | None:
    keep: list[Any] = []
    c_jobs = ffi.new("rt_job[]", len(jobs))
    for c_job, job in zip(c_jobs, jobs, strict=True):
        ranks = job.program.collective.ranks
        if len(job.placement) != ranks:
            raise NoRouteError(f"simulate: {ranks} ranks, but {len(job.placement)} devices to place them on")
        arrays = [array("int32_t", list(job.placement)), array("double", job.start_us), ffi.new("double[]", ranks)]
        keep.append(arrays)
        c_job.program, c_job.element_bytes = job.program.handle, job.element_bytes
        c_job.placement, c_job.start_us, c_job.finish_us = arrays
    watch = _Watch(observer) if observer else None
    seen = (lib.rt_python_observer, ffi.new_handle(watch)) if watch else (ffi.NULL, ffi.NULL)
    stats, error = ffi.new("rt_sim_stats *"), new_error()
    c_events = array("rt_link_event", [list(event) for event in events])
    args = (board.handle, c_jobs, len(jobs), c_events, len(events), until_us, *seen, stats, error)
    status = lib.rt_simulate(*args)
    if watch and watch.problem:
        raise watch.problem
    if check(status, error) == lib.RT_PENDING:
        return None
    finish = [list(arrays[2]) for arrays in keep]
    return Simulation(finish, int(stats.transfers), int(stats.link_events), int(stats.steps))
