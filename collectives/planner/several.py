"""The fastest of several algorithms that are allowed: `ring,tree:chunks=8,file:mine.xml`, by simulation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from _ringtree.core import Collective, dtype_size
from _ringtree.errors import NoRouteError, UnsupportedError

from . import host
from .algorithm_files import load
from .planfile import is_plan
from .specification import PARAMETERS, Specification, parse

if TYPE_CHECKING:
    from .planning import Planner


def choose(planner: Planner, collective: Collective, dtype: str, algorithm: Specification) -> str:
    """The full specification of the fastest member. UnsupportedError where none can run.

    Without a board nothing is simulated: the host's own choice if it is a member, else the first that can run.
    """
    best: tuple[float, int, str] | None = None
    problem: Exception | None = None
    for number, member in enumerate(_by_preference(planner, collective, dtype, algorithm)):
        try:
            _require_size(member, collective, dtype)
            text = planner.choose(collective, dtype, member)
            time_us = planner.build(collective, dtype, "sum", str(member), text).time_us
        except (UnsupportedError, NoRouteError) as error:
            problem = error
            continue
        if best is None or (time_us, number) < best[:2]:
            best = (time_us, number, text)
    if best is None:
        why = str(problem).removeprefix("algorithm: ")
        raise UnsupportedError(f"algorithm: {algorithm}: none of them does {collective.kind} here; {why}")
    return best[2]


def _by_preference(
    planner: Planner, collective: Collective, dtype: str, algorithm: Specification
) -> tuple[Specification, ...]:
    if planner.topology is not None:
        return algorithm.members
    preferred = parse(host.choose(collective, dtype_size(dtype))).name
    return tuple(sorted(algorithm.members, key=lambda member: member.name != preferred))


def _require_size(member: Specification, collective: Collective, dtype: str) -> None:
    """A file among others is taken for the sizes that it names, as MSCCL's scheduler does."""
    if (
        member.name == "file"
        and not is_plan(member.path)
        and not load(member.path).takes(collective.count * dtype_size(dtype))
    ):
        raise UnsupportedError(f"{member.path}: made for other sizes (minBytes, maxBytes)")


def on_host(collective: Collective, element_bytes: int, algorithm: Specification) -> Specification:
    """What `^ring,tree` is without a board: the host's own choice unless it is excluded, else whatever is left."""
    preferred = parse(host.choose(collective, element_bytes))
    return algorithm if preferred.name in {member.name for member in algorithm.members} else preferred


def names(algorithm: Specification) -> list[str] | None:
    """The algorithms that `auto` or `^ring,tree` leaves open; None for a name."""
    if algorithm.name not in ("auto", "not"):
        return None
    excluded = {"auto", *(member.name for member in algorithm.members)}
    return [name for name in PARAMETERS if name not in excluded]
