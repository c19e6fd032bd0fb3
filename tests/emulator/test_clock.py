"""The clocks, and the conditions that the dilation has to meet."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from _ringtree.errors import InputError
from emulator import Clock, Host, choose_dilation, measure_copy_GBps
from emulator.clock import HAND_OVERS_PER_CHUNK, TOUCHES_PER_BYTE

positive = st.floats(1e-3, 1e5)


def test_clocks_by_name() -> None:
    assert [Clock.parse(name) for name in ("virtual", "wall", "off")] == [Clock.VIRTUAL, Clock.WALL, Clock.OFF]
    with pytest.raises(InputError, match="'wallclock'; expected one of virtual, wall, off"):
        Clock.parse("wallclock")


@settings(deadline=None)
@given(positive, positive, st.integers(1, 1024), positive, st.integers(1, 256), positive, st.floats(1.0, 10.0))
def test_the_stretched_board_is_slower_than_the_host(
    traffic: float, chunk_us: float, ranks: int, copy: float, cores: int, handover_us: float, safety: float
) -> None:
    dilation = choose_dilation(traffic, chunk_us, ranks, Host(copy, cores, handover_us), safety)
    touched = TOUCHES_PER_BYTE * traffic / dilation
    waiting_us = handover_us * math.ceil(ranks / cores)
    assert dilation >= 1
    assert touched * safety <= copy * min(ranks, cores) * (1 + 1e-9)
    assert waiting_us * HAND_OVERS_PER_CHUNK <= dilation * chunk_us * (1 + 1e-9)
    # And no slower than it has to be: one of the three conditions binds.
    binding = (
        dilation,
        touched * safety / (copy * min(ranks, cores)),
        waiting_us * HAND_OVERS_PER_CHUNK / (dilation * chunk_us),
    )
    assert any(value == pytest.approx(1.0) for value in binding)


def test_a_board_that_the_host_outruns_is_not_stretched() -> None:
    assert choose_dilation(0.1, 1e6, 2, Host(10.0, 2, 50.0)) == 1.0


@pytest.mark.parametrize("bad", [0.0, -1.0, float("inf"), float("nan")])
def test_inputs_must_be_positive_and_finite(bad: float) -> None:
    with pytest.raises(InputError, match="dilation"):
        choose_dilation(bad, 1.0, 8, Host(10.0, 2, 50.0))
    with pytest.raises(InputError, match="dilation"):
        choose_dilation(1.0, 1.0, 8, Host(10.0, 2, bad))


def test_copying_is_measured_in_a_credible_range() -> None:
    assert 0.05 < measure_copy_GBps(1 << 20, 2) < 2000
