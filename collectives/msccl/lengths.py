"""How long each chunk is that a step handles, where the chunks of a vector are not all equally long.

A chunk of input or output is as long as its place; one in scratch or on its way is as long as what was put there. So
the steps are followed once, in any order that their dependencies and FIFOs allow.
"""

from __future__ import annotations

from collections import deque
from typing import NoReturn

from _ringtree.errors import UnsupportedError

from .layout import Layout
from .model import SCRATCH, Algorithm, Step

Lengths = dict[tuple[int, int], list[list[int]]]
"""(gpu, block) -> of each step, the elements of each of its chunks."""


def chunk_lengths(algorithm: Algorithm, layout: Layout) -> Lengths:
    """Raises UnsupportedError where a chunk does not fit its place: such a file needs a count that divides."""
    return _Run(algorithm, layout).run()


class _Run:
    def __init__(self, algorithm: Algorithm, layout: Layout) -> None:
        self.algorithm, self.layout = algorithm, layout
        self.scratch: dict[tuple[int, int], int] = {}
        self.fifos: dict[tuple[int, int, int], deque[list[int]]] = {}
        self.ended: Lengths = {
            (rank, block): [] for rank, gpu in enumerate(algorithm.gpus) for block in range(len(gpu.blocks))
        }

    def run(self) -> Lengths:
        waiting = list(self.ended)
        while waiting:
            before = sum(len(self.ended[lane]) for lane in waiting)
            left = [lane for lane in waiting if self.advance(*lane)]
            if left and sum(len(self.ended[lane]) for lane in waiting) == before:
                rank, block = left[0]
                self.refuse(rank, block, "cannot be reached")
            waiting = left
        return self.ended

    def advance(self, rank: int, block: int) -> bool:
        """Carry out what can be; False at the end of the block."""
        steps, ended = self.algorithm.gpus[rank].blocks[block].steps, self.ended[rank, block]
        while len(ended) < len(steps):
            step = steps[len(ended)]
            if step.depends and len(self.ended[rank, step.depends[0]]) <= step.depends[1]:
                return True
            lengths = self.perform(rank, block, step)
            if lengths is None:
                return True
            ended.append(lengths)
        return False

    def perform(self, rank: int, block: int, step: Step) -> list[int] | None:
        """The lengths of the step's chunks; None: what it receives has not been sent yet."""
        operation, its = step.operation, self.algorithm.gpus[rank].blocks[block]
        found: list[list[int]] = []
        if operation.receives:
            fifo = self.fifos.setdefault((its.receive, rank, its.channel), deque())
            if not fifo:
                return None
            found.append(fifo.popleft())
        if operation.reads:
            found.append(self.held(rank, block, step, step.source))
        if operation.writes and step.target[0] != SCRATCH:
            found.append(self.held(rank, block, step, step.target))
        lengths = found[0] if found else [0] * step.count
        if any(other != lengths for other in found):
            self.refuse(rank, block, f"finds chunks of {' and '.join(str(f) for f in found)} elements")
        if operation.writes and step.target[0] == SCRATCH:
            for at, length in enumerate(lengths, step.target[1]):
                self.scratch[rank, at] = length
        if operation.sends:
            self.fifos.setdefault((rank, its.send, its.channel), deque()).append(lengths)
        return lengths

    def held(self, rank: int, block: int, step: Step, place: tuple[str, int]) -> list[int]:
        buffer, first = place
        chunks = range(first, first + step.count)
        if buffer != SCRATCH:
            return [self.layout.length(rank, buffer, chunk) for chunk in chunks]
        if any((rank, chunk) not in self.scratch for chunk in chunks):
            self.refuse(rank, block, "reads scratch that was not written")
        return [self.scratch[rank, chunk] for chunk in chunks]

    def refuse(self, rank: int, block: int, why: str) -> NoReturn:
        where = self.algorithm.where(rank, block, len(self.ended[rank, block]))
        found = f"found {self.layout.collective.count} elements"
        raise UnsupportedError(f"{where}: {why}; {found}; expected a multiple of {self.algorithm.chunks}, its chunks")
