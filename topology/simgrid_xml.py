"""SimGrid platforms (XML version 4 and 4.1): hosts as devices, routers as switches, routes as links.

SimGrid's routes are lists of links (pipes, here), which need not make a graph. So each <route> becomes one link, as
narrow as its narrowest pipe and as late as all together, and each pipe that several routes pass a limit over them:
what shares a pipe in SimGrid shares it here. A SPLITDUPLEX pipe is two, one for each way; a FATPIPE bounds each route
by itself. Between routes of different zones the way leads over gateways, which forward. <cluster> is in
simgrid_cluster.py. Nodes are named after the ids, below the zones that they are in; the outermost is left out.

Lost: speeds, cores, disks and profiles of hosts, loopbacks, properties, and SimGrid's factors for TCP. Routes of our
own are the shortest: where SimGrid spreads (fat trees) or goes dimension by dimension, ours do not.
"""

from __future__ import annotations

from .model import Topology
from .simgrid_cluster import Hub, cabinet
from .simgrid_cluster import load as load_cluster
from .simgrid_draft import PlatformDraft
from .simgrid_values import Pipe, node_name
from .xmlread import Element
from .yamlread import fail, shorten

VERSIONS = ("4", "4.1")
SYNONYMS = {"AS": "zone", "ASroute": "zoneRoute"}
ROUTINGS = ("Full", "Floyd", "Dijkstra", "DijkstraCache", "None", "Cluster")
RELAYING = ROUTINGS[1:4]  # paths are put together of routes, also over hosts
POLICIES = ("SHARED", "SPLITDUPLEX", "FATPIPE", "FULLDUPLEX")
STAR = ("host_link", "cabinet", "backbone")
LOST = ("prop", "config", "random", "storage", "storage_type", "process", "actor")
HOST = (("id", "speed"), ("core", "speed_file", "availability_file", "state_file", "coordinates", "pstate"))
LINK = (("id", "bandwidth"), ("latency", "sharing_policy"))
ROUTE = (("src", "dst"), ("symmetrical",))
ZONE_ROUTE = (("src", "dst", "gw_src", "gw_dst"), ("symmetrical",))


def load(root: Element, label: str, name: str) -> Topology:
    """The platform of an XML file's root, called `name`. Raises TopologyError with line and column."""
    if root.get("version") not in VERSIONS:
        fail(label, root, f"found version {shorten(root.get('version'))!r} of <platform>; expected 4 or 4.1")
    zones = [child for child in root.children if child.tag not in LOST]
    if len(zones) != 1 or SYNONYMS.get(zones[0].tag, zones[0].tag) not in ("zone", "cluster"):
        found = ", ".join(f"<{shorten(zone.tag)}>" for zone in zones[:3]) or "nothing"
        fail(label, root, f"found {found} in <platform>; expected one <zone> or <cluster>")
    return _Platform(label).topology(root, zones[0], name)


class _Platform:
    """Walks through the zones; ids are known to all that comes after."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.platform = PlatformDraft(label)
        self.read = self.platform.read
        self.links: dict[str, tuple[Pipe, Pipe]] = {}  # by id: there and back
        self.zones: set[str] = set()
        self.doors: dict[str, Hub] = {}  # routers of hubs, made when they are named

    def topology(self, root: Element, zone: Element, name: str) -> Topology:
        if zone.tag == "cluster":
            self.cluster(zone, "")
        else:
            self.zone(zone, "")
        if not any(node.kind == "device" for node in self.platform.draft.nodes):
            fail(self.label, root, "found no <host>; expected at least one")
        return self.platform.finish(name, root)

    def zone(self, element: Element, path: str) -> None:
        """One zone and those in it, in the order of the file."""
        self.read.check(element, ("id", "routing"), ())
        routing = self.read.choice(element, "routing", ROUTINGS)
        self.known_zone(element)
        hub = Hub(self.platform, element, path) if routing == "Cluster" else None
        if hub is not None:
            self.backbone(hub, element)
        for child in element.children:
            tag = SYNONYMS.get(child.tag, child.tag)
            if tag in ("zone", "cluster"):
                inner = f"{path}{node_name(child.get('id'))}."
                self.zone(child, inner) if tag == "zone" else self.cluster(child, inner)
            elif tag == "host":
                self.read.check(child, *HOST)
                self.platform.node(child, child.get("id"), path, "device", forward=routing in RELAYING)
            elif tag == "router":
                self.router(child, path, hub)
            elif tag == "link":
                self.link(child)
            elif tag in ("route", "zoneRoute"):
                self.route(child, tag == "zoneRoute", routing)
            elif tag in STAR and hub is not None:
                self.star(child, path, hub)
            elif tag not in LOST:
                wanted = "zones, clusters, hosts, routers, links and routes only"
                fail(self.label, child, f"found <{shorten(tag)}> in a <zone> of routing {routing}; expected {wanted}")

    def star(self, element: Element, path: str, hub: Hub) -> None:
        """What only a zone of routing Cluster has; its backbone is there already."""
        if element.tag == "host_link":
            self.host_link(element, hub)
        elif element.tag == "cabinet":
            cabinet(self.platform, element, path, hub)

    def cluster(self, element: Element, path: str) -> None:
        self.known_zone(element)
        hub = load_cluster(self.platform, element, path)
        if hub is not None:
            default = f"{element.get('prefix')}{element.get('id')}_router{element.get('suffix')}"
            self.doors[element.get("router_id") or default] = hub

    def known_zone(self, element: Element) -> None:
        if element.get("id") in self.zones:
            fail(self.label, element, f"found the id {shorten(element.get('id'))!r} again; expected ids of their own")
        self.zones.add(element.get("id"))

    def backbone(self, hub: Hub, zone: Element) -> None:
        """The <backbone> of a zone of routing Cluster, wherever it stands."""
        for element in zone.children:
            if element.tag == "backbone":
                self.read.check(element, ("id", "bandwidth", "latency"), ())
                figures = self.read.bandwidth(element, "bandwidth"), self.read.latency(element, "latency")
                hub.backbone = self.platform.pipe(element.get("id"), *figures)

    def host_link(self, element: Element, hub: Hub) -> None:
        self.read.check(element, ("id", "up", "down"), ())
        up, down = self.pipe(element, element.get("up"))[0], self.pipe(element, element.get("down"))[0]
        for pipe in (up, down):
            if not pipe.shared:
                fail(self.label, element, f"found the FATPIPE {shorten(pipe.name)!r} of a host; expected it on routes")
        hub.host(element, self.point(element, element.get("id")), [up], [down])

    def router(self, element: Element, path: str, hub: Hub | None) -> None:
        self.read.check(element, ("id",), ("coordinates",))
        if hub is None:
            self.platform.node(element, element.get("id"), path, "switch")
        else:
            self.doors[element.get("id")] = hub

    def link(self, element: Element) -> None:
        for name in ("bandwidth_file", "latency_file", "state_file"):
            if element.get(name):
                fail(self.label, element, f"found {name} in <link>; expected links that do not change in time")
        self.read.check(element, LINK[0], (*LINK[1], "bandwidth_file", "latency_file", "state_file"))
        ident = element.get("id")
        figures = self.read.bandwidth(element, "bandwidth"), self.read.latency(element, "latency")
        policy = self.read.choice(element, "sharing_policy", POLICIES)
        if ident in self.links:
            fail(self.label, element, f"found the link {shorten(ident)!r} again; expected ids of their own")
        if policy in ("SHARED", "FATPIPE"):
            pipe = self.platform.pipe(ident, *figures, shared=policy == "SHARED")
            self.links[ident] = (pipe, pipe)
        else:
            up, down = (self.platform.pipe(f"{ident}_{way}", *figures) for way in ("UP", "DOWN"))
            self.links |= {ident: (up, down), up.name: (up, up), down.name: (down, down)}

    def route(self, element: Element, zones: bool, routing: str) -> None:
        """One link for a <route> or <zoneRoute>, two if it is symmetrical; routes of a host to itself are lost."""
        self.read.check(element, *(ZONE_ROUTE if zones else ROUTE))
        both = self.read.choice(element, "symmetrical", ("YES", "NO", "yes", "no")).upper() == "YES"
        steps = [self.step(child) for child in element.children]
        if not steps:
            fail(self.label, element, f"found no <link_ctn> in <{element.tag}>; expected at least one")
        if len(steps) > 1 and routing in RELAYING:
            found = f"found a route of {len(steps)} links in a zone of routing {routing}"
            fail(self.label, element, f"{found}; expected 1 each: paths there are the shortest in links")
        if not zones and element.get("src") == element.get("dst"):
            return
        for zone in (element.get("src"), element.get("dst")) if zones else ():
            if zone not in self.zones:
                fail(self.label, element, f"found the zone {shorten(zone)!r}; expected one of this file, before")
        ends = [self.point(element, element.get(f"gw_{end}" if zones else end)) for end in ("src", "dst")]
        if zones:
            for node in ends:
                self.platform.forwards(node)
        src, dst = ends
        self.platform.way(element, src, dst, [there for there, _ in steps])
        if both:
            self.platform.way(element, dst, src, [back for _, back in reversed(steps)])

    def step(self, element: Element) -> tuple[Pipe, Pipe]:
        """The pipe that a <link_ctn> takes, and that of the way back."""
        if element.tag != "link_ctn":
            fail(self.label, element, f"found <{shorten(element.tag)}> in a route; expected <link_ctn>")
        self.read.check(element, ("id",), ("direction",))
        direction = self.read.choice(element, "direction", ("NONE", "UP", "DOWN"))
        there, back = self.pipe(element, element.get("id"))
        if there is not back and direction == "NONE":
            wanted = "direction UP or DOWN of a link that is SPLITDUPLEX"
            fail(self.label, element, f"found no direction for {shorten(element.get('id'))!r}; expected {wanted}")
        return (back, there) if direction == "DOWN" else (there, back)

    def pipe(self, element: Element, ident: str) -> tuple[Pipe, Pipe]:
        if ident not in self.links:
            fail(self.label, element, f"found the link {shorten(ident)!r}; expected one of this file, before")
        return self.links[ident]

    def point(self, element: Element, ident: str) -> int:
        """The node with this id: a host, a router, or the router that stands for a hub."""
        if ident not in self.platform.points and ident in self.doors:
            self.platform.points[ident] = self.doors[ident].router(ident)
        if ident not in self.platform.points:
            wanted = "a <host> or <router> of this file, before"
            fail(self.label, element, f"found {shorten(ident)!r} in <{element.tag}>; expected {wanted}")
        return self.platform.points[ident]
