"""Plans: a collective of a size on a board, and the program that is the fastest in simulation."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from _ringtree.core import Collective, Job, Program, Recipe, dtype_size, price, require_op, simulate
from _ringtree.errors import InputError, NoRouteError, UnsupportedError
from _ringtree.names import KINDS, OPS, REDUCING, lookup
from _ringtree.simulator import Observer
from _ringtree.units import MOST_BYTES
from topology import Topology

from . import algorithm_files, host, planfile, several
from .candidates import candidates, families
from .certificate import Certificate, certify
from .family import Candidate
from .findings import Findings
from .placement import place
from .search import Search, Setting
from .specification import WITHOUT_PROGRAM, Specification, parse


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


class Planner(Findings):
    """Plans for one board and one placement of ranks."""

    def plan(self, collective: Collective, dtype: str, op: str, algorithm: Specification) -> Plan:
        """The fastest way for this collective."""
        return self.build(collective, dtype, op, str(algorithm), self.choose(collective, dtype, algorithm))

    def choose(self, collective: Collective, dtype: str, algorithm: Specification) -> str:
        """A full specification: `auto` and free parameters are settled by simulation, once per size class."""
        if algorithm.name == WITHOUT_PROGRAM:
            raise UnsupportedError("algorithm: 'direct' has no program to plan: it is the host's own, without a board")
        if algorithm.name == "any":
            return several.choose(self, collective, dtype, algorithm)
        if algorithm.name == "file":
            return algorithm_files.choose(algorithm, collective)
        if collective.counts is not None:
            return self._fastest(collective, dtype, algorithm)
        shape = _at_class_size(collective)
        key = ("choice", shape.kind, shape.root, shape.count, dtype_size(dtype), str(algorithm))
        return self.once(key, lambda: self._fastest(shape, dtype, algorithm))

    def build(self, collective: Collective, dtype: str, op: str, asked: str, chosen: str) -> Plan:
        """The plan that a full specification stands for, priced with all ranks starting at once."""
        specification = parse(chosen)
        if specification.name == "file":
            program, recipe, content = algorithm_files.program_of(specification, collective)
        else:
            recipe, content = candidates(self, collective, specification, dtype_size(dtype))[0].recipe, ""
            program = Program.build(collective, recipe)
        return self.priced(program, recipe, content, dtype, op, asked, chosen)

    def priced(
        self, program: Program, recipe: Recipe | None, content: str, dtype: str, op: str, asked: str, chosen: str
    ) -> Plan:
        """The plan of a program; `recipe` gives it again, or `content` does, the digest of its file."""
        collective = program.collective
        key = _time_key(collective, recipe or (content, parse(chosen).parameters), dtype)
        time_us = self.once(key, lambda: self._price(program, dtype))
        given = (collective, self.placement, dtype, op, self.cost_us, time_us)
        return Plan(self.topology, asked, chosen, program, recipe, *given, content)

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
        if self.topology is None:
            return str(candidates(self, collective, _on_host(collective, size, algorithm), size)[0].specification)

        def price_of(candidate: Candidate, until_us: float) -> float:
            return self._price(Program.build(collective, candidate.recipe), dtype, until_us)

        begin = time.perf_counter()
        # The bound costs a search for packings, which a choice among all needs anyway.
        bound_GBps = self.bound_GBps(collective) if algorithm.name in ("auto", "not") else math.inf
        setting = Setting(
            collective.count * size, self.hop_us(), bound_GBps, self.likely_GBps(), self.least_us(collective)
        )
        best = Search(price_of, setting).run(families(self, collective, algorithm, size))
        key = _time_key(collective, best.candidate.recipe, dtype)
        self.note(key, best.time_us, time.perf_counter() - begin)
        return str(best.candidate.specification)


def _on_host(collective: Collective, element_bytes: int, algorithm: Specification) -> Specification:
    if algorithm.name == "auto":
        return parse(host.choose(collective, element_bytes))
    return several.on_host(collective, element_bytes, algorithm) if algorithm.name == "not" else algorithm


def _time_key(collective: Collective, program: object, dtype: str) -> tuple[object, ...]:
    return ("time", collective, program, dtype_size(dtype))


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
