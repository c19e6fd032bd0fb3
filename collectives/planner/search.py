"""The choice among candidates: each family is climbed from where its best member should be, and cut short by the best.

A price is a simulation that ends as soon as it is later than what was found before. Within a family the time falls and
then rises with the number of pieces, so the search goes from a guess to where neighbours are no better.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from _ringtree.errors import NoRouteError

from .family import Candidate, Family

# A simulation may take this many times as long as the best one, so that it still says which way to go.
SLACK = 1.5
# More pieces must save so much of the time, or the search goes no further.
GAIN = 0.006
# So near to what no algorithm exceeds, the search ends.
ENOUGH = 0.005
# Members with more transfers are left out, but for the first of a family.
MOST_TRANSFERS = 10_000_000

# Families of fewer, all members together, are tried whole: there the time is not always smooth.
FEW_TRANSFERS = 200_000

Price = Callable[[Candidate, float], float]


@dataclass(frozen=True)
class Setting:
    """What the search is told about the collective: its bytes, the latency of a hop between ranks, what no algorithm
    beats (a rate, inf where it is not known, and a latency), and a rate that is likely."""

    nbytes: int
    hop_us: float
    bound_GBps: float
    likely_GBps: float
    least_us: float

    @property
    def floor_us(self) -> float:
        return max(self.nbytes / 1e3 / self.bound_GBps, self.least_us)


@dataclass(frozen=True)
class Found:
    """A candidate and its time."""

    candidate: Candidate
    time_us: float


class Search:
    """The fastest member of the families it was given; NoRouteError where none can run."""

    def __init__(self, price: Price, setting: Setting) -> None:
        self._price = price
        self._setting = setting
        self._blocked: NoRouteError | None = None
        self.best: Found | None = None

    def run(self, families: Iterable[Family]) -> Found:
        """Ends early where nothing could be much better."""
        for family in families:
            least_us = self._setting.nbytes / 1e3 / family.rate_GBps if family.rate_GBps > 0 else math.inf
            if self.best is None or least_us < self.best.time_us:
                self._climb(family)
            if self._enough():
                break
        if self.best is None:
            raise self._blocked or NoRouteError("no candidate can run")
        return self.best

    def _enough(self) -> bool:
        return self.best is not None and self.best.time_us <= self._setting.floor_us * (1 + ENOUGH)

    def _climb(self, family: Family) -> None:
        members = [m for m in family.members if m.transfers <= MOST_TRANSFERS] or list(family.members[:1])
        if sum(member.transfers for member in members) <= FEW_TRANSFERS:
            for member in members:
                self._time(member)
            return
        at = self._guess(family, members)
        here = start = self._time(members[at])
        for step in (1, -1):
            place, here = at + step, start
            while 0 <= place < len(members) and not self._enough():
                there = self._time(members[place])
                if there > here * (1 - GAIN) and not math.isinf(here):
                    break
                place, here = place + step, there

    def _guess(self, family: Family, members: Sequence[Candidate]) -> int:
        """The optimum of (hops + chunks) x (latency + bytes / rate / chunks)."""
        rate = min(family.rate_GBps, self._setting.bound_GBps)
        rate = self._setting.likely_GBps if math.isinf(rate) else rate
        if len(members) == 1 or self._setting.hop_us <= 0 or math.isinf(rate):
            return len(members) - 1
        chunks = math.sqrt(family.hops * self._setting.nbytes / 1e3 / rate / self._setting.hop_us)
        return min(range(len(members)), key=lambda i: abs(math.log(members[i].recipe.chunks / max(chunks, 1))))

    def _time(self, candidate: Candidate) -> float:
        until_us = math.inf if self.best is None else SLACK * self.best.time_us
        try:
            time_us = self._price(candidate, until_us)
        except NoRouteError as problem:
            self._blocked = problem
            return math.inf
        if self.best is None or time_us < self.best.time_us:
            self.best = Found(candidate, time_us)
        return time_us
