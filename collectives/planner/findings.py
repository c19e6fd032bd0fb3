"""What there is to know of one board and one placement of ranks: rings, trees, packings, latencies; found once.

Kept in memory, and on disk between processes (cache.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from _ringtree.core import Collective
from _ringtree.errors import NoRouteError, UnsupportedError
from topology import Topology
from topology.latency import least_latency_us

from . import cache
from .early import LONG, early_shares
from .early import MOST_RANKS as MOST_EARLY_RANKS
from .forests import KINDS as FOREST_KINDS
from .forests import MOST_RANKS, Share, pack_ladder, repack, shares
from .rings import lay_rings
from .specification import Specification
from .stepped import stepped_with_rate

if TYPE_CHECKING:
    from topology.packing import Packing
    from topology.torus import Torus

    from .trees import Orders

Found = TypeVar("Found")
Rated = tuple[tuple[Share, ...], float]

HOPS_SEEN = 64


@dataclass(frozen=True)
class Findings:
    """Of a board (None: the bare host) whose device `placement[rank]` each rank sits on; a message costs `cost_us`."""

    topology: Topology | None
    placement: tuple[int, ...]
    cost_us: float = 0.0
    _known: dict[object, Any] = field(default_factory=dict, compare=False, repr=False)

    @cached_property
    def _kept(self) -> cache.Cache:
        """What was found out for this board and placement before."""
        return cache.of_plans(self.topology, self.placement, self.cost_us)

    def once(
        self,
        key: object,
        find: Callable[[], Found],
        pack: Callable[[Found], Any] = lambda found: found,
        unpack: Callable[[Any], Found] = lambda value: value,
    ) -> Found:
        """What was found under the key, in this process or before; else what `find` finds now."""
        if key not in self._known:
            self._known[key] = self._kept.recall(key, find, pack, unpack)
        found: Found = self._known[key]
        return found

    def note(self, key: object, value: object, seconds: float) -> None:
        """What `once` is to find under the key, and how long that took."""
        self._known[key] = value
        if seconds >= cache.LEAST_S:
            self._kept.put(key, value)

    def rings(self) -> Sequence[tuple[int, ...]]:
        """Rings over the board's direct links."""
        return self.once("rings", lambda: lay_rings(self.topology, self.placement))

    def trees(self) -> Orders | None:
        """The orders of the double binary tree's two heaps on this board; None for rank order."""
        from .trees import lay_trees

        return self.once("trees", lambda: (lay_trees(self.topology, self.placement),))[0]

    def torus(self) -> Torus | None:
        """The torus that direct links make of the ranks' chips; None where there is none."""
        from topology.torus import Torus

        board = self._board()

        def find() -> tuple[object, ...]:
            found = board.torus(self.placement)
            return () if found is None else (found.sizes, found.order)

        parts: tuple[Any, ...] = self.once("torus", find)
        return Torus(*parts) if parts else None

    def packings(
        self, collective: Collective, hops: int | None = None, trees: int | None = None
    ) -> tuple[Packing, ...]:
        """The ladder of packings for the collective; with `hops`, the best of at most so many alone.

        Raises NoRouteError, UnsupportedError.
        """
        board = self._board()
        key = (collective.kind, _root(collective), collective.counts, trees)
        ladder = self.once(
            ("packings", key), lambda: pack_ladder(board, self.placement, *key), pack=_to_tuples, unpack=_to_packings
        )
        if hops is None:
            return ladder
        few = [packing for packing in ladder if packing.hops <= hops]
        if not few:
            raise UnsupportedError(
                f"algorithm: no tree of {hops} hops joins all ranks; expected at least {ladder[0].hops}"
            )
        return (few[-1],)

    def repack(
        self,
        collective: Collective,
        trees: Sequence[tuple[int, bool, tuple[int, ...]]],
        most_hops: int,
        detours: bool,
    ) -> Packing:
        """The packing from trees of another board (collectives/planner/repair.py); `packings` gives it from now on."""
        packing = repack(self._board(), self.placement, collective, trees, most_hops, detours)
        self._known["packings", (collective.kind, _root(collective), collective.counts, None)] = (packing,)
        return packing

    def shares(self, collective: Collective, packing: Packing) -> tuple[Share, ...]:
        """The packing's trees as shares of the collective."""
        return shares(packing, collective.kind)

    def shares_of(self, collective: Collective, forest: Specification) -> tuple[Share, ...]:
        """The shares of the forest that a full specification names."""
        size = forest.get("early")
        if size:
            return self.early(collective, size)[0]
        steps = forest.get("steps")
        if steps:
            return self.stepped(collective, steps, forest.get("trees") or 1)[0]
        return self.shares(collective, self.packings(collective, forest.get("hops"), forest.get("trees"))[-1])

    def early(self, collective: Collective, nbytes: int) -> Rated:
        """Trees that bring pieces of so many bytes the earliest, and the algbw that they cannot exceed (GB/s)."""
        board = self._board()
        key = (collective.kind, _root(collective), nbytes)
        return self.once(
            ("early", key), lambda: early_shares(board, self.placement, *key, self.cost_us), _pack_rated, _unpack_rated
        )

    def stepped(self, collective: Collective, steps: int, trees: int) -> Rated:
        """So many trees for each part, done after so many steps, and the algbw that they cannot exceed (GB/s)."""
        board, key = self._board(), (collective.kind, steps, trees)
        return self.once(
            ("stepped", key), lambda: stepped_with_rate(board, self.placement, *key), _pack_rated, _unpack_rated
        )

    def is_short(self, collective: Collective, nbytes: int) -> bool:
        """Whether latency counts for enough that trees grown for it may be faster than a packing."""
        if self.topology is None or collective.counts is not None or not 2 <= collective.ranks <= MOST_EARLY_RANKS:
            return False
        return nbytes / 1e3 / self.bound_GBps(collective) <= LONG * self.least_us(collective)

    def least_us(self, collective: Collective) -> float:
        """The latency that no algorithm beats: in an all-reduce too, what each rank has must only reach every other."""
        board, kind = self._board(), "all_gather" if collective.kind == "all_reduce" else collective.kind
        key = (kind, collective.root)
        return self.once(("latency", key), lambda: least_latency_us(board, kind, self.placement, collective.root))

    def hop_us(self) -> float:
        """The latency between ranks, about: that from the first one to the others."""
        board = self._board()
        found = []
        for dst in self.placement[1 : 1 + HOPS_SEEN]:
            try:
                route = board.route(self.placement[0], dst)
            except NoRouteError:
                continue
            found.append(sum(board.links[link].latency_us or 0.0 for link in route))
        return sum(found) / len(found) if found else 0.0

    def likely_GBps(self) -> float:
        """About what an all-reduce may reach: every byte crosses each rank's links in and out."""
        total = self._board().total_bandwidth_GBps
        return total / 2 / len(self.placement) if total else math.inf

    def bound_GBps(self, collective: Collective) -> float:
        """The algbw that no packing exceeds on the board's routes; inf where none is sought."""
        if collective.kind not in FOREST_KINDS or not 2 <= collective.ranks <= MOST_RANKS:
            return math.inf
        try:
            return self.packings(collective)[-1].bound_GBps
        except NoRouteError:
            return math.inf

    def _board(self) -> Topology:
        if self.topology is None:
            raise UnsupportedError("algorithm: forest needs a board")
        return self.topology


def _root(collective: Collective) -> int:
    return collective.root if collective.kind in ("broadcast", "reduce") else 0


def _pack_rated(found: Rated) -> Any:
    return tuple(astuple(share) for share in found[0]), found[1]


def _unpack_rated(value: Any) -> Rated:
    return tuple(Share(*share) for share in value[0]), value[1]


def _to_tuples(ladder: tuple[Packing, ...]) -> Any:
    return tuple(astuple(packing) for packing in ladder)


def _to_packings(value: Any) -> tuple[Packing, ...]:
    from topology.packing import PackedTree, Packing

    return tuple(
        Packing(rate, bound, tuple(PackedTree(*tree) for tree in trees), prices, hops)
        for rate, bound, trees, prices, hops in value
    )
