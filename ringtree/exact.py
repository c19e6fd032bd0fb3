"""Inputs whose exact result is known in whatever order they are combined, so that every wrong element counts.

Sums are of small integers that the type represents, and so is every partial sum; products are of signs and powers of
two; the rest (min, max, logical, bitwise) is exact anyway. Values repeat with a prime period, which no chunk's length
divides, so that data in the wrong place are seen. Tables hold raw elements: types that NumPy lacks as their bits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from _ringtree.errors import UnsupportedError
from ringtree.encoding import decode_limit, encode, exponent_limit, raw_type

PERIOD = 65521

Array = Any  # numpy.typing.NDArray of one of many types

_COMBINE: dict[str, Callable[[Array, Array], Array]] = {
    "sum": np.add,
    "avg": np.add,
    "prod": np.multiply,
    "min": np.minimum,
    "max": np.maximum,
    "land": lambda a, b: ((a != 0) & (b != 0)).astype(a.dtype),
    "lor": lambda a, b: ((a != 0) | (b != 0)).astype(a.dtype),
    "lxor": lambda a, b: ((a != 0) ^ (b != 0)).astype(a.dtype),
    "band": np.bitwise_and,
    "bor": np.bitwise_or,
    "bxor": np.bitwise_xor,
}
# NumPy's meaning: the sum of bools is OR, their product AND.
_AS_BOOL = {"sum": "lor", "prod": "land"}


@dataclass(frozen=True)
class Pattern:
    """What every rank contributes, and what comes out: one period of raw elements each."""

    inputs: tuple[Array, ...]
    expected: Array


def reduction(dtype: str, op: str, ranks: int) -> Pattern:
    """Inputs of a reduction over so many ranks. UnsupportedError where no exact ones exist."""
    values = [_contribution(dtype, op, ranks, rank) for rank in range(ranks)]
    combine = _COMBINE[_AS_BOOL.get(op, op) if dtype == "bool" else op]
    total = values[0].copy()
    for value in values[1:]:
        total = combine(total, value)
    if op == "avg":
        total = total // ranks if total.dtype.kind in "iu" else total / ranks
    if op in ("land", "lor", "lxor") and ranks == 1:
        total = (total != 0).astype(total.dtype)
    return Pattern(tuple(encode(value, dtype) for value in values), encode(total, dtype))


def movement(dtype: str, ranks: int) -> Pattern:
    """Data to be moved as they are: a table for each rank; `expected` is that of the whole, whoever holds it."""
    limit = decode_limit(dtype)
    tables = [_generator(rank).integers(0, limit + 1, PERIOD, dtype=np.uint64) for rank in range(ranks + 1)]
    raw = [encode(table.astype(_working_type(dtype)), dtype) for table in tables]
    return Pattern(tuple(raw[1:]), raw[0])


def fill(out: Array, table: Array, start: int) -> None:
    """out[k] = table[(start + k) mod PERIOD]."""
    turned = np.roll(table, -(start % PERIOD))
    for first in range(0, len(out), PERIOD):
        block = out[first : first + PERIOD]
        block[:] = turned[: len(block)]


def count_wrong(out: Array, table: Array, start: int) -> int:
    """How many elements differ from what `fill` would write."""
    turned = np.roll(table, -(start % PERIOD))
    wrong = 0
    for first in range(0, len(out), PERIOD):
        block = out[first : first + PERIOD]
        wrong += int(np.count_nonzero(block != turned[: len(block)]))
    return wrong


def _generator(rank: int) -> np.random.Generator:
    return np.random.default_rng([rank, PERIOD])


def _working_type(dtype: str) -> Any:
    """What values are computed in: wide enough to be exact, or the integer itself, which wraps."""
    if dtype.startswith(("int", "uint")):
        return np.dtype(dtype)
    if dtype == "bool":
        return np.dtype("uint8")
    return np.dtype("complex128" if dtype.startswith("complex") else "float64")


def _contribution(dtype: str, op: str, ranks: int, rank: int) -> Array:
    random, working = _generator(rank), _working_type(dtype)
    if dtype == "bool":
        return _rarely(random, op, ranks).astype(working)
    if op in ("land", "lor", "lxor"):
        return (_rarely(random, op, ranks) * random.integers(1, 4, PERIOD)).astype(working)
    if working.kind in "iu" and op != "avg":
        return random.integers(0, 256, PERIOD * working.itemsize, dtype=np.uint8).view(working)
    if op in ("min", "max"):
        return random.integers(-decode_limit(dtype), decode_limit(dtype) + 1, PERIOD).astype(working)
    if op == "prod":
        return _signs_and_powers(random, dtype, ranks, rank).astype(working)
    value = _summand(random, dtype, op, ranks, rank).astype(working)
    return value + 1j * _summand(random, dtype, op, ranks, rank) if working.kind == "c" else value


def _rarely(random: np.random.Generator, op: str, ranks: int) -> Array:
    """0 or 1, so that an AND (an OR) of all ranks comes out either way about as often."""
    chance = {"land": 1 - 0.7 / ranks, "prod": 1 - 0.7 / ranks, "min": 1 - 0.7 / ranks, "band": 1 - 0.7 / ranks,
              "lxor": 0.5, "bxor": 0.5}.get(op, 0.7 / ranks)  # fmt: skip
    return (random.random(PERIOD) < chance).astype(np.int64)


def _takes_part(ranks: int, rank: int, most: int) -> Array:
    """1 where this rank contributes to an element, at most `most` of the ranks for each."""
    stride = -(-ranks // most)
    return ((np.arange(PERIOD) + rank) % stride == 0).astype(np.int64)


def _summand(random: np.random.Generator, dtype: str, op: str, ranks: int, rank: int) -> Array:
    """Integers from 0 on whose sum over the ranks is exact; for avg multiples of `ranks` where that must divide."""
    limit = decode_limit(dtype)
    scale = ranks if op == "avg" and not dtype.startswith(("int", "uint")) else 1
    if limit // scale < 1:
        raise UnsupportedError(f"avg of {dtype} over {ranks} ranks: no inputs whose result is exact in any order")
    most = min(ranks, limit // scale)
    at_once = -(-ranks // -(-ranks // most))
    top = limit // scale // at_once
    return random.integers(0, top + 1, PERIOD) * _takes_part(ranks, rank, most) * scale


def _signs_and_powers(random: np.random.Generator, dtype: str, ranks: int, rank: int) -> Array:
    power = random.integers(0, 2, PERIOD) * _takes_part(ranks, rank, exponent_limit(dtype))
    if dtype.startswith("complex"):
        return np.array([1, 1j, -1, -1j])[random.integers(0, 4, PERIOD)] * 2.0**power
    return random.choice([-1.0, 1.0], PERIOD) * 2.0**power


def empty(dtype: str, count: int) -> Array:
    """Memory for so many raw elements."""
    return np.empty(count, raw_type(dtype))
