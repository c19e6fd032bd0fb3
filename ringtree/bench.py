"""The sweep as each rank runs it: every algorithm, size and form, checked and timed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from mpi4py import MPI

from _ringtree.assume import Assumptions
from _ringtree.errors import ResourceError
from _ringtree.units import format_bytes
from collectives import Communicator
from ringtree import trials
from ringtree.rows import Request, Row
from topology import Topology

# In virtual clock every iteration takes the same emulated time, so one is enough.
ITERATIONS = {"virtual": (0, 1), "wall": (1, 5), "off": (2, 20)}


@dataclass(frozen=True)
class Sweep:
    """What to run. warmup and iters: None for the clock's own."""

    request: Request
    board: Topology | None
    clock: str
    assume: Assumptions
    algorithms: Sequence[str]
    sizes: Sequence[int]
    warmup: int | None = None
    iters: int | None = None

    def steps(self) -> int:
        """How many rows there will be."""
        return len(self.algorithms) * sum(len(self.forms(size)) for size in self.sizes)

    def forms(self, nbytes: int) -> list[bool]:
        return trials.forms(self.request.collective, self.request.count(nbytes), self.request.ranks)


def run(sweep: Sweep) -> Iterator[list[Row]]:
    """The rows of one algorithm and size at a time; every rank gets them all. Collective over COMM_WORLD."""
    require_memory(max(sweep.sizes), sweep.request.ranks)
    for algorithm in sweep.algorithms:
        comm = Communicator(
            MPI.COMM_WORLD,
            sweep.board or "none",
            sweep.clock,
            devices=sweep.request.devices,
            algorithm=algorithm,
            assume=sweep.assume,
            cost_us=sweep.request.cost_us,
        )
        setting = trials.setting(comm, sweep.request)
        for nbytes in sweep.sizes:
            yield [_measure(sweep, setting, algorithm, nbytes, in_place) for in_place in sweep.forms(nbytes)]
        comm.Free()


def require_memory(nbytes: int, ranks: int) -> None:
    """ResourceError where the buffers of the largest size would not fit: the host would kill a rank in the middle."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return
    free = next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable")), 0)
    needed = 2 * nbytes * ranks
    if free and needed > free:
        raise ResourceError(
            f"{format_bytes(nbytes)} on {ranks} ranks takes {needed / 2**30:.1f} GiB of memory; "
            f"this host has {free / 2**30:.1f} GiB free"
        )


def _measure(sweep: Sweep, setting: trials.Setting, algorithm: str, nbytes: int, in_place: bool) -> Row:
    comm, request = setting.comm, setting.request
    trial = trials.prepare(setting, request.count(nbytes), in_place)
    usual = ITERATIONS[sweep.clock]
    warmup = usual[0] if sweep.warmup is None else sweep.warmup
    iters = usual[1] if sweep.iters is None else sweep.iters
    times, wrong = [], 0
    for iteration in range(warmup + iters):
        trial.refill()
        MPI.COMM_WORLD.Barrier()
        comm.reset_clock()
        trial.call()
        elapsed = comm.elapsed_us
        wrong += trial.wrong()
        if iteration >= warmup:
            times.append(elapsed)
    bounds = request.bounds(sweep.board, nbytes) if setting.rank == 0 else None
    slowest = [max(each) for each in zip(*MPI.COMM_WORLD.allgather(times), strict=True)]
    return request.row(
        sweep.board,
        algorithm,
        nbytes,
        clock=sweep.clock,
        time_us=median(slowest),
        plan=_plan(setting, nbytes),
        wrong=MPI.COMM_WORLD.allreduce(wrong),
        in_place=in_place,
        dilation=comm.dilation,
        assumed=list(comm.assumed),
        bounds=MPI.COMM_WORLD.bcast(bounds),
    )


def _plan(setting: trials.Setting, nbytes: int) -> str | None:
    """What rank 0 decided."""
    request, plan = setting.request, None
    if setting.comm.is_direct(request.collective):
        return "direct"
    if setting.rank == 0:
        op, root = request.op, request.root
        plan = setting.comm.plan(request.collective, nbytes, dtype=request.dtype, op=op, root=root).plan
    answer: str | None = MPI.COMM_WORLD.bcast(plan)
    return answer
