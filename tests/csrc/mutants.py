"""Published algorithm files, and every way to spoil one of their steps.

PYTHONPATH=. python tests/csrc/mutants.py        counts what the verifier says to all of them (docs/measurements.md)
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from interpreter import Task, WrongProgram, interpret
from programs import KINDS

from _ringtree.core import Collective, Program, verify
from _ringtree.errors import VerificationError
from collectives.msccl import Algorithm, Step, lower, read_algorithm

FOLDER = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "msccl-xml"
FILES = sorted(FOLDER.glob("*.xml"))
WAYS = ("reduction removed", "steps swapped", "dependency dropped")


def read(path: Path) -> Algorithm:
    return read_algorithm(path.read_text(encoding="utf-8"), path.name)


def program_of(algorithm: Algorithm) -> tuple[Program, bool]:
    """The file word for word, an element a chunk, and whether it is for in place."""
    in_place = not algorithm.out_of_place
    return lower(algorithm, Collective(algorithm.kind, algorithm.ranks, algorithm.chunks)), in_place


def spoilt(algorithm: Algorithm, way: str) -> Iterator[Algorithm]:
    """One step each."""
    for rank, block, at, step in algorithm.steps():
        steps = list(algorithm.gpus[rank].blocks[block].steps)
        if way == "reduction removed" and step.operation.combines:
            del steps[at]
            yield with_steps(algorithm, rank, block, steps, removed=at)
        elif way == "steps swapped" and at + 1 < len(steps) and swapped(steps, at):
            yield with_steps(algorithm, rank, block, steps)
        elif way == "dependency dropped" and step.depends:
            steps[at] = replace(step, depends=None)
            yield with_steps(algorithm, rank, block, steps)


def swapped(steps: list[Step], at: int) -> bool:
    """Exchange a step with the next, if they differ."""
    steps[at : at + 2] = reversed(steps[at : at + 2])
    return replace(steps[at], line=0) != replace(steps[at + 1], line=0)


def with_steps(algorithm: Algorithm, rank: int, block: int, steps: list[Step], removed: int | None = None) -> Algorithm:
    """A block with other steps; what waits for steps after one that was removed goes on waiting for the same."""
    gpu = algorithm.gpus[rank]
    blocks = list(gpu.blocks)
    blocks[block] = replace(blocks[block], steps=tuple(steps))
    if removed is not None:
        blocks = [replace(b, steps=tuple(later(step, block, removed) for step in b.steps)) for b in blocks]
    gpus = (*algorithm.gpus[:rank], replace(gpu, blocks=tuple(blocks)), *algorithm.gpus[rank + 1 :])
    return replace(algorithm, gpus=gpus)


def later(step: Step, block: int, removed: int) -> Step:
    if step.depends is None or step.depends[0] != block or step.depends[1] < removed:
        return step
    return replace(step, depends=(block, step.depends[1] - 1) if step.depends[1] else None)


def verdict(algorithm: Algorithm) -> str:
    """What the verifier says is wrong, or "right"."""
    program, in_place = program_of(algorithm)
    try:
        verify(program, in_place=in_place)
    except VerificationError as problem:
        return problem.what
    return "right"


def executes(algorithm: Algorithm, seeds: int = 3) -> bool:
    """Whether the interpreter, which knows nothing of the verifier, finds the same result and no race."""
    program, in_place = program_of(algorithm)
    task = Task(KINDS[algorithm.kind], algorithm.ranks, algorithm.chunks)
    try:
        for seed in range(seeds):
            interpret(program.handle, task, in_place=in_place, seed=seed)
    except WrongProgram:
        return False
    return True


def main() -> None:
    for way in WAYS:
        found: Counter[str] = Counter()
        for path in FILES:
            for mutant in spoilt(read(path), way):
                what = verdict(mutant)
                found[what] += 1
                if what == "right" and not executes(mutant):
                    sys.exit(f"{path.name}: {way}: taken for right, and is wrong")
        print(f"{way:20} {sum(found.values()):5d} {dict(sorted(found.items()))}")


if __name__ == "__main__":
    main()
