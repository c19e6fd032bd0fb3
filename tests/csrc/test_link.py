"""The link model against exact arithmetic: messages alone and in each other's way, over one link and several."""

from __future__ import annotations

from fractions import Fraction

import pytest
from _ringtree_core import lib
from hypothesis import given, settings
from hypothesis import strategies as st
from schedules import Step, store

from _ringtree.core import Board, Collective, Job, simulate

REL = 1e-12


def stream(counts: list[int]) -> tuple[list[Step], list[Step]]:
    """What the sender and the receiver of some messages do."""
    return [Step(lib.RT_SEND, n, sends=0) for n in counts], [Step(lib.RT_RECV, n, receives=0) for n in counts]


def line(rates: list[tuple[float, float, float]], limits: list[tuple[float, float, list[int]]] | None = None) -> Board:
    """Nodes in a row, a link from each to the next: (GB/s, latency, cost)."""
    links = [(i, i + 1, *rate) for i, rate in enumerate(rates)]
    return Board([True] * (len(rates) + 1), links, limits or [])


def run(board: Board, last: int, counts: list[int], depth: int = 1, starts: list[float] | None = None) -> list[float]:
    sends, receives = stream(counts)
    program = store(Collective("broadcast", 2, max(counts)), [(0, 1)], {(0, 0): sends, (1, 0): receives}, depth)
    return simulate(board, [Job(program, [0, last], 1.0, starts)]).finish_us[0]


figures = st.floats(0.001, 1000, allow_nan=False)
links = st.lists(st.tuples(figures, st.floats(0, 100), st.floats(0, 10)), min_size=1, max_size=6)


@given(links, st.integers(0, 10**9))
@settings(deadline=None, max_examples=100)
def test_alone_over_several_links(rates: list[tuple[float, float, float]], size: int) -> None:
    """Alone and without costs: the sum of the latencies plus bytes over the narrowest bandwidth."""
    free = [(bandwidth, latency, 0.0) for bandwidth, latency, _ in rates]
    latency = sum(Fraction(latency) for _, latency, _ in free)
    slowest = Fraction(min(bandwidth for bandwidth, _, _ in free)) * 1000
    left, arrived = run(line(free), len(free), [size])
    assert arrived == pytest.approx(float(latency + size / slowest), rel=REL)
    assert left == pytest.approx(float(size / (Fraction(free[0][0]) * 1000)), rel=REL)


@given(links, st.integers(0, 10**9))
@settings(deadline=None, max_examples=100)
def test_costs_delay_the_head_and_occupy(rates: list[tuple[float, float, float]], size: int) -> None:
    head = tail = Fraction(0)
    for bandwidth, latency, cost in rates:
        tail = max(head + Fraction(cost) + size / (Fraction(bandwidth) * 1000), tail) + Fraction(latency)
        head += Fraction(cost) + Fraction(latency)
    assert run(line(rates), len(rates), [size])[1] == pytest.approx(float(tail), rel=REL)


@given(links, st.lists(st.integers(0, 10**8), min_size=1, max_size=8), st.integers(1, 3))
@settings(deadline=None, max_examples=100)
def test_a_stream_through_slots(rates: list[tuple[float, float, float]], counts: list[int], depth: int) -> None:
    """One message after another over the same path: all comes in order, so it can be computed message by message."""
    exact = [(Fraction(b) * 1000, Fraction(latency), Fraction(c)) for b, latency, c in rates]
    free = [Fraction(0)] * len(exact)
    arrivals: list[Fraction] = []
    left = Fraction(0)
    for k, size in enumerate(counts):
        head = tail = max(left, arrivals[k - depth] if k >= depth else Fraction(0))
        for i, (rate, latency, cost) in enumerate(exact):
            start = max(head, free[i])
            free[i] = start + cost + size / rate
            if i == 0:
                left = free[0]
            head, tail = start + cost + latency, max(free[i], tail) + latency
        arrivals.append(max(tail, arrivals[-1]) if arrivals else tail)
    finish = run(line(rates), len(rates), counts, depth)
    assert finish == pytest.approx([float(left), float(arrivals[-1])], rel=REL)


@given(figures, figures, st.integers(1, 10**8), st.floats(0, 10))
@settings(deadline=None, max_examples=50)
def test_a_limit_is_one_more_link(bandwidth: float, limit: float, size: int, cost: float) -> None:
    """Two links of one device behind a common limit: the second message waits for the first at the limit only."""
    board = Board([True] * 3, [(0, 1, bandwidth, 2.0, 0.0), (0, 2, bandwidth, 2.0, 0.0)], [(limit, cost, [0, 1])])
    lanes = {
        (0, 0): [Step(lib.RT_SEND, size, sends=0)],
        (0, 1): [Step(lib.RT_SEND, size, sends=1)],
        (1, 0): [Step(lib.RT_RECV, size, receives=0)],
        (2, 0): [Step(lib.RT_RECV, size, receives=1)],
    }
    program = store(Collective("broadcast", 3, size), [(0, 1), (0, 2)], lanes)
    finish = simulate(board, [Job(program, [0, 1, 2], 1.0)]).finish_us[0]
    on_limit, on_link = Fraction(cost) + size / (Fraction(limit) * 1000), size / (Fraction(bandwidth) * 1000)
    first = max(Fraction(cost) + on_link, on_limit)  # the head asks for the link when the limit's cost is over
    second = max(on_limit + Fraction(cost) + on_link, 2 * on_limit)
    assert finish == pytest.approx([float(second), float(first) + 2, float(second) + 2], rel=REL)


def test_a_limit_counts_once_on_a_path() -> None:
    """A bus that both links of a path belong to is passed once, before the first."""
    board = line([(10.0, 1.0, 0.0), (10.0, 1.0, 0.0)], [(1.0, 0.5, [0, 1])])
    assert board.route(0, 2, links_only=False) == (2, 0, 1)
    assert run(board, 2, [1000]) == [1.5, 3.5]


def test_two_senders_meet_at_a_slow_link() -> None:
    """Heads are served in the order in which they arrive; of two at once, the lower rank's."""
    links = [(0, 2, 100.0, 1.0, 0.0), (1, 2, 50.0, 1.0, 0.0), (2, 3, 1.0, 3.0, 0.0)]
    board = Board([False, False, True, False], links)
    lanes = {
        (0, 0): [Step(lib.RT_SEND, 100_000, sends=0)],
        (1, 0): [Step(lib.RT_SEND, 100_000, sends=1)],
        (2, 0): [Step(lib.RT_RECV, 100_000, receives=0)],
        (2, 1): [Step(lib.RT_RECV, 100_000, receives=1)],
    }
    program = store(Collective("gather", 3, 300_000, root=2), [(0, 2), (1, 2)], lanes)

    def records(starts: list[float]) -> dict[int, tuple[float, float]]:
        seen = []
        simulate(board, [Job(program, [0, 1, 3], 1.0, starts)], observer=seen.extend)
        return {r.rank: (r.start_us, r.finish_us) for r in seen if r.element == 2}

    assert records([0, 0, 0]) == {0: (1.0, 104.0), 1: (101.0, 204.0)}
    assert records([0.5, 0, 0]) == {1: (1.0, 104.0), 0: (101.0, 204.0)}


def test_an_empty_message_pays_latency_and_cost() -> None:
    assert run(line([(10.0, 1.5, 0.25), (10.0, 1.0, 0.5)]), 2, [0]) == [0.25, 3.25]


def test_the_same_device_takes_no_time() -> None:
    assert run(line([(10.0, 1.0, 0.0)]), 0, [10**9, 5], starts=[3.0, 1.0]) == [3.0, 3.0]


def test_a_derate_holds_for_the_whole_of_what_begins_under_it() -> None:
    board, counts = line([(1.0, 0.0, 0.0)]), [10_000] * 4
    sends, receives = stream(counts)
    program = store(Collective("broadcast", 2, 10_000), [(0, 1)], {(0, 0): sends, (1, 0): receives}, 8)
    events = [(20.0, 0, 0.5), (5.0, 0, 0.25), (5.0, 0, 0.5), (51.0, 0, 1.0)]
    seen = []
    simulate(board, [Job(program, [0, 1], 1.0)], events, seen.extend)
    assert [r.finish_us for r in seen] == [10.0, 30.0, 50.0, 70.0]
