"""Limits of the direct path: alike on all ranks, kept, and never taken from what is stale, foreign or damaged."""

from __future__ import annotations

from pathlib import Path

import pytest
from opened import RANKS, opened
from together import WORLD

from collectives import tuning
from collectives.tuning import DEFAULT, limits_for, measure

pytestmark = [pytest.mark.mpi, pytest.mark.skipif(RANKS < 2, reason="one rank has nothing to choose")]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of each rank's own (rank 0's is used), and nothing in memory."""
    monkeypatch.setenv("RINGTREE_CACHE", str(tmp_path))
    monkeypatch.setattr(tuning, "_known", {})
    return tmp_path


def test_alike_on_all_ranks() -> None:
    with opened(algorithm="direct") as comm:
        assert comm.session.direct is not None
        found = measure(WORLD, comm.session.direct, DEFAULT)
        assert WORLD.allgather(found) == [found] * RANKS


def test_kept_and_found_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(algorithm="direct") as comm:
        ((_, crowded, fetches),) = tuning._known
        first = tuning._known[RANKS, crowded, fetches]
        monkeypatch.setattr(tuning, "_known", {})
        monkeypatch.setattr(tuning, "measure", lambda *_: pytest.fail("measured again"))
        assert limits_for(WORLD, comm.session.direct, crowded) == first


@pytest.mark.parametrize("damage", [b"", b"nonsense", b"ringtree-cache 1 x y\n{}"])
def test_a_damaged_file_is_measured_anew(folder: Path, damage: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(algorithm="direct"):
        for file in folder.rglob("*"):
            if file.is_file():
                file.write_bytes(damage)
        monkeypatch.setattr(tuning, "_known", {})
        WORLD.barrier()
    with opened(algorithm="direct") as comm:
        limits = comm.session.direct.limits
        assert WORLD.allgather(limits) == [limits] * RANKS


@pytest.mark.parametrize("value", [None, {}, {"whole_bytes": 1}, {"a": 1}, [1], 3,
    {"whole_bytes": "x", "piece_bytes": 1, "stream_bytes": 1, "fetch_bytes": 1},
    {"whole_bytes": -1, "piece_bytes": 1, "stream_bytes": 1, "fetch_bytes": 1}])  # fmt: skip
def test_what_is_no_limits(value: object) -> None:
    assert tuning._unpacked(value) is None
