"""Plans: a collective of a size on a board, and the program that is the fastest in simulation."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import astuple, dataclass, field
from functools import cached_property

from _ringtree.core import Collective, Job, Program, Recipe, dtype_size, require_op, simulate
from _ringtree.errors import InputError, NoRouteError, UnsupportedError
from _ringtree.names import KINDS, OPS, REDUCING, lookup
from _ringtree.simulator import Observer
from _ringtree.units import MOST_BYTES
from topology import Topology

from . import algorithm_files, cache, host, planfile, several
from .candidates import Candidate, candidates
from .certificate import Certificate, certify
from .forests import Share, packed, shares
from .placement import place
from .rings import lay_rings
from .specification import Specification, parse
from .trees import Orders, lay_trees


@dataclass(frozen=True)
class Plan:
    """A chosen program. `algorithm` as it was asked for, `plan` the full specification that gives it again.

    recipe: what the program was built of; None where it was not built here.
    content: the digest of the algorithm file that the program is made of, if it is.
    """

    topology: Topology | None = field(repr=False)
    algorithm: str
    plan: str
    program: Program = field(compare=False, repr=False)
    recipe: Recipe | None = field(repr=False)
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

    @cached_property
    def certificate(self) -> Certificate | None:
        """The bound on this board, its proof in words, and what part of it the plan reaches."""
        return certify(self)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it to a file that `load` and the algorithm `file:PATH` take (planfile.py)."""
        text = planfile.to_json(self)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)

    @staticmethod
    def load(path: str | os.PathLike[str]) -> Plan:
        """The plan in a file, equal to what was saved. Raises InputError."""
        return planfile.load(path)


@dataclass(frozen=True)
class Planner:
    """Plans for one board (None: the bare host) and one placement of ranks; remembers what it found out."""

    topology: Topology | None
    placement: tuple[int, ...]
    cost_us: float = 0.0
    _choices: dict[tuple[object, ...], str] = field(default_factory=dict, compare=False)
    _rings: list[tuple[int, ...]] = field(default_factory=list, compare=False)
    _trees: list[Orders | None] = field(default_factory=list, compare=False)
    _shares: dict[tuple[object, ...], tuple[Share, ...]] = field(default_factory=dict, compare=False)

    @cached_property
    def _kept(self) -> cache.Cache:
        """What earlier planners for this board and placement found out."""
        return cache.of_plans(self.topology, self.placement, self.cost_us)

    def plan(self, collective: Collective, dtype: str, op: str, algorithm: Specification) -> Plan:
        """The fastest way for this collective."""
        return self.build(collective, dtype, op, str(algorithm), self.choose(collective, dtype, algorithm))

    def choose(self, collective: Collective, dtype: str, algorithm: Specification) -> str:
        """A full specification: `auto` and free parameters are settled by simulation, once per size class."""
        if algorithm.name == "any":
            return several.choose(self, collective, dtype, algorithm)
        if algorithm.name == "file":
            return algorithm_files.choose(algorithm, collective)
        key = (collective.kind, collective.root, dtype_size(dtype), str(algorithm), _size_class(collective.count))
        if collective.counts is not None:
            return self._fastest(collective, dtype, algorithm)
        if key not in self._choices:
            shape = _at_class_size(collective)
            self._choices[key] = self._kept.recall(("choice", key), lambda: self._fastest(shape, dtype, algorithm))
        return self._choices[key]

    def build(self, collective: Collective, dtype: str, op: str, asked: str, chosen: str) -> Plan:
        """The plan that a full specification stands for, priced with all ranks starting at once."""
        specification = parse(chosen)
        if specification.name == "file":
            program, recipe, content = algorithm_files.program_of(specification, collective)
        else:
            recipe, content = next(iter(candidates(self, collective, specification))).recipe, ""
            program = Program.build(collective, recipe)
        return self.priced(program, recipe, content, dtype, op, asked, chosen)

    def priced(
        self, program: Program, recipe: Recipe | None, content: str, dtype: str, op: str, asked: str, chosen: str
    ) -> Plan:
        """The plan of a program; `recipe` gives it again, or `content` does, the digest of its file."""
        collective = program.collective
        key = ("time", collective, recipe or (content, parse(chosen).parameters), dtype_size(dtype))
        time_us = self._kept.recall(key, lambda: self._price(program, dtype))
        given = (collective, self.placement, dtype, op, self.cost_us, time_us)
        return Plan(self.topology, asked, chosen, program, recipe, *given, content)

    def rings(self) -> list[tuple[int, ...]]:
        """Rings over the board's direct links, found once."""
        if not self._rings:
            self._rings.extend(self._kept.recall("rings", lambda: lay_rings(self.topology, self.placement)))
        return self._rings

    def trees(self) -> Orders | None:
        """The orders of the double binary tree's two heaps on this board, found once; None for rank order."""
        if not self._trees:
            self._trees.extend(self._kept.recall("trees", lambda: [lay_trees(self.topology, self.placement)]))
        return self._trees[0]

    def shares(self, collective: Collective) -> tuple[Share, ...]:
        """The best packing of trees for the collective on this board, found once. Raises NoRouteError."""
        board = self.topology
        if board is None:
            raise UnsupportedError("algorithm: forest needs a board")
        kind = collective.kind
        root = collective.root if kind in ("broadcast", "reduce") else 0
        key = (kind, root, collective.counts)
        if key not in self._shares:
            self._shares[key] = self._kept.recall(
                ("shares", key),
                lambda: shares(packed(board, self.placement, *key), kind),
                pack=lambda found: [astuple(share) for share in found],
                unpack=lambda values: tuple(Share(*value) for value in values),
            )
        return self._shares[key]

    def _price(self, program: Program, dtype: str) -> float:
        if self.topology is None:
            return 0.0
        job = Job(program, self.placement, dtype_size(dtype))
        try:
            return max(simulate(self.topology.board(self.cost_us), [job]).finish_us[0])
        except NoRouteError:
            for src, dst in program.channel_ends():  # the topology says it with the chips' names
                self.topology.route(self.placement[src], self.placement[dst])
            raise

    def _fastest(self, collective: Collective, dtype: str, algorithm: Specification) -> str:
        if self.topology is None and algorithm.name == "auto":
            algorithm = parse(host.choose(collective, dtype_size(dtype)))
        if self.topology is None and algorithm.name == "not":
            algorithm = several.on_host(collective, dtype_size(dtype), algorithm)
        found = list(candidates(self, collective, algorithm))
        if len(found) == 1 or self.topology is None:
            return str(found[0].specification)
        best: tuple[float, int, Candidate] | None = None
        blocked: NoRouteError | None = None
        for number, candidate in enumerate(found):
            try:
                time_us = self._price(Program.build(collective, candidate.recipe), dtype)
            except NoRouteError as problem:
                blocked = problem
                continue
            if best is None or (time_us, number) < best[:2]:
                best = (time_us, number, candidate)
        if best is None:
            raise blocked or UnsupportedError(f"algorithm: no algorithm does {collective.kind} on this board")
        return str(best[2].specification)


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
