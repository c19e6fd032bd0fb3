"""Whatever holds elements can be sent and received; memory that cannot be used is refused before anything happens."""

from __future__ import annotations

import array
from collections.abc import Callable, Iterator
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from mpi4py import MPI
from opened import RANK, RANKS, opened, total

import ringtree

pytestmark = pytest.mark.mpi

IN_PLACE = MPI.IN_PLACE


class Tensor:
    """Known by DLPack alone."""

    def __init__(self, values: Any) -> None:
        self.values = np.array(values)

    def __dlpack__(self, **keywords: Any) -> Any:
        return self.values.__dlpack__(**keywords)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.values.__dlpack_device__()


@pytest.fixture(scope="module")
def comm() -> Iterator[ringtree.Communicator]:
    with opened(algorithm="binomial:chunks=1:pace=0") as made:
        yield made


MAKERS: dict[str, Callable[[list[int]], Any]] = {
    "bytearray": bytearray,
    "array": lambda values: array.array("d", values),
    "memoryview": lambda values: memoryview(array.array("i", values)),
    "part of a memoryview": lambda values: memoryview(bytearray([7, *values, 7]))[1:-1],
    "dlpack": lambda values: Tensor(np.array(values, np.float32)),
    "bfloat16": lambda values: np.array(values, ml_dtypes.bfloat16),
    "float8": lambda values: np.array(values, ml_dtypes.float8_e5m2),
    "part of an array": lambda values: np.array([7, *values, 7], np.int16)[1:-1],
    "column order": lambda values: np.asfortranarray(np.array(values, np.float32).reshape(2, 2)).T.ravel("K"),
    "no dimension": lambda values: np.array(values[0], np.int64),
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_memory_of_every_kind(comm: ringtree.Communicator, make: Callable[[list[int]], Any]) -> None:
    def values(item: Any) -> list[int]:
        return [int(v) for v in np.ravel(item.values if isinstance(item, Tensor) else item)]

    one, zero = make([1, 1, 0, 1]), make([0, 0, 0, 0])
    expected = [RANKS * v for v in values(one)]
    comm.Allreduce(one, zero)
    assert values(zero) == expected
    comm.Allreduce(IN_PLACE, one)
    assert values(one) == expected
    message = make([3, 1, 4, 1] if RANK == RANKS - 1 else [0, 0, 0, 0])
    comm.Bcast(message, RANKS - 1)
    assert values(message) == values(make([3, 1, 4, 1]))


def test_bytes_can_be_sent(comm: ringtree.Communicator) -> None:
    out = bytearray(3 * RANKS)
    comm.Allgather(bytes([RANK, 1, 2]), out)
    assert out == b"".join(bytes([rank, 1, 2]) for rank in range(RANKS))
    message: Any = b"abc" if RANK == 0 else bytearray(3)
    comm.Bcast(message, 0)
    assert message == b"abc"


def test_bits_of_another_type(comm: ringtree.Communicator) -> None:
    """bfloat16 is the upper half of a float32: 1.5 is 0x3fc0."""
    bits = np.full(5, 0x3FC0, np.uint16)
    comm.Allreduce(IN_PLACE, [bits, 5, ringtree.BFLOAT16])
    expected = np.full(5, 1.5 * RANKS, np.float32).view(np.uint32) >> 16
    np.testing.assert_array_equal(bits, expected)


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [(7, "float32"), ((2, 3), np.int64), ((), "float64"), (0, "int8"), ((4, 0), "bool"), (5, ringtree.BFLOAT16)],
)
def test_empty(comm: ringtree.Communicator, shape: Any, dtype: Any) -> None:
    data = comm.empty(shape, dtype)
    assert data.shape == np.empty(shape).shape
    assert data.flags.writeable
    data[...] = RANK + 1  # every rank has memory of its own
    comm.Allreduce(IN_PLACE, data)
    np.testing.assert_array_equal(data.astype(float), np.full(data.shape, RANKS * (RANKS + 1) / 2))


def test_empty_outlives_its_communicator() -> None:
    with opened() as short:
        data = short.empty(1000, "int32")
        view = data[500:]
        del data
    view[:] = RANK
    assert (view == RANK).all()


@pytest.mark.parametrize(
    ("shape", "dtype", "message"),
    [(-1, "int8", "shape: found -1"), ((2, -3), "int8", "shape: found"), (3, object, "Python's objects")],
)
def test_empty_of_what_cannot_be(comm: ringtree.Communicator, shape: Any, dtype: Any, message: str) -> None:
    with pytest.raises(ringtree.InputError, match=message):
        comm.empty(shape, dtype)


def test_empty_of_unequal_sizes_is_an_error_everywhere(comm: ringtree.Communicator) -> None:
    if RANKS > 1:
        with pytest.raises(ringtree.Error):
            comm.empty(100 + 100 * RANK, "float64")
    total(comm)


BOTH = np.zeros(2 * RANKS + 2)
FROZEN = np.zeros(2 * RANKS)
FROZEN.flags.writeable = False
SPARSE = np.zeros((2 * RANKS, 2))[:, 0]
FINE = np.zeros(2 * RANKS)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda c: c.Allreduce(BOTH[1:-1], BOTH[2:]), "Allreduce: send and receive buffer overlap; use MPI.IN_PLACE"),
        (lambda c: c.Allgather(BOTH[1:3], BOTH[:-2]), "Allgather: send and receive buffer overlap"),
        (lambda c: c.Alltoall(BOTH[1:-1], BOTH[1:-1]), "Alltoall: send and receive buffer overlap"),
        (lambda c: c.Alltoallv(BOTH[1:-1], BOTH[2:]), "Alltoallv: send and receive buffer overlap"),
        (lambda c: c.Reduce_scatter_block(BOTH[1:-1], BOTH[1:3]), "Reduce_scatter_block: send and receive .* overlap"),
        (lambda c: c.Allreduce(FINE, FROZEN), "Allreduce: recvbuf: found a read-only array"),
        (lambda c: c.Alltoall(FINE, b"\0" * FINE.nbytes), "Alltoall: recvbuf: found a read-only array"),
        (lambda c: c.Allgatherv(FINE[:2], FROZEN), "Allgatherv: recvbuf: found a read-only array"),
        (lambda c: c.Allreduce(SPARSE, FINE), "Allreduce: sendbuf: found an array that is not contiguous"),
        (lambda c: c.Allgather(FINE[:2], SPARSE), "Allgather: recvbuf: found an array that is not contiguous"),
        (lambda c: c.Bcast(SPARSE), "Bcast: buf: found an array that is not contiguous"),
        (lambda c: c.Allreduce(FINE, np.zeros(2 * RANKS + 1)), "recvbuf: found .* elements; expected"),
        (lambda c: c.Allreduce(FINE, FINE.astype(int)), "Allreduce: sends float64, receives int64; expected one type"),
        (lambda c: c.Allgather(FINE, np.zeros(1)), "Allgather: recvbuf: the buffer holds 1 elements; expected"),
        (lambda c: c.Allgatherv(FINE[:2], [BOTH, [2] * (RANKS + 1)]), "found .* counts; expected"),
        (lambda c: c.Allgatherv(FINE[:2], [BOTH, ([2] * RANKS, [99] * RANKS)]), "Allgatherv: recvbuf: .* asked for"),
        (lambda c: c.Allgatherv(FINE[:1], [BOTH, [2] * RANKS]), "Allgatherv: sendbuf: found 1 elements; expected 2"),
        (lambda c: c.Allgatherv(IN_PLACE, FINE), "IN_PLACE needs the counts"),
        (lambda c: c.Alltoallv([FINE, [1] * (RANKS + 1)], BOTH), "Alltoallv: expected .* counts"),
        (lambda c: c.Reduce_scatter(FINE, FINE.copy(), [2] * (RANKS + 1)), "Reduce_scatter: found counts"),
        (lambda c: c.Reduce_scatter(FINE, FINE.copy(), [-1] * RANKS), "Reduce_scatter: found counts"),
        (lambda c: c.Reduce_scatter(FINE, FINE[:0].copy(), [2] * RANKS), "Reduce_scatter: recvbuf: the buffer holds 0"),
        (lambda c: c.Bcast(FINE, RANKS), "Bcast: root: found .*; expected 0 to"),
        (lambda c: c.Reduce(FINE, None, root=-1), "Reduce: root: found -1; expected 0 to"),
        (lambda c: c.Bcast([FINE, 9 * RANKS]), "Bcast: buf: .* elements asked for, but the memory holds"),
    ],
)
def test_memory_that_cannot_be_used(comm: ringtree.Communicator, call: Callable[[Any], None], message: str) -> None:
    with pytest.raises(ringtree.InputError, match=message):
        call(comm)
    total(comm)


@pytest.mark.skipif(RANKS == 1, reason="anything divides by 1")
def test_elements_that_do_not_divide(comm: ringtree.Communicator) -> None:
    odd = np.zeros(RANKS + 1)
    for call in (comm.Alltoall, comm.Reduce_scatter_block):
        with pytest.raises(ringtree.InputError, match="elements do not divide by"):
            call(odd, odd.copy())
    total(comm)
