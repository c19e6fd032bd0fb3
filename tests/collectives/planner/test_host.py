"""Algorithms for the bare host: every choice can be built, and the verifier proves it."""

from __future__ import annotations

import pytest

from _ringtree.core import KINDS, Collective, Program, verify
from collectives.planner.candidates import candidates
from collectives.planner.host import choose
from collectives.planner.planning import Planner
from collectives.planner.specification import parse

SMALL, LARGE = 1, 1 << 20


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("element_bytes", [SMALL, LARGE])
def test_every_choice_is_proved(kind: str, element_bytes: int) -> None:
    """The element's size makes a few elements count as many bytes, so that proving stays cheap."""
    for ranks in (1, 2, 3, 4, 5, 8, 9, 16, 17):
        for root in {0, ranks - 1}:
            shape = Collective(kind, ranks, 0 if kind == "barrier" else 2 * ranks, root)
            asked = parse(choose(shape, element_bytes))
            (only,) = candidates(Planner(None, tuple(range(ranks))), shape, asked)
            verify(Program.build(shape, only.recipe))


@pytest.mark.parametrize("kind", ["all_reduce", "reduce_scatter", "all_gather", "broadcast", "reduce", "all_to_all"])
def test_small_and_large_part_at_16_kib(kind: str) -> None:
    def chosen(count: int, element_bytes: int) -> str:
        return choose(Collective(kind, 4, count), element_bytes)

    assert chosen(4096, 4) == chosen(16384, 1) == chosen(0, 8) == chosen(2048, 8)
    assert chosen(4097, 4) == chosen(16385, 1) == chosen(1 << 28, 8) == chosen(2049, 8)
    assert chosen(4096, 4) != chosen(4097, 4)


def test_many_ranks_do_not_all_send_to_all() -> None:
    assert choose(Collective("all_reduce", 8, 1), 4) == "one_shot"
    assert choose(Collective("all_reduce", 9, 1), 4) == "recursive_doubling"
