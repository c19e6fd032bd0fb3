"""The core's enumerations by the names that people write."""

from __future__ import annotations

from _ringtree.errors import UnsupportedError
from _ringtree.native import lib


def _numbered(prefix: str, names: str) -> dict[str, int]:
    return {name: int(getattr(lib, prefix + name.upper())) for name in names.split()}


KINDS = _numbered("RT_", "all_reduce reduce_scatter all_gather broadcast reduce gather scatter all_to_all barrier")
DTYPES = _numbered(
    "RT_",
    "int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 bfloat16 float8_e4m3fn float8_e5m2 "
    "float32 float64 complex64 complex128 bool",
)
DTYPE_NAMES = {number: name for name, number in DTYPES.items()}
OPS = _numbered("RT_", "sum prod min max avg land lor lxor band bor bxor")
ALGORITHMS = _numbered(
    "RT_ALGO_",
    "ring tree binary_tree binomial star one_shot two_shot recursive_doubling rabenseifner pairwise two_level forest "
    "bucket swing",
)
REDUCING = ("all_reduce", "reduce_scatter", "reduce")


def lookup(table: dict[str, int], name: str, what: str) -> int:
    """The number of `name`; UnsupportedError lists what there is."""
    try:
        return table[name]
    except KeyError:
        raise UnsupportedError(f"{what}: found {name!r}; expected one of {', '.join(table)}") from None


def dtype_size(name: str) -> int:
    """Bytes of one element."""
    return int(lib.rt_dtype_size(lookup(DTYPES, name, "dtype")))


def require_op(dtype: str, op: str) -> None:
    """UnsupportedError when the operation means nothing for the type."""
    if not lib.rt_reduce_supports(lookup(DTYPES, dtype, "dtype"), lookup(OPS, op, "op")):
        raise UnsupportedError(f"op: {op} of {dtype} has no meaning")
