"""What a profile can say about a chip: the figures by name, their units, and what was published about each."""

from __future__ import annotations

import math
from dataclasses import dataclass

from _ringtree.errors import InputError

_TERA = {"GFLOPS": 1e-3, "TFLOPS": 1.0, "PFLOPS": 1e3}
_TOPS = {"TOPS": 1.0, "POPS": 1e3}
_GB = {"MB": 1e-3, "GB": 1.0, "TB": 1e3, "MiB": 2**20 / 1e9, "GiB": 2**30 / 1e9}
_GBPS = {"GB/s": 1.0, "TB/s": 1e3, "Gb/s": 0.125}
_US = {"ns": 1e-3, "us": 1.0, "ms": 1e3}
_WATT = {"W": 1.0, "kW": 1e3}
_CELSIUS = {"C": 1.0}
_RESISTANCE = {"K/W": 1.0}
_MHZ = {"MHz": 1.0, "GHz": 1e3}
_PERCENT = {"%": 1.0}
_LINKS = {"links": 1.0}

# Name: the units it may be given in, and what one of each is in the figure's own unit (the one of factor 1).
FIGURES: dict[str, dict[str, float]] = {
    # Dense peak rates.
    "fp64_tflops": _TERA,
    "fp32_tflops": _TERA,
    "tf32_tflops": _TERA,
    "fp16_tflops": _TERA,
    "bf16_tflops": _TERA,
    "fp8_tflops": _TERA,
    "int8_tops": _TOPS,
    # Memory; the sustained size is what a program can use.
    "memory_GB": _GB,
    "memory_GBps": _GBPS,
    # From the host's call to the first instruction on the chip.
    "launch_us": _US,
    # Chip-to-chip ports, and what one carries in one direction; the host link in one direction.
    "ports": _LINKS,
    "port_GBps": _GBPS,
    "host_GBps": _GBPS,
    "tdp_W": _WATT,
    "limit_W": _WATT,
    "idle_W": _WATT,
    "loaded_W": _WATT,
    # Steady state of the board sensor: thermal_base_C + thermal_K_per_W * power.
    "thermal_K_per_W": _RESISTANCE,
    "thermal_base_C": _CELSIUS,
    "slowdown_C": _CELSIUS,
    "hw_slowdown_C": _CELSIUS,
    "shutdown_C": _CELSIUS,
    "memory_max_C": _CELSIUS,
    "clock_MHz": _MHZ,
    "clock_min_MHz": _MHZ,
    # From card to card, the coefficient of variation.
    "gemm_spread": _PERCENT,
    "memory_spread": _PERCENT,
    "launch_spread": _PERCENT,
    "power_spread": _PERCENT,
}
MAY_BE_ZERO = ("launch_us",)


@dataclass(frozen=True, slots=True)
class Reading:
    """What one source says, in the figure's own unit; `value` is None where nobody knows or sources conflict.

    `assumed` is a value that is used in place of an unknown one; `alternatives` are what other sources say.
    """

    value: float | None = None
    mark: str = "U"
    source: str = ""
    note: str = ""
    date: str = ""
    assumed: float | None = None
    alternatives: tuple[Reading, ...] = ()


UNKNOWN = Reading()


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure as it is sold (nominal) and as somebody got it in a long run (sustained)."""

    nominal: Reading = UNKNOWN
    sustained: Reading = UNKNOWN

    @property
    def used(self) -> tuple[float | None, bool]:
        """The value to compute with, and whether it is assumed: sustained before nominal, known before assumed."""
        readings = (self.sustained, self.nominal)
        for reading in readings:
            if reading.value is not None:
                return reading.value, reading.mark == "A"
        return next((r.assumed for r in readings if r.assumed is not None), None), True

    @property
    def alternatives(self) -> tuple[Reading, ...]:
        return self.nominal.alternatives + self.sustained.alternatives


def own_unit(name: str) -> str:
    """The unit in which the figure's values are kept."""
    return next(unit for unit, factor in FIGURES[name].items() if factor == 1.0)


def parse_number(text: str, name: str) -> float:
    """A number that the figure may be, before its unit. Raises InputError."""
    zero = name in MAY_BE_ZERO
    wanted = f"a finite number {'of 0 or more' if zero else 'above 0'}"
    try:
        value = float(text) if "_" not in text else math.nan
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or value < 0 or (value == 0 and not zero):
        raise InputError(f"found {text[:60]!r}; expected {wanted}")
    return value


def spell(name: str, value: float) -> str:
    """`1800 GB/s`."""
    return f"{value:.12g} {own_unit(name)}"
