"""What ringtree does not accelerate goes to MPI with the same arguments, and RINGTREE_DEBUG=INFO says so."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from mpi4py import MPI
from opened import RANK, RANKS, opened, total

import ringtree

pytestmark = pytest.mark.mpi


@pytest.fixture(scope="module", params=[None, "ppu-8"], ids=["host", "board"])
def comm(request: pytest.FixtureRequest) -> Iterator[ringtree.Communicator]:
    with opened(board=request.param, algorithm="binomial") as made:
        yield made


@pytest.fixture(autouse=True)
def _telling(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RINGTREE_DEBUG", "INFO")


def test_an_operation_of_the_users_own(comm: ringtree.Communicator, capsys: pytest.CaptureFixture[str]) -> None:
    def larger(a: Any, b: Any, _: MPI.Datatype) -> None:
        ours, theirs = np.frombuffer(a, np.int32), np.frombuffer(b, np.int32)
        theirs[:] = np.maximum(ours, theirs)

    op = MPI.Op.Create(larger, commute=True)
    out = np.zeros(3, np.int32)
    comm.Allreduce(np.full(3, RANK + 1, np.int32), out, op)
    assert (out == RANKS).all()
    assert "ringtree INFO Allreduce goes to MPI: the operation is the user's own" in capsys.readouterr().err
    comm.Reduce_scatter_block(np.full(RANKS, RANK + 1, np.int32), out[:1], op)
    assert out[0] == RANKS
    op.Free()


def test_values_with_their_places(comm: ringtree.Communicator) -> None:
    pair = np.zeros(1, [("value", np.float64), ("place", np.intc)])
    pair["value"], pair["place"] = -RANK, RANK
    found = np.zeros_like(pair)
    comm.Allreduce([pair, 1, MPI.DOUBLE_INT], [found, 1, MPI.DOUBLE_INT], MPI.MAXLOC)
    assert (found["value"][0], found["place"][0]) == (0, 0)


def test_derived_types(comm: ringtree.Communicator, capsys: pytest.CaptureFixture[str]) -> None:
    """Every second element."""
    every_second = MPI.INT.Create_vector(4, 1, 2).Commit()
    data = np.arange(8, dtype=np.intc) if RANK == 0 else np.full(8, -1, np.intc)
    comm.Bcast([data, 1, every_second], 0)
    expected = np.arange(8) if RANK == 0 else [0, -1, 2, -1, 4, -1, 6, -1]
    np.testing.assert_array_equal(data, expected)
    assert "Bcast goes to MPI: Bcast: buf has elements of a type" in capsys.readouterr().err
    every_second.Free()


def test_what_is_no_buffer_is_mpi4py_s_to_refuse(comm: ringtree.Communicator) -> None:
    for call in (lambda: comm.Bcast("text"), lambda: comm.Allreduce(3, 4), lambda: comm.Allgather(None, None)):
        with pytest.raises(TypeError):
            call()
    total(comm)


def test_the_other_methods_of_mpi4py(comm: ringtree.Communicator) -> None:
    assert comm.allreduce(RANK) == RANKS * (RANKS - 1) // 2
    assert comm.bcast({"from": RANK}, RANKS - 1) == {"from": RANKS - 1}
    assert comm.gather(RANK, 0) == (list(range(RANKS)) if RANK == 0 else None)
    out = np.zeros(2)
    comm.Sendrecv(np.full(2, float(RANK)), (RANK + 1) % RANKS, recvbuf=out, source=(RANK - 1) % RANKS)
    assert (out == (RANK - 1) % RANKS).all()
    comm.Scan(np.ones(2), out)
    assert (out == RANK + 1).all()
    comm.Iallreduce(np.ones(2), out).Wait()
    assert (out == RANKS).all()
    total(comm)


def test_what_ran_is_told_once_and_by_one_rank(capsys: pytest.CaptureFixture[str]) -> None:
    with opened(algorithm="ring:channels=1:chunks=1") as comm:
        total(comm, 5, np.int32)
        total(comm, 5, np.int32)
    told = [line for line in capsys.readouterr().err.splitlines() if "all_reduce of 20 bytes" in line]
    assert len(told) == (1 if RANK == 0 else 0)
    assert all(" ringtree INFO all_reduce of 20 bytes: ring:channels=1:chunks=1" in line for line in told)


def test_nothing_is_told_unasked(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("RINGTREE_DEBUG")
    with opened() as comm:
        total(comm)
        with pytest.raises(TypeError):
            comm.Bcast("text")
    assert "ringtree" not in capsys.readouterr().err
