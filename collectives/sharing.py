"""What ranks do together while a communicator is made: agree that all went well, and map one segment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from _ringtree.errors import CommunicationError
from _ringtree.runtime import Segment, segment_name

Result = TypeVar("Result")


class ElsewhereError(CommunicationError):
    """Another rank could not do its part; the text says which and why."""


def agree(comm: Any, work: Callable[[], Result]) -> Result:
    """Do the work on every rank; if it fails on one, every rank raises, so that none is left waiting."""
    result: list[Result] = []
    exchange(comm, lambda: result.append(work()))
    return result[0]


def exchange(comm: Any, work: Callable[[], Result]) -> list[Result]:
    """The same for results that can be sent: those of all ranks."""
    problem: Exception | None = None
    mine: Result | None = None
    try:
        mine = work()
    except Exception as error:
        problem = error
    found = comm.allgather((None if problem is None else str(problem), mine))
    if problem is not None:
        raise problem
    for rank, (text, _) in enumerate(found):
        if text is not None:
            raise ElsewhereError(f"rank {rank}: {text}")
    return [result for _, result in found]


def share_segment(comm: Any, size: int, use: Callable[[Segment], Result]) -> Result:
    """A segment of `size` bytes mapped by every rank of the communicator and already unlinked; `use` runs on each."""
    rank = comm.Get_rank()
    created: list[Segment] = []

    def create() -> Result | None:
        if rank != 0:
            return None
        created.append(Segment(segment_name(), size, create=True))
        return use(created[0])

    result = agree(comm, create)
    name = comm.bcast(created[0].name if created else None)
    try:
        return agree(comm, lambda: result if result is not None else use(Segment(name, size, create=False)))
    finally:
        if created:
            created[0].unlink()
