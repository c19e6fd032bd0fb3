"""What RCCL's and MSCCL's runtimes accept of an algorithm file (msccl_struct.h, msccl_parser.cc; NCCL's channels).

Their newest kernels know fewer types of steps still; which ones, their build decides, and no file can tell.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from .model import Algorithm, Block

MOST_STEPS = 64  # of a thread block
MOST_BLOCKS = 64  # thread blocks of a gpu
MOST_BLOCKS_OF_CHANNEL = 32  # of a gpu, that send on one channel, or receive
MOST_CHANNELS = 32
MOST_COUNT = 71  # chunks of a step
MOST_OFFSET = 2**15 - 1  # 16 bits
MOST_ELEMENTS = 4095  # of XML that a rank reads: <algo>, each <gpu>, its own <tb> and <step>
MOST_NAME = 255


def beyond(algorithm: Algorithm) -> Iterator[str]:
    """What of the algorithm the runtimes would refuse, and the figure found."""
    if algorithm.channels > MOST_CHANNELS:
        yield f"found {algorithm.channels} channels; MSCCL's runtimes take {MOST_CHANNELS}"
    if len(algorithm.name) > MOST_NAME:
        yield f"found a name of {len(algorithm.name)} characters; MSCCL's runtimes take {MOST_NAME}"
    for rank, gpu in enumerate(algorithm.gpus):
        elements = 1 + algorithm.ranks + len(gpu.blocks) + sum(len(block.steps) for block in gpu.blocks)
        if len(gpu.blocks) > MOST_BLOCKS:
            yield f"gpu {rank}: found {len(gpu.blocks)} thread blocks; MSCCL's runtimes take {MOST_BLOCKS}"
        if elements > MOST_ELEMENTS:
            yield f"gpu {rank}: found {elements} XML elements to read; RCCL takes {MOST_ELEMENTS}"
        for number, block in enumerate(gpu.blocks):
            yield from (f"gpu {rank}, tb {number}: {what}" for what in _of_block(block))
        yield from (f"gpu {rank}: {what}" for what in _of_channels(gpu.blocks))


def _of_block(block: Block) -> Iterator[str]:
    if len(block.steps) > MOST_STEPS:
        yield f"found {len(block.steps)} steps; MSCCL's runtimes take {MOST_STEPS}"
    for number, step in enumerate(block.steps):
        furthest = max(step.source[1], step.target[1])
        if step.type != "nop" and not 1 <= step.count <= MOST_COUNT:
            yield f"step {number}: found {step.count} chunks; MSCCL's runtimes take 1 to {MOST_COUNT}"
        if furthest > MOST_OFFSET:
            yield f"step {number}: found chunk {furthest}; MSCCL's runtimes take chunks up to {MOST_OFFSET}"


def _of_channels(blocks: tuple[Block, ...]) -> Iterator[str]:
    for verb, ends in (
        ("send to", [(block.send, block.channel) for block in blocks]),
        ("receive from", [(block.receive, block.channel) for block in blocks]),
    ):
        uses = Counter((peer, channel) for peer, channel in ends if peer >= 0)
        for (peer, channel), many in uses.items():
            if many > 1:
                yield f"found {many} thread blocks that {verb} gpu {peer} on channel {channel}; expected one"
        for channel, many in Counter(channel for _, channel in uses).items():
            if many > MOST_BLOCKS_OF_CHANNEL:
                most = f"MSCCL's runtimes take {MOST_BLOCKS_OF_CHANNEL}"
                yield f"found {many} thread blocks that {verb} others on channel {channel}; {most}"
