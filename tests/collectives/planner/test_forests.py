"""Forests: every element in one share, programs proved, and on long vectors the rate that the packing promises."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from _ringtree.core import Collective, Program, Recipe, Record, Tree, verify
from _ringtree.errors import NoRouteError, UnsupportedError
from collectives import plan
from collectives.planner.forests import KINDS, Share, forest, pack_ladder, shares
from collectives.planner.planning import Planner
from topology import Topology, load, loads
from topology.packing import PackedTree, Packing

PPU = load("ppu-8")


def fastest(collective: Collective, trees: int | None = None) -> tuple[Tree, ...]:
    """The forest of the best packing on the PPU board."""
    planner = Planner(PPU, PPU.devices)
    return forest(collective, planner.shares(collective, planner.packings(collective, trees=trees)[-1]))


def part(collective: Collective, rank: int) -> range:
    """Whole elements, larger parts first."""
    sizes = [collective.count // collective.ranks + (r < collective.count % collective.ranks) for r in range(rank + 1)]
    return range(sum(sizes[:-1]), sum(sizes))


@settings(deadline=None, max_examples=40)
@given(kind=st.sampled_from(KINDS), count=st.integers(0, 5000), root=st.integers(0, 7), chunks=st.integers(1, 9))
def test_each_element_has_one_share_and_the_program_is_right(kind: str, count: int, root: int, chunks: int) -> None:
    collective = Collective(kind, 8, count, root)
    trees = fastest(collective)
    covered = sorted(element for tree in trees for element in range(tree.offset, tree.offset + tree.length))
    assert covered == list(range(count))
    for tree in trees:
        if kind in ("broadcast", "reduce"):
            assert tree.root == root
        if kind in ("all_gather", "reduce_scatter"):
            assert set(range(tree.offset, tree.offset + tree.length)) <= set(part(collective, tree.root))
    verify(Program.build(collective, Recipe("forest", chunks, 2, 2, forest=trees)))


@settings(deadline=None, max_examples=15)
@given(kind=st.sampled_from(["all_gather", "reduce_scatter"]), counts=st.tuples(*[st.integers(0, 300)] * 8))
def test_parts_that_differ(kind: str, counts: tuple[int, ...]) -> None:
    collective = Collective(kind, 8, sum(counts), counts=counts)
    trees = fastest(collective)
    assert [sum(tree.length for tree in trees if tree.root == rank) for rank in range(8)] == list(counts)
    verify(Program.build(collective, Recipe("forest", 3, 2, 2, forest=trees)))


@pytest.mark.parametrize("board", ["ppu-8", "ppu-8-pcie", "dgx1v", "mi300x-8", "unequal-8-4", "n300", "pcie-8"])
@pytest.mark.parametrize("kind", ["all_reduce", "all_gather", "reduce_scatter"])
def test_long_vectors_come_near_the_bound_and_never_above(board: str, kind: str) -> None:
    found = plan(load(board), kind, 2**30, algorithm="forest")
    bound = pack_ladder(load(board), found.placement, kind, 0)[-1].bound_GBps
    assert 0.98 <= 2**30 / found.time_us / 1e3 / bound <= 1


def test_trees_up_and_down_are_joined_by_the_share_that_they_have_in_common() -> None:
    """Up 3 and 1, down 2, 1 and 1.5: cut at 2, 3 and 4; what is left of the last one down goes nowhere."""
    a, b, c, d, e = (-1, 0, 0), (-1, 0, 1), (-1, 2, 0), (-1, 0, 0), (-1, 0, 1)
    trees = [PackedTree(0, True, a, 3.0), PackedTree(0, True, b, 1.0)]
    trees += [PackedTree(0, False, c, 2.0), PackedTree(0, False, d, 1.0), PackedTree(0, False, e, 1.5)]
    found = shares(Packing(4.0, 4.0, tuple(trees), (), 2), "all_reduce")
    assert found == (Share(0, a, c, 2.0), Share(0, a, e, 1.0), Share(0, b, e, 0.5), Share(0, b, d, 0.5))


def apart() -> Topology:
    """Three chips in a line; the one between does not forward."""
    nodes = '[{"id": 0, "kind": "accel"}, {"id": 1, "kind": "accel"}, {"id": 2, "kind": "accel"}]'
    ends = [(0, 1), (1, 0), (1, 2), (2, 1)]
    links = ", ".join(f'{{"src": {src}, "dst": {dst}, "bw": 10, "lat": 1}}' for src, dst in ends)
    return loads(f'{{"nodes": {nodes}, "links": [{links}]}}', "line")


def test_where_no_forest_grows() -> None:
    with pytest.raises(NoRouteError):
        plan(apart(), nbytes=1024, devices=[0, 2], algorithm="forest")
    with pytest.raises(UnsupportedError, match="all_to_all"):
        plan(PPU, "all_to_all", 1024, algorithm="forest")
    with pytest.raises(UnsupportedError, match="needs a board"):
        Planner(None, tuple(range(4))).packings(Collective("all_reduce", 4, 8))
    with pytest.raises(UnsupportedError, match="no tree of 1 hops joins all ranks; expected at least 2"):
        plan(PPU, nbytes=1024, algorithm="forest:hops=1")
    with pytest.raises(UnsupportedError, match="no packing of 7 trees: each of 8 ranks needs one"):
        plan(PPU, "all_gather", 1024, algorithm="forest:trees=7")


@pytest.mark.parametrize("kind", ["all_reduce", "all_gather"])
@pytest.mark.parametrize("trees", [8, 16])
def test_few_trees_lose_little(kind: str, trees: int) -> None:
    """What the packing says that it loses is what the simulator finds."""
    planner = Planner(PPU, PPU.devices)
    for packing in planner.packings(Collective(kind, 8, 1), trees=trees):
        found = plan(PPU, kind, 2**30, algorithm=f"forest:trees={trees}:hops={packing.hops}")
        assert found.plan.startswith(f"forest:hops={packing.hops}:trees={trees}:chunks=")
        assert 0.97 * packing.rate_GBps <= 2**30 / found.time_us / 1e3 <= packing.rate_GBps
        assert len(planner.shares(Collective(kind, 8, 1), packing)) <= trees


def test_direct_links_and_the_host_path_at_once() -> None:
    """Chips with links of their own and PCIe: channels that take the detour make the board as fast as its bound."""
    board = load("ppu-8-pcie")
    found = plan(board, nbytes=2**30, algorithm="forest")
    assert any(found.program.detours())
    links_alone = load("ppu-8")
    assert found.time_us < 0.85 * plan(links_alone, nbytes=2**30, algorithm="forest").time_us
    used = set[int]()
    for (src, dst), detour in zip(found.program.channel_ends(), found.program.detours(), strict=True):
        used |= set(board.route(board.devices[src], board.devices[dst], detour))
    records: list[Record] = []
    found.simulate(observer=records.extend)
    assert {record.element for record in records} == used
    verify(found.program)


@pytest.mark.parametrize(("ranks", "searches"), [(64, 2), (65, 1)])
def test_many_ranks_near_the_bound_seek_no_detours(ranks: int, searches: int, monkeypatch: pytest.MonkeyPatch) -> None:
    board = load("supernode-128")
    placement = board.devices[:ranks]
    found: list[float] = []

    def ladder(*_: object, bound_GBps: float, **__: object) -> tuple[Packing, ...]:
        found.append(bound_GBps)
        return (Packing(bound_GBps * 0.9997, bound_GBps, (), (), 2),)

    monkeypatch.setattr("topology.packing.ladder", ladder)
    pack_ladder(board, placement, "all_reduce")
    assert len(found) == searches
