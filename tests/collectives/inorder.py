"""What a reduction gives, bit for bit, that combines the ranks' elements in the order of the ranks: by NumPy.

Narrow floating types are summed, multiplied and divided in float32 and rounded once. NaNs of a result are canonical,
-0 is less than +0, complex products are rounded after each of their six operations.
"""

from __future__ import annotations

from functools import reduce
from typing import Any

import numpy as np
from exactness import BITWISE, COMPLEX, INTEGERS, LOGICAL, NARROW, combined, generator, numpy_type

_NAN = {"float16": 0x7E00, "bfloat16": 0x7FC0, "float8_e4m3fn": 0x7F, "float8_e5m2": 0x7E}
_NAN |= {"float32": 0x7FC00000, "float64": 0x7FF8 << 48}


def canonical(values: Any) -> Any:
    """The values with every NaN replaced by the type's canonical one."""
    if values.dtype.kind == "c":
        return canonical(_parts(values)).view(values.dtype)
    nan = np.array([_NAN[values.dtype.name]], f"u{values.dtype.itemsize}").view(values.dtype)
    return np.where(np.isnan(values), nan, values)


def any_bits(dtype: str, count: int, *seeds: int) -> Any:
    """Half of the elements have any bits at all, NaNs with a payload among them; half are near each other, rounded."""
    kind, random = numpy_type(dtype), generator(count, *seeds)
    if dtype == "bool":
        return random.integers(0, 2, count).astype(bool)
    values = random.integers(0, 256, count * kind.itemsize, np.uint8).view(kind)
    if dtype in INTEGERS:
        return values
    near = random.standard_normal(count) * 2.0 ** random.integers(-4, 5, count)
    near = near + 1j * random.standard_normal(count) if dtype in COMPLEX else near
    return np.where(random.integers(0, 2, count) > 0, values, near.astype(kind))


def in_order(operands: list[Any], dtype: str, op: str) -> Any:
    """One operand alone is copied, bit for bit."""
    ranks = len(operands)
    if ranks == 1:
        return operands[0].copy()
    if dtype == "bool" or op in BITWISE + LOGICAL:
        return combined(operands, dtype, op)
    with np.errstate(all="ignore"):
        if dtype in INTEGERS:
            return _quotient(reduce(_INTEGERS[op], operands), op, ranks)
        if op in ("min", "max"):
            return canonical(reduce(_lesser if op == "min" else _greater, operands))
        wide = [o.astype(np.float32) for o in operands] if dtype in NARROW else operands
        if dtype in COMPLEX and op == "prod":
            return canonical(reduce(_complex_product, wide))
        whole = _parts(reduce(np.multiply if op == "prod" else np.add, wide))
        if op == "avg":
            whole = whole / whole.dtype.type(ranks)
        kind = numpy_type(dtype)
        return canonical(whole.view(kind) if dtype in COMPLEX else whole.astype(kind))


_INTEGERS = {"sum": np.add, "avg": np.add, "prod": np.multiply, "min": np.minimum, "max": np.maximum}


def _quotient(whole: Any, op: str, ranks: int) -> Any:
    """Towards zero, as C divides."""
    if op != "avg":
        return whole
    quotient = [abs(v) // ranks * (-1 if v < 0 else 1) for v in whole.tolist()]
    return np.array(quotient, whole.dtype)


def _parts(values: Any) -> Any:
    """Real and imaginary parts, where there are any."""
    return values.view(f"f{values.dtype.itemsize // 2}") if values.dtype.kind == "c" else values


def _lesser(a: Any, b: Any) -> Any:
    chosen = np.where((a < b) | ((a == b) & np.signbit(a)), a, b)
    return np.where(np.isnan(a) | np.isnan(b), a.dtype.type(np.nan), chosen)


def _greater(a: Any, b: Any) -> Any:
    chosen = np.where((a > b) | ((a == b) & ~np.signbit(a)), a, b)
    return np.where(np.isnan(a) | np.isnan(b), a.dtype.type(np.nan), chosen)


def _complex_product(x: Any, y: Any) -> Any:
    a, b, c, d = x.real, x.imag, y.real, y.imag
    product = np.empty_like(x)
    product.real, product.imag = a * c - b * d, a * d + b * c
    return product
