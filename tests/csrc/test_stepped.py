"""Trees of few steps: each spans in time over hops that exist, and the durations are those of the busiest elements."""

from __future__ import annotations

from collections import Counter
from itertools import product

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from _ringtree.errors import InputError, NoRouteError
from _ringtree.trees import Hop, stepped_trees

WORK = 200_000


@st.composite
def boards(draw: st.DrawFn) -> tuple[int, list[Hop], list[float]]:
    """Hops that take an element of their own and perhaps some that others take too."""
    ranks = draw(st.integers(2, 6))
    pairs = [(a, b) for a, b in product(range(ranks), repeat=2) if a != b and draw(st.integers(0, 2))]
    shared = draw(st.integers(0, 3))
    more = st.sets(st.integers(len(pairs), len(pairs) + shared - 1), max_size=2) if shared else st.just(set())
    hops: list[Hop] = [(a, b, [number, *draw(more)]) for number, (a, b) in enumerate(pairs)]
    busy = [draw(st.sampled_from([0.25, 0.5, 1.0, 2.0])) for _ in range(len(pairs) + shared)]
    return ranks, hops, busy


def hops_away(ranks: int, hops: list[Hop]) -> int:
    """The most hops from any rank to another; ranks where one is not reached."""
    away = [[0 if a == b else ranks for b in range(ranks)] for a in range(ranks)]
    for a, b, _ in hops:
        away[a][b] = 1
    for through, a, b in product(range(ranks), repeat=3):
        away[a][b] = min(away[a][b], away[a][through] + away[through][b])
    return max(map(max, away))


@settings(deadline=None, max_examples=100)
@given(board=boards(), spare=st.integers(0, 2), chunks=st.integers(1, 3))
def test_trees_span_in_time_and_the_busiest_elements_say_how_long(
    board: tuple[int, list[Hop], list[float]], spare: int, chunks: int
) -> None:
    ranks, hops, busy = board
    least = hops_away(ranks, hops)
    assume(least < ranks)
    steps = least + spare
    parents, step_of, durations = stepped_trees(ranks, hops, busy, steps, chunks, WORK)
    taken = {(src, dst): elements for src, dst, elements in hops}
    many = Counter[tuple[int, int]]()
    for number, (up, step) in enumerate(zip(parents.tolist(), step_of.tolist(), strict=True)):
        root = number // chunks
        assert (up[root], step[root]) == (-1, 0)
        for rank in set(range(ranks)) - {root}:
            assert step[up[rank]] < step[rank] <= steps
            many.update((element, step[rank]) for element in taken[up[rank], rank])
    for step in range(1, steps + 1):
        longest = max(many[element, step] * times for element, times in enumerate(busy))
        assert durations[step - 1] == pytest.approx(longest)
    again = stepped_trees(ranks, hops, busy, steps, chunks, WORK)
    assert all(np.array_equal(a, b) for a, b in zip((parents, step_of, durations), again, strict=True))


@given(board=boards(), steps=st.integers(1, 4))
@settings(deadline=None, max_examples=50)
def test_too_few_steps(board: tuple[int, list[Hop], list[float]], steps: int) -> None:
    ranks, hops, busy = board
    assume(hops_away(ranks, hops) > steps)
    with pytest.raises(NoRouteError, match=f"does not reach all ranks in {steps} steps"):
        stepped_trees(ranks, hops, busy, steps, 1, WORK)


def test_one_rank_alone() -> None:
    parents, step_of, durations = stepped_trees(1, [], [], 2, 3, WORK)
    assert (parents.tolist(), step_of.tolist(), durations.tolist()) == ([[-1]] * 3, [[0]] * 3, [0.0, 0.0])


@pytest.mark.parametrize(
    ("ranks", "hops", "steps", "chunks", "words"),
    [
        (2, [(0, 2, [0])], 1, 1, "hop 0: found 0 to 2"),
        (2, [(-1, 0, [0])], 1, 1, "hop 0: found -1 to 0"),
        (2, [], 0, 1, "0 steps"),
        (2, [], 1, 0, "0 chunks"),
        (2, [], 1, 65, "65 chunks"),
        (1025, [], 1, 1, "1025 ranks"),
    ],
)
def test_what_cannot_be(ranks: int, hops: list[Hop], steps: int, chunks: int, words: str) -> None:
    with pytest.raises(InputError, match=words):
        stepped_trees(ranks, hops, [1.0], steps, chunks, WORK)
