"""Exact values as the bits of each element type, with NumPy alone: it lacks bfloat16 and the types of 8 bits."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

Array = Any

# Largest N such that every integer up to N has its value, and the largest K such that 2^K is finite.
_FLOATS = {
    "float8_e4m3fn": (16, 8),
    "float8_e5m2": (8, 15),
    "bfloat16": (256, 127),
    "float16": (2048, 15),
    "float32": (2**24, 127),
    "float64": (2**53, 1023),
    "complex64": (2**24, 120),
    "complex128": (2**53, 1000),
}
_MANTISSA = {"float8_e4m3fn": (3, 7), "float8_e5m2": (2, 15)}  # bits, and the bias of the exponent


def raw_type(dtype: str) -> Any:
    """The NumPy type that holds the elements' bits."""
    return np.dtype({"bfloat16": "uint16", "float8_e4m3fn": "uint8", "float8_e5m2": "uint8", "bool": "uint8"}.get(
        dtype, dtype
    ))  # fmt: skip


def decode_limit(dtype: str) -> int:
    """Every integer from 0 to this one is a value of the type."""
    if dtype == "bool":
        return 1
    return _FLOATS[dtype][0] if dtype in _FLOATS else int(np.iinfo(dtype).max)


def exponent_limit(dtype: str) -> int:
    """Two to this power is finite."""
    return _FLOATS[dtype][1]


def encode(values: Array, dtype: str) -> Array:
    """Raw elements of values that the type represents exactly."""
    if dtype == "bfloat16":
        return (values.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)
    if dtype in _MANTISSA:
        positive = _positive_values(dtype)
        codes = np.searchsorted(positive, np.abs(values))
        assert np.array_equal(positive[codes], np.abs(values)), "a value that the type does not have"
        return (codes | np.signbit(values).astype(np.int64) << 7).astype(np.uint8)
    return values.astype(raw_type(dtype))


@cache
def _positive_values(dtype: str) -> Array:
    """The finite values of codes 0, 1, 2, ... in order."""
    bits, bias = _MANTISSA[dtype]
    codes = np.arange(127 if dtype == "float8_e4m3fn" else 124)
    exponent, fraction = codes >> bits, (codes & ((1 << bits) - 1)) / (1 << bits)
    normal = (1 + fraction) * 2.0 ** (exponent - bias)
    return np.where(exponent == 0, fraction * 2.0 ** (1 - bias), normal)
