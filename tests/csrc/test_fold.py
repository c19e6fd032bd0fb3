"""csrc/fold against NumPy and ml_dtypes: every type, operation, number of inputs and outputs, on every target."""

from __future__ import annotations

import functools

import ml_dtypes
import numpy as np
import pytest
from _ringtree_core import ffi, lib
from hypothesis import given, settings
from hypothesis import strategies as st
from test_reduce import (
    ARITHMETIC,
    INTEGERS,
    ISAS,
    NARROW,
    SUPPORTED,
    UNSUPPORTED,
    assert_same_bits,
    canonical,
    divided,
    dtype_id,
    dtype_of,
    expected,
    op_id,
    samples,
)

MOST_INPUTS = 9
BLOCK = 4096  # bytes, as in fold.c
FOLDED_WIDE = [(name, op) for name, op in SUPPORTED if name in NARROW and op in ARITHMETIC]


def pointers(arrays: list[np.ndarray]) -> ffi.CData:
    return ffi.new("void *[]", [ffi.cast("void *", array.ctypes.data) for array in arrays])


def call(isa: int, name: str, op: str, outputs: list[np.ndarray], inputs: list[np.ndarray], divisor: int = 1,
         stream: bool = False) -> int:  # fmt: skip
    return int(lib.rt_fold_with(isa, dtype_id(name), op_id(op), divisor, pointers(outputs), len(outputs),
                                pointers(inputs), len(inputs), outputs[0].size, stream))  # fmt: skip


def folded(isa: int, name: str, op: str, inputs: list[np.ndarray], divisor: int = 1) -> np.ndarray:
    result = np.empty_like(inputs[0])
    assert call(isa, name, op, [result], inputs, divisor) == lib.RT_OK
    return result


def divided_value(name: str, values: np.ndarray, divisor: int) -> np.ndarray:
    with np.errstate(all="ignore"):
        if name in INTEGERS:
            quotient = np.abs(values.astype(object)) // divisor * np.where(values < 0, -1, 1)
            return quotient.astype(values.dtype)
        if values.dtype.kind == "c":
            real = values.view(f"f{values.dtype.itemsize // 2}")
            return (real / real.dtype.type(divisor)).view(values.dtype)
        return values / values.dtype.type(divisor)


def truth(name: str, op: str, inputs: list[np.ndarray], divisor: int = 1) -> np.ndarray:
    """What the fold means, by NumPy: narrow arithmetic in float32 rounded once, all else from left to right."""
    by = divisor if op == "avg" else 1
    if len(inputs) == 1 and by == 1:
        return inputs[0].copy()
    with np.errstate(all="ignore"):
        if name in NARROW and op in ARITHMETIC:
            wide = functools.reduce(ARITHMETIC[op], [array.astype(np.float32) for array in inputs])
            return canonical((wide / np.float32(by)).astype(dtype_of(name)))
        result = functools.reduce(functools.partial(expected, name, op), inputs)
    return canonical(divided_value(name, result, by)) if by > 1 else result


@functools.cache
def columns(name: str) -> list[np.ndarray]:
    """MOST_INPUTS arrays: random bit patterns, near values, special values, each against each."""
    a, b = samples(name)
    random = np.random.default_rng(11)
    orders = [random.permutation(a.size) for _ in range(MOST_INPUTS - 2)]
    # The others are drawn from moderate values, else NaN and infinity would take nearly every row.
    with np.errstate(invalid="ignore"):
        calm = np.abs(a.astype(np.float32)) < 100 if name in NARROW else np.ones(a.size, bool)
    return [a, b, *(np.where(calm[order], a[order], b) for order in orders)]


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize(("name", "op"), SUPPORTED)
def test_values(name: str, op: str, isa: int) -> None:
    for n_in in range(1, MOST_INPUTS + 1):
        inputs = columns(name)[:n_in]
        for divisor in (1, n_in, 7):
            assert_same_bits(folded(isa, name, op, inputs, divisor), truth(name, op, inputs, divisor), *inputs)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("name", [name for name in NARROW if dtype_of(name).itemsize == 2])
def test_every_16_bit_value_is_decoded_and_encoded(name: str, isa: int) -> None:
    every = np.arange(1 << 16, dtype=np.uint16).view(dtype_of(name))
    neutral = np.full_like(every, -0.0)
    assert_same_bits(folded(isa, name, "sum", [every, neutral, neutral]), canonical(every), every)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("name", NARROW)
def test_rounding_at_every_midpoint(name: str, isa: int) -> None:
    """x + half an ulp of x, and that again with a trifle in either direction, so that float32 sees the middle."""
    codes = np.arange(1 << (8 * dtype_of(name).itemsize), dtype=f"u{dtype_of(name).itemsize}")
    x = codes.view(dtype_of(name))
    with np.errstate(all="ignore"):
        wide = x.astype(np.float32)
        half = (np.abs((codes + 1).astype(codes.dtype).view(x.dtype).astype(np.float32) - wide) / 2).astype(x.dtype)
        trifle = (half.astype(np.float32) / 16).astype(x.dtype)
    for inputs in ([x, half, np.zeros_like(x)], [x, half, trifle], [x, half, -trifle]):
        assert_same_bits(folded(isa, name, "sum", inputs), truth(name, "sum", inputs), *inputs)


@pytest.mark.parametrize("name", NARROW)
def test_narrow_types_are_rounded_once(name: str) -> None:
    """Steps that are too small to change the sum one at a time add up."""
    one, small = (np.array([value], dtype_of(name)) for value in (1.0, float(np.spacing(dtype_of(name).type(1))) / 4))
    assert folded(ISAS[-1], name, "sum", [one, *[small] * 4])[0] > 1


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("name", NARROW)
def test_products_far_out_of_range(name: str, isa: int) -> None:
    """Up to float32's own overflow and underflow, and back into range."""
    info = ml_dtypes.finfo(dtype_of(name))
    ends = np.array([info.max, -info.max, info.tiny, -info.smallest_subnormal, 3], dtype_of(name))
    for n_in in range(2, MOST_INPUTS + 1):
        inputs = [np.resize(np.repeat(ends, 1 + k % 3), 77) for k in range(n_in)]
        for same in (inputs, [ends] * n_in):
            assert_same_bits(folded(isa, name, "prod", same), truth(name, "prod", same), *same)
            assert_same_bits(folded(isa, name, "sum", same), truth(name, "sum", same), *same)


@pytest.mark.parametrize("divisor", [3, 1000])
@pytest.mark.parametrize(("name", "op"), [(name, "avg") for name in ("int32", "uint8", "float32", "complex64")])
def test_avg_is_the_sum_divided_once(name: str, op: str, divisor: int) -> None:
    inputs = columns(name)[:5]
    sums = folded(ISAS[-1], name, "sum", inputs)
    assert_same_bits(folded(ISAS[-1], name, op, inputs, divisor), divided(name, sums, divisor), *inputs)


def check_in_unaligned_memory(isa: int, name: str, op: str, inputs: list[np.ndarray], n_out: int, places: list[int],
                              offsets: list[int], divisor: int, stream: bool) -> None:  # fmt: skip
    """Output k is input places[k] where there is one, else memory of its own; nothing beside outputs is written."""
    room = inputs[0].nbytes + 192
    memory = np.full((len(inputs) + n_out) * room + 64, 0xA5, np.uint8)
    start = -memory.ctypes.data % 64
    views = []
    for i in range(len(inputs) + n_out):
        at = start + i * room + 64 + offsets[i % len(offsets)]
        views.append(memory[at : at + inputs[0].nbytes].view(inputs[0].dtype))
    for view, values in zip(views, inputs, strict=False):
        view[:] = values
    outputs = [views[k if k < len(inputs) else len(inputs) + i] for i, k in enumerate(places[:n_out])]
    wanted = truth(name, op, inputs, divisor)
    before = memory.copy()
    assert call(isa, name, op, outputs, views[: len(inputs)], divisor, stream) == lib.RT_OK
    for output in outputs:
        assert_same_bits(output, wanted, *inputs)
        at = output.ctypes.data - memory.ctypes.data
        memory[at : at + output.nbytes] = before[at : at + output.nbytes]
    np.testing.assert_array_equal(memory, before)


def sizes(itemsize: int) -> st.SearchStrategy[int]:
    block = BLOCK // itemsize
    edges = [edge + step for edge in (16, 32, 64, 512, 1024, block, 2 * block) for step in (-1, 0, 1)]
    return st.one_of(st.integers(0, 100), st.sampled_from(edges), st.integers(0, 2 * block + 70))


@settings(deadline=None, max_examples=400)
@given(data=st.data(), pair=st.sampled_from(SUPPORTED) | st.sampled_from(FOLDED_WIDE), isa=st.sampled_from(ISAS),
       n_in=st.integers(1, MOST_INPUTS), n_out=st.integers(1, 4), divisor=st.integers(1, 9), stream=st.booleans(),
       offsets=st.lists(st.integers(0, 64), min_size=1, max_size=3), skip=st.integers(0, 300))  # fmt: skip
def test_any_shape(data: st.DataObject, pair: tuple[str, str], isa: int, n_in: int, n_out: int, divisor: int,
                   stream: bool, offsets: list[int], skip: int) -> None:  # fmt: skip
    n = data.draw(sizes(dtype_of(pair[0]).itemsize))
    # In place: outputs that are different inputs; the rest have memory of their own.
    places = data.draw(st.permutations(range(max(n_in, n_out) + n_out)))
    inputs = [np.resize(column[skip:], n) for column in columns(pair[0])[:n_in]]
    check_in_unaligned_memory(isa, *pair, inputs, n_out, places, offsets, divisor, stream)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("name", "op"), [("float32", "sum"), ("bfloat16", "avg"), ("float16", "prod"), ("int8", "max"),
                                          ("float8_e4m3fn", "sum"), ("complex128", "avg")])  # fmt: skip
def test_all_outputs_in_place(name: str, op: str, stream: bool, isa: int) -> None:
    inputs = [np.resize(column, 5000) for column in columns(name)[:4]]
    check_in_unaligned_memory(isa, name, op, inputs, 4, [2, 0, 3, 1], [0, 1], 4, stream)


@pytest.mark.parametrize(("name", "op"), UNSUPPORTED)
def test_what_means_nothing_is_refused(name: str, op: str) -> None:
    a = np.ones(4, dtype_of(name))
    for isa in ISAS:
        assert call(isa, name, op, [a], [a, a]) == lib.RT_ERR_UNSUPPORTED


def test_bad_numbers_are_refused() -> None:
    one = pointers([np.ones(4, np.float32)])
    isa = ISAS[-1]
    for arguments in ((-1, 4, 1, 1, 1), (lib.RT_ISAS, 4, 1, 1, 1), (isa, -1, 1, 1, 1), (isa, 4, 0, 1, 1),
                      (isa, 4, 1, 0, 1), (isa, 4, 1, 1, 0)):  # fmt: skip
        isa_, n, n_in, n_out, divisor = arguments
        assert lib.rt_fold_with(isa_, lib.RT_FLOAT32, lib.RT_AVG, divisor, one, n_out, one, n_in, n, 0) \
            == lib.RT_ERR_INVALID  # fmt: skip
    assert lib.rt_fold_with(isa, 99, lib.RT_SUM, 1, one, 1, one, 1, 4, 0) == lib.RT_ERR_UNSUPPORTED
