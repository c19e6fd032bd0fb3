"""Any program as an MSCCL algorithm: lanes become thread blocks, elements become chunks, dependencies flags.

The chunk is the largest that every offset and count is a multiple of. A step waits for one flag; what else it depends
on is carried by `nop` steps right before it, which take no time. What a block has waited for already, or done before,
it need not wait for again, so most dependencies of a pipeline vanish.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import gcd

from _ringtree.core import Program
from _ringtree.errors import UnsupportedError
from _ringtree.native import lib
from _ringtree.stored import Step as CoreStep
from _ringtree.stored import steps_of

from .fuse import fused
from .limits import MOST_COUNT, MOST_STEPS
from .model import (
    BUFFERS,
    COLLECTIVES,
    IN_PARTS,
    INPUT,
    OPERATIONS,
    OUTPUT,
    ROOTED,
    SCRATCH,
    TYPE_OF,
    Algorithm,
    Block,
    Gpu,
    Step,
)
from .peers import Classes, Lane, Peers

Place = tuple[int, int]
"""A lane and a step of it, or a block and an item of it."""

_NAMES = {lib.RT_INPUT: INPUT, lib.RT_OUTPUT: OUTPUT, lib.RT_SCRATCH: SCRATCH}


@dataclass
class _Item:
    """A step to be, and the items that it waits for: at first the (lane, step) of the program."""

    step: Step
    waits: list[Place]


def to_algorithm(program: Program, name: str, protocol: str, *, limits: bool, fuse: bool) -> Algorithm:
    """The algorithm. limits: steps of more chunks than MSCCL takes become several. Raises UnsupportedError."""
    collective = program.collective
    if collective.kind not in COLLECTIVES.values() or collective.counts is not None:
        what = collective.kind if collective.counts is None else f"{collective.kind} of unequal parts"
        raise UnsupportedError(f"msccl: found {what}; expected one of {', '.join(COLLECTIVES.values())}")
    lanes: list[Sequence[Lane]] = [
        [_lane(program, rank, lane, limits) for lane in range(program.lanes(rank))] for rank in range(collective.ranks)
    ]
    ends = program.channel_ends()
    classes = Classes(ends)
    if fuse:
        lanes = [fused(its, classes) for its in lanes]
    peers = [Peers(rank, its) for rank, its in enumerate(lanes)]
    for join in (Peers.join_fused, Peers.join_lanes):
        for its in peers:
            join(its, classes)
    unit, numbers = chunk_of(program, lanes), classes.numbers()
    gpus = [_Gpu(its, unit, MOST_COUNT if limits else None).blocks(ends, numbers) for its in peers]
    return Algorithm(
        label=name,
        name=name,
        protocol=protocol,
        kind=collective.kind,
        chunks=collective.count // unit,
        in_place=collective.kind != "all_to_all",
        out_of_place=True,
        gpus=tuple(Gpu(_chunks(program, rank, unit), tuple(blocks)) for rank, blocks in enumerate(gpus)),
        depth=program.depth,
        root=collective.root if collective.kind in ROOTED else None,
    )


def _lane(program: Program, rank: int, lane: int, limits: bool) -> Lane:
    """A lane's steps. With limits it ends in an error where a block of it would have too many, however many more."""
    found: list[CoreStep] = []
    uses: Counter[tuple[str, int]] = Counter()
    for step in steps_of(program, rank, lane):
        found.append(step)
        uses.update(Peers.ends(step))
        if limits and any(uses[end] > MOST_STEPS for end in Peers.ends(step)):
            where = f"msccl: rank {rank}, lane {lane}"
            raise UnsupportedError(f"{where}: found more steps with one peer than the {MOST_STEPS} of a thread block")
    return found


def chunk_of(program: Program, lanes: Sequence[Sequence[Lane]]) -> int:
    """Elements of the largest chunk that everything is a multiple of."""
    collective = program.collective
    parts = collective.ranks if collective.kind in IN_PARTS else 1
    if collective.count == 0 or collective.count % parts:
        found = f"found {collective.count} elements"
        raise UnsupportedError(f"msccl: {found}; expected some for each of {parts} equal parts")
    unit = collective.count // parts
    for step in (step for its in lanes for lane in its for step in lane):
        operation = OPERATIONS[TYPE_OF[step.opcode]]
        reads, writes = operation.reads and step.count > 0, operation.writes and step.count > 0
        unit = gcd(unit, step.count, step.source[1] if reads else 0, step.target[1] if writes else 0)
    return unit


def _chunks(program: Program, rank: int, unit: int) -> dict[str, int]:
    sizes = (*program.collective.extents(rank), program.scratch(rank))
    return {buffer: -(-size // unit) for buffer, size in zip(BUFFERS, sizes, strict=True)}


class _Gpu:
    """One rank: its steps as items of blocks, then dependencies between items, then numbers with the nops counted."""

    def __init__(self, peers: Peers, unit: int, most_count: int | None) -> None:
        self.lanes, self.unit, self.most_count = peers.lanes, unit, most_count
        self.places = peers.blocks()
        block_of = {place: number for number, places in enumerate(self.places) for place in places}
        self.items: list[list[_Item]] = [[] for _ in self.places]
        self.last: dict[Place, Place] = {}  # of a step that moves something, its last item
        for number, lane in enumerate(self.lanes):
            self._add_lane(number, lane, block_of)
        self.targets = [list(self._needed(block, its)) for block, its in enumerate(self.items)]

    def _add_lane(self, number: int, lane: Lane, block_of: dict[Place, int]) -> None:
        waits: list[Place] = []
        before: Place | None = None
        for at, step in enumerate(lane):
            waits += [(dep[0] + i, dep[2]) for dep in step.dependencies for i in range(dep[1])]
            if step.opcode == lib.RT_NOP:
                continue
            block = block_of[number, at]
            if before and block_of[before] != block:
                waits.append(before)
            for piece in self._pieces(step):
                self.items[block].append(_Item(piece, waits))
                waits = []
            before = number, at
            self.last[before] = block, len(self.items[block]) - 1

    def _pieces(self, step: CoreStep) -> Iterator[Step]:
        name, count = TYPE_OF[step.opcode], step.count // self.unit
        operation, most = OPERATIONS[name], self.most_count or max(1, count)
        if count > most * MOST_STEPS:
            found = f"found a step of {count} chunks of {self.unit} elements"
            raise UnsupportedError(f"msccl: {found}; a thread block takes {MOST_STEPS} steps of {most} chunks")
        for begin in range(0, max(1, count), most):
            source = (_NAMES[step.source[0]], step.source[1] // self.unit + begin) if operation.reads else (INPUT, -1)
            target = (_NAMES[step.target[0]], step.target[1] // self.unit + begin) if operation.writes else (OUTPUT, -1)
            yield Step(name, source, target, min(most, count - begin))

    def _stands_for(self, awaited: list[Place]) -> Iterator[Place]:
        """Items to wait for instead of steps: for a nop, what it depends on and the step before it."""
        seen, left = set(), list(awaited)
        while left:
            lane, at = place = left.pop()
            if place in seen:
                continue
            seen.add(place)
            if place in self.last:
                yield self.last[place]
            elif at < len(self.lanes[lane]):
                step = self.lanes[lane][at]
                left += [(dep[0] + i, dep[2]) for dep in step.dependencies for i in range(dep[1])]
                left += [(lane, at - 1)] if at else []
            else:
                raise UnsupportedError(f"msccl: lane {lane}: found a dependency on step {at}; expected one that is")

    def _needed(self, block: int, items: list[_Item]) -> Iterator[list[Place]]:
        """Of each item of a block, the (block, item) that it must wait for and has not waited for before."""
        waited: dict[int, int] = {}
        for number, item in enumerate(items):
            latest: dict[int, int] = {}
            for other, at in self._stands_for(item.waits):
                before = number - 1 if other == block else waited.get(other, -1)
                if at > max(before, latest.get(other, -1)):
                    latest[other] = at
            waited.update(latest)
            yield sorted(latest.items())

    def blocks(self, ends: Sequence[tuple[int, int]], channel_numbers: Sequence[int]) -> list[Block]:
        """The thread blocks. A step has its nops before it, so its number is theirs and the others' before."""
        numbers = []
        for targets in self.targets:
            so_far, its = -1, []
            for needed in targets:
                so_far += max(1, len(needed))
                its.append(so_far)
            numbers.append(its)
        found = []
        for block, items in enumerate(self.items):
            steps: list[Step] = []
            for item, needed in zip(items, self.targets[block], strict=True):
                flags = [(other, numbers[other][at]) for other, at in needed]
                steps += [Step("nop", depends=flag) for flag in flags[:-1]]
                steps.append(replace(item.step, depends=flags[-1]) if flags else item.step)
            found.append(self._block(block, ends, channel_numbers, steps))
        return found

    def _block(
        self, block: int, ends: Sequence[tuple[int, int]], channel_numbers: Sequence[int], steps: list[Step]
    ) -> Block:
        channels = {
            way: channel for lane, at in self.places[block] for way, channel in Peers.ends(self.lanes[lane][at])
        }
        send = ends[channels["send"]][1] if "send" in channels else -1
        receive = ends[channels["receive"]][0] if "receive" in channels else -1
        return Block(send, receive, max((channel_numbers[c] for c in channels.values()), default=0), tuple(steps))
