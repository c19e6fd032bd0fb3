"""csrc/reduce against NumPy and ml_dtypes, and every target against the plain kernels."""

from __future__ import annotations

import functools
import itertools

import ml_dtypes
import numpy as np
import pytest
from _ringtree_core import ffi, lib
from hypothesis import given, settings
from hypothesis import strategies as st

NARROW = {
    "float16": np.dtype(np.float16),
    "bfloat16": np.dtype(ml_dtypes.bfloat16),
    "float8_e4m3fn": np.dtype(ml_dtypes.float8_e4m3fn),
    "float8_e5m2": np.dtype(ml_dtypes.float8_e5m2),
}
INTEGERS = [f"{sign}int{width}" for sign in ("", "u") for width in (8, 16, 32, 64)]
FLOATS = [*NARROW, "float32", "float64"]
COMPLEX = ["complex64", "complex128"]
TYPES = [*INTEGERS, *FLOATS, *COMPLEX, "bool"]
OPS = ["sum", "prod", "min", "max", "avg", "land", "lor", "lxor", "band", "bor", "bxor"]
SIZES = [0, 1, 2, 3, 7, 8, 9, 31, 33, 1000]

ARITHMETIC = {"sum": np.add, "avg": np.add, "prod": np.multiply}
ORDER = {"min": np.minimum, "max": np.maximum}
LOGICAL = {"land": np.logical_and, "lor": np.logical_or, "lxor": np.logical_xor}
BITWISE = {"band": np.bitwise_and, "bor": np.bitwise_or, "bxor": np.bitwise_xor}


def dtype_of(name: str) -> np.dtype:
    return NARROW.get(name) or np.dtype(name)


def dtype_id(name: str) -> int:
    return int(getattr(lib, f"RT_{name.upper()}"))


def op_id(name: str) -> int:
    return int(getattr(lib, f"RT_{name.upper()}"))


def means_something(name: str, op: str) -> bool:
    if name == "bool":
        return op != "avg"
    if name in COMPLEX:
        return op in ARITHMETIC
    return name in INTEGERS or op not in BITWISE


SUPPORTED = [(name, op) for name, op in itertools.product(TYPES, OPS) if means_something(name, op)]
UNSUPPORTED = [(name, op) for name, op in itertools.product(TYPES, OPS) if not means_something(name, op)]


# The instruction sets that this processor runs; the last is in use.
ISAS = [isa for isa in range(lib.RT_ISAS) if lib.rt_isa_name(isa) != ffi.NULL]
IN_USE = ISAS[-1]


def call(name: str, op: str, dst: np.ndarray, a: np.ndarray, b: np.ndarray, isa: int = IN_USE) -> int:
    pointers = [ffi.cast("void *", array.ctypes.data) for array in (dst, a, b)]
    return int(lib.rt_reduce_with(isa, dtype_id(name), op_id(op), *pointers, dst.size))


def reduced(name: str, op: str, a: np.ndarray, b: np.ndarray, isa: int = IN_USE) -> np.ndarray:
    dst = np.empty_like(a)
    assert call(name, op, dst, a, b, isa) == lib.RT_OK
    return dst


def canonical_nan(dtype: np.dtype) -> bytes:
    bits = {
        "float16": 0x7E00,
        "bfloat16": 0x7FC0,
        "float8_e4m3fn": 0x7F,
        "float8_e5m2": 0x7E,
        "float32": 0x7FC00000,
        "float64": 0x7FF8 << 48,
    }[dtype.name]
    return bits.to_bytes(dtype.itemsize, "little")


def canonical(values: np.ndarray) -> np.ndarray:
    """The values with every NaN replaced by the type's canonical one."""
    values = np.array(values)
    if values.dtype.kind == "c":
        return canonical(values.view(f"f{values.dtype.itemsize // 2}")).view(values.dtype)
    if values.dtype.name in FLOATS:
        with np.errstate(invalid="ignore"):
            is_nan = np.isnan(values)
        values[is_nan] = np.frombuffer(canonical_nan(values.dtype), values.dtype)[0]
    return values


def ordered(op: str, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """NumPy's minimum or maximum, with -0 below +0 (NumPy leaves that open)."""
    result = ORDER[op](a, b)
    if a.dtype.name in FLOATS:
        zeros = (a == 0) & (b == 0)
        negative = (np.signbit(a) | np.signbit(b)) if op == "min" else (np.signbit(a) & np.signbit(b))
        result = np.where(zeros, np.where(negative, -0.0, 0.0).astype(a.dtype), result)
    return result


def complex_product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    result = np.empty_like(a)
    result.real = a.real * b.real - a.imag * b.imag
    result.imag = a.real * b.imag + a.imag * b.real
    return result


def expected(name: str, op: str, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    with np.errstate(all="ignore"):
        if op in LOGICAL:
            return LOGICAL[op](a != 0, b != 0).astype(a.dtype)
        if op in BITWISE:
            return BITWISE[op](a, b)
        if op in ORDER:
            return canonical(ordered(op, a, b))
        if name in COMPLEX and op == "prod":
            return canonical(complex_product(a, b))
        if name in NARROW:
            return canonical(ARITHMETIC[op](a.astype(np.float32), b.astype(np.float32)).astype(a.dtype))
        return canonical(ARITHMETIC[op](a, b))


def assert_same_bits(actual: np.ndarray, wanted: np.ndarray, *operands: np.ndarray) -> None:
    assert actual.dtype == wanted.dtype
    width = actual.dtype.itemsize
    wrong = np.flatnonzero((actual.view(np.uint8) != wanted.view(np.uint8)).reshape(-1, width).any(axis=1))
    if wrong.size:
        i = wrong[0]
        pytest.fail(f"{wrong.size} wrong; at {i}: {actual[i]!r}, not {wanted[i]!r}, of {[x[i] for x in operands]}")


@functools.cache
def samples(name: str, n: int = 4096) -> tuple[np.ndarray, np.ndarray]:
    """Random bit patterns (every value, NaN and subnormal can occur), then all pairs of the special values."""
    dtype = dtype_of(name)
    random = np.random.default_rng(7)
    if name == "bool":
        return random.integers(0, 2, n).astype(bool), random.integers(0, 2, n).astype(bool)
    a, b = (np.frombuffer(random.bytes(n * dtype.itemsize), dtype) for _ in range(2))
    if name in INTEGERS:
        info = np.iinfo(dtype)
        special = np.array([0, 1, info.min, info.max, info.max - 1], dtype)
    else:
        real = np.dtype(f"f{dtype.itemsize // 2}") if name in COMPLEX else dtype
        info = ml_dtypes.finfo(real)
        one = [0.0, 1.0, 2.0, float(info.max), float(info.tiny), float(info.smallest_subnormal), np.inf, np.nan]
        one = np.array(one, np.float64).astype(real)
        special = np.concatenate([one, -one])
        if name in COMPLEX:
            special = np.array(list(itertools.product(special, special)), real).view(dtype).ravel()[::5]
        # Near values as well: random patterns differ so much in exponent that sums would hardly ever round.
        near = random.standard_normal((2, n * (dtype.itemsize // real.itemsize))).astype(real)
        a, b = np.concatenate([a, near[0].view(dtype)]), np.concatenate([b, near[1].view(dtype)])
    pairs = np.array(list(itertools.product(special, special)), dtype)
    return np.concatenate([a, pairs[:, 0]]), np.concatenate([b, pairs[:, 1]])


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize(("name", "op"), SUPPORTED)
def test_values(name: str, op: str, isa: int) -> None:
    a, b = samples(name)
    result = reduced(name, op, a, b, isa)
    assert_same_bits(result, expected(name, op, a, b), a, b)
    assert_same_bits(result, reduced(name, op, b, a, isa), a, b)


def test_the_best_kernels_are_in_use() -> None:
    assert lib.rt_isa_best() == IN_USE
    a = np.ones(3, np.float32)
    pointer = ffi.cast("void *", a.ctypes.data)
    assert lib.rt_reduce(lib.RT_FLOAT32, lib.RT_SUM, pointer, pointer, pointer, a.size) == lib.RT_OK
    assert a.tolist() == [2, 2, 2]


@pytest.mark.parametrize(("name", "op"), [pair for pair in SUPPORTED if dtype_of(pair[0]).itemsize == 1])
@pytest.mark.parametrize("isa", ISAS)
def test_all_pairs_of_bytes(name: str, op: str, isa: int) -> None:
    codes = np.arange(2 if name == "bool" else 256, dtype=np.uint8).view(dtype_of(name))
    a, b = np.repeat(codes, codes.size), np.tile(codes, codes.size)
    assert_same_bits(reduced(name, op, a, b, isa), expected(name, op, a, b), a, b)


@pytest.mark.parametrize("name", ["float16", "bfloat16"])
@pytest.mark.parametrize("isa", ISAS)
def test_every_16_bit_value_survives_decoding_and_encoding(name: str, isa: int) -> None:
    a = np.arange(1 << 16, dtype=np.uint16).view(dtype_of(name))
    # -0 is the neutral element of floating addition: +0 would turn -0 into +0.
    neutral = np.full_like(a, -0.0)
    assert_same_bits(reduced(name, "sum", a, neutral, isa), canonical(a), a)


@pytest.mark.parametrize("name", NARROW)
@pytest.mark.parametrize("isa", ISAS)
def test_rounding_at_every_midpoint(name: str, isa: int) -> None:
    """x + half an ulp of x, and one value on either side of it, for every x: where rounding decides."""
    dtype = dtype_of(name)
    codes = np.arange(1 << (8 * dtype.itemsize), dtype=f"u{dtype.itemsize}")
    a = codes.view(dtype)
    with np.errstate(all="ignore"):
        wide = a.astype(np.float32)
        half_ulp = (np.abs((codes + 1).astype(codes.dtype).view(dtype).astype(np.float32) - wide) / 2).astype(dtype)
        below, above = (np.nextafter(half_ulp, dtype.type(limit)) for limit in (0, ml_dtypes.finfo(dtype).max))
    for b in (half_ulp, below, above):
        assert_same_bits(reduced(name, "sum", a, b, isa), expected(name, "sum", a, b), a, b)


@pytest.mark.parametrize("name", ["float16", "float8_e4m3fn", "float8_e5m2"])
@pytest.mark.parametrize("op", ["sum", "prod"])
def test_narrow_results_are_the_exact_ones_rounded_once(name: str, op: str) -> None:
    """float32 is wide enough that rounding twice is innocuous: float64 gives the same."""
    a, b = samples(name)
    with np.errstate(all="ignore"):
        exact = ARITHMETIC[op](a.astype(np.float64), b.astype(np.float64))
        finite = np.isfinite(exact)
        wanted = canonical(exact.astype(a.dtype))
    assert_same_bits(reduced(name, op, a, b)[finite], wanted[finite], a[finite], b[finite])


@pytest.mark.parametrize("name", COMPLEX)
def test_complex_product_is_numpys_to_rounding(name: str) -> None:
    random = np.random.default_rng(3)
    a, b = (random.standard_normal((2, 1000)).T.copy().view(complex).ravel().astype(name) for _ in range(2))
    np.testing.assert_allclose(reduced(name, "prod", a, b), a * b, rtol=8 * np.finfo(name).eps)


@pytest.mark.parametrize(("name", "op"), SUPPORTED)
def test_sizes_alignment_and_aliases(name: str, op: str) -> None:
    whole_a, whole_b = samples(name)
    wanted = expected(name, op, whole_a, whole_b)
    for n, alias in itertools.product(SIZES, ("none", "a", "b")):
        last = slice(wanted.size - n, None)
        check_in_unaligned_memory(name, op, whole_a[last], whole_b[last], wanted[last], alias, offset=1)


def check_in_unaligned_memory(
    name: str, op: str, a: np.ndarray, b: np.ndarray, wanted: np.ndarray, alias: str, offset: int, isa: int = IN_USE
) -> None:
    """Runs on buffers `offset` bytes off alignment, and sees that nothing beside them is written."""
    room = a.nbytes + 64
    memory = np.full(3 * room, 0xA5, np.uint8)
    place = {"a": 0, "b": 1, "none": 2}
    views = [memory[i * room + offset :][: a.nbytes].view(a.dtype) for i in range(3)]
    views[0][:], views[1][:] = a, b
    before = memory.copy()
    assert call(name, op, views[place[alias]], views[0], views[1], isa) == lib.RT_OK
    assert_same_bits(views[place[alias]], wanted, a, b)
    start = place[alias] * room + offset
    memory[start : start + a.nbytes] = before[start : start + a.nbytes]
    np.testing.assert_array_equal(memory, before)


@settings(deadline=None, max_examples=150)
@given(pair=st.sampled_from(SUPPORTED), n=st.integers(0, 300), offset=st.integers(0, 40), skip=st.integers(0, 500),
       alias=st.sampled_from(["none", "a", "b"]), isa=st.sampled_from(ISAS))  # fmt: skip
def test_any_size_and_offset(pair: tuple[str, str], n: int, offset: int, skip: int, alias: str, isa: int) -> None:
    a, b = (array[skip : skip + n] for array in samples(pair[0]))
    check_in_unaligned_memory(*pair, a, b, expected(*pair, a, b), alias, offset, isa)


@pytest.mark.parametrize(("name", "op"), UNSUPPORTED)
def test_what_means_nothing_is_refused(name: str, op: str) -> None:
    assert not lib.rt_reduce_supports(dtype_id(name), op_id(op))
    a = np.ones(4, dtype_of(name))
    before = a.copy()
    for isa in ISAS:
        assert call(name, op, a, a, a, isa) == lib.RT_ERR_UNSUPPORTED
    assert a.tobytes() == before.tobytes()


@pytest.mark.parametrize(("dtype", "op"), [(-1, 0), (17, 0), (0, -1), (0, 11), (1 << 30, 1 << 30)])
def test_unknown_numbers_are_refused(dtype: int, op: int) -> None:
    assert not lib.rt_reduce_supports(dtype, op)
    assert lib.rt_reduce(dtype, op, ffi.NULL, ffi.NULL, ffi.NULL, 0) == lib.RT_ERR_UNSUPPORTED


def test_sizes_of_types() -> None:
    assert {name: lib.rt_dtype_size(dtype_id(name)) for name in TYPES} == {n: dtype_of(n).itemsize for n in TYPES}
    assert lib.rt_dtype_size(-1) == lib.rt_dtype_size(len(TYPES)) == 0


def test_negative_count_is_refused() -> None:
    assert lib.rt_reduce(lib.RT_FLOAT32, lib.RT_SUM, ffi.NULL, ffi.NULL, ffi.NULL, -1) == lib.RT_ERR_INVALID
    assert lib.rt_divide(lib.RT_FLOAT32, ffi.NULL, -1, 2) == lib.RT_ERR_INVALID


def test_instruction_sets_that_do_not_run_are_refused() -> None:
    for isa in (-1, lib.RT_ISAS, *(isa for isa in range(lib.RT_ISAS) if isa not in ISAS)):
        assert lib.rt_isa_name(isa) == ffi.NULL
        assert lib.rt_reduce_with(isa, lib.RT_INT8, lib.RT_SUM, *[ffi.NULL] * 3, 0) == lib.RT_ERR_INVALID
        assert lib.rt_divide_with(isa, lib.RT_INT8, ffi.NULL, 0, 1) == lib.RT_ERR_INVALID


def divided(name: str, values: np.ndarray, divisor: int, isa: int = IN_USE) -> np.ndarray:
    result = values.copy()
    pointer = ffi.cast("void *", result.ctypes.data)
    assert lib.rt_divide_with(isa, dtype_id(name), pointer, result.size, divisor) == lib.RT_OK
    return result


@pytest.mark.parametrize("divisor", [1, 2, 3, 8, 33, 1000])
@pytest.mark.parametrize("name", TYPES[:-1])
def test_divide(name: str, divisor: int) -> None:
    values = samples(name)[0]
    with np.errstate(all="ignore"):
        if name in INTEGERS:
            truncated = [abs(int(v)) // divisor * (1 if v >= 0 else -1) for v in values]
            wanted = np.array(truncated, values.dtype)
        elif name in COMPLEX:
            real = values.view(f"f{values.dtype.itemsize // 2}")
            wanted = canonical(real / real.dtype.type(divisor)).view(values.dtype)
        elif name in NARROW:
            wanted = canonical((values.astype(np.float32) / np.float32(divisor)).astype(values.dtype))
        else:
            wanted = canonical(values / values.dtype.type(divisor))
    for isa in ISAS:
        assert_same_bits(divided(name, values, divisor, isa), wanted, values)


def test_divide_refuses_bool_and_divisors_below_one() -> None:
    assert lib.rt_divide(lib.RT_BOOL, ffi.NULL, 0, 2) == lib.RT_ERR_UNSUPPORTED
    for divisor in (0, -1):
        assert lib.rt_divide(lib.RT_INT32, ffi.NULL, 0, divisor) == lib.RT_ERR_INVALID


def test_targets_are_named() -> None:
    names = [ffi.string(lib.rt_isa_name(isa)).decode() for isa in ISAS]
    assert names in (["c"], ["neon"], ["c", "avx2"], ["c", "avx2", "avx512"])
    assert ffi.string(lib.rt_reduce_isa()).decode() == names[-1]
