"""`Communicator`: an MPI.Intracomm whose collectives run on ringtree, with mpi4py's signatures.

    from mpi4py import MPI
    import ringtree

    comm = ringtree.Communicator(MPI.COMM_WORLD, board="ppu-8")
    comm.Allreduce(gradients, total)          # real bytes; the board's links set the pace
    comm.elapsed_us                           # emulated microseconds

All that is not accelerated goes to MPI unchanged; RINGTREE_DEBUG=INFO says so.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from math import prod
from operator import index
from typing import Any, cast

from mpi4py import MPI

from _ringtree import settings
from _ringtree.assume import Assumptions
from _ringtree.errors import ForkedError, InputError, UnsupportedError
from _ringtree.names import KINDS
from emulator import Clock, Device
from topology import Topology, load

from .datatypes import numpy_type
from .launcher import check_launcher
from .persistent import Preparing
from .planner.planning import Plan, shape_of
from .planner.specification import for_collective, parse
from .quick import Quick
from .regions import parts_and_lines
from .session import Options, Session
from .sharing import agree, share_segment

PROCESS = os.getpid()
BoardLike = Topology | str | os.PathLike[str]


class _WorldByDefault(type):
    """`Communicator()` is one over COMM_WORLD; mpi4py itself makes empty ones through __new__ alone."""

    def __call__(cls, comm: MPI.Intracomm | None = None, *args: Any, **keywords: Any) -> Any:
        return super().__call__(MPI.COMM_WORLD if comm is None else comm, *args, **keywords)


class Communicator(Preparing, Quick, MPI.Intracomm, metaclass=_WorldByDefault):  # type: ignore[misc]
    """A communicator over the ranks of `comm` (duplicated: the original stays as it is). Made by all ranks together.

    board: a shipped board's name, a file, a Topology, "none" or None (no emulation; RINGTREE_TOPO_FILE may name one).
    clock: "virtual" (default with a board), "wall" or "off". devices: the chip number of each rank, else the first
    chips. algorithm: a specification such as "ring:chunks=4" or "file:plan.json", else RINGTREE_ALGO, else auto.
    assume: figures that nobody published, as ["ppu.fp16_tflops=120"]. latency_us: for links that state none. cost_us:
    what every message costs each link. timeout: seconds that a wait may last, else RINGTREE_TIMEOUT, 0 for ever.
    dilation: of the wall clock, else fitted to the host.

    Raises InputError (and what is below it) for a board, name or number that cannot be; ResourceError for shared
    memory that cannot be had. Errors reach every rank.
    """

    __slots__ = Quick.FIELDS
    _options: Options | None = None
    _session: Session | None = None

    def __new__(cls, comm: MPI.Intracomm | None = None, *_: Any, **__: Any) -> Communicator:
        if comm is None or comm == MPI.COMM_NULL:
            return cls._over(comm)
        _require_own_process()
        return cls._over(comm.Dup())

    @classmethod
    def _over(cls, comm: MPI.Intracomm | None) -> Communicator:
        made: Communicator = MPI.Intracomm.__new__(cls, comm)
        made._go_direct(None)
        return made

    def __init__(
        self,
        comm: MPI.Intracomm | None = None,
        board: BoardLike | None = None,
        clock: str | None = None,
        *,
        devices: Sequence[int] | None = None,
        algorithm: str | None = None,
        assume: Iterable[str] | Assumptions = (),
        latency_us: float | None = None,
        cost_us: float = 0.0,
        timeout: float | None = None,
        dilation: float | None = None,
    ) -> None:
        check_launcher(MPI.COMM_WORLD.Get_size())
        if self == MPI.COMM_NULL:
            raise InputError("comm: found MPI.COMM_NULL; expected a communicator with ranks")

        def options() -> Options:
            figures = assume if isinstance(assume, Assumptions) else Assumptions.parse(assume)
            topology = _load(board, figures, latency_us)
            for_collective(algorithm or "auto", "all_reduce")  # a bad one is an error now, not at the first call
            settings.debug_level()  # likewise, and on every rank
            settings.lends()
            return Options(
                topology,
                _clock(clock, topology),
                None if devices is None else tuple(devices),
                (),
                algorithm,
                figures,
                _timeout(timeout),
                dilation,
                cost_us,
            )

        raw = MPI.Intracomm(self)
        self._options = agree(raw, options)
        self._open(raw, self._options)

    def _open(self, raw: MPI.Intracomm, options: Options) -> None:
        self._session = Session(raw, options)
        every = len(self._session.direct_kinds) == len(KINDS)
        self._go_direct(self._session.direct if every else None)

    # -- what the emulated board adds ---------------------------------------------------------------------------

    @property
    def session(self) -> Session:
        """The live state; opened now if this communicator came out of Split or Dup."""
        if self._session is None:
            if self._options is None:
                raise InputError("this communicator is null or was freed")
            _require_own_process()
            self._open(MPI.Intracomm(self), self._options)
            assert self._session is not None
        return self._session

    @property
    def board(self) -> Topology | None:
        """The board as it is left for these ranks."""
        return self.session.planner.topology

    @property
    def clock(self) -> str:
        return self.session.options.clock.value

    @property
    def device(self) -> Device | None:
        """The chip that this rank is bound to; None without emulation."""
        return self.session.time.device

    @property
    def dilation(self) -> float | None:
        """How many times slower than the board the wall clock runs; None in other clocks."""
        return self.session.time.dilation

    @property
    def elapsed_us(self) -> float:
        """Microseconds on this rank's clock since it was made or reset: emulated with a board, else the host's."""
        return self.session.time.elapsed_us()

    @property
    def assumed(self) -> tuple[str, ...]:
        """Every assumption that the times rest on, as --assume would take it."""
        device, board = self.device, self.board
        return (board.assumed if board else ()) + (device.assumed if device else ())

    def is_direct(self, collective: str) -> bool:
        """Whether the collective takes the direct path: no program, the host's own speed."""
        return collective in self.session.direct_kinds

    def reset_clock(self) -> None:
        """Set this rank's clock to 0."""
        self.session.time.reset()

    def plan(
        self,
        collective: str = "all_reduce",
        nbytes: int = 0,
        *,
        dtype: str = "float32",
        op: str = "sum",
        root: int = 0,
        algorithm: str | None = None,
    ) -> Plan:
        """The plan for `nbytes` (as rows count bytes) on this communicator. Local: no rank talks to another.

        UnsupportedError for a collective that takes the direct path, which runs no program, unless one is asked for.
        """
        session = self.session
        if algorithm is None and collective in session.direct_kinds:
            text = "takes the direct path, which runs no program; name an algorithm"
            raise UnsupportedError(f"plan: {collective} {text}")
        shape = shape_of(collective, nbytes, session.ranks, dtype=dtype, op=op, root=root)
        asked = session.algorithm_for(collective) if algorithm is None else parse(algorithm)
        return session.plan(shape, dtype, op, asked)

    def empty(self, shape: int | tuple[int, ...], dtype: Any = "float32") -> Any:
        """An uninitialised NumPy array in memory that every rank of the host can reach. Collective, equal sizes."""
        import numpy as np

        _require_own_process()
        raw = MPI.Intracomm(self)
        kind, count = agree(raw, lambda: _kind_and_count(shape, dtype))
        stride = max(64, -(-count * kind.itemsize // 64) * 64)
        segment = share_segment(raw, parts_and_lines(stride, raw.Get_size()), lambda segment: segment)
        own = self.session.regions.adopt(segment, stride)
        return np.frombuffer(own, np.uint8, count * kind.itemsize).view(kind).reshape(shape)

    def register(self, array: Any) -> None:
        """Let every rank of the host reach the array's memory where it is: collectives then need no copies of it.

        Collective; sizes may differ. The array keeps its address and content and is kept alive until `unregister` or
        Free; views of it count as registered. No thread may write to it meanwhile. For communicators without a board;
        with one nothing changes. InputError for memory that is mapped from a file, not contiguous, read-only or
        registered already.
        """
        _require_own_process()
        self.session.regions.register(MPI.Intracomm(self), array)

    def unregister(self, array: Any) -> None:
        """The array's memory is this process's alone again."""
        self.session.regions.unregister(array)

    # -- life ---------------------------------------------------------------------------------------------------

    def Split(self, color: int = 0, key: int = 0) -> Communicator:
        """As MPI's; chips go with their ranks, and all of them still forward. The new communicator's clock is at 0."""
        child = cast("MPI.Intracomm", super().Split(color, key))
        return self._adopt(child, self._options_of_part(child))

    def Dup(self, info: MPI.Info | None = None) -> Communicator:
        """As MPI's, with the same board, clock and options."""
        return self._adopt(super().Dup(info), self._options)

    def Dup_with_info(self, info: MPI.Info) -> Communicator:
        """As Dup."""
        return self._adopt(super().Dup_with_info(info), self._options)

    def Idup(self, info: MPI.Info | None = None) -> tuple[Communicator, MPI.Request]:
        """As Dup; to be used once the request is complete."""
        child, request = super().Idup(info)
        return self._adopt(child, self._options), request

    def Idup_with_info(self, info: MPI.Info) -> tuple[Communicator, MPI.Request]:
        """As Idup."""
        child, request = super().Idup_with_info(info)
        return self._adopt(child, self._options), request

    def Clone(self) -> Communicator:
        """As Dup."""
        return self._adopt(super().Clone(), self._options)

    def Free(self) -> None:
        """Free the communicator and what ringtree holds for it."""
        if self._session is not None:
            self._go_direct(None)
            self._session.close()
            self._session = None
        self._options = None
        super().Free()

    def _adopt(self, child: MPI.Intracomm, options: Options | None) -> Communicator:
        """The new MPI communicator as one of ours; its session is opened when it is first used."""
        adopted = self._over(child)
        adopted._options = options
        return adopted

    def _options_of_part(self, child: MPI.Intracomm) -> Options | None:
        options = self._options
        if child == MPI.COMM_NULL or options is None or options.board is None:
            return None if child == MPI.COMM_NULL else options
        chips = options.devices or tuple(range(self.Get_size()))
        whole, part = self.Get_group(), child.Get_group()
        ranks = part.Translate_ranks(None, whole)
        whole.Free()
        part.Free()
        devices = tuple(chips[rank] for rank in ranks)
        return replace(options, devices=devices, others=(*options.others, *(c for c in chips if c not in devices)))


def _require_own_process() -> None:
    """MPI is not for the children of its processes: they would speak with their parent's voice."""
    if os.getpid() != PROCESS:
        raise ForkedError("this process was forked from one that uses MPI: communicators belong to that one")


def _kind_and_count(shape: int | tuple[int, ...], dtype: Any) -> tuple[Any, int]:
    """The NumPy type, and how many elements an array of this shape has."""
    kind = numpy_type(dtype)
    lengths = tuple(shape) if isinstance(shape, (tuple, list)) else (index(shape),)
    if min(lengths, default=0) < 0:
        raise InputError(f"empty: shape: found {shape}; expected lengths of at least 0")
    if kind.hasobject:
        raise InputError(f"empty: dtype: found {kind}; other ranks cannot see Python's objects")
    return kind, prod(lengths)


def _load(board: BoardLike | None, assume: Assumptions, latency_us: float | None) -> Topology | None:
    if board is None:
        board = settings.topology_file()
    if board is None or board == "none":
        return None
    topology = board if isinstance(board, Topology) else load(os.fspath(board), assume)
    return topology.with_defaults(latency_us)


def _timeout(seconds: float | None) -> float:
    if seconds is None:
        return settings.timeout_s()
    if not 0 <= seconds < 1e9:
        raise InputError(f"timeout: found {seconds}; expected seconds, 0 for ever")
    return seconds


def _clock(clock: str | None, topology: Topology | None) -> Clock:
    if clock is None:
        return Clock.OFF if topology is None else Clock.VIRTUAL
    chosen = Clock.parse(clock)
    if topology is None and chosen is not Clock.OFF:
        raise InputError(f"clock: {clock!r} needs a board; without one the clock is off")
    return chosen
