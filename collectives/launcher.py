"""A launcher of another MPI starts n processes that each believe to be rank 0 of 1: found out, and said."""

from __future__ import annotations

import os

from _ringtree.errors import InputError

# What mpiexec of MPICH and Intel MPI (PMI), Open MPI (PRRTE) and Slurm tell the processes that they start.
SIZES = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MPI_LOCALNRANKS")


def check_launcher(world_size: int) -> None:
    """InputError when the launcher started more ranks than MPI.COMM_WORLD has."""
    if world_size != 1:
        return
    for name in SIZES:
        started = os.environ.get(name, "1")
        if started.isdigit() and int(started) > 1:
            raise InputError(
                f"mpiexec started {started} processes ({name}), but each is rank 0 of 1: the launcher belongs to "
                "another MPI than the one that mpi4py uses; start with that MPI's mpiexec"
            )
