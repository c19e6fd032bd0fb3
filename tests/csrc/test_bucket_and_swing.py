"""Buckets and swings on tori: proved by the verifier, and as fast as their closed forms on an idle torus."""

from __future__ import annotations

import math
import random
from itertools import product

import pytest
from schedules import unstore

from _ringtree.core import Board, Collective, Job, Program, Recipe, simulate, verify

GBPS, LATENCY_US = 50.0, 1.0
KINDS = ("all_reduce", "reduce_scatter", "all_gather")
SHAPES = [(2,), (5,), (2, 2), (2, 3), (3, 2), (3, 3), (4, 4), (2, 3, 4), (4, 3, 2), (2, 2, 2), (3, 3, 3), (33,)]
POWERS = [(2,), (8,), (16,), (64,), (2, 2), (4, 2), (2, 8), (4, 4), (8, 8), (2, 4, 8), (2, 2, 2, 2)]


def idle_torus(sizes: tuple[int, ...]) -> Board:
    """Places in row-major order, each linked with both neighbours along each dimension."""
    places = list(product(*map(range, sizes)))
    index = {place: rank for rank, place in enumerate(places)}
    ends = set()
    for place, (dimension, size), by in product(places, enumerate(sizes), (1, -1)):
        to = (*place[:dimension], (place[dimension] + by) % size, *place[dimension + 1 :])
        ends.add((index[place], index[to]))
    return Board([True] * len(places), [(src, dst, GBPS, LATENCY_US, 0.0) for src, dst in sorted(ends)])


def time_us(sizes: tuple[int, ...], kind: str, nbytes: float, recipe: Recipe) -> float:
    """Of a vector that splits into equal flows, pieces and blocks."""
    ranks = math.prod(sizes)
    count = 720 * ranks * recipe.chunks
    program = Program.build(Collective(kind, ranks, count), recipe)
    return max(simulate(idle_torus(sizes), [Job(program, range(ranks), nbytes / count)]).finish_us[0])


@pytest.mark.parametrize("sizes", SHAPES)
@pytest.mark.parametrize("kind", KINDS)
def test_buckets_are_right(kind: str, sizes: tuple[int, ...]) -> None:
    ranks = math.prod(sizes)
    order = tuple(random.Random(ranks).sample(range(ranks), ranks))
    for count, chunks, depth in ((0, 1, 1), (7, 3, 2), (50 * ranks + 3, 2, 1), (50 * ranks + 3, 5, 4)):
        for orders in ((), (order,)):
            recipe = Recipe("bucket", chunks, depth=depth, orders=orders, sizes=sizes)
            program = Program.build(Collective(kind, ranks, count), recipe)
            verify(program)
            verify(program, in_place=True)


@pytest.mark.parametrize("kind", ["reduce_scatter", "all_gather"])
def test_buckets_of_parts_that_differ(kind: str) -> None:
    counts, displs = (5, 0, 17, 1, 40, 2), (60, 0, 0, 17, 18, 58)
    shape = Collective(kind, 6, 77, counts=counts, displs=displs)
    for chunks in (1, 4):
        program = Program.build(shape, Recipe("bucket", chunks, sizes=(2, 3)))
        verify(program)
        verify(program, in_place=True)


@pytest.mark.parametrize("sizes", POWERS)
@pytest.mark.parametrize("whole", [False, True])
def test_swings_are_right(sizes: tuple[int, ...], whole: bool) -> None:
    ranks = math.prod(sizes)
    order = tuple(random.Random(ranks).sample(range(ranks), ranks))
    for count, orders in product((0, 5, 9 * ranks + 1), ((), (order,))):
        recipe = Recipe("swing", depth=1, orders=orders, sizes=sizes, whole=whole)
        program = Program.build(Collective("all_reduce", ranks, count), recipe)
        verify(program)
        verify(program, in_place=True)


@pytest.mark.parametrize("sizes", [(5,), (16,), (2, 2), (3, 3), (4, 4), (2, 2, 2), (3, 3, 3)])
@pytest.mark.parametrize("nbytes", [2**10, 2**20, 2**30])
def test_buckets_keep_all_ports_busy(sizes: tuple[int, ...], nbytes: int) -> None:
    """schedules.md 3.1: a latency for each step along a ring, and the bytes over all ports of a rank."""
    ranks = math.prod(sizes)
    ports = sum(1 if size == 2 else 2 for size in sizes)
    steps = sum(size - 1 for size in sizes)
    phase_us = steps * LATENCY_US + (ranks - 1) / ranks / ports * nbytes / GBPS / 1e3
    for kind in KINDS:
        expected = phase_us * (2 if kind == "all_reduce" else 1)
        assert time_us(sizes, kind, nbytes, Recipe("bucket", sizes=sizes)) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("sizes", [(2, 3), (3, 4), (4, 8), (2, 3, 4)])
def test_pieces_keep_the_ports_of_uneven_tori_busy(sizes: tuple[int, ...]) -> None:
    ranks, nbytes = math.prod(sizes), 2**30
    ports = sum(1 if size == 2 else 2 for size in sizes)
    least_us = 2 * (ranks - 1) / ranks / ports * nbytes / GBPS / 1e3
    assert least_us < time_us(sizes, "all_reduce", nbytes, Recipe("bucket", 32, sizes=sizes)) < 1.03 * least_us


def distance(swings: int) -> int:
    return abs((1 - (-2) ** (swings + 1)) // 3)


@pytest.mark.parametrize("sizes", [(8,), (4, 4), (8, 8), (16, 16), (4, 4, 4), (8, 8, 8)])
def test_swings_congest_as_their_paper_says(sizes: tuple[int, ...]) -> None:
    """Each round half of what is left crosses as many links as the partners are apart."""
    ranks, dimensions = math.prod(sizes), len(sizes)
    rounds = [distance(bit // dimensions) for bit in range(int(math.log2(ranks)))]
    deficiency = sum(away / 2 ** (bit + 1) for bit, away in enumerate(rounds)) / (1 - 1 / ranks)
    nbytes = 2**34
    least_us = 2 * (ranks - 1) / ranks / (2 * dimensions) * nbytes / GBPS / 1e3
    found = time_us(sizes, "all_reduce", nbytes, Recipe("swing", sizes=sizes))
    assert found == pytest.approx(least_us * deficiency, rel=2e-3)
    limit = (
        ((1 - 2**-dimensions) / 3) * (2 / (1 - 2 ** (1 - dimensions)) + 1 / (1 + 2**-dimensions))
        if dimensions > 1
        else math.inf
    )
    assert deficiency < limit
    short = time_us(sizes, "all_reduce", 1, Recipe("swing", sizes=sizes))
    whole = time_us(sizes, "all_reduce", 1, Recipe("swing", sizes=sizes, whole=True))
    assert short == pytest.approx(2 * sum(rounds) * LATENCY_US, rel=1e-3)
    assert whole == pytest.approx(sum(rounds) * LATENCY_US, rel=1e-3)


def test_the_paper_s_limits() -> None:
    """1.200 on two dimensions, 1.037 on three, 1.0084 on four, as the sizes grow."""
    for dimensions, expected in ((2, 1.2), (3, 28 / 27), (4, 1.0084)):
        partial = sum(distance(bit // dimensions) / 2 ** (bit + 1) for bit in range(60 * dimensions))
        assert partial == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("sizes", [(16,), (8, 8), (2, 4, 8)])
def test_whole_swings_add_in_the_same_way_on_all_ranks(sizes: tuple[int, ...]) -> None:
    """Sums as sets of the two that were added: what each rank ends with is the very same."""
    ranks = math.prod(sizes)
    program = Program.build(Collective("all_reduce", ranks, 8), Recipe("swing", sizes=sizes, whole=True))
    ends, lanes = program.channel_ends(), unstore(program)
    for flow in range(program.lanes(0)):
        sums: list[object] = list(range(ranks))
        for swap in range(int(math.log2(ranks))):
            froms = [ends[lanes[rank, flow][2 * swap + 1].receives][0] for rank in range(ranks)]
            sums = [frozenset((sums[rank], sums[froms[rank]])) for rank in range(ranks)]
        assert len(set(sums)) == 1
