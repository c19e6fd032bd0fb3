"""Crafted inputs: encoded as the types' reference does, and exact in whatever order they are combined."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

from _ringtree.core import DTYPES, OPS
from _ringtree.native import ffi, lib
from ringtree import exact
from ringtree.encoding import decode_limit, encode

NARROW = {
    "bfloat16": ml_dtypes.bfloat16,
    "float8_e4m3fn": ml_dtypes.float8_e4m3fn,
    "float8_e5m2": ml_dtypes.float8_e5m2,
}
SUPPORTED = [(d, o) for d in DTYPES for o in OPS if lib.rt_reduce_supports(DTYPES[d], OPS[o])]


@pytest.mark.parametrize("dtype", NARROW)
def test_bits_are_those_of_ml_dtypes(dtype: str) -> None:
    limit = decode_limit(dtype)
    values = np.concatenate([np.arange(-limit, limit + 1), 2.0 ** np.arange(-6, 9)]).astype(np.float64)
    expected = values.astype(NARROW[dtype])
    raw = encode(values, dtype)
    assert np.array_equal(raw, expected.view(raw.dtype))


@pytest.mark.parametrize("dtype", ["float8_e4m3fn", "float8_e5m2", "bfloat16", "float16", "float32", "float64"])
def test_the_limit_is_the_limit(dtype: str) -> None:
    kind = NARROW.get(dtype, dtype)
    limit = decode_limit(dtype)
    if limit < 2**20:
        whole = np.arange(limit + 1)
        assert np.array_equal(whole.astype(kind).astype(np.int64), whole)
    assert int(np.array([limit + 1]).astype(kind).astype(np.float64)[0]) != limit + 1


def combined(dtype: str, op: str, inputs: list[Any]) -> Any:
    """What the core's kernels make of the inputs, one after the other."""
    total = inputs[0].copy()
    for other in inputs[1:]:
        pointers = [ffi.from_buffer(array) for array in (total, total, other)]
        assert lib.rt_reduce(DTYPES[dtype], OPS[op], *pointers, len(total)) == 0
    if op == "avg":
        assert lib.rt_divide(DTYPES[dtype], ffi.from_buffer(total), len(total), len(inputs)) == 0
    return total


@pytest.mark.parametrize(("dtype", "op"), SUPPORTED)
@pytest.mark.parametrize("ranks", [2, 5, 8])
def test_any_order_gives_what_is_expected(dtype: str, op: str, ranks: int) -> None:
    pattern = exact.reduction(dtype, op, ranks)
    random = np.random.default_rng(ranks)
    for _ in range(2):
        order = random.permutation(ranks)
        assert np.array_equal(combined(dtype, op, [pattern.inputs[rank] for rank in order]), pattern.expected)


@pytest.mark.parametrize(("dtype", "op"), SUPPORTED)
def test_a_missing_or_doubled_contribution_shows(dtype: str, op: str) -> None:
    pattern = exact.reduction(dtype, op, 4)
    inputs = list(pattern.inputs)
    assert np.count_nonzero(combined(dtype, op, inputs[:3]) != pattern.expected) > 100
    doubled = combined(dtype, op, [*inputs, inputs[1]])
    if op in ("sum", "prod", "lxor", "bxor") and dtype != "bool":
        assert np.count_nonzero(doubled != pattern.expected) > 100


@pytest.mark.parametrize("ranks", [33, 129])
@pytest.mark.parametrize("dtype", ["float8_e5m2", "float16", "bfloat16", "int8", "float32"])
def test_sums_of_many_ranks_stay_exact(dtype: str, ranks: int) -> None:
    pattern = exact.reduction(dtype, "sum", ranks)
    assert np.array_equal(combined(dtype, "sum", list(pattern.inputs[::-1])), pattern.expected)
    assert np.count_nonzero(pattern.expected) > 100


def test_where_no_exact_inputs_exist_it_says_so() -> None:
    from _ringtree.errors import UnsupportedError

    with pytest.raises(UnsupportedError, match="avg of float8_e5m2 over 9 ranks"):
        exact.reduction("float8_e5m2", "avg", 9)


@pytest.mark.parametrize("start", [0, 1, 65520, 65521, 10**6])
@pytest.mark.parametrize("length", [0, 1, 65521, 200_000])
def test_fill_and_count_agree(start: int, length: int) -> None:
    table = exact.movement("int32", 1).expected
    array = exact.empty("int32", length)
    exact.fill(array, table, start)
    assert np.array_equal(array, table[(start + np.arange(length)) % exact.PERIOD])
    assert exact.count_wrong(array, table, start) == 0
    array[length // 2 :: 7] ^= 1
    assert exact.count_wrong(array, table, start) == len(array[length // 2 :: 7])
    if length > 1:
        assert exact.count_wrong(array, table, start + 1) > length // 2
