"""Which thread blocks a program's lanes become, and which channel numbers its channels get.

MSCCL numbers connections (src gpu, dst gpu, channel number), and a block's receives and sends have one number. So the
channels that blocks join form classes: one number for each class, and no two channels of one number between the same
gpus. A lane with one peer each way is a block; one with several is split by its peers.
"""

from __future__ import annotations

from collections.abc import Sequence

from _ringtree.errors import UnsupportedError
from _ringtree.stored import Step

Lane = Sequence[Step]


class Classes:
    """Channels that must have one number, by union-find; `ends` are the ranks that each channel joins."""

    def __init__(self, ends: Sequence[tuple[int, int]]) -> None:
        self.parent = list(range(len(ends)))
        self.pairs = [{pair: channel} for channel, pair in enumerate(ends)]

    def find(self, channel: int) -> int:
        while self.parent[channel] != channel:
            self.parent[channel] = channel = self.parent[self.parent[channel]]
        return channel

    def join(self, a: int, b: int) -> bool:
        """False where the class would have two channels between the same ranks."""
        a, b = self.find(a), self.find(b)
        if len(self.pairs[a]) < len(self.pairs[b]):
            a, b = b, a
        if a == b:
            return True
        if any(pair in self.pairs[a] for pair in self.pairs[b]):
            return False
        self.pairs[a].update(self.pairs[b])
        self.parent[b] = a
        return True

    def numbers(self) -> list[int]:
        """A number for each channel: to each class the smallest that none of its pairs of ranks has yet."""
        taken: dict[tuple[int, int], set[int]] = {}
        numbers: dict[int, int] = {}
        for channel in range(len(self.parent)):
            of = self.find(channel)
            if of in numbers:
                continue
            used = set().union(*(taken.get(pair, ()) for pair in self.pairs[of]))
            numbers[of] = next(number for number in range(len(used) + 1) if number not in used)
            for pair in self.pairs[of]:
                taken.setdefault(pair, set()).add(numbers[of])
        return [numbers[self.find(channel)] for channel in range(len(self.parent))]


class Peers:
    """Of one rank: which of its lanes' steps go into one block. `partner` joins a receiving end to a sending one."""

    def __init__(self, rank: int, lanes: Sequence[Lane]) -> None:
        self.rank, self.lanes = rank, lanes
        self.partner: dict[tuple[str, int], int] = {}
        owner: dict[tuple[str, int], int] = {}
        for number, lane in enumerate(lanes):
            for step in lane:
                for end in self.ends(step):
                    if owner.setdefault(end, number) != number:
                        found = f"lanes {owner[end]} and {number} both use channel {end[1]}"
                        raise UnsupportedError(f"msccl: rank {rank}: found that {found}; expected one thread block")

    @staticmethod
    def ends(step: Step) -> list[tuple[str, int]]:
        """The ends of channels that a step uses."""
        ends = [("receive", step.receives)] if step.receives >= 0 else []
        return [*ends, ("send", step.sends)] if step.sends >= 0 else ends

    def join_fused(self, classes: Classes) -> None:
        """Steps that receive and send need both ends in one block."""
        for number, lane in enumerate(self.lanes):
            for at, step in enumerate(lane):
                if step.receives >= 0 and step.sends >= 0 and not self._join(classes, step.receives, step.sends):
                    found = "a step that receives and sends, and another peer or number of the same channel"
                    where = f"msccl: rank {self.rank}, lane {number}, step {at}"
                    raise UnsupportedError(f"{where}: found {found}; expected one peer each way")

    def join_lanes(self, classes: Classes) -> None:
        """A lane that receives from one rank and sends to one is one block, where the numbers allow it."""
        for lane in self.lanes:
            ends = {end for step in lane for end in self.ends(step)}
            receives = [channel for way, channel in ends if way == "receive"]
            sends = [channel for way, channel in ends if way == "send"]
            if len(receives) == len(sends) == 1:
                self._join(classes, receives[0], sends[0])

    def _join(self, classes: Classes, receives: int, sends: int) -> bool:
        ends = ("receive", receives), ("send", sends)
        partners = self.partner.get(ends[0], sends), self.partner.get(ends[1], receives)
        if partners != (sends, receives) or not classes.join(receives, sends):
            return False
        self.partner[ends[0]], self.partner[ends[1]] = sends, receives
        return True

    def blocks(self) -> list[list[tuple[int, int]]]:
        """The (lane, step) of each block, by lane, then by first step. Local steps go with the step before."""
        found: list[list[tuple[int, int]]] = []
        for number, lane in enumerate(self.lanes):
            of: dict[tuple[str, int], list[tuple[int, int]]] = {}
            here: list[tuple[int, int]] = []
            for at, step in enumerate(lane):
                for end in self.ends(step)[:1]:
                    here = of.get(end) or ([] if of else here)
                    for way, channel in (end, self._other(end)):
                        of[way, channel] = here
                if not here:
                    found.append(here)
                here.append((number, at))
        return found

    def _other(self, end: tuple[str, int]) -> tuple[str, int]:
        return ("send" if end[0] == "receive" else "receive"), self.partner.get(end, -1)
