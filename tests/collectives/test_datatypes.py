"""Types and operations of MPI, NumPy and our own by the core's names."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mpi4py import MPI

import collectives
from _ringtree.core import DTYPES, OPS, dtype_size
from collectives import DataType, Op
from collectives.datatypes import datatype_name, is_type, numpy_name, numpy_type, op_name

NARROW = ("bfloat16", "float8_e4m3fn", "float8_e5m2")
IN_NUMPY = sorted(set(DTYPES) - set(NARROW))


@pytest.mark.parametrize("name", DTYPES)
def test_every_type_of_the_core_is_one_of_numpy_s(name: str) -> None:
    kind = np.dtype(getattr(ml_dtypes, name) if name in NARROW else name)
    assert numpy_name(kind) == name
    assert datatype_name(kind) == datatype_name(kind.type) == datatype_name(DataType(name)) == name
    assert numpy_type(DataType(name)) == numpy_type(name) == numpy_type(kind) == kind
    assert kind.itemsize == dtype_size(name)


@given(st.sampled_from(np.typecodes["All"]))
def test_a_type_code_means_what_it_means_to_numpy(code: str) -> None:
    kind = np.dtype(code)
    expected = kind.name if kind.name in IN_NUMPY else None
    assert datatype_name(code) == expected
    assert is_type(code)


@pytest.mark.parametrize("name", [n for n in IN_NUMPY if dtype_size(n) > 1])
def test_foreign_byte_order_is_unknown(name: str) -> None:
    assert numpy_name(np.dtype(name).newbyteorder()) is None


@pytest.mark.parametrize("kind", ["S4", "U2", "V8", "M8[s]", "m8[s]", object, np.dtype([("a", "f4")]), np.longdouble])
def test_what_the_core_does_not_have(kind: Any) -> None:
    assert datatype_name(kind) is None


@pytest.mark.parametrize("kind", ["nonsense", 3.5, ("f4", 2, 3)])
def test_what_is_no_type_at_all(kind: Any) -> None:
    assert datatype_name(kind) is None


# By the C types' meaning and the sizes that MPI tells.
@pytest.mark.parametrize(
    ("names", "family"),
    [
        ("SIGNED_CHAR SHORT INT LONG LONG_LONG INT8_T INT16_T INT32_T INT64_T", "int"),
        ("UNSIGNED_CHAR UNSIGNED_SHORT UNSIGNED UNSIGNED_LONG UNSIGNED_LONG_LONG UINT16_T UINT64_T BYTE", "uint"),
        ("FLOAT DOUBLE", "float"),
        ("C_FLOAT_COMPLEX C_DOUBLE_COMPLEX", "complex"),
    ],
)
def test_types_of_mpi(names: str, family: str) -> None:
    for name in names.split():
        datatype = getattr(MPI, name)
        assert datatype_name(datatype) == f"{family}{8 * datatype.Get_size()}"
        assert is_type(datatype)


def test_types_of_mpi_that_stay_with_mpi() -> None:
    assert datatype_name(MPI.C_BOOL) == "bool"
    vector = MPI.INT.Create_vector(2, 1, 2).Commit()
    for datatype in (vector, MPI.FLOAT_INT, MPI.LONG_DOUBLE, MPI.DATATYPE_NULL):
        assert datatype_name(datatype) is None
    vector.Free()


@pytest.mark.parametrize("item", [3, 0, (1, 2), [1, 2], None, np.int64(4), np.arange(3)])
def test_counts_are_no_types(item: Any) -> None:
    assert not is_type(item)


@pytest.mark.parametrize("item", [DataType("bfloat16"), np.float32, np.dtype("f4"), float, "d"])
def test_what_stands_for_a_type(item: Any) -> None:
    assert is_type(item)


@pytest.mark.parametrize("name", OPS)
def test_operations(name: str) -> None:
    assert op_name(Op(name)) == name
    if name != "avg":
        assert op_name(getattr(MPI, name.upper())) == name


def test_operations_that_stay_with_mpi() -> None:
    own = MPI.Op.Create(lambda a, b, kind: None, commute=True)
    for op in (own, MPI.MAXLOC, MPI.MINLOC, MPI.REPLACE, MPI.NO_OP, MPI.OP_NULL, max, None, "sum"):
        assert op_name(op) is None
    own.Free()


def test_names_for_what_mpi_lacks() -> None:
    assert Op("avg") == collectives.AVG
    for name in ("float16", *NARROW):
        assert getattr(collectives, name.upper()) == DataType(name)
