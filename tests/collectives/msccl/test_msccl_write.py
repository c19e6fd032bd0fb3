"""Programs written as MSCCL XML: read back they are right and take the same time; what the runtimes refuse is said."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace

import pytest
from _ringtree_core import lib
from hypothesis import given, settings
from hypothesis import strategies as st

import topology
from _ringtree.core import Collective, Job, Program, Recipe, simulate, supports, verify
from _ringtree.errors import UnsupportedError
from _ringtree.stored import Step, store
from collectives import Plan, plan
from collectives.msccl import Algorithm, beyond, lower, plan_to_msccl, program_to_msccl, read_algorithm
from collectives.msccl.model import ROOTED

BOARDS = {name: topology.load(name) for name in ("ppu-8", "dgx1v", "mi300x-8")}
PIPELINED = ("tree", "binary_tree", "binomial", "star", "two_shot")


def read_back(program: Program, **options: bool) -> tuple[Algorithm, Program]:
    """The file of a program, and the program of the file, proved in both ways."""
    algorithm = read_algorithm(program_to_msccl(program, **options), "x")
    again = lower(algorithm, program.collective)
    for in_place in (False, True) if program.collective.kind != "all_to_all" else (False,):
        verify(again, in_place=in_place)
    return algorithm, again


def finishes(made: Plan, program: Program) -> list[float]:
    assert made.topology is not None
    return simulate(made.topology.board(0.0), [Job(program, made.placement, 4)]).finish_us[0]


@pytest.mark.parametrize("board", ["ppu-8", "dgx1v"])
@pytest.mark.parametrize("kind", ["all_reduce", "all_gather", "reduce_scatter", "broadcast"])
@pytest.mark.parametrize("algorithm", ["forest:chunks=6:pace=2", "ring:chunks=3", "tree:chunks=5:pace=1"])
def test_plans_read_back_take_the_same_time(board: str, kind: str, algorithm: str) -> None:
    """Bit for bit, rank for rank; what a runtime would refuse is beside the point."""
    made = plan(BOARDS[board], kind, 8 * 10007 * 4, algorithm=algorithm)
    _, again = read_back(made.program, limits=False)
    assert finishes(made, again) == made.simulate()


def test_the_ppu_board_s_own_plan() -> None:
    made = plan(BOARDS["ppu-8"], "all_reduce", 64 * 2**20, algorithm="forest:chunks=16")
    _, again = read_back(made.program, limits=False)
    assert finishes(made, again) == made.simulate()
    two_shot = plan(BOARDS["ppu-8"], "all_reduce", 2**20, algorithm="two_shot:chunks=4:pace=2")
    algorithm, again = read_back(two_shot.program)
    assert finishes(two_shot, again) == two_shot.simulate()
    assert not list(beyond(algorithm))


@given(st.data())
@settings(deadline=None, max_examples=60)
def test_any_algorithm_survives(data: st.DataObject) -> None:
    """All built-in families, any ranks and roots: right again, with as many messages."""
    name = data.draw(
        st.sampled_from(["ring", *PIPELINED, "one_shot", "recursive_doubling", "rabenseifner", "pairwise"])
    )
    kinds = ["all_reduce", "reduce_scatter", "all_gather", "broadcast", "reduce", "gather", "scatter", "all_to_all"]
    kind, ranks = data.draw(st.sampled_from(kinds)), data.draw(st.integers(2, 7))
    if not supports(name, kind, ranks):
        return
    count = ranks * data.draw(st.integers(1, 40))
    root = data.draw(st.integers(0, ranks - 1)) if kind in ROOTED else 0
    recipe = Recipe(name, data.draw(st.integers(1, 5)), data.draw(st.integers(0, 3)), data.draw(st.integers(1, 3)))
    program = Program.build(Collective(kind, ranks, count, root), recipe)
    algorithm, again = read_back(program, limits=False)
    assert verify(again).messages == verify(program).messages
    assert (algorithm.depth, algorithm.kind, algorithm.root) == (program.depth, kind, root if kind in ROOTED else None)
    for gpu in algorithm.gpus:
        for end in ("send", "receive"):
            ends = Counter((getattr(b, end), b.channel) for b in gpu.blocks if getattr(b, end) >= 0)
            assert all(many == 1 for many in ends.values())
    if ranks * algorithm.chunks < 5000 and kind != "all_to_all":
        larger = Collective(kind, ranks, 3 * algorithm.chunks, root)
        verify(lower(algorithm, larger), in_place=True)


def exchange(lanes: dict[tuple[int, int], list[Step]], ends: list[tuple[int, int]], count: int = 4) -> Program:
    """Steps of two ranks as an all-gather."""
    steps = [(rank, lane, step) for (rank, lane), its in lanes.items() for step in its]
    return store(Collective("all_gather", 2, count), ends, steps, depth=2, scratch=[0, 0])


def part(opcode: int, source: tuple[int, int], target: tuple[int, int], **more: object) -> Step:
    return replace(Step(opcode, 2, source, target), **more)  # type: ignore[arg-type]


OWN = [part(lib.RT_COPY, (lib.RT_INPUT, 0), (lib.RT_OUTPUT, 2 * rank)) for rank in range(2)]
SENDS = [part(lib.RT_SEND, (lib.RT_INPUT, 0), (0, 0), sends=rank) for rank in range(2)]
RECEIVES = [part(lib.RT_RECV, (0, 0), (lib.RT_OUTPUT, 2 - 2 * rank), receives=1 - rank) for rank in range(2)]
BOTH = [(0, 1), (1, 0)]


def test_dependencies_become_nops_and_flags() -> None:
    """Three flags for the last step, of which two are nops; a nop of the program is what it stands for."""
    lanes = {
        (0, 0): [SENDS[0]],
        (0, 1): [RECEIVES[0]],
        (0, 2): [OWN[0]],
        (0, 3): [Step(lib.RT_NOP, dependencies=[(0, 2, 0)]), replace(OWN[0], dependencies=[(2, 1, 0)])],
        (1, 0): [SENDS[1], RECEIVES[1], OWN[1]],
    }
    algorithm, _ = read_back(exchange(lanes, BOTH))
    assert [len(block.steps) for block in algorithm.gpus[0].blocks] == [1, 1, 1, 3]
    last = algorithm.gpus[0].blocks[3].steps
    assert [(step.type, step.depends) for step in last] == [("nop", (0, 0)), ("nop", (1, 0)), ("cpy", (2, 0))]
    assert [step.type for step in algorithm.gpus[1].blocks[0].steps] == ["s", "r", "cpy"]
    text = program_to_msccl(exchange(lanes, BOTH))
    assert text.count('hasdep="1"') == 3
    assert re.search(
        r'<algo name="ringtree" proto="Simple" nchannels="1" nchunksperloop="2" ngpus="2" coll="allgather"', text
    )


def test_what_was_waited_for_is_not_waited_for_again() -> None:
    late = part(lib.RT_COPY, (lib.RT_OUTPUT, 2), (lib.RT_OUTPUT, 2), dependencies=[(1, 1, 0)])
    lanes = {
        (0, 0): [SENDS[0], late, late, replace(late, dependencies=[(0, 1, 1), (1, 1, 0)])],
        (0, 1): [RECEIVES[0], OWN[0]],
        (1, 0): [SENDS[1], RECEIVES[1], OWN[1]],
    }
    algorithm, _ = read_back(exchange(lanes, BOTH))
    assert [step.depends for step in algorithm.gpus[0].blocks[0].steps] == [None, (1, 0), None, None]


def test_a_lane_with_several_peers_is_split_in_order() -> None:
    """Each step that follows one of another block waits for it."""
    program = Program.build(Collective("all_to_all", 4, 8), Recipe("pairwise"))
    algorithm, again = read_back(program)
    blocks = algorithm.gpus[0].blocks
    peers = [(block.send, block.receive) for block in blocks]
    assert peers == [(1, -1), (-1, 3), (2, -1), (-1, 2), (3, -1), (-1, 1)]
    assert [step.depends for block in blocks for step in block.steps] == [None, None, *((i, i == 0) for i in range(5))]
    board = BOARDS["mi300x-8"]
    jobs = [Job(p, board.devices[:4], 4) for p in (program, again)]
    first, second = (simulate(board.board(0.0), [job]).finish_us[0] for job in jobs)
    assert first == second


def test_lanes_that_cannot_be_blocks() -> None:
    shared = {(0, 0): [SENDS[0], OWN[0]], (0, 1): [replace(SENDS[0])], (1, 0): [SENDS[1], RECEIVES[1], OWN[1]]}
    with pytest.raises(
        UnsupportedError, match="rank 0: found that lanes 0 and 1 both use channel 0; expected one thread"
    ):
        program_to_msccl(exchange(shared, BOTH))
    fused = part(lib.RT_RECV_SEND, (0, 0), (lib.RT_OUTPUT, 2), receives=1, sends=0)
    two = {(0, 0): [fused, replace(fused, sends=2)], (1, 0): [SENDS[1], SENDS[1], RECEIVES[1]]}
    with pytest.raises(
        UnsupportedError, match="rank 0, lane 0, step 1: found a step that receives and sends, and anoth"
    ):
        program_to_msccl(exchange(two, [*BOTH, (0, 1)]))


def test_collectives_without_a_file() -> None:
    with pytest.raises(UnsupportedError, match="found barrier; expected one of all_reduce"):
        program_to_msccl(Program.build(Collective("barrier", 4, 0), Recipe("tree")))
    uneven = Program.build(Collective("all_gather", 2, 4, counts=(1, 3)), Recipe("ring"))
    with pytest.raises(UnsupportedError, match="found all_gather of unequal parts"):
        program_to_msccl(uneven)
    for count in (0, 5):
        with pytest.raises(UnsupportedError, match=f"found {count} elements; expected some for each of 2 equal parts"):
            program_to_msccl(Program.build(Collective("all_gather", 2, count), Recipe("ring")))


def refused(algorithm: str, recipe: Recipe, ranks: int, count: int, message: str) -> None:
    program = Program.build(Collective(algorithm, ranks, count), recipe)
    with pytest.raises(UnsupportedError, match=message):
        program_to_msccl(program)
    read_back(program, limits=False)


def test_limits_of_the_runtimes() -> None:
    """Each is named with the figure that was found; without limits the file is written and reads back."""
    refused("all_reduce", Recipe("ring", 17), 3, 17 * 3, "rank 0, lane 0: found more steps with one peer than the 64")
    refused("all_reduce", Recipe("two_shot"), 24, 24, r"gpu 0: found 92 thread blocks; MSCCL's runtimes take 64")
    refused("broadcast", Recipe("star"), 40, 1, r"found 39 thread blocks that send to others on channel 0; .* take 32")
    message = "found a step of 20000 chunks of 1 elements; a thread block takes 64 steps of 71 chunks"
    refused("all_reduce", Recipe("tree"), 4, 40001, message)


def test_longer_steps_are_split() -> None:
    """71 chunks at most; both ends of a channel in the same way, and who waits, waits for the last."""
    program = Program.build(Collective("all_reduce", 2, 401), Recipe("tree", 2, 1))
    algorithm, _ = read_back(program)
    assert algorithm.chunks == 401
    assert max(step.count for *_, step in algorithm.steps()) == 71


@pytest.mark.parametrize(
    ("board", "kind", "algorithm"),
    [
        ("ppu-8", "all_reduce", "forest:chunks=16"),
        ("ppu-8", "all_gather", "forest:chunks=16"),
        ("dgx1v", "broadcast", "forest:chunks=128"),
        ("dgx1v", "all_reduce", "ring:channels=6:chunks=128"),
        ("ppu-8", "all_to_all", "one_shot"),
    ],
)
def test_every_plan_has_a_file_within_the_limits(board: str, kind: str, algorithm: str) -> None:
    made = plan(BOARDS[board], kind, 16 * 2**20, algorithm=algorithm)
    file = read_algorithm(plan_to_msccl(made), "x")
    assert not list(beyond(file))
    again = lower(file, Collective(kind, 8, made.collective.count // file.chunks * file.chunks))
    verify(again)
    assert max(finishes(made, again)) < 1.6 * made.time_us


def test_fused_lanes_are_right_and_fewer() -> None:
    program = Program.build(Collective("all_reduce", 8, 8 * 6), Recipe("tree", 3, 2))
    apart, _ = read_back(program)
    together, _ = read_back(program, fuse=True)
    assert sum(len(g.blocks) for g in together.gpus) < sum(len(g.blocks) for g in apart.gpus)
    assert {step.type for *_, step in together.steps()} >= {"rcs", "rrcs"}
