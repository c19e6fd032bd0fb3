"""Forests for a board: the best packing of trees (topology.packing) as shares of one collective's data."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from _ringtree.core import Collective, Recipe, Tree
from _ringtree.errors import NoRouteError
from topology import Topology

from .family import Candidate, Family
from .specification import PARAMETERS, Specification

if TYPE_CHECKING:
    from topology.hops import RoutedHops
    from topology.packing import PackedTree, Packing

    from .planning import Planner

PARTED = ("all_gather", "reduce_scatter")
# On more ranks an all-gather's search begins with the trees of an all-reduce; on many, no lighter packing is sought.
PLANTED_RANKS = 20
KINDS = ("all_reduce", "reduce_scatter", "all_gather", "broadcast", "reduce")
# A packing so near the bound needs no detours.
NEAR = 1e-6
CHUNKS = tuple(2**i for i in range(11))
PACE = 2
# Elements of a piece, about: of shorter ones there are no more than one.
LEAST_PIECE = 64
# Slots of a channel: where chunks are short against the latency of a hop, many must be on their way at once.
DEPTH = 8
# The choice among all leaves forests out beyond this many ranks: packing them takes minutes.
MOST_RANKS = 128
# A tree with less of the data than this is not worth its steps: its share goes to the others.
LEAST_SHARE = 1e-6

Parents = tuple[int, ...]


@dataclass(frozen=True)
class Share:
    """A tree up, a tree down, or both, joined at the root, and how much of the data they carry (of all shares)."""

    root: int
    up: Parents | None
    down: Parents | None
    weight: float
    up_detours: tuple[int, ...] = ()
    down_detours: tuple[int, ...] = ()


def pack_ladder(
    topology: Topology,
    placement: Sequence[int],
    kind: str,
    root: int = 0,
    counts: Sequence[int] | None = None,
    trees: int | None = None,
) -> tuple[Packing, ...]:
    """The best packings of few hops, then of more, over the board's routes, each of at most so many `trees`.

    Detours are taken where the routes alone do not reach the board's bound. `counts`: of parts that differ. Raises
    NoRouteError.
    """
    from topology.bounds import bound
    from topology.hops import RoutedHops
    from topology.packing import demands, ladder
    from topology.treesearch import LEFT, MANY_RANKS

    weights = [count / sum(counts) for count in counts] if counts and any(counts) else None
    known = bound(topology, kind, placement, root, weights=counts if weights else None)
    bound_GBps = known.rate_GBps if known else math.inf

    def over(detours: bool) -> tuple[Packing, ...]:
        hops = RoutedHops(topology, placement, detours)
        wanted = demands(kind, len(placement), root, weights, hops.mirrored)
        planted = _likely(topology, placement, hops) if kind in PARTED and hops.ranks > PLANTED_RANKS else ()
        return ladder(hops, wanted, hops.ranks <= MANY_RANKS, most_trees=trees, bound_GBps=bound_GBps, planted=planted)

    found = over(detours=False)
    left = LEFT if len(placement) > MANY_RANKS else NEAR
    if trees is None and found[-1].rate_GBps < bound_GBps * (1 - left):
        round_about = over(detours=True)
        return round_about if round_about[-1].rate_GBps > found[-1].rate_GBps * (1 + NEAR) else found
    return found


def _likely(topology: Topology, placement: Sequence[int], hops: RoutedHops) -> list[tuple[int, bool, Parents]]:
    """Trees of an all-reduce, which are found sooner than those of an all-gather: each root may carry what it will."""
    from topology.bounds import bound
    from topology.packing import demands, ladder

    known = bound(topology, "all_reduce", placement)
    wanted = demands("all_reduce", hops.ranks, mirrored=hops.mirrored)
    packings = ladder(hops, wanted, lighter=False, bound_GBps=known.rate_GBps if known else math.inf)
    return [(tree.root, tree.up, tree.parents) for packing in packings for tree in packing.trees]


def repack(
    topology: Topology,
    placement: Sequence[int],
    collective: Collective,
    trees: Sequence[tuple[int, bool, Parents]],
    most_hops: int,
    detours: bool,
) -> Packing:
    """The best packing, from trees (root, whether up, parents) that were good on another board."""
    from topology.hops import RoutedHops
    from topology.packing import demands, repaired

    counts, kind = collective.counts, collective.kind
    root = collective.root if kind in ("broadcast", "reduce") else 0
    weights = [count / sum(counts) for count in counts] if counts and any(counts) else None
    hops = RoutedHops(topology, placement, detours)
    wanted = demands(kind, len(placement), root, weights, hops.mirrored)
    return repaired(hops, wanted, trees, most_hops)


def forest_families(planner: Planner, collective: Collective, asked: Specification) -> Iterator[Family]:
    """A family for each packing of the ladder, the fastest first.

    Asked for by name, a forest that cannot be is an error; among others, one candidate less.
    """
    among_others = asked.name != "forest"
    if collective.ranks < 2 or (among_others and (planner.topology is None or collective.ranks > MOST_RANKS)):
        return
    try:
        packings = planner.packings(collective, asked.get("hops"), asked.get("trees"))
    except NoRouteError:
        if not among_others:
            raise
        return
    for packing in reversed(packings):
        found = planner.shares(collective, packing)
        if not found:
            continue  # bandwidths that differ by more than the solver tells from nothing
        trees = forest(collective, found)
        yield Family(members(collective, trees, asked, {"hops": packing.hops}), 2 * packing.hops, packing.rate_GBps)


def utmost_GBps(hops: RoutedHops, found: Sequence[Share]) -> float:
    """The algbw that the shares cannot exceed: the busiest link or limit carries nothing else all the time."""
    paths, uses = hops.paths(), defaultdict[int, float](float)
    for share in found:
        for up, parents in ((True, share.up), (False, share.down)):
            for rank, parent in enumerate(parents or ()):
                if parent >= 0:
                    for element in paths[(rank, parent) if up else (parent, rank)]:
                        uses[element] += share.weight
    busiest = max(many / hops.capacities_GBps[element] for element, many in uses.items())
    return float(sum(share.weight for share in found) / busiest)


def members(
    collective: Collective, trees: tuple[Tree, ...], asked: Specification, settled: Mapping[str, int]
) -> tuple[Candidate, ...]:
    """The forest's candidates: as many pieces as it asks for, or as are worth trying."""
    given, share = asked.get("chunks"), collective.count // collective.ranks
    chunk_counts = [c for c in CHUNKS if c == 1 or c * LEAST_PIECE <= share] if given is None else [given]
    values = {"pace": PACE, "depth": DEPTH, **dict(asked.parameters), **settled}
    return tuple(_member(collective, trees, {**values, "chunks": chunks}) for chunks in chunk_counts)


def _member(collective: Collective, trees: tuple[Tree, ...], values: Mapping[str, int]) -> Candidate:
    specification = Specification("forest", tuple((key, values[key]) for key in PARAMETERS["forest"] if key in values))
    recipe = Recipe("forest", values["chunks"], values["pace"], values["depth"], forest=trees)
    return Candidate(specification, recipe, 2 * collective.ranks * len(trees) * values["chunks"])


def shares(packing: Packing, kind: str) -> tuple[Share, ...]:
    """The packing's trees; those of an all-reduce joined in pairs, largest first, so that few pairs are needed."""
    found = sorted(packing.trees, key=lambda tree: -tree.rate_GBps)
    if kind != "all_reduce":
        return tuple(
            Share(t.root, t.parents, None, t.rate_GBps, up_detours=t.detours)
            if t.up
            else Share(t.root, None, t.parents, t.rate_GBps, down_detours=t.detours)
            for t in found
        )
    roots = sorted({tree.root for tree in found})
    pairs = [pair for root in roots for pair in _pairs([tree for tree in found if tree.root == root])]
    least = LEAST_SHARE * sum(pair.weight for pair in pairs)
    return tuple(pair for pair in pairs if pair.weight > least)


def _pairs(trees: Sequence[PackedTree]) -> Iterator[Share]:
    """Trees up and down laid along one line, cut where either changes; what only one of them has is left out."""
    lines: dict[bool, list[float]] = {True: [0.0], False: [0.0]}
    for tree in trees:
        lines[tree.up].append(lines[tree.up][-1] + tree.rate_GBps)
    ways = {up: [tree for tree in trees if tree.up == up] for up in (True, False)}
    cuts = sorted({cut for line in lines.values() for cut in line if cut <= min(lines[True][-1], lines[False][-1])})
    for begin, end in pairwise(cuts):
        up, down = (ways[way][sum(edge <= begin for edge in lines[way]) - 1] for way in (True, False))
        yield Share(up.root, up.parents, down.parents, end - begin, up.detours, down.detours)


def forest(collective: Collective, found: Sequence[Share]) -> tuple[Tree, ...]:
    """The shares in whole elements; those of gathered or scattered parts lie inside the part of their root.

    A share of less than an element has no tree, but for the first of a range without any.
    """
    if collective.kind not in ("all_gather", "reduce_scatter"):
        return tuple(_split(found, 0, collective.count))
    trees: list[Tree] = []
    for rank, (offset, length) in enumerate(collective.parts()):
        trees += _split([share for share in found if share.root == rank], offset, length)
    return tuple(trees)


def _split(found: Sequence[Share], offset: int, length: int) -> Iterator[Tree]:
    total = sum(share.weight for share in found)
    so_far, begin = 0.0, 0
    for number, share in enumerate(found, start=1):
        so_far += share.weight
        end = length if number == len(found) else round(length * so_far / total)
        if end > begin or length < number == 1:
            ways = (share.up, share.down, share.up_detours, share.down_detours)
            yield Tree(offset + begin, end - begin, share.root, *ways)
        begin = max(begin, end)
