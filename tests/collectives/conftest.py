"""A communicator on the direct path for a module, one that a test may spoil, and memory in reach."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from directly import MEMORY, Pool, direct

import ringtree


@pytest.fixture(scope="module")
def parent() -> Iterator[ringtree.Communicator]:
    with direct() as made:
        yield made


@pytest.fixture
def comm(parent: ringtree.Communicator) -> Iterator[ringtree.Communicator]:
    """One that a test may spoil."""
    made = parent.Dup()
    yield made
    made.Free()


@pytest.fixture(scope="module")
def pools(parent: ringtree.Communicator) -> list[Pool]:
    return [Pool(parent.empty(MEMORY, np.uint8)) for _ in range(2)]
