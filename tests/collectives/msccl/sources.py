"""Small algorithm files, and where the published ones are."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "msccl-xml"
FILES = sorted(FOLDER.glob("*.xml"))

STEP = 'srcbuf="{}" srcoff="{}" dstbuf="{}" dstoff="{}" cnt="1"'


def step(
    number: int, kind: str, source: str = "i0", target: str = "o0", depends: str = "-1 -1", hasdep: int = 0
) -> str:
    """`i3` is chunk 3 of the input; `1 2` waits for step 2 of tb 1."""
    places = STEP.format(source[0], source[1:], target[0], target[1:])
    block, its = depends.split()
    return f'<step s="{number}" type="{kind}" {places} depid="{block}" deps="{its}" hasdep="{hasdep}"/>'


def block(number: int, send: int, receive: int, *steps: str, channel: int = 0) -> str:
    return f'<tb id="{number}" send="{send}" recv="{receive}" chan="{channel}">{"".join(steps)}</tb>'


def gpu(number: int, chunks: tuple[int, int, int], *blocks: str) -> str:
    i, o, s = chunks
    return f'<gpu id="{number}" i_chunks="{i}" o_chunks="{o}" s_chunks="{s}">{"".join(blocks)}</gpu>'


def algo(collective: str, chunks: int, *gpus: str, more: str = 'inplace="0" outofplace="1"') -> str:
    """A file; each gpu on a line of its own, the first on line 2."""
    head = f'<algo name="x" proto="Simple" nchannels="1" nchunksperloop="{chunks}" ngpus="{len(gpus)}"'
    return "\n".join([f'{head} coll="{collective}" {more}>', *gpus, "</algo>"])


def broadcast(*, more: str = 'inplace="0" outofplace="1"') -> str:
    """Rank 0 to rank 1, one chunk."""
    return algo(
        "broadcast",
        1,
        gpu(0, (1, 1, 0), block(0, 1, -1, step(0, "s"), step(1, "cpy"))),
        gpu(1, (0, 1, 0), block(0, -1, 0, step(0, "r"))),
        more=more,
    )
