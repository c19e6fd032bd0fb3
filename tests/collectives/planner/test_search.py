"""The choice among candidates, with prices that are made up: what is found, and what is never priced."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from _ringtree.core import Recipe
from _ringtree.errors import NoRouteError
from collectives.planner.family import Candidate, Family
from collectives.planner.search import FEW_TRANSFERS, MOST_TRANSFERS, Search, Setting
from collectives.planner.specification import Specification


def candidate(name: str, chunks: int, transfers: int = FEW_TRANSFERS) -> Candidate:
    return Candidate(Specification(name, (("chunks", chunks),)), Recipe(name, chunks), transfers)


def family(name: str, many: int = 8, rate_GBps: float = math.inf, transfers: int = FEW_TRANSFERS) -> Family:
    return Family(tuple(candidate(name, 2**i, transfers) for i in range(many)), 2, rate_GBps)


def setting(bound_GBps: float = math.inf, least_us: float = 0.0) -> Setting:
    """1000 bytes: 1 us at 1 GB/s."""
    return Setting(1000, 1.0, bound_GBps, 1.0, least_us)


@given(best=st.integers(0, 7), steep=st.floats(1.1, 3))
def test_the_bottom_of_a_valley_is_found(best: int, steep: float) -> None:
    def price(what: Candidate, until_us: float) -> float:
        time_us = 100 * steep ** abs(math.log2(what.recipe.chunks) - best)
        return time_us if time_us <= until_us else math.inf

    found = Search(price, setting()).run([family("tree")])
    assert (found.candidate.recipe.chunks, found.time_us) == (2**best, 100.0)


def test_a_family_that_the_best_rules_out_is_not_priced() -> None:
    asked: list[str] = []

    def price(what: Candidate, until_us: float) -> float:
        asked.append(what.specification.name)
        return 5.0

    families = [family("ring", 1), family("tree", rate_GBps=0.1), family("star", rate_GBps=10.0)]
    assert Search(price, setting()).run(families).candidate.specification.name == "ring"
    assert set(asked) == {"ring", "star"}


def test_the_search_ends_where_nothing_could_be_better() -> None:
    """At the rate that is the bound, and at the latency that nothing beats."""
    for ends in (setting(bound_GBps=0.1), setting(least_us=10.0)):
        late = (family(name) for name in ["ring", "tree"])
        found = Search(lambda what, until_us: 10.0, ends).run(late)
        assert found.time_us == 10.0
        assert next(late).members[0].specification.name == "tree"


def test_a_price_may_be_cut_short_by_the_best() -> None:
    limits: list[float] = []

    def price(what: Candidate, until_us: float) -> float:
        limits.append(until_us)
        return 10.0 if what.specification.name == "ring" else math.inf

    Search(price, setting()).run([family("ring", 1), family("tree")])
    assert limits[0] == math.inf
    assert all(10.0 <= until_us <= 20.0 for until_us in limits[1:])


def test_heavy_members_are_left_out_but_for_the_first() -> None:
    asked: list[int] = []

    def price(what: Candidate, until_us: float) -> float:
        asked.append(what.recipe.chunks)
        return 1.0

    heavy = Family((candidate("ring", 1, 2 * MOST_TRANSFERS), candidate("ring", 2, 3 * MOST_TRANSFERS)))
    Search(price, setting()).run([heavy])
    assert asked == [1]


def test_where_nothing_can_run_the_reason_is_told() -> None:
    def price(what: Candidate, until_us: float) -> float:
        raise NoRouteError("chip0 to chip2")

    with pytest.raises(NoRouteError, match="chip0 to chip2"):
        Search(price, setting()).run([family("ring")])
