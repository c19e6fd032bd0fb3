"""What must hold for the parts of a topology to make one. Loaders report files' mistakes earlier, with a place."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from _ringtree.errors import TopologyError

if TYPE_CHECKING:
    from .model import Limit, Link, LinkKind, Node, Topology

NODE_KINDS = ("device", "switch", "host", "pcie", "nic")
MARK = re.compile(r"[MVPDR](/[MVPDR])*")
NODE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")


def topology(value: Topology) -> None:
    """Raise TopologyError, naming the part, unless the value is well formed."""
    kinds = {kind.name: kind for kind in value.kinds}
    try:
        if not value.name:
            raise TopologyError("found an empty name; expected the board's")
        _nodes(value.nodes)
        _kinds(value.kinds)
        for link in value.links:
            _link(link, len(value.nodes), kinds)
        _ascending(value.links)
        _limits(value.limits, len(value.links), kinds)
    except TopologyError as error:
        raise TopologyError(f"{value.name}: {error}") from None


def mark_fits(mark: str, known: bool) -> bool:
    """Whether a figure may carry the mark: U says unknown, all others need a value."""
    if not known:
        return mark in ("", "U")
    return mark in ("", "A") or MARK.fullmatch(mark) is not None


def positive(value: float | None) -> bool:
    return value is None or (math.isfinite(value) and value > 0)


def not_negative(value: float | None) -> bool:
    return value is None or (math.isfinite(value) and value >= 0)


def _nodes(nodes: Iterable[Node]) -> None:
    names = set()
    devices = 0
    for index, node in enumerate(nodes):
        if node.id != index:
            raise TopologyError(f"node {index}: found id {node.id}; expected ids in order")
        if not NODE_NAME.fullmatch(node.name) or node.name in names:
            raise TopologyError(f"node {index}: found name {node.name!r}; expected a unique path such as box0.chip3")
        if node.kind not in NODE_KINDS:
            raise TopologyError(f"node {node.name}: found kind {node.kind!r}; expected one of {', '.join(NODE_KINDS)}")
        if node.kind != "device" and not node.forward:
            raise TopologyError(f"node {node.name}: found forward=False; expected a {node.kind} to forward")
        if node.forward_mark == "U" or not mark_fits(node.forward_mark, True):
            raise TopologyError(f"node {node.name}: found mark {node.forward_mark!r}; expected M, V, P, D, R or A")
        names.add(node.name)
        devices += node.kind == "device"
    if not devices:
        raise TopologyError("found no device; expected at least one")


def _kinds(kinds: tuple[LinkKind, ...]) -> None:
    names = [kind.name for kind in kinds]
    if names != sorted(set(names)) or "" in names:
        raise TopologyError("kinds: expected names of their own, in order")
    for kind in kinds:
        if not positive(kind.bandwidth.value) or not not_negative(kind.latency.value):
            raise TopologyError(f"kind {kind.name!r}: expected a finite bandwidth above 0 and a latency of 0 or more")
        for figure in (kind.bandwidth, kind.latency):
            if not mark_fits(figure.mark, figure.value is not None):
                raise TopologyError(f"kind {kind.name!r}: found mark {figure.mark!r}; expected one that fits the value")


def _link(link: Link, nodes: int, kinds: dict[str, LinkKind]) -> None:
    where = f"link {link.src} -> {link.dst}"
    if not (0 <= link.src < nodes and 0 <= link.dst < nodes and link.src != link.dst):
        raise TopologyError(f"{where}: expected two different nodes of 0..{nodes - 1}")
    _figures(where, link, kinds)
    if not not_negative(link.latency_us):
        raise TopologyError(f"{where}: found latency {link.latency_us}; expected microseconds, finite, 0 or more")
    if link.latency_us is None and kinds[link.kind].latency.value is not None:
        raise TopologyError(f"{where}: found no latency; expected one, as its kind {link.kind!r} has one")


def _figures(where: str, part: Link | Limit, kinds: dict[str, LinkKind]) -> None:
    if part.count < 1:
        raise TopologyError(f"{where}: found count {part.count}; expected 1 or more")
    if part.kind not in kinds:
        raise TopologyError(f"{where}: found kind {part.kind!r}; expected one of the topology's kinds")
    if not positive(part.bandwidth_GBps):
        raise TopologyError(f"{where}: found bandwidth {part.bandwidth_GBps}; expected GB/s, finite, above 0")
    if part.bandwidth_GBps is None and kinds[part.kind].bandwidth.value is not None:
        raise TopologyError(f"{where}: found no bandwidth; expected one, as its kind {part.kind!r} has one")


def _ascending(links: tuple[Link, ...]) -> None:
    for before, after in itertools.pairwise(links):
        if (before.src, before.dst) >= (after.src, after.dst):
            raise TopologyError(f"link {after.src} -> {after.dst}: expected links ordered by (src, dst), each once")


def _limits(limits: tuple[Limit, ...], links: int, kinds: dict[str, LinkKind]) -> None:
    names = set()
    for limit in limits:
        where = f"limit {limit.name!r}"
        if not limit.name or limit.name in names:
            raise TopologyError(f"{where}: expected a name of its own")
        names.add(limit.name)
        _figures(where, limit, kinds)
        ordered = sorted(set(limit.links))
        if not ordered or tuple(ordered) != limit.links or ordered[0] < 0 or ordered[-1] >= links:
            raise TopologyError(f"{where}: expected link indices of 0..{links - 1}, ascending, at least one")


def unreachable(value: Topology) -> tuple[int, str] | None:
    """The first device that the links do not join to device 0, and how; chips in between need not forward."""
    first = value.devices[0]
    ways: tuple[dict[int, list[int]], dict[int, list[int]]] = ({}, {})
    for link in value.links:
        ways[0].setdefault(link.src, []).append(link.dst)
        ways[1].setdefault(link.dst, []).append(link.src)
    for way, verb in zip(ways, ("be reached from", "reach"), strict=True):
        seen = {first}
        front = [first]
        while front:
            new = [far for node in front for far in way.get(node, ()) if far not in seen]
            front = list(dict.fromkeys(new))
            seen.update(front)
        for device in value.devices:
            if device not in seen:
                ends = f"device {value.nodes[device].name!r} cannot {verb} {value.nodes[first].name!r}"
                return device, f"{ends}; expected links that join all devices, both ways"
    return None
