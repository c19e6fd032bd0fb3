"""One rank of one library, measured: what compare_peers.py starts in each library's own environment.

    mpiexec -n 2 python scripts/peers_rank.py ORDER     (a JSON object with the fields of `Order`)

It needs NumPy and the library, nothing else. Rank 0 writes a JSON line for each size and kind of timing:

latency: ranks meet, then time one call; the median. They meet through counters in shared memory (`Meeting`), the same
for every library: a library's own barrier would leave it warm, or its processes asleep, each in its own way.
back_to_back: ranks meet, then time a run of calls; the median of the runs, divided by the calls of one.

Before all of that every pair of buffers is used a dozen times and more, so that a library that learns has done so.
Before every call of the first kind the input is written anew, so that it lies in the cache of the core that wrote it;
runs of the second rotate among up to four inputs that were written before. Of each rank's median the greatest counts.
"""

from __future__ import annotations

import gc
import json
import mmap
import os
import signal
import statistics
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
from peers_libraries import LIBRARIES, Gloo, Mpi, UnavailableError, raw_type

Array = Any
MIB = 2**20
# The bits of 1, 2 and 3.
FRESH = {"float32": (1.0, 2.0, 3.0), "bfloat16": (0x3F80, 0x4000, 0x4040)}
WARM_UP_S, RUN_S = 2e-3, 3e-3
# Libraries learn: each pair of buffers is used so often before anything is timed, or for so many bytes.
LEAST_USES, MOST_USES, USED_BYTES = 12, 300, 192 * MIB
PERIOD = 251  # of the checked pattern; a prime, so that the parts of common sizes begin with different elements
ROTATED, ROTATED_BYTES = 4, 64 * MIB  # inputs of a run of calls: so many, or as many as fit

# What reading the clock twice takes.
CLOCK_S = statistics.median([-(perf_counter() - perf_counter()) for _ in range(1000)])


@dataclass(frozen=True)
class Order:
    """What to measure. `seconds` is about how long each kind of timing of each size lasts, if it repeats enough."""

    library: str
    collectives: list[str]
    dtypes: list[str]
    sizes: list[int]
    seconds: float
    limit_s: int
    crowded: bool
    output: str
    meeting: str


@dataclass(frozen=True)
class Case:
    """A collective of `count` elements: the vector, or what all ranks' parts are together."""

    collective: str
    dtype: str
    ranks: int
    count: int

    @property
    def block(self) -> int:
        """Elements of one rank's part."""
        return self.count // self.ranks

    @property
    def sent(self) -> int:
        return self.block if self.collective == "all_gather" else self.count

    @property
    def received(self) -> int:
        return self.block if self.collective == "reduce_scatter" else self.count


class Meeting:
    """Ranks wait for each other: each counts in a cache line of its own, and reads those of the others."""

    def __init__(self, path: str, rank: int, ranks: int, crowded: bool) -> None:
        with open(path, "r+b") as file:
            self._cells = memoryview(mmap.mmap(file.fileno(), 64 * ranks)).cast("q")
        self._mine = 8 * rank
        self._others = [8 * other for other in range(ranks) if other != rank]
        self._crowded = crowded
        self._count = 0

    def wait(self) -> None:
        """Spins; where ranks outnumber cores the others get the core meanwhile."""
        cells, crowded = self._cells, self._crowded
        self._count = count = self._count + 1
        cells[self._mine] = count
        for other in self._others:
            while cells[other] < count:
                if crowded:
                    os.sched_yield()


def table(rank: int) -> Array:
    """One period of a rank's input: integers so small that their sums are exact in bfloat16 on up to 25 ranks."""
    return (3 * np.arange(PERIOD) + 5 * rank) % 11


def period(values: Array, start: int, dtype: str) -> Array:
    """One period's raw elements, from element `start` of the repeated one on."""
    rolled = np.roll(values, -(start % PERIOD)).astype(np.float32)
    return (rolled.view(np.uint32) >> 16).astype(np.uint16) if dtype == "bfloat16" else rolled


def expected(case: Case, rank: int) -> list[Array]:
    """The period of each equal part of what a rank must receive when each sends its table, repeated."""
    block, dtype = case.block, case.dtype
    if case.collective in ("all_reduce", "reduce_scatter"):
        total = np.sum([table(other) for other in range(case.ranks)], axis=0)
        return [period(total, rank * block if case.collective == "reduce_scatter" else 0, dtype)]
    if case.collective == "broadcast":
        return [period(table(0), 0, dtype)]
    start = rank * block if case.collective == "all_to_all" else 0
    return [period(table(other), start, dtype) for other in range(case.ranks)]


def repeat(raw: Array, values: Array) -> None:
    """Fill with a period, in place: arrays of the vector's size would cost more than what is measured."""
    whole = raw.size // PERIOD * PERIOD
    raw[:whole].reshape(-1, PERIOD)[...] = values
    raw[whole:] = values[: raw.size - whole]


def differing(raw: Array, values: Array) -> int:
    """Elements that are not those of the repeated period."""
    whole = raw.size // PERIOD * PERIOD
    different = np.count_nonzero(raw[:whole].reshape(-1, PERIOD) != values)
    return int(different + np.count_nonzero(raw[whole:] != values[: raw.size - whole]))


class Trial:
    """A case on a library, with its buffers: the same call with up to four inputs in turn."""

    def __init__(self, library: Mpi | Gloo, meeting: Meeting, case: Case) -> None:
        self.library, self.meet, self.case = library, meeting.wait, case
        self.call = library.call(case.collective)
        self.bytes = case.count * raw_type(case.dtype).itemsize
        many = _between(ROTATED_BYTES / max(1, self.bytes), 1, ROTATED)
        self.sends = [library.buffer(case.sent, case.dtype) for _ in range(many)]
        self.in_place = library.in_place(case.collective)
        if self.in_place:
            self.receive = self.sends[0]
            pairs = [(send, send) for send in self.sends]
        else:
            self.receive = library.buffer(case.received, case.dtype)
            self.receive.raw.fill(0)  # so that its pages are there
            pairs = [(send, self.receive) for send in self.sends]
        self.arguments = [library.arguments(case.collective, *pair) for pair in pairs]

    def warm_up(self) -> None:
        """Every pair of buffers, in turn."""
        for send in self.sends:
            send.raw.fill(0)
        for _ in range(_between(USED_BYTES / max(1, self.bytes), LEAST_USES, MOST_USES)):
            for arguments in self.arguments:
                self.call(*arguments)

    def latency_s(self, times: int) -> float:
        """One call after a meeting, its input new each time; the median, the slowest rank's."""
        call, arguments, meet, raw = self.call, self.arguments[0], self.meet, self.sends[0].raw
        values, found = FRESH[self.case.dtype], []
        for number in range(times):
            raw.fill(values[number % len(values)])
            meet()
            begin = perf_counter()
            call(*arguments)
            found.append(perf_counter() - begin)
        return self._slowest(max(0.0, statistics.median(found) - CLOCK_S))

    def back_to_back_s(self, calls: int, runs: int) -> float:
        """A call within a run of them; the median of the runs, the slowest rank's."""
        call, found = self.call, []
        batch = [self.arguments[number % len(self.arguments)] for number in range(calls)]
        for number in range(runs):
            for send in self.sends:  # in place, sums of sums would soon leave the finite numbers: zeros do not
                send.raw.fill(0 if self.in_place else FRESH[self.case.dtype][number % 3])
            self.meet()
            begin = perf_counter()
            for arguments in batch:
                call(*arguments)
            found.append((perf_counter() - begin) / calls)
        return self._slowest(statistics.median(found))

    def wrong(self) -> int:
        """Wrong elements of one call, on all ranks together."""
        case, rank = self.case, self.library.rank
        self.receive.raw.fill(99)
        if case.collective != "broadcast" or rank == 0:
            repeat(self.sends[0].raw, period(table(rank), 0, case.dtype))
        self.meet()
        self.call(*self.arguments[0])
        if case.collective == "barrier":
            return 0
        periods = expected(case, rank)
        parts = self.receive.raw.reshape(len(periods), -1)
        return sum(self.library.gather(sum(map(differing, parts, periods))))

    def _slowest(self, seconds: float) -> float:
        return float(max(self.library.gather(seconds)))


def rows(trial: Trial, seconds: float) -> list[dict[str, Any]]:
    """Both kinds of timing, each of about so many seconds; the first calls, of which all ranks learn, say how often.

    Checked is the last call, for libraries change their ways after a while and the timed one is meant.
    """
    trial.warm_up()
    once_s = max(1e-7, trial.latency_s(1))
    if once_s < seconds or trial.bytes <= MIB:  # else the first time is good enough, and another call too long
        once_s = max(1e-7, trial.latency_s(_between(WARM_UP_S / once_s, 1, 20)))
    latency_s = trial.latency_s(_between(seconds / once_s, 2 if trial.bytes > MIB else 3, 100))
    once_s = max(1e-7, latency_s)
    calls = _between(RUN_S / once_s, 2, 1000)
    back_to_back_s = trial.back_to_back_s(calls, _between(seconds / (calls * once_s), 1, 7))
    common = {"wrong": trial.wrong(), "vector_bytes": trial.bytes}
    return [
        {"timing": "latency", "us": 1e6 * latency_s, **common},
        {"timing": "back_to_back", "us": 1e6 * back_to_back_s, **common},
    ]


def _between(wanted: float, least: int, most: int) -> int:
    return int(min(most, max(least, wanted)))


def cases(order: Order, ranks: int) -> Iterator[tuple[int, Case]]:
    """Every size with its case: whole elements that the ranks can share evenly. Only all-reduce knows other types."""
    for collective in order.collectives:
        if collective == "barrier":
            yield 0, Case(collective, "float32", ranks, 0)
            continue
        for dtype in order.dtypes if collective == "all_reduce" else ["float32"]:
            part = ranks * raw_type(dtype).itemsize
            for size in order.sizes:
                yield size, Case(collective, dtype, ranks, -(-size // part) * ranks)


def main() -> None:
    order = Order(**json.loads(sys.argv[1]))
    signal.alarm(order.limit_s)  # whatever becomes of the launcher, this process ends
    library = LIBRARIES[order.library]()
    meeting = Meeting(order.meeting, library.rank, library.ranks, order.crowded)
    gc.disable()
    with open(order.output if library.rank == 0 else os.devnull, "w", encoding="utf-8") as lines:

        def write(line: dict[str, Any]) -> None:
            print(json.dumps(line), file=lines, flush=True)

        write({"version": library.version, "ranks": library.ranks})
        for size, case in cases(order, library.ranks):
            what = {"collective": case.collective, "dtype": case.dtype, "bytes": size}
            try:
                for row in rows(Trial(library, meeting, case), order.seconds):
                    write(what | row)
            except UnavailableError as reason:
                write(what | {"unavailable": str(reason)})
    meeting.wait()
    library.close()


if __name__ == "__main__":
    main()
