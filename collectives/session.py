"""What stands behind a communicator: its arena, its rank's endpoint, its planner, its chip and its clock.

Communicator ── Session ─┬─ Endpoint (runs programs, C)
                         ├─ Planner  (which program; rank 0 decides, all run the same)
                         └─ Timekeeper (what it costs: virtual, wall, off)
"""

from __future__ import annotations

import hashlib
import os
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, TypeVar

from _ringtree import settings
from _ringtree.assume import Assumptions
from _ringtree.direct import Call, Direct, least_bytes
from _ringtree.errors import CommunicationError, Error, InputError, UnsupportedError
from _ringtree.log import info, version
from _ringtree.names import DTYPES, KINDS, OPS, REDUCING, dtype_size, require_op
from _ringtree.native import ffi
from _ringtree.program import Collective
from _ringtree.runtime import Arena, Endpoint, arena_least_bytes
from emulator import Clock
from topology import Topology

from .agreement import Proposal
from .lending import Lending
from .planner.placement import place
from .planner.planning import Plan, Planner
from .planner.specification import Specification, for_collective
from .regions import Regions
from .sharing import agree, share_segment
from .timekeeping import Timekeeper, make_timekeeper
from .tuning import limits_for

Result = TypeVar("Result")

PLANS_KEPT = 256
DIRECT = ("auto", "direct")
SLOT_BYTES = 64 * 1024  # of the direct path, for each rank's piece


@dataclass(frozen=True)
class Options:
    """What a communicator was asked for; Split and Dup hand it on. Chips that Split gave to other ranks: `others`."""

    board: Topology | None
    clock: Clock
    devices: tuple[int, ...] | None
    others: tuple[int, ...]
    algorithm: str | None
    assume: Assumptions
    timeout_s: float
    dilation: float | None
    cost_us: float


@dataclass
class Prepared:
    """A program ready to run: its operation's C description, and the memory that this refers to."""

    plan: Plan
    spec: Any
    scratch: Any
    describe: Callable[[], str]


class Session:
    """Live state of one communicator on one rank. One thread at a time."""

    def __init__(self, comm: Any, options: Options) -> None:
        self.rank, self.ranks = comm.Get_rank(), comm.Get_size()
        if self.rank == 0:
            version()
        self.options = options
        self._lock = threading.RLock()  # calls nest: a collective exchanges before and while it runs
        self._prepared: OrderedDict[tuple[object, ...], Prepared] = OrderedDict()
        self._recorded: list[Call] | None = None  # calls that are only to be described
        self._chosen: dict[tuple[object, ...], tuple[str, str]] = {}
        board, placement = None, tuple(range(self.ranks))
        whole = options.board
        if whole is not None:
            board, placement = agree(comm, lambda: place(whole, self.ranks, options.devices, options.others))
            agree(comm, lambda: board.board(options.cost_us))
        self.planner = Planner(board, placement, options.cost_us)
        elements = board.board(options.cost_us).elements if board and options.clock is Clock.WALL else 0
        require_one_host(comm)
        self.direct_kinds = self._kinds_without_program(comm)
        allowed = settings.arena_bytes() // (2 if self.direct_kinds else 1)  # the direct path takes the other half
        arena = make_arena(comm, elements, allowed)
        sharing = ranks_sharing_processors(comm)
        self.endpoint = agree(comm, lambda: Endpoint(arena, self.rank, sharing, options.timeout_s))
        self.time: Timekeeper = agree(comm, lambda: make_timekeeper(self, comm))
        self.direct = make_direct(comm, self.endpoint) if self.direct_kinds else None
        if self.direct is not None:
            self.direct.limits = limits_for(comm, self.direct, crowded=sharing > 1)
        self.regions = Regions(self.direct, self.rank, self.ranks)
        self.lending = None if self.direct is None else Lending(self.regions, self.direct)

    def run(self, shape: Collective, dtype: str, op: str | None, source: int, target: int) -> None:
        """Run the collective on the memory at these addresses (0: none), to its end, and charge its time."""
        self._take()
        try:
            if self.direct is not None and shape.kind in self.direct_kinds:
                call = self.call(shape, dtype, op, source, target)
                if self._recorded is not None:
                    self._recorded.append(call)
                else:
                    self.direct.run(call)
                return
            prepared = self._prepare(shape, dtype, op)
            spec = prepared.spec
            spec.input, spec.output = ffi.cast("void *", source), ffi.cast("void *", target)
            self.time.enter(prepared)
            self.endpoint.run(prepared.plan.program, spec, prepared.describe)
            self.time.leave()
        except KeyboardInterrupt:
            self.endpoint.give_up(f"{shape.kind} of {shape.count} {dtype}")
            raise
        finally:
            self._lock.release()

    def record(self, method: Callable[[], None]) -> Call | None:
        """What the method would run on the direct path, instead of running it; None where it is for something else."""
        calls: list[Call] = []
        self._recorded = calls
        try:
            method()
        finally:
            self._recorded = None
        return calls[0] if len(calls) == 1 else None

    def call(self, shape: Collective, dtype: str, op: str | None, source: int, target: int) -> Call:
        """The collective on this memory, for the direct path."""
        if op is not None:
            require_op(dtype, op)
        return Call(shape, dtype, op, source, target)

    def plan(self, shape: Collective, dtype: str, op: str, algorithm: Specification) -> Plan:
        """The plan that `run` would follow; no rank talks to another."""
        return self.planner.plan(shape, dtype, op, algorithm)

    def exchange(self, mine: bytes, what: str) -> list[bytes]:
        """What every rank gave, in rank order."""
        self._take()
        try:
            return self.endpoint.exchange(mine, self.ranks, lambda: what)
        finally:
            self._lock.release()

    def lend(self, send: Any, receive: Any = None) -> None:
        """After a call on these buffers that ended so: lend those of them that the ranks agreed about (lending.py)."""
        assert self.lending is not None
        try:
            self.lending.lend(send, receive)
        except BaseException:
            self.endpoint.give_up("lending of arrays")  # the others would wait
            raise

    def interrupted(self, what: str) -> None:
        """In an except clause: where a signal interrupted a call, no rank waits for this one."""
        if self.direct is not None and not isinstance(sys.exc_info()[1], Error):
            self.direct.interrupted(what)

    def algorithm_for(self, kind: str) -> Specification:
        """What the caller, then RINGTREE_ALGO asks for; `auto` otherwise."""
        if self.options.algorithm is not None:
            return for_collective(self.options.algorithm, kind)
        try:
            return for_collective(settings.algorithm() or "auto", kind)
        except InputError as problem:
            raise InputError(f"RINGTREE_ALGO: {problem}") from None

    def close(self) -> None:
        self._prepared.clear()
        with ExitStack() as ending:  # all of it, whatever fails
            ending.callback(self.endpoint.close)
            if self.direct is not None:
                ending.callback(self.direct.close)
            ending.callback(self.regions.close)
            if self.lending is not None:
                ending.callback(self.lending.close)
        self.lending = None  # it knows this session: nothing shall wait for the garbage collector

    def _kinds_without_program(self, comm: Any) -> frozenset[str]:
        """The collectives that take the direct path: without emulation, where rank 0 asks for nothing else."""
        if self.options.clock is not Clock.OFF or self.options.board is not None:
            return frozenset()
        asked = {kind: str(self._asked(kind)) for kind in KINDS}
        bad = any(isinstance(self._asked(kind), InputError) for kind in KINDS)
        answers = comm.allgather((bad, [kind for kind, text in asked.items() if text in DIRECT]))
        return frozenset() if any(bad for bad, _ in answers) else frozenset(answers[0][1])

    def _take(self) -> None:
        if not self._lock.acquire(blocking=False):
            raise CommunicationError("this communicator is in use by another thread; give each thread its own (Dup)")

    def _prepare(self, shape: Collective, dtype: str, op: str | None) -> Prepared:
        key = (shape, dtype, op)
        prepared = self._prepared.get(key)
        if prepared is None:
            prepared = self._make(shape, dtype, op)
            self._prepared[key] = prepared
            if len(self._prepared) > PLANS_KEPT:
                self._prepared.popitem(last=False)
        else:
            self._prepared.move_to_end(key)
        return prepared

    def _make(self, shape: Collective, dtype: str, op: str | None) -> Prepared:
        if op is not None:
            require_op(dtype, op)
        asked = self._asked(shape.kind)
        chosen, agreed = self._agreed_choice(shape, dtype, asked)
        plan = self.planner.build(shape, dtype, op or "sum", str(asked), chosen)
        if self.rank == 0:
            info(f"{shape.kind} of {plan.nbytes} bytes: {chosen} for {asked}, {plan.time_us:.3f} us emulated")
        elements = plan.program.scratch(self.rank)
        scratch = ffi.new("char[]", elements * dtype_size(dtype)) if elements else ffi.NULL
        spec = ffi.new(
            "rt_op_spec *",
            {
                "program": plan.program.handle,
                "scratch": scratch,
                "dtype": DTYPES[dtype],
                # A barrier by trees combines messages of no elements.
                "op": OPS[op or "sum"] if shape.kind in (*REDUCING, "barrier") else -1,
                "signature": _signature(shape, dtype, op, agreed, plan),
            },
        )
        return Prepared(plan, spec, scratch, lambda: f"{shape.kind} of {shape.count} {dtype}")

    def _agreed_choice(self, shape: Collective, dtype: str, asked: Specification | InputError) -> tuple[str, str]:
        """Rank 0 chooses, and only it spends the time: the choice, and what all ranks call it.

        Kept for a size class; where an algorithm file is among what is asked for, whose sizes are its own, for a size.
        """
        by_size = isinstance(asked, Specification) and asked.files
        size = shape.count if by_size else max(0, shape.count - 1).bit_length()
        key = (shape.kind, shape.root, dtype, str(asked), size, shape.counts)
        if key not in self._chosen:
            choose = None if self.rank else lambda allowed: self.planner.choose(shape, dtype, allowed)
            proposal = Proposal(asked, choose)
            answers = self.exchange(proposal.message, f"agreement on {shape.kind} of {shape.count} {dtype}")
            agreed = proposal.settle(answers, self.rank)
            self._chosen[key] = proposal.here(agreed), agreed
        return self._chosen[key]

    def _asked(self, kind: str) -> Specification | InputError:
        """As algorithm_for, but what is wrong with it is for all ranks to hear."""
        try:
            return self.algorithm_for(kind)
        except InputError as problem:
            return problem


def _signature(shape: Collective, dtype: str, op: str | None, agreed: str, plan: Plan) -> int:
    """What the ranks must agree about, the trees among it: each takes them from its own solver or cache."""
    text = repr(
        (KINDS[shape.kind], shape.count, shape.root, shape.counts, dtype, op, agreed, plan.content, plan.recipe)
    )
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def require_one_host(comm: Any) -> None:
    """UnsupportedError when the ranks do not share memory."""
    from mpi4py import MPI

    local = MPI.Intracomm(comm).Split_type(MPI.COMM_TYPE_SHARED)
    size = local.Get_size()
    local.Free()
    sizes = comm.allgather(size)
    if any(size != comm.Get_size() for size in sizes):
        raise UnsupportedError("the ranks are on several hosts; ringtree's ranks must share one host's memory")


def ranks_sharing_processors(comm: Any) -> int:
    """1 where every rank can have a processor to itself, bound to it or not; else all of them share."""
    ranks: int = comm.Get_size()
    if not hasattr(os, "sched_getaffinity"):
        return ranks
    together = set().union(*comm.allgather(os.sched_getaffinity(0)))
    return 1 if ranks <= len(together) else ranks


def make_arena(comm: Any, elements: int, allowed: int) -> Arena:
    """Rank 0 makes the segment, all map it, and its name goes before anything else happens."""
    rank, ranks = comm.Get_rank(), comm.Get_size()
    least = arena_least_bytes(ranks, elements)
    size = max(least, min(allowed, (1 << 20) * 2 * ranks * max(1, ranks - 1)))
    return share_segment(comm, size, lambda segment: Arena(segment, ranks, elements, create=rank == 0))


def make_direct(comm: Any, endpoint: Endpoint) -> Direct:
    """The direct path takes at most half of what RINGTREE_ARENA allows."""
    rank, ranks = comm.Get_rank(), comm.Get_size()
    wanted = 4 * ranks * max(4, ranks + 1) * SLOT_BYTES
    size = max(least_bytes(ranks), min(settings.arena_bytes() // 2, wanted))
    return share_segment(comm, size, lambda segment: Direct(endpoint, segment, create=rank == 0))
