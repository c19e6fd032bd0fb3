"""Algorithm files on real bytes: the published ones on as many ranks as they are for, and ours on any number."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from calls import CALLS, Case
from mpi4py import MPI
from opened import RANK, RANKS, opened, total

import ringtree
from _ringtree.core import Collective, Program, Recipe
from collectives.msccl import program_to_msccl
from collectives.planner.algorithm_files import load

pytestmark = pytest.mark.mpi

FILES = sorted((Path(__file__).resolve().parents[3].parent / "shared" / "data" / "msccl-xml").glob("*.xml"))
LAST = RANKS - 1
BUILT = {
    "all_reduce": "two_shot",
    "reduce_scatter": "ring",
    "all_gather": "star",
    "broadcast": "binomial",
    "reduce": "tree",
    "gather": "binomial",
    "scatter": "star",
    "all_to_all": "pairwise",
}


@pytest.fixture
def folder() -> Iterator[Path]:
    """One for all ranks."""
    import tempfile

    with tempfile.TemporaryDirectory() as made:
        yield Path(MPI.COMM_WORLD.bcast(made))
        MPI.COMM_WORLD.Barrier()


def write(path: Path, kind: str, algorithm: str, chunks: int = 2) -> Path:
    """Rank 0 writes a built-in algorithm as a file."""
    if RANK == 0:
        program = Program.build(Collective(kind, RANKS, 4 * RANKS), Recipe(algorithm, chunks, 1))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(program_to_msccl(program), encoding="utf-8")
    MPI.COMM_WORLD.Barrier()
    return path


@pytest.mark.skipif(not FILES, reason="the published algorithm files are not here")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
@pytest.mark.parametrize("board", [None, "ppu-8"], ids=["host", "board"])
def test_published_files(path: Path, board: str | None) -> None:
    algorithm = load(str(path)).algorithm
    if algorithm.ranks != RANKS:
        pytest.skip(f"for {algorithm.ranks} ranks")
    for text in (f"file:{path}", f"{path}:chunks=3:depth=2"):
        with opened(board=board, algorithm=text) as comm:
            for number, count in enumerate((0, 1, 3, 1000, 24 * 512)):
                for in_place in (False, True):
                    CALLS[algorithm.kind][0](comm, Case(count=count, seed=number, in_place=in_place))


@pytest.mark.skipif(RANKS < 2, reason="one rank has nobody to send to")
@pytest.mark.parametrize("kind", BUILT)
def test_files_of_ours(folder: Path, kind: str) -> None:
    path = write(folder / "ours.xml", kind, BUILT[kind])
    with opened(board="ppu-8", algorithm=str(path)) as comm:
        for number, count in enumerate((0, 1, 64, 1001)):
            for in_place in (False, True):
                CALLS[kind][0](comm, Case(count=count, seed=number, in_place=in_place))
        comm.Barrier()  # which the file does not do


@pytest.mark.skipif(RANKS < 2, reason="one rank agrees with itself")
def test_ranks_that_see_other_content(folder: Path) -> None:
    """An error on every rank, and the communicator lives on."""
    ours, theirs = (write(folder / name, "all_reduce", name) for name in ("tree", "star"))
    path = folder / f"{RANK}.xml"
    path.write_bytes((theirs if RANK == LAST else ours).read_bytes())
    with opened(algorithm=f"allreduce:file:{path}") as comm:
        for _ in range(2):
            with pytest.raises(ringtree.MismatchError, match=f"rank {LAST} has other algorithm files than rank 0"):
                total(comm)
        comm.Barrier()
        path.write_bytes(ours.read_bytes())
        total(comm)
        assert comm.plan("all_reduce", 4 * RANKS).plan.startswith(f"file:{path}:")


@pytest.mark.skipif(RANKS < 2, reason="one rank agrees with itself")
def test_a_file_that_one_rank_does_not_have(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(folder / "ours.xml", "all_reduce", "tree")
    monkeypatch.setenv("RINGTREE_ALGO", str(path if RANK != LAST else folder / "none.xml"))
    with opened() as comm:
        with pytest.raises(ringtree.InputError, match=r"found no file '.*none.xml'"):
            total(comm)
        monkeypatch.setenv("RINGTREE_ALGO", str(path))
        total(comm)


@pytest.mark.skipif(RANKS < 2, reason="one rank agrees with itself")
def test_a_wrong_file_is_the_same_error_on_every_rank(folder: Path) -> None:
    path = write(folder / "ours.xml", "all_reduce", "star", 1)
    if RANK == 0:
        path.write_text(path.read_text(encoding="utf-8").replace('type="rrc"', 'type="r"'), encoding="utf-8")
    MPI.COMM_WORLD.Barrier()
    with opened(algorithm=str(path)) as comm:
        with pytest.raises(ringtree.VerificationError, match=r"ours.xml: rank 0: output element 0: found"):
            total(comm)
        comm.Barrier()


@pytest.mark.skipif(RANKS < 2, reason="one rank has nobody to send to")
def test_a_path_longer_than_a_message(folder: Path) -> None:
    path = write(folder.joinpath(*("long" * 20 for _ in range(5))) / "ours.xml", "all_reduce", "two_shot")
    assert len(str(path)) > 400
    with opened(board="ppu-8", algorithm=f"{path}:depth=3") as comm:
        total(comm)
        assert comm.plan("all_reduce", 4 * RANKS).plan == f"file:{path}:chunks=1:depth=3"


@pytest.mark.skipif(RANKS < 2, reason="one rank has nobody to send to")
def test_the_fastest_of_a_file_and_others(folder: Path) -> None:
    """A file among others is taken for the sizes that it names."""
    path = write(folder / "ours.xml", "all_reduce", "one_shot", 1)
    if RANK == 0:
        text = path.read_text(encoding="utf-8").replace('maxBytes="0"', 'maxBytes="4095"')
        path.write_text(text, encoding="utf-8")
    MPI.COMM_WORLD.Barrier()
    with opened(board="ppu-8", algorithm=f"{path},ring:channels=1:chunks=1") as comm:
        for count in (RANKS, 1000, 1023, 1024, 1025, 5000):
            data, out = np.ones(count, np.float32), np.zeros(count, np.float32)
            comm.Allreduce(data, out)
            np.testing.assert_array_equal(out, np.full(count, RANKS, np.float32))
            chosen = comm.plan("all_reduce", 4 * count).plan
            assert chosen.startswith("file:") if 4 * count <= 4095 and RANKS > 2 else True
            assert chosen.startswith("ring:") if 4 * count > 4095 else True
