"""Ranks that a foreign launcher started are recognised by what it left in the environment."""

from __future__ import annotations

import pytest

from _ringtree.errors import InputError
from collectives.launcher import check_launcher

# mpiexec of MPICH, Intel MPI (also per host) and Open MPI.
VARIABLES = ("PMI_SIZE", "MPI_LOCALNRANKS", "OMPI_COMM_WORLD_SIZE")


@pytest.fixture(autouse=True)
def _no_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("name", VARIABLES)
def test_many_processes_that_are_each_alone(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "8")
    with pytest.raises(InputError, match=rf"mpiexec started 8 processes \({name}\), but each is rank 0 of 1"):
        check_launcher(1)


@pytest.mark.parametrize("name", VARIABLES)
@pytest.mark.parametrize("started", ["1", "0", "", "many", "-2"])
def test_a_single_process_is_alone(monkeypatch: pytest.MonkeyPatch, name: str, started: str) -> None:
    monkeypatch.setenv(name, started)
    check_launcher(1)


def test_a_world_of_several_ranks_is_right(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PMI_SIZE", "16")
    check_launcher(8)


def test_no_launcher_at_all() -> None:
    check_launcher(1)
