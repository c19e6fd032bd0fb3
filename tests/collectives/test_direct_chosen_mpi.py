"""Which collectives take the direct path, and its limits."""

from __future__ import annotations

import numpy as np
import pytest
from directly import (
    LAST,
    NEVER,
    core,
    direct,
)
from mpi4py import MPI
from opened import RANK, opened, total
from together import WORLD

import ringtree
from _ringtree.direct import Limits
from _ringtree.names import KINDS
from _ringtree.native import lib
from _ringtree.ndarrays import table

pytestmark = pytest.mark.mpi


def ways(comm: ringtree.Communicator) -> set[str]:
    return {kind for kind in KINDS if comm.is_direct(kind)}


def test_the_direct_path_is_what_one_gets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RINGTREE_ALGO", raising=False)
    with opened() as comm:
        assert ways(comm) == set(KINDS)
        total(comm)
        copy, part = comm.Dup(), comm.Split(RANK % 2)
        assert ways(copy) == ways(part) == set(KINDS)
        copy.Free()
        part.Free()


def test_what_runs_no_program_has_no_plan() -> None:
    with opened(algorithm="allreduce:ring") as comm:
        assert comm.plan("all_reduce", 64).plan.startswith("ring")
        with pytest.raises(ringtree.UnsupportedError, match="broadcast takes the direct path, which runs no program"):
            comm.plan("broadcast", 64)
        assert comm.plan("broadcast", 64, algorithm="star").plan.startswith("star")


def test_programs_for_who_asks_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(algorithm="binomial") as comm:
        assert not comm.is_direct("all_reduce")
        total(comm)
    with opened(board="ppu-8") as comm:
        assert not ways(comm)
    monkeypatch.setenv("RINGTREE_ALGO", "binomial")
    with opened() as comm:
        assert ways(comm) == {"all_to_all"}  # which binomial does not do
        total(comm)
    with direct() as comm:  # what the caller says goes before
        assert ways(comm) == set(KINDS)
        total(comm)
    monkeypatch.setenv("RINGTREE_ALGO", "allreduce:binomial")
    with opened() as comm:
        assert ways(comm) == set(KINDS) - {"all_reduce"}
        total(comm)
        comm.Bcast(np.ones(5), LAST)
        comm.Barrier()


def test_rank_0_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RINGTREE_ALGO", "direct" if RANK == 0 else "auto")
    with opened() as comm:
        assert len(set(WORLD.allgather(comm.is_direct("broadcast")))) == 1
        total(comm)


def test_a_board_has_no_direct_path() -> None:
    text = r"direct.* without a board"
    with pytest.raises(ringtree.Error, match=text), opened(board="ppu-8", algorithm="direct") as comm:
        total(comm)


def test_objects_that_the_core_cannot_read_take_the_long_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table().handle, "types", 0)
    with opened() as comm:
        assert ways(comm) == set(KINDS)
        total(comm)
        total(comm, 100_000)
        comm.Barrier()


def test_calls_from_tuples_that_know_their_hash(comm: ringtree.Communicator) -> None:
    """As CPython has them from 3.14 on."""
    total(comm)  # opens it
    ones, found = np.ones(5, np.float32), np.zeros(5, np.float32)
    words = np.array([1, 0, 3, 99, id(comm._sum_to_all), id(ones), id(found)], np.uint64)
    assert lib.rt_direct_call_hashed(words.ctypes.data) == 0
    assert found.tolist() == [comm.size] * 5


def test_roots_that_no_rank_has(comm: ringtree.Communicator) -> None:
    for root in (comm.size, 2**31 - 1, 2**31, -1):
        with pytest.raises((ringtree.InputError, MPI.Exception), match="root"):
            comm.Bcast(np.zeros(3, np.float32), root)
    total(comm)


def test_limits_out_of_range_are_drawn_in(comm: ringtree.Communicator) -> None:
    path = core(comm)
    path.limits = Limits(-5, -5, -5, -5)
    small = path.limits
    assert small.whole_bytes >= 48
    assert small.piece_bytes >= 64
    assert min(small.stream_bytes, small.fetch_bytes) >= 0
    total(comm, 1000)
    path.limits = Limits(NEVER, NEVER, NEVER, NEVER)
    large = path.limits
    assert small.whole_bytes < large.whole_bytes < NEVER
    assert small.piece_bytes < large.piece_bytes < NEVER
    total(comm, 40_000)
