"""Any accelerated call, with any type, operation, count, root and alignment, against NumPy in exact arithmetic."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from calls import EVERY_CALL, REDUCING, Call, Case
from calls import OPS as CALLED
from exactness import DTYPES, OPS, anything, means_something
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from mpi4py import MPI
from together import in_step

import ringtree

pytestmark = pytest.mark.mpi

# Every rank must draw the same, and nothing that one of them alone decides.
SAME = settings(
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)

COUNTS = st.one_of(st.integers(0, 20), st.sampled_from([255, 256, 257, 1023, 4099, 20_011]))
MEANINGFUL = [(dtype, op) for dtype in DTYPES for op in OPS if means_something(dtype, op)]
CASES = st.builds(
    Case,
    dtype=st.sampled_from(DTYPES),
    count=COUNTS,
    root=st.integers(0, 7),
    shift=st.integers(0, 17),
    in_place=st.booleans(),
    seed=st.integers(0, 1000),
)


@pytest.fixture(scope="module", params=[None, "ppu-8"], ids=["host", "board"])
def comm(request: pytest.FixtureRequest) -> Iterator[Any]:
    made = ringtree.Communicator(MPI.COMM_WORLD, board=request.param)
    yield made
    made.Free()


@pytest.mark.parametrize("call", [c for c in EVERY_CALL if c not in REDUCING], ids=lambda c: c.__name__)
def test_moves_every_element(comm: Any, call: Call) -> None:
    @settings(SAME, max_examples=10)
    @given(CASES)
    def every(case: Case) -> None:
        with in_step():
            call(comm, case)

    every()


@pytest.mark.parametrize("call", REDUCING, ids=lambda c: c.__name__)
def test_combines_every_element(comm: Any, call: Call) -> None:
    @settings(SAME, max_examples=20)
    @given(CASES, st.sampled_from(MEANINGFUL))
    def every(case: Case, what: tuple[str, str]) -> None:
        with in_step():
            call(comm, Case(*what, case.count, case.root, case.shift, case.in_place, case.seed))

    every()


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_type_knows_its_operations(comm: Any, dtype: str) -> None:
    for number, op in enumerate(OPS):
        if means_something(dtype, op):
            case = Case(dtype, op, count=11, root=number, shift=number, seed=number)
            REDUCING[0](comm, case)
            REDUCING[1 + number % 3](comm, case)
        else:
            with pytest.raises(ringtree.UnsupportedError, match=f"{op} of {dtype}"):
                comm.Allreduce(anything(dtype, 3), anything(dtype, 3), CALLED[op])
