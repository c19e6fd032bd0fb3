"""Forests of few steps: programs that are proved, and times that keep what the steps promise."""

from __future__ import annotations

from functools import cache

import pytest

from _ringtree.core import Collective, Job, Program, Recipe, simulate, verify
from _ringtree.errors import NoRouteError, UnsupportedError
from collectives.planner.forests import Share, forest
from collectives.planner.stepped import KINDS, joined, stepped_shares
from topology import Topology, load
from topology.stepped import Stepped
from topology.steps import step_optimal

WORK = 500_000
DGX = load("dgx1v")


def time_us(board: Topology, collective: Collective, shares: tuple[Share, ...], chunks: int = 1) -> float:
    """Of the forest, proved first."""
    program = Program.build(collective, Recipe("forest", chunks, 2, 2, forest=forest(collective, shares)))
    verify(program)
    return max(simulate(board.board(), [Job(program, board.devices, 4)]).finish_us[0])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("name", "steps"), [("ppu-8", 2), ("ppu-8", 3), ("dgx1v", 2), ("910b-8", 1), ("torus-4x4", 4), ("c500-8", 2)]
)
@pytest.mark.parametrize("trees", [1, 3])
def test_every_share_is_right_and_short(kind: str, name: str, steps: int, trees: int) -> None:
    board = load(name)
    ranks = len(board.devices)
    shares = stepped_shares(board, board.devices, kind, steps, trees, WORK)
    assert sorted(share.root for share in shares) == sorted(list(range(ranks)) * trees)
    for share in shares:
        assert (share.up is None, share.down is None) == (kind == "all_gather", kind == "reduce_scatter")
        for parents in (share.up, share.down):
            assert parents is None or max(depth(parents, rank) for rank in range(ranks)) <= steps
    for count in (0, 5, 100 * ranks):
        time_us(board, Collective(kind, ranks, count), shares)


def depth(parents: tuple[int, ...], rank: int) -> int:
    return 0 if parents[rank] < 0 else 1 + depth(parents, parents[rank])


@cache
def optimum(steps: int, chunks: int, up: bool) -> Stepped:
    return step_optimal(DGX, DGX.devices, steps, chunks, up, seconds=60)


@pytest.mark.parametrize(("steps", "rounds", "chunks"), [(2, 3, 2), (3, 7, 6)])
@pytest.mark.parametrize("nbytes", [2**14, 2**17, 2**20, 2**23])
def test_dgx1_is_as_fast_as_its_steps(steps: int, rounds: int, chunks: int, nbytes: int) -> None:
    """A latency for each step, and a round for each chunk of 25 GB/s. Links that are free go on before the others; of a
    reduce-scatter all leaves begin at once, and what comes last may stand in the way of what should come first."""
    promised = steps * 1.0 + rounds * (nbytes / 8 / chunks) / 25e3
    taken = time_us(DGX, Collective("all_gather", 8, nbytes // 4), joined(None, optimum(steps, chunks, False)))
    assert taken <= promised * (1 + 1e-3)
    if steps == 2:
        assert taken == pytest.approx(promised, rel=1e-3)
    reduced = time_us(DGX, Collective("reduce_scatter", 8, nbytes // 4), joined(optimum(steps, chunks, True), None))
    assert reduced <= promised * 1.2


def test_what_there_is_not() -> None:
    board = load("ppu-8")
    with pytest.raises(UnsupportedError, match="found broadcast; expected one of all_reduce"):
        stepped_shares(board, board.devices, "broadcast", 2, 1)
    with pytest.raises(NoRouteError, match="in 1 steps"):
        stepped_shares(board, board.devices, "all_gather", 1, 1)
