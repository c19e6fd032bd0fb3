"""Proofs of programs at FIFO depths: what is right, from which depth on, and what is wrong where."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from _ringtree.core import Program, verify
from _ringtree.errors import VerificationError

DEPTHS = range(1, 9)


@dataclass(frozen=True)
class Finding:
    """One verdict, a row of JSON. what: "right", "deadlock", "race", "wrong result" or "invalid".

    rank, lane, step: where it went wrong, null for no one place; problem: in words. steps and messages of a program
    that is right.
    """

    subject: str
    collective: str
    ranks: int
    elements: int
    in_place: bool
    depth: int
    what: str
    problem: str | None = None
    rank: int | None = None
    lane: int | None = None
    step: int | None = None
    steps: int | None = None
    messages: int | None = None

    @property
    def right(self) -> bool:
        return self.what == "right"


def prove(
    program: Program, subject: str, in_place: bool, depths: Sequence[int], explain: Callable[[VerificationError], str]
) -> list[Finding]:
    """Verdicts from the first depth on, up to the first that is no deadlock.

    What cannot block at one depth cannot at a larger one, and results and races are the same at any.
    """
    found: list[Finding] = []
    for depth in depths:
        about = (subject, program.collective.kind, program.collective.ranks, program.collective.count, in_place, depth)
        try:
            verdict = verify(program, depth, in_place)
        except VerificationError as wrong:
            place = [None if number < 0 else number for number in (wrong.rank, wrong.lane, wrong.step)]
            found.append(Finding(*about, wrong.what, explain(wrong), *place))
            if wrong.what == "deadlock":
                continue
            return found
        found.append(Finding(*about, "right", steps=verdict.steps, messages=verdict.messages))
        return found
    return found
