"""Assumed figures of a topology: listed, overridden with --assume, or filled in for links that state none.

A figure is assumed when its mark is A. Keys are `<board>.<kind>.bandwidth`, `<board>.<kind>.latency` and
`<profile>.forward` (`<board>.forward` for devices without a profile).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from _ringtree.assume import Assumptions
from _ringtree.errors import InputError, TopologyError

from .figures import parse_bandwidth, parse_latency, spell
from .model import Figure, Limit, Link, Node, Topology


def assumed(topology: Topology) -> tuple[str, ...]:
    """`ppu-8.icn.latency=1 us` and so on: what --assume would take."""
    found = []
    of_links = {link.kind for link in topology.links}
    for kind in topology.kinds:
        key = topology.key(kind.name)
        if kind.bandwidth.mark == "A":
            found.append(f"{key}.bandwidth={spell(kind.bandwidth.value)} GB/s")
        if kind.latency.mark == "A" and kind.name in of_links:
            found.append(f"{key}.latency={spell(kind.latency.value)} us")
    forwards: dict[str, bool] = {}
    for node in topology.nodes:
        if node.forward_mark == "A":
            key = _forward_key(topology, node)
            # A device that takes no part may have been closed to others' traffic: the assumption stands all the same.
            forwards[key] = forwards.get(key, False) or node.forward
    return tuple(found + [f"{key}={str(flag).lower()}" for key, flag in forwards.items()])


def apply(topology: Topology, assume: Assumptions) -> Topology:
    """The topology with the figures that `assume` gives; what it gives is marked A from then on."""
    bandwidths: dict[str, Figure] = {}
    latencies: dict[str, Figure] = {}
    for kind in topology.kinds:
        key = topology.key(kind.name)
        _take(assume, f"{key}.bandwidth", parse_bandwidth, kind.name, bandwidths)
        _take(assume, f"{key}.latency", parse_latency, kind.name, latencies)
    nodes = tuple(_forwarding(topology, node, assume) for node in topology.nodes)
    return _with_figures(replace(topology, nodes=nodes), bandwidths, latencies)


def fill_latency(topology: Topology, latency_us: float) -> Topology:
    """Give latency_us to every link without a latency."""
    figure = Figure(parse_latency(f"{latency_us!r} us"), "A", "given for links that state no latency")
    unknown = {kind.name: figure for kind in topology.kinds if kind.latency.value is None}
    return _with_figures(topology, {}, unknown)


def _take(assume: Assumptions, key: str, parse: Callable[[str], float], kind: str, figures: dict[str, Figure]) -> None:
    text = assume.get(key)
    if text is not None:
        try:
            figures[kind] = Figure(parse(text), "A", "--assume")
        except InputError as error:
            raise TopologyError(f"--assume {key}: {error}") from None


def _forward_key(topology: Topology, node: Node) -> str:
    return f"{node.profile or topology.origin or topology.name}.forward"


def _forwarding(topology: Topology, node: Node, assume: Assumptions) -> Node:
    if node.kind != "device":
        return node
    key = _forward_key(topology, node)
    text = assume.get(key)
    if text is None:
        return node
    if text not in ("true", "false"):
        raise TopologyError(f"--assume {key}: found {text!r}; expected true or false")
    return replace(node, forward=text == "true", forward_mark="A", forward_source="--assume")


def _with_figures(topology: Topology, bandwidths: dict[str, Figure], latencies: dict[str, Figure]) -> Topology:
    if not bandwidths and not latencies:
        return topology
    old = {kind.name: kind for kind in topology.kinds}
    kinds = tuple(
        replace(
            kind,
            bandwidth=bandwidths.get(kind.name, kind.bandwidth),
            latency=latencies.get(kind.name, kind.latency),
        )
        for kind in topology.kinds
    )

    def bandwidth(part: Link | Limit) -> float | None:
        if part.kind in bandwidths and part.bandwidth_GBps == times(old[part.kind].bandwidth.value, part.count):
            return times(bandwidths[part.kind].value, part.count)
        return part.bandwidth_GBps

    def latency(link: Link) -> float | None:
        inherits = link.kind in latencies and link.latency_us == old[link.kind].latency.value
        return latencies[link.kind].value if inherits else link.latency_us

    links = tuple(replace(link, bandwidth_GBps=bandwidth(link), latency_us=latency(link)) for link in topology.links)
    limits = tuple(replace(limit, bandwidth_GBps=bandwidth(limit)) for limit in topology.limits)
    return replace(topology, kinds=kinds, links=links, limits=limits)


def times(bandwidth: float | None, count: int) -> float | None:
    """What `count` parallel links carry."""
    return None if bandwidth is None else bandwidth * count
