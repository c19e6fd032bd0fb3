"""Emulated time: the same bits on every run, as the simulator says; and the host's own time without emulation."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import pytest
from opened import RANK, RANKS, opened, total
from together import WORLD, meet

import ringtree

pytestmark = pytest.mark.mpi

COUNTS = [1, 4099, 257]
FIGURES = ["ppu.fp16_tflops=120"]
MIXED = "tree:chunks=2;allreduce:ring:chunks=2;gather:star"


def history(sleepy: bool) -> list[str]:
    """This rank's clock after each of many things, in bits; sleeps between them change nothing."""
    pause = np.random.default_rng(RANK)
    times: list[str] = []

    def done(comm: ringtree.Communicator) -> None:
        times.append(comm.elapsed_us.hex())
        time.sleep(float(pause.random()) / 200 if sleepy else 0)

    with opened(board="ppu-8", assume=FIGURES, algorithm=MIXED) as comm:
        assert comm.device is not None
        for count in COUNTS:
            comm.device.compute(flops=1e6 * (RANK + 1) * count, bytes=1e3 * count, dtype="float16")
            done(comm)
            total(comm, count)
            done(comm)
            comm.Bcast(np.zeros(count), count % RANKS)
            done(comm)
            comm.Gatherv(np.zeros(RANK), np.zeros(RANKS * RANKS) if RANK == 0 else None, 0)
            done(comm)
            comm.Barrier()
            done(comm)
    return times


def test_the_same_bits_on_every_run() -> None:
    first = history(sleepy=False)
    assert len(set(first)) >= len(COUNTS)
    assert history(sleepy=True) == first


@pytest.fixture(scope="module")
def comm() -> Iterator[ringtree.Communicator]:
    with opened(board="ppu-8", assume=FIGURES, algorithm="ring:channels=1:chunks=1") as made:
        yield made


def test_a_collective_begins_when_each_chip_reaches_it(comm: ringtree.Communicator) -> None:
    """Simulated from the offsets that the chips' own work made; only differences count."""
    assert comm.device is not None
    comm.reset_clock()
    for _ in range(2):
        comm.device.compute(flops=3e8 * (RANK + 1), dtype="float16")
        begin = comm.elapsed_us
        starts = WORLD.allgather(begin)
        total(comm, 1000)
        plan = comm.plan(nbytes=8000, dtype="float64")
        offsets = [start - min(starts) for start in starts]
        assert comm.elapsed_us == min(starts) + plan.simulate(offsets)[RANK]
        assert comm.elapsed_us >= begin


def test_work_is_charged_to_its_chip_alone(comm: ringtree.Communicator) -> None:
    assert comm.device is not None
    comm.reset_clock()
    meet()
    if RANK == 0:
        comm.device.compute(flops=1e9, dtype="float16")
    assert (comm.elapsed_us > 0) == (RANK == 0)
    before = WORLD.allgather(comm.elapsed_us)[0]
    comm.Barrier() if RANKS == 1 else total(comm)
    assert comm.elapsed_us >= before  # nobody has a sum before its last operand


def test_what_one_clock_pays_another_does_not(comm: ringtree.Communicator) -> None:
    other = comm.Dup()
    comm.reset_clock()
    total(other)
    assert comm.elapsed_us == 0
    assert other.elapsed_us == other.plan(nbytes=24, dtype="float64").simulate()[RANK]
    other.Free()


@pytest.mark.parametrize("board", [None, "ppu-8"], ids=["none", "off"])
def test_without_emulation_the_clock_is_the_host_s(board: str | None) -> None:
    with opened(board=board, clock="off", algorithm="binomial") as comm:
        assert (comm.clock, comm.device, comm.dilation) == ("off", None, None)
        total(comm)
        comm.reset_clock()
        begin = time.perf_counter_ns()
        time.sleep(0.01)
        found, real = comm.elapsed_us, (time.perf_counter_ns() - begin) / 1e3
        assert found > 9_000
        assert found == pytest.approx(real, abs=5_000)
        comm.reset_clock()
        assert comm.elapsed_us < found


def test_the_wall_clock_is_never_early() -> None:
    """A ring's last piece has gone 2 (n - 1) hops, at the very best one after another."""
    nbytes, dilation = 64 * 1024, 40.0
    with opened(board="ppu-8", clock="wall", dilation=dilation, algorithm="ring:channels=1:chunks=1") as comm:
        assert (comm.clock, comm.dilation) == ("wall", dilation)
        data = np.ones(nbytes // 4, np.float32)
        out = np.zeros_like(data)
        comm.Allreduce(data, out)
        begin = min(WORLD.allgather(time.monotonic_ns()))
        comm.Allreduce(data, out)
        end = max(WORLD.allgather(time.monotonic_ns()))
        assert (out == RANKS).all()
        assert comm.board is not None
        fastest = max(link.bandwidth_GBps or 0.0 for link in comm.board.links)
        hop = nbytes // RANKS / (fastest * 1e3) + 1.0  # links of 1 us
        assert (end - begin) / 1e3 / dilation >= 2 * (RANKS - 1) * hop * 0.999
