"""SimGrid's clusters: hosts at a crossbar or behind a backbone, fat trees, tori and dragonflies."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

import topology
from _ringtree.errors import TopologyError
from topology import Topology

FIGURES = 'speed="1Gf" bw="125MBps" lat="50us"'


def element(hosts: int, more: str = "", name: str = "c") -> str:
    return f'<cluster id="{name}" prefix="node-" suffix=".org" radical="0-{hosts - 1}" {FIGURES} {more}/>'


def cluster(hosts: int, more: str = "") -> Topology:
    return topology.loads(f'<platform version="4.1">{element(hosts, more)}</platform>', name="p")


def shaped(hosts: int, shape: str, parameters: str, more: str = "") -> Topology:
    return cluster(hosts, f'topology="{shape}" topo_parameters="{parameters}" {more}')


def names(board: Topology) -> list[str]:
    return [node.name for node in board.nodes]


def limits(board: Topology) -> dict[str, tuple[float | None, set[tuple[str, str]]]]:
    known = names(board)
    ends = [(known[x.src], known[x.dst]) for x in board.links]
    return {limit.name: (limit.bandwidth_GBps, {ends[index] for index in limit.links}) for limit in board.limits}


def test_a_crossbar_joins_every_host_both_ways() -> None:
    board = cluster(4)
    assert names(board) == ["node_0", "node_1", "node_2", "node_3", "switch"]
    assert {(x.src, x.dst) for x in board.links} == {way for i in range(4) for way in ((i, 4), (4, i))}
    assert {(x.bandwidth_GBps, x.latency_us) for x in board.links} == {(0.125, 50.0)}
    assert not board.limits
    assert topology.loads(topology.to_yaml(board)) == board


def test_all_transfers_share_the_backbone() -> None:
    board = cluster(3, 'bb_bw="200MBps" bb_lat="500us"')
    assert limits(board) == {"c.backbone": (0.2, {(f"node_{i}", "switch") for i in range(3)})}
    assert [board.links[index].latency_us for index in board.route(0, 2)] == [550.0, 50.0]
    fat = cluster(3, 'bb_bw="100MBps" bb_lat="500us" bb_sharing_policy="FATPIPE"')
    assert not fat.limits
    assert [fat.links[index].bandwidth_GBps for index in fat.route(0, 2)] == [0.1, 0.125]


def test_a_shared_host_link_is_half_duplex_and_a_limiter_bounds_what_a_host_does() -> None:
    both = {(f"node_{i}", "switch") for i in range(2)}
    expected = {f"node_{i}": (0.125, {(f"node_{i}", "switch"), ("switch", f"node_{i}")}) for i in range(2)}
    assert limits(cluster(2, 'sharing_policy="SHARED"')) == expected
    limited = limits(cluster(2, 'limiter_link="150MBps"'))
    assert {name: value for name, (value, _) in limited.items()} == {"node_0.limiter": 0.15, "node_1.limiter": 0.15}
    assert both <= set().union(*(ends for _, ends in limited.values()))


def test_numbers_of_hosts_are_ranges_and_single_ones() -> None:
    text = element(1).replace('radical="0-0"', 'radical="2-3,7,10-11"')
    board = topology.loads(f'<platform version="4.1">{text}</platform>')
    assert names(board)[:-1] == ["node_2", "node_3", "node_7", "node_10", "node_11"]


def test_clusters_are_joined_at_their_routers_behind_the_backbone() -> None:
    body = element(2, name="x") + element(2, 'bb_bw="200MBps" bb_lat="500us" router_id="door"', "y").replace(
        "node", "n"
    )
    wan = '<link id="wan" bandwidth="1GBps" latency="1ms" sharing_policy="FATPIPE"/>'
    join = '<zoneRoute src="x" dst="y" gw_src="node-x_router.org" gw_dst="door"><link_ctn id="wan"/></zoneRoute>'
    text = f'<platform version="4.1"><zone id="w" routing="Full">{body}{wan}{join}</zone></platform>'
    board = topology.loads(text)
    known = names(board)
    assert known == ["x.node_0", "x.node_1", "x.switch", "y.n_0", "y.n_1", "y.switch", "y.router"]
    there, back = board.route(0, 4), board.route(4, 0)
    assert [known[board.links[index].dst] for index in there] == ["x.switch", "y.router", "y.switch", "y.n_1"]
    assert [board.links[index].latency_us for index in there] == [50.0, 1000.0, 500.0, 50.0]
    assert [board.links[index].latency_us for index in back] == [550.0, 0.0, 1000.0, 50.0]
    assert limits(board)["y.backbone"][1] == {("y.n_0", "y.switch"), ("y.n_1", "y.switch"), ("y.router", "y.switch")}


def test_a_zone_of_routing_cluster_says_the_same_by_hand() -> None:
    text = """<platform version="4.1"><zone id="w" routing="Cluster">
      <host id="a" speed="1f"/><link id="a_UP" bandwidth="1GBps"/><link id="a_DOWN" bandwidth="2GBps"/>
      <host_link id="a" up="a_UP" down="a_DOWN"/>
      <host id="b" speed="1f"/><link id="b" bandwidth="3GBps" latency="1us"/><host_link id="b" up="b" down="b"/>
      <cabinet id="k" prefix="h" suffix="" radical="1-2" speed="1f" bw="4GBps" lat="2us"/>
      <router id="r"/><backbone id="bb" bandwidth="5GBps" latency="10us"/></zone></platform>"""
    board = topology.loads(text)
    known = names(board)
    assert known == ["switch", "a", "b", "h1", "h2"]
    assert {(known[x.src], known[x.dst]): (x.bandwidth_GBps, x.latency_us) for x in board.links} == {
        ("a", "switch"): (1.0, 10.0), ("switch", "a"): (2.0, 0.0),
        ("b", "switch"): (3.0, 11.0), ("switch", "b"): (3.0, 1.0),
        ("h1", "switch"): (4.0, 12.0), ("switch", "h1"): (4.0, 2.0),
        ("h2", "switch"): (4.0, 12.0), ("switch", "h2"): (4.0, 2.0),
    }  # fmt: skip
    assert limits(board) == {
        "b": (3.0, {("b", "switch"), ("switch", "b")}),
        "bb": (5.0, {(host, "switch") for host in ("a", "b", "h1", "h2")}),
    }


def test_the_fat_tree_of_the_manual() -> None:
    """Four leaf switches with four hosts each, two core switches with two cables to each leaf."""
    board = shaped(16, "FAT_TREE", "2;4,4;1,2;1,2")
    assert len(board.nodes) == 16 + 4 + 2
    known = names(board)
    for host in range(16):
        assert [known[x.dst] for x in board.links if x.src == host] == [f"level1_switch{host // 4}"]
    cables = {(known[x.src], known[x.dst]): (x.count, x.bandwidth_GBps) for x in board.links if x.src >= 16}
    cores = {pair: value for pair, value in cables.items() if not pair[1].startswith("node")}
    leaves = [f"level1_switch{leaf}" for leaf in range(4)]
    pairs = list(itertools.product(leaves, ["level2_switch0", "level2_switch1"]))
    assert cores == {way: (2, 0.25) for a, b in pairs for way in ((a, b), (b, a))}


@given(st.data())
def test_a_fat_tree_has_the_switches_and_the_distances_of_its_parameters(data: st.DataObject) -> None:
    levels = data.draw(st.integers(1, 3))
    down, up, counts = (data.draw(st.lists(st.integers(1, 3), min_size=levels, max_size=levels)) for _ in range(3))
    hosts = math.prod(down)
    text = ";".join([str(levels), *(",".join(map(str, part)) for part in (down, up, counts))])
    board = shaped(hosts, "FAT_TREE", text)
    known = names(board)
    for level in range(1, levels + 1):
        expected = math.prod(up[:level]) * math.prod(down[level:])
        assert sum(name.startswith(f"level{level}_") for name in known) == expected
    for node in board.nodes:
        level = 0 if node.kind == "device" else int(node.name[5])
        above = [x for x in board.links if x.src == node.id and known[x.dst].startswith(f"level{level + 1}_")]
        assert len(above) == (up[level] if level < levels else 0)
        assert all(x.count == counts[level] for x in above)
    for a, b in itertools.combinations(range(hosts), 2):
        meet = next(
            level for level in range(1, levels + 1) if a // math.prod(down[:level]) == b // math.prod(down[:level])
        )
        assert len(board.route(a, b)) == 2 * meet


@pytest.mark.parametrize("sizes", [(3, 2, 2), (4, 4), (5,), (2,), (3, 1, 2)])
def test_a_torus_joins_hosts_that_differ_by_one_in_one_digit_the_first_fastest(sizes: tuple[int, ...]) -> None:
    hosts = math.prod(sizes)
    board = shaped(hosts, "TORUS", ",".join(map(str, sizes)))

    def digits(host: int) -> list[int]:
        return [host // math.prod(sizes[:d]) % size for d, size in enumerate(sizes)]

    def near(a: int, b: int) -> bool:
        apart = [(x - y) % size for x, y, size in zip(digits(a), digits(b), sizes, strict=True)]
        moved = [(step, size) for step, size in zip(apart, sizes, strict=True) if step]
        return len(moved) == 1 and moved[0][0] in (1, moved[0][1] - 1)

    expected = {(a, b) for a, b in itertools.permutations(range(hosts), 2) if near(a, b)}
    assert {(x.src, x.dst) for x in board.links} == expected
    assert {x.bandwidth_GBps for x in board.links} == {0.125}
    assert all(node.forward for node in board.nodes)


def test_the_dragonfly_of_the_manual() -> None:
    """Three groups of four chassis of five routers of two hosts; 4 blue, 3 black, 1 green link."""
    board = shaped(120, "DRAGONFLY", "3,4;4,3;5,1;2", 'limiter_link="150MBps"')
    known = names(board)
    routers = 60
    ends: dict[tuple[int, int], int] = {}
    for x in board.links:
        if "router" in known[x.src] and "router" in known[x.dst]:
            ends[int(known[x.src][6:]), int(known[x.dst][6:])] = x.count
    assert len(ends) == 2 * (12 * math.comb(5, 2) + 3 * 5 * math.comb(4, 2) + math.comb(3, 2))
    for (a, b), count in ends.items():
        if a // 5 == b // 5:
            assert count == 1
        elif a // 20 == b // 20:
            assert count == 3
            assert a % 5 == b % 5
        else:
            assert count == 4
            assert (a % 20, b % 20) == (b // 20, a // 20)
    assert all(known[x.dst] == f"router{x.src // 2}" for x in board.links if x.src < 120)
    assert len(board.limits) == 120 + routers
    assert {limit.bandwidth_GBps for limit in board.limits} == {0.15}
    assert topology.loads(topology.to_yaml(board)) == board


def test_shared_links_of_shaped_clusters_are_half_duplex() -> None:
    board = shaped(4, "TORUS", "2,2", 'sharing_policy="SHARED"')
    assert len(board.links) == 8
    assert len(board.limits) == 4
    assert {frozenset((board.links[i].src, board.links[i].dst) for i in limit.links) for limit in board.limits} == {
        frozenset([(a, b), (b, a)]) for a, b in [(0, 1), (2, 3), (0, 2), (1, 3)]
    }


@pytest.mark.parametrize(
    ("hosts", "more", "message"),
    [
        (10**9, "", "found radical '0-999999999' in <cluster>; expected at most 100000 numbers"),
        (2, 'topology="STAR"', "found topology 'STAR' in <cluster>; expected one of FLAT, FAT_TREE, TORUS, DRAGONFLY"),
        (2, 'sharing_policy="FATPIPE"', "found sharing_policy 'FATPIPE' in <cluster>; expected one of SPLITDUPLEX"),
        (2, 'bandwidth="1MBps"', "unknown attribute 'bandwidth' of <cluster>; expected one of id, prefix, suffix"),
        (2, 'topology="TORUS" topo_parameters="2" bb_bw="1MBps"', "found bb_bw in a cluster that is a TORUS; expected"),
        (2, 'topology="TORUS" topo_parameters="2" limiter_link="1MBps"', "found limiter_link in a TORUS; expected it"),
        (5, 'topology="TORUS" topo_parameters="2,2"', "found 5 hosts for a torus '2,2'; expected 4"),
        (4, 'topology="TORUS" topo_parameters="2;2"', "found '2;2' for a torus; expected at most 16 sizes"),
        (4, 'topology="TORUS" topo_parameters="2,x"', "found topo_parameters '2,x' in <cluster>; expected whole numb"),
        (4, 'topology="TORUS"', "found topo_parameters '' in <cluster>; expected whole numbers above 0"),
        (4, 'topology="FAT_TREE" topo_parameters="2;2,2;1,2"', "found topo_parameters '2;2,2;1,2' in <cluster>; expe"),
        (4, 'topology="FAT_TREE" topo_parameters="2;2,2;1;1,2"', "found topo_parameters '2;2,2;1;1,2' in <cluster>; e"),
        (4, 'topology="FAT_TREE" topo_parameters="999999;1;1;1"', "found a fat tree of 999999 levels; expected at mo"),
        (4, 'topology="FAT_TREE" topo_parameters="2;2,2;1,999999999;1,1"', "found more than 100000 nodes; expected f"),
        (4, 'topology="DRAGONFLY" topo_parameters="2,1;1,1;1,1;2"', "found 2 groups, 1 routers in a chassis; expected"),
        (5, 'topology="DRAGONFLY" topo_parameters="2,1;1,1;2,1;1"', "found 5 hosts for a dragonfly '2,1;1,1;2,1;1'; "),
    ],
)  # fmt: skip
def test_a_mistake_is_answered_in_one_line_with_its_place(hosts: int, more: str, message: str) -> None:
    with pytest.raises(TopologyError) as caught:
        cluster(hosts, more)
    assert str(caught.value).startswith(f"p:1:25: {message}")
    assert "\n" not in str(caught.value)
