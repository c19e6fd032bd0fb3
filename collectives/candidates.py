"""What could run: every algorithm and parameter that a specification leaves open, as recipes to be simulated."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from _ringtree.core import Collective, Recipe, supports
from _ringtree.errors import NoRouteError, UnsupportedError

from .forests import forest
from .specification import PARAMETERS, Specification
from .tori import ON_TORI, on_torus

if TYPE_CHECKING:
    from .planning import Planner

CHUNKS = (1, 2, 4, 8, 16, 32, 64, 128)
FOREST_CHUNKS = (*CHUNKS, 256, 512)
PACE = 2
DEPTH = 2
# A candidate with more transfers than this is left out while a lighter one remains.
MOST_TRANSFERS = 2_000_000
# The choice among all leaves forests out beyond this many ranks, where packing them takes seconds, and for parts that
# differ, which are packed anew for each set of counts.
MOST_FOREST_RANKS = 16


@dataclass(frozen=True)
class Candidate:
    """A full specification, the recipe that it stands for, and about how many transfers its program has."""

    specification: Specification
    recipe: Recipe
    transfers: int


def candidates(planner: Planner, collective: Collective, algorithm: Specification) -> Iterator[Candidate]:
    """Every way to do the collective that the specification allows. UnsupportedError where there is none."""
    found = [c for name in _names(algorithm) for c in _of_algorithm(planner, collective, name, algorithm)]
    if not found:
        raise UnsupportedError(
            f"algorithm: {algorithm.name} does not do {collective.kind} on {collective.ranks} ranks of this board"
        )
    light = [c for c in found if c.transfers <= MOST_TRANSFERS]
    yield from light or [min(found, key=lambda c: c.transfers)]


def _names(algorithm: Specification) -> list[str]:
    return [n for n in PARAMETERS if n != "auto"] if algorithm.name == "auto" else [algorithm.name]


def _of_algorithm(planner: Planner, collective: Collective, name: str, asked: Specification) -> Iterator[Candidate]:
    if not supports(name, collective.kind, collective.ranks):
        return
    if name == "two_level" and len(set(_boards(planner))) < 2:
        return
    if name == "forest" and not _may_pack(planner, collective, asked):
        return
    depth = asked.get("depth") or DEPTH
    if name in ON_TORI:
        tries = on_torus(planner, collective, name, asked.get("whole"), _chunk_counts(name, collective, asked), depth)
        yield from (Candidate(*found) for found in tries)
        return
    for chunks in _chunk_counts(name, collective, asked):
        if name == "ring":
            for channels in _channel_counts(planner, asked):
                yield _ring(planner, collective, channels, chunks, depth)
        else:
            pace = asked.get("pace")
            make = _forest if name == "forest" else _other
            yield make(planner, collective, name, chunks, PACE if pace is None else pace, depth)


def _may_pack(planner: Planner, collective: Collective, asked: Specification) -> bool:
    """Asked for by name, a forest that cannot be is an error; among others, one candidate less."""
    if collective.ranks < 2:
        return False
    quickly = planner.topology is not None and collective.ranks <= MOST_FOREST_RANKS and collective.counts is None
    if asked.name == "auto" and not quickly:
        return False
    try:
        planner.shares(collective)
    except NoRouteError:
        if asked.name != "auto":
            raise
        return False
    return True


def _chunk_counts(name: str, collective: Collective, asked: Specification) -> list[int]:
    given = asked.get("chunks")
    if given is not None:
        return [given]
    if "pace" not in PARAMETERS[name] and name not in ("ring", "bucket"):
        return [1]
    share = collective.count // (1 if name in ("binary_tree", "binomial", "star") else collective.ranks)
    return [c for c in (FOREST_CHUNKS if name == "forest" else CHUNKS) if c == 1 or c * 256 <= share]


def _channel_counts(planner: Planner, asked: Specification) -> list[int]:
    given = asked.get("channels")
    if given is not None:
        return [given]
    return sorted({1, len(planner.rings())})


def _ring(planner: Planner, collective: Collective, channels: int, chunks: int, depth: int) -> Candidate:
    rings = planner.rings()
    orders = tuple(rings[i % len(rings)] for i in range(channels))
    specification = Specification("ring", (("channels", channels), ("chunks", chunks), ("depth", depth)))
    transfers = 2 * collective.ranks * collective.ranks * chunks * channels
    return Candidate(specification, Recipe("ring", chunks, 0, depth, orders), transfers)


def _other(planner: Planner, collective: Collective, name: str, chunks: int, pace: int, depth: int) -> Candidate:
    values = {"chunks": chunks, "pace": pace, "depth": depth}
    parameters = tuple((key, values[key]) for key in PARAMETERS[name])
    ranks = collective.ranks
    each_to_each = name in ("one_shot", "two_shot", "pairwise", "two_level")
    transfers = 2 * ranks * (ranks if each_to_each else max(1, ranks.bit_length())) * chunks
    orders = planner.trees() if name == "tree" and collective.kind == "all_reduce" else None
    boards = _boards(planner) if name == "two_level" else ()
    recipe = Recipe(name, chunks, pace, depth, orders or (), boards)
    return Candidate(Specification(name, parameters), recipe, transfers)


def _forest(planner: Planner, collective: Collective, name: str, chunks: int, pace: int, depth: int) -> Candidate:
    trees = forest(collective, planner.shares(collective))
    specification = Specification(name, (("chunks", chunks), ("pace", pace), ("depth", depth)))
    recipe = Recipe(name, chunks, pace, depth, forest=trees)
    return Candidate(specification, recipe, 2 * collective.ranks * len(trees) * chunks)


def _boards(planner: Planner) -> tuple[int, ...]:
    """The board of each rank, numbered in order of appearance: the group that its chip's name is in."""
    if planner.topology is None:
        return (0,) * len(planner.placement)
    groups = [planner.topology.nodes[node].group for node in planner.placement]
    numbers = {group: number for number, group in enumerate(dict.fromkeys(groups))}
    return tuple(numbers[group] for group in groups)
