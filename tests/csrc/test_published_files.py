"""Published algorithm files: proved, executed, and spoilt in every way that the verifier must not let pass."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest
from mutants import FILES, WAYS, executes, program_of, read, spoilt, verdict

from _ringtree.core import verify

SOME = 10  # of each file and way; mutants.py itself tries all

pytestmark = pytest.mark.skipif(not FILES, reason="the published algorithm files are not here")
published = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


@published
def test_a_published_file_is_right(path: Path) -> None:
    algorithm = read(path)
    program, in_place = program_of(algorithm)
    assert verify(program, 8, in_place).steps == len(list(algorithm.steps()))
    assert executes(algorithm, seeds=1)


@published
@pytest.mark.parametrize("way", WAYS)
def test_a_spoilt_file_is_rejected_or_executes_right(path: Path, way: str) -> None:
    mutants = list(spoilt(read(path), way))
    for mutant in islice(mutants, 0, None, max(1, len(mutants) // SOME)):
        assert (verdict(mutant) == "right") == executes(mutant, seeds=1)
        if way == "reduction removed":
            assert verdict(mutant) != "right"
