"""Threads, forks and Ctrl-C: what may be done at once, and that whoever is interrupted leaves nobody waiting."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from opened import RANK, RANKS, opened, total
from together import WORLD, meet

import ringtree

pytestmark = pytest.mark.mpi

LAST = RANKS - 1
SEVERAL = pytest.mark.skipif(RANKS < 2, reason="one rank waits for nobody")


def rounds(comm: ringtree.Communicator, counts: list[int]) -> None:
    for count in counts:
        total(comm, count)
        message = np.full(count, count if comm.Get_rank() == LAST else 0, np.int16)
        comm.Bcast(message, LAST)
        assert (message == count).all()


@pytest.mark.parametrize("board", [None, "ppu-8"], ids=["host", "board"])
def test_two_threads_with_a_communicator_each(board: str | None) -> None:
    """One begins with long operations, the other with short ones."""
    counts = [1, 20_000, 3, 700, 0, 12]
    algorithm = "ring:channels=1:chunks=2;barrier:binomial"
    with opened(board=board, algorithm=algorithm) as one, opened(board=board, algorithm=algorithm) as two:
        total(one)
        total(two)
        with ThreadPoolExecutor(2) as threads:
            both = [threads.submit(rounds, one, counts), threads.submit(rounds, two, counts[::-1])]
            for future in both:
                future.result(timeout=30)


@SEVERAL
def test_two_threads_with_one_communicator() -> None:
    """The second is refused, and the first is not disturbed."""
    with opened() as comm, ThreadPoolExecutor(1) as threads:
        total(comm)
        meet()
        if RANK == LAST:
            meet()
            total(comm)
        else:
            first = threads.submit(total, comm)
            time.sleep(0.1)
            for call in (comm.Barrier, lambda: comm.Bcast(np.zeros(3)), lambda: total(comm)):
                with pytest.raises(ringtree.CommunicationError, match="in use by another thread"):
                    call()
            meet()
            first.result(timeout=30)
        total(comm)


def in_child(work: Callable[[], None]) -> int:
    """The exit status of a forked child: 0 when it got the error that it should."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    try:
        work()
    except ringtree.ForkedError:
        os._exit(0)
    except BaseException:
        os._exit(2)
    os._exit(1)


@pytest.mark.parametrize("board", [None, "ppu-8"], ids=["host", "board"])
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_may_not_use_it_and_does_no_harm(board: str | None) -> None:
    data = np.ones(3)
    with opened(board=board, algorithm="binomial;all_to_all:pairwise") as comm:
        total(comm)
        unused = comm.Dup()
        uses: list[Callable[[], Any]] = [
            lambda: total(comm),
            lambda: comm.Bcast(np.zeros(1000), 0),
            lambda: comm.Allgatherv(data, np.zeros(3 * RANKS)),
            lambda: total(unused),
            lambda: comm.empty(3),
            lambda: ringtree.Communicator(comm),
        ]
        assert [in_child(use) for use in uses] == [0] * len(uses)
        total(comm)
        total(unused)
        unused.Free()


def interrupted(call: Callable[[], None]) -> float:
    """Seconds from a SIGINT in the middle of the call to its exception."""
    sent: list[float] = []

    def send() -> None:
        sent.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)

    timer = threading.Timer(0.1, send)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        call()
    delay = time.monotonic() - sent[0]
    timer.join()
    return delay


@SEVERAL
@pytest.mark.parametrize("known", [False, True], ids=["new", "known"])
@pytest.mark.parametrize("board", [None, "ppu-8"], ids=["host", "board"])
def test_ctrl_c_while_waiting(board: str | None, known: bool) -> None:
    """Within 0.1 s where the processor is free (the best of three); the others hear of it at once."""
    delays = []
    for _ in range(3):
        with opened(board=board, algorithm="binomial") as comm:
            if known:
                total(comm)
            meet()
            if RANK == 0:
                delays.append(interrupted(lambda: total(comm)))
            if RANK == LAST:
                meet()
            begin = time.monotonic()
            with pytest.raises(
                ringtree.CommunicationError, match=r"all_reduce of 3 float64.* was interrupted on rank 0"
            ):
                total(comm)
            assert time.monotonic() - begin < 5
            if RANK != LAST:
                meet()
        if WORLD.bcast(min(delays, default=0.0)) < 0.1:
            break
    assert min(delays, default=0.0) < 0.1
