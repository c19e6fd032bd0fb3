"""Where the direct path takes another way: measured on the machine by the ranks themselves, and kept.

At first use, for so many ranks that have processors of their own or share them, the ways are timed against each other
in under 0.2 s; rank 0 decides, all take its word. Kept in the cache under the processor's name, its cores, the number
of ranks and the version of ringtree: what is stale or another machine's is never found. Whatever the numbers, results
are the same bits: every way combines in the same order.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from _ringtree import settings
from _ringtree.direct import NEVER, Call, Direct, Limits, can_fetch
from _ringtree.log import info
from _ringtree.names import dtype_size
from _ringtree.native import ffi
from _ringtree.program import Collective

from .planner.cache import Cache, planner_version

BUDGET_S = 0.15
KIB = 1024
DEFAULT = Limits(whole_bytes=32 * KIB, piece_bytes=64 * KIB, stream_bytes=4096 * KIB, fetch_bytes=256 * KIB)
# A way has to be this much faster than the one that is taken otherwise.
MARGIN = 0.97
ROUNDS = 4
_known: dict[tuple[int, bool, bool], Limits] = {}


@dataclass(frozen=True)
class Question:
    """Which of these limits is the fastest for a collective of so many bytes; the first that wins is kept."""

    kind: str
    nbytes: int
    choices: tuple[dict[str, int], ...]


QUESTIONS = (
    Question("all_reduce", 64 * KIB, ({"whole_bytes": 64 * KIB},)),
    Question("all_reduce", 32 * KIB, ({"whole_bytes": 16 * KIB},)),
    Question("all_reduce", 16 * KIB, ({"whole_bytes": 8 * KIB},)),
    Question("all_to_all", 256 * KIB, ({"fetch_bytes": 1024 * KIB},)),
    Question("all_to_all", 1024 * KIB, ({"fetch_bytes": NEVER},)),
    Question("all_reduce", 512 * KIB, ({"piece_bytes": 32 * KIB},)),
    Question("all_reduce", 2048 * KIB, ({"stream_bytes": 2048 * KIB},)),
)


def limits_for(comm: Any, direct: Direct, crowded: bool, fresh: bool = False) -> Limits:
    """What holds for the communicator's ranks; the same on all. fresh: measured now, whatever is kept."""
    ranks = comm.Get_size()
    if ranks == 1:
        return DEFAULT
    fetches = all(comm.allgather(can_fetch(comm)))
    cache = Cache(settings.cache_folder(), ("direct", machine(), planner_version()))
    key = (ranks, crowded, fetches)
    found = None
    if comm.Get_rank() == 0 and not fresh:
        found = _known.get(key) or _unpacked(cache.get(key))
    found = comm.bcast(found)
    if found is None:
        found = measure(comm, direct, DEFAULT if fetches else replace(DEFAULT, fetch_bytes=NEVER))
        if comm.Get_rank() == 0:
            cache.put(key, asdict(found))
            info(f"direct path tuned for {ranks} ranks: {found}")
    _known[key] = found
    return found


def machine() -> tuple[str, int]:
    """The processor's name and how many there are."""
    name = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            name = next((line.partition(":")[2].strip() for line in file if line.startswith("model name")), name)
    except OSError:
        pass
    return name, os.cpu_count() or 1


def measure(comm: Any, direct: Direct, begin: Limits) -> Limits:
    """Ask the questions one after the other for as long as there is time.

    What ranks agree about goes over the direct path itself: on crowded machines MPI's own takes longer than a question.
    """
    agreement, best = Agreement(direct, comm.Get_size()), begin
    for question in QUESTIONS:
        for choice in question.choices:
            if begin.fetch_bytes == NEVER and "fetch_bytes" in choice:
                continue
            other = replace(best, **choice)
            times = _times(comm.Get_size(), direct, question, (best, other), agreement)
            if times is None:
                return best
            best = other if times[1] < MARGIN * times[0] else best
    return best


class Agreement:
    """The largest of all ranks' numbers, and whether one of them says that the time is over."""

    def __init__(self, direct: Direct, ranks: int) -> None:
        self._direct, self._began = direct, time.perf_counter()
        self._numbers = ffi.new("double[2]")
        address = int(ffi.cast("uintptr_t", self._numbers))
        self._call = Call(Collective("all_reduce", ranks, 2), "float64", "max", address, address)

    def largest(self, number: float) -> tuple[float, bool]:
        self._numbers[0] = number
        self._numbers[1] = float(time.perf_counter() - self._began > BUDGET_S)
        self._direct.run(self._call)
        return float(self._numbers[0]), bool(self._numbers[1])


def _times(
    ranks: int, direct: Direct, question: Question, limits: Sequence[Limits], agreement: Agreement
) -> list[float] | None:
    """Of each, the shortest time of a call, the slowest rank's, in alternating rounds; None where there is no time."""
    call, meet = _call(ranks, question), Call(Collective("barrier", ranks, 0), "uint8", None, 0, 0)
    shortest = [float("inf")] * len(limits)
    for turn in range(1 + ROUNDS):
        for i, each in enumerate(limits):
            direct.limits = each
            elapsed = 0.0
            for _ in range(3):
                ffi.memmove(call.memory[0], call.memory[2], question.nbytes)  # fresh data: in this core's cache alone
                direct.run(meet)
                begin = time.perf_counter()
                direct.run(call)
                elapsed += time.perf_counter() - begin
            slowest, late = agreement.largest(elapsed)
            if late:
                return None
            shortest[i] = min(shortest[i], slowest) if turn else shortest[i]
    return shortest


def _call(ranks: int, question: Question) -> Call:
    count = question.nbytes // dtype_size("float32") // ranks * ranks
    memory = [ffi.new("char[]", question.nbytes) for _ in range(3)]
    source, target, _ = (int(ffi.cast("uintptr_t", each)) for each in memory)
    op = "sum" if question.kind == "all_reduce" else None
    call = Call(Collective(question.kind, ranks, count), "float32", op, source, target)
    call.memory = memory
    return call


def _unpacked(value: Any) -> Limits | None:
    """What was kept, if it is what we would keep."""
    try:
        limits = Limits(**value)
    except TypeError:
        return None
    whole = all(type(each) is int and each > 0 for each in asdict(limits).values())
    return limits if whole else None


def rows(limits: Limits) -> Iterator[tuple[str, int | None, str]]:
    """Name, bytes (None: never) and meaning, for people."""
    meanings = {
        "whole_bytes": "up to here every rank combines whole inputs",
        "piece_bytes": "what a rank puts into a slot at a time",
        "stream_bytes": "from here on results go past the cache (a broadcast's from 8 times that on)",
        "fetch_bytes": "from here on private memory is copied once, by the kernel (collectives that combine nothing)",
    }
    for name, value in asdict(limits).items():
        yield name, None if value == NEVER else value, meanings[name]
