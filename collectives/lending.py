"""Plain arrays that come often become reachable without being asked, as if they had been registered.

    call ──▶ RT_LEND ──▶ every rank: for the input, for the output: is mine to be lent? can it be? ──▶ Regions.share
                         the array dies, the communicator goes, or the process forks ──▶ its pages are its own again

csrc/regular.h says when it pays; the ranks learn it from each other in the same call, and lend before they return from
it: until then the buffers are the call's, so nobody writes to them while their pages are exchanged. Lent is only what
NumPy itself has allocated and still holds (`owner_of`): its death tells when the memory goes, and the core looks before
every use whether the array still has it (it may be resized). What was lent and is given back is plain again; to be lent
once more it has to come twice as often. RINGTREE_LEND=off on one rank, and nobody lends.
"""

from __future__ import annotations

import json
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from _ringtree import lent, settings
from _ringtree.direct import Direct
from _ringtree.errors import ResourceError
from _ringtree.log import info
from _ringtree.native import ffi, lib
from _ringtree.ndarrays import table

from .regions import Regions, Shared
from .sharing import ElsewhereError

# Each array that is lent takes a few mappings of each rank, of which the kernel allows 65,530.
MOST_MAPPINGS = 16_384
_ANSWER_BYTES = 512
_TEXT = 300


@dataclass
class _Watched:
    """A lent array: its memory as it was, what tells its death, and what was made of it."""

    state: Any = ffi.NULL
    ref: Any = None
    shared: Shared | None = None


class Lending:
    """What of this rank's arrays is lent in one communicator. gather: every rank's bytes, of equal length."""

    def __init__(self, regions: Regions, direct: Direct, gather: Callable[[bytes], list[bytes]]) -> None:
        self._regions, self._direct = regions, direct
        self._comm = Gathering(gather)
        self._lent: dict[int, _Watched] = {}  # by number of the region
        direct.lends = settings.lends()

    def lend(self, send: Any, receive: Any) -> None:
        """All ranks together, after a call on these arrays; each gives those that it is to lend, if it can."""
        for (anybody, mine), array in zip(self._direct.lending(), (send, receive), strict=True):
            if anybody:
                self._share(array if mine else None)

    def close(self) -> None:
        """All arrays get their memory back."""
        for watched in list(self._lent.values()):
            self._back(watched)

    def _share(self, array: Any) -> None:
        owner = owner_of(array)
        watched = _Watched()
        address = size = 0
        if owner is not None:
            address, size = array.__array_interface__["data"][0], array.nbytes
            watched.state = table().note(owner)
        try:
            shared = self._regions.share(self._comm, address, size, lambda: self._back(watched), watched.state)
        except (ResourceError, ElsewhereError) as problem:
            self._direct.lends = False
            info(f"plain arrays stay private: {problem}")
            return
        if owner is None:
            self._regions.drop(shared.number)
        else:
            watched.shared = shared
            watched.ref = weakref.ref(owner, lambda _: self._died(watched))
            self._lent[shared.number] = watched
            info(f"an array of {size} bytes at {address:#x} comes often: lent")
        if len(self._lent) * (self._regions.ranks + 2) > MOST_MAPPINGS:
            self._direct.lends = False

    def _back(self, watched: _Watched) -> None:
        """The array lives on, with what it holds."""
        self._end(watched, lent.take_back)

    def _died(self, watched: _Watched) -> None:
        self._end(watched, lent.discard)

    def _end(self, watched: _Watched, give: Callable[[int, int], None]) -> None:
        shared = watched.shared
        if shared is None or self._lent.pop(shared.number, None) is None:
            return
        known = lent.forget(shared.pages)
        if known is not None and known.size and lib.rt_array_stands(watched.state):
            give(known.address, known.size)
        elif known is not None:
            lent.take_back_rest(known)
        self._regions.drop(shared.number)


class Gathering:
    """An MPI-like allgather of small values over the communicator itself, with its time limit and its errors."""

    def __init__(self, gather: Callable[[bytes], list[bytes]]) -> None:
        self._gather = gather

    def allgather(self, value: Any) -> list[Any]:
        value = value[:_TEXT] if isinstance(value, str) else value
        answers = self._gather(json.dumps(value).encode().ljust(_ANSWER_BYTES))
        return [json.loads(answer) for answer in answers]


def owner_of(array: Any) -> Any:
    """The NumPy array that holds the memory, if NumPy allocated it and none of these pages is lent already; or None."""
    import numpy as np

    owner = array
    while isinstance(owner, np.ndarray) and isinstance(owner.base, np.ndarray):
        owner = owner.base
    if not isinstance(owner, np.ndarray) or owner.base is not None or not owner.flags.owndata:
        return None
    if _allocator_of(owner) != "default_allocator":
        return None
    return None if lent.overlapping(array.__array_interface__["data"][0], array.nbytes) else owner


def _allocator_of(owner: Any) -> str | None:
    import numpy as np

    core = getattr(np, "_core", None) or np.core
    handler = getattr(core.multiarray, "get_handler_name", None)
    return None if handler is None else handler(owner)
