"""One rank of one library, measured: what compare_peers.py starts in each library's own environment.

    mpiexec -n 2 python scripts/peers_rank.py ORDER     (a JSON object with the fields of `Order`)

It needs NumPy and the library, nothing else. Rank 0 writes a JSON line for each size and kind of timing:

latency: ranks meet, then time one call; the median. They meet through counters in shared memory (`Meeting`), the same
for every library: a library's own barrier would leave it warm, or its processes asleep, each in its own way.
back_to_back: ranks meet, then time a run of calls; the median of the runs, divided by the calls of one.

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
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np

Array = Any
MIB = 2**20
# The bits of 1, 2 and 3.
FRESH = {"float32": (1.0, 2.0, 3.0), "bfloat16": (0x3F80, 0x4000, 0x4040)}
WARM_UP_S, RUN_S = 2e-3, 3e-3
PERIOD = 251  # of the checked pattern: no block's length is a multiple of it
ROTATED, ROTATED_BYTES = 4, 64 * MIB  # inputs of a run of calls: so many, or as many as fit

MPI_CALLS = {
    "all_reduce": "Allreduce", "all_gather": "Allgather", "reduce_scatter": "Reduce_scatter_block",
    "broadcast": "Bcast", "all_to_all": "Alltoall", "barrier": "Barrier",
}  # fmt: skip
# mpi4py has no name for these libraries' bfloat16. Library, handle, and the name that it must have.
MPI_BFLOAT16 = (("MPICH", 0x4C00024C, "MPIX_BFLOAT16"), ("Intel(R) MPI", 0x4C000247, "MPIX_C_BF16"))
# The newer name first: torch warns of the older ones.
GLOO_CALLS = {
    "all_reduce": ("all_reduce",), "all_gather": ("all_gather_single", "all_gather_into_tensor"),
    "reduce_scatter": ("reduce_scatter_single", "reduce_scatter_tensor"), "broadcast": ("broadcast",),
    "all_to_all": ("all_to_all_single",), "barrier": ("barrier",),
}  # fmt: skip

# What reading the clock twice takes.
CLOCK_S = statistics.median([-(perf_counter() - perf_counter()) for _ in range(1000)])


class UnavailableError(Exception):
    """The library does not have this call or type."""


@dataclass(frozen=True)
class Order:
    """What to measure. `seconds` is about how long each kind of timing of each size lasts, if it repeats enough."""

    library: str
    collectives: list[str]
    dtypes: list[str]
    sizes: list[int]
    seconds: float
    limit_s: int
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

    def __init__(self, path: str, rank: int, ranks: int) -> None:
        with open(path, "r+b") as file:
            self._cells = memoryview(mmap.mmap(file.fileno(), 64 * ranks)).cast("q")
        self._mine = 8 * rank
        self._others = [8 * other for other in range(ranks) if other != rank]
        self._crowded = ranks > (os.cpu_count() or 1)
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


@dataclass(frozen=True)
class Buffer:
    """The same memory twice: a NumPy array to write and to compare, and what the library's calls take."""

    raw: Array
    given: Any


class Mpi:
    """mpi4py's upper-case calls on NumPy arrays."""

    def __init__(self) -> None:
        import mpi4py
        from mpi4py import MPI

        self.world = MPI.COMM_WORLD
        self.comm: Any = self.world
        self.rank, self.ranks = self.world.Get_rank(), self.world.Get_size()
        first_line = MPI.Get_library_version().replace("\0", "").strip().splitlines()[0]
        name = " ".join(first_line.split(", package")[0].replace("Version:", "").split())
        self.version = f"{name}, mpi4py {mpi4py.__version__}"

    def buffer(self, count: int, dtype: str) -> Buffer:
        """Raw elements; MPI is told the type where NumPy does not have it."""
        raw = np.empty(count, raw_type(dtype))
        return Buffer(raw, raw if dtype == "float32" else [raw, count, self._bfloat16()])

    def call(self, collective: str) -> Callable[..., Any]:
        """The bound method."""
        method: Callable[..., Any] = getattr(self.comm, MPI_CALLS[collective])
        return method

    def arguments(self, collective: str, send: Buffer, receive: Buffer) -> tuple[Any, ...]:
        """What the method takes."""
        if collective == "barrier":
            return ()
        return (send.given,) if collective == "broadcast" else (send.given, receive.given)

    def in_place(self, collective: str) -> bool:
        """Whether input and result are one buffer."""
        return collective == "broadcast"

    def gather(self, value: Any) -> list[Any]:
        """Every rank's value, on every rank."""
        found: list[Any] = self.world.allgather(value)
        return found

    def close(self) -> None:
        """mpi4py does it."""

    def _bfloat16(self) -> Any:
        from mpi4py import MPI

        if MPI.BFLOAT16_T != MPI.DATATYPE_NULL:
            return MPI.BFLOAT16_T
        for library, handle, name in MPI_BFLOAT16:
            if library in MPI.Get_library_version():
                datatype = MPI.Datatype.fromhandle(handle)
                if datatype.Get_name() == name:
                    return datatype
        raise UnavailableError("this MPI has no bfloat16")


class Ringtree(Mpi):
    """The same calls of a ringtree.Communicator, on plain arrays or on those that it allocates."""

    def __init__(self, symmetric: bool) -> None:
        super().__init__()
        import ringtree

        self.symmetric = symmetric
        self.comm = ringtree.Communicator(self.world)
        self.version = f"ringtree {ringtree.__version__} on {self.version}"

    def buffer(self, count: int, dtype: str) -> Buffer:
        """bfloat16 is ml_dtypes'."""
        if self.symmetric:
            given = self.comm.empty(count, dtype)
        elif dtype == "bfloat16":
            import ml_dtypes

            given = np.empty(count, ml_dtypes.bfloat16)
        else:
            given = np.empty(count, dtype)
        return Buffer(given.view(raw_type(dtype)), given)


class Gloo:
    """torch.distributed on tensors, which reduces in place."""

    def __init__(self) -> None:
        import torch
        import torch.distributed

        torch.set_num_threads(1)
        self.torch, self.distributed = torch, torch.distributed
        self.distributed.init_process_group("gloo")
        self.rank, self.ranks = self.distributed.get_rank(), self.distributed.get_world_size()
        self.version = f"Gloo of torch {torch.__version__}, TCP over the loopback"

    def buffer(self, count: int, dtype: str) -> Buffer:
        """A tensor in a NumPy array's memory."""
        raw = np.empty(count, raw_type(dtype))
        tensor = self.torch.from_numpy(raw)
        return Buffer(raw, tensor if dtype == "float32" else tensor.view(self.torch.bfloat16))

    def call(self, collective: str) -> Callable[..., Any]:
        """By the newer name, where this torch has it."""
        for name in GLOO_CALLS[collective]:
            if hasattr(self.distributed, name):
                found: Callable[..., Any] = getattr(self.distributed, name)
                return found
        raise UnavailableError(f"torch.distributed has no {GLOO_CALLS[collective][-1]}")

    def arguments(self, collective: str, send: Buffer, receive: Buffer) -> tuple[Any, ...]:
        """Results first; broadcast takes the root."""
        if collective == "barrier":
            return ()
        if collective == "broadcast":
            return send.given, 0
        return (send.given,) if self.in_place(collective) else (receive.given, send.given)

    def in_place(self, collective: str) -> bool:
        """Whether input and result are one buffer."""
        return collective in ("all_reduce", "broadcast")

    def gather(self, value: Any) -> list[Any]:
        """Every rank's value, on every rank."""
        found: list[Any] = [None] * self.ranks
        self.distributed.all_gather_object(found, value)
        return found

    def close(self) -> None:
        """Else the process may be aborted as it ends: Gloo's threads are still there."""
        self.distributed.destroy_process_group()


LIBRARIES: dict[str, Callable[[], Mpi | Gloo]] = {
    "mpi": Mpi, "gloo": Gloo, "ringtree": lambda: Ringtree(False), "ringtree-symmetric": lambda: Ringtree(True),
}  # fmt: skip


def raw_type(dtype: str) -> Any:
    """The NumPy type of the elements' bits, where NumPy lacks the type itself."""
    return np.dtype("uint16" if dtype == "bfloat16" else dtype)


def table(rank: int) -> Array:
    """One period of a rank's input: integers so small that their sums are exact in bfloat16 on up to 25 ranks."""
    return (3 * np.arange(PERIOD) + 5 * rank) % 11


def pattern(period: Array, start: int, count: int, dtype: str) -> Array:
    """`count` raw elements of the repeated period, from element `start` on."""
    values = np.roll(period, -(start % PERIOD)).astype(np.float32)
    raw = (values.view(np.uint32) >> 16).astype(np.uint16) if dtype == "bfloat16" else values
    return np.resize(raw, count)


def expected(case: Case, rank: int) -> Array:
    """What a rank must receive when each sends its pattern from element 0 on."""
    block, dtype = case.block, case.dtype
    if case.collective in ("all_reduce", "reduce_scatter"):
        total = np.sum([table(other) for other in range(case.ranks)], axis=0)
        return pattern(total, rank * block if case.collective == "reduce_scatter" else 0, case.received, dtype)
    if case.collective == "broadcast":
        return pattern(table(0), 0, case.count, dtype)
    start = rank * block if case.collective == "all_to_all" else 0
    return np.concatenate([pattern(table(other), start, block, dtype) for other in range(case.ranks)])


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
            self.sends[0].raw[...] = pattern(table(rank), 0, case.sent, case.dtype)
        self.meet()
        self.call(*self.arguments[0])
        if case.collective == "barrier":
            return 0
        return sum(self.library.gather(int(np.count_nonzero(self.receive.raw != expected(case, rank)))))

    def _slowest(self, seconds: float) -> float:
        return float(max(self.library.gather(seconds)))


def rows(trial: Trial, seconds: float) -> list[dict[str, Any]]:
    """Both kinds of timing, each of about so many seconds; the first calls, of which all ranks learn, say how often.

    Checked is the last call, for libraries change their ways after a while and the timed one is meant.
    """
    first_s = trial.latency_s(1)
    once_s = max(1e-7, trial.latency_s(_between(WARM_UP_S / max(1e-7, first_s), 1, 20)))
    latency_s = trial.latency_s(_between(seconds / once_s, 3, 100))
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
    meeting = Meeting(order.meeting, library.rank, library.ranks)
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
