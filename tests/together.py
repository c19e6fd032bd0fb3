"""Ranks that test together: what fails on one fails on all, so that they stay in step."""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from mpi4py import MPI

WORLD = MPI.COMM_WORLD


def meet() -> None:
    """A barrier whose waiting ranks leave the processors to the others."""
    arrived = WORLD.Ibarrier()
    while not arrived.Test():
        time.sleep(0.0005)


@contextmanager
def in_step() -> Iterator[None]:
    """Run the block on all ranks; where it failed on another one only, fail with what happened there."""
    problem: BaseException | None = None
    try:
        yield
    except (Exception, pytest.fail.Exception) as found:
        problem = found
    meet()
    text = None if problem is None else "".join(traceback.format_exception(problem))
    texts = WORLD.allgather(text)
    if problem is not None:
        raise problem
    failed = [f"rank {rank}: {text}" for rank, text in enumerate(texts) if text is not None]
    if failed:
        pytest.fail(failed[0], pytrace=False)
