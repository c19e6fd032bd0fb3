"""Values in SimGrid platforms: attributes, units, lists of numbers, and names that nodes can have."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NoReturn

from .xmlread import Element
from .yamlread import fail, shorten

NUMBER = re.compile(r"([0-9]{1,20}(?:\.[0-9]{0,20})?(?:[eE][-+]?[0-9]{1,2})?)([A-Za-z]*)")
PREFIXES = {"": 1, **{prefix: 1000**power for power, prefix in enumerate("kMGTPE", 1)}}
BINARY = {f"{prefix}i": 1024**power for power, prefix in enumerate("KMGTPE", 1)}
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
TIMES_PS = {"ps": 1, "ns": 10**3, "us": 10**6, "ms": 10**9, **{unit: x * 10**12 for unit, x in SECONDS.items()}}
NOT_A_NAME = re.compile(r"[^A-Za-z0-9_]")


@dataclass(eq=False)
class Pipe:
    """What SimGrid calls a link: something that routes pass. `ways` are the ends of our links that share it."""

    name: str
    bandwidth_GBps: float
    latency_us: float
    shared: bool = True  # FATPIPE is not: it bounds each transfer by itself
    ways: list[tuple[int, int]] = field(default_factory=list)


@dataclass(frozen=True)
class Attributes:
    """Reads the attributes of the elements of one file, which messages call `label`."""

    label: str

    def check(self, element: Element, needed: tuple[str, ...], others: tuple[str, ...]) -> None:
        """The element has what it needs and nothing unknown."""
        tag = element.tag
        for name in element.attributes:
            if name not in needed and name not in others:
                wanted = ", ".join((*needed, *others))
                fail(self.label, element, f"unknown attribute {shorten(name)!r} of <{tag}>; expected one of {wanted}")
        for name in needed:
            if name not in element.attributes:
                fail(self.label, element, f"found no {name!r} in <{tag}>; expected {', '.join(needed)}")

    def bandwidth(self, element: Element, name: str) -> float:
        """GB/s of `125MBps`, `10Gbps`, `1GiBps`."""
        value, unit = self._number(element, name, "125MBps")
        match = re.fullmatch(r"(.*)([Bb])ps", unit)
        factor = {**PREFIXES, **BINARY}.get(match[1]) if match else None
        if factor is None or match is None:
            self._refuse(element, name, "a bandwidth with its unit such as 125MBps")
        if not value:
            self._refuse(element, name, "a bandwidth above 0 such as 125MBps")
        return float(value * factor / (10**9 if match[2] == "B" else 8 * 10**9))

    def latency(self, element: Element, name: str) -> float:
        """Microseconds of `50us`, `1.5ms`; 0 needs no unit, and is what a missing attribute means."""
        if not element.get(name):
            return 0.0
        value, unit = self._number(element, name, "50us")
        factor = TIMES_PS.get(unit if unit or value else "s")
        if factor is None:
            self._refuse(element, name, "a latency with its unit such as 50us")
        return float(value * factor / 10**6)

    def choice(self, element: Element, name: str, allowed: tuple[str, ...]) -> str:
        """One of the words; the first where the attribute is missing."""
        text = element.attributes.get(name, allowed[0])
        if text not in allowed:
            self._refuse(element, name, f"one of {', '.join(allowed)}")
        return text

    def numbers(self, element: Element, name: str, shape: tuple[int, ...] | None = None) -> list[list[int]]:
        """`2;4,4;1,2` as [[2], [4, 4], [1, 2]]: whole numbers above 0; `shape`: how many in each part."""
        parts = [part.split(",") for part in element.get(name).split(";")]
        valid = all(re.fullmatch(r"\s*[0-9]{1,9}\s*", text) and int(text) for part in parts for text in part)
        if not valid or (shape and tuple(map(len, parts)) != shape):
            lengths = f" ({', '.join(map(str, shape))} of them, parted by ;)" if shape else ""
            self._refuse(element, name, f"whole numbers above 0{lengths}")
        return [[int(text) for text in part] for part in parts]

    def ranges(self, element: Element, name: str, most: int) -> list[int]:
        """`0-3,7` as [0, 1, 2, 3, 7], at most so many."""
        found: list[int] = []
        for part in element.get(name).split(","):
            match = re.fullmatch(r"\s*([0-9]{1,9})(?:-([0-9]{1,9}))?\s*", part)
            first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
            if last < first:
                self._refuse(element, name, "numbers and ranges such as 0-15,20")
            if len(found) + last - first >= most:
                self._refuse(element, name, f"at most {most} numbers")
            found += range(first, last + 1)
        return found

    def _number(self, element: Element, name: str, example: str) -> tuple[Fraction, str]:
        match = NUMBER.fullmatch(element.get(name).strip())
        if not match:
            self._refuse(element, name, f"a number with its unit such as {example}")
        return Fraction(match[1]), match[2]

    def _refuse(self, element: Element, name: str, wanted: str) -> NoReturn:
        found = shorten(element.get(name))
        fail(self.label, element, f"found {name} {found!r} in <{element.tag}>; expected {wanted}")


def node_name(text: str) -> str:
    """The text with what a name cannot hold replaced: node-0.org becomes node_0_org."""
    name = NOT_A_NAME.sub("_", text)
    return name if name[:1].isalpha() or name[:1] == "_" else f"_{name}"
