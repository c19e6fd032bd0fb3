"""Plans: times against closed forms of the link model, choices against every algorithm tried by hand."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from _ringtree.core import KINDS, Collective
from _ringtree.errors import InputError, NoRouteError, UnsupportedError
from collectives.planner.planning import Plan, Planner, plan, shape_of
from collectives.planner.specification import PARAMETERS, parse
from topology import Topology, load, loads

BANDWIDTH_GBPS, LATENCY_US = 10.0, 2.0
PPU = load("ppu-8")


def switched(chips: int) -> Topology:
    """Chips on one switch: two links of half the latency from any chip to any other."""
    links = [{"src": a, "dst": b, "bw": 10, "lat": 1} for c in range(chips) for a, b in ((c, chips), (chips, c))]
    nodes = [{"id": c, "kind": "accel"} for c in range(chips)] + [{"id": chips, "kind": "switch"}]
    return loads(json.dumps({"nodes": nodes, "links": links}), "switched")


def meshed(chips: int) -> Topology:
    """A link from every chip to every other."""
    links = [{"src": a, "dst": b, "bw": 10, "lat": 2} for a in range(chips) for b in range(chips) if a != b]
    nodes = [{"id": c, "kind": "accel"} for c in range(chips)]
    return loads(json.dumps({"nodes": nodes, "links": links}), "meshed")


def hop(nbytes: float) -> float:
    """Microseconds of a message alone on its way."""
    return LATENCY_US + nbytes / (BANDWIDTH_GBPS * 1e3)


@given(st.integers(2, 9), st.integers(1, 1 << 20), st.booleans())
@settings(deadline=None, max_examples=30)
def test_textbook_times(ranks: int, share: int, mesh: bool) -> None:
    """With one chunk and equal shares: rounds of the ring, two rounds of all to all, the depth of a tree."""
    board, nbytes = (meshed if mesh else switched)(ranks), 4 * share * ranks

    def time_us(kind: str, algorithm: str) -> float:
        return plan(board, kind, nbytes, algorithm=algorithm).time_us

    ring = "ring:channels=1:chunks=1"
    assert time_us("all_gather", ring) == pytest.approx((ranks - 1) * hop(4 * share))
    assert time_us("reduce_scatter", ring) == pytest.approx((ranks - 1) * hop(4 * share))
    assert time_us("all_reduce", ring) == pytest.approx(2 * (ranks - 1) * hop(4 * share))
    assert time_us("broadcast", "binomial:chunks=1:pace=0") >= hop(nbytes) * 0.999
    if mesh:
        assert time_us("all_reduce", "one_shot") == pytest.approx(hop(nbytes))
        assert time_us("all_reduce", "two_shot:chunks=1:pace=0") == pytest.approx(2 * hop(4 * share))
        assert time_us("all_to_all", "one_shot") == pytest.approx(hop(4 * share))
        assert time_us("all_to_all", "pairwise") == pytest.approx((ranks - 1) * hop(4 * share))
        assert time_us("broadcast", "star:chunks=1:pace=0") == pytest.approx(hop(nbytes))


@pytest.mark.parametrize("ranks", [2, 4, 8])
def test_doubling_takes_a_round_per_bit(ranks: int) -> None:
    rounds, nbytes = ranks.bit_length() - 1, 1 << 20
    doubling = plan(meshed(ranks), "all_reduce", nbytes, algorithm="recursive_doubling")
    assert doubling.time_us == pytest.approx(rounds * hop(nbytes))
    binomial = plan(meshed(ranks), "broadcast", nbytes, algorithm="binomial:chunks=1:pace=0")
    assert binomial.time_us == pytest.approx(rounds * hop(nbytes))
    halving = plan(meshed(ranks), "all_reduce", nbytes, algorithm="rabenseifner")
    assert halving.time_us == pytest.approx(2 * sum(hop(nbytes >> bit) for bit in range(1, rounds + 1)))


@pytest.mark.parametrize("kind", KINDS)
def test_one_rank_needs_no_time(kind: str) -> None:
    assert plan(PPU, kind, 1024, ranks=1).time_us == 0.0


def test_every_message_costs_each_link() -> None:
    free, dear = (plan(meshed(3), nbytes=1200, algorithm="ring:channels=1:chunks=1", cost_us=c) for c in (0.0, 0.5))
    assert dear.time_us == pytest.approx(free.time_us + 4 * 0.5)
    assert dear.simulate() == pytest.approx([dear.time_us] * 3)


@given(st.tuples(st.floats(0, 100), st.floats(0, 100)), st.integers(1, 1 << 16))
@settings(deadline=None, max_examples=30)
def test_offsets_delay_who_waits_for_them(starts: tuple[float, float], count: int) -> None:
    """Two chips exchange everything: each ends when it has sent and the other's message is there."""
    found = plan(meshed(2), nbytes=4 * count, algorithm="one_shot").simulate(starts)
    for rank in range(2):
        sent = starts[rank] + hop(4 * count) - LATENCY_US
        assert found[rank] == pytest.approx(max(sent, starts[1 - rank] + hop(4 * count)))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("nbytes", [4, 1 << 12, 1 << 20])
def test_auto_is_about_as_fast_as_the_fastest(kind: str, nbytes: int) -> None:
    """Sizes at which classes end, so that the choice was made for this very size."""
    times = []
    for name in sorted(set(PARAMETERS) - {"auto"}):
        try:
            times.append(plan(PPU, kind, nbytes, algorithm=name).time_us)
        except UnsupportedError:
            continue
    chosen = plan(PPU, kind, nbytes)
    assert min(times) <= chosen.time_us <= 1.01 * min(times)
    assert chosen.algorithm == "auto"


@pytest.mark.parametrize("algorithm", ["auto", "ring", "tree:chunks=2", "one_shot"])
def test_a_plan_reads_back(algorithm: str) -> None:
    first = plan(PPU, nbytes=1 << 16, algorithm=algorithm)
    again = plan(PPU, nbytes=1 << 16, algorithm=first.plan)
    assert (first.algorithm, again.algorithm) == (algorithm, first.plan)
    assert (again.plan, again.time_us, again.simulate()) == (first.plan, first.time_us, first.simulate())
    assert max(first.simulate()) == first.time_us


@given(st.integers(0, 5000), st.sampled_from(["all_reduce", "all_gather", "broadcast"]))
@settings(deadline=None, max_examples=20)
def test_a_choice_does_not_depend_on_what_was_asked_before(count: int, kind: str) -> None:
    auto, fresh, used = parse("auto"), Planner(PPU, PPU.devices[:4]), Planner(PPU, PPU.devices[:4])
    for other in (count + 1, 2 * count, count // 2):
        used.choose(Collective(kind, 4, other), "float32", auto)
    assert used.choose(Collective(kind, 4, count), "float32", auto) == fresh.choose(
        Collective(kind, 4, count), "float32", auto
    )


def test_given_counts_are_planned_as_they_are() -> None:
    counts = (1 << 20, 0, 0, 0)
    planner = Planner(meshed(4), tuple(range(4)))
    shape = Collective("all_gather", 4, sum(counts), counts=counts)
    chosen = planner.plan(shape, "int8", "sum", parse("auto"))
    everyone_alike = planner.plan(Collective("all_gather", 4, sum(counts)), "int8", "sum", parse("auto"))
    assert hop((1 << 20) / 3) <= chosen.time_us < hop(1 << 20) / 2  # over three links at once
    assert everyone_alike.time_us < chosen.time_us


def test_the_bytes_of_a_plan() -> None:
    assert plan(PPU, nbytes=96, dtype="complex128").nbytes == 96
    assert plan(PPU, "barrier", 96).nbytes == 0
    assert shape_of("gather", 96, 3, dtype="int16", op="sum", root=2) == Collective("gather", 3, 48, 2)


@pytest.mark.parametrize(
    ("keywords", "error", "message"),
    [
        ({"collective": "allreduce"}, UnsupportedError, "collective: found 'allreduce'; expected one of all_reduce"),
        ({"nbytes": -4}, InputError, "bytes: -4 is not a whole number of float32 elements"),
        ({"nbytes": 6}, InputError, "bytes: 6 is not a whole number of float32 elements of 4 bytes"),
        ({"dtype": "float12"}, UnsupportedError, "dtype: found 'float12'"),
        ({"op": "mean"}, UnsupportedError, "op: found 'mean'"),
        ({"op": "band"}, UnsupportedError, "band of float32"),
        ({"op": "max", "dtype": "complex64"}, UnsupportedError, "max of complex64"),
        ({"collective": "reduce", "root": 8}, InputError, "root: found 8; expected 0 to 7"),
        ({"collective": "reduce", "root": -1}, InputError, "root: found -1"),
        ({"ranks": 9}, InputError, "only 8 chips"),
        ({"algorithm": "pairwise"}, UnsupportedError, "pairwise does not do all_reduce"),
        ({"algorithm": "direct"}, UnsupportedError, "has no program to plan"),
        ({"algorithm": "bucket"}, UnsupportedError, "bucket does not do all_reduce on 8 ranks of this board"),
        ({"cost_us": -1.0}, InputError, "cost -1 us"),
    ],
)
def test_what_cannot_be_planned(keywords: dict[str, object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        plan(PPU, **{"nbytes": 1024, **keywords})  # type: ignore[arg-type]


def test_an_operation_that_is_not_used_does_not_matter() -> None:
    assert plan(PPU, "broadcast", 1024, op="band").op == "band"


def apart() -> Topology:
    """Three chips in a row; the one in the middle does not forward."""
    links = [{"src": a, "dst": b, "bw": 10, "lat": 2} for a, b in ((0, 1), (1, 0), (1, 2), (2, 1))]
    nodes = [{"id": c, "kind": "accel"} for c in range(3)]
    return loads(json.dumps({"nodes": nodes, "links": links}), "row")


def test_algorithms_that_need_a_missing_route_are_left_out() -> None:
    with pytest.raises(NoRouteError, match=r"chip0.*chip2|chip2.*chip0"):
        plan(apart(), nbytes=1024, algorithm="one_shot")
    assert plan(apart(), "broadcast", 1024, root=1).time_us == pytest.approx(hop(1024))
    with pytest.raises(NoRouteError):
        plan(apart(), "all_to_all", 1020)


def test_the_bare_host_has_no_times() -> None:
    made: Plan = Planner(None, (0, 1, 2)).plan(Collective("all_reduce", 3, 8), "int8", "sum", parse("auto"))
    assert made.time_us == 0.0
    with pytest.raises(InputError, match="without a board there is nothing to simulate"):
        made.simulate()


def test_a_chip_alone_needs_no_links() -> None:
    alone = loads("board: one\nnodes:\n  chip: {kind: device, count: 1}\n", "one")
    for kind in KINDS:
        assert plan(alone, kind, 0 if kind == "barrier" else 8).time_us == 0


@pytest.mark.parametrize("kind", ["all_reduce", "all_gather", "reduce_scatter", "broadcast"])
def test_links_that_differ_by_more_than_a_solver_sees(kind: str) -> None:
    links = [{"src": a, "dst": b, "bw": bw, "lat": 1} for x, y, bw in ((0, 1, 1e-6), (1, 2, 1e-6), (0, 2, 1e6))
             for a, b in ((x, y), (y, x))]  # fmt: skip
    nodes = [{"id": c, "kind": "accel"} for c in range(3)]
    board = loads(json.dumps({"nodes": nodes, "links": links}), "extremes")
    bound = board.bound(kind)
    assert bound is not None
    assert 0 < 12_000_000 / plan(board, kind, 12_000_000).time_us / 1e3 <= bound.rate_GBps
