"""What is tried for a specification: each candidate says what it is, can be built, and is proved by the verifier."""

from __future__ import annotations

import math
from itertools import combinations

import pytest

from _ringtree.core import KINDS, Collective, Program, verify
from _ringtree.errors import UnsupportedError
from collectives.planner.candidates import CHUNKS, Candidate, candidates
from collectives.planner.placement import place
from collectives.planner.planning import Planner
from collectives.planner.specification import PARAMETERS, Specification, parse
from topology import load

PPU = Planner(*place(load("ppu-8")))
RAILS = Planner(*place(load("ppu-4x8"), None, [0, 8, 1, 9, 16]))
TORUS = Planner(*place(load("torus-4x4")))
# The table in csrc/build.h, on 8 ranks.
TREES = {"tree", "binary_tree", "binomial", "star", "two_level", "forest"}
DOES = {
    "all_reduce": set(PARAMETERS) - {"auto", "pairwise"},
    "reduce_scatter": {"ring", "rabenseifner", "two_shot", "bucket", *TREES},
    "all_gather": set(PARAMETERS) - {"auto", "pairwise", "swing"},
    "broadcast": {"ring", "one_shot", *TREES},
    "reduce": {"ring", *TREES},
    "gather": {"binomial", "star", "one_shot"},
    "scatter": {"binomial", "star", "one_shot"},
    "all_to_all": {"pairwise", "one_shot"},
    "barrier": {"tree", "binary_tree", "binomial", "star", "two_level", "one_shot", "recursive_doubling"},
}


def found(planner: Planner, kind: str, count: int, text: str) -> list[Candidate]:
    ranks = len(planner.placement)
    return list(candidates(planner, Collective(kind, ranks, 0 if kind == "barrier" else count), parse(text)))


@pytest.mark.parametrize("kind", KINDS)
def test_auto_tries_all_that_exist(kind: str) -> None:
    """One board has no second level, and what is no torus no buckets and swings."""
    tried = {c.specification.name for c in found(PPU, kind, 1 << 20, "auto")}
    assert tried == DOES[kind] - {"two_level", "bucket", "swing"}
    assert {c.specification.name for c in found(TORUS, kind, 1 << 20, "auto")} == DOES[kind] - {"two_level"}
    assert ("two_level" in DOES[kind]) == ("two_level" in {c.recipe.algorithm for c in found(RAILS, kind, 9, "auto")})


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("planner", [PPU, RAILS, TORUS], ids=["one-board", "two-boards-and-one", "torus"])
def test_each_is_proved_and_says_what_it_is(planner: Planner, kind: str) -> None:
    shape = Collective(kind, len(planner.placement), 0 if kind == "barrier" else 1100)
    all_of_them = found(planner, kind, 1100, "auto")
    assert len({str(c.specification) for c in all_of_them}) == len(all_of_them)
    for candidate in all_of_them:
        name = candidate.specification.name
        given = dict(candidate.specification.parameters)
        # A forest is one of few hops, of few steps or an early one; a limit of trees is there if it is asked for.
        may_be_open = ("hops", "steps", "trees", "early") if name == "forest" else ()
        assert list(given) == [key for key in PARAMETERS[name] if key in given or key not in may_be_open]
        assert name != "forest" or len({"hops", "steps", "early"} & set(given)) == 1
        verify(Program.build(shape, candidate.recipe))
        assert found(planner, kind, 1100, str(candidate.specification)) == [candidate]


def test_each_parameter_that_is_left_open_is_tried() -> None:
    """A share of 2^20 elements in 8 parts can be cut into the most chunks that there are."""
    tree = found(PPU, "all_reduce", 1 << 20, "tree:pace=3")
    assert [c.specification.get("chunks") for c in tree] == list(CHUNKS)
    assert {c.specification.get("pace") for c in tree} == {3}
    ring = found(PPU, "all_reduce", 1 << 20, "ring:chunks=2")
    assert {c.specification.get("channels") for c in ring} == {1, len(PPU.rings())}
    assert {c.specification.get("depth") for c in found(PPU, "all_reduce", 1, "ring:depth=5")} == {5}
    assert len(found(PPU, "all_reduce", 1 << 20, "one_shot")) == 1


@pytest.mark.parametrize("count", [0, 1, 2047, 2048])
def test_small_shares_are_not_cut(count: int) -> None:
    assert {c.specification.get("chunks") for c in found(PPU, "all_reduce", count, "tree")} == {1}


def test_more_channels_than_rings_use_rings_again() -> None:
    (only,) = found(PPU, "all_reduce", 100, "ring:channels=9:chunks=1")
    rings = PPU.rings()
    assert only.recipe.orders == tuple((rings * 9)[:9])


def test_boards_are_numbered_as_they_appear() -> None:
    (only,) = found(RAILS, "all_reduce", 100, "two_level:chunks=1")
    together = {
        frozenset((a, b))
        for a, b in combinations(range(5), 2)
        if only.recipe.board_of_rank[a] == only.recipe.board_of_rank[b]
    }
    assert together == {frozenset((0, 2)), frozenset((1, 3))}
    assert only.recipe.board_of_rank == (0, 1, 0, 1, 2)


@pytest.mark.parametrize(
    ("kind", "text"),
    [("gather", "ring"), ("all_reduce", "pairwise"), ("reduce", "one_shot"), ("all_reduce", "two_level")],
)
def test_what_does_not_exist(kind: str, text: str) -> None:
    with pytest.raises(UnsupportedError, match=f"{text} does not do {kind} on 8 ranks of this board"):
        found(PPU, kind, 100, text)


@pytest.mark.parametrize("ranks", [2, 3, 4, 5, 6, 7, 8])
@pytest.mark.parametrize("name", ["recursive_doubling", "rabenseifner"])
def test_halving_needs_a_power_of_two(name: str, ranks: int) -> None:
    planner = Planner(*place(load("ppu-8"), ranks))
    try:
        found(planner, "all_gather", 100, name)
        exists = True
    except UnsupportedError:
        exists = False
    assert exists == math.log2(ranks).is_integer()


def test_the_lightest_remains_where_all_are_heavy() -> None:
    planner = Planner(None, tuple(range(2048)))
    shape = Collective("all_reduce", 2048, 1 << 30)
    (only,) = candidates(planner, shape, Specification("ring", (("channels", 1),)))
    assert only.specification.get("chunks") == 1
