"""The simulator against a slow one in exact arithmetic, against closed forms, and against itself."""

from __future__ import annotations

import math
import os
from fractions import Fraction
from itertools import pairwise, product

import pytest
from _ringtree_core import lib
from hypothesis import given, settings
from hypothesis import strategies as st
from schedules import Lanes, Step, store, unstore
from slow_simulator import Link, SlowSimulator, Work

from _ringtree.core import Board, Collective, Job, Program, Recipe, Record, Tree, simulate
from _ringtree.errors import InputError, NoRouteError, VerificationError

# Rates that are powers of two, times that are multiples of 1/8: doubles are then exact, and ties are ties.
RATES = [0.064, 0.128, 0.256, 0.512]
EIGHTHS = st.integers(0, 24).map(lambda n: n / 8)


@st.composite
def schedules(draw: st.DrawFn, ranks: int) -> tuple[list[tuple[int, int]], Lanes]:
    """A program that can run at depth 1: messages and dependencies drawn one after the other, in an order in which
    they can be carried out."""
    lanes: dict[tuple[int, int], list[Step]] = {
        (r, lane): [] for r in range(ranks) for lane in range(draw(st.integers(1, 3)))
    }
    channels: dict[tuple[tuple[int, int], tuple[int, int]], int] = {}

    def deps(rank: int, own: int) -> tuple[tuple[int, int, int], ...]:
        found = []
        for lane in range(3):
            ended = len(lanes.get((rank, lane), []))
            if lane != own and ended and draw(st.booleans()):
                found.append((lane, 1, draw(st.integers(0, ended - 1))))
        return tuple(found)

    for _ in range(draw(st.integers(1, 25))):
        hops = draw(st.lists(st.sampled_from(sorted(lanes)), min_size=1, max_size=4))
        hops = [a for a, b in pairwise(hops) if a[0] != b[0]] + hops[-1:]
        count, arrives = draw(st.sampled_from([0, 1, 64, 100, 1024])), -1
        for here, there in pairwise(hops):
            leaves = channels.setdefault((here, there), len(channels))
            opcode = lib.RT_SEND if arrives < 0 else lib.RT_RECV_REDUCE_SEND
            lanes[here].append(Step(opcode, count, arrives, leaves, deps=deps(*here)))
            arrives = leaves
        last = lib.RT_NOP if arrives < 0 else lib.RT_RECV
        lanes[hops[-1]].append(Step(last, count, arrives, deps=deps(*hops[-1])))
    return [(here[0], there[0]) for here, there in channels], lanes


@st.composite
def boards(draw: st.DrawFn) -> tuple[Board, list[Link], int]:
    """Devices 0..n-1, all joined by direct links, over a switch, or in a ring that forwards; with limits."""
    n = draw(st.integers(2, 5))
    shape = draw(st.sampled_from(["mesh", "switch", "ring"]))
    if shape == "mesh":
        pairs = [(a, b) for a, b in product(range(n), repeat=2) if a != b]
    elif shape == "switch":
        pairs = [end for i in range(n) for end in ((i, n), (n, i))]
    else:
        pairs = sorted({end for i in range(n) for end in ((i, (i + 1) % n), ((i + 1) % n, i))})
    links = [(*p, draw(st.sampled_from(RATES)), draw(EIGHTHS), draw(st.sampled_from([0.0, 0.0, 0.25]))) for p in pairs]
    members = st.lists(st.integers(0, len(pairs) - 1), unique=True, max_size=4)
    limits = [
        (draw(st.sampled_from(RATES)), draw(st.sampled_from([0.0, 0.5])), draw(members))
        for _ in range(draw(st.integers(0, 2)))
    ]
    exact = [Link(Fraction(bw * 1000), Fraction(latency), Fraction(cost)) for *_, bw, latency, cost in links]
    exact += [Link(Fraction(bw * 1000), Fraction(0), Fraction(cost), limit=True) for bw, cost, _ in limits]
    assert all(link.rate.denominator == 1 for link in exact)
    return Board([shape != "mesh"] * (n + 1), links, limits), exact, n


@given(boards(), st.data())
@settings(deadline=None, max_examples=int(os.environ.get("TEST_EXAMPLES", "150")))
def test_any_programs_on_any_board(made: tuple[Board, list[Link], int], data: st.DataObject) -> None:
    board, links, nodes = made
    jobs, works = [], []
    for _ in range(data.draw(st.integers(1, 2))):
        ranks, depth = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 3))
        channels, lanes = data.draw(schedules(ranks))
        place = data.draw(st.lists(st.integers(0, nodes - 1), min_size=ranks, max_size=ranks))
        start = data.draw(st.lists(EIGHTHS, min_size=ranks, max_size=ranks))
        routes = {(a, b): board.route(place[a], place[b], links_only=False) for a, b in channels}
        program = store(Collective("all_reduce", ranks, 1024), channels, lanes, depth)
        jobs.append(Job(program, place, 2.0, start))
        works.append(Work(channels, lanes, depth, routes, 2, {r: Fraction(t) for r, t in enumerate(start)}))
    changes = st.tuples(EIGHTHS, st.integers(0, len(links) - 1), st.sampled_from([0.25, 0.5, 2.0]))
    events = data.draw(st.lists(changes, max_size=4))
    slow = SlowSimulator(links, works, [(Fraction(t), e, Fraction(f)) for t, e, f in events])
    slow.run()
    seen: list[Record] = []
    result = simulate(board, jobs, events, seen.extend)
    assert [tuple(r) for r in seen] == slow.records
    for j, work in enumerate(works):
        assert result.finish_us[j] == [slow.finish(j, rank) for rank in work.start]
    assert result.link_events == len(slow.records)
    assert result.steps == sum(len(steps) for work in works for steps in work.lanes.values())
    bare = simulate(board, jobs, events)
    assert bare == result


def mesh(n: int, bandwidth: float = 50.0, latency: float = 1.0) -> Board:
    return Board([False] * n, [(a, b, bandwidth, latency, 0.0) for a, b in product(range(n), repeat=2) if a != b])


def switch(n: int, bandwidth: float = 50.0, latency: float = 0.5) -> Board:
    """The same latency and bandwidth between two devices as in the mesh, over two links."""
    links = [(*end, bandwidth, latency, 0.0) for i in range(n) for end in ((i, n), (n, i))]
    return Board([False] * n + [True], links)


ALPHA = 1.0  # us
BETA = 1 / 50_000  # us per byte

CLOSED_FORMS = {
    "ring": ("all_reduce", lambda n, m: 2 * (n - 1) * (ALPHA + m / n * BETA)),
    "recursive_doubling": ("all_reduce", lambda n, m: math.log2(n) * (ALPHA + m * BETA)),
    "rabenseifner": ("all_reduce", lambda n, m: 2 * math.log2(n) * ALPHA + 2 * (n - 1) / n * m * BETA),
    "binomial": ("broadcast", lambda n, m: math.ceil(math.log2(n)) * (ALPHA + m * BETA)),
    "pairwise": ("all_to_all", lambda n, m: (n - 1) * (ALPHA + m / n * BETA)),
}


@pytest.mark.parametrize("size", [256, 64 * 1024, 64 * 2**20, 2**30])
@pytest.mark.parametrize("ranks", [2, 4, 8, 32])
@pytest.mark.parametrize("board", [mesh, switch])
@pytest.mark.parametrize("algorithm", CLOSED_FORMS)
def test_closed_forms(algorithm: str, board: type[Board], ranks: int, size: int) -> None:
    kind, form = CLOSED_FORMS[algorithm]
    program = Program.build(Collective(kind, ranks, size), Recipe(algorithm))
    result = simulate(board(ranks), [Job(program, range(ranks), 1.0)])
    assert max(result.finish_us[0]) == pytest.approx(form(ranks, size), rel=1e-9)


@pytest.mark.parametrize("ranks", [3, 8, 13])
@pytest.mark.parametrize("algorithm", ["ring", "tree", "rabenseifner", "one_shot", "two_shot"])
def test_records_agree_with_each_other(algorithm: str, ranks: int) -> None:
    """Nothing is lost on the way, a link carries one message at a time, and the same run gives the same records."""
    collective = Collective("all_reduce", ranks, 100_003)
    program = Program.build(collective, Recipe(algorithm, chunks=3, pace=2))
    board, seen, again = switch(ranks), [], []
    result = simulate(board, [Job(program, range(ranks), 4.0)], observer=seen.extend)
    assert simulate(board, [Job(program, range(ranks), 4.0)], observer=again.extend) == result
    assert seen == again
    assert len(seen) == result.link_events == 2 * result.transfers
    assert sum(r.bytes for r in seen if r.element % 2 == 0) == sum(r.bytes for r in seen if r.element % 2 == 1)
    assert max(r.finish_us for r in seen) <= max(result.finish_us[0])
    for element in range(2 * ranks):
        here = [r for r in seen if r.element == element]
        for before, after in pairwise(here):
            assert after.start_us >= before.start_us + before.bytes / 50_000 - 1e-9
        assert all(r.finish_us >= r.start_us + r.bytes / 50_000 + 0.5 - 1e-9 for r in here)
        assert all(r.rank == element // 2 for r in here if element % 2 == 0)


def test_two_jobs_share_the_links() -> None:
    """The same program twice on the same devices takes twice the time, less one latency."""
    program = Program.build(Collective("broadcast", 2, 10**6), Recipe("binomial"))
    alone = simulate(mesh(2), [Job(program, [0, 1], 1.0)]).finish_us[0][1]
    both = simulate(mesh(2), [Job(program, [0, 1], 1.0)] * 2).finish_us
    assert alone == pytest.approx(21)
    assert [finish[1] for finish in both] == pytest.approx([21, 41])


def test_start_times_and_ranks_without_steps() -> None:
    lanes = {(0, 0): [Step(lib.RT_SEND, 100, sends=0)], (1, 0): [Step(lib.RT_RECV, 100, receives=0)]}
    program = store(Collective("broadcast", 3, 100), [(0, 1)], lanes)
    job = Job(program, [0, 1, 2], 500.0, [2.0, 0.0, 7.5])
    assert simulate(mesh(3), [job]).finish_us == [[3.0, 4.0, 7.5]]


def test_a_dependency_is_on_that_step_and_not_on_a_later_one() -> None:
    """By the time lane 1 asks for step 2 of lane 0, five later ones are known to end; only that one counts."""
    sends = [Step(lib.RT_SEND, 85_000, sends=1), Step(lib.RT_SEND, 1_000, sends=1)]
    lanes = {
        (0, 0): [Step(lib.RT_RECV, 10_000, receives=0)] * 8,
        (0, 1): [*sends, Step(lib.RT_SEND, 0, sends=1, deps=((0, 1, 2),))],
        (1, 0): [Step(lib.RT_SEND, 10_000, sends=0)] * 8,
        (1, 1): [Step(lib.RT_RECV, n, receives=1) for n in (85_000, 1_000, 0)],
    }
    program = store(Collective("all_reduce", 2, 85_000), [(1, 0), (0, 1)], lanes, depth=8)
    seen: list[Record] = []
    simulate(mesh(2, latency=1000.0), [Job(program, [0, 1], 500.0)], observer=seen.extend)
    assert [r.start_us for r in seen if r.rank == 0] == [0.0, 850.0, 1300.0]


def test_what_cannot_go_on_is_named() -> None:
    lanes = {(0, 0): [Step(lib.RT_RECV, receives=1), Step(lib.RT_SEND, sends=0)]}
    lanes[1, 0] = [Step(lib.RT_RECV, receives=0), Step(lib.RT_SEND, sends=1)]
    program = store(Collective("all_reduce", 2, 1), [(0, 1), (1, 0)], lanes)
    with pytest.raises(VerificationError, match="rank 0, lane 0, step 0 waits for a chunk from rank 1 on channel 1"):
        simulate(mesh(2), [Job(program, [0, 1], 1.0)])
    full = store(Collective("all_reduce", 2, 1), [(0, 1)], {(0, 0): [Step(lib.RT_SEND, sends=0)] * 3}, depth=2)
    with pytest.raises(VerificationError, match="step 2 waits for a free slot of channel 0 to rank 1"):
        simulate(mesh(2), [Job(full, [0, 1], 1.0)])
    lost = store(
        Collective("all_reduce", 1, 1), [], {(0, 0): [Step(lib.RT_NOP, deps=((1, 1, 1),))], (0, 1): [Step(lib.RT_NOP)]}
    )
    with pytest.raises(VerificationError, match="lane 0, step 0 waits for step 1 of lane 1"):
        simulate(mesh(2), [Job(lost, [0], 1.0)])


def test_ranks_that_no_path_joins() -> None:
    program = Program.build(Collective("all_reduce", 3, 12), Recipe("ring"))
    board = Board([False] * 3, [(0, 1, 1.0, 1.0, 0.0), (1, 2, 1.0, 1.0, 0.0)])
    with pytest.raises(NoRouteError, match="rank 2 sends to rank 0, but no path joins node 2 to node 0"):
        simulate(board, [Job(program, range(3), 4.0)])


@pytest.mark.parametrize(
    "event", [(0.0, 2, 0.5), (0.0, -1, 0.5), (math.nan, 0, 0.5), (0.0, 0, 0.0), (0.0, 0, math.inf)]
)
def test_link_events_that_cannot_be(event: tuple[float, int, float]) -> None:
    program = Program.build(Collective("all_reduce", 2, 12), Recipe("ring"))
    with pytest.raises(InputError, match="link event 0"):
        simulate(mesh(2), [Job(program, [0, 1], 4.0)], [event])


@pytest.mark.parametrize("start", [-1.0, math.inf, math.nan])
def test_start_times_that_cannot_be(start: float) -> None:
    program = Program.build(Collective("all_reduce", 2, 12), Recipe("ring"))
    with pytest.raises(InputError, match="job 0, rank 1: starts at"):
        simulate(mesh(2), [Job(program, [0, 1], 4.0, [0.0, start])])


@pytest.mark.parametrize("rates", [(0.064, 0.512, 0.128, 0.032), (0.032, 0.064, 0.256, 0.128)])
def test_many_chunks_on_their_way(rates: tuple[float, ...]) -> None:
    """Lanes whose links are fast know their ends far ahead; those of slow links depend on steps of theirs long ago."""
    n = 4
    board = Board([False] * n + [True], [(*p, rates[i], 2.0, 0.0) for i in range(n) for p in ((i, n), (n, i))])
    stars = (tuple(-1 if r == root else root for r in range(n)) for root in range(n))
    trees = tuple(Tree(96 * root, 96, root, star, star) for root, star in enumerate(stars))
    program = Program.build(Collective("reduce_scatter", n, 96 * n), Recipe("forest", 12, 2, 8, forest=trees))
    channels = program.channel_ends()
    routes = {pair: board.route(*pair, links_only=False) for pair in channels}
    links = [Link(Fraction(rate * 1000), Fraction(2)) for rate in rates for _ in range(2)]
    slow = SlowSimulator(links, [Work(channels, unstore(program), 8, routes, 4)])
    slow.run()
    for _ in range(5):  # what memory held before must not matter
        assert simulate(board, [Job(program, range(n), 4.0)]).finish_us[0] == [slow.finish(0, r) for r in range(n)]
