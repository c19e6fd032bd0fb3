"""Records: one line of JSON for every transfer on every link, so that an outsider can check the simulator.

Keys: rank, lane, step (of the sender), src, dst (node ids of the link's ends, as in graph JSON), bytes, start_us (the
link begins to be occupied), finish_us (the tail is at its far end). A shared limit is a link without ends: src and
dst are null, and one more key, `limit`, names it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

from ringtree.files import discard, writing
from ringtree.report import quote

if TYPE_CHECKING:
    from _ringtree.core import Record
    from topology import Topology


@contextmanager
def recording(path: str, board: Topology) -> Iterator[Callable[[list[Record]], None]]:
    """An observer that appends to the file as the simulation runs; an ordinary file is removed if that fails."""
    with writing(path):
        file = open(path, "w", encoding="utf-8")  # noqa: SIM115 (closed below, and removed on failure)
        try:
            with file:
                yield _Writer(file, board).write
        except BaseException:
            discard(path)
            raise


class _Writer:
    def __init__(self, file: IO[str], board: Topology) -> None:
        self.file = file
        # The part of a line that depends on the link alone, by element of the core's board.
        self.ends = [f'"src":{link.src},"dst":{link.dst}' for link in board.links]
        self.ends += [f'"src":null,"dst":null,"limit":{quote(limit.name)}' for limit in board.limits]

    def write(self, records: list[Record]) -> None:
        self.file.writelines(
            f'{{"rank":{r.rank},"lane":{r.lane},"step":{r.step},{self.ends[r.element]},"bytes":{r.bytes:.0f},'
            f'"start_us":{r.start_us!r},"finish_us":{r.finish_us!r}}}\n'
            for r in records
        )
