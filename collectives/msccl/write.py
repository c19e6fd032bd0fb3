"""An Algorithm as the XML text that MSCCL's runtimes read: their parsers want just this spacing.

Two attributes of <algo> are ours: `depth`, the FIFO slots that the program was made for, and `root`. Runtimes skip
what they do not know.
"""

from __future__ import annotations

from collections.abc import Iterator
from xml.sax.saxutils import quoteattr

from .model import BUFFERS, COLLECTIVES, ROOTED, UNLIMITED, Algorithm, Block, Gpu, Step

NAMES = {ours: theirs for theirs, ours in COLLECTIVES.items()}


def text_of(algorithm: Algorithm) -> str:
    """The whole file."""
    return "".join(f"{line}\n" for line in _lines(algorithm))


def _lines(algorithm: Algorithm) -> Iterator[str]:
    bounded = algorithm.most_bytes < UNLIMITED
    known: dict[str, str | int] = {
        "name": algorithm.name,
        "proto": algorithm.protocol,
        "nchannels": algorithm.channels,
        "nchunksperloop": algorithm.chunks,
        "ngpus": algorithm.ranks,
        "coll": NAMES[algorithm.kind],
        "inplace": int(algorithm.in_place),
        "outofplace": int(algorithm.out_of_place),
        "minBytes": algorithm.least_bytes,
        "maxBytes": algorithm.most_bytes if bounded else 0,
    }
    if algorithm.depth is not None:
        known["depth"] = algorithm.depth
    if algorithm.root is not None and algorithm.kind in ROOTED:
        known["root"] = algorithm.root
    yield f"<algo {_attributes(known)}>"
    for rank, gpu in enumerate(algorithm.gpus):
        yield from _gpu(rank, gpu)
    yield "</algo>"


def _attributes(values: dict[str, str | int]) -> str:
    return " ".join(f"{key}={quoteattr(str(value))}" for key, value in values.items())


def _gpu(rank: int, gpu: Gpu) -> Iterator[str]:
    chunks = " ".join(f'{buffer}_chunks="{gpu.chunks[buffer]}"' for buffer in BUFFERS)
    awaited = {step.depends for block in gpu.blocks for step in block.steps}
    yield f'  <gpu id="{rank}" {chunks}>'
    for number, block in enumerate(gpu.blocks):
        yield from _block(number, block, awaited)
    yield "  </gpu>"


def _block(number: int, block: Block, awaited: set[tuple[int, int] | None]) -> Iterator[str]:
    yield f'    <tb id="{number}" send="{block.send}" recv="{block.receive}" chan="{block.channel}">'
    for at, step in enumerate(block.steps):
        yield _step(at, step, (number, at) in awaited)
    yield "    </tb>"


def _step(at: int, step: Step, awaited: bool) -> str:
    other, its = step.depends or (-1, -1)
    return (
        f'      <step s="{at}" type="{step.type}" srcbuf="{step.source[0]}" srcoff="{step.source[1]}"'
        f' dstbuf="{step.target[0]}" dstoff="{step.target[1]}" cnt="{step.count}"'
        f' depid="{other}" deps="{its}" hasdep="{int(awaited)}"/>'
    )
