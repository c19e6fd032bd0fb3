"""Bandwidths and latencies as people write them: with their unit, checked, and spelled back exactly."""

from __future__ import annotations

import math
import re

from _ringtree.errors import InputError
from _ringtree.units import parse_bandwidth_GBps, parse_time_us

from .yamlread import shorten

BARE_NUMBER = re.compile(r"[-+]?[0-9.]+([eE][-+]?[0-9]+)?")


def parse_bandwidth(text: str) -> float:
    """GB/s of one direction, from text such as '50 GB/s'. Raises InputError."""
    wanted = "a bandwidth above 0 and finite, such as '50 GB/s'"
    value = _parse(text, wanted, "GB/s")
    if not value > 0:
        raise InputError(f"found {shorten(text)!r}; expected {wanted}")
    return value


def parse_latency(text: str) -> float:
    """Microseconds, from text such as '1.2 us'. Raises InputError."""
    wanted = "a latency of 0 or more and finite, such as '1.2 us'"
    value = _parse(text, wanted, "us")
    if value < 0:
        raise InputError(f"found {shorten(text)!r}; expected {wanted}")
    return value


def _parse(text: str, wanted: str, unit: str) -> float:
    if BARE_NUMBER.fullmatch(text.strip()):
        raise InputError(f"found {shorten(text)!r} without a unit; expected {wanted}")
    try:
        value = parse_bandwidth_GBps(text) if unit == "GB/s" else parse_time_us(text)
    except (InputError, ValueError):
        raise InputError(f"found {shorten(text)!r}; expected {wanted}") from None
    if not math.isfinite(value):
        raise InputError(f"found {shorten(text)!r}; expected {wanted}")
    return value


def spell(value: float | None) -> str:
    """The shortest decimal that reads back as the same double; 'null' for unknown."""
    if value is None:
        return "null"
    return repr(float(value)).removesuffix(".0")
