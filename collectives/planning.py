"""Plans: a collective of a size on a board, and the program that is the fastest in simulation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from _ringtree.core import Collective, Job, Program, dtype_size, price, require_op, simulate
from _ringtree.errors import InputError, NoRouteError, UnsupportedError
from _ringtree.names import KINDS, OPS, REDUCING, lookup
from _ringtree.simulator import Observer
from _ringtree.units import MOST_BYTES
from topology import Topology
from topology.latency import least_latency_us

from . import algorithm_files, host, several
from .candidates import candidates, families
from .early import LONG, early_shares
from .early import MOST_RANKS as MOST_EARLY_RANKS
from .family import Candidate
from .forests import KINDS as FOREST_KINDS
from .forests import MOST_RANKS, Share, pack_ladder, shares
from .placement import place
from .rings import lay_rings
from .search import Search, Setting
from .specification import Specification, parse
from .trees import Orders, lay_trees

if TYPE_CHECKING:
    from topology.packing import Packing

HOPS_SEEN = 64


@dataclass(frozen=True)
class Plan:
    """A chosen program. `algorithm` as it was asked for, `plan` the full specification that gives it again.

    content: the digest of the algorithm file that the program is made of, if it is.
    """

    topology: Topology | None = field(repr=False)
    algorithm: str
    plan: str
    program: Program = field(compare=False, repr=False)
    collective: Collective
    placement: tuple[int, ...]
    dtype: str
    op: str
    cost_us: float
    time_us: float
    content: str = ""

    @property
    def nbytes(self) -> int:
        return self.collective.count * dtype_size(self.dtype)

    def simulate(self, start_us: Sequence[float] | None = None, observer: Observer | None = None) -> list[float]:
        """When each rank finishes (us), given when each one starts (None: all at 0)."""
        if self.topology is None:
            raise InputError("plan: without a board there is nothing to simulate")
        job = Job(self.program, self.placement, dtype_size(self.dtype), start_us)
        return simulate(self.topology.board(self.cost_us), [job], observer=observer).finish_us[0]


@dataclass(frozen=True)
class Planner:
    """Plans for one board (None: the bare host) and one placement of ranks; remembers what it found out."""

    topology: Topology | None
    placement: tuple[int, ...]
    cost_us: float = 0.0
    _choices: dict[tuple[object, ...], str] = field(default_factory=dict, compare=False)
    _rings: list[tuple[int, ...]] = field(default_factory=list, compare=False)
    _trees: list[Orders | None] = field(default_factory=list, compare=False)
    _times: dict[tuple[Collective, str, str, str], float] = field(default_factory=dict, compare=False)
    _latencies: dict[tuple[str, int], float] = field(default_factory=dict, compare=False)
    _early: dict[tuple[str, int, int], tuple[tuple[Share, ...], float]] = field(default_factory=dict, compare=False)
    _packings: dict[tuple[object, ...], tuple[Packing, ...]] = field(default_factory=dict, compare=False)

    def plan(self, collective: Collective, dtype: str, op: str, algorithm: Specification) -> Plan:
        """The fastest way for this collective."""
        return self.build(collective, dtype, op, str(algorithm), self.choose(collective, dtype, algorithm))

    def choose(self, collective: Collective, dtype: str, algorithm: Specification) -> str:
        """A full specification: `auto` and free parameters are settled by simulation, once per size class."""
        if algorithm.name == "any":
            return several.choose(self, collective, dtype, algorithm)
        if algorithm.name == "file":
            return algorithm_files.choose(algorithm, collective)
        key = (collective.kind, collective.root, dtype, str(algorithm), _size_class(collective.count))
        if collective.counts is not None:
            return self._fastest(collective, dtype, algorithm)
        if key not in self._choices:
            self._choices[key] = self._fastest(_at_class_size(collective), dtype, algorithm)
        return self._choices[key]

    def build(self, collective: Collective, dtype: str, op: str, asked: str, chosen: str) -> Plan:
        """The plan that a full specification stands for, priced with all ranks starting at once."""
        specification, content = parse(chosen), ""
        if specification.name == "file":
            program, content = algorithm_files.program_of(specification, collective)
        else:
            candidate = candidates(self, collective, specification, dtype_size(dtype))[0]
            program = Program.build(collective, candidate.recipe)
        key = (collective, dtype, chosen, content)
        if key not in self._times:
            self._times[key] = self._price(program, dtype)
        given = (collective, self.placement, dtype, op, self.cost_us, self._times[key])
        return Plan(self.topology, asked, chosen, program, *given, content)

    def rings(self) -> list[tuple[int, ...]]:
        """Rings over the board's direct links, found once."""
        if not self._rings:
            self._rings.extend(lay_rings(self.topology, self.placement))
        return self._rings

    def trees(self) -> Orders | None:
        """The orders of the double binary tree's two heaps on this board, found once; None for rank order."""
        if not self._trees:
            self._trees.append(lay_trees(self.topology, self.placement))
        return self._trees[0]

    def packings(
        self, collective: Collective, hops: int | None = None, trees: int | None = None
    ) -> tuple[Packing, ...]:
        """The ladder of packings for the collective on this board, found once; with `hops`, the best of at most so
        many. Raises NoRouteError, UnsupportedError."""
        if self.topology is None:
            raise UnsupportedError("algorithm: forest needs a board")
        kind = collective.kind
        root = collective.root if kind in ("broadcast", "reduce") else 0
        key = (kind, root, collective.counts, trees)
        if key not in self._packings:
            self._packings[key] = pack_ladder(self.topology, self.placement, *key)
        ladder = self._packings[key]
        if hops is None:
            return ladder
        few = [packing for packing in ladder if packing.hops <= hops]
        if not few:
            raise UnsupportedError(
                f"algorithm: no tree of {hops} hops joins all ranks; expected at least {ladder[0].hops}"
            )
        return (few[-1],)

    def shares(self, collective: Collective, packing: Packing) -> tuple[Share, ...]:
        """The packing's trees as shares of the collective."""
        return shares(packing, collective.kind)

    def shares_of(self, collective: Collective, forest: Specification) -> tuple[Share, ...]:
        """The shares of the forest that a full specification names."""
        size = forest.get("early")
        if size:
            return self.early(collective, size)[0]
        return self.shares(collective, self.packings(collective, forest.get("hops"), forest.get("trees"))[-1])

    def early(self, collective: Collective, nbytes: int) -> tuple[tuple[Share, ...], float]:
        """Trees that bring pieces of so many bytes the earliest, and the algbw that they cannot exceed (GB/s)."""
        assert self.topology is not None
        root = collective.root if collective.kind in ("broadcast", "reduce") else 0
        key = (collective.kind, root, nbytes)
        if key not in self._early:
            self._early[key] = early_shares(self.topology, self.placement, *key, self.cost_us)
        return self._early[key]

    def is_short(self, collective: Collective, nbytes: int) -> bool:
        """Whether latency counts for enough that trees grown for it may be faster than a packing."""
        if self.topology is None or collective.counts is not None or not 2 <= collective.ranks <= MOST_EARLY_RANKS:
            return False
        return nbytes / 1e3 / self._bound_GBps(collective) <= LONG * self._least_us(collective)

    def _price(self, program: Program, dtype: str, until_us: float = math.inf) -> float:
        if self.topology is None:
            return 0.0
        job = Job(program, self.placement, dtype_size(dtype))
        try:
            return price(self.topology.board(self.cost_us), job, until_us)
        except NoRouteError:
            for src, dst in program.channel_ends():  # the topology says it with the chips' names
                self.topology.route(self.placement[src], self.placement[dst])
            raise

    def _fastest(self, collective: Collective, dtype: str, algorithm: Specification) -> str:
        size = dtype_size(dtype)
        if self.topology is None and algorithm.name == "auto":
            algorithm = parse(host.choose(collective, size))
        if self.topology is None and algorithm.name == "not":
            algorithm = several.on_host(collective, size, algorithm)
        if self.topology is None:
            return str(candidates(self, collective, algorithm, size)[0].specification)

        def price_of(candidate: Candidate, until_us: float) -> float:
            return self._price(Program.build(collective, candidate.recipe), dtype, until_us)

        found = families(self, collective, algorithm, size)
        best = Search(price_of, self._setting(collective, dtype)).run(found)
        chosen = str(best.candidate.specification)
        self._times[collective, dtype, chosen, ""] = best.time_us
        return chosen

    def _setting(self, collective: Collective, dtype: str) -> Setting:
        assert self.topology is not None
        nbytes = collective.count * dtype_size(dtype)
        return Setting(nbytes, self._hop_us(), self._bound_GBps(collective), self._least_us(collective))

    def _least_us(self, collective: Collective) -> float:
        assert self.topology is not None
        key = (collective.kind, collective.root)
        if key not in self._latencies:
            self._latencies[key] = least_latency_us(self.topology, key[0], self.placement, key[1])
        return self._latencies[key]

    def _hop_us(self) -> float:
        """The latency between ranks, about: that from the first one to the others."""
        assert self.topology is not None
        links = self.topology.links
        found = []
        for dst in self.placement[1 : 1 + HOPS_SEEN]:
            try:
                found.append(sum(links[i].latency_us or 0.0 for i in self.topology.route(self.placement[0], dst)))
            except NoRouteError:
                continue
        return sum(found) / len(found) if found else 0.0

    def _bound_GBps(self, collective: Collective) -> float:
        if collective.kind not in FOREST_KINDS or collective.ranks > MOST_RANKS:
            return math.inf
        try:
            return self.packings(collective)[-1].bound_GBps
        except NoRouteError:
            return math.inf


def _size_class(count: int) -> int:
    return (count - 1).bit_length() if count > 0 else -1


def _at_class_size(collective: Collective) -> Collective:
    """Choices are made at the class's largest size, so that they do not depend on what was asked first."""
    if collective.counts is not None or collective.count <= 0:
        return collective
    return Collective(collective.kind, collective.ranks, 1 << _size_class(collective.count), collective.root)


def shape_of(collective: str, nbytes: int, ranks: int, *, dtype: str, op: str, root: int) -> Collective:
    """The collective of `nbytes` on so many ranks. InputError for what cannot be."""
    lookup(KINDS, collective, "collective")
    lookup(OPS, op, "op")
    size = dtype_size(dtype)
    if collective in REDUCING:
        require_op(dtype, op)
    if nbytes < 0 or nbytes % size:
        raise InputError(f"bytes: {nbytes} is not a whole number of {dtype} elements of {size} bytes")
    if nbytes >= MOST_BYTES:
        raise InputError(f"bytes: found {nbytes}; expected less than 2^62")
    if not 0 <= root < ranks:
        raise InputError(f"root: found {root}; expected 0 to {ranks - 1}")
    return Collective(collective, ranks, 0 if collective == "barrier" else nbytes // size, root)


def plan(
    topology: Topology,
    collective: str = "all_reduce",
    nbytes: int = 0,
    *,
    dtype: str = "float32",
    op: str = "sum",
    root: int = 0,
    ranks: int | None = None,
    devices: Sequence[int] | None = None,
    algorithm: str = "auto",
    cost_us: float = 0.0,
) -> Plan:
    """Plan one collective of `nbytes` (as rows count bytes) on the first `ranks` chips or on `devices`.

    Raises InputError (and what is below it) for a size that is no whole number of elements, more ranks than chips,
    an unknown name, an algorithm that cannot run here, a figure of the board that is unknown and needed.
    """
    board, placement = place(topology, ranks, devices)
    shape = shape_of(collective, nbytes, len(placement), dtype=dtype, op=op, root=root)
    return Planner(board, placement, cost_us).plan(shape, dtype, op, parse(algorithm))
