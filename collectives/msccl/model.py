"""What an MSCCL algorithm file says, as values.

    Algorithm ─ Gpu ─ Block (thread block: a lane) ─ Step          offsets and counts in chunks of the whole vector

A connection is (src gpu, dst gpu, channel): a FIFO. A block sends to at most one gpu and receives from at most one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from _ringtree.native import lib

INPUT, OUTPUT, SCRATCH = "i", "o", "s"
BUFFERS = (INPUT, OUTPUT, SCRATCH)
PROTOCOLS = ("Simple", "LL", "LL128")
UNLIMITED = 2**63 - 1

COLLECTIVES = {
    "allreduce": "all_reduce",
    "allgather": "all_gather",
    "reducescatter": "reduce_scatter",
    "alltoall": "all_to_all",
    "broadcast": "broadcast",
    "reduce": "reduce",
    "gather": "gather",
    "scatter": "scatter",
}
ROOTED = ("broadcast", "reduce", "gather", "scatter")
# Their vector is made of a part for each rank.
IN_PARTS = ("all_gather", "reduce_scatter", "all_to_all", "gather", "scatter")


class Operation(NamedTuple):
    """A type of step: the core's opcode, and what it does."""

    opcode: int
    reads: bool = False  # its source
    writes: bool = False  # its target
    receives: bool = False
    sends: bool = False
    combines: bool = False


OPERATIONS = {
    "nop": Operation(lib.RT_NOP),
    "s": Operation(lib.RT_SEND, reads=True, sends=True),
    "r": Operation(lib.RT_RECV, writes=True, receives=True),
    "cpy": Operation(lib.RT_COPY, reads=True, writes=True),
    "re": Operation(lib.RT_REDUCE_LOCAL, reads=True, writes=True, combines=True),
    "rcs": Operation(lib.RT_RECV_SEND, writes=True, receives=True, sends=True),
    "rrc": Operation(lib.RT_RECV_REDUCE, reads=True, writes=True, receives=True, combines=True),
    "rrs": Operation(lib.RT_RECV_REDUCE_SEND, reads=True, receives=True, sends=True, combines=True),
    "rrcs": Operation(lib.RT_RECV_REDUCE_STORE_SEND, reads=True, writes=True, receives=True, sends=True, combines=True),
}
TYPE_OF = {operation.opcode: name for name, operation in OPERATIONS.items()}


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a block. `depends` is (block, step) of the same gpu; `line` of the file, 0 where there is none."""

    type: str
    source: tuple[str, int] = (INPUT, -1)
    target: tuple[str, int] = (OUTPUT, -1)
    count: int = 0
    depends: tuple[int, int] | None = None
    line: int = 0

    @property
    def operation(self) -> Operation:
        return OPERATIONS[self.type]


@dataclass(frozen=True)
class Block:
    """A thread block: the gpus that it sends to and receives from (-1: none), and its channel."""

    send: int
    receive: int
    channel: int
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Gpu:
    """A rank: how many chunks of each buffer its steps may use, and its blocks."""

    chunks: dict[str, int]
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Algorithm:
    """A whole file. `kind` is the collective by our name, `chunks` how many the whole vector has (nchunksperloop).

    least_bytes and most_bytes: the sizes that a scheduler takes it for. depth: FIFO slots, root: where the file says
    (a file of ours does; MSCCL's runtimes do not ask). label: what messages call it.
    """

    label: str
    name: str
    protocol: str
    kind: str
    chunks: int
    in_place: bool
    out_of_place: bool
    gpus: tuple[Gpu, ...]
    least_bytes: int = 0
    most_bytes: int = UNLIMITED
    depth: int | None = None
    root: int | None = None

    @property
    def ranks(self) -> int:
        return len(self.gpus)

    @property
    def channels(self) -> int:
        return 1 + max((block.channel for gpu in self.gpus for block in gpu.blocks), default=-1)

    def steps(self) -> Iterator[tuple[int, int, int, Step]]:
        """(gpu, block, number, step) of every step."""
        for rank, gpu in enumerate(self.gpus):
            for block, its in enumerate(gpu.blocks):
                for number, step in enumerate(its.steps):
                    yield rank, block, number, step

    def where(self, rank: int, block: int, step: int) -> str:
        """A step in words for messages, with its line where there is one."""
        found = self.gpus[rank].blocks[block].steps
        line = found[step].line if step < len(found) else 0
        return f"{self.label}{f':{line}' if line else ''}: gpu {rank}, tb {block}, step {step}"
