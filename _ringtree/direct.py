"""The direct path: collectives of ranks that share memory, without programs (csrc/direct.h)."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from _ringtree.errors import CollectiveTimeoutError
from _ringtree.names import DTYPES, OPS
from _ringtree.native import array, check, exception, ffi, lib, new_error, text_of
from _ringtree.ndarrays import TUPLE_HEAD_WORDS, table
from _ringtree.program import Collective
from _ringtree.runtime import WAIT_SLICE_NS, Endpoint, Segment

# A call of equal parts, by the address of its tuple; and its answer to what it does not understand, without a text.
run_call = lib.rt_direct_call_hashed if TUPLE_HEAD_WORDS == 4 else lib.rt_direct_call
NOT_UNDERSTOOD = int(lib.RT_ERR_INVALID)
NEVER = 2**63 - 1


@dataclass(frozen=True)
class Limits:
    """Sizes in bytes at which the direct path takes another way; see rt_limits in csrc/direct.h."""

    whole_bytes: int
    piece_bytes: int
    stream_bytes: int
    fetch_bytes: int = NEVER


class Call:
    """One operation on fixed memory, ready to run again and again."""

    def __init__(
        self, shape: Collective, dtype: str, op: str | None, source: int, target: int, what: str | None = None
    ) -> None:
        collective, self._arrays = shape.to_c()
        self.prepared = ffi.new("rt_direct_prepared *")
        self.spec = ffi.addressof(self.prepared, "spec")
        self.spec.collective = collective[0]
        self.spec.input, self.spec.output = ffi.cast("void *", source), ffi.cast("void *", target)
        self.spec.dtype = DTYPES[dtype]
        self.spec.op = -1 if op is None else OPS[op]
        self.spec.lends = 0
        self.memory: Any = None  # what the caller wants to be kept alive as long as this
        self._what = what or f"{shape.kind} of {shape.count} {dtype}"

    def describe(self) -> str:
        return self._what


def can_fetch(comm: Any) -> bool:
    """Whether this process may read the next rank's private memory; all ranks of the communicator call it."""
    secret = ffi.new("uint64_t *", 0x72696E67 + comm.Get_rank())
    answers = comm.allgather((lib.rt_fetch_process(), int(ffi.cast("uintptr_t", secret))))
    neighbour = (comm.Get_rank() + 1) % comm.Get_size()
    process, address = answers[neighbour]
    found, error = ffi.new("uint64_t *"), new_error()
    status = lib.rt_fetch(process, address, found, 8, error)
    comm.barrier()  # the secrets live until all have looked
    return bool(status == 0 and found[0] == 0x72696E67 + neighbour)


def least_bytes(ranks: int) -> int:
    """The smallest segment for so many ranks."""
    return int(lib.rt_direct_least_bytes(ranks))


class Kind(np.ndarray):
    """What begins a call of `run_call`: its memory is an rt_direct_kind."""

    owned: tuple[Any, ...] = ()  # what the core finds through it, alive as long as a call has it


class Kinds(dict[int, Kind]):
    """By their codes; made when asked for."""

    MOST = 4096  # a root for each rank, or roots that no rank has

    def __init__(self, caller: Any, *owned: Any) -> None:
        super().__init__()
        self._caller, self._owned = caller, (caller, *owned)

    def __missing__(self, code: int) -> Kind:
        made = np.zeros(ffi.sizeof("rt_direct_kind"), np.uint8).view(Kind)
        made.owned = self._owned
        inside = ffi.from_buffer("rt_direct_kind *", made)
        inside.caller, inside.code = self._caller, code
        if len(self) < self.MOST:
            self[code] = made
        return made


class Direct:
    """One rank's direct path, over the endpoint's arena. One thread at a time."""

    def __init__(self, endpoint: Endpoint, segment: Segment, create: bool) -> None:
        out, self.error = ffi.new("rt_direct **"), new_error()
        make = lib.rt_direct_new
        check(make(endpoint.handle, segment.handle, int(create), out, self.error), self.error)
        self.handle = out[0]
        self._arrays = table()
        self.caller = ffi.new("rt_direct_caller *", [self.handle, self._arrays.handle, self.error])
        self.kinds = Kinds(self.caller, self._arrays, self.error) if self._arrays.handle.types else None
        self._segment = segment
        self._lends = False
        self._endpoint = endpoint
        self.rank = endpoint.rank

    # -- running ------------------------------------------------------------------------------------------------

    def run(self, call: Call) -> bool:
        """To its end; whether the ranks are to lend. Raises what went wrong, on every rank that it concerns."""
        self.finish_started()
        status = lib.rt_direct_run(self.handle, call.spec, WAIT_SLICE_NS, self.error)
        return bool(status) and self.complete(status, call.describe)

    def start(self, call: Call) -> bool:
        """Begin; whether it has ended already. At most one is under way: one before it is finished first."""
        self.finish_started()
        status = lib.rt_direct_start(self.handle, call.spec, self.error)
        if status < 0:
            self.complete(status, call.describe)
        return bool(status == 0)

    @property
    def started(self) -> bool:
        """Whether an operation is under way that nobody waits for."""
        return bool(lib.rt_direct_busy(self.handle) == 2)

    def finish_started(self) -> None:
        """Wait for an operation that was started and not waited for."""
        if self.started:
            status = lib.rt_direct_wait(self.handle, WAIT_SLICE_NS, self.error)
            if status:
                self.complete(status, lambda: "an operation that was started")

    def ended(self, sequence: int) -> bool:
        """Whether that operation is done; makes it go on without waiting."""
        if self.sequence != sequence:
            return True
        if lib.rt_direct_busy(self.handle):
            check(lib.rt_direct_wait(self.handle, 0, self.error), self.error)
        return not lib.rt_direct_busy(self.handle)

    @property
    def sequence(self) -> int:
        """Number of the operation that was begun last."""
        return int(lib.rt_direct_sequence(self.handle))

    def complete(self, status: int, describe: Callable[[], str]) -> bool:
        """See an operation to its end that answered `status`, not 0: wait, with a time limit, or raise.

        True where all ranks are to lend: see `lending`.
        """
        timeout_s = self._endpoint.timeout_s
        deadline = time.monotonic() + timeout_s if timeout_s else float("inf")
        try:
            while status == lib.RT_PENDING:
                if time.monotonic() > deadline:
                    text = f"{describe()} timed out after {timeout_s:g} s on rank {self.rank}; {self._missing()}"
                    self._give_up(int(lib.RT_ERR_TIMEOUT), text)
                    raise CollectiveTimeoutError(text)
                status = lib.rt_direct_wait(self.handle, WAIT_SLICE_NS, self.error)
        except KeyboardInterrupt:
            self._give_up(int(lib.RT_ERR_REVOKED), f"{describe()} was interrupted on rank {self.rank}")
            raise
        if status < 0:
            text = text_of(self.error)
            said = status in (lib.RT_ERR_TIMEOUT, lib.RT_ERR_BUSY)
            raise exception(status, text if said else f"{describe()} on rank {self.rank}: {text}")
        return bool(status == lib.RT_LEND)

    @property
    def lends(self) -> bool:
        """Whether this rank's calls on plain arrays offer to lend them (regular.h)."""
        return self._lends

    @lends.setter
    def lends(self, value: bool) -> None:
        self._lends = value and self._arrays.handle.types > 0
        lib.rt_direct_set_lends(self.handle, int(self._lends))

    def interrupted(self, what: str) -> None:
        """A call was, somewhere: where others wait for this rank, in it or to lend after it, they learn that."""
        if lib.rt_direct_busy(self.handle) == 1 or lib.rt_direct_lending(self.handle):
            self._give_up(int(lib.RT_ERR_REVOKED), f"{what} was interrupted on rank {self.rank}")
            self.lent()

    def lent(self) -> None:
        """What was asked for has been done."""
        lib.rt_direct_lent(self.handle)

    def lending(self) -> tuple[tuple[bool, bool], tuple[bool, bool]]:
        """Of the last operation's input and output: whether some rank is to lend it, and whether this one is."""
        bits = int(lib.rt_direct_lending(self.handle))
        return (bool(bits & 1), bool(bits & 4)), (bool(bits & 2), bool(bits & 8))

    def _give_up(self, status: int, text: str) -> None:
        lib.rt_direct_revoke(self.handle, status, text.encode())
        lib.rt_direct_abandon(self.handle)

    def _missing(self) -> str:
        ranks = ffi.new("int32_t[]", 64)
        count = int(lib.rt_direct_missing(self.handle, ranks, 64))
        if not count:
            return "all ranks arrived, but not all made progress"
        return f"ranks that did not arrive: {', '.join(str(ranks[i]) for i in range(count))}"

    # -- limits and regions -------------------------------------------------------------------------------------

    @property
    def limits(self) -> Limits:
        found = ffi.new("rt_limits *")
        lib.rt_direct_limits(self.handle, found)
        return Limits(found.whole_bytes, found.piece_bytes, found.stream_bytes, found.fetch_bytes)

    @limits.setter
    def limits(self, limits: Limits) -> None:
        values = (limits.whole_bytes, limits.piece_bytes, limits.stream_bytes, limits.fetch_bytes)
        lib.rt_direct_set_limits(self.handle, ffi.new("rt_limits *", values))

    def add_region(
        self,
        number: int,
        address: int,
        size: int,
        bodies: Sequence[Any],
        mirrors: Sequence[Any],
        lengths: Sequence[int],
        array_state: Any = ffi.NULL,
    ) -> Any:
        """Memory that all ranks can reach: see rt_direct_add_region. Returns the region, to be dropped."""
        pointers = [ffi.new("void *[]", [ffi.cast("void *", p) for p in parts]) for parts in (bodies, mirrors)]
        own, sizes, region = ffi.cast("void *", address), array("int64_t", list(lengths)), ffi.new("rt_region **")
        add = lib.rt_direct_add_region
        check(add(self.handle, number, own, size, array_state, *pointers, sizes, region, self.error), self.error)
        return region[0]

    def drop_region(self, region: Any) -> None:
        """This rank's memory is gone."""
        if self.handle:
            lib.rt_region_drop(region)

    def remove_region(self, number: int) -> None:
        """Every rank's memory is gone."""
        if self.handle:
            lib.rt_direct_remove_region(self.handle, number)

    def close(self) -> None:
        if self.handle:
            lib.rt_direct_free(self.handle)
            self.handle = self.caller.direct = ffi.NULL
