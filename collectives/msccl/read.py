"""MSCCL algorithm XML into an Algorithm: <step> of the usual form, <op> of msccl-tools' newer one.

    <algo name proto nchannels nchunksperloop ngpus coll inplace outofplace minBytes maxBytes>
      <gpu id i_chunks o_chunks s_chunks>
        <tb id send recv chan>
          <step s type srcbuf srcoff dstbuf dstoff cnt depid deps hasdep/>
          <op step type buf off cnt depid deps hasdep/>

What is checked here is what a step can be by itself; whether the whole is right is the verifier's to say. Attributes
that nobody knows are skipped, as MSCCL's runtimes do; elements are not.
"""

from __future__ import annotations

import re
from typing import NoReturn

from _ringtree.errors import InputError, TopologyError, UnsupportedError
from topology.xmlread import Element, read
from topology.yamlread import shorten

from .model import (
    BUFFERS,
    COLLECTIVES,
    INPUT,
    OPERATIONS,
    OUTPUT,
    PROTOCOLS,
    UNLIMITED,
    Algorithm,
    Block,
    Gpu,
    Step,
)

MOST_RANKS = 4096
MOST_BLOCKS = 2**14  # of all gpus: the verifier keeps a number for each two of them
MOST = 2**31 - 1
_WHOLE = re.compile(r"-?[0-9]{1,19}", re.ASCII)


def read_algorithm(text: str, label: str) -> Algorithm:
    """The algorithm in the text. Raises InputError: file, line, what was found and what was expected."""
    try:
        root = read(text, label)
    except TopologyError as problem:
        raise InputError(str(problem)) from None
    return _Reader(label).algorithm(root)


class _Reader:
    def __init__(self, label: str) -> None:
        self.label = label

    def fail(self, element: Element, message: str) -> NoReturn:
        raise InputError(f"{self.label}:{element.line}: {message}")

    def text(self, element: Element, name: str, default: str | None = None) -> str:
        value = element.attributes.get(name, default)
        if value is None:
            self.fail(element, f"<{shorten(element.tag)}>: found no {name}; expected one")
        return value

    def whole(self, element: Element, name: str, least: int, most: int, default: int | None = None) -> int:
        text = self.text(element, name, None if default is None else str(default))
        if not _WHOLE.fullmatch(text) or not least <= int(text) <= most:
            what = f"a whole number from {least} to {most}" if least < most else str(least)
            self.fail(element, f"<{shorten(element.tag)}>: {name}: found {shorten(text)!r}; expected {what}")
        return int(text)

    def choice(self, element: Element, name: str, among: tuple[str, ...]) -> str:
        text = self.text(element, name)
        if text not in among:
            self.fail(element, f"{name}: found {shorten(text)!r}; expected one of {', '.join(among)}")
        return text

    def algorithm(self, root: Element) -> Algorithm:
        if root.tag != "algo":
            self.fail(root, f"found <{shorten(root.tag)}>; expected <algo>, an MSCCL algorithm")
        ranks = self.whole(root, "ngpus", 1, MOST_RANKS)
        in_place = bool(self.whole(root, "inplace", 0, 1))
        blocks = sum(len(gpu.children) for gpu in root.children)
        if blocks > MOST_BLOCKS:
            self.fail(root, f"found {blocks} thread blocks; expected at most {MOST_BLOCKS}")
        gpus = self.gpus(root, ranks)
        held = max((max(gpu.chunks[INPUT], gpu.chunks[OUTPUT]) for gpu in gpus), default=1)
        out_of_place = bool(self.whole(root, "outofplace", 0, 1, int(not in_place)))
        if not in_place and not out_of_place:
            self.fail(root, "found inplace and outofplace 0; expected one of them 1")
        most = self.whole(root, "maxBytes", 0, UNLIMITED, UNLIMITED)
        return Algorithm(
            label=self.label,
            name=self.text(root, "name", ""),
            protocol=self.choice(root, "proto", PROTOCOLS),
            kind=self.kind(root),
            chunks=self.whole(root, "nchunksperloop", 1, MOST, max(1, held)),
            in_place=in_place,
            out_of_place=out_of_place,
            gpus=gpus,
            least_bytes=self.whole(root, "minBytes", 0, UNLIMITED, 0),
            most_bytes=most or UNLIMITED,
            depth=self.whole(root, "depth", 1, 8) if "depth" in root.attributes else None,
            root=self.whole(root, "root", 0, ranks - 1) if "root" in root.attributes else None,
        )

    def kind(self, root: Element) -> str:
        name = self.text(root, "coll")
        if name not in COLLECTIVES:
            expected = ", ".join(COLLECTIVES)
            found = f"found {shorten(name)!r}; expected one of {expected}"
            raise UnsupportedError(f"{self.label}:{root.line}: coll: {found}")
        return COLLECTIVES[name]

    def in_order(self, parent: Element, tags: tuple[str, ...], number: str) -> list[Element]:
        """The children, which are numbered from 0 on, in the order of their numbers."""
        found: dict[int, Element] = {}
        for child in parent.children:
            if child.tag not in tags:
                self.fail(child, f"found <{shorten(child.tag)}> in <{parent.tag}>; expected <{'> or <'.join(tags)}>")
            name = "step" if child.tag == "op" else number
            at = self.whole(child, name, 0, MOST)
            if at in found:
                self.fail(child, f"<{child.tag}>: found {name} {at} again; expected each once")
            found[at] = child
        for place, at in enumerate(sorted(found)):
            if at != place:
                self.fail(found[at], f"<{found[at].tag}>: found number {at}; expected {place}, numbers without gaps")
        return [found[at] for at in sorted(found)]

    def gpus(self, root: Element, ranks: int) -> tuple[Gpu, ...]:
        elements = self.in_order(root, ("gpu",), "id")
        if len(elements) != ranks:
            self.fail(root, f"found {len(elements)} <gpu>; expected {ranks}, as ngpus says")
        return tuple(self.gpu(element, rank, ranks) for rank, element in enumerate(elements))

    def gpu(self, element: Element, rank: int, ranks: int) -> Gpu:
        chunks = {buffer: self.whole(element, f"{buffer}_chunks", 0, MOST) for buffer in BUFFERS}
        blocks, flagged = [], []
        for number, block in enumerate(self.in_order(element, ("tb",), "id")):
            send, receive = (self.whole(block, name, -1, ranks - 1) for name in ("send", "recv"))
            where = f"gpu {rank}, tb {number}"
            if rank in (send, receive):
                self.fail(block, f"{where}: found itself as a peer; expected another gpu, or -1")
            steps = self.in_order(block, ("step", "op"), "s")
            read = [self.step(step, f"{where}, step {at}", chunks, send, receive) for at, step in enumerate(steps)]
            blocks.append(Block(send, receive, max(0, self.whole(block, "chan", -1, MOST)), tuple(read)))
            flagged.append(max((at for at, step in enumerate(steps) if step.get("hasdep") == "1"), default=-1))
        self.check_dependencies(rank, blocks, flagged)
        return Gpu(chunks, tuple(blocks))

    def step(self, element: Element, where: str, chunks: dict[str, int], send: int, receive: int) -> Step:
        name = self.text(element, "type")
        if name not in OPERATIONS:
            expected = ", ".join(OPERATIONS)
            self.fail(element, f"{where}: type: found {shorten(name)!r}; expected one of {expected}")
        operation = OPERATIONS[name]
        for peer, needed, what in ((send, operation.sends, "send"), (receive, operation.receives, "recv")):
            if needed and peer < 0:
                self.fail(element, f"{where}: found {name} in a tb without a {what} peer; expected one")
        count = self.whole(element, "cnt", 0, MOST, 0 if name == "nop" else 1)
        source, target = self.sides(element, where, name)
        for used, (buffer, offset) in ((operation.reads, source), (operation.writes, target)):
            if used and not 0 <= offset <= chunks[buffer] - count:
                found = f"found {buffer} chunks {offset} to {offset + count - 1}"
                self.fail(element, f"{where}: {found}; expected some of the {chunks[buffer]} that the gpu has")
        block = self.whole(element, "depid", -1, MOST, -1)
        awaited = self.whole(element, "deps", -1, MOST, -1)
        return Step(name, source, target, count, (block, awaited) if block >= 0 else None, element.line)

    def sides(self, element: Element, where: str, name: str) -> tuple[tuple[str, int], tuple[str, int]]:
        """Source and target; an <op> has one place, which is both."""
        if name == "nop":
            return (INPUT, -1), (OUTPUT, -1)
        if element.tag == "op":
            if name in ("cpy", "re"):
                self.fail(element, f"{where}: found {name} in an <op>, which names one place; expected a <step>")
            place = self.choice(element, "buf", BUFFERS), self.whole(element, "off", -1, MOST)
            return place, place
        source = self.choice(element, "srcbuf", BUFFERS), self.whole(element, "srcoff", -1, MOST)
        return source, (self.choice(element, "dstbuf", BUFFERS), self.whole(element, "dstoff", -1, MOST))

    def check_dependencies(self, rank: int, blocks: list[Block], flagged: list[int]) -> None:
        """Every step that is waited for is there, and it or a later one (the last is `flagged`) sets the flag."""
        for number, block in enumerate(blocks):
            for at, step in enumerate(block.steps):
                other, awaited = step.depends or (number, -1)
                where = f"{self.label}:{step.line}: gpu {rank}, tb {number}, step {at}: waits for"
                if step.depends and (other >= len(blocks) or not 0 <= awaited < len(blocks[other].steps)):
                    raise InputError(f"{where} step {awaited} of tb {other}; expected one that there is")
                if awaited > flagged[other] and step.depends:
                    raise InputError(f"{where} step {awaited} of tb {other}, whose hasdep is 0; expected 1")
