"""SimGrid platforms: routes as links, shared links as limits, zones with gateways, and what is refused."""

from __future__ import annotations

import pytest

import topology
from _ringtree.errors import TopologyError
from topology import Topology

DOCTYPE = '<?xml version="1.0"?>\n<!DOCTYPE platform SYSTEM "https://simgrid.org/simgrid.dtd">\n'


def platform(body: str, routing: str = "Full") -> str:
    return f'<platform version="4.1"><zone id="world" routing="{routing}">\n{body}\n</zone></platform>'


def hosts(*names: str) -> str:
    return "".join(f'<host id="{name}" speed="1Gf"/>' for name in names)


def link(name: str, bandwidth: str = "1GBps", latency: str = "10us", policy: str = "SHARED") -> str:
    return f'<link id="{name}" bandwidth="{bandwidth}" latency="{latency}" sharing_policy="{policy}"/>'


def route(src: str, dst: str, *links: str, more: str = "") -> str:
    steps = "".join(f'<link_ctn id="{name}"/>' for name in links)
    return f'<route src="{src}" dst="{dst}"{more}>{steps}</route>'


def wires(board: Topology) -> dict[tuple[str, str], tuple[float | None, float | None]]:
    names = [node.name for node in board.nodes]
    return {(names[x.src], names[x.dst]): (x.bandwidth_GBps, x.latency_us) for x in board.links}


def limits(board: Topology) -> dict[str, tuple[float | None, set[tuple[str, str]]]]:
    names = [node.name for node in board.nodes]
    ends = [(names[x.src], names[x.dst]) for x in board.links]
    return {limit.name: (limit.bandwidth_GBps, {ends[index] for index in limit.links}) for limit in board.limits}


def test_a_route_is_one_link_and_a_shared_link_limits_all_its_routes_both_ways() -> None:
    body = (
        hosts("a", "b", "c") + link("1", "2GBps", "5us") + link("2") + link("3", "3GBps", "1ms")
        + route("a", "a", "1") + route("a", "b", "1", "2") + route("a", "c", "1", "3") + route("b", "c", "2", "3")
    )  # fmt: skip
    board = topology.loads(DOCTYPE + platform(body), name="three")
    one_way = {("a", "b"): (1.0, 15.0), ("a", "c"): (2.0, 1005.0), ("b", "c"): (1.0, 1010.0)}
    assert wires(board) == one_way | {(dst, src): value for (src, dst), value in one_way.items()}

    def both(*pairs: tuple[str, str]) -> set[tuple[str, str]]:
        return {way for a, b in pairs for way in ((a, b), (b, a))}

    assert limits(board) == {
        "1": (2.0, both(("a", "b"), ("a", "c"))),
        "2": (1.0, both(("a", "b"), ("b", "c"))),
        "3": (3.0, both(("a", "c"), ("b", "c"))),
    }
    assert not any(node.forward for node in board.nodes)
    assert topology.loads(topology.to_yaml(board)) == board


@pytest.mark.parametrize(("policy", "shared"), [("SHARED", True), ("FATPIPE", False)])
def test_a_link_of_one_pair_is_half_duplex_unless_it_is_a_fatpipe(policy: str, shared: bool) -> None:
    board = topology.loads(platform(hosts("a", "b") + link("l", policy=policy) + route("a", "b", "l")))
    assert len(board.limits) == shared
    assert {value[0] for value in wires(board).values()} == {1.0}


def test_the_directions_of_a_split_link_are_two() -> None:
    body = (
        hosts("a", "b", "c") + link("l", policy="SPLITDUPLEX")
        + '<route src="a" dst="b"><link_ctn id="l" direction="UP"/></route>'
        + '<route src="a" dst="c"><link_ctn id="l" direction="UP"/></route>'
        + route("c", "b", "l_DOWN", more=' symmetrical="NO"')
    )  # fmt: skip
    assert limits(topology.loads(platform(body))) == {
        "l_UP": (1.0, {("a", "b"), ("a", "c")}),
        "l_DOWN": (1.0, {("b", "a"), ("c", "a"), ("c", "b")}),
    }


def test_a_route_that_is_not_symmetrical_is_one_link() -> None:
    body = hosts("a", "b") + link("l") + link("m", "2GBps") + route("a", "b", "l", more=' symmetrical="NO"')
    board = topology.loads(platform(body + route("b", "a", "m", "l", more=' symmetrical="no"')))
    assert wires(board) == {("a", "b"): (1.0, 10.0), ("b", "a"): (1.0, 20.0)}
    assert limits(board) == {"l": (1.0, {("a", "b"), ("b", "a")})}


def test_the_shortest_way_is_the_declared_route_and_not_what_its_pieces_make() -> None:
    """The dogbone: routers in between have routes too, and share their links with the long ones."""
    body = (
        hosts("s", "d") + '<router id="r1"/><router id="r2"/>' + link("1") + link("2") + link("3")
        + route("s", "d", "1", "2", "3") + route("s", "r1", "1") + route("r1", "r2", "2") + route("r2", "d", "3")
    )  # fmt: skip
    board = topology.loads(platform(body))
    assert [board.nodes[board.links[index].dst].name for index in board.route(0, 1)] == ["d"]
    assert board.links[board.route(0, 1)[0]].latency_us == 30.0
    assert all(len(limit.links) == 4 for limit in board.limits)


def test_zones_are_joined_at_their_gateways_which_forward() -> None:
    def zone(name: str) -> str:
        body = hosts(f"{name}0", f"{name}1") + f'<router id="{name}r"/>' + link(f"{name}l") + link(f"{name}m")
        routes = route(f"{name}0", f"{name}r", f"{name}l") + route(f"{name}0", f"{name}1", f"{name}l", f"{name}m")
        last = route(f"{name}1", f"{name}r", f"{name}m")
        return f'<zone id="{name}" routing="Full">{body}{routes}{last}</zone>'

    join = '<zoneRoute src="x" dst="y" gw_src="xr" gw_dst="y0"><link_ctn id="wan"/></zoneRoute>'
    board = topology.loads(platform(zone("x") + zone("y") + link("wan", "10Gbps", "1ms") + join))
    names = [node.name for node in board.nodes]
    assert names == ["x.x0", "x.x1", "x.xr", "y.y0", "y.y1", "y.yr"]
    path = [board.links[index] for index in board.route(0, 4)]
    assert [names[x.dst] for x in path] == ["x.xr", "y.y0", "y.y1"]
    assert [x.latency_us for x in path] == [10.0, 1000.0, 20.0]
    assert path[1].bandwidth_GBps == 1.25
    assert {node.name for node in board.nodes if node.kind == "device" and node.forward} == {"y.y0"}


def test_hosts_relay_where_paths_are_put_together() -> None:
    body = hosts("a", "b", "c") + link("1") + link("2") + route("a", "b", "1") + route("b", "c", "2")
    with pytest.raises(TopologyError, match="found a route of 2 links in a zone of routing Floyd; expected 1 each"):
        topology.loads(platform(body + route("a", "c", "1", "2"), "Floyd"))
    board = topology.loads(platform(body, "Floyd"))
    assert [board.links[index].dst for index in board.route(0, 2)] == [1, 2]


@pytest.mark.parametrize(
    ("text", "value"),
    [("125MBps", 0.125), ("1.25E8Bps", 0.125), ("8.158MBps", 0.008158), ("1Gbps", 0.125), ("8bps", 1e-9),
     ("1GiBps", 2**30 / 1e9), ("1.Kibps", 128 / 1e9), ("2TBps", 2000.0)],
)  # fmt: skip
def test_bandwidths_have_units_of_bytes_or_bits(text: str, value: float) -> None:
    board = topology.loads(platform(hosts("a", "b") + link("l", text) + route("a", "b", "l")))
    assert {bandwidth for bandwidth, _ in wires(board).values()} == {value}


@pytest.mark.parametrize(
    ("text", "value"), [("59.904us", 59.904), ("0", 0.0), ("0s", 0.0), ("1.0E-4s", 100.0), ("2m", 1.2e8), ("5ps", 5e-6)]
)
def test_latencies_have_units_of_time(text: str, value: float) -> None:
    board = topology.loads(platform(hosts("a", "b") + link("l", latency=text) + route("a", "b", "l")))
    assert {latency for _, latency in wires(board).values()} == {value}


def test_names_keep_what_names_can_hold() -> None:
    body = hosts("node-0.org", "4th host") + link("l") + route("node-0.org", "4th host", "l")
    assert [node.name for node in topology.loads(platform(body)).nodes] == ["node_0_org", "_4th_host"]


PAIR = hosts("a", "b") + "\n" + link("l") + "\n" + route("a", "b", "l") + "\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<platform/>", "p:1:1: found version '' of <platform>; expected 4 or 4.1"),
        ('<platform version="3"/>', "p:1:1: found version '3' of <platform>; expected 4 or 4.1"),
        ('<platform version="4.1"/>', "p:1:1: found nothing in <platform>; expected one <zone> or <cluster>"),
        ('<platform version="4.1"><trace id="A" periodicity="1"/></platform>', "p:1:1: found <trace> in <platform>; "),
        (platform(""), "p:1:1: found no <host>; expected at least one"),
        (platform(PAIR, "Vivaldi"), "p:1:25: found routing 'Vivaldi' in <zone>; expected one of Full, Floyd, Dijkstra"),
        (platform(PAIR + '<peer id="p"/>'), "p:5:1: found <peer> in a <zone> of routing Full; expected zones, clus"),
        (platform(PAIR + "<bypassRoute/>"), "p:5:1: found <bypassRoute> in a <zone> of routing Full; expected zones"),
        (platform(PAIR + hosts("a")), "p:5:1: found the id 'a' again; expected ids of their own"),
        (platform(PAIR + hosts("x-y", "x.y")), "p:5:29: found 'x.y', which is called 'x_y' as another is; expected"),
        (platform(PAIR + link("l")), "p:5:1: found the link 'l' again; expected ids of their own"),
        (platform(PAIR + route("b", "a", "l")), "p:5:1: found the link b -> a again; expected each once"),
        (platform(PAIR + route("a", "c", "l")), "p:5:1: found 'c' in <route>; expected a <host> or <router> of this"),
        (platform(PAIR + route("a", "b", "m")), "p:5:24: found the link 'm'; expected one of this file, before"),
        (platform(PAIR + route("a", "b")), "p:5:1: found no <link_ctn> in <route>; expected at least one"),
        (platform(PAIR + '<host id="c"/>'), "p:5:1: found no 'speed' in <host>; expected id, speed"),
        (platform(PAIR + '<router id="c" speed="1f"/>'), "p:5:1: unknown attribute 'speed' of <router>; expected one"),
        (platform(PAIR + link("m", "0Bps")), "p:5:1: found bandwidth '0Bps' in <link>; expected a bandwidth above 0"),
        (platform(PAIR + link("m", "125E6")), "p:5:1: found bandwidth '125E6' in <link>; expected a bandwidth with"),
        (platform(PAIR + link("m", "1MB")), "p:5:1: found bandwidth '1MB' in <link>; expected a bandwidth with its un"),
        (platform(PAIR + link("m", "9e999MBps")), "p:5:1: found bandwidth '9e999MBps' in <link>; expected a number"),
        (platform(PAIR + link("m", latency="5")), "p:5:1: found latency '5' in <link>; expected a latency with its"),
        (platform(PAIR + link("m", latency="-5us")), "p:5:1: found latency '-5us' in <link>; expected a number with"),
        (platform(PAIR + link("m", policy="WIFI")), "p:5:1: found sharing_policy 'WIFI' in <link>; expected one of"),
        (platform(PAIR + '<link id="m" bandwidth="1MBps" state_file="x"/>'), "p:5:1: found state_file in <link>; expe"),
        (platform(PAIR + link("m", policy="SPLITDUPLEX") + route("a", "b", "m")), "p:5:100: found no direction for '"),
        (platform(hosts("a", "b")), "p: device 'b' cannot be reached from 'a'; expected links that join all devices"),
        (platform(PAIR + '<zoneRoute src="world" dst="w" gw_src="a" gw_dst="b"><link_ctn id="l"/></zoneRoute>'),
         "p:5:1: found the zone 'w'; expected one of this file, before"),
        ('<!DOCTYPE platform [<!ENTITY a "b">]><platform version="4.1"/>', "p:1:20: found a DTD; expected elements o"),
        (DOCTYPE * 2 + platform(PAIR), "p:3:"),
    ],
)  # fmt: skip
def test_a_mistake_is_answered_in_one_line_with_its_place(text: str, message: str) -> None:
    with pytest.raises(TopologyError) as caught:
        topology.loads(text, name="p")
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)
