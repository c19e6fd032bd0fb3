"""Communicators are made, split, duplicated and freed; mistakes reach every rank, and nothing stays behind."""

from __future__ import annotations

import gc
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mpi4py import MPI
from opened import RANK, RANKS, opened, total
from together import WORLD, meet

import ringtree
from _ringtree.direct import NOT_UNDERSTOOD, run_call
from _ringtree.native import lib, text_of

pytestmark = pytest.mark.mpi

LAST = RANKS - 1
QUICK = "binomial"
MAPS = Path("/proc/self/maps")


def segments() -> set[str]:
    """Paths of the segments that this process maps."""
    return set(re.findall(r"/dev/shm/ringtree-\w+", MAPS.read_text()))


@pytest.mark.skipif(not MAPS.exists(), reason="no /proc")
def test_no_segment_keeps_its_name_or_outlives_its_use() -> None:
    gc.collect()
    before = segments()
    with opened(board="ppu-8", algorithm=QUICK) as comm:
        total(comm)
        data = comm.empty(100)
        mine = segments() - before
        meet()
        assert len(mine) == 2
        assert not any(Path(path).exists() for path in mine)
        data[:] = 0
        del data
    del comm
    gc.collect()
    assert not segments() & mine


@pytest.mark.parametrize("board", [None, "ppu-8"], ids=["host", "board"])
def test_parts_of_a_communicator(board: str | None) -> None:
    """Chips go with their ranks; the key turns the order round."""
    chips = [7 - rank for rank in range(RANKS)]
    devices: Any = chips if board else None
    with opened(board=board, devices=devices, algorithm=QUICK) as comm:
        part = comm.Split(RANK % 2, -RANK)
        mine = list(range(RANK % 2, RANKS, 2))[::-1]
        assert isinstance(part, ringtree.Communicator)
        assert (part.Get_size(), part.Get_rank()) == (len(mine), mine.index(RANK))
        total(part)
        if board:
            assert part.plan(nbytes=64).placement == tuple(chips[rank] for rank in mine)
            assert part.elapsed_us == part.plan(nbytes=24, dtype="float64").simulate()[part.Get_rank()]
            assert comm.elapsed_us == 0
            again = part.Split(0, RANK)
            assert again.plan(nbytes=64).placement == tuple(chips[rank] for rank in mine[::-1])
            again.Free()
        total(comm)
        part.Free()


def test_no_part_at_all() -> None:
    with opened(algorithm=QUICK) as comm:
        part = comm.Split(MPI.UNDEFINED if RANK == LAST else 0)
        if RANK == LAST:
            assert part == MPI.COMM_NULL
            with pytest.raises(ringtree.InputError, match="null or was freed"):
                part.Barrier()
        else:
            total(part)
            part.Free()
        total(comm)


@pytest.mark.parametrize("board", [None, "ppu-8"], ids=["host", "board"])
def test_copies_keep_board_clock_and_algorithm(board: str | None) -> None:
    with opened(board=board, algorithm="binomial:chunks=3") as comm:
        info = MPI.Info.Create()
        made = [comm.Dup(), comm.Dup(info), comm.Dup_with_info(info), comm.Clone()]
        for child, request in (comm.Idup(), comm.Idup(info), comm.Idup_with_info(info)):
            request.Wait()
            made.append(child)
        total(comm)
        for copy in made[:: 1 if board is None else 3]:
            assert isinstance(copy, ringtree.Communicator)
            assert copy != comm
            assert (copy.clock, copy.board) == (comm.clock, comm.board)
            assert copy.plan(nbytes=64).plan.startswith("binomial:chunks=3")
            total(copy)
            assert board is None or copy.elapsed_us == comm.elapsed_us
        for copy in made:
            copy.Free()
        info.Free()
        total(comm)


def test_after_its_end() -> None:
    comm = ringtree.Communicator(WORLD, algorithm=QUICK)
    total(comm)
    child = comm.Dup()
    comm.Free()
    for use in (comm.Barrier, lambda: comm.elapsed_us, lambda: comm.plan(nbytes=4)):
        with pytest.raises(ringtree.InputError, match="null or was freed"):
            use()
    total(child)
    child.Free()


def test_an_end_in_the_middle_of_a_call() -> None:
    """A finalizer or a signal handler may free a communicator that is being called: what the core looks at stays."""
    comm = ringtree.Communicator(WORLD)
    values = np.zeros(4, np.float32)
    kind, caller, direct = comm._sum_to_all, comm._direct.caller, comm._direct
    comm.Free()
    del comm
    gc.collect()
    held = [np.full(24, 0x41, np.uint8) for _ in range(1000)]  # where freed memory was
    call = (kind, values, values)
    assert run_call(id(call)) == NOT_UNDERSTOOD
    assert lib.rt_direct_barrier(caller) < 0
    assert text_of(direct.error) == "the communicator was freed"
    assert held


def test_the_world_by_default_and_the_original_untouched() -> None:
    with opened() as first:
        assert first != WORLD
        second = ringtree.Communicator(algorithm=QUICK)
        assert MPI.Comm.Compare(second, WORLD) == MPI.CONGRUENT
        total(second)
        second.Free()
    assert WORLD.allreduce(1) == RANKS


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "board": ({"board": "ppu-9"}, "ppu-9: no such board"),
    "algorithm": ({"algorithm": "rng"}, "algorithm: found 'rng'"),
    "clock without board": ({"clock": "virtual"}, "needs a board"),
    "clock": ({"board": "ppu-8", "clock": "quartz"}, "clock: found 'quartz'"),
    "device": ({"board": "ppu-8", "devices": [99, *range(RANKS - 1)]}, "device 99 does not exist"),
    "devices": ({"board": "ppu-8", "devices": range(RANKS + 1)}, "named for"),
    "timeout": ({"timeout": -1}, "timeout: found -1"),
    "assume": ({"assume": ["x"]}, "--assume: found 'x'"),
    "latency": ({"board": "ppu-8", "latency_us": -1}, "latency"),
    "cost": ({"board": "ppu-8", "cost_us": -1}, "cost -1 us"),
}


@pytest.mark.parametrize("what", WRONG)
def test_mistakes_reach_every_rank(what: str) -> None:
    """Whether all make the mistake or the last rank alone."""
    options, message = WRONG[what]
    with pytest.raises(ringtree.InputError, match=message):
        ringtree.Communicator(WORLD, **options)
    if RANKS > 1 and what in ("board", "algorithm", "timeout", "assume"):
        with pytest.raises(ringtree.Error, match=message) as caught:
            ringtree.Communicator(WORLD, **(options if RANK == LAST else {}))
        assert RANK == LAST or str(caught.value).startswith(f"rank {LAST}: ")


def test_no_communicator_at_all() -> None:
    with pytest.raises(ringtree.InputError, match="COMM_NULL"):
        ringtree.Communicator(MPI.COMM_NULL)


def test_the_environment_chooses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RINGTREE_TOPO_FILE", "ppu-8")
    monkeypatch.setenv("RINGTREE_ALGO", "allreduce:ring:channels=1:chunks=3;broadcast:binomial:chunks=1")
    with opened() as comm:
        assert comm.board is not None
        assert comm.clock == "virtual"
        assert comm.plan("all_reduce", 4096).plan.startswith("ring:channels=1:chunks=3")
        assert comm.plan("broadcast", 4096).plan.startswith("binomial:chunks=1")
        assert comm.plan("broadcast", 4096, algorithm="star:chunks=2").plan.startswith("star:chunks=2")
    with opened(board="none", algorithm="star:chunks=2") as comm:
        assert comm.board is None
        assert comm.plan("all_reduce", 4096).plan.startswith("star:chunks=2")
        total(comm)


def test_a_bad_algorithm_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RINGTREE_ALGO", "allreduce:rng")
    with opened() as comm, pytest.raises(ringtree.InputError, match="RINGTREE_ALGO: algorithm: found 'rng'"):
        total(comm)


@pytest.mark.skipif(RANKS < 2, reason="one rank copies, whatever the algorithm")
def test_what_cannot_run_is_the_same_error_on_every_rank() -> None:
    with opened(algorithm="gather:ring") as comm:
        for _ in range(2):
            with pytest.raises(ringtree.UnsupportedError, match="ring does not do gather"):
                comm.Gather(np.zeros(2), np.zeros(2 * RANKS) if RANK == 0 else None)
        total(comm)
