"""The board file's grammar: what each form means."""

from __future__ import annotations

import pytest

import topology
from _ringtree.errors import AssumptionError
from topology import Topology

# Chips joined by a hub of their own, so that any set of `wire` links makes a board.
HEAD = """
nodes: {chip: 4, leaf: switch, hub: switch}
kinds: {wire: {bandwidth: 50 GB/s, latency: 1 us}, spare: {bandwidth: 1 GB/s, latency: 0 us}}
links:
  spare: [[chip, hub]]
"""


def names_of(board: Topology, kind: str = "wire") -> set[tuple[str, str]]:
    names = [node.name for node in board.nodes]
    return {(names[link.src], names[link.dst]) for link in board.links if link.kind == kind}


def both(*pairs: str) -> set[tuple[str, str]]:
    ends = [pair.split("-") for pair in pairs]
    return {(a, b) for a, b in ends} | {(b, a) for a, b in ends}


def test_a_small_board_has_the_nodes_and_links_that_it_says() -> None:
    board = topology.loads(
        """
        board: my-box
        description: four chips
        nodes:
          chip: {kind: device, count: 4, profile: ppu}
          leaf: {kind: switch, multicast: true}
        kinds:
          wire: {bandwidth: 50 GB/s, latency: 1 us}
          port: {bandwidth: 25 GB/s, latency: 1.5 us}
        links:
          wire: [{ring: chip}]
          port: [[chip, leaf]]
        """
    )
    assert (board.name, board.description) == ("my-box", "four chips")
    assert [node.name for node in board.nodes] == ["chip0", "chip1", "chip2", "chip3", "leaf"]
    assert [node.profile for node in board.nodes] == ["ppu"] * 4 + [None]
    assert (board.nodes[4].multicast, board.nodes[4].aggregation) == (True, False)
    assert board.devices == (0, 1, 2, 3)
    assert names_of(board) == both("chip0-chip1", "chip1-chip2", "chip2-chip3", "chip3-chip0")
    assert names_of(board, "port") == both(*(f"chip{i}-leaf" for i in range(4)))
    assert {(link.kind, link.bandwidth_GBps, link.latency_us) for link in board.links} == {
        ("wire", 50.0, 1.0),
        ("port", 25.0, 1.5),
    }
    assert board.total_bandwidth_GBps == 4 * (2 * 50 + 25)


@pytest.mark.parametrize(
    ("entry", "pairs"),
    [
        ("[0, 1]", both("chip0-chip1")),
        ("[chip0, leaf]", both("chip0-leaf")),
        ("[0-2, leaf]", both("chip0-leaf", "chip1-leaf", "chip2-leaf")),
        ("[chip0-1, chip2-3]", both("chip0-chip2", "chip1-chip3")),
        ("{from: 0, to: 1}", {("chip0", "chip1")}),
        ("{between: [[0, 2], leaf]}", both("chip0-leaf", "chip2-leaf")),
        ("{ring: [0, 1]}", both("chip0-chip1")),
        ("{mesh: [0, 1, 3]}", both("chip0-chip1", "chip0-chip3", "chip1-chip3")),
        ("{torus: chip, shape: [2, 2]}", both("chip0-chip1", "chip2-chip3", "chip0-chip2", "chip1-chip3")),
        ("{torus: chip, shape: [4]}", both("chip0-chip1", "chip1-chip2", "chip2-chip3", "chip3-chip0")),
    ],
)
def test_forms_of_links(entry: str, pairs: set[tuple[str, str]]) -> None:
    assert names_of(topology.loads(f"{HEAD}  wire:\n    - {entry}\n")) == pairs


def test_a_torus_joins_neighbours_along_each_dimension() -> None:
    sizes = (3, 4, 2)
    board = topology.loads("nodes: {chip: 24}\nkinds: {wire: {}}\nlinks: {wire: [{torus: chip, shape: [3, 4, 2]}]}\n")

    def number(place: list[int]) -> int:
        return (place[0] * sizes[1] + place[1]) * sizes[2] + place[2]

    expected = set()
    for node in range(24):
        place = [node // 8, node // 2 % 4, node % 2]
        for axis, step in ((axis, step) for axis in range(3) for step in (1, -1)):
            near = list(place)
            near[axis] = (near[axis] + step) % sizes[axis]
            expected.add((node, number(near)))
    assert {(link.src, link.dst) for link in board.links} == expected


def test_parallel_links_are_summed() -> None:
    board = topology.loads(f"{HEAD}  wire: [[0, 1, 2], {{between: [1, 2], count: 3, bandwidth: 10 GB/s}}]\n")
    links = {(link.src, link.dst): (link.bandwidth_GBps, link.count) for link in board.links}
    assert links[0, 1] == links[1, 0] == (100.0, 2)
    assert links[1, 2] == links[2, 1] == (30.0, 3)


def test_a_kind_may_say_how_many_links_stand_side_by_side() -> None:
    board = topology.loads("nodes: {chip: 2}\nkinds: {w: {bandwidth: 5 GB/s, count: 4}}\nlinks: {w: [[0, 1]]}\n")
    assert [(link.bandwidth_GBps, link.count) for link in board.links] == [(20.0, 4)] * 2


def test_half_duplex_is_a_limit_over_both_directions() -> None:
    board = topology.loads(
        "nodes: {chip: 2}\nkinds: {w: {bandwidth: 5 GB/s, count: 4, duplex: half}}\nlinks: {w: [[0, 1]]}\n"
    )
    assert [(limit.name, limit.bandwidth_GBps, limit.links) for limit in board.limits] == [
        ("w.chip0-chip1", 20.0, (0, 1))
    ]


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        ("cap: {bandwidth: 9 GB/s, out: chip0, only: wire}", {"cap.chip0": {("chip0", "chip1")}}),
        ("cap: {bandwidth: 9 GB/s, in: chip0}", {"cap.chip0": {("chip1", "chip0"), ("hub", "chip0")}}),
        ("cap: {bandwidth: 9 GB/s, through: chip2}", {"cap.chip2": both("chip2-hub")}),
        ("cap: {bandwidth: 9 GB/s, links: [[0-1, hub]]}", {"cap": {("chip0", "hub"), ("chip1", "hub")}}),
        ("cap: {bandwidth: 9 GB/s, between: [[0, 1], [2, hub]]}", {"cap": both("chip0-chip1", "chip2-hub")}),
        (
            "cap: {bandwidth: 9 GB/s, out: 2-3}",
            {"cap.chip2": {("chip2", "hub")}, "cap.chip3": {("chip3", "hub")}},
        ),
    ],
)
def test_forms_of_limits(limit: str, expected: dict[str, set[tuple[str, str]]]) -> None:
    board = topology.loads(f"{HEAD}  wire: [[0, 1]]\nlimits:\n  {limit}\n")
    names = [node.name for node in board.nodes]
    found = {
        limit.name: {(names[board.links[i].src], names[board.links[i].dst]) for i in limit.links}
        for limit in board.limits
    }
    assert found == expected
    assert {limit.bandwidth_GBps for limit in board.limits} == {9.0}


def test_a_limit_may_take_the_figure_of_a_kind() -> None:
    board = topology.loads(f"{HEAD}  wire: [[0, 1]]\nlimits:\n  cap: {{kind: wire, count: 2, out: chip0}}\n")
    assert board.limits[0].bandwidth_GBps == 100.0


def test_figures_carry_mark_and_source() -> None:
    board = topology.loads(
        """
        nodes: {chip: 2}
        kinds:
          icn:
            bandwidth: {value: 50 GB/s, mark: V/R, source: a manual}
            latency: {assumed: 1 us, source: nobody knows}
        links: {icn: [[0, 1]]}
        """,
        name="b",
    )
    (kind,) = board.kinds
    assert (kind.bandwidth.value, kind.bandwidth.mark, kind.bandwidth.source) == (50.0, "V/R", "a manual")
    assert (kind.latency.value, kind.latency.mark, kind.latency.source) == (1.0, "A", "nobody knows")
    assert board.assumed == ("b.icn.latency=1 us",)


def test_mark_and_source_beside_plain_figures_hold_for_them() -> None:
    board = topology.loads(
        "nodes: {chip: 2}\nkinds: {w: {bandwidth: 5 GB/s, latency: null, mark: M, source: x}}\nlinks: {w: [[0, 1]]}\n"
    )
    (kind,) = board.kinds
    assert (kind.bandwidth.mark, kind.bandwidth.source) == ("M", "x")
    assert (kind.latency.value, kind.latency.mark) == (None, "")


def test_an_unknown_bandwidth_stops_what_needs_it_and_says_how_to_supply_it() -> None:
    board = topology.loads("nodes: {chip: 2}\nkinds: {w: {latency: 1 us}}\nlinks: {w: [[0, 1]]}\n", name="b")
    assert board.total_bandwidth_GBps is None
    with pytest.raises(AssumptionError, match=r"^b: bandwidth of link chip0 -> chip1 .*--assume b\.w\.bandwidth="):
        board.board()


def test_an_unknown_latency_stops_the_board_but_not_the_route() -> None:
    board = topology.loads("nodes: {chip: 2}\nkinds: {w: {bandwidth: 1 GB/s}}\nlinks: {w: [[0, 1]]}\n", name="b")
    assert board.route(0, 1) == (0,)
    with pytest.raises(AssumptionError, match=r"^b: latency of link chip0 -> chip1 .*--assume b\.w\.latency=1us"):
        board.board()


def test_equal_files_give_equal_values_whatever_their_order() -> None:
    one = topology.loads(f"{HEAD}  wire: [[0, 1], [1, 2]]\n")
    two = topology.loads(f"{HEAD}  wire: [[2, 1], [chip1, chip0]]\n")
    assert one == two
    assert (hash(one), one.digest()) == (hash(two), two.digest())
    assert one != topology.loads(f"{HEAD}  wire: [[0, 1, 2], [1, 2]]\n")
