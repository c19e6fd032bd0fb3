"""All-gathers of few steps: SCCL's points on DGX-1, brute force on tiny boards, loads counted link by link."""

from __future__ import annotations

from collections import Counter
from itertools import product

import pytest
from graphs import PUBLISHED, Wires, both_ways, graph
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from _ringtree.errors import NoRouteError
from topology import Topology, load
from topology.stepped import Stepped, stepped
from topology.steps import step_optimal

DGX = load("dgx1v")


def check(board: Topology, found: Stepped, steps: int, chunks: int, up: bool = False) -> None:
    """Every part in as many trees, each in time; per step no link has more chunks than the rounds let it carry."""
    assert sorted(tree.root for tree in found.trees) == sorted(list(range(len(board.devices))) * chunks)
    loads = Counter[tuple[int, int]]()
    for tree in found.trees:
        for rank, (parent, step) in enumerate(zip(tree.parents, tree.steps, strict=True)):
            if rank == tree.root:
                assert (parent, step) == (-1, 0)
                continue
            assert tree.steps[parent] < step <= steps
            ends = (rank, parent) if up else (parent, rank)
            for link in board.route(*(board.devices[end] for end in ends)):
                loads[link, step] += 1
    rounds = [0.0] * steps
    for (link, step), many in loads.items():
        units = (board.links[link].bandwidth_GBps or 0.0) / found.unit_GBps
        rounds[step - 1] = max(rounds[step - 1], many / units)
    assert found.durations == pytest.approx(rounds)


@pytest.mark.parametrize(("steps", "rounds", "chunks"), [(2, 3, 2), (3, 7, 6)])
def test_the_points_of_dgx1(steps: int, rounds: int, chunks: int) -> None:
    """schedules.md 2.1, row 9: steps, rounds and chunks that SCCL found, a round being a chunk on one NVLink."""
    found = step_optimal(DGX, DGX.devices, steps, chunks, seconds=60)
    check(DGX, found, steps, chunks)
    assert found.unit_GBps == 25
    assert found.rounds == pytest.approx(rounds)
    assert found.least_rounds == pytest.approx(rounds)


def test_three_chunks_in_two_steps_need_more_than_four_rounds() -> None:
    """(2, 4, 3) is unsatisfiable."""
    found = step_optimal(DGX, DGX.devices, 2, 3, seconds=60)
    check(DGX, found, 2, 3)
    assert (found.rounds, found.least_rounds) == pytest.approx((5, 5))


def test_the_published_graph_is_the_shipped_board() -> None:
    if not PUBLISHED.is_dir():
        pytest.skip(f"no published graphs in {PUBLISHED}")
    published = load(PUBLISHED / "dgx1v.json")
    found = step_optimal(published, published.devices, 2, 2)
    check(published, found, 2, 2)
    assert found.rounds == pytest.approx(3)


Way = tuple[tuple[int, int, int], ...]
"""Hops of a tree: from, to, step."""


def ways(ranks: int, wires: Wires, root: int, steps: int) -> list[Way]:
    """All trees from the root that reach all ranks, each over a hop in a step after its parent's."""
    others = [rank for rank in range(ranks) if rank != root]
    choices = [[(src, dst, step) for src, to in wires if to == dst for step in range(1, steps + 1)] for dst in others]
    found = []
    for hops in product(*choices):
        reached = {root: 0} | {dst: step for _, dst, step in hops}
        if all(reached[src] < step for src, _, step in hops):
            found.append(hops)
    return found


def fewest_rounds(ranks: int, wires: Wires, steps: int) -> float:
    unit = min(wires.values())
    best = float("inf")
    for forest in product(*(ways(ranks, wires, root, steps) for root in range(ranks))):
        loads = Counter((src, dst, step) for tree in forest for src, dst, step in tree)
        rounds = [0.0] * (steps + 1)
        for (src, dst, step), many in loads.items():
            rounds[step] = max(rounds[step], many * unit / wires[src, dst])
        best = min(best, sum(rounds))
    return best


@settings(deadline=None, max_examples=15)
@given(steps=st.integers(1, 2), data=st.data())
def test_tiny_boards_against_all_trees(steps: int, data: st.DataObject) -> None:
    pairs = [(a, b) for a, b in product(range(3), repeat=2) if a != b]
    wires = {pair: data.draw(st.sampled_from([1, 2, 3])) for pair in pairs if data.draw(st.integers(0, 4))}
    assume(all(ways(3, wires, root, steps) for root in range(3)))
    board = graph(3, wires)
    least = fewest_rounds(3, wires, steps)
    found = step_optimal(board, board.devices, steps, 1)
    assert found.rounds == pytest.approx(least)
    assert found.least_rounds == pytest.approx(least, abs=1e-5)
    assert stepped(board, board.devices, steps, 1).rounds >= least - 1e-9


@pytest.mark.parametrize("up", [False, True])
@pytest.mark.parametrize(
    ("name", "steps", "chunks"), [("ppu-8", 2, 2), ("torus-4x4", 4, 1), ("unequal-8-4", 2, 2), ("mi250x-16", 5, 1)]
)
def test_stepped_trees_of_boards(name: str, steps: int, chunks: int, up: bool) -> None:
    board = load(name)
    check(board, stepped(board, board.devices, steps, chunks, up, work=1_000_000), steps, chunks, up)


def test_one_way_links_are_taken_the_right_way() -> None:
    """A ring that turns one way: a tree down follows it, a tree up comes along it."""
    board = graph(3, {(0, 1): 1, (1, 2): 1, (2, 0): 1})
    down, up = (stepped(board, board.devices, 2, 1, way) for way in (False, True))
    assert down.trees[0].parents == (-1, 0, 1)
    assert up.trees[0].parents == (-1, 2, 0)
    assert step_optimal(board, board.devices, 2, 1, up=True).trees[0].parents == (-1, 2, 0)


def test_a_rank_that_is_too_far() -> None:
    line = graph(4, both_ways({(0, 1): 1, (1, 2): 1, (2, 3): 1}))
    for find in (stepped, step_optimal):
        with pytest.raises(NoRouteError, match="in 2 steps"):
            find(line, line.devices, 2, 1)
    assert stepped(line, line.devices, 3, 1).rounds == pytest.approx(3)
