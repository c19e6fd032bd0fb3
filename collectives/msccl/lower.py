"""An algorithm file as a program of the core: a thread block is a lane, a connection is a channel.

A step of the file is a step of its lane, with the same number, unless chunks differ in length or the file runs in
several pieces: then a step of several chunks becomes one for each. What the form of its buffers has copied before and
after (layout.py) is in a lane of its own, the rank's last.

pieces: MSCCL's runtimes run all steps again and again, each time on the next piece of every chunk.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from _ringtree.core import Collective, Program
from _ringtree.errors import InputError, UnsupportedError
from _ringtree.native import lib
from _ringtree.stored import MOST_DEPENDENCIES, store
from _ringtree.stored import Step as CoreStep

from .layout import Copy, Form, Layout, edge
from .lengths import Lengths, chunk_lengths
from .model import Algorithm, Block, Step

# NCCL and RCCL give every connection this many slots.
DEPTH = 8
MOST_STEPS = 4_000_000

Dependencies = Sequence[tuple[int, int, int]]


def lower(
    algorithm: Algorithm, collective: Collective, form: Form = Form.AS_IS, *, depth: int | None = None, pieces: int = 1
) -> Program:
    """The program; not proved. Raises InputError where a step or the collective does not fit."""
    layout = Layout(algorithm, collective, form)
    check_places(algorithm, layout)
    total = pieces * sum(max(1, step.count if not layout.even or pieces > 1 else 1) for *_, step in algorithm.steps())
    if total > MOST_STEPS:
        raise UnsupportedError(f"{algorithm.label}: found {total} steps in {pieces} pieces; expected {MOST_STEPS}")
    return store(
        collective,
        [ends[:2] for ends in connections(algorithm)],
        _Lowering(algorithm, layout, pieces).steps(),
        depth=depth or algorithm.depth or DEPTH,
        scratch=[layout.scratch(rank) for rank in range(algorithm.ranks)],
    )


def connections(algorithm: Algorithm) -> list[tuple[int, int, int]]:
    """(src gpu, dst gpu, channel) of every FIFO that a block has an end of."""
    found = set()
    for rank, gpu in enumerate(algorithm.gpus):
        for block in gpu.blocks:
            found |= {(rank, block.send, block.channel)} if block.send >= 0 else set()
            found |= {(block.receive, rank, block.channel)} if block.receive >= 0 else set()
    return sorted(found)


def check_places(algorithm: Algorithm, layout: Layout) -> None:
    """That the collective has the chunks of input and output that steps use."""
    for rank, block, number, step in algorithm.steps():
        operation = step.operation
        for used, (buffer, first) in ((operation.reads, step.source), (operation.writes, step.target)):
            if used and first + step.count > layout.chunks(rank, buffer):
                found = f"found {buffer} chunks {first} to {first + step.count - 1}"
                expected = f"expected some of the {layout.chunks(rank, buffer)} of {algorithm.kind}"
                raise InputError(f"{algorithm.where(rank, block, number)}: {found}; {expected}")


class _Lowering:
    def __init__(self, algorithm: Algorithm, layout: Layout, pieces: int) -> None:
        self.algorithm, self.layout, self.pieces = algorithm, layout, pieces
        self.channels = {ends: number for number, ends in enumerate(connections(algorithm))}
        self.one_by_one = pieces > 1 or not layout.even
        self.lengths: Lengths | None = None if layout.even else chunk_lengths(algorithm, layout)

    def steps(self) -> Iterator[tuple[int, int, CoreStep]]:
        for rank, gpu in enumerate(self.algorithm.gpus):
            ends = [self.ends(block) for block in gpu.blocks]
            copies, aside = self.layout.before(rank), len(gpu.blocks)
            for number, block in enumerate(gpu.blocks):
                first: Dependencies = [(aside, 1, 0)] if copies else []
                for step in self.lane(rank, number, block, ends):
                    yield rank, number, replace(step, dependencies=[*first, *step.dependencies]) if first else step
                    first = []
            for step in self.copying(copies, self.layout.after(rank), ends):
                yield rank, aside, step

    def ends(self, block: Block) -> list[int]:
        """How many steps of the core there are up to each step's end, in one piece."""
        so_far, found = 0, []
        for step in block.steps:
            so_far += max(1, step.count) if self.one_by_one else 1
            found.append(so_far)
        return found

    def lane(self, rank: int, number: int, block: Block, ends: list[list[int]]) -> Iterator[CoreStep]:
        sends = self.channels.get((rank, block.send, block.channel), -1)
        receives = self.channels.get((block.receive, rank, block.channel), -1)
        for piece in range(self.pieces):
            for at, step in enumerate(block.steps):
                waits: Dependencies = []
                if step.depends:
                    other, awaited = step.depends
                    waits = [(other, 1, piece * ends[other][-1] + ends[other][awaited] - 1)]
                for chunk, shift, count in self.parts(rank, number, at, step, piece):
                    yield CoreStep(
                        step.operation.opcode,
                        count,
                        self.place(rank, step.source, chunk, shift),
                        self.place(rank, step.target, chunk, shift),
                        receives if step.operation.receives else -1,
                        sends if step.operation.sends else -1,
                        waits,
                    )
                    waits = []

    def parts(self, rank: int, block: int, at: int, step: Step, piece: int) -> Iterator[tuple[int, int, int]]:
        """What each step of the core handles: from which chunk, from which element of it, how many."""
        even = self.layout.longest
        if not self.one_by_one or step.count == 0:
            yield 0, 0, step.count * even
            return
        lengths = self.lengths[rank, block][at] if self.lengths else [even] * step.count
        for chunk, length in enumerate(lengths):
            begin = edge(length, self.pieces, piece)
            yield chunk, begin, edge(length, self.pieces, piece + 1) - begin

    def place(self, rank: int, first: tuple[str, int], chunk: int, shift: int) -> tuple[int, int]:
        if first[1] < 0:
            return lib.RT_INPUT, 0  # of a side that the step does not use
        buffer, element = self.layout.at(rank, first[0], first[1] + chunk)
        return buffer, element + shift

    def copying(self, before: list[Copy], after: list[Copy], ends: list[list[int]]) -> Iterator[CoreStep]:
        yield from (CoreStep(lib.RT_COPY, copy.count, copy.source, copy.target) for copy in before)
        if after:
            last = [(number, 1, self.pieces * its[-1] - 1) for number, its in enumerate(ends) if its]
            for i in range(0, len(last), MOST_DEPENDENCIES):
                yield CoreStep(lib.RT_NOP, dependencies=last[i : i + MOST_DEPENDENCIES])
        yield from (CoreStep(lib.RT_COPY, copy.count, copy.source, copy.target) for copy in after)
