"""Plain arrays that come often: lent on all ranks at once, right before and after, and private when they must be."""

from __future__ import annotations

import gc
import os
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mpi4py import MPI
from opened import RANK, RANKS, opened

from _ringtree import lent

pytestmark = [pytest.mark.mpi, pytest.mark.skipif(RANKS == 1, reason="one rank has nobody to lend to")]

COUNT = 40_000  # float32: 160,000 bytes
# Calls after which arrays of COUNT elements have been lent, with a processor each or without.
OFTEN = 8 + 1 + -(-(4 << 20) * (RANKS + 1) // 2 // (4 * COUNT))


def pattern(rank: int, number: int = 0, count: int = COUNT) -> np.ndarray:
    return ((np.arange(count) * 7 + rank + number) % 11).astype(np.float32)


def total(number: int = 0, count: int = COUNT) -> np.ndarray:
    return np.sum([pattern(rank, number, count) for rank in range(RANKS)], axis=0)


def is_lent(array: np.ndarray) -> bool:
    return bool(lent.overlapping(array.__array_interface__["data"][0], array.nbytes))


def reduce_often(comm: Any, data: np.ndarray, out: np.ndarray, times: int = OFTEN) -> None:
    """The last results are checked element by element, the others as numbers that are all the same."""
    for number in range(times - 3):
        data[:] = number + RANK
        comm.Allreduce(data, out)
        assert (out == RANKS * number + sum(range(RANKS))).all()
    for number in range(max(0, times - 3), times):
        data[:] = pattern(RANK, number, data.size)
        out[:] = -1
        comm.Allreduce(data, out)
        np.testing.assert_array_equal(out, total(number, data.size))


def lent_pair(comm: Any, count: int = COUNT) -> tuple[np.ndarray, np.ndarray]:
    data, out = np.zeros(count, np.float32), np.zeros(count, np.float32)
    reduce_often(comm, data, out)
    assert is_lent(data)
    assert is_lent(out)
    return data, out


def in_child(body: Callable[[], None]) -> Callable[[], int]:
    """Run it in a forked child, which ends without a word to MPI; the result waits for it: 0 is well."""
    pid = os.fork()
    if pid == 0:
        try:
            body()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    return lambda: os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32])
def test_right_before_while_and_after(dtype: Any) -> None:
    with opened() as comm:
        data, out = np.zeros(COUNT, dtype), np.zeros(COUNT, dtype)
        address = data.__array_interface__["data"][0]
        comm.Allreduce(data, out)
        assert not is_lent(data)
        reduce_often(comm, data, out)
        assert is_lent(data)
        assert is_lent(out)
        assert data.__array_interface__["data"][0] == address
        reduce_often(comm, data[5:-7], out[5:-7], 2)
    np.testing.assert_array_equal(data[5:-7], pattern(RANK, 1, COUNT - 12))
    assert not is_lent(data)
    assert not is_lent(out)


def test_in_place_and_the_moving_collectives() -> None:
    with opened() as comm:
        data = np.zeros(COUNT, np.float32)
        for number in range(OFTEN):
            data[:] = pattern(RANK, number)
            comm.Allreduce(MPI.IN_PLACE, data)
            np.testing.assert_array_equal(data, total(number))
        assert is_lent(data)
        own, all_of_it = np.zeros(COUNT, np.float32), np.zeros((RANKS, COUNT), np.float32)
        for number in range(OFTEN):
            own[:] = pattern(RANK, number)
            comm.Allgather(own, all_of_it)
            np.testing.assert_array_equal(all_of_it, [pattern(rank, number) for rank in range(RANKS)])
        assert is_lent(own)
        assert not is_lent(all_of_it)  # nobody else has to reach it


def test_prepared_operations() -> None:
    with opened() as comm:
        data, out = np.zeros(COUNT, np.float32), np.zeros(COUNT, np.float32)
        step = comm.Allreduce_init(data, out)
        for number in range(OFTEN):
            data[:] = pattern(RANK, number)
            step()
            np.testing.assert_array_equal(out, total(number))
        assert is_lent(data)
        step.Start()
        step.Wait()
        np.testing.assert_array_equal(out, total(number))
        step.Free()


def test_who_starts_is_not_asked_to_lend() -> None:
    """It may do something else before it waits: the others must not wait for it."""
    with opened() as comm:
        data, out = np.zeros(COUNT, np.float32), np.zeros(COUNT, np.float32)
        step = comm.Allreduce_init(data, out)
        for number in range(OFTEN):
            data[:] = pattern(RANK, number)
            if RANK == 0:
                step.Start()
                while not step.Test():
                    pass
            else:
                comm.Allreduce(data, out)
            np.testing.assert_array_equal(out, total(number))
        assert not is_lent(data)


def test_nobody_lends_where_one_rank_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RINGTREE_LEND", "off" if RANK == RANKS - 1 else "auto")
    with opened() as comm:
        data, out = np.zeros(COUNT, np.float32), np.zeros(COUNT, np.float32)
        reduce_often(comm, data, out)
        assert not is_lent(data)


def test_ranks_may_differ() -> None:
    """One rank's arrays are new each time, or not NumPy's own: the others' are lent alone."""
    with opened() as comm:
        out, mine = np.zeros(COUNT, np.float32), np.zeros(COUNT, np.float32)
        for number in range(2 * OFTEN):
            data = mine
            if RANK == 0:
                data = np.frombuffer(bytearray(4 * COUNT), np.float32) if number % 2 else np.empty(COUNT, np.float32)
            data[:] = pattern(RANK, number)
            comm.Allreduce(data, out)
            np.testing.assert_array_equal(out, total(number))
        assert is_lent(mine) == (RANK != 0)


def test_only_what_numpy_allocated_is_lent(tmp_path: Path) -> None:
    on_file = np.memmap(tmp_path / f"{RANK}", np.float32, "w+", shape=(COUNT,))
    of_others = np.frombuffer(bytearray(4 * COUNT), np.float32)
    with opened() as comm:
        for data in (on_file, of_others, comm.empty(COUNT)):
            out = np.zeros(COUNT, np.float32)
            reduce_often(comm, data, out)
            assert not is_lent(data)


def test_a_forked_child_has_memory_of_its_own() -> None:
    with opened() as comm:
        data, out = lent_pair(comm)
        known = np.ones(COUNT, np.float32)
        comm.register(known)
        data[:], out[:] = pattern(RANK), 5
        reading, writing = os.pipe()

        def child() -> None:
            os.read(reading, 1)  # the parent has written by now
            np.testing.assert_array_equal(data, pattern(RANK))
            np.testing.assert_array_equal(known, np.ones(COUNT))
            data[:], known[:], out[:] = -3, -3, -3

        ended = in_child(child)
        data[:], known[:] = 8, 9
        os.write(writing, b"x")
        assert ended() == 0
        os.close(reading)
        os.close(writing)
        np.testing.assert_array_equal(data, np.full(COUNT, 8))
        np.testing.assert_array_equal(known, np.full(COUNT, 9))
        np.testing.assert_array_equal(out, np.full(COUNT, 5))
        reduce_often(comm, data, out, 2)
        assert is_lent(data)


def test_a_child_that_collects_its_copies_says_nothing_to_the_ranks() -> None:
    with opened() as comm:
        data, out = lent_pair(comm)
        kept = [data, out, comm.empty(COUNT)]

        def child() -> None:
            nonlocal data, out
            kept.clear()
            del data, out
            gc.collect()

        assert in_child(child)() == 0
        reduce_often(comm, data, out, 3)
        reduce_often(comm, kept[2], out, 3)


def test_an_array_that_gets_other_memory_is_private_again() -> None:
    """Its old addresses may be another's by then. NumPy itself does not resize what somebody watches."""
    with opened() as comm:
        data, out = lent_pair(comm)
        with pytest.raises(ValueError, match="resize"):
            data.resize(2 * COUNT, refcheck=False)
        data.__setstate__(np.zeros(8 * COUNT, np.float32).__reduce__()[2])
        others = [np.full(COUNT, 3.0, np.float32) for _ in range(20)]
        reduce_often(comm, data, np.zeros(8 * COUNT, np.float32), 3)
        for other in others:
            comm.Allreduce(other, out)
            np.testing.assert_array_equal(out, np.full(COUNT, 3.0 * RANKS))
        del data
        gc.collect()
        for other in others:
            np.testing.assert_array_equal(other, np.full(COUNT, 3.0))


def test_what_is_lent_to_one_communicator_stays_there() -> None:
    with opened() as first, opened() as second:
        data, out = lent_pair(first)
        reduce_often(second, data, out)
        reduce_often(first, data, out, 3)


def test_what_is_lent_can_be_registered_and_returned() -> None:
    with opened() as first, opened() as second:
        data, out = lent_pair(first)
        second.register(data)
        reduce_often(second, data, out, 3)
        reduce_often(first, data, out, 3)
        second.unregister(data)
        assert not is_lent(data)
        reduce_often(second, data, out, 3)


def test_arrays_that_die_leave_nothing_behind() -> None:
    """Nor do they cost more and more: who dies young is lent ever later."""

    def mappings() -> int:
        return len(Path("/proc/self/maps").read_text(encoding="ascii").splitlines())

    with opened() as comm:
        counts = []
        for number in range(400):
            data = np.full(COUNT, number + RANK, np.float32)
            comm.Allreduce(MPI.IN_PLACE, data)
            assert data[0] == data[-1] == RANKS * number + RANKS * (RANKS - 1) / 2
            counts.append(mappings())
            del data
        assert max(counts[200:]) <= max(counts[:200]) + 4 * RANKS
        assert not lent._lent


class Kept(np.ndarray):
    """Its end is told to watchers before its own last words, in a cycle that the garbage collector breaks."""

    last: list[float] | None = None

    def __del__(self) -> None:
        if self.last is not None:
            self.last.append(float(self[0]))


def test_arrays_of_other_classes_are_not_lent() -> None:
    with opened() as comm:
        data, out = np.ndarray.__new__(Kept, (COUNT,), np.float32), np.zeros(COUNT, np.float32)
        data.last = last = []
        data.cycle = data  # type: ignore[attr-defined]
        reduce_often(comm, data.view(np.ndarray), out)
        data[:] = 42
        assert not is_lent(data)
        del data
        gc.collect()
        assert last[-1] == 42


def test_elements_that_lie_across_pages_are_not_lent() -> None:
    """NumPy takes complex numbers on a multiple of 8 for aligned."""
    with opened() as comm:
        data = np.zeros(2 * COUNT + 2)[1:-1].view(np.complex128)
        if data.__array_interface__["data"][0] % 16 == 0:
            data = np.zeros(2 * COUNT + 3)[2:-1].view(np.complex128)
        out = np.zeros(2 * COUNT + 1)[1:].view(np.complex128)
        reduce_often(comm, data, out, 3)
        comm.register(data)
        reduce_often(comm, data, out, 3 * OFTEN)


def test_two_threads_share_an_input() -> None:
    """Each with a communicator of its own: one of them lends it."""
    with opened() as one, opened() as two:
        data, outs = np.zeros(COUNT, np.float32), [np.zeros(COUNT, np.float32) for _ in range(2)]
        for number in range(2 * OFTEN):
            data[:] = pattern(RANK, number)
            with ThreadPoolExecutor(2) as threads:
                both = [threads.submit(c.Allreduce, data, out) for c, out in zip((one, two), outs, strict=True)]
                for future in both:
                    future.result(timeout=30)
            for out in outs:
                np.testing.assert_array_equal(out, total(number))
