"""Device profiles: what is published about a chip, with source and mark, and what is assumed in its place."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

from _ringtree.assume import Assumptions
from _ringtree.errors import AssumptionError, InputError, TopologyError
from topology.source import read_text

from .figures import FIGURES, Figure, Reading, own_unit, parse_number
from .profile_yaml import parse

PROFILES = Path(__file__).parent / "profiles"
MAX_BYTES = 2**20
SUPPLIED = "--assume"


@dataclass(frozen=True, slots=True)
class Profile:
    """A chip. `figures` holds what the file states, by the names of `figures.FIGURES`; others are unknown."""

    name: str
    description: str
    figures: dict[str, Figure]

    def figure(self, name: str) -> Figure:
        return self.figures.get(name, Figure())

    def assuming(self, assume: Assumptions | None) -> Profile:
        """The profile with the figures that `assume` gives, as `<profile>.<figure>`; they replace what is stated."""
        given = {}
        for name in FIGURES if assume else ():
            text = assume.get(f"{self.name}.{name}") if assume else None
            if text is not None:
                reading = Reading(_supplied(self.name, name, text), "A", SUPPLIED)
                given[name] = Figure(reading, reading)
        return replace(self, figures={**self.figures, **given}) if given else self

    @property
    def supplied(self) -> tuple[str, ...]:
        """The figures that --assume gave."""
        return tuple(name for name, figure in self.figures.items() if figure.nominal.source == SUPPLIED)

    def need(self, name: str, purpose: str) -> tuple[float, bool]:
        """The figure's value in its own unit and whether it is assumed. Raises AssumptionError if it is unknown."""
        figure = self.figure(name)
        value, assumed = figure.used
        if value is not None:
            return value, assumed
        published = ", ".join(f"{r.value:.12g} ({r.mark})" for r in figure.alternatives if r.value is not None)
        found = f"unknown, sources conflict: {published}" if published else "unknown"
        example = next((f"{r.value:.12g}" for r in figure.alternatives if r.value is not None), "VALUE")
        raise AssumptionError(
            f"{self.name}.{name}: {found}; needed {purpose}; "
            f"expected {SUPPLIED} {self.name}.{name}={example} (in {own_unit(name)})"
        )


def _supplied(profile: str, name: str, text: str) -> float:
    """`120`, or with a unit `120 TFLOPS`, in the figure's own unit."""
    number, _, unit = text.strip().partition(" ")
    units = FIGURES[name]
    try:
        value = parse_number(number, name)
    except InputError as error:
        raise InputError(f"{SUPPLIED} {profile}.{name}: {error} in {own_unit(name)}") from None
    unit = unit.strip() or own_unit(name)
    if unit not in units:
        raise InputError(f"{SUPPLIED} {profile}.{name}: found the unit {unit[:60]!r}; expected {', '.join(units)}")
    return value * units[unit]


def profiles() -> list[str]:
    """Names of the profiles that ship with the project, in order."""
    return sorted(path.stem for path in PROFILES.glob("*.yaml"))


def load_profile(name: str | os.PathLike[str], assume: Assumptions | None = None) -> Profile:
    """The shipped profile of that name, or the profile in that file, with the figures that `assume` gives.

    Raises InputError: one line that says where, what was found and what was expected.
    """
    path = PROFILES / f"{name}.yaml" if name in profiles() else Path(name)
    if not path.exists():
        raise InputError(f"{name}: no such device profile; expected a file or one of {', '.join(profiles())}")
    return _load(path).assuming(assume)


def _load(path: Path) -> Profile:
    label = path.name if path.parent == PROFILES else str(path)
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise InputError(f"{label}: found {size} bytes; expected at most {MAX_BYTES}")
    try:
        text = read_text(path, label)
    except TopologyError as error:
        raise InputError(str(error)) from None
    return Profile(*parse(text, label))
