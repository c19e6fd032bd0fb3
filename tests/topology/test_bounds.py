"""Bounds against closed forms and published figures, what they say of themselves, and what they refuse."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import combinations
from typing import Any

import brute
import pytest
from graphs import PUBLISHED, both_ways, graph
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from _ringtree.errors import AssumptionError, InputError, NoRouteError
from topology import Link, LinkKind, Node, Topology, flows, load, treebounds
from topology.bounds import bound

ROOTED_PARTS = ("gather", "scatter")


def rate(board: Topology, kind: str, root: int = 0) -> float:
    found = bound(board, kind, root=root)
    assert found is not None
    return found.rate_GBps


@pytest.mark.parametrize("n", [2, 3, 5, 8])
def test_switch(n: int) -> None:
    """One port of 100 for each chip: all but the own part goes through it."""
    star = graph(n, both_ways({(chip, n): 100 for chip in range(n)}), switches=1)
    most = 100 * n / (n - 1)
    assert rate(star, "all_reduce") == pytest.approx(most / 2)
    for kind in ("all_gather", "reduce_scatter", "all_to_all", *ROOTED_PARTS):
        assert rate(star, kind) == pytest.approx(most)
    for kind in ("broadcast", "reduce"):
        assert rate(star, kind) == pytest.approx(100)


@pytest.mark.parametrize("n", [2, 3, 5, 8])
def test_full_mesh(n: int) -> None:
    """A link of 50 between every two chips."""
    mesh = graph(n, both_ways(dict.fromkeys(combinations(range(n), 2), 50)))
    assert rate(mesh, "all_reduce") == pytest.approx(50 * n / 2)
    for kind in ("all_gather", "reduce_scatter", "all_to_all", *ROOTED_PARTS):
        assert rate(mesh, kind) == pytest.approx(50 * n)
    for kind in ("broadcast", "reduce"):
        assert rate(mesh, kind) == pytest.approx(50 * (n - 1))


@settings(deadline=None, max_examples=60)
@given(n=st.integers(2, 6), root=st.integers(0, 5), data=st.data())
def test_gather_and_scatter_are_what_the_narrowest_cut_allows(n: int, root: int, data: st.DataObject) -> None:
    root %= n
    pairs = [(a, b) for a in range(n) for b in range(n) if a != b]
    wires = {pair: bw for pair in pairs if (bw := data.draw(st.integers(-3, 9))) > 0}
    sides = [set(side) for size in range(1, n) for side in combinations(range(n), size)]
    into, out = (
        [sum(bw for ends, bw in wires.items() if ends[i] in s and ends[1 - i] not in s) for s in sides] for i in (1, 0)
    )
    assume(all(into))
    assume(all(out))
    board = graph(n, wires)
    far = [(len(s), i, o) for s, i, o in zip(sides, into, out, strict=True) if root not in s]
    assert rate(board, "scatter", root) == pytest.approx(min(n * i / size for size, i, _ in far))
    assert rate(board, "gather", root) == pytest.approx(min(n * o / size for size, _, o in far))


def test_links_that_bind() -> None:
    """Two boxes and one thin link each way between them: the two directions bind, nothing else."""
    wires = both_ways(dict.fromkeys([*combinations(range(3), 2), *combinations(range(3, 6), 2)], 50) | {(2, 3): 10})
    board = graph(6, wires)
    found = bound(board, "all_reduce")
    assert found is not None
    assert found.rate_GBps == pytest.approx(10)
    assert {(board.links[i].src, board.links[i].dst) for i in found.links} <= {(2, 3), (3, 2)}
    assert found.links


def test_chips_without_a_rank_take_no_part() -> None:
    """Ranks on two chips of a triangle: the way around is not theirs."""
    triangle = graph(3, both_ways({(0, 1): 10, (1, 2): 10, (0, 2): 10}))
    for kind, most in [("all_reduce", 10), ("all_to_all", 20), ("scatter", 20)]:
        found = bound(triangle, kind, [0, 1])
        assert found is not None
        assert found.rate_GBps == pytest.approx(most)


def test_other_chips_forward_where_the_board_says_so_and_they_are_not_left_out() -> None:
    """Chips of another communicator pass data on; those without a rank do not."""
    board = load("ppu-8")
    joined, alone = bound(board, "all_reduce", board.devices[:2]), board.bound("all_reduce", [0, 1])
    assert joined is not None
    assert alone is not None
    assert (joined.rate_GBps, alone.rate_GBps) == (250, 100)


def boxes(count: int, chips: int, inside: int, nic: int, dead: int = 0) -> Topology:
    """Boxes of chips on a switch each, and a NIC of every chip on one more; the first `dead` NICs are not there."""
    n = count * chips
    wires = {(chip, n + chip // chips): inside for chip in range(n)}
    wires |= {(chip, n + count): nic for chip in range(dead, n)}
    return graph(n, both_ways(wires), switches=count + 1)


@pytest.mark.parametrize(
    ("board", "all_gather", "all_reduce"),
    [
        (boxes(2, 8, 450, 50), "1600/3", "800/3"),
        (boxes(2, 8, 450, 50, dead=1), "480", "265"),
        (boxes(4, 8, 450, 50), "16000/31", "8000/31"),
        (boxes(16, 8, 450, 50), "1280/3", "640/3"),
        (boxes(16, 8, 450, 50, dead=1), "1120/3", "635/3"),
    ],
    ids=["2x8", "2x8, a NIC down", "4x8", "16x8", "16x8, a NIC down"],
)
def test_large_boards(board: Topology, all_gather: str, all_reduce: str) -> None:
    for kind, expected in [("all_gather", all_gather), ("reduce_scatter", all_gather), ("all_reduce", all_reduce)]:
        found = board.bound(kind)
        assert found is not None
        assert (found.exact, found.attained) == (Fraction(expected), True)


def test_a_switch_that_multiplies_and_combines() -> None:
    """8 chips of 100 GB/s: 57.14 through a switch that forwards, 100 with aggregation."""
    star = graph(8, both_ways({(chip, 8): 100 for chip in range(8)}), switches=1)
    for in_switch, expected in [(False, Fraction(400, 7)), (True, 100)]:
        found = star.bound("all_reduce", in_switch=in_switch)
        assert found is not None
        assert found.exact == expected
    assert star.bound("all_reduce").rate_GBps == pytest.approx(57.142857)  # type: ignore[union-attr]


def test_only_switches_that_say_so_multiply() -> None:
    """One of two paths between the boxes has a switch that multiplies, which then sends more than it receives."""
    # Chip 0 sends 10 to each switch, each switch 10 to each of chips 1 and 2.
    wires = dict.fromkeys([(0, 3), (0, 4), (3, 1), (3, 2), (4, 1), (4, 2)], Fraction(10))
    plain = brute.board(3, wires, switches=2)
    nodes = tuple(replace(node, multicast=node.id == 3) for node in plain.nodes)
    special = replace(plain, nodes=nodes)
    expected = [(plain, False, 10), (plain, True, 20), (special, False, 10), (special, True, 15)]
    for board, in_switch, most in expected:
        found = board.bound("broadcast", in_switch=in_switch)
        assert found is not None
        assert found.rate_GBps == pytest.approx(most)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("all_gather", "cut: chip4..chip6 | 4 others: 1 link of 20 and 1 of 10 GB/s into them carry 4/7 of the data"),
        ("reduce", "cut: chip4..chip6 | 4 others: link chip4 -> chip3 (40 GB/s) out of them carries all of the data"),
        ("all_to_all", "cut: chip4..chip6 | 4 others: 1 link of 20 and 1 of 10 GB/s into them carry 1.714 times "
         "what a rank sends"),
    ],
)  # fmt: skip
def test_cuts_in_words(kind: str, words: str) -> None:
    inside = dict.fromkeys([*combinations(range(4), 2), *combinations(range(4, 7), 2)], 50)
    board = graph(7, both_ways(inside) | {(3, 4): 20, (4, 3): 40, (0, 6): 10})
    found = board.bound(kind)
    assert found is not None
    assert found.in_words(board) == words


def test_proofs_of_an_all_reduce_in_words() -> None:
    pair = boxes(2, 2, 100, 25)
    star = graph(4, both_ways({(chip, 4): 100 for chip in range(4)}), switches=1)
    line = graph(3, {(0, 1): 5, (1, 0): 4, (1, 2): 3, (2, 1): 4})
    assert [board.bound("all_reduce").in_words(board) for board in (boxes(3, 2, 100, 25), pair, star)] == [  # type: ignore[union-attr]
        "parts: 6 links of 25 GB/s, into 3 parts of 2 chips, carry all of the data 4 times (2 up, 2 down)",
        "cut: chip0, chip1 | 2 others: 2 links of 25 GB/s into them carry all of the data",
        "edges: 4 links of 100 GB/s, into 4 chips, carry all of the data 6 times (3 up, 3 down)",
    ]
    assert "carries all of the data" in line.bound("all_reduce").in_words(line)  # type: ignore[union-attr]


def test_shared_limits_in_words() -> None:
    pair = brute.board(2, {(0, 1): Fraction(50), (1, 0): Fraction(50)}, limits=[(Fraction(60), (0, 1))])
    for kind, most, proof in [("all_reduce", 30, "their prices"), ("all_to_all", 60, "the ways over them")]:
        found = pair.bound(kind)
        assert found is not None
        assert (found.exact, found.attained) == (most, True)
        assert found.in_words(pair) == f"tight links: limit limit0; {proof} prove it"


@pytest.mark.parametrize(
    "board", [boxes(2, 4, 100, 25, dead=1), load("unequal-8-4"), load("torus-4x4"), load("pcie-8")]
)
@pytest.mark.parametrize("kind", ["all_reduce", "all_gather", "all_to_all", "gather"])
def test_without_programs_it_is_a_bound_all_the_same(
    board: Topology, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on boards of thousands of chips; and it is only called attained where it is."""
    least = rate(board, kind)
    monkeypatch.setattr(treebounds, "MOST_COLUMNS", 0)
    monkeypatch.setattr(flows, "MOST_WRITTEN", 0)
    quick = bound(board, kind)
    assert quick is not None
    assert quick.rate_GBps >= least * (1 - 1e-12)
    assert quick.rate_GBps == pytest.approx(least) or not quick.attained


def test_it_is_computed_once() -> None:
    board = load("dgx1v")
    assert board.bound("all_reduce") is board.bound("all_reduce")
    assert board.bound("all_reduce", [0, 1]) is not board.bound("all_reduce")


def test_widths_of_many_digits_are_no_fractions() -> None:
    """What does not fit in whole numbers is rounded, and not called exact."""
    widths = [10 / 3, 10 / 7, 1e-3 / 3, 1e6 / 7]
    nodes = (Node(0, "a", "device"), Node(1, "b", "device"), Node(2, "c", "device"))
    links = tuple(
        Link(src, dst, widths[(src + dst) % 4], 1.0) for src in range(3) for dst in range(3) if src != dst
    )  # fmt: skip
    board = Topology("digits", nodes, links, kinds=(LinkKind("link"),))
    found = board.bound("all_gather")
    assert found is not None
    assert found.exact is None
    assert found.rate_GBps == pytest.approx(3 * (widths[1] + widths[2]) / 2)


def test_what_has_no_bound() -> None:
    board = load("ppu-8")
    assert bound(board, "barrier") is None
    assert bound(board, "all_reduce", board.devices[:1]) is None
    assert board.bound("scatter", [0, 1], weights=[3, 0]) is None
    with pytest.raises(ValueError, match="no bound is known for sort"):
        bound(board, "sort")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"devices": [0, 8]}, "device 8 does not exist"),
        ({"devices": [0, 0]}, "each chip once"),
        ({"root": 8}, "root: found 8"),
        ({"devices": []}, "root: found 0"),
        ({"devices": [], "weights": []}, "root: found 0"),
        ({"devices": [0, 1], "weights": [1, 2, 3]}, "expected 2 numbers"),
        ({"devices": [0, 1], "weights": [1, -1]}, "expected 2 numbers of 0 or more"),
        ({"collective": "sort"}, "sort"),
    ],
)
def test_bad_questions(asked: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        load("ppu-8").bound(**{"collective": "all_gather", **asked})


def test_what_is_unknown_or_not_joined() -> None:
    with pytest.raises(AssumptionError, match="bandwidth of link"):
        load("kunlun-8").bound("all_reduce")
    one_way = brute.board(3, {(0, 1): Fraction(10), (1, 2): Fraction(10)})
    assert one_way.bound("broadcast").rate_GBps == 10  # type: ignore[union-attr]
    for kind in ("all_reduce", "all_gather", "reduce", "gather", "all_to_all"):
        with pytest.raises(NoRouteError, match="no tree joins rank"):
            one_way.bound(kind)


@pytest.mark.skipif(not PUBLISHED.is_dir(), reason="the published graphs are not here")
def test_published_all_to_all() -> None:
    """TACCL's figure for NDv2, 2 x 8: 64 parts over one link of 12.5 GB/s each way."""
    assert rate(load(str(PUBLISHED / "ndv2_2x8_teccl.json")), "all_to_all") == pytest.approx(12.5 / 4)
