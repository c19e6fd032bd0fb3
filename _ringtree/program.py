"""Programs: what a collective does, built by the core's algorithms, and the verifier that proves them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from _ringtree.errors import InputError, VerificationError
from _ringtree.names import ALGORITHMS, KINDS, lookup
from _ringtree.native import array, check, ffi, lib, new_error, text_of


def equal_parts(count: int, ranks: int) -> tuple[int, ...]:
    """Whole elements for each rank, larger parts first."""
    small, larger = divmod(count, ranks)
    return tuple(small + (rank < larger) for rank in range(ranks))


@dataclass(frozen=True)
class Collective:
    """What is to be achieved; see rt_collective in csrc/program.h. Counts and displacements are in elements."""

    kind: str
    ranks: int
    count: int
    root: int = 0
    counts: tuple[int, ...] | None = None
    displs: tuple[int, ...] | None = None
    recv_displs: tuple[int, ...] | None = None

    def to_c(self) -> tuple[Any, list[Any]]:
        """The C struct and the arrays that must outlive its use."""
        arrays = [array("int64_t", list(a) if a else None) for a in (self.counts, self.displs, self.recv_displs)]
        number = lookup(KINDS, self.kind, "collective")
        return ffi.new("rt_collective *", [number, self.ranks, self.root, self.count, *arrays]), arrays

    def parts(self) -> list[tuple[int, int]]:
        """Offset and length of each rank's part of what is gathered or scattered; as rt_collective_part."""
        lengths = self.counts or equal_parts(self.count, self.ranks)
        return list(zip(self.displs or accumulate(lengths, initial=0), lengths, strict=False))

    def extents(self, rank: int) -> tuple[int, int]:
        """Elements that `rank` needs in its input and in its output buffer."""
        c, _keep = self.to_c()
        error = new_error()
        check(lib.rt_collective_check(c, error), error)
        return (
            int(lib.rt_collective_extent(c, rank, lib.RT_INPUT)),
            int(lib.rt_collective_extent(c, rank, lib.RT_OUTPUT)),
        )


@dataclass(frozen=True)
class Tree:
    """One tree of a forest: elements offset..offset+length, and each rank's parent going up (reduce) and down.

    Ranks in `up_detours` and `down_detours` keep away from the first link of the route to or from their parent.
    """

    offset: int
    length: int
    root: int
    up: tuple[int, ...] | None
    down: tuple[int, ...] | None
    up_detours: tuple[int, ...] = ()
    down_detours: tuple[int, ...] = ()


@dataclass(frozen=True)
class Recipe:
    """Which algorithm, and its parameters; see rt_recipe in csrc/build.h."""

    algorithm: str
    chunks: int = 1
    pace: int = 0
    depth: int = 2
    orders: tuple[tuple[int, ...], ...] = ()
    board_of_rank: tuple[int, ...] = ()
    forest: tuple[Tree, ...] = ()
    sizes: tuple[int, ...] = ()
    whole: bool = False

    def to_c(self) -> tuple[Any, list[Any]]:
        orders = array("int32_t", [rank for order in self.orders for rank in order])
        boards = array("int32_t", list(self.board_of_rank))
        sizes = array("int32_t", list(self.sizes))
        keep = [orders, boards, sizes]
        trees = ffi.NULL
        if self.forest:
            parents = [
                [
                    *(array("int32_t", list(p) if p else None) for p in (t.up, t.down)),
                    *(_marks(d, p) for d, p in ((t.up_detours, t.up), (t.down_detours, t.down))),
                ]
                for t in self.forest
            ]
            fields = [[t.offset, t.length, t.root, *p] for t, p in zip(self.forest, parents, strict=True)]
            trees = ffi.new("rt_tree[]", fields)
            keep += [trees, parents]
        recipe = ffi.new(
            "rt_recipe *",
            {
                "algorithm": lookup(ALGORITHMS, self.algorithm, "algorithm"),
                "chunks": self.chunks,
                "pace": self.pace,
                "depth": self.depth,
                "rings": len(self.orders),
                "orders": orders,
                "boards": max(self.board_of_rank, default=-1) + 1,
                "board_of_rank": boards,
                "trees": len(self.forest),
                "forest": trees,
                "dimensions": len(self.sizes),
                "sizes": sizes,
                "whole": int(self.whole),
            },
        )
        return recipe, keep


def _marks(ranks: tuple[int, ...], parents: tuple[int, ...] | None) -> Any:
    return array("uint8_t", [int(rank in ranks) for rank in range(len(parents))] if ranks and parents else None)


def supports(algorithm: str, kind: str, ranks: int) -> bool:
    """Whether the algorithm exists for the collective on this many ranks."""
    a, k = lookup(ALGORITHMS, algorithm, "algorithm"), lookup(KINDS, kind, "collective")
    return bool(lib.rt_build_supports(a, k, ranks))


class Program:
    """A step program of the core, immutable."""

    def __init__(self, handle: Any, collective: Collective) -> None:
        self.handle = ffi.gc(handle, lib.rt_program_free)
        self.collective = collective

    @classmethod
    def build(cls, collective: Collective, recipe: Recipe) -> Program:
        """Raises UnsupportedError, InputError."""
        c, _keep_c = collective.to_c()
        r, _keep_r = recipe.to_c()
        out, error = ffi.new("rt_program **"), new_error()
        check(lib.rt_build(c, r, out, error), error)
        return cls(out[0], collective)

    @property
    def channels(self) -> int:
        return int(lib.rt_program_channels(self.handle))

    @property
    def depth(self) -> int:
        """FIFO slots per channel."""
        return int(lib.rt_program_depth(self.handle))

    def lanes(self, rank: int) -> int:
        return int(lib.rt_program_lanes(self.handle, rank))

    def scratch(self, rank: int) -> int:
        """Elements of scratch memory that `rank` needs."""
        return int(lib.rt_program_scratch(self.handle, rank))

    def channel_ends(self) -> list[tuple[int, int]]:
        """(source rank, destination rank) of every channel."""
        return [(int(channel.src), int(channel.dst)) for channel in self._channels()]

    def detours(self) -> list[bool]:
        """Of every channel: whether it keeps away from the first link of the route between its devices."""
        return [bool(channel.detour) for channel in self._channels()]

    def _channels(self) -> Iterator[Any]:
        channel = ffi.new("rt_channel *")
        for number in range(self.channels):
            lib.rt_program_channel(self.handle, number, channel)
            yield channel

    def steps(self, rank: int, lane: int) -> Iterator[Any]:
        """The lane's steps as rt_step structs, one at a time (each valid until the next)."""
        step, index = ffi.new("rt_step *"), 0
        while lib.rt_program_next(self.handle, rank, lane, index, step):
            yield step
            index += 1


@dataclass(frozen=True)
class Verdict:
    """A program proved right: how many steps and messages it has."""

    steps: int
    messages: int


_WRONG = {
    lib.RT_ERR_WRONG_RESULT: "wrong result",
    lib.RT_ERR_DEADLOCK: "deadlock",
    lib.RT_ERR_RACE: "race",
    lib.RT_ERR_INVALID: "invalid",
}


def verify(program: Program, depth: int = 0, in_place: bool = False) -> Verdict:
    """Prove the program at this FIFO depth (0: its own); VerificationError says where it is wrong."""
    if depth < 0:
        raise InputError(f"verify: found FIFO depth {depth}; expected at least 0")
    verdict, error = ffi.new("rt_verdict *"), new_error()
    status = lib.rt_verify(program.handle, depth, int(in_place), verdict, error)
    if status in _WRONG:
        problem = VerificationError(text_of(error))
        problem.what = _WRONG[status]
        problem.rank, problem.lane, problem.step = int(verdict.rank), int(verdict.lane), int(verdict.step)
        raise problem
    check(status, error)
    return Verdict(int(verdict.steps), int(verdict.messages))


def find_cycles(counts: Sequence[Sequence[int]], most: int, budget: int = 200_000) -> list[tuple[int, ...]]:
    """Arc-disjoint directed Hamiltonian cycles over counts[i][j] parallel links, at most `most`; [] where none is."""
    n = len(counts)
    matrix = array("int32_t", [c for row in counts for c in row])
    orders = ffi.new("int32_t[]", max(1, most * n))
    found = int(lib.rt_find_cycles(n, matrix, most, budget, orders))
    flat = list(orders)
    return [tuple(flat[i * n : (i + 1) * n]) for i in range(found)]
