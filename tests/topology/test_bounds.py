"""Bounds against closed forms, cuts, and published figures."""

from __future__ import annotations

from itertools import combinations

import pytest
from graphs import PUBLISHED, both_ways, graph
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from topology import Topology, load
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


def test_what_has_no_bound() -> None:
    board = load("ppu-8")
    assert bound(board, "barrier") is None
    assert bound(board, "all_reduce", board.devices[:1]) is None
    with pytest.raises(ValueError, match="no bound is known for sort"):
        bound(board, "sort")


@pytest.mark.skipif(not PUBLISHED.is_dir(), reason="the published graphs are not here")
def test_published_all_to_all() -> None:
    """TACCL's figure for NDv2, 2 x 8: 64 parts over one link of 12.5 GB/s each way."""
    assert rate(load(str(PUBLISHED / "ndv2_2x8_teccl.json")), "all_to_all") == pytest.approx(12.5 / 4)
