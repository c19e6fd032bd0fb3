"""Rings on boards: every hop a direct link, no link in two rings, each chip once in each."""

from __future__ import annotations

from collections import Counter
from itertools import permutations

import highspy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from _ringtree.core import find_cycles
from collectives.planner.placement import place
from collectives.planner.rings import MOST_CHIPS, MOST_RINGS, lay_rings, link_matrix
from topology import Topology, load, loads

WITH_LINKS = ["ppu-8", "ppu-8-pcie", "dgx1v", "910b-8", "mi300x-8", "gaudi2-8", "torus-4x4", "n300"]


def links_between(topology: Topology, placement: tuple[int, ...]) -> Counter[tuple[int, int]]:
    """Counted anew: direct links of rank to rank, in units of the narrowest."""
    rank_of = {node: rank for rank, node in enumerate(placement)}
    direct = [link for link in topology.links if {link.src, link.dst} <= set(placement)]
    narrowest = min((link.bandwidth_GBps or 0.0 for link in direct), default=1.0)
    found = Counter[tuple[int, int]]()
    for link in direct:
        found[rank_of[link.src], rank_of[link.dst]] += round((link.bandwidth_GBps or 0.0) // narrowest)
    return found


def check(topology: Topology, placement: tuple[int, ...]) -> list[tuple[int, ...]]:
    """The rings, after a look at each hop of theirs."""
    rings = lay_rings(topology, placement)
    assert 1 <= len(rings) <= MOST_RINGS
    assert all(sorted(ring) == list(range(len(placement))) for ring in rings)
    hops = Counter((ring[i - 1], ring[i]) for ring in rings for i in range(len(ring)))
    there = links_between(topology, placement)
    direct = all(times <= there[hop] for hop, times in hops.items())
    assert direct or rings == [tuple(range(len(placement)))]
    return rings


@pytest.mark.parametrize("name", WITH_LINKS)
def test_rings_run_over_direct_links(name: str) -> None:
    topology = load(name)
    matrix = link_matrix(topology, topology.devices)
    there = links_between(topology, topology.devices)
    assert {(a, b): n for a, row in enumerate(matrix) for b, n in enumerate(row) if n} == dict(there)
    check(topology, topology.devices)


@given(st.sampled_from(["ppu-8", "dgx1v", "910b-8"]), st.permutations(range(8)), st.integers(2, 8))
@settings(deadline=None, max_examples=40)
def test_on_any_of_the_chips(name: str, chips: list[int], ranks: int) -> None:
    check(*place(load(name), None, chips[:ranks]))


@pytest.mark.parametrize("ranks", [3, 5, 7, 8])
def test_a_full_mesh_falls_apart_into_rings(ranks: int) -> None:
    """The complete directed graph has a Hamiltonian decomposition unless n is 4 or 6 (Tillson 1980)."""
    assert len(check(*place(load("910b-8"), ranks))) == ranks - 1


def test_one_cable_carries_two_rings() -> None:
    pairs = [(i, (i + 1) % 5) for i in range(5)]
    links = ", ".join(f"[chip{a}, chip{b}]" for a, b in pairs)
    text = "nodes: {chip: {kind: device, count: 5}}\nkinds: {wire: {bandwidth: 50 GB/s, latency: 1 us}}"
    ring = loads(f"board: ring\n{text}\nlinks: {{wire: [{links}]}}\n", "ring.yaml")
    assert {frozenset(zip(order, (*order[1:], order[0]), strict=True)) for order in check(ring, ring.devices)} == {
        frozenset(pairs),
        frozenset((b, a) for a, b in pairs),
    }


@pytest.mark.parametrize("name", ["h20-8", "pcie-8"])
def test_rank_order_where_switches_join_the_chips(name: str) -> None:
    topology = load(name)
    assert lay_rings(topology, topology.devices) == [tuple(range(len(topology.devices)))]


@pytest.mark.parametrize("ranks", [1, 2, 9])
def test_rank_order_without_a_board(ranks: int) -> None:
    assert lay_rings(None, range(ranks)) == [tuple(range(ranks))]


def test_rank_order_of_one_and_of_very_many() -> None:
    large = load("supernode-128")
    assert len(large.devices) > MOST_CHIPS
    assert lay_rings(large, large.devices) == [tuple(range(128))]
    assert lay_rings(load("ppu-8"), (3,)) == [(0,)]


@pytest.mark.parametrize("name", ["ppu-8", "dgx1v"])
def test_the_same_answer_every_time(name: str) -> None:
    topology = load(name)
    assert lay_rings(topology, topology.devices) == lay_rings(load(name), topology.devices)


def most_rings(matrix: list[list[int]]) -> int:
    """The integer program over every Hamiltonian cycle."""
    ranks = range(len(matrix))
    model = highspy.Highs()
    model.silent()
    users: dict[tuple[int, int], list[highspy.highs_var]] = {}
    rings = []
    for order in permutations(ranks[1:]):
        around = (0, *order)
        arcs = [(around[place - 1], around[place]) for place in ranks]
        if all(matrix[a][b] for a, b in arcs):
            rings.append(model.addIntegral(0))
            for arc in arcs:
                users.setdefault(arc, []).append(rings[-1])
    if not rings:
        return 0
    for (a, b), through in users.items():
        model.addConstr(sum(through) <= matrix[a][b])
    model.maximize(sum(rings))
    return round(model.getObjectiveValue())


@pytest.mark.parametrize("name", ["ppu-8", "c500-8", "910b-8"])
def test_there_are_no_more_rings(name: str) -> None:
    board = load(name)
    matrix = link_matrix(board, board.devices)
    assert len(find_cycles(matrix, 16)) == most_rings(matrix)
