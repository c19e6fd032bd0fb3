"""What the tests of the direct path share: memory of every sort, any bits, limits that are put back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calls import Case
from exactness import DTYPES, generator, means_something, numpy_type, operand
from exactness import OPS as OP_NAMES
from guarded import FILL, GUARD, Guarded
from inorder import any_bits, in_order
from opened import RANK, RANKS, opened

import ringtree
from _ringtree.direct import Direct, Limits

LAST = RANKS - 1
MAPS = Path("/proc/self/maps")
MEANINGFUL = [(dtype, op) for dtype in DTYPES for op in OP_NAMES if means_something(dtype, op)]
ROOTED = ("bcast", "reduce", "gather", "scatter", "gather_v", "scatter_v")
NEVER = 2**63 - 1
CROWDED = RANKS > 3  # more than a small machine's processors: each call takes long, so there are fewer

# Small ones, so that small arrays go every way and in many pieces.
LIMITS = [
    Limits(48, 64, 0),
    Limits(256, 64, 1024),
    Limits(256, 192, NEVER),
    Limits(1000, 448, 4000),
    Limits(1 << 20, 1 << 20, 2000),
    Limits(256, 64, 1024, 0),
]
SIZES = [0, 1, 40, 47, 48, 49, 56, 64, 255, 256, 257, 320, 1000, 1001, 1023, 1025, 1999, 2500, 4097, 6000]
MEMORY = 192 * 1024


class Pool:
    """Memory from comm.empty, given out from the begin to the end and then anew."""

    def __init__(self, memory: Any) -> None:
        self._memory, self._used = memory, 0

    def take(self, size: int) -> Any:
        """So many bytes; None where the pool never has them."""
        if size > len(self._memory):
            return None
        if self._used + size > len(self._memory):
            self._used = 0
        begin, self._used = self._used, self._used + size
        return self._memory[begin : self._used]


class Exact(Guarded):
    """Guarded elements that are checked bit for bit: NumPy takes no NaN of ml_dtypes' types for one."""

    def check(self, expected: Any) -> None:
        self.check_bits(expected)


class Placed(Exact):
    """In memory that exists already."""

    def __init__(self, memory: Any, dtype: str, count: int, shift: int) -> None:
        begin, size = GUARD + shift, count * numpy_type(dtype).itemsize
        self._memory = memory
        self._memory[:] = FILL
        self._before, self._after = memory[:begin], memory[begin + size :]
        self.array = memory[begin : begin + size].view(numpy_type(dtype))


class Places:
    """Where this rank's next buffer lies: in its own memory, or in what the others reach; each rank decides alone."""

    def __init__(self, pools: list[Pool], seed: int) -> None:
        self._pools, self._random = pools, generator(seed, RANK)
        self._share = 0.0

    def choose(self, kind: int) -> None:
        """0: all plain, 1: all in reach, 2: mixed."""
        self._share = (0.0, 1.0, 0.5)[kind]

    def make(self, dtype: str, count: int, shift: int) -> Guarded:
        if self._random.random() >= self._share:
            return Exact(dtype, count, shift)
        shift = int(self._random.integers(0, 130))
        size = -(-(count * numpy_type(dtype).itemsize + 2 * GUARD + shift) // 64) * 64
        memory = self._pools[self._random.integers(len(self._pools))].take(size)
        return Exact(dtype, count, shift) if memory is None else Placed(memory, dtype, count, shift)


@dataclass(frozen=True)
class Anywhere(Case):
    """A case with any bits, in memory of any sort, reduced in the order of the ranks."""

    places: Any = None
    by_value: bool = False  # the call compares values: no NaN of ml_dtypes' types

    def guarded(self, count: int) -> Guarded:
        return self.places.make(self.dtype, count, self.shift)

    def holding(self, values: Any) -> Guarded:
        made = self.guarded(len(values))
        made.array[:] = values
        return made

    def data(self, count: int, *seeds: int) -> Any:
        return any_bits(self.dtype, count, self.seed, *seeds)

    def reduced(self, ranks: int, count: int) -> tuple[list[Any], Any]:
        if self.by_value:
            operands = [operand(self.dtype, self.op, count, rank, self.seed) for rank in range(ranks)]
        else:
            operands = [self.data(count, rank) for rank in range(ranks)]
        return operands, in_order(operands, self.dtype, self.op)


@contextmanager
def direct(**options: Any) -> Iterator[ringtree.Communicator]:
    """Takes the direct path whatever the environment says."""
    with opened(algorithm="direct", **options) as made:
        yield made


def core(comm: ringtree.Communicator) -> Direct:
    found = comm.session.direct
    assert found is not None
    return found


@contextmanager
def limited(comm: ringtree.Communicator) -> Iterator[Direct]:
    """Its limits are what they were, afterwards."""
    path = core(comm)
    before = path.limits
    try:
        yield path
    finally:
        path.limits = before


def elements(dtype: str, size: int, random: Any) -> int:
    """About so many bytes' worth."""
    return max(0, size // numpy_type(dtype).itemsize + int(random.integers(-1, 2)))
