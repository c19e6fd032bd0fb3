"""Quantities as people write them: GB is 10^9 bytes, MiB is 2^20, times are kept in us, bandwidths in GB/s."""

from __future__ import annotations

import math
import re

from _ringtree.errors import InputError

_BYTES = {
    "": 1,
    "B": 1,
    **{f"{p}B": 1000 ** (i + 1) for i, p in enumerate(["k", "M", "G", "T"])},
    **{f"{p}iB": 1024 ** (i + 1) for i, p in enumerate(["K", "M", "G", "T"])},
    "KB": 1000,
}
_TIME_US = {"ns": 1e-3, "us": 1.0, "ms": 1e3, "s": 1e6}
_GBPS = {"B/s": 1e-9, "KB/s": 1e-6, "kB/s": 1e-6, "MB/s": 1e-3, "GB/s": 1.0, "TB/s": 1e3}
_GBPS |= {"Kb/s": 1.25e-7, "Mb/s": 1.25e-4, "Gb/s": 0.125, "Tb/s": 125.0}

MOST_BYTES = 2**62


def _quantity(text: str, units: dict[str, float], what: str) -> float:
    match = re.fullmatch(r"\s*([-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?|[-+]?inf|nan)\s*([A-Za-z/]*)\s*", text)
    if not match:
        raise InputError(f"{what}: found {text!r}; expected a number and a unit such as {example(units)}")
    number, unit = match.groups()
    if unit not in units:
        expected = ", ".join(u for u in units if u)
        found = f"unit {unit!r}" if unit else "no unit"
        raise InputError(f"{what}: found {found} in {text!r}; expected one of {expected}")
    try:
        value = float(number)
    except ValueError:
        raise InputError(f"{what}: found {text!r}; {number!r} is not a number") from None
    if not math.isfinite(value) or value < 0:
        raise InputError(f"{what}: found {text!r}; expected a finite value that is not negative")
    return value * units[unit]


def example(units: dict[str, float]) -> str:
    return next(f"'50 {u}'" for u in ("GB/s", "us", "MiB") if u in units)


def parse_bytes(text: str, what: str = "bytes") -> int:
    """`64MiB`, `1 GB`, `1000000` -> bytes. InputError for a fraction of a byte or 2^62 and more."""
    if re.fullmatch(r"\s*[0-9]+\s*", text):
        value = int(text)
    else:
        exact = _quantity(text, {u: float(f) for u, f in _BYTES.items()}, what)
        if exact != math.floor(exact):
            raise InputError(f"{what}: found {text!r}, which is not a whole number of bytes")
        value = int(exact)
    if value >= MOST_BYTES:
        raise InputError(f"{what}: found {text!r}; expected less than 2^62 bytes")
    return value


def parse_sizes(text: str, what: str = "sizes") -> list[int]:
    """`1KiB:1GiB:x4` (geometric), `1KiB:8KiB:+1KiB` (arithmetic), `1KiB,64MiB`, `64MiB` -> bytes, as given."""
    if ":" not in text:
        return [parse_bytes(part, what) for part in text.split(",")]
    parts = text.split(":")
    if len(parts) > 3 or (len(parts) == 3 and parts[2][:1] not in ("x", "+")):
        raise InputError(f"{what}: found {text!r}; expected FROM:TO, FROM:TO:xFACTOR or FROM:TO:+STEP")
    first, last = parse_bytes(parts[0], what), parse_bytes(parts[1], what)
    step = parts[2] if len(parts) == 3 else "x2"
    sizes = []
    size = first
    while size <= last:
        sizes.append(size)
        size = _next_size(size, step, text, what)
        if len(sizes) > 10_000:
            raise InputError(f"{what}: {text!r} gives more than 10,000 sizes")
    if not sizes:
        raise InputError(f"{what}: {text!r} gives no size; expected FROM at most TO")
    return sizes


def _next_size(size: int, step: str, text: str, what: str) -> int:
    if step[0] == "+":
        following = size + parse_bytes(step[1:], what)
    else:
        following = int(size * _quantity(step[1:], {"": 1.0}, what))
    if following <= size:
        raise InputError(f"{what}: {text!r} does not grow; expected a factor above 1 or a step above 0")
    return following


def parse_bandwidth_GBps(text: str, what: str = "bandwidth") -> float:
    """`50 GB/s`, `400 Gb/s` -> GB/s; must be above 0."""
    value = _quantity(text, _GBPS, what)
    if value <= 0:
        raise InputError(f"{what}: found {text!r}; expected more than 0")
    return value


def parse_time_us(text: str, what: str = "time") -> float:
    """`1.2 us`, `700ns` -> us; 0 is allowed."""
    return _quantity(text, _TIME_US, what)


def format_bytes(count: int) -> str:
    """The shortest exact form: 67108864 -> `64MiB`, 1000 -> `1000`."""
    for unit in ("TiB", "GiB", "MiB", "KiB"):
        if count and count % _BYTES[unit] == 0:
            return f"{count // _BYTES[unit]}{unit}"
    return str(count)
