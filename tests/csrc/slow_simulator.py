"""An independent truth about time: a slow simulator in exact arithmetic, written from the words of the contract.

Nothing is known before its time: at each moment whatever can end ends and whatever can begin begins, then one of the
messages that ask for a link at that moment gets it, the first by job, rank, lane and step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from schedules import GIVES, TAKES, Lanes, Step


@dataclass(frozen=True)
class Link:
    """Bytes per us, us, us; a limit has no latency and is no link."""

    rate: Fraction
    latency: Fraction = Fraction(0)
    cost: Fraction = Fraction(0)
    limit: bool = False


@dataclass
class Work:
    """A job: who runs what where, and from when on."""

    channels: Sequence[tuple[int, int]]
    lanes: Lanes
    depth: int
    routes: Mapping[tuple[int, int], Sequence[int]]  # (rank, rank) -> elements
    element_bytes: int = 1
    start: Mapping[int, Fraction] = field(default_factory=dict)


@dataclass
class Message:
    key: tuple[int, int, int, int]  # job, rank, lane, step
    channel: tuple[int, int]  # job, channel
    size: Fraction
    path: Sequence[int]
    head: Fraction
    tail: Fraction
    hop: int = 0
    left: Fraction | None = None  # when its tail had left the sender

    def arrived(self, now: Fraction) -> bool:
        return self.hop == len(self.path) and self.tail <= now


@dataclass
class Walker:
    """A lane, and what its present step has done so far."""

    step: int = 0
    began: Fraction | None = None
    received: bool = False
    message: Message | None = None
    ends: list[Fraction] = field(default_factory=list)


class SlowSimulator:
    """Runs jobs once; `records` are (job, rank, lane, element, step, bytes, start, finish)."""

    def __init__(
        self, links: Sequence[Link], jobs: Sequence[Work], events: Sequence[tuple[Fraction, int, Fraction]] = ()
    ) -> None:
        self.links, self.jobs, self.events = links, jobs, events
        self.free = [Fraction(0)] * len(links)
        self.walkers = {(j, *lane): Walker() for j, job in enumerate(jobs) for lane in sorted(job.lanes)}
        self.slots: dict[tuple[int, int], list[Message]] = {
            (j, c): [] for j, job in enumerate(jobs) for c in range(len(job.channels))
        }
        self.asking: list[Message] = []
        self.records: list[tuple[int, int, int, int, int, Fraction, Fraction, Fraction]] = []
        self.now = Fraction(0)

    def run(self) -> None:
        while True:
            while any(self.advance(key) for key in self.walkers):
                pass
            due = [m for m in self.asking if m.head <= self.now]
            if due:
                self.reserve(min(due, key=lambda m: m.key))
            else:
                later = [t for t in self.moments() if t > self.now]
                if not later:
                    return
                self.now = min(later)

    def finish(self, job: int, rank: int) -> Fraction:
        """When the rank's last lane ended; every lane must have."""
        ends = [self.jobs[job].start.get(rank, Fraction(0))]
        for (j, r, lane), walker in self.walkers.items():
            if (j, r) == (job, rank):
                assert walker.step == len(self.jobs[job].lanes[rank, lane]), "a lane never ended"
                ends += walker.ends[-1:]
        return max(ends)

    def moments(self) -> list[Fraction]:
        times = [t for job in self.jobs for t in job.start.values()] + [m.head for m in self.asking]
        messages = [m for chunks in self.slots.values() for m in chunks]
        messages += [w.message for w in self.walkers.values() if w.message]
        for message in messages:
            times.append(message.tail)
            if message.left is not None:
                times.append(message.left)
        return times

    def advance(self, key: tuple[int, int, int]) -> bool:
        """Let the lane do what it can now; whether it did anything."""
        j, rank, lane = key
        job, walker = self.jobs[j], self.walkers[key]
        steps = job.lanes[rank, lane]
        if walker.step == len(steps) or self.now < job.start.get(rank, Fraction(0)):
            return False
        step = steps[walker.step]
        if not self.may_begin(j, rank, step):
            return False
        if step.opcode in TAKES and not walker.received:
            chunks = self.slots[j, step.receives]
            if not chunks or not chunks[0].arrived(self.now):
                return False
            walker.received = True
        if step.opcode in GIVES:
            if walker.message is None and len(self.slots[j, step.sends]) < job.depth:
                self.send(key, step)
                return True
            if walker.message is None or walker.message.left is None or walker.message.left > self.now:
                return False
        if step.opcode in TAKES:
            self.slots[j, step.receives].pop(0)
        walker.ends.append(self.now)
        walker.step, walker.received, walker.message = walker.step + 1, False, None
        return True

    def may_begin(self, j: int, rank: int, step: Step) -> bool:
        return all(
            self.walkers[j, rank, lane].step > needed
            for first, lanes, needed in step.deps
            for lane in range(first, first + lanes)
        )

    def send(self, key: tuple[int, int, int], step: Step) -> None:
        job, walker = self.jobs[key[0]], self.walkers[key]
        path = job.routes[job.channels[step.sends]]
        size = Fraction(step.count * job.element_bytes)
        message = Message((*key, walker.step), (key[0], step.sends), size, path, self.now, self.now)
        walker.message = message
        self.slots[key[0], step.sends].append(message)
        if path:
            self.asking.append(message)
        else:
            message.left = self.now

    def rate(self, element: int, start: Fraction) -> Fraction:
        factor = Fraction(1)
        for _, _, value in sorted((e for e in self.events if e[1] == element and e[0] <= start), key=lambda e: e[0]):
            factor = value
        return self.links[element].rate * factor

    def reserve(self, message: Message) -> None:
        element = message.path[message.hop]
        link = self.links[element]
        start = max(message.head, self.free[element])
        before = message.tail
        self.free[element] = start + link.cost + message.size / self.rate(element, start)
        message.head = start + link.cost + link.latency
        message.tail = max(self.free[element], message.tail) + link.latency
        if message.left is None and not link.limit:
            message.left = max(self.free[element], before)
        self.records.append((*message.key[:3], element, message.key[3], message.size, start, message.tail))
        message.hop += 1
        if message.hop == len(message.path):
            self.asking.remove(message)
