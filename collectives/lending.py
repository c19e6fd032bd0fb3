"""Plain arrays that come often become reachable without being asked, as if they had been registered.

    call ──▶ RT_LEND ──▶ every rank: for the input, for the output: is mine to be lent? can it be? ──▶ Regions.share
                         the array dies, the communicator goes, or the process forks ──▶ its pages are its own again

csrc/regular.h says when it pays; the ranks learn it from each other in the same call, and lend before they return from
it: until then the buffers are the call's, so nobody writes to them while their pages are exchanged. Lent is only what
NumPy itself has allocated and still holds (`owner_of`): its death tells when the memory goes, and the core looks before
every use whether the array still has it (it may be resized). What was lent and is given back is plain again.
RINGTREE_LEND=off on one rank, and nobody lends.
"""

from __future__ import annotations

import json
import struct
import weakref
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

from _ringtree import lent, settings
from _ringtree.direct import Call, Direct
from _ringtree.errors import InputError, ResourceError
from _ringtree.log import info
from _ringtree.native import ffi, lib
from _ringtree.ndarrays import table
from _ringtree.program import Collective

from .regions import Regions
from .sharing import ElsewhereError

# Each array that is lent takes a few mappings of each rank, of which the kernel allows 65,530.
MOST_MAPPINGS = 16_384
_TRUTH = struct.Struct("?")
_ANSWER_BYTES = 1024
_TEXT = 300  # of which JSON makes at most twice as much


@dataclass(eq=False)
class _Watched:
    """An array that is lent: its pages, its memory as it was, what tells its death, and its region.

    refs: the first sets a byte of the region, which no signal handler can interrupt: the core must not look at an array
    that is no more, nor take another one at its address for it. The second gives the pages back; where that was
    interrupted, `Lending` does so later.
    """

    pages: lent.Lent
    state: Any
    refs: tuple[Any, ...] = ()
    number: int | None = None


class Lending:
    """What of this rank's arrays is lent in one communicator."""

    def __init__(self, regions: Regions, direct: Direct) -> None:
        self._regions, self._direct = regions, direct
        self._comm = Gathering(direct, regions.ranks)
        self._watched: set[_Watched] = set()
        direct.lends = settings.lends()

    def lend(self, send: Any, receive: Any) -> None:
        """All ranks together, after a call on these arrays; each gives those that it is to lend, if it can."""
        for (anybody, mine), array in zip(self._direct.lending(), (send, receive), strict=True):
            if anybody:
                self._share(array if mine else None)
        self._direct.lent()

    def close(self) -> None:
        """All arrays get their memory back."""
        with ExitStack() as ending:  # whatever fails
            for watched in list(self._watched):
                ending.callback(self._back, watched)

    def _share(self, array: Any) -> None:
        for old in [each for each in self._watched if each.refs[-1]() is None]:
            self._died(old)  # its end was interrupted
        watched = self._watch(array)
        address, size, pages, state = 0, 0, lent.nothing(), ffi.NULL
        if watched is not None:
            address, size = _memory_of(array)
            pages, state = watched.pages, watched.state
        try:
            number = self._regions.share(self._comm, address, size, pages, state)
        except (ResourceError, InputError, ElsewhereError) as problem:
            if watched is not None:
                self._let_go(watched)
            self._direct.lends = False
            info(f"plain arrays stay private: {problem}")
            return
        if watched is None:
            self._regions.drop(number)
        else:
            watched.number = number
            mark = partial(_TRUTH.pack_into, self._regions.dropped(number), 0)
            watched.refs = (weakref.ref(owner_of(array), mark), *watched.refs)
            info(f"an array of {size} bytes at {address:#x} comes often: lent")
        if len(self._watched) * (self._regions.ranks + 2) > MOST_MAPPINGS:
            self._direct.lends = False

    def _watch(self, array: Any) -> _Watched | None:
        """Before anything is lent: its pages are claimed, and given back whenever it dies."""
        owner = owner_of(array)
        if owner is None:
            return None
        watched = _Watched(lent.nothing(), table().note(owner))
        pages = lent.claim(*_memory_of(array), lambda: self._back(watched))
        if pages is None:
            return None
        watched.pages = pages
        watched.refs = (weakref.ref(owner, lambda _: self._died(watched)),)
        self._watched.add(watched)
        return watched

    def _back(self, watched: _Watched) -> None:
        """The array lives on, with what it holds."""
        self._end(watched, lent.take_back)

    def _died(self, watched: _Watched) -> None:
        self._end(watched, lent.discard)

    def _end(self, watched: _Watched, give: Callable[[lent.Lent], None]) -> None:
        """First nobody finds it any more; known as lent until its pages are private, for a fork in between."""
        if watched not in self._watched:
            return
        watched.refs = watched.refs[-1:]  # the byte goes with its region
        if watched.number is not None:
            self._regions.drop(watched.number)
            watched.number = None
        if lent.holds(watched.pages):
            (give if lib.rt_array_stands(watched.state) else lent.take_back_rest)(watched.pages)
            lent.forget(watched.pages)
        self._let_go(watched)

    def _let_go(self, watched: _Watched) -> None:
        """Its pages and its watchers know it and this: without them nothing waits for the garbage collector."""
        self._watched.discard(watched)
        watched.refs, watched.pages = (), lent.nothing()


class Gathering:
    """An MPI-like allgather of small values over the direct path itself, with its time limit and its errors."""

    def __init__(self, direct: Direct, ranks: int) -> None:
        self._direct, self._ranks = direct, ranks
        self._mine, self._all = ffi.new("char[]", _ANSWER_BYTES), ffi.new("char[]", _ANSWER_BYTES * ranks)
        source, target = (int(ffi.cast("uintptr_t", memory)) for memory in (self._mine, self._all))
        shape = Collective("all_gather", ranks, _ANSWER_BYTES * ranks)
        self._call = Call(shape, "uint8", None, source, target, "lending of arrays")

    def allgather(self, value: tuple[str | None, Any]) -> list[Any]:
        """What went wrong, and what is to be sent."""
        text, result = value
        if text is not None:
            text = text[:_TEXT].encode("ascii", "replace").decode()
        ffi.memmove(self._mine, json.dumps((text, result)).encode().ljust(_ANSWER_BYTES), _ANSWER_BYTES)
        self._direct.run(self._call)
        answers = bytes(ffi.buffer(self._all))
        return [json.loads(answers[i * _ANSWER_BYTES : (i + 1) * _ANSWER_BYTES]) for i in range(self._ranks)]


def owner_of(array: Any) -> Any:
    """The NumPy array that holds the memory, if NumPy allocated it; or None.

    Not of a class below NumPy's: its instances' finalizers run after their death is told, and may still read them.
    """
    import numpy as np

    owner = array
    while isinstance(owner, np.ndarray) and isinstance(owner.base, np.ndarray):
        owner = owner.base
    if type(owner) is not np.ndarray or owner.base is not None or not owner.flags.owndata:
        return None
    return owner if _allocator_of(owner) == "default_allocator" else None


def _memory_of(array: Any) -> tuple[int, int]:
    return int(array.__array_interface__["data"][0]), int(array.nbytes)


def _allocator_of(owner: Any) -> str | None:
    import numpy as np

    core = getattr(np, "_core", None) or np.core
    handler = getattr(core.multiarray, "get_handler_name", None)
    return None if handler is None else handler(owner)
