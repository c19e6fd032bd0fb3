"""The libraries that compare_peers.py compares, through one interface: buffers, calls, and what the calls take.

Only the library that is asked for is imported: each has an environment of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = Any

MPI_CALLS = {
    "all_reduce": "Allreduce", "all_gather": "Allgather", "reduce_scatter": "Reduce_scatter_block",
    "broadcast": "Bcast", "all_to_all": "Alltoall", "barrier": "Barrier",
}  # fmt: skip
# mpi4py has no name for these libraries' bfloat16. Library, handle, and the name that it must have.
MPI_BFLOAT16 = (("MPICH", 0x4C00024C, "MPIX_BFLOAT16"), ("Intel(R) MPI", 0x4C000247, "MPIX_C_BF16"))
# The newer name first: torch warns of the older ones.
GLOO_CALLS = {
    "all_reduce": ("all_reduce",), "all_gather": ("all_gather_single", "all_gather_into_tensor"),
    "reduce_scatter": ("reduce_scatter_single", "reduce_scatter_tensor"), "broadcast": ("broadcast",),
    "all_to_all": ("all_to_all_single",), "barrier": ("barrier",),
}  # fmt: skip


class UnavailableError(Exception):
    """The library does not have this call or type."""


def raw_type(dtype: str) -> Any:
    """The NumPy type of the elements' bits, where NumPy lacks the type itself."""
    return np.dtype("uint16" if dtype == "bfloat16" else dtype)


@dataclass(frozen=True)
class Buffer:
    """The same memory twice: a NumPy array to write and to compare, and what the library's calls take."""

    raw: Array
    given: Any


class Mpi:
    """mpi4py's upper-case calls on NumPy arrays."""

    def __init__(self) -> None:
        import mpi4py
        from mpi4py import MPI

        self.world = MPI.COMM_WORLD
        self.comm: Any = self.world
        self.rank, self.ranks = self.world.Get_rank(), self.world.Get_size()
        first_line = MPI.Get_library_version().replace("\0", "").strip().splitlines()[0]
        name = " ".join(first_line.split(", package")[0].replace("Version:", "").split())
        self.version = f"{name}, mpi4py {mpi4py.__version__}"

    def buffer(self, count: int, dtype: str) -> Buffer:
        """Raw elements; MPI is told the type where NumPy does not have it."""
        raw = np.empty(count, raw_type(dtype))
        return Buffer(raw, raw if dtype == "float32" else [raw, count, self._bfloat16()])

    def call(self, collective: str) -> Callable[..., Any]:
        """The bound method."""
        method: Callable[..., Any] = getattr(self.comm, MPI_CALLS[collective])
        return method

    def arguments(self, collective: str, send: Buffer, receive: Buffer) -> tuple[Any, ...]:
        """What the method takes."""
        if collective == "barrier":
            return ()
        return (send.given,) if collective == "broadcast" else (send.given, receive.given)

    def in_place(self, collective: str) -> bool:
        """Whether input and result are one buffer."""
        return collective == "broadcast"

    def gather(self, value: Any) -> list[Any]:
        """Every rank's value, on every rank."""
        found: list[Any] = self.world.allgather(value)
        return found

    def close(self) -> None:
        """mpi4py does it."""

    def _bfloat16(self) -> Any:
        from mpi4py import MPI

        if MPI.BFLOAT16_T != MPI.DATATYPE_NULL:
            return MPI.BFLOAT16_T
        for library, handle, name in MPI_BFLOAT16:
            if library in MPI.Get_library_version():
                datatype = MPI.Datatype.fromhandle(handle)
                if datatype.Get_name() == name:
                    return datatype
        raise UnavailableError("this MPI has no bfloat16")


class Ringtree(Mpi):
    """The same calls of a ringtree.Communicator, on plain arrays or on those that it allocates."""

    def __init__(self, symmetric: bool) -> None:
        super().__init__()
        import ringtree

        self.symmetric = symmetric
        self.comm = ringtree.Communicator(self.world)
        self.version = f"ringtree {ringtree.__version__} on {self.version}"

    def buffer(self, count: int, dtype: str) -> Buffer:
        """bfloat16 is ml_dtypes'."""
        if self.symmetric:
            given = self.comm.empty(count, dtype)
        elif dtype == "bfloat16":
            import ml_dtypes

            given = np.empty(count, ml_dtypes.bfloat16)
        else:
            given = np.empty(count, dtype)
        return Buffer(given.view(raw_type(dtype)), given)


class Gloo:
    """torch.distributed on tensors, which reduces in place."""

    def __init__(self) -> None:
        import torch
        import torch.distributed

        torch.set_num_threads(1)
        self.torch, self.distributed = torch, torch.distributed
        self.distributed.init_process_group("gloo")
        self.rank, self.ranks = self.distributed.get_rank(), self.distributed.get_world_size()
        self.version = f"Gloo of torch {torch.__version__}, TCP over the loopback"

    def buffer(self, count: int, dtype: str) -> Buffer:
        """A tensor in a NumPy array's memory."""
        raw = np.empty(count, raw_type(dtype))
        tensor = self.torch.from_numpy(raw)
        return Buffer(raw, tensor if dtype == "float32" else tensor.view(self.torch.bfloat16))

    def call(self, collective: str) -> Callable[..., Any]:
        """By the newer name, where this torch has it."""
        for name in GLOO_CALLS[collective]:
            if hasattr(self.distributed, name):
                found: Callable[..., Any] = getattr(self.distributed, name)
                return found
        raise UnavailableError(f"torch.distributed has no {GLOO_CALLS[collective][-1]}")

    def arguments(self, collective: str, send: Buffer, receive: Buffer) -> tuple[Any, ...]:
        """Results first; broadcast takes the root."""
        if collective == "barrier":
            return ()
        if collective == "broadcast":
            return send.given, 0
        return (send.given,) if self.in_place(collective) else (receive.given, send.given)

    def in_place(self, collective: str) -> bool:
        """Whether input and result are one buffer."""
        return collective in ("all_reduce", "broadcast")

    def gather(self, value: Any) -> list[Any]:
        """Every rank's value, on every rank."""
        found: list[Any] = [None] * self.ranks
        self.distributed.all_gather_object(found, value)
        return found

    def close(self) -> None:
        """Else the process may be aborted as it ends: Gloo's threads are still there."""
        self.distributed.destroy_process_group()


LIBRARIES: dict[str, Callable[[], Mpi | Gloo]] = {
    "mpi": Mpi, "gloo": Gloo, "ringtree": lambda: Ringtree(False), "ringtree-symmetric": lambda: Ringtree(True),
}  # fmt: skip
