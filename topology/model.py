"""The values that every loader produces: nodes, directed links, shared limits, and the topology they make.

Bandwidths are GB/s (10^9 bytes per second) in one direction, latencies microseconds; None is unknown.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import TYPE_CHECKING

from _ringtree.errors import AssumptionError, NoRouteError

from . import check

if TYPE_CHECKING:
    from collections.abc import Sequence

    from _ringtree.core import Board

    from .proven import Bound
    from .torus import Torus


@dataclass(frozen=True, slots=True)
class Node:
    """A device, switch, host, PCIe node or NIC. Names are paths: `box0.chip3` sits on the board placed as `box0`.

    `forward`: traffic of others may pass; always true for what is not a device.
    """

    id: int
    name: str
    kind: str
    profile: str | None = None
    forward: bool = False
    multicast: bool = False
    aggregation: bool = False
    forward_mark: str = ""
    forward_source: str = ""

    @property
    def group(self) -> str:
        """The path of the board on which the node sits, "" at the top."""
        return self.name.rpartition(".")[0]


@dataclass(frozen=True, slots=True)
class Figure:
    """A number with its mark (M, V, P, D, R as in the documentation, A assumed, "" not said) and its source."""

    value: float | None = None
    mark: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class LinkKind:
    """What links (or limits) of one kind are said to carry: figures of a single link, per direction."""

    name: str
    bandwidth: Figure = Figure()
    latency: Figure = Figure()


@dataclass(frozen=True, slots=True)
class Link:
    """The one link from src to dst: `count` parallel ones summed in `bandwidth_GBps`."""

    src: int
    dst: int
    bandwidth_GBps: float | None
    latency_us: float | None = None
    count: int = 1
    kind: str = "link"


@dataclass(frozen=True, slots=True)
class Limit:
    """What the links (indices into Topology.links) carry together, at most."""

    name: str
    bandwidth_GBps: float | None
    links: tuple[int, ...]
    count: int = 1
    kind: str = "limit"


@dataclass(frozen=True)
class Topology:
    """What is wired to what. Immutable and equal by value; links are ordered by (src, dst), ids are positions.

    Raises TopologyError where the parts do not fit together. Loaders build it through `draft.Draft`. `origin`: the
    board that this one was before it lost something, by whose name --assume knows its figures; "" for a whole one.
    """

    name: str
    nodes: tuple[Node, ...]
    links: tuple[Link, ...]
    limits: tuple[Limit, ...] = ()
    kinds: tuple[LinkKind, ...] = ()
    description: str = ""
    source: str = ""
    origin: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        check.topology(self)

    def __getstate__(self) -> dict[str, object]:
        # Only the fields travel between processes: cached boards hold pointers into the C core.
        return {each.name: getattr(self, each.name) for each in fields(self)}

    @cached_property
    def devices(self) -> tuple[int, ...]:
        """Ids of the nodes that compute, in order: device i of the board is node devices[i]."""
        return tuple(node.id for node in self.nodes if node.kind == "device")

    @cached_property
    def link_index(self) -> dict[tuple[int, int], int]:
        """Position in `links` of the link from src to dst."""
        return {(link.src, link.dst): index for index, link in enumerate(self.links)}

    @cached_property
    def total_bandwidth_GBps(self) -> float | None:
        """What all devices can send at once on their links, shared limits left out; None where a link is unknown."""
        total = 0.0
        for link in self.links:
            if self.nodes[link.src].kind == "device":
                if link.bandwidth_GBps is None:
                    return None
                total += link.bandwidth_GBps
        return total

    def key(self, kind: str) -> str:
        """What stands before `.latency` and `.bandwidth` in --assume: a kind of another board has its name with it."""
        return kind if "." in kind else f"{self.origin or self.name}.{kind}"

    @cached_property
    def assumed(self) -> tuple[str, ...]:
        """Every assumption that the value rests on, as --assume would take it."""
        from .assumptions import assumed

        return assumed(self)

    def with_defaults(self, latency_us: float | None = None) -> Topology:
        """The same topology with this latency on the links that state none, marked as assumed."""
        from .assumptions import fill_latency

        return self if latency_us is None else fill_latency(self, latency_us)

    def digest(self) -> str:
        """Hash of the content: nodes, links, limits."""
        return hashlib.sha256(repr((self.nodes, self.links, self.limits)).encode()).hexdigest()

    def board(self, cost_us: float = 0.0) -> Board:
        """The core's board, link indices as here; `cost_us` occupies every link and limit for each message.

        Raises AssumptionError where a bandwidth or a latency is unknown.
        """
        if cost_us not in self._boards:
            self._require_latencies()
            self._boards[cost_us] = self._build(cost_us)
        return self._boards[cost_us]

    def route(self, src: int, dst: int, detour: bool = False) -> tuple[int, ...]:
        """Indices of the links from node src to node dst: fewest, then widest, then smallest node ids.

        `detour`: as if the first link of the route were not there. Raises NoRouteError, AssumptionError where a
        bandwidth is unknown.
        """
        try:
            return self._router.route(src, dst, detour=detour)
        except NoRouteError:
            ends = f"{self.nodes[src].name} to {self.nodes[dst].name}"
            raise NoRouteError(f"{self.name}: no route from {ends}; devices that lie between do not forward") from None

    def torus(self, placement: tuple[int, ...]) -> Torus | None:
        """The torus that direct links make of the devices on these nodes, found once; None where there is none."""
        if placement not in self._tori:
            from .torus import find_torus

            self._tori[placement] = find_torus(self, placement)
        return self._tori[placement]

    @cached_property
    def _tori(self) -> dict[tuple[int, ...], Torus | None]:
        return {}

    def bound(
        self,
        collective: str,
        devices: Sequence[int] | None = None,
        root: int = 0,
        in_switch: bool = False,
        weights: Sequence[int] | None = None,
    ) -> Bound | None:
        """How fast the collective can be on these devices (None: all), whatever the algorithm; see bounds.bound.

        Other devices take no part. Computed once. None for a barrier, one rank, or where nothing moves.
        """
        from .bounds import bound_on

        chips, parts = (None if given is None else tuple(given) for given in (devices, weights))
        asked = (collective, chips, root, in_switch, parts)
        if asked not in self._bounds:
            self._bounds[asked] = bound_on(self, *asked)
        return self._bounds[asked]

    @cached_property
    def _bounds(self) -> dict[tuple[object, ...], Bound | None]:
        return {}

    @cached_property
    def _boards(self) -> dict[float, Board]:
        return {}

    @cached_property
    def _router(self) -> Board:
        # Latency takes no part in the choice of a route, so an unknown one must not stop it.
        return self._build(0.0)

    def _build(self, cost_us: float) -> Board:
        from _ringtree.core import Board

        return Board(
            [node.forward for node in self.nodes],
            links=[(link.src, link.dst, self.bandwidth(link), link.latency_us or 0.0, cost_us) for link in self.links],
            limits=[(self.bandwidth(limit), cost_us, list(limit.links)) for limit in self.limits],
        )

    def bandwidth(self, part: Link | Limit) -> float:
        if part.bandwidth_GBps is None:
            what = f"limit {part.name}" if isinstance(part, Limit) else self._ends(part)
            raise AssumptionError(
                f"{self.name}: bandwidth of {what} is unknown; "
                f"supply it with --assume {_quoted(self.key(part.kind))}.bandwidth='50 GB/s' (a figure of yours)"
            )
        return part.bandwidth_GBps

    def _require_latencies(self) -> None:
        for link in self.links:
            if link.latency_us is None:
                raise AssumptionError(
                    f"{self.name}: latency of {self._ends(link)} is unknown; "
                    f"supply it with --assume {_quoted(self.key(link.kind))}.latency=1us or --latency 1us"
                )

    def _ends(self, link: Link) -> str:
        return f"link {self.nodes[link.src].name} -> {self.nodes[link.dst].name} (kind '{link.kind}')"


def _quoted(key: str) -> str:
    return key if " " not in key else f"'{key}'"
