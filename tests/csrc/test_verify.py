"""The verifier: it accepts what is right, and names what is wrong in programs that were spoilt, and no others."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from _ringtree_core import lib
from hypothesis import given, settings
from hypothesis import strategies as st
from interpreter import Task, WrongProgram, interpret
from programs import KINDS
from schedules import GIVES, TAKES, Step, store, unstore

from _ringtree.core import Collective, Program, Recipe, supports, verify
from _ringtree.errors import InputError, VerificationError

Steps = dict[tuple[int, int], list[Step]]

INPUT, OUTPUT, SCRATCH = lib.RT_INPUT, lib.RT_OUTPUT, lib.RT_SCRATCH
FAMILIES = [
    "ring",
    "tree",
    "binomial",
    "star",
    "one_shot",
    "two_shot",
    "recursive_doubling",
    "rabenseifner",
    "pairwise",
    "bucket",
    "swing",
]


def fails(program: Program, words: str, depth: int = 0, in_place: bool = False) -> None:
    with pytest.raises((VerificationError, InputError), match=words):
        verify(program, depth, in_place)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("algorithm", FAMILIES)
def test_built_programs_are_right(algorithm: str, kind: str) -> None:
    for ranks in (1, 2, 3, 4, 7, 8):
        if not supports(algorithm, kind, ranks):
            continue
        for count in (0, 1, 5, 1000) if kind != "barrier" else (0,):
            program = Program.build(Collective(kind, ranks, count, ranks // 2), Recipe(algorithm, chunks=3, pace=1))
            for in_place in (False, True)[: 1 if kind == "all_to_all" else 2]:
                verdict = verify(program, in_place=in_place)
                steps = unstore(program).values()
                assert verdict.steps == sum(len(lane) for lane in steps)
                assert verdict.messages == sum(step.opcode in GIVES for lane in steps for step in lane)


def drop(lanes: Steps, where: tuple[int, int], at: int) -> bool:
    """Leave a step out; later dependencies on its lane move with it."""
    del lanes[where][at]
    rank, gone = where
    for (owner, _), steps in lanes.items():
        if owner == rank:
            for i, step in enumerate(steps):
                deps = tuple((a, n, s - (a <= gone < a + n and s > at)) for a, n, s in step.deps)
                steps[i] = replace(step, deps=tuple(d for d in deps if d[2] >= 0))
    return True


def swap(lanes: Steps, where: tuple[int, int], at: int) -> bool:
    steps = lanes[where]
    if at + 1 == len(steps) or steps[at] == steps[at + 1]:
        return False
    steps[at : at + 2] = reversed(steps[at : at + 2])
    return True


def drop_dependency(lanes: Steps, where: tuple[int, int], at: int) -> bool:
    lanes[where][at], had = replace(lanes[where][at], deps=()), lanes[where][at].deps
    return bool(had)


def shift(lanes: Steps, where: tuple[int, int], at: int) -> bool:
    step = lanes[where][at]
    lanes[where][at] = replace(
        step, src=(step.src[0], max(0, step.src[1] - 1)), dst=(step.dst[0], max(0, step.dst[1] - 1))
    )
    return lanes[where][at] != step and step.count > 0


def shorten(lanes: Steps, where: tuple[int, int], at: int) -> bool:
    step = lanes[where][at]
    lanes[where][at] = replace(step, count=step.count - 1)
    return step.count > 0


def other_buffer(lanes: Steps, where: tuple[int, int], at: int) -> bool:
    step = lanes[where][at]
    lanes[where][at] = replace(step, src=(OUTPUT if step.src[0] == INPUT else INPUT, step.src[1]))
    return step.count > 0


MUTATIONS = [drop, swap, drop_dependency, shift, shorten, other_buffer]


@given(st.sampled_from(FAMILIES), st.sampled_from(list(KINDS)), st.integers(2, 5), st.integers(0, 2**32), st.booleans())
@settings(deadline=None, max_examples=300)
def test_spoilt_programs(algorithm: str, kind: str, ranks: int, seed: int, in_place: bool) -> None:
    """One mutation: what the verifier says is what an interpreter says that knows nothing of intervals and clocks."""
    chance = random.Random(seed)
    in_place = in_place and kind != "all_to_all"
    if kind == "barrier" or not supports(algorithm, kind, ranks):
        return
    root, depth, count = chance.randrange(ranks), chance.choice([1, 2, 3]), chance.choice([ranks, 2 * ranks + 1])
    recipe = Recipe(algorithm, chunks=chance.choice([1, 2]), pace=chance.choice([0, 1]), depth=depth)
    built = Program.build(Collective(kind, ranks, count, root), recipe)
    lanes = unstore(built)
    where = chance.choice([lane for lane, steps in lanes.items() if steps])
    if not chance.choice(MUTATIONS)(lanes, where, chance.randrange(len(lanes[where]))):
        return
    scratch = [built.scratch(r) for r in range(ranks)]
    program = store(built.collective, built.channel_ends(), lanes, built.depth, scratch)
    found = expected = ""
    try:
        verify(program, in_place=in_place)
    except (VerificationError, InputError) as problem:
        found = str(problem)
    try:
        interpret(program.handle, Task(KINDS[kind], ranks, count, root), in_place=in_place, seed=seed)
    except WrongProgram as problem:
        expected = str(problem)
    assert bool(found) == bool(expected), (found, expected)


@pytest.mark.parametrize("algorithm", FAMILIES)
@pytest.mark.parametrize("in_place", [False, True])
def test_no_reduction_can_be_left_out(algorithm: str, in_place: bool) -> None:
    if not supports(algorithm, "all_reduce", 4):
        return
    built = Program.build(Collective("all_reduce", 4, 13), Recipe(algorithm))
    combines = {lib.RT_REDUCE_LOCAL, lib.RT_RECV_REDUCE, lib.RT_RECV_REDUCE_SEND, lib.RT_RECV_REDUCE_STORE_SEND}
    copies = {
        lib.RT_RECV_REDUCE: lib.RT_RECV,
        lib.RT_RECV_REDUCE_STORE_SEND: lib.RT_RECV_SEND,
        lib.RT_RECV_REDUCE_SEND: lib.RT_NOP,
        lib.RT_REDUCE_LOCAL: lib.RT_COPY,
    }
    scratch = [built.scratch(r) for r in range(4)]
    for where, steps in unstore(built).items():
        for at, step in enumerate(steps):
            if step.opcode in combines and step.count > 0:
                lanes = unstore(built)
                lanes[where][at] = replace(step, opcode=copies[step.opcode])
                fails(
                    store(built.collective, built.channel_ends(), lanes, built.depth, scratch), "verify: ", 0, in_place
                )


ONE_WAY = [(0, 1)]


def broadcast(send: Step, receive: Step, count: int = 4) -> Program:
    lanes = {(0, 0): [Step(lib.RT_COPY, count), send], (1, 0): [receive]}
    return store(Collective("broadcast", 2, count), ONE_WAY, lanes)


SEND, RECEIVE = Step(lib.RT_SEND, 4, sends=0), Step(lib.RT_RECV, 4, receives=0)


def test_what_is_said_about_results() -> None:
    assert verify(broadcast(SEND, RECEIVE)).messages == 1
    short = replace(SEND, count=3), replace(RECEIVE, count=3)
    fails(broadcast(*short), r"^verify: rank 1: output element 3: found nothing, expected element 3 of rank 0$")
    askew = replace(short[0], src=(INPUT, 1)), short[1]
    fails(broadcast(*askew), r"rank 1: output element 0: found element 1 of rank 0, expected element 0 of rank 0")
    fails(broadcast(SEND, short[1]), r"rank 1, lane 0, step 0: receives 3 elements on channel 0, but rank 0 sent 4")
    unwritten = replace(SEND, src=(OUTPUT, 0))
    early = {(0, 0): [unwritten, Step(lib.RT_COPY, 4)], (1, 0): [RECEIVE]}
    program = store(Collective("broadcast", 2, 4), ONE_WAY, early)
    fails(program, r"rank 0, lane 0, step 0: reads element 0 of the output, which has not been written")
    verify(program, in_place=True)
    fails(broadcast(SEND, Step(lib.RT_NOP)), r"rank 1: does not receive 1 of the chunks that rank 0 sends on channel 0")


def test_what_is_said_about_contributions() -> None:
    def reduce(received: Step) -> Program:
        lanes = {(0, 0): [Step(lib.RT_COPY, 4), received], (1, 0): [SEND], (2, 0): [replace(SEND, sends=1)]}
        return store(Collective("reduce", 3, 4), [(1, 0), (2, 0)], lanes, scratch=[4, 0, 0])

    once = Step(lib.RT_RECV_REDUCE, 4, receives=0)
    fails(reduce(once), r"rank 0: does not receive 1 of the chunks that rank 2 sends on channel 1")
    lanes = {(0, 0): [once], (1, 0): [SEND]}
    missing = store(Collective("reduce", 3, 4), [(1, 0)], lanes)
    fails(missing, r"rank 0: output element 0: found element 0 of ranks 0-1, expected element 0 of ranks 0-2")
    lanes = {(0, 0): [once, replace(once, src=(OUTPUT, 0))], (1, 0): [SEND, SEND]}
    twice = store(Collective("reduce", 2, 4), [(1, 0)], lanes)
    fails(
        twice, r"rank 0, lane 0, step 1: combines element 0 of rank 1 with that of ranks 0-1: rank 1 would count twice"
    )
    shifted = {(0, 0): [replace(once, count=3)], (1, 0): [replace(SEND, count=3, src=(INPUT, 1))]}
    fails(
        store(Collective("reduce", 2, 4), [(1, 0)], shifted), r"combines element 1 of rank 1 with element 0 of rank 0"
    )


def test_what_is_said_about_single_steps() -> None:
    fails(
        broadcast(replace(SEND, src=(INPUT, 1)), RECEIVE),
        r"rank 0, lane 0, step 1: reads elements 1 to 4 of the input, which has 4",
    )
    fails(broadcast(SEND, replace(RECEIVE, dst=(SCRATCH, 0))), r"writes elements 0 to 3 of the scratch, which has 0")
    to_input = store(Collective("all_reduce", 1, 4), [], {(0, 0): [Step(lib.RT_COPY, 4, dst=(INPUT, 0))]})
    fails(to_input, r"writes to the input, which is the caller's")
    combining = broadcast(SEND, Step(lib.RT_RECV_REDUCE, 4, receives=0, src=(OUTPUT, 0)))
    fails(combining, r"combines, but the collective does not reduce")
    lost = store(Collective("barrier", 1, 0), [], {(0, 0): [Step(lib.RT_NOP, 0, deps=((1, 1, 0),))]})
    fails(lost, r"depends on a lane or step that its rank does not have")
    far = store(Collective("all_reduce", 1, 1), [], {(0, 0): [Step(lib.RT_COPY, 2**62, src=(INPUT, 2**62))]})
    fails(far, r"reads elements 4611686018427387904 to 9223372036854775807 of the input, which has 1")


def test_gaps_between_parts_are_left_alone() -> None:
    collective = Collective("gather", 1, 2, counts=(2,), displs=(1,))
    right = Step(lib.RT_COPY, 2, dst=(OUTPUT, 1))
    assert verify(store(collective, [], {(0, 0): [right]})).steps == 1
    spoilt = [right, Step(lib.RT_COPY, 1, dst=(OUTPUT, 0))]
    fails(
        store(collective, [], {(0, 0): spoilt}),
        r"output element 0: found something written, expected it to be left alone",
    )


def exchange(depth: int, ranks: int = 3) -> Program:
    """All send two messages on before they receive two: it takes two slots."""
    lanes = {}
    for rank in range(ranks):
        ends = {"sends": rank, "receives": (rank - 1) % ranks}
        sends = [Step(lib.RT_SEND, 0, sends=ends["sends"])] * 2
        lanes[rank, 0] = [*sends, *[Step(lib.RT_RECV, 0, receives=ends["receives"])] * 2]
    channels = [(rank, (rank + 1) % ranks) for rank in range(ranks)]
    return store(Collective("all_reduce", ranks, 0), channels, lanes, depth)


def test_deadlocks_name_the_circle() -> None:
    assert verify(exchange(2)).messages == 6
    assert verify(exchange(1), depth=2).messages == 6
    circle = [f"rank {a}, lane 0, step 1{':' if a == 0 else ''} " for a in range(3)]
    waits = [f"for rank {b} to free a slot of channel {a}" for a, b in enumerate((1, 2, 0))]
    words = (
        f"{circle[0]}waits {waits[0]}; {circle[1]}{waits[1]}; {circle[2]}{waits[2]}: a circle of 3 lanes with 1 slots"
    )
    fails(exchange(2), words, depth=1)
    fails(exchange(1, 9), r"; \.\.\.: a circle of 9 lanes with 1 slots per channel$")
    fails(
        broadcast(Step(lib.RT_NOP, 0), RECEIVE),
        r"rank 1, .* waits for a chunk from rank 0 on channel 0, which never comes",
    )
    lanes = {(0, 0): [Step(lib.RT_NOP, 0, deps=((1, 1, 3),))], (0, 1): [Step(lib.RT_NOP, 0, deps=((0, 1, 0),))]}
    waiting = store(Collective("all_reduce", 1, 0), [], lanes)
    fails(
        waiting,
        r"lane 0, step 0: waits for step 3 of lane 1; rank 0, lane 1, step 0 for step 0 of lane 0: a circle of 2",
    )
    ended = store(Collective("all_reduce", 1, 0), [], {**lanes, (0, 1): [Step(lib.RT_NOP, 0)]})
    fails(ended, r"waits for step 3 of lane 1, which never comes")


def lanes_of_one(deps: tuple[tuple[int, int, int], ...], *steps: Step) -> Program:
    """Lane 0 copies the input to the output; lane 1 does `steps`, the first of them after deps."""
    lanes = {(0, 0): [Step(lib.RT_COPY, 4)], (0, 1): [replace(steps[0], deps=deps), *steps[1:]]}
    return store(Collective("all_reduce", 1, 4), [], lanes, scratch=[8])


def test_races() -> None:
    aside = Step(lib.RT_COPY, 2, src=(OUTPUT, 2), dst=(SCRATCH, 0))
    assert verify(lanes_of_one(((0, 1, 0),), aside)).steps == 2
    fails(
        lanes_of_one((), Step(lib.RT_COPY, 4)),
        r"touches element 0 of the output, as lane 0 does in step 0, without an order",
    )
    fails(
        lanes_of_one((), Step(lib.RT_NOP), aside), r"rank 0, lane 1, step 1: touches element 2 of the output, as lane 0"
    )
    both = {(0, 0): [Step(lib.RT_COPY, 2)], (0, 1): [Step(lib.RT_COPY, 2, src=(INPUT, 2), dst=(OUTPUT, 2))]}
    assert verify(store(Collective("all_reduce", 1, 4), [], both)).steps == 2


def test_an_order_through_another_rank() -> None:
    """Rank 0's lanes never wait for each other, but for the same message to rank 1 and back."""
    there, back = Step(lib.RT_SEND, 0, sends=0), Step(lib.RT_RECV, 0, receives=1)
    aside = Step(lib.RT_COPY, 4, src=(OUTPUT, 0), dst=(SCRATCH, 0))
    lanes = {
        (0, 0): [Step(lib.RT_COPY, 4), there],
        (0, 1): [back, aside],
        (1, 0): [Step(lib.RT_RECV_SEND, 0, receives=0, sends=1)],
    }
    collective = Collective("reduce_scatter", 2, 4, counts=(4, 0))
    program = store(collective, [(0, 1), (1, 0)], lanes, scratch=[4, 0])
    fails(program, r"found element 0 of rank 0, expected element 0 of ranks 0-1")
    lanes[0, 1] = [aside, back]
    fails(
        store(collective, [(0, 1), (1, 0)], lanes, scratch=[4, 0]),
        r"reads element 0 .* not been written|without an order",
    )


def test_a_free_slot_is_no_order() -> None:
    """Lane 1 knows that its second message found room, but a transport may have had room all along."""
    lanes = {
        (0, 0): [Step(lib.RT_RECV, 0, receives=1), Step(lib.RT_COPY, 4)],
        (0, 1): [Step(lib.RT_SEND, 0, sends=0)] * 2 + [Step(lib.RT_COPY, 4, src=(OUTPUT, 0), dst=(SCRATCH, 0))],
        (1, 0): [Step(lib.RT_SEND, 0, sends=1), *[Step(lib.RT_RECV, 0, receives=0)] * 2],
    }
    program = store(Collective("reduce_scatter", 2, 4, counts=(4, 0)), [(0, 1), (1, 0)], lanes, scratch=[4, 0])
    fails(program, r"without an order|not been written")


def test_lanes_that_share_a_channel() -> None:
    one = Step(lib.RT_SEND, 0, sends=0)
    receives = [Step(lib.RT_RECV, 0, receives=0)] * 2

    def program(second: Step) -> Program:
        return store(Collective("all_reduce", 2, 0), ONE_WAY, {(0, 0): [one], (0, 1): [second], (1, 0): receives}, 2)

    assert verify(program(replace(one, deps=((0, 1, 0),)))).messages == 2
    fails(program(one), r"rank 0, lane 1, step 0: sends on a channel that lane 0 also uses, without an order")


def test_a_barrier_that_waits_for_nobody() -> None:
    idle = {(rank, 0): [Step(lib.RT_NOP, 0)] for rank in range(2)}
    fails(
        store(Collective("barrier", 2, 0), [], idle), r"rank 0: leaves the barrier without knowing that rank 1 has come"
    )
    one_sided = {(0, 0): [Step(lib.RT_SEND, 0, sends=0)], (1, 0): [Step(lib.RT_RECV, 0, receives=0)]}
    fails(store(Collective("barrier", 2, 0), ONE_WAY, one_sided), r"rank 0: leaves the barrier")


def test_real_counts_are_exact() -> None:
    """Runs of elements cost nothing, and one element in 2^40 is found."""
    big = 2**40
    built = Program.build(Collective("all_reduce", 8, big + 3), Recipe("ring"))
    assert verify(built).steps == 120
    lanes = unstore(built)
    assert lanes[3, 0][-1].opcode in TAKES
    lanes[3, 0][-2] = replace(lanes[3, 0][-2], dst=(OUTPUT, lanes[3, 0][-2].dst[1] + 1))
    fails(store(built.collective, built.channel_ends(), lanes, built.depth), "verify: rank")


def test_a_long_program_takes_less_than_a_second() -> None:
    program = Program.build(Collective("all_reduce", 8, 2**24), Recipe("tree", chunks=1800, pace=2))
    assert verify(program).steps > 100_000
