"""Packings against cuts and trees that are all enumerated, closed forms, and the exact optima of published graphs."""

from __future__ import annotations

import json
from collections import Counter
from fractions import Fraction
from itertools import combinations, pairwise, product

import highspy
import pytest
from graphs import PUBLISHED, Wires, both_ways, graph
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from _ringtree.errors import NoRouteError
from topology import Topology, load, loads
from topology.hops import FreeHops, RoutedHops
from topology.packing import PackedTree, Packing, demands, ladder, pack


def packed(board: Topology, kind: str, hops: type[RoutedHops] | type[FreeHops] = RoutedHops) -> Packing:
    return pack(hops(board, board.devices), demands(kind, len(board.devices)))


@st.composite
def edges(draw: st.DrawFn, most: int) -> tuple[int, Wires]:
    n = draw(st.integers(2, most))
    pairs = [(a, b) for a in range(n) for b in range(n) if a != b]
    return n, {pair: bw for pair in pairs if (bw := draw(st.integers(-4, 9))) > 0}


def check_trees(board: Topology, packing: Packing) -> None:
    """Every tree spans, and together they take no more of a link than it has."""
    load_GBps = Counter[int]()
    for tree in packing.trees:
        assert [rank for rank, parent in enumerate(tree.parents) if parent < 0] == [tree.root]
        for child, parent in enumerate(tree.parents):
            at = child
            for _ in tree.parents:
                at = tree.root if at == tree.root else tree.parents[at]
            assert at == tree.root
            if parent >= 0:
                ends = (child, parent) if tree.up else (parent, child)
                for link in board.route(*(board.devices[rank] for rank in ends)):
                    load_GBps[link] += tree.rate_GBps
    for link, used in load_GBps.items():
        assert used <= (board.links[link].bandwidth_GBps or 0) * (1 + 1e-6)


@settings(deadline=None, max_examples=60)
@given(found=edges(6))
def test_all_gather_is_what_the_narrowest_cut_allows(found: tuple[int, Wires]) -> None:
    """T >= (M/n) max |S| / capacity out of S, and Edmonds' trees reach it."""
    n, wires = found
    cuts = [set(s) for size in range(1, n) for s in combinations(range(n), size)]
    out = [sum(bw for (a, b), bw in wires.items() if a in s and b not in s) for s in cuts]
    assume(all(out))
    board = graph(n, wires)
    packing = packed(board, "all_gather")
    expected = n / max(Fraction(len(s), bandwidth) for s, bandwidth in zip(cuts, out, strict=True))
    assert packing.rate_GBps == pytest.approx(float(expected), rel=1e-8)
    assert packing.bound_GBps == pytest.approx(float(expected), rel=1e-8)
    check_trees(board, packing)


def all_trees(n: int, root: int, wires: Wires) -> list[list[tuple[int, int]]]:
    """Wires of every spanning tree away from the root."""
    sources = [[a for a in range(n) if (a, v) in wires] if v != root else [-1] for v in range(n)]
    trees = []
    for parents in product(*sources):
        reached = {root}
        for _ in range(n):
            reached |= {v for v in range(n) if parents[v] in reached}
        if len(reached) == n:
            trees.append([(p, v) for v, p in enumerate(parents) if v != root])
    return trees


def joint_optimum(n: int, wires: Wires) -> float:
    """The linear program with every tree in it."""
    model = highspy.Highs()
    model.silent()
    rates = []
    backwards = {(b, a): bw for (a, b), bw in wires.items()}
    taken: dict[tuple[int, int], list[highspy.highs_var]] = {edge: [] for edge in wires}
    for root in range(n):
        down = [(model.addVariable(0), tree) for tree in all_trees(n, root, wires)]
        up = [(model.addVariable(0), [(b, a) for a, b in tree]) for tree in all_trees(n, root, backwards)]
        for variable, tree in [*down, *up]:
            for edge in tree:
                taken[edge].append(variable)
        model.addConstr(sum(v for v, _ in down) - sum(v for v, _ in up) == 0)
        rates += [v for v, _ in down]
    for edge, users in taken.items():
        if users:
            model.addConstr(sum(users) <= wires[edge])
    model.maximize(sum(rates))
    return float(model.getObjectiveValue())


@settings(deadline=None, max_examples=25)
@given(found=edges(4))
def test_all_reduce_is_the_best_mix_of_all_trees(found: tuple[int, Wires]) -> None:
    n, wires = found
    assume(all(all_trees(n, root, wires) for root in range(n)))
    board = graph(n, wires)
    packing = packed(board, "all_reduce")
    assert packing.rate_GBps == pytest.approx(joint_optimum(n, wires), rel=1e-7)
    check_trees(board, packing)
    pairs = [
        [sum(t.rate_GBps for t in packing.trees if (t.root, t.up) == (root, up)) for up in (True, False)]
        for root in range(n)
    ]
    assert sum(map(min, pairs)) == pytest.approx(packing.rate_GBps)


@pytest.mark.parametrize("hops", [RoutedHops, FreeHops])
def test_a_switch_forwards_and_does_not_add(hops: type[RoutedHops] | type[FreeHops]) -> None:
    """8 chips of 100 GB/s on a switch: 8/14 of it, not 100."""
    star = graph(8, both_ways({(chip, 8): 100 for chip in range(8)}), switches=1)
    assert packed(star, "all_reduce", hops).bound_GBps == pytest.approx(400 / 7)


def test_unequal_boxes_overlap_reduce_and_broadcast() -> None:
    """7 chips in a full mesh and one behind a link of 10: all of it, where reduce-scatter then all-gather has 5.71."""
    board = graph(8, both_ways(dict.fromkeys(combinations(range(7), 2), 50) | {(6, 7): 10}))
    assert packed(board, "all_reduce").rate_GBps == pytest.approx(10)
    assert packed(board, "all_gather").rate_GBps == pytest.approx(2 * 40 / 7)


def test_a_shared_limit_is_one_more_row() -> None:
    """n300: two links of 25 GB/s each way between two chips."""
    board = load("n300")
    assert packed(board, "all_reduce").rate_GBps == pytest.approx(50)
    limited = loads(
        "board: pair\nnodes:\n  chip: {kind: device, count: 2}\nkinds:\n  wire: {bandwidth: 50 GB/s, latency: 1 us}\n"
        "links:\n  wire:\n    - [0, 1]\n"
        "limits:\n  bus: {bandwidth: 60 GB/s, between: [[chip0, chip1]]}\n",
        "pair",
    )
    assert packed(limited, "all_reduce").rate_GBps == pytest.approx(30)


def test_free_paths_may_beat_routes() -> None:
    """Three switches join two chips; the route takes one of them, the detour another."""
    ends = {pair: 10 for switch in (2, 3, 4) for pair in ((0, switch), (switch, 1))}
    board = graph(2, both_ways(ends), switches=3)
    assert packed(board, "all_reduce").rate_GBps == pytest.approx(10)
    round_about = RoutedHops(board, board.devices, detours=True)
    assert pack(round_about, demands("all_reduce", 2)).rate_GBps == pytest.approx(20)
    assert packed(board, "all_reduce", FreeHops).rate_GBps == pytest.approx(30)


def test_unequal_parts() -> None:
    """Rank 0 has three quarters of the data; on two chips that is what goes one way."""
    board = graph(2, {(0, 1): 30, (1, 0): 30})
    packing = pack(RoutedHops(board, board.devices), demands("all_gather", 2, weights=[0.75, 0.25]))
    assert packing.rate_GBps == pytest.approx(40)


def test_ranks_that_cannot_be_reached() -> None:
    line = graph(3, both_ways({(0, 1): 10, (1, 2): 10}))
    with pytest.raises(NoRouteError, match="rank 0"):
        pack(RoutedHops(line, [0, 2]), demands("all_gather", 2))


@pytest.mark.skipif(not PUBLISHED.is_dir(), reason="the published graphs are not here")
@pytest.mark.parametrize("name", ["dgx1v", "box8_box4_switch", "mi250_1x16", "mesh2d_4x4", "h100_2x8", "torus_4x4"])
def test_published_optima(name: str) -> None:
    path = PUBLISHED / f"{name}.json"
    expected = json.loads(path.read_text(encoding="utf-8"))["expected"]
    board = load(str(path))
    for kind, key in [("all_reduce", "ar_joint_lp"), ("all_gather", "ag"), ("reduce_scatter", "rs")]:
        packing = packed(board, kind)
        assert packing.bound_GBps == pytest.approx(expected[f"{key}_algbw"], abs=5.1e-5)
        assert packing.rate_GBps == pytest.approx(packing.bound_GBps, rel=1e-8)


@pytest.mark.parametrize("name", ["ppu-8", "mi250x-16", "unequal-8-4", "pcie-8", "ppu-8-pcie"])
@pytest.mark.parametrize("kind", ["all_reduce", "all_gather"])
def test_the_ladder_rises_to_the_bound_by_trees_of_so_many_hops(name: str, kind: str) -> None:
    board = load(name)
    hops = RoutedHops(board, board.devices, detours=True)
    steps = ladder(hops, demands(kind, len(board.devices), mirrored=hops.mirrored))
    bound = board.bound(kind)
    assert bound is not None
    assert steps[-1].rate_GBps == pytest.approx(bound.rate_GBps, rel=1e-6)
    for fewer, more in pairwise(steps):
        assert fewer.hops < more.hops
        assert fewer.rate_GBps <= more.rate_GBps * (1 + 1e-6)
    for step in steps:
        assert max(max(depths(tree)) for tree in step.trees) <= step.hops
        assert sum(tree.rate_GBps for tree in step.trees if not tree.up) == pytest.approx(step.rate_GBps)


def depths(tree: PackedTree) -> list[int]:
    found = []
    for rank in range(len(tree.parents)):
        hops = 0
        while rank != tree.root:
            rank, hops = tree.parents[rank], hops + 1
        found.append(hops)
    return found


@pytest.mark.parametrize("most", [12, 16, 20])
def test_few_trees_keep_within_the_links(most: int) -> None:
    board = load("dgx1v")
    hops = RoutedHops(board, board.devices)
    full, few = (ladder(hops, demands("all_gather", 8), most_trees=limit)[-1] for limit in (None, most))
    assert len(few.trees) <= most
    assert 0.75 * full.rate_GBps <= few.rate_GBps <= full.rate_GBps * (1 + 1e-9)
    check_trees(board, few)
