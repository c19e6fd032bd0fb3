"""Values whose combination is exact in any order, and what NumPy says that it is.

Floats are small integers (sums), signs and powers of two (products) or anything (min, max); integers wrap.
"""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

INTEGERS = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
NARROW = ["float16", "bfloat16", "float8_e4m3fn", "float8_e5m2"]
FLOATS = [*NARROW, "float32", "float64"]
COMPLEX = ["complex64", "complex128"]
DTYPES = [*INTEGERS, *FLOATS, *COMPLEX, "bool"]

ARITHMETIC = ["sum", "prod", "min", "max", "avg"]
LOGICAL = ["land", "lor", "lxor"]
BITWISE = ["band", "bor", "bxor"]
OPS = [*ARITHMETIC, *LOGICAL, *BITWISE]


def numpy_type(name: str) -> np.dtype[Any]:
    return np.dtype(getattr(ml_dtypes, name) if name in NARROW[1:] else name)


def means_something(dtype: str, op: str) -> bool:
    """Which operations a type knows."""
    if op in BITWISE:
        return dtype in INTEGERS or dtype == "bool"
    if dtype in COMPLEX:
        return op in ("sum", "prod", "avg")
    return not (op == "avg" and dtype == "bool")


def generator(*seeds: int) -> np.random.Generator:
    return np.random.default_rng(list(seeds))


def anything(dtype: str, count: int, *seeds: int) -> Any:
    """Elements with any bits that are no NaN and no bool other than 0 and 1."""
    kind = numpy_type(dtype)
    random = generator(count, *seeds)
    if dtype == "bool":
        return random.integers(0, 2, count).astype(bool)
    values = random.integers(0, 256, count * kind.itemsize, np.uint8).view(kind)
    if kind.kind in "iu":
        return values
    with np.errstate(invalid="ignore"):
        return np.where(np.isnan(values), kind.type(1), values).astype(kind)


def operand(dtype: str, op: str, count: int, rank: int, seed: int = 0) -> Any:
    """What a rank contributes."""
    kind = numpy_type(dtype)
    random = generator(count, rank, seed)
    if dtype == "bool" or op in LOGICAL:
        return random.integers(0, 2, count).astype(kind)
    if op in BITWISE or op in ("min", "max"):
        return anything(dtype, count, rank, seed)
    if dtype in INTEGERS:
        return random.integers(0, 12, count).astype(kind) if op == "avg" else anything(dtype, count, rank, seed)
    if op == "prod":
        factors = [1, 1j, -1, -1j] if dtype in COMPLEX else [0.5, 1, 2, -0.5, -1, -2]
        return np.array(factors)[random.integers(0, len(factors), count)].astype(kind)
    values = random.integers(-1, 2, count)
    return (values + 1j * random.integers(-1, 2, count) if dtype in COMPLEX else values).astype(kind)


def combined(operands: list[Any], dtype: str, op: str) -> Any:
    """The result in exact arithmetic, as the type has it."""
    kind = numpy_type(dtype)
    if dtype == "bool":
        op = {
            "sum": "lor",
            "prod": "land",
            "min": "land",
            "max": "lor",
            "band": "land",
            "bor": "lor",
            "bxor": "lxor",
        }.get(op, op)
    if op in LOGICAL:
        ufunc = {"land": np.logical_and, "lor": np.logical_or, "lxor": np.logical_xor}[op]
        return ufunc.reduce([o != 0 for o in operands]).astype(kind)
    if op in BITWISE:
        return {"band": np.bitwise_and, "bor": np.bitwise_or, "bxor": np.bitwise_xor}[op].reduce(operands)
    if dtype in INTEGERS:
        return _integers(operands, kind, op)
    wide = np.stack([o.astype(np.complex128 if dtype in COMPLEX else np.float64) for o in operands])
    with np.errstate(all="ignore"):
        whole = {"sum": np.sum, "avg": np.sum, "prod": np.prod, "min": np.min, "max": np.max}[op](wide, axis=0)
        return (_divided(whole, len(operands)) if op == "avg" else whole).astype(kind)


def _divided(values: Any, divisor: int) -> Any:
    """Real and imaginary part each rounded once; NumPy's own division of complex numbers is not."""
    return values.real / divisor + 1j * (values.imag / divisor) if values.dtype.kind == "c" else values / divisor


def _integers(operands: list[Any], kind: np.dtype[Any], op: str) -> Any:
    if op in ("min", "max"):
        return {"min": np.min, "max": np.max}[op](np.stack(operands), axis=0)
    wide = np.stack([o.astype(np.uint64) for o in operands])  # modulo 2^64, and so modulo 2^w
    whole = (np.prod if op == "prod" else np.sum)(wide, axis=0, dtype=np.uint64)
    return (whole // np.uint64(len(operands)) if op == "avg" else whole).astype(kind)
