"""A plan as an MSCCL algorithm file: the fastest that the limits of the runtimes allow, in fewer pieces if need be."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from _ringtree.errors import UnsupportedError

if TYPE_CHECKING:
    from _ringtree.core import Program
    from collectives import Plan
    from ringtree.case import Case

WRITER = ("collectives.msccl", "program_to_msccl")


def fitting(case: Case, ranking: Sequence[Plan], nbytes: int) -> tuple[Plan, str]:
    """The fastest plan that can be written, and its file. If there is none, UnsupportedError: why the first cannot."""
    write = _writer()
    best: tuple[Plan, str] | None = None
    problem: UnsupportedError | None = None
    for plan in ranking:
        if best and best[0].time_us <= plan.time_us:
            break
        for candidate in _ever_fewer_pieces(case, plan, nbytes):
            try:
                text = write(candidate.program)
            except UnsupportedError as reason:
                problem = problem or reason
                continue
            if best is None or candidate.time_us < best[0].time_us:
                best = candidate, text
            break
    if best is None:
        raise problem or UnsupportedError("--xml: there is no plan")
    return best


def _ever_fewer_pieces(case: Case, plan: Plan, nbytes: int) -> Iterator[Plan]:
    """The plan itself, then the same with half the chunks, a quarter, down to one."""
    from collectives import Specification, parse

    yield plan
    specification = parse(plan.plan)
    parameters = dict(specification.parameters)
    chunks = specification.get("chunks") or 1
    while chunks > 1:
        chunks //= 2
        fewer = Specification(specification.name, tuple({**parameters, "chunks": chunks}.items()))
        yield case.plan(str(fewer), nbytes)


def _writer() -> Callable[[Program], str]:
    module, name = WRITER
    try:
        write: Callable[[Program], str] = getattr(importlib.import_module(module), name)
    except ImportError:
        raise UnsupportedError("--xml: MSCCL algorithm files cannot be written yet") from None
    return write
