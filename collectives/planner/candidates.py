"""What could run: families of programs that differ in how many pieces they pipeline, one for each way to do it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from _ringtree.core import Collective, Recipe, supports
from _ringtree.errors import UnsupportedError

from . import several
from .early import early_families
from .family import Candidate, Family
from .forests import forest_families
from .specification import PARAMETERS, Specification
from .stepped import stepped_families
from .tori import ON_TORI, on_torus

if TYPE_CHECKING:
    from .planning import Planner

CHUNKS = (1, 2, 4, 8, 16, 32, 64, 128)
PACE = 2
DEPTH = 2
MANY_RANKS = 64
# A candidate with more transfers than this is left out while a lighter one remains.
MOST_TRANSFERS = 4_000_000


def families(
    planner: Planner, collective: Collective, algorithm: Specification, element_bytes: int = 4
) -> Iterator[Family]:
    """Every way to do the collective that the specification allows, what is quickly priced first. None is made before
    it is asked for: a search that has found enough saves laying the others on the board. UnsupportedError where there
    is none."""
    none = True
    for name in _names(algorithm, collective.ranks, simulated=planner.topology is not None):
        for family in _of_algorithm(planner, collective, name, algorithm, collective.count * element_bytes):
            none = False
            yield family
    if none:
        asked = str(algorithm) if algorithm.members else algorithm.name
        raise UnsupportedError(
            f"algorithm: {asked} does not do {collective.kind} on {collective.ranks} ranks of this board"
        )


def candidates(
    planner: Planner, collective: Collective, algorithm: Specification, element_bytes: int = 4
) -> list[Candidate]:
    """All members of all families; the lightest one where all are too heavy."""
    found = [member for family in families(planner, collective, algorithm, element_bytes) for member in family.members]
    light = [c for c in found if c.transfers <= MOST_TRANSFERS]
    return light or [min(found, key=lambda c: c.transfers)]


def _names(algorithm: Specification, ranks: int, simulated: bool) -> list[str]:
    open_names = several.names(algorithm)
    if open_names is None:
        return [algorithm.name]
    return sorted(open_names, key=lambda name: _effort(name, ranks)) if simulated else open_names


def _effort(name: str, ranks: int) -> int:
    """Algorithms without pieces to choose first, then those without a place on the board to find.

    Of many ranks, a tree that knows nothing of the board is simulated at length unless a good time cuts it short.
    """
    laid = {"forest": 2, "ring": 3, "tree": 4}
    if ranks > MANY_RANKS:
        laid |= {"binary_tree": 5, "binomial": 5, "star": 5}
    return laid.get(name, 1 if "pace" in PARAMETERS[name] else 0)


def _of_algorithm(
    planner: Planner, collective: Collective, name: str, asked: Specification, nbytes: int
) -> Iterator[Family]:
    if not supports(name, collective.kind, collective.ranks):
        return
    if name == "two_level" and len(set(_boards(planner))) < 2:
        return
    depth = asked.get("depth") or DEPTH
    if name == "forest":
        if asked.get("early") is None and asked.get("steps") is None:
            yield from forest_families(planner, collective, asked)
        yield from _short_forests(planner, collective, asked, nbytes)
        return
    chunk_counts = _chunk_counts(name, collective, asked)
    if name in ON_TORI:
        yield from on_torus(planner, collective, name, asked.get("whole"), chunk_counts, depth)
        return
    if name == "ring":
        for channels in _channel_counts(planner, asked):
            yield Family(tuple(_ring(planner, collective, channels, chunks, depth) for chunks in chunk_counts))
    else:
        given = asked.get("pace")
        pace = PACE if given is None else given
        made = tuple(_other(planner, collective, name, chunks, pace, depth) for chunks in chunk_counts)
        yield Family(made, _hops(name, collective.ranks))


def _short_forests(planner: Planner, collective: Collective, asked: Specification, nbytes: int) -> Iterator[Family]:
    """Forests for short vectors: asked for by their parameters, or among all where the vector is short."""
    packed, steps, early = asked.get("hops"), asked.get("steps"), asked.get("early")
    short = not (packed or steps or early or asked.get("trees")) and planner.is_short(collective, nbytes)
    if early or short:
        yield from early_families(planner, collective, asked, nbytes)
    if steps or short:
        yield from stepped_families(planner, collective, asked)


def _hops(name: str, ranks: int) -> int:
    """How deep the trees are."""
    return max(1, ranks.bit_length() - 1) if name in ("tree", "binary_tree", "binomial") else 2


def _chunk_counts(name: str, collective: Collective, asked: Specification) -> list[int]:
    given = asked.get("chunks")
    if given is not None:
        return [given]
    if "pace" not in PARAMETERS[name] and name not in ("ring", "bucket"):
        return [1]
    share = collective.count // (1 if name in ("binary_tree", "binomial", "star") else collective.ranks)
    return [c for c in CHUNKS if c == 1 or c * 256 <= share]


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


def _boards(planner: Planner) -> tuple[int, ...]:
    """The board of each rank, numbered in order of appearance: the group that its chip's name is in."""
    if planner.topology is None:
        return (0,) * len(planner.placement)
    groups = [planner.topology.nodes[node].group for node in planner.placement]
    numbers = {group: number for number, group in enumerate(dict.fromkeys(groups))}
    return tuple(numbers[group] for group in groups)
