"""Tori: found whatever the numbers, never where there is none, against links written down and all permutations."""

from __future__ import annotations

import math
from itertools import combinations, permutations, product

import pytest
from graphs import PUBLISHED, both_ways, graph
from hypothesis import given, settings
from hypothesis import strategies as st

from topology import Topology, load
from topology.torus import find_torus

Pairs = set[frozenset[int]]
Shape = tuple[int, ...]


def torus_pairs(sizes: Shape, wraps: bool = True) -> Pairs:
    """Places in row-major order that are neighbours."""
    places = {place: number for number, place in enumerate(product(*map(range, sizes)))}
    pairs = set()
    for place, number in places.items():
        for dimension, size in enumerate(sizes):
            beside = place[dimension] + 1
            if beside < size or wraps:
                pairs.add(frozenset((number, places[(*place[:dimension], beside % size, *place[dimension + 1 :])])))
    return pairs


def board(chips: int, pairs: Pairs) -> Topology:
    """With a switch that joins all chips, which is no neighbour."""
    wires = {(min(pair), max(pair)): 10 for pair in pairs} | {(chip, chips): 10 for chip in range(chips)}
    return graph(chips, both_ways(wires), switches=1)


def is_torus_of(sizes: Shape, order: Shape, pairs: Pairs) -> bool:
    """Whether the links are those of the torus with these ranks at its places."""
    return {frozenset(order[place] for place in pair) for pair in torus_pairs(sizes)} == pairs


SHAPES = [(3,), (4,), (5,), (2, 2), (2, 3), (3, 2), (4, 2), (3, 3), (4, 4), (2, 2, 2), (2, 3, 4), (4, 5), (3, 3, 3)]
SHAPES += [(2, 2, 2, 2), (4, 4, 4), (8, 8), (2, 2, 5, 3), (64,)]


@pytest.mark.parametrize("sizes", SHAPES)
def test_numbered_in_order_it_is_found_as_it_was_written(sizes: Shape) -> None:
    chips = math.prod(sizes)
    found = find_torus(board(chips, torus_pairs(sizes)), range(chips))
    assert found is not None
    assert (found.sizes, found.order) == (sizes, tuple(range(chips)))
    assert found.coordinates() == dict(enumerate(product(*map(range, sizes))))


@settings(deadline=None, max_examples=60)
@given(sizes=st.sampled_from(SHAPES), data=st.data())
def test_it_is_found_whatever_its_numbers(sizes: Shape, data: st.DataObject) -> None:
    """Up to rings of four, which are pairs of pairs; ranks that are placed in any order, on nodes that are more."""
    chips = math.prod(sizes)
    nodes = data.draw(st.permutations(range(chips + 2)))
    pairs = {frozenset(nodes[place] for place in pair) for pair in torus_pairs(sizes)}
    pairs |= {frozenset(nodes[-2:]), frozenset((nodes[0], nodes[-1]))}
    found = find_torus(board(chips + 2, pairs), nodes[:chips])
    assert found is not None
    assert is_torus_of(found.sizes, found.order, torus_pairs(sizes))

    def split(shape: Shape) -> list[int]:
        return sorted(factor for size in shape for factor in ((2, 2) if size == 4 else (size,)))

    assert split(found.sizes) == split(sizes)


@settings(deadline=None, max_examples=150)
@given(chips=st.integers(3, 6), data=st.data())
def test_nothing_else_is_found(chips: int, data: st.DataObject) -> None:
    """Any few links: a torus is found where some permutation of some shape's places has them."""
    everything = [frozenset(pair) for pair in combinations(range(chips), 2)]
    pairs = data.draw(st.sets(st.sampled_from(everything), min_size=1))
    found = find_torus(board(chips, pairs), range(chips))
    shapes: dict[int, list[Shape]] = {3: [(3,)], 4: [(4,)], 5: [(5,)], 6: [(6,), (2, 3)]}
    orders = permutations(range(chips))
    assert (found is not None) == any(is_torus_of(s, o, pairs) for o in orders for s in shapes[chips])
    if found:
        assert is_torus_of(found.sizes, found.order, pairs)


@settings(deadline=None, max_examples=60)
@given(sizes=st.sampled_from([s for s in SHAPES if math.prod(s) > 4]), data=st.data())
def test_a_spoilt_torus_is_none(sizes: Shape, data: st.DataObject) -> None:
    """A link more, a link less, or two links whose ends are exchanged, so that all chips keep their many links."""
    chips, pairs = math.prod(sizes), torus_pairs(sizes)
    links = sorted(map(sorted, pairs))
    (a, b), (c, d) = (data.draw(st.sampled_from(links)) for _ in range(2))
    removed, added = {frozenset((a, b)), frozenset((c, d))}, {frozenset((a, d)), frozenset((c, b))}
    assert find_torus(board(chips, pairs - {frozenset((a, b))}), range(chips)) is None
    if len({a, b, c, d}) == 4 and not added & pairs:
        assert find_torus(board(chips, pairs | added), range(chips)) is None
        found = find_torus(board(chips, pairs - removed | added), range(chips))
        assert found is None or is_torus_of(found.sizes, found.order, pairs - removed | added)


def twisted(rows: int, columns: int) -> Pairs:
    """Rows that go on in the next one at their end, as a helix, and columns."""
    chips = rows * columns
    along = {frozenset((i, (i + 1) % chips)) for i in range(chips)}
    return along | {frozenset((i, (i + columns) % chips)) for i in range(chips)}


PETERSEN = {frozenset(pair) for i in range(5) for pair in ((i, (i + 1) % 5), (i, i + 5), (i + 5, (i + 2) % 5 + 5))}
MOEBIUS = {frozenset(pair) for i in range(8) for pair in ((i, (i + 1) % 8), (i, (i + 4) % 8))}


@pytest.mark.parametrize(
    ("chips", "pairs"),
    [
        (16, torus_pairs((4, 4), wraps=False)),
        (9, torus_pairs((3, 3), wraps=False)),
        (20, twisted(4, 5)),
        (10, PETERSEN),
        (8, MOEBIUS),
        (4, set(map(frozenset, combinations(range(4), 2)))),
        (6, torus_pairs((3,)) | {frozenset((i + 3, (i + 1) % 3 + 3)) for i in range(3)}),
        (2, {frozenset((0, 1))}),
    ],
    ids=["mesh", "mesh3x3", "twisted", "petersen", "moebius", "full", "two-rings", "pair"],
)
def test_what_is_no_torus(chips: int, pairs: Pairs) -> None:
    assert find_torus(board(chips, pairs), range(chips)) is None


def test_links_one_way_make_no_ring() -> None:
    assert find_torus(graph(3, {(0, 1): 1, (1, 2): 1, (2, 0): 1}), range(3)) is None


def test_shipped_boards() -> None:
    whole = load("torus-4x4")
    found = whole.torus(whole.devices)
    assert found is not None
    assert found.sizes == (4, 4)
    ring = whole.torus((0, 1, 2, 3))
    assert ring is not None
    assert ring.sizes == (4,)
    for name in ("ppu-8", "dgx1v", "h100-8", "mi300x-8"):
        other = load(name)
        assert other.torus(other.devices) is None


@pytest.mark.parametrize(("name", "sizes"), [("torus_4x4", (4, 4)), ("ring8", (8,)), ("mesh2d_4x4", None)])
def test_published_graphs(name: str, sizes: Shape | None) -> None:
    if not PUBLISHED.is_dir():
        pytest.skip(f"no published graphs in {PUBLISHED}")
    published = load(PUBLISHED / f"{name}.json")
    found = find_torus(published, published.devices)
    assert (found.sizes if found else None) == sizes
