"""Every accelerated method against NumPy, on as many ranks as mpiexec started."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

MPI = pytest.importorskip("mpi4py.MPI")

import ringtree  # noqa: E402

pytestmark = pytest.mark.mpi

COUNTS = [0, 1, 5, 4099]


@pytest.fixture(scope="module", params=["none", "ppu-8"])
def comm(request: pytest.FixtureRequest) -> Iterator[ringtree.Communicator]:
    communicator = ringtree.Communicator(MPI.COMM_WORLD, board=request.param, timeout=30)
    yield communicator
    communicator.Free()


@contextmanager
def closing(comm: MPI.Intracomm, timeout: float) -> Iterator[ringtree.Communicator]:
    """A communicator that is freed whatever happens to it."""
    communicator = ringtree.Communicator(comm, timeout=timeout)
    yield communicator
    communicator.Free()


def inputs(ranks: int, count: int, dtype: str = "int64") -> np.ndarray:
    """One row a rank; small integers, so that sums are exact in any order."""
    return np.random.default_rng(7).integers(1, 9, (ranks, count)).astype(dtype)


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("dtype", ["int8", "uint64", "float16", "float32", "float64", "complex128"])
def test_all_reduce(comm: ringtree.Communicator, count: int, dtype: str) -> None:
    data = inputs(comm.Get_size(), count, dtype)
    out = np.zeros(count, dtype)
    comm.Allreduce(data[comm.Get_rank()].copy(), out)
    np.testing.assert_array_equal(out, data.sum(axis=0, dtype=dtype))
    mine = data[comm.Get_rank()].copy()
    comm.Allreduce(MPI.IN_PLACE, mine)
    np.testing.assert_array_equal(mine, out)


@pytest.mark.parametrize(
    ("op", "expected"),
    [(MPI.MAX, np.maximum), (MPI.MIN, np.minimum), (MPI.PROD, np.multiply), (MPI.BXOR, np.bitwise_xor)],
)
def test_operations(comm: ringtree.Communicator, op: MPI.Op, expected: np.ufunc) -> None:
    data = inputs(comm.Get_size(), 100)
    out = np.zeros(100, np.int64)
    comm.Allreduce(data[comm.Get_rank()].copy(), out, op)
    np.testing.assert_array_equal(out, expected.reduce(data, axis=0))


def test_average(comm: ringtree.Communicator) -> None:
    ranks = comm.Get_size()
    out = np.zeros(33)
    comm.Allreduce(np.full(33, float(ranks * comm.Get_rank())), out, ringtree.AVG)
    np.testing.assert_array_equal(out, np.full(33, sum(range(ranks)), float))


@pytest.mark.parametrize("count", COUNTS)
def test_to_and_from_a_root(comm: ringtree.Communicator, count: int) -> None:
    ranks, rank = comm.Get_size(), comm.Get_rank()
    data = inputs(ranks, count)
    for root in {0, ranks - 1}:
        message = data[root].copy() if rank == root else np.zeros(count, np.int64)
        comm.Bcast(message, root)
        np.testing.assert_array_equal(message, data[root])
        total = np.zeros(count, np.int64) if rank == root else None
        comm.Reduce(data[rank].copy(), total, MPI.SUM, root)
        whole = np.zeros((ranks, count), np.int64) if rank == root else None
        comm.Gather(data[rank].copy(), whole, root)
        mine = np.zeros(count, np.int64)
        comm.Scatter(data.copy() if rank == root else None, mine, root)
        np.testing.assert_array_equal(mine, data[rank])
        if rank == root:
            np.testing.assert_array_equal(total, data.sum(axis=0))
            np.testing.assert_array_equal(whole, data)


@pytest.mark.parametrize("count", COUNTS)
def test_all_to_all_and_parts(comm: ringtree.Communicator, count: int) -> None:
    ranks, rank = comm.Get_size(), comm.Get_rank()
    data = inputs(ranks, ranks * count)
    gathered = np.zeros((ranks, ranks * count), np.int64)
    comm.Allgather(data[rank].copy(), gathered)
    np.testing.assert_array_equal(gathered, data)
    part = np.zeros(count, np.int64)
    comm.Reduce_scatter_block(data[rank].copy(), part)
    np.testing.assert_array_equal(part, data.sum(axis=0)[rank * count : (rank + 1) * count])
    out = np.zeros(ranks * count, np.int64)
    comm.Alltoall(data[rank].copy(), out)
    np.testing.assert_array_equal(out.reshape(ranks, count), data.reshape(ranks, ranks, count)[:, rank])


def test_ragged_parts_with_gaps(comm: ringtree.Communicator) -> None:
    ranks, rank = comm.Get_size(), comm.Get_rank()
    counts = [2 * i + 1 for i in range(ranks)]
    displs = [sum(counts[:i]) + 3 * i for i in range(ranks)]
    mine = np.full(counts[rank], rank, np.float32)
    out = np.full(displs[-1] + counts[-1], -1, np.float32)
    comm.Allgatherv(mine, [out, (counts, displs)])
    expected = np.full(len(out), -1, np.float32)
    for i in range(ranks):
        expected[displs[i] : displs[i] + counts[i]] = i
    np.testing.assert_array_equal(out, expected)
    part = np.zeros(counts[rank], np.float32)
    comm.Reduce_scatter(np.arange(sum(counts), dtype=np.float32), part, counts)
    begin = sum(counts[:rank])
    np.testing.assert_array_equal(part, ranks * np.arange(begin, begin + counts[rank], dtype=np.float32))


def test_barrier_split_and_dup(comm: ringtree.Communicator) -> None:
    comm.Barrier()
    half = comm.Split(comm.Get_rank() % 2)
    assert isinstance(half, ringtree.Communicator)
    total = np.zeros(1)
    half.Allreduce(np.ones(1), total)
    assert total[0] == half.Get_size()
    half.Free()


@pytest.mark.skipif(MPI.COMM_WORLD.Get_size() < 2, reason="one rank cannot disagree")
def test_ranks_that_disagree_all_get_an_error() -> None:
    with closing(MPI.COMM_WORLD, timeout=20) as comm:
        count = 10 + (comm.Get_rank() == 1)
        with pytest.raises(ringtree.Error):
            comm.Allreduce(np.ones(count), np.zeros(count))


@pytest.mark.skipif(MPI.COMM_WORLD.Get_size() < 2, reason="nobody is missing")
def test_a_missing_rank_is_named() -> None:
    with closing(MPI.COMM_WORLD, timeout=0.5) as comm:
        if comm.Get_rank() != 1:
            with pytest.raises(ringtree.Error, match=r"all_reduce|agreement") as caught:
                comm.Allreduce(np.ones(3), np.zeros(3))
            assert "1" in str(caught.value)
        MPI.COMM_WORLD.Barrier()


def test_more_ranks_than_chips_is_an_error() -> None:
    if MPI.COMM_WORLD.Get_size() <= 2:
        pytest.skip("n300 has two chips")
    with pytest.raises(ringtree.Error, match="only 2 chips"):
        ringtree.Communicator(MPI.COMM_WORLD, board="n300")
