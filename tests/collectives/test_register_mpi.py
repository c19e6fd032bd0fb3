"""Arrays that were registered: same address, same content, reachable by all, and private again afterwards."""

from __future__ import annotations

import gc
import mmap
from pathlib import Path

import numpy as np
import pytest
from mpi4py import MPI
from opened import RANK, RANKS, opened

import ringtree

pytestmark = pytest.mark.mpi


def pattern(count: int, rank: int) -> np.ndarray:
    return ((np.arange(count) * 7 + rank) % 11).astype(np.float32)


@pytest.mark.parametrize("count", [0, 1, 1000, 1024, 5000, 100_001])
def test_results_and_content(count: int) -> None:
    """Ends that fill no page lie elsewhere on every rank, by the offset of the view."""
    with opened() as comm:
        data, total = np.zeros(count, np.float32), np.zeros(count + 9 * RANK, np.float32)[9 * RANK :]
        data[:] = pattern(count, RANK)
        address = data.__array_interface__["data"][0]
        comm.register(data)
        comm.register(total)
        assert data.__array_interface__["data"][0] == address
        expected = sum(pattern(count, rank) for rank in range(RANKS)) if count else data
        for _ in range(2):
            total[:] = -1
            comm.Allreduce(data, total)
            np.testing.assert_array_equal(total, expected)
        np.testing.assert_array_equal(data, pattern(count, RANK))
        gathered, plain = np.zeros((RANKS, count), np.float32), np.zeros(count, np.float32)
        comm.Allgather(data, gathered)
        np.testing.assert_array_equal(gathered, [pattern(count, rank) for rank in range(RANKS)])
        comm.Allreduce(data, plain)
        np.testing.assert_array_equal(plain, expected)
        comm.Allreduce(MPI.IN_PLACE, data)
        np.testing.assert_array_equal(data, expected)
        comm.unregister(data)
        np.testing.assert_array_equal(data, expected)
    np.testing.assert_array_equal(total, expected)


def test_sizes_may_differ_and_views_count() -> None:
    with opened() as comm:
        data = np.full(4000 + 3000 * RANK, RANK, np.float64)
        comm.register(data)
        total = np.zeros(2000)
        comm.Allreduce(data[RANK : RANK + 2000], total)
        np.testing.assert_array_equal(total, np.full(2000, RANKS * (RANKS - 1) / 2))


def test_nothing_is_left_behind() -> None:
    def mappings() -> int:
        gc.collect()
        return len(Path("/proc/self/maps").read_text(encoding="ascii").splitlines())

    with opened() as comm:
        before = 0
        for i in range(40):
            data = np.ones(50_000)
            comm.register(data)
            comm.Allreduce(MPI.IN_PLACE, data)
            comm.unregister(data)
            del data
            before = before or (mappings() if i == 5 else 0)
        assert mappings() < before + 20


def test_what_cannot_be_registered(tmp_path: Path) -> None:
    with opened() as comm:
        known = np.ones(5000)
        comm.register(known)
        frozen = np.ones(3)
        frozen.flags.writeable = False
        on_file = np.memmap(tmp_path / f"{RANK}", np.float32, "w+", shape=(4096,))
        for array, why in [
            (np.ones(10)[::2], "contiguous"),
            (known[10:20], "shares memory"),
            (frozen, "read-only"),
            (on_file, "on a file"),
            (np.frombuffer(bytearray(mmap.PAGESIZE + 1), np.uint8)[1:].view(np.float64), "aligned"),
        ]:
            with pytest.raises(ringtree.InputError, match=why):
                comm.register(array)
        with pytest.raises(ringtree.InputError, match="not registered"):
            comm.unregister(np.ones(3))


def test_with_a_board_nothing_changes() -> None:
    with opened(board="ppu-8") as comm:
        data = np.ones(3)
        comm.register(data)
        comm.Allreduce(MPI.IN_PLACE, data)
        assert data[0] == RANKS
        comm.unregister(data)
