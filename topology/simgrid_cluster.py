"""SimGrid's <cluster>: hosts around a crossbar or a backbone, or in a fat tree, a torus, a dragonfly."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations

from .draft import MAX_NODES
from .model import Figure, Limit, Link, LinkKind
from .shapes import torus
from .simgrid_draft import ROUTE, SHARED, PlatformDraft
from .simgrid_values import Pipe, node_name
from .xmlread import Element
from .yamlread import fail, shorten

NEEDED = ("id", "prefix", "suffix", "radical", "speed", "bw", "lat")
OTHERS = (
    "core", "sharing_policy", "topology", "topo_parameters", "bb_bw", "bb_lat", "bb_sharing_policy", "router_id",
    "limiter_link", "loopback_bw", "loopback_lat",
)  # fmt: skip
TOPOLOGIES = ("FLAT", "FAT_TREE", "TORUS", "DRAGONFLY")
POLICIES = ("SPLITDUPLEX", "SHARED", "FULLDUPLEX")
BACKBONE = ("SHARED", "FATPIPE")
MAX_LEVELS = 16


class Hub:
    """Hosts around one switch, behind which the backbone lies: host > up > backbone > down > host.

    The way to the switch takes the backbone with it. A router, the door to other zones, stands behind the backbone
    too; it is a node of its own only where there is both a backbone and someone who names it.
    """

    def __init__(self, platform: PlatformDraft, element: Element, path: str) -> None:
        self.platform = platform
        self.element = element
        self.path = path
        self.backbone: Pipe | None = None
        self.switch = platform.node(element, f"{element.get('id')} switch", path, "switch", "switch")

    def host(self, element: Element, node: int, up: list[Pipe], down: list[Pipe], kind: str = ROUTE) -> None:
        """Join a host by its pipes."""
        behind = [self.backbone] if self.backbone else []
        self.platform.way(element, node, self.switch, [*up, *behind], kind)
        self.platform.way(element, self.switch, node, down, kind)

    def router(self, ident: str) -> int:
        """The node of the router with this id, made now."""
        if self.backbone is None:
            return self.switch
        node = self.platform.node(self.element, ident, self.path, "switch", "router")
        self.platform.way(self.element, node, self.switch, [self.backbone])
        out = Pipe("", self.backbone.bandwidth_GBps, 0.0, shared=False)
        self.platform.way(self.element, self.switch, node, [out])
        return node


@dataclass
class Cluster:
    """The hosts of one <cluster>, and the figures of its links."""

    platform: PlatformDraft
    element: Element
    path: str
    kind: LinkKind
    policy: str
    limiter_GBps: float | None
    hosts: list[int]

    def wire(self, a: int, b: int, count: int = 1) -> None:
        """Parallel links between two nodes."""
        bandwidth = (self.kind.bandwidth.value or 0.0) * count
        link = Link(a, b, bandwidth, self.kind.latency.value, count, self.kind.name)
        self.platform.draft.both(link)
        if self.policy == "SHARED":
            names = (self.platform.draft.nodes[end].name for end in (a, b))
            limit = Limit(f"{self.kind.name}.{'-'.join(names)}", bandwidth, (), count, self.kind.name)
            self.platform.draft.limit(limit, [(a, b), (b, a)])

    def limit(self) -> None:
        """`limiter_link`: what a host sends and receives, and what a switch sends, is bounded."""
        if self.limiter_GBps is None:
            return
        draft = self.platform.draft
        ours: dict[int, list[tuple[int, int]]] = {}
        for src, dst in draft.links:
            if draft.links[src, dst].kind == self.kind.name:
                ours.setdefault(src, []).append((src, dst))
                if draft.nodes[dst].kind == "device":
                    ours.setdefault(dst, []).append((src, dst))
        for node, ends in ours.items():
            limit = Limit(f"{draft.nodes[node].name}.limiter", self.limiter_GBps, (), kind=SHARED)
            draft.limit(limit, ends)


def load(platform: PlatformDraft, element: Element, path: str) -> Hub | None:
    """Add the hosts and links of a <cluster>; the hub that it has if it is flat."""
    read = platform.read
    read.check(element, NEEDED, OTHERS)
    shape = read.choice(element, "topology", TOPOLOGIES)
    cluster = _cluster(platform, element, path, element.get("id"), forward=shape == "TORUS")
    if shape == "FLAT":
        return _flat(cluster)
    if element.get("bb_bw"):
        fail(platform.label, element, f"found bb_bw in a cluster that is a {shape}; expected it in FLAT ones")
    with platform.at(element):
        {"FAT_TREE": _fat_tree, "TORUS": _torus, "DRAGONFLY": _dragonfly}[shape](cluster)
        cluster.limit()
    return None


def cabinet(platform: PlatformDraft, element: Element, path: str, hub: Hub) -> None:
    """Add the hosts of a <cabinet> to the hub of its zone."""
    platform.read.check(element, NEEDED, ())
    _join(_cluster(platform, element, path, f"{hub.element.get('id')} {element.get('id')}"), hub)


def _cluster(platform: PlatformDraft, element: Element, path: str, name: str, forward: bool = False) -> Cluster:
    read = platform.read
    bandwidth, latency = read.bandwidth(element, "bw"), read.latency(element, "lat")
    kind = LinkKind(node_name(name), Figure(bandwidth), Figure(latency))
    limiter = read.bandwidth(element, "limiter_link") if element.get("limiter_link") else None
    numbers = read.ranges(element, "radical", MAX_NODES)
    with platform.at(element):
        platform.draft.kind(kind)
        platform.draft.room(len(numbers), 2 * len(numbers))
    prefix, suffix = element.get("prefix"), element.get("suffix")
    hosts = [
        platform.node(element, f"{prefix}{number}{suffix}", path, "device", f"{prefix}{number}", forward)
        for number in numbers
    ]
    return Cluster(platform, element, path, kind, read.choice(element, "sharing_policy", POLICIES), limiter, hosts)


def _flat(cluster: Cluster) -> Hub:
    platform, element, read = cluster.platform, cluster.element, cluster.platform.read
    hub = Hub(platform, element, cluster.path)
    if element.get("bb_bw"):
        shared = read.choice(element, "bb_sharing_policy", BACKBONE) == "SHARED"
        figures = read.bandwidth(element, "bb_bw"), read.latency(element, "bb_lat")
        hub.backbone = platform.pipe(f"{element.get('id')}.backbone", *figures, shared)
    _join(cluster, hub)
    return hub


def _join(cluster: Cluster, hub: Hub) -> None:
    """The hosts at a hub, each with pipes of its own."""
    platform, kind = cluster.platform, cluster.kind
    figures = kind.bandwidth.value or 0.0, kind.latency.value or 0.0
    for host in cluster.hosts:
        name = platform.draft.nodes[host].name
        up = down = platform.pipe(name, *figures)
        if cluster.policy != "SHARED":
            down = platform.pipe(f"{name}.down", *figures)
        limiter = []
        if cluster.limiter_GBps is not None:
            limiter = [platform.pipe(f"{name}.limiter", cluster.limiter_GBps, 0.0)]
        hub.host(cluster.element, host, [*limiter, up], [down, *limiter], kind.name)


def _sized(cluster: Cluster, name: str, expected: int) -> None:
    if len(cluster.hosts) != expected:
        found = f"found {len(cluster.hosts)} hosts for {name} {shorten(cluster.element.get('topo_parameters'))!r}"
        fail(cluster.platform.label, cluster.element, f"{found}; expected {expected}")


def _torus(cluster: Cluster) -> None:
    """`3,2,2`: sizes, the first dimension fastest."""
    sizes, *others = cluster.platform.read.numbers(cluster.element, "topo_parameters")
    if others or len(sizes) > MAX_LEVELS:
        found = f"found {shorten(cluster.element.get('topo_parameters'))!r} for a torus"
        fail(cluster.platform.label, cluster.element, f"{found}; expected at most {MAX_LEVELS} sizes")
    if cluster.limiter_GBps is not None:
        fail(cluster.platform.label, cluster.element, "found limiter_link in a TORUS; expected it in other clusters")
    _sized(cluster, "a torus", math.prod(sizes))
    cluster.platform.draft.room(links=2 * len(sizes) * len(cluster.hosts))
    for a, b in torus(cluster.hosts, sizes[::-1]):
        cluster.wire(a, b)


def _fat_tree(cluster: Cluster) -> None:
    """`2;4,4;1,2;1,2`: levels; children of a node of each level; parents; parallel links to each.

    A node of level l is numbered by a digit for each level, the first fastest: below l one of the parents it may
    have, from l on one of the children it may be. It is joined with those of the next level that differ in digit l.
    """
    read, element = cluster.platform.read, cluster.element
    levels = read.numbers(element, "topo_parameters")[0][0]
    if levels > MAX_LEVELS:
        fail(cluster.platform.label, element, f"found a fat tree of {levels} levels; expected at most {MAX_LEVELS}")
    _, down, up, counts = read.numbers(element, "topo_parameters", (1, levels, levels, levels))
    _sized(cluster, "a fat tree", math.prod(down))
    below = cluster.hosts
    for level in range(levels):
        sizes = [*up[: level + 1], *down[level + 1 :]]
        cluster.platform.draft.room(math.prod(sizes), 2 * len(below) * up[level])
        above = [_switch(cluster, f"level{level + 1}_switch{number}") for number in range(math.prod(sizes))]
        stride = math.prod(up[:level])
        for number, node in enumerate(below):
            low, high = number % stride, number // (stride * down[level])
            for parent in range(up[level]):
                cluster.wire(node, above[(high * up[level] + parent) * stride + low], counts[level])
        below = above


def _dragonfly(cluster: Cluster) -> None:
    """`3,4;4,3;5,1;2`: groups, chassis of a group, routers of a chassis, each with their links; hosts of a router.

    All routers of a chassis are joined, as are those at the same place in the chassis of a group, and router j of
    group i with router i of group j.
    """
    read, element = cluster.platform.read, cluster.element
    (groups, blue), (chassis, black), (blades, green), (hosts,) = read.numbers(element, "topo_parameters", (2, 2, 2, 1))
    _sized(cluster, "a dragonfly", groups * chassis * blades * hosts)
    if groups > blades:
        fail(cluster.platform.label, element, f"found {groups} groups, {blades} routers in a chassis; expected no more")
    routers = groups * chassis * blades
    cluster.platform.draft.room(routers, routers * (blades + chassis + 2 * hosts))
    switches = [_switch(cluster, f"router{number}") for number in range(routers)]
    for number, host in enumerate(cluster.hosts):
        cluster.wire(host, switches[number // hosts])
    for first in range(0, routers, blades):
        for a, b in combinations(switches[first : first + blades], 2):
            cluster.wire(a, b, green)
    for first in range(routers):
        if first // blades % chassis == 0:
            for a, b in combinations(switches[first : first + blades * chassis : blades], 2):
                cluster.wire(a, b, black)
    for i, j in combinations(range(groups), 2):
        cluster.wire(switches[i * blades * chassis + j], switches[j * blades * chassis + i], blue)


def _switch(cluster: Cluster, name: str) -> int:
    return cluster.platform.node(cluster.element, f"{cluster.element.get('id')} {name}", cluster.path, "switch", name)
