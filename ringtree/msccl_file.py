"""A plan as an MSCCL algorithm file: the fastest that the limits of the runtimes allow."""

from __future__ import annotations

import importlib
import os
import tempfile
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from _ringtree.errors import UnsupportedError

if TYPE_CHECKING:
    from collectives import Plan
    from ringtree.case import Case

WRITER = ("collectives.msccl", "plan_to_msccl")


def fitting(case: Case, ranking: Sequence[Plan], nbytes: int) -> tuple[Plan, str, float]:
    """The plan whose file is the fastest, the text of that, and its time when read back, us.

    Files may be coarser than their plans, to stay within the limits. UnsupportedError says why the first plan cannot
    be written if none can.
    """
    write = _writer()
    best: tuple[Plan, str, float] | None = None
    problem: UnsupportedError | None = None
    for plan in ranking:
        if best and best[2] <= plan.time_us:
            break
        try:
            text = write(plan)
        except UnsupportedError as reason:
            problem = problem or reason
            continue
        time_us = _price(case, text, nbytes)
        if best is None or time_us < best[2]:
            best = plan, text, time_us
    if best is None:
        raise problem or UnsupportedError("--xml: there is no plan")
    return best


def _price(case: Case, text: str, nbytes: int) -> float:
    """What the file takes on the board, verified as files are."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "plan.xml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return case.plan(f"file:{path}", nbytes).time_us


def _writer() -> Callable[[Plan], str]:
    module, name = WRITER
    try:
        write: Callable[[Plan], str] = getattr(importlib.import_module(module), name)
    except ImportError:
        raise UnsupportedError("--xml: MSCCL algorithm files cannot be written yet") from None
    return write
