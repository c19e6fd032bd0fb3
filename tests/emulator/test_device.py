"""Device.compute against roofline arithmetic done in fractions."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import emulator
from _ringtree.assume import Assumptions
from _ringtree.errors import AssumptionError, InputError, UnsupportedError
from emulator.figures import Figure, Reading


def known(value: float) -> Reading:
    return Reading(value, "M", "bench")


CHIP = emulator.Profile(
    "toy",
    "",
    {
        "fp16_tflops": Figure(nominal=known(200.0), sustained=known(100.0)),
        "fp32_tflops": Figure(nominal=known(50.0)),
        "memory_GBps": Figure(nominal=known(1000.0)),
        "launch_us": Figure(nominal=known(3.0)),
    },
)


@settings(deadline=None, max_examples=200)
@given(
    flops=st.integers(0, 10**18),
    moved=st.integers(0, 10**15),
    rate=st.sampled_from([("float16", 100), ("float32", 50)]),
)
def test_compute_charges_the_longer_of_the_two_times_and_the_launch(
    flops: int, moved: int, rate: tuple[str, int]
) -> None:
    device = emulator.Device(CHIP)
    exact_s = max(Fraction(flops, rate[1] * 10**12), Fraction(moved, 1000 * 10**9)) + Fraction(3, 10**6)
    charged = device.compute(flops=flops, bytes=moved, dtype=rate[0])
    assert charged == pytest.approx(float(exact_s * 10**6), rel=1e-14)
    assert device.time_us == charged


def test_the_clock_adds_up_and_can_be_moved() -> None:
    device = emulator.Device(CHIP)
    device.time_us = 10.0
    assert device.compute(flops=1e8) == 4.0
    assert device.compute(bytes=1e9) == 1003.0
    assert device.time_us == 1017.0
    assert device.assumed == ()


def test_each_charge_is_handed_to_the_clock_that_lets_it_pass() -> None:
    waits: list[float] = []
    device = emulator.Device(CHIP, wait=waits.append)
    charged = [device.compute(flops=1e9), device.compute(bytes=5e6)]
    assert waits == charged


def test_an_unknown_rate_stops_the_run_and_charges_nothing() -> None:
    device = emulator.Device(CHIP)
    with pytest.raises(AssumptionError, match=r"toy.bf16_tflops: unknown; .* --assume toy.bf16_tflops="):
        device.compute(flops=1, bytes=1, dtype="bfloat16")
    assert device.time_us == 0.0
    assert device.compute(bytes=1e9, dtype="bfloat16") == 1003.0  # no operation, no rate needed


def test_the_ppu_names_its_assumption_and_lists_it() -> None:
    profile = emulator.load_profile("ppu")
    with pytest.raises(AssumptionError, match=r"--assume ppu\.fp16_tflops=120"):
        emulator.Device(profile).compute(flops=1)
    device = emulator.Device(profile, Assumptions.parse(["ppu.fp16_tflops=120"]))
    assert device.assumed == ("ppu.fp16_tflops=120 TFLOPS",)
    assert device.compute(flops=1.2e14) == pytest.approx(1e6)
    assert device.assumed == ("ppu.fp16_tflops=120 TFLOPS", "ppu.launch_us=0 us")
    device.compute(bytes=1)
    assert device.assumed == ("ppu.fp16_tflops=120 TFLOPS", "ppu.launch_us=0 us", "ppu.memory_GBps=2760 GB/s")


def test_a_launch_overhead_of_zero_may_be_assumed() -> None:
    device = emulator.Device(CHIP, Assumptions.parse(["toy.launch_us=0"]))
    assert device.compute(flops=1e8) == 1.0
    assert device.assumed == ("toy.launch_us=0 us",)


@pytest.mark.parametrize("amount", [-1.0, float("nan"), float("inf")])
@pytest.mark.parametrize("what", ["flops", "bytes"])
def test_amounts_that_are_none_are_refused(what: str, amount: float) -> None:
    with pytest.raises(InputError, match=what):
        emulator.Device(CHIP).compute(**{what: amount})


def test_a_type_without_a_rate_is_refused() -> None:
    with pytest.raises(UnsupportedError, match=r"'int64'; expected one of float64, "):
        emulator.Device(CHIP).compute(flops=1, dtype="int64")
