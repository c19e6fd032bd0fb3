"""An emulated chip: a profile, a clock, and the time that its work takes."""

from __future__ import annotations

import math
from collections.abc import Callable

from _ringtree.assume import Assumptions
from _ringtree.errors import InputError, UnsupportedError

from .figures import spell
from .profile import Profile

# The figure that says how fast a chip computes in a type.
RATES = {
    "float64": "fp64_tflops",
    "float32": "fp32_tflops",
    "tfloat32": "tf32_tflops",
    "float16": "fp16_tflops",
    "bfloat16": "bf16_tflops",
    "float8_e4m3fn": "fp8_tflops",
    "float8_e5m2": "fp8_tflops",
    "int8": "int8_tops",
    "uint8": "int8_tops",
}
FLOPS_PER_US = 1e6  # of one TFLOPS
BYTES_PER_US = 1e3  # of one GB/s


class Device:
    """One chip of a board. `time_us` is its emulated clock; collectives move it too.

    `wait`, if given, is called with the microseconds of each charge: in the wall clock it makes them pass.
    """

    def __init__(
        self, profile: Profile, assume: Assumptions | None = None, wait: Callable[[float], None] | None = None
    ) -> None:
        self.profile = profile.assuming(assume)
        self.time_us = 0.0
        self._wait = wait
        self._assumed = {name: self.profile.need(name, "")[0] for name in self.profile.supplied}

    def compute(self, flops: float = 0, bytes: float = 0, dtype: str = "float16") -> float:
        """Charge one kernel that does `flops` operations on `dtype` and moves `bytes` to and from memory.

        Roofline: the longer of the two times, at sustained rates where known, and the launch overhead (0 if unknown).
        Moves the clock and returns the microseconds. Raises AssumptionError where a rate that is needed is unknown.
        """
        if dtype not in RATES:
            raise UnsupportedError(f"compute: found dtype {dtype!r}; expected one of {', '.join(RATES)}")
        for what, amount in (("flops", flops), ("bytes", bytes)):
            if not (amount >= 0 and math.isfinite(amount)):
                raise InputError(f"compute: found {amount!r} as {what}; expected a finite number of 0 or more")
        busy_us = max(
            flops / (self._rate(RATES[dtype], f"to compute in {dtype}") * FLOPS_PER_US) if flops else 0.0,
            bytes / (self._rate("memory_GBps", "to move bytes") * BYTES_PER_US) if bytes else 0.0,
        )
        charge_us = busy_us + self._launch_us()
        self.time_us += charge_us
        if self._wait:
            self._wait(charge_us)
        return charge_us

    @property
    def assumed(self) -> tuple[str, ...]:
        """`ppu.fp16_tflops=120 TFLOPS` and so on: what --assume gave, and what the work charged so far assumed."""
        return tuple(
            f"{self.profile.name}.{name}={spell(name, value)}" for name, value in sorted(self._assumed.items())
        )

    def _rate(self, name: str, purpose: str) -> float:
        value, assumed = self.profile.need(name, purpose)
        if assumed:
            self._assumed[name] = value
        return value

    def _launch_us(self) -> float:
        value, assumed = self.profile.figure("launch_us").used
        if value is None:
            value = 0.0
        if assumed:
            self._assumed["launch_us"] = value
        return value
