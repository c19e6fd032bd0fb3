"""Plans from files on real bytes: right at every size, and never with different trees on different ranks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from mpi4py import MPI
from opened import RANK, RANKS, opened, total
from together import WORLD, meet

import ringtree
from _ringtree.errors import MismatchError
from topology import load

pytestmark = pytest.mark.mpi

BOARD = load("dgx1v")


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Rank 0's, for all ranks."""
    yield WORLD.bcast(tmp_path_factory.mktemp("plans") if RANK == 0 else None)
    meet()


def save(path: Path, board: ringtree.Topology) -> None:
    if RANK == 0:
        algorithm = "forest:chunks=4" if RANKS > 1 else "auto"
        ringtree.plan(board, "all_reduce", 1 << 16, ranks=RANKS, algorithm=algorithm).save(path)
    meet()


def test_a_saved_plan_runs(folder: Path) -> None:
    save(folder / "plan.json", BOARD)
    with opened(board=BOARD, algorithm=f"file:{folder / 'plan.json'}") as comm:
        for count in (1, 3, 1 << 14, 50_001):
            total(comm, count, np.float32)
        saved = ringtree.Plan.load(folder / "plan.json")
        comm.reset_clock()
        total(comm, 1 << 14, np.float32)
        assert WORLD.allreduce(comm.elapsed_us, MPI.MAX) == saved.time_us
        out = np.zeros(5)
        comm.Bcast(np.full(5, RANK, np.float64) if RANK == 0 else out, 0)  # not what the plan is for: auto


def test_a_damaged_file_is_an_error_on_every_rank(folder: Path) -> None:
    if RANK == 0:
        (folder / "plan.json").write_text("{}", encoding="utf-8")
    meet()
    with pytest.raises(ringtree.InputError, match="no ringtree plan"):
        ringtree.Communicator(WORLD, board=BOARD, algorithm=f"file:{folder / 'plan.json'}")


@pytest.mark.skipif(RANKS < 3, reason="two ranks have one tree")
def test_shares_that_the_ranks_see_differently_are_noticed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same name, trees and lengths on every rank; on the last the first tree carries the last part of the data."""
    save(folder / "plan.json", BOARD)
    value = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
    if RANK == RANKS - 1:
        first, *others = value["recipe"]["forest"]
        for tree in others:
            tree["offset"] -= first["length"]
        first["offset"] = sum(tree["length"] for tree in others)
    own = folder / f"rank{RANK}"
    own.mkdir()
    (own / "plan.json").write_text(json.dumps(value), encoding="utf-8")
    monkeypatch.chdir(own)
    with opened(board=BOARD, algorithm="file:plan.json") as comm, pytest.raises(MismatchError):
        total(comm, 1 << 14, np.float32)
