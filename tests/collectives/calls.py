"""Every accelerated method, called and checked: each function does one call on all ranks and asserts its outcome."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from exactness import anything, combined, generator, numpy_type, operand
from guarded import FILL, Guarded
from mpi4py import MPI

import ringtree

OPS = {"sum": MPI.SUM, "prod": MPI.PROD, "min": MPI.MIN, "max": MPI.MAX, "avg": ringtree.AVG}
OPS |= {"land": MPI.LAND, "lor": MPI.LOR, "lxor": MPI.LXOR, "band": MPI.BAND, "bor": MPI.BOR, "bxor": MPI.BXOR}


@dataclass(frozen=True)
class Case:
    """`count` elements of a rank or part; the v-variants have 0 to `count`. `shift`: bytes off an aligned address."""

    dtype: str = "float32"
    op: str = "sum"
    count: int = 1
    root: int = 0
    shift: int = 0
    in_place: bool = False
    seed: int = 0

    def counts(self, ranks: int, *more: int) -> list[int]:
        """Some number of elements for every rank."""
        return [int(c) for c in generator(self.seed, self.count, *more).integers(0, self.count + 1, ranks)]

    def displs(self, counts: list[int], *more: int) -> list[int]:
        """Places for these parts in any order, with gaps between them."""
        random = generator(self.seed, *more)
        displs, end = [0] * len(counts), 0
        for part in random.permutation(len(counts)):
            displs[part] = end + int(random.integers(0, 3))
            end = displs[part] + counts[part]
        return displs

    def data(self, count: int, *seeds: int) -> Any:
        return anything(self.dtype, count, self.seed, *seeds)

    def guarded(self, count: int) -> Guarded:
        return Guarded(self.dtype, count, self.shift)

    def holding(self, values: Any) -> Guarded:
        return Guarded.holding(values, self.shift)

    def reduced(self, ranks: int, count: int) -> tuple[list[Any], Any]:
        operands = [operand(self.dtype, self.op, count, rank, self.seed) for rank in range(ranks)]
        return operands, combined(operands, self.dtype, self.op)


def all_reduce(comm: Any, case: Case) -> None:
    operands, expected = case.reduced(comm.size, case.count)
    mine = operands[comm.rank]
    target = case.holding(mine) if case.in_place else case.guarded(case.count)
    source = case.holding(mine)
    comm.Allreduce(MPI.IN_PLACE if case.in_place else source.array, target.array, OPS[case.op])
    target.check(expected)
    source.check_bits(mine)


def reduce(comm: Any, case: Case) -> None:
    operands, expected = case.reduced(comm.size, case.count)
    mine, root = operands[comm.rank], case.root % comm.size
    source, target = case.holding(mine), case.guarded(case.count)
    if comm.rank != root:
        comm.Reduce(source.array, None, OPS[case.op], root)
    elif case.in_place:
        target.array[:] = mine
        comm.Reduce(MPI.IN_PLACE, target.array, OPS[case.op], root)
    else:
        comm.Reduce(source.array, target.array, OPS[case.op], root)
    source.check_bits(mine)
    if comm.rank == root:
        target.check(expected)


def reduce_scatter_block(comm: Any, case: Case) -> None:
    operands, whole = case.reduced(comm.size, case.count * comm.size)
    mine = operands[comm.rank]
    expected = whole[comm.rank * case.count :][: case.count]
    if case.in_place:
        both = case.holding(mine)
        comm.Reduce_scatter_block(MPI.IN_PLACE, both.array, OPS[case.op])
        both.check_guards()
        np.testing.assert_array_equal(both.array[: case.count], expected, strict=True)
        return
    source, target = case.holding(mine), case.guarded(case.count)
    comm.Reduce_scatter_block(source.array, target.array, OPS[case.op])
    target.check(expected)
    source.check_bits(mine)


def reduce_scatter(comm: Any, case: Case) -> None:
    counts = case.counts(comm.size)
    operands, whole = case.reduced(comm.size, sum(counts))
    mine = operands[comm.rank]
    expected = whole[sum(counts[: comm.rank]) :][: counts[comm.rank]]
    if case.in_place:
        both = case.holding(mine)
        comm.Reduce_scatter(MPI.IN_PLACE, both.array, counts, OPS[case.op])
        both.check_guards()
        np.testing.assert_array_equal(both.array[: counts[comm.rank]], expected, strict=True)
        return
    source, target = case.holding(mine), case.guarded(counts[comm.rank])
    comm.Reduce_scatter(source.array, target.array, None if case.seed % 2 else counts, OPS[case.op])
    target.check(expected)
    source.check_bits(mine)


def bcast(comm: Any, case: Case) -> None:
    data, root = case.data(case.count), case.root % comm.size
    buffer = case.holding(data) if comm.rank == root else case.guarded(case.count)
    comm.Bcast(buffer.array, root)
    buffer.check_bits(data)


def gather(comm: Any, case: Case) -> None:
    parts, root = [case.data(case.count, r) for r in range(comm.size)], case.root % comm.size
    source, target = case.holding(parts[comm.rank]), case.guarded(case.count * comm.size)
    if comm.rank != root:
        comm.Gather(source.array, None, root)
    elif case.in_place:
        target.array[root * case.count : (root + 1) * case.count] = parts[root]
        comm.Gather(MPI.IN_PLACE, target.array, root)
    else:
        comm.Gather(source.array, target.array, root)
    source.check_bits(parts[comm.rank])
    if comm.rank == root:
        target.check_bits(np.concatenate(parts))


def scatter(comm: Any, case: Case) -> None:
    parts, root = [case.data(case.count, r) for r in range(comm.size)], case.root % comm.size
    source, target = case.holding(np.concatenate(parts)), case.guarded(case.count)
    if comm.rank != root:
        comm.Scatter(None, target.array, root)
    elif case.in_place:
        comm.Scatter(source.array, MPI.IN_PLACE, root)
    else:
        comm.Scatter(source.array, target.array, root)
    source.check_bits(np.concatenate(parts))
    if comm.rank != root or not case.in_place:
        target.check_bits(parts[comm.rank])


def all_gather(comm: Any, case: Case) -> None:
    parts = [case.data(case.count, r) for r in range(comm.size)]
    source, target = case.holding(parts[comm.rank]), case.guarded(case.count * comm.size)
    if case.in_place:
        target.array[comm.rank * case.count : (comm.rank + 1) * case.count] = parts[comm.rank]
        comm.Allgather(MPI.IN_PLACE, target.array)
    else:
        comm.Allgather(source.array, target.array)
    target.check_bits(np.concatenate(parts))
    source.check_bits(parts[comm.rank])


def all_to_all(comm: Any, case: Case) -> None:
    blocks = [[case.data(case.count, s, d) for d in range(comm.size)] for s in range(comm.size)]
    mine = np.concatenate(blocks[comm.rank])
    source = case.holding(mine)
    target = case.holding(mine) if case.in_place else case.guarded(len(mine))
    comm.Alltoall(MPI.IN_PLACE if case.in_place else source.array, target.array)
    target.check_bits(np.concatenate([row[comm.rank] for row in blocks]))
    source.check_bits(mine)


def barrier(comm: Any, case: Case) -> None:
    comm.Barrier()


class _Parts:
    """A buffer with a part for every rank, in any order and with gaps."""

    def __init__(self, case: Case, counts: list[int], *seeds: int) -> None:
        self.counts, self.displs = counts, case.displs(counts, *seeds)
        self.memory = case.guarded(max(d + c for d, c in zip(self.displs, counts, strict=True)))
        self._filled = self.memory.array.copy()

    def put(self, part: int, values: Any) -> None:
        """What is in the part, or is to be in it."""
        self._filled[self.displs[part] : self.displs[part] + self.counts[part]] = values

    def fill(self) -> None:
        self.memory.array[:] = self._filled

    def check(self) -> None:
        self.memory.check_bits(self._filled)

    @property
    def spec(self) -> list[Any]:
        return [self.memory.array, self.counts, self.displs, ringtree_type(self.memory.array.dtype)]


def ringtree_type(kind: np.dtype[Any]) -> Any:
    """The name of NumPy's, wrapped where MPI has no such type."""
    from collectives import DataType

    return DataType(kind.name)


def all_gather_v(comm: Any, case: Case) -> None:
    counts = case.counts(comm.size)
    parts = [case.data(count, r) for r, count in enumerate(counts)]
    target = _Parts(case, counts, comm.rank)  # every rank has a layout of its own
    if case.in_place:
        target.put(comm.rank, parts[comm.rank])
        target.fill()
    for rank, part in enumerate(parts):
        target.put(rank, part)
    comm.Allgatherv(MPI.IN_PLACE if case.in_place else case.holding(parts[comm.rank]).array, target.spec)
    target.check()


def gather_v(comm: Any, case: Case) -> None:
    counts, root = case.counts(comm.size), case.root % comm.size
    parts = [case.data(count, r) for r, count in enumerate(counts)]
    source = case.holding(parts[comm.rank])
    if comm.rank != root:
        comm.Gatherv(source.array, None, root)
        return
    target = _Parts(case, counts)
    if case.in_place:
        target.put(root, parts[root])
        target.fill()
    for rank, part in enumerate(parts):
        target.put(rank, part)
    comm.Gatherv(MPI.IN_PLACE if case.in_place else source.array, target.spec, root)
    target.check()


def scatter_v(comm: Any, case: Case) -> None:
    counts, root = case.counts(comm.size), case.root % comm.size
    parts = [case.data(count, r) for r, count in enumerate(counts)]
    target = case.guarded(counts[comm.rank])
    if comm.rank != root:
        comm.Scatterv(None, target.array, root)
        target.check_bits(parts[comm.rank])
        return
    source = _Parts(case, counts)
    for rank, part in enumerate(parts):
        source.put(rank, part)
    source.fill()
    comm.Scatterv(source.spec, MPI.IN_PLACE if case.in_place else target.array, root)
    source.check()
    if not case.in_place:
        target.check_bits(parts[root])


def all_to_all_v(comm: Any, case: Case) -> None:
    ranks, rank = comm.size, comm.rank
    flat = case.counts(ranks * ranks)
    matrix = [flat[s * ranks : (s + 1) * ranks] for s in range(ranks)]
    if case.in_place:  # both directions of a pair exchange equally much
        matrix = [[matrix[min(s, d)][max(s, d)] for d in range(ranks)] for s in range(ranks)]
    source = _Parts(case, matrix[rank], rank, 1)
    target = source if case.in_place else _Parts(case, [row[rank] for row in matrix], rank, 2)
    for other in range(ranks):
        source.put(other, case.data(matrix[rank][other], rank, other))
    source.fill()
    for other in range(ranks):
        target.put(other, case.data(matrix[other][rank], other, rank))
    comm.Alltoallv(MPI.IN_PLACE if case.in_place else source.spec, target.spec)
    target.check()


Call = Callable[[Any, Case], None]
CALLS: dict[str, list[Call]] = {
    "all_reduce": [all_reduce],
    "reduce_scatter": [reduce_scatter_block, reduce_scatter],
    "all_gather": [all_gather, all_gather_v],
    "broadcast": [bcast],
    "reduce": [reduce],
    "gather": [gather, gather_v],
    "scatter": [scatter, scatter_v],
    "all_to_all": [all_to_all, all_to_all_v],
    "barrier": [barrier],
}
EVERY_CALL = [call for calls in CALLS.values() for call in calls]
REDUCING = (all_reduce, reduce, reduce_scatter_block, reduce_scatter)
__all__ = ["CALLS", "EVERY_CALL", "FILL", "OPS", "REDUCING", "Case", "numpy_type", "ringtree_type"]
