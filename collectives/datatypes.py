"""Element types and operations: MPI's and NumPy's by the core's names, and those that MPI does not have."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any


@dataclass(frozen=True)
class DataType:
    """An element type by name; stands where mpi4py takes a datatype: `[data, count, ringtree.BFLOAT16]`."""

    name: str


@dataclass(frozen=True)
class Op:
    """An operation by name; stands where mpi4py takes an operation: `comm.Allreduce(a, b, ringtree.AVG)`."""

    name: str


AVG = Op("avg")
FLOAT16 = DataType("float16")
BFLOAT16 = DataType("bfloat16")
FLOAT8_E4M3FN = DataType("float8_e4m3fn")
FLOAT8_E5M2 = DataType("float8_e5m2")

_ML_DTYPES = ("bfloat16", "float8_e4m3fn", "float8_e5m2")
_KINDS = {"i": "int", "u": "uint", "f": "float", "c": "complex"}


def numpy_name(dtype: Any) -> str | None:
    """The core's name of a NumPy type, None where the core does not have it (foreign byte order, structs, strings)."""
    if dtype.name in (*_ML_DTYPES, "bool"):
        return str(dtype.name)
    if not dtype.isnative or dtype.kind not in _KINDS:
        return None
    name = f"{_KINDS[dtype.kind]}{8 * dtype.itemsize}"
    from _ringtree.names import DTYPES

    return name if name in DTYPES else None


def numpy_type(item: Any) -> Any:
    """The NumPy type that a DataType, a name or a NumPy type stands for; those that NumPy lacks are ml_dtypes'."""
    import numpy as np

    name = item.name if isinstance(item, DataType) else item
    if isinstance(name, str) and name in _ML_DTYPES:
        import ml_dtypes

        return np.dtype(getattr(ml_dtypes, name))
    return np.dtype(name)


@lru_cache(maxsize=1)
def _mpi_types() -> list[tuple[Any, str]]:
    from mpi4py import MPI

    def sized(kind: str, names: str) -> list[tuple[Any, str]]:
        types = [getattr(MPI, name) for name in names.split()]
        return [(t, f"{kind}{8 * t.Get_size()}") for t in types if t != MPI.DATATYPE_NULL]

    signed = "SIGNED_CHAR SHORT INT LONG LONG_LONG INT8_T INT16_T INT32_T INT64_T AINT COUNT"
    unsigned = "UNSIGNED_CHAR UNSIGNED_SHORT UNSIGNED UNSIGNED_LONG UNSIGNED_LONG_LONG"
    unsigned += " UINT8_T UINT16_T UINT32_T UINT64_T BYTE"
    types = sized("int", signed) + sized("uint", unsigned) + sized("float", "FLOAT DOUBLE")
    types += sized("complex", "C_FLOAT_COMPLEX C_DOUBLE_COMPLEX")
    return types + [(t, "bool") for t in (MPI.C_BOOL, MPI.CXX_BOOL) if t != MPI.DATATYPE_NULL]


def is_type(item: Any) -> bool:
    """Whether `item` stands for an element type rather than for a count: of MPI, of NumPy, a DataType or a code."""
    if isinstance(item, (DataType, str, type)):
        return True
    import numpy as np
    from mpi4py import MPI

    return isinstance(item, (MPI.Datatype, np.dtype))


def datatype_name(datatype: Any) -> str | None:
    """The core's name of an MPI datatype, a DataType, a NumPy type or a type code; None where the core has none."""
    if isinstance(datatype, DataType):
        return datatype.name
    from mpi4py import MPI

    if isinstance(datatype, MPI.Datatype):
        return next((name for known, name in _mpi_types() if known == datatype), None)
    import numpy as np

    try:
        return numpy_name(np.dtype(datatype))
    except TypeError:
        return None


@lru_cache(maxsize=1)
def _mpi_ops() -> list[tuple[Any, str]]:
    from mpi4py import MPI

    names = ("SUM", "PROD", "MIN", "MAX", "LAND", "LOR", "LXOR", "BAND", "BOR", "BXOR")
    return [(getattr(MPI, name), name.lower()) for name in names]


def op_name(op: Any) -> str | None:
    """The core's name of an operation, None for one of the user's own."""
    if isinstance(op, Op):
        return op.name
    return next((name for known, name in _mpi_ops() if known == op), None)
