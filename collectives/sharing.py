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
    problem: Exception | None = None
    try:
        result = work()
    except Exception as error:
        problem = error
    found = comm.allgather(None if problem is None else str(problem))
    if problem is not None:
        raise problem
    for rank, text in enumerate(found):
        if text is not None:
            raise ElsewhereError(f"rank {rank}: {text}")
    return result


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
