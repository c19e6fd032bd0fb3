"""What the verifier found, in the words of the file: its line, its channel numbers."""

from __future__ import annotations

import re

from _ringtree.errors import VerificationError

from .lower import connections
from .model import Algorithm


def explain(algorithm: Algorithm, problem: VerificationError, *, plain: bool = True) -> str:
    """One line. plain: the program has the steps of the file, one for one, so that the line can be named."""
    ends = connections(algorithm)
    text = str(problem).removeprefix("verify: ")
    text = re.sub(r"channel (\d+)", lambda found: f"channel {ends[int(found[1])][2]}", text)
    line = _line(algorithm, problem) if plain else 0
    return f"{algorithm.label}{f':{line}' if line else ''}: {text}"


def _line(algorithm: Algorithm, problem: VerificationError) -> int:
    blocks = algorithm.gpus[problem.rank].blocks if problem.rank >= 0 else ()
    if not 0 <= problem.lane < len(blocks) or not 0 <= problem.step < len(blocks[problem.lane].steps):
        return 0
    return blocks[problem.lane].steps[problem.step].line
