"""An independent truth about programs: a slow symbolic interpreter that knows nothing of how they are built.

A cell of a buffer holds None or (element, ranks): which element of the input it is, and how often each rank's
contribution is in it (a byte per rank, packed in an integer). Lanes advance in a random order; channels are FIFOs of
finite depth; who may touch what is judged by happens-before, kept as a set of steps (a bit each) per step.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

from _ringtree_core import ffi, lib

Cell = tuple[int, int] | None

REDUCING = {lib.RT_ALL_REDUCE, lib.RT_REDUCE_SCATTER, lib.RT_REDUCE}
RECEIVES = {lib.RT_RECV, lib.RT_RECV_SEND, lib.RT_RECV_REDUCE, lib.RT_RECV_REDUCE_SEND, lib.RT_RECV_REDUCE_STORE_SEND}
SENDS = {lib.RT_SEND, lib.RT_RECV_SEND, lib.RT_RECV_REDUCE_SEND, lib.RT_RECV_REDUCE_STORE_SEND}
COMBINES = {lib.RT_REDUCE_LOCAL, lib.RT_RECV_REDUCE, lib.RT_RECV_REDUCE_SEND, lib.RT_RECV_REDUCE_STORE_SEND}
READS_SRC = COMBINES | {lib.RT_SEND, lib.RT_COPY}
STORES = RECEIVES - {lib.RT_RECV_REDUCE_SEND} | {lib.RT_COPY, lib.RT_REDUCE_LOCAL}


class WrongProgram(AssertionError):
    """What the program does wrong."""


@dataclass(frozen=True)
class Task:
    """A collective, as rt_collective has it."""

    kind: int
    ranks: int
    count: int
    root: int = 0
    counts: tuple[int, ...] | None = None
    displs: tuple[int, ...] | None = None
    recv_displs: tuple[int, ...] | None = None

    def part(self, rank: int) -> range:
        """Where rank's part stands in the buffer that holds all parts."""
        if self.counts is not None:
            dense = [0, *accumulate(self.counts)]
            begin = dense[rank] if self.displs is None else self.displs[rank]
            return range(begin, begin + self.counts[rank])
        lengths = [self.count // self.ranks + (i < self.count % self.ranks) for i in range(self.ranks)]
        return range(sum(lengths[:rank]), sum(lengths[: rank + 1]))

    def block(self, src: int, dst: int) -> tuple[range, range]:
        """all_to_all: what of src's input goes where in dst's output."""
        n = self.ranks
        if self.counts is None:
            part = self.part(dst)
            return part, range(src * len(part), (src + 1) * len(part))
        row = [0, *accumulate(self.counts[src * n : src * n + n])]
        column = [0, *accumulate(self.counts[dst::n])]
        sent = row[dst] if self.displs is None else self.displs[src * n + dst]
        received = column[src] if self.recv_displs is None else self.recv_displs[dst * n + src]
        length = self.counts[src * n + dst]
        return range(sent, sent + length), range(received, received + length)

    def inputs(self, rank: int) -> list[range]:
        """What rank reads of its input."""
        if self.kind in (lib.RT_ALL_REDUCE, lib.RT_REDUCE):
            return [range(self.count)]
        if self.kind == lib.RT_BROADCAST:
            return [range(self.count)] if rank == self.root else []
        if self.kind in (lib.RT_ALL_GATHER, lib.RT_GATHER):
            return [range(len(self.part(rank)))]
        if self.kind == lib.RT_REDUCE_SCATTER or (self.kind == lib.RT_SCATTER and rank == self.root):
            return [self.part(i) for i in range(self.ranks)]
        if self.kind == lib.RT_ALL_TO_ALL:
            return [self.block(rank, i)[0] for i in range(self.ranks)]
        return []

    def outputs(self, rank: int) -> Iterator[tuple[range, int, range]]:
        """What rank must have in the end: (where in its output, whose input, where in it)."""
        whole, everyone = range(self.count), range(self.ranks)
        if self.kind in (lib.RT_ALL_REDUCE, lib.RT_BROADCAST) or (self.kind == lib.RT_REDUCE and rank == self.root):
            yield whole, self.root, whole
        elif self.kind == lib.RT_REDUCE_SCATTER:
            yield range(len(self.part(rank))), rank, self.part(rank)
        elif self.kind == lib.RT_SCATTER:
            yield range(len(self.part(rank))), self.root, self.part(rank)
        elif self.kind == lib.RT_ALL_GATHER or (self.kind == lib.RT_GATHER and rank == self.root):
            yield from ((self.part(i), i, range(len(self.part(i)))) for i in everyone)
        elif self.kind == lib.RT_ALL_TO_ALL:
            yield from ((self.block(i, rank)[1], i, self.block(i, rank)[0]) for i in everyone)

    def overlay(self, rank: int) -> tuple[int, int] | None:
        """Where input and output begin in their common memory when rank works in place; None: it cannot."""
        begin = self.part(rank).start if self.kind not in (lib.RT_ALL_TO_ALL, lib.RT_BARRIER) else 0
        if self.kind in (lib.RT_ALL_REDUCE, lib.RT_BROADCAST, lib.RT_REDUCE):
            return 0, 0
        if self.kind == lib.RT_ALL_GATHER or (self.kind == lib.RT_GATHER and rank == self.root):
            return begin, 0
        if self.kind == lib.RT_REDUCE_SCATTER or (self.kind == lib.RT_SCATTER and rank == self.root):
            return 0, begin
        return None


def extent(ranges: list[range]) -> int:
    """Elements that a buffer needs to hold the ranges."""
    return max((r.stop for r in ranges if r), default=0)


class Memory:
    """A rank's cells, and which steps last wrote and since read each. All accesses must be ordered."""

    def __init__(self, task: Task, rank: int, scratch: int, in_place: bool) -> None:
        reads = extent(task.inputs(rank))
        writes = extent([where for where, _, _ in task.outputs(rank)])
        overlay = task.overlay(rank) if in_place else None
        bases = (0, reads) if overlay is None else overlay
        end = max(bases[0] + reads, bases[1] + writes)
        self.rank = rank
        self.base = {lib.RT_INPUT: bases[0], lib.RT_OUTPUT: bases[1], lib.RT_SCRATCH: end}
        self.size = {lib.RT_INPUT: reads, lib.RT_OUTPUT: writes, lib.RT_SCRATCH: scratch}
        self.cells: list[Cell] = [None] * (end + scratch)
        self.writer = [0] * (end + scratch)  # a bit each
        self.readers = [0] * (end + scratch)
        for element in {i for r in task.inputs(rank) for i in r}:
            self.cells[bases[0] + element] = (element, 1 << 8 * rank)

    def locate(self, buffer: int, offset: int, count: int) -> range:
        if count and not 0 <= offset <= offset + count <= self.size[buffer]:
            raise WrongProgram(
                f"rank {self.rank}: [{offset}, {offset + count}) of {self.size[buffer]} in buffer {buffer}"
            )
        return range(self.base[buffer] + offset, self.base[buffer] + offset + count)

    def read(self, where: range, step: int, past: int) -> list[Cell]:
        for i in where:
            if self.cells[i] is None:
                raise WrongProgram(f"rank {self.rank}: reads cell {i} before it is written")
            if self.writer[i] & ~past:
                raise WrongProgram(f"rank {self.rank}: race between a read and a write of cell {i}")
            self.readers[i] |= step
        return self.cells[where.start : where.stop]

    def write(self, where: range, values: list[Cell], step: int, past: int) -> None:
        for i, value in zip(where, values, strict=True):
            if (self.writer[i] | self.readers[i]) & ~past & ~step:
                raise WrongProgram(f"rank {self.rank}: race on cell {i}, which is written")
            self.cells[i], self.writer[i], self.readers[i] = value, step, 0


def combine(mine: list[Cell], received: list[Cell]) -> list[Cell]:
    result: list[Cell] = []
    for a, b in zip(mine, received, strict=True):
        if a is None or b is None or a[0] != b[0]:
            raise WrongProgram(f"combines {a} with {b}")
        result.append((a[0], a[1] + b[1]))
    return result


class Interpreter:
    """Runs one program once."""

    def __init__(self, program: ffi.CData, task: Task, depth: int, in_place: bool, seed: int) -> None:
        self.program, self.task, self.depth = program, task, depth
        ranks = range(task.ranks)
        self.memory = [Memory(task, r, lib.rt_program_scratch(program, r), in_place) for r in ranks]
        self.lanes = [(r, lane) for r in ranks for lane in range(lib.rt_program_lanes(program, r))]
        self.ended: dict[tuple[int, int], list[int]] = {lane: [] for lane in self.lanes}  # each step's past, itself too
        self.fifos: list[deque[tuple[list[Cell], int]]] = [deque() for _ in range(lib.rt_program_channels(program))]
        self.users: dict[tuple[int, bool], tuple[int, int]] = {}
        self.steps = 0
        self.random = random.Random(seed)

    def run(self) -> None:
        waiting = list(self.lanes)
        while waiting:
            self.random.shuffle(waiting)
            before, left = self.steps, []
            for lane in waiting:
                if self.advance(*lane):
                    left.append(lane)
            if left and self.steps == before:
                raise WrongProgram(f"deadlock at depth {self.depth}: lanes {left[:8]} wait")
            waiting = left
        self.check_end()

    def advance(self, rank: int, lane: int) -> bool:
        """Carry out some of the lane's steps; False at its end."""
        step = ffi.new("rt_step *")
        for _ in range(self.random.choice((1, 2, 1000))):
            if not lib.rt_program_next(self.program, rank, lane, len(self.ended[rank, lane]), step):
                return False
            if not self.ready(rank, step):
                return True
            self.carry_out(rank, lane, step)
        return True

    def ready(self, rank: int, step: ffi.CData) -> bool:
        for dep in step.deps[0 : step.n_deps]:
            for lane in range(dep.lane, dep.lane + dep.lanes):
                if len(self.ended[rank, lane]) <= dep.step:
                    return False
        if step.opcode in RECEIVES and not self.fifos[step.recv_channel]:
            return False
        return step.opcode not in SENDS or len(self.fifos[step.send_channel]) < self.depth

    def carry_out(self, rank: int, lane: int, step: ffi.CData) -> None:
        me = 1 << self.steps
        self.steps += 1
        past = me | (self.ended[rank, lane][-1] if self.ended[rank, lane] else 0)
        for dep in step.deps[0 : step.n_deps]:
            for other in range(dep.lane, dep.lane + dep.lanes):
                past |= self.ended[rank, other][dep.step]
        values: list[Cell] = []
        if step.opcode in RECEIVES:
            self.claim(step.recv_channel, False, rank, lane)
            values, sent = self.fifos[step.recv_channel].popleft()
            past |= sent
            if len(values) != step.count:
                raise WrongProgram(f"rank {rank}: receives {len(values)} elements, expected {step.count}")
        values = self.compute(rank, step, values, me, past)
        if step.opcode in SENDS:
            self.claim(step.send_channel, True, rank, lane)
            self.fifos[step.send_channel].append((values, past))
        self.ended[rank, lane].append(past)

    def compute(self, rank: int, step: ffi.CData, values: list[Cell], me: int, past: int) -> list[Cell]:
        memory = self.memory[rank]
        src = memory.locate(step.src_buffer, step.src_offset, step.count) if step.opcode in READS_SRC else range(0)
        dst = memory.locate(step.dst_buffer, step.dst_offset, step.count) if step.opcode in STORES else range(0)
        if step.opcode == lib.RT_COPY and src == dst:
            return values  # the executor leaves it out: no access
        if step.opcode in READS_SRC:
            mine = memory.read(src, me, past)
            received = memory.read(dst, me, past) if step.opcode == lib.RT_REDUCE_LOCAL else values
            values = combine(mine, received) if step.opcode in COMBINES else mine
        if step.opcode in STORES:
            memory.write(dst, values, me, past)
        return values

    def claim(self, channel: int, sends: bool, rank: int, lane: int) -> None:
        """A channel has one lane at each end, or its order would depend on timing."""
        ends = ffi.new("rt_channel *")
        lib.rt_program_channel(self.program, channel, ends)
        if (ends.src if sends else ends.dst) != rank or ends.src == ends.dst:
            raise WrongProgram(f"rank {rank} uses channel {channel}, {ends.src} to {ends.dst}")
        if self.users.setdefault((channel, sends), (rank, lane)) != (rank, lane):
            raise WrongProgram(f"channel {channel} is shared by lanes")

    def check_end(self) -> None:
        if any(self.fifos):
            raise WrongProgram("something is left in a FIFO")
        task = self.task
        everyone = sum(1 << 8 * r for r in range(task.ranks))
        for rank, memory in enumerate(self.memory):
            for where, source, elements in task.outputs(rank):
                got = memory.cells[memory.base[lib.RT_OUTPUT] + where.start :][: len(where)]
                ranks = everyone if task.kind in REDUCING else 1 << 8 * source
                if got != [(element, ranks) for element in elements]:
                    raise WrongProgram(f"rank {rank}: output {where} is {got}, expected of {source}: {elements}")


def interpret(program: ffi.CData, task: Task, *, depth: int = 0, in_place: bool = False, seed: int = 0) -> int:
    """Run the program; raise WrongProgram where it is not the task's. Returns how many steps it took.

    depth: FIFO slots per channel, 0 for the program's own.
    """
    run = Interpreter(program, task, depth or lib.rt_program_depth(program), in_place, seed)
    run.run()
    return run.steps
