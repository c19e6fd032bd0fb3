"""The step program: collectives, their buffers, stored programs."""

from __future__ import annotations

import pytest
from _ringtree_core import ffi, lib
from hypothesis import given, settings
from hypothesis import strategies as st
from interpreter import Task, WrongProgram, extent, interpret
from programs import KINDS, Recipe, build, collective

WITH_PARTS = ["reduce_scatter", "all_gather", "gather", "scatter"]


def checked(task: Task) -> tuple[int, str]:
    error = ffi.new("rt_error *")
    what, kept = collective(task)
    status = lib.rt_collective_check(what, error)
    del kept
    return status, ffi.string(error.text).decode()


def stored(task: Task, ends: list[tuple[int, int]], depth: int = 2, scratch: list[int] | None = None) -> ffi.CData:
    program, error = ffi.new("rt_program **"), ffi.new("rt_error *")
    what, kept = collective(task)
    room = ffi.NULL if scratch is None else ffi.new("int64_t[]", scratch)
    status = lib.rt_stored_new(what, depth, len(ends), ffi.new("rt_channel[]", ends), room, program, error)
    del kept
    assert status == lib.RT_OK, ffi.string(error.text).decode()
    return ffi.gc(program[0], lib.rt_program_free)


def add(program: ffi.CData, rank: int, lane: int, opcode: object, **fields: object) -> str:
    """Add a step; the error's text, empty where there is none."""
    step = ffi.new("rt_step *", {"recv_channel": -1, "send_channel": -1, "opcode": opcode})
    for name, value in fields.items():
        if name == "deps":
            step.n_deps = len(value)  # type: ignore[arg-type]
            step.deps[0 : step.n_deps] = value
        else:
            setattr(step, name, value)
    error = ffi.new("rt_error *")
    status, text = lib.rt_stored_add(program, rank, lane, step, error), str(ffi.string(error.text), "ascii")
    assert (status == lib.RT_OK) == (not text)
    return text


@st.composite
def tasks(draw: st.DrawFn, kinds: list[str] | None = None, most_ranks: int = 9) -> Task:
    """Any collective, with and without counts and displacements."""
    kind = draw(st.sampled_from(kinds or list(KINDS)))
    ranks = draw(st.integers(1, most_ranks))
    root = draw(st.integers(0, ranks - 1))
    count = 0 if kind == "barrier" else draw(st.integers(0, 4 * ranks + 3))
    if kind in WITH_PARTS and draw(st.booleans()):
        counts = tuple(draw(st.lists(st.integers(0, 4), min_size=ranks, max_size=ranks)))
        return Task(KINDS[kind], ranks, sum(counts), root, counts, draw(places(counts)))
    if kind == "all_to_all" and draw(st.booleans()):
        counts = tuple(draw(st.lists(st.integers(0, 3), min_size=ranks**2, max_size=ranks**2)))
        sent = [draw(places(counts[r * ranks : (r + 1) * ranks])) for r in range(ranks)]
        received = [draw(places(counts[r::ranks])) for r in range(ranks)]
        if None in sent + received:
            return Task(KINDS[kind], ranks, 0, root, counts)
        flat = [tuple(i for row in rows for i in row or ()) for rows in (sent, received)]
        return Task(KINDS[kind], ranks, 0, root, counts, flat[0], flat[1])
    return Task(KINDS[kind], ranks, count, root)


@st.composite
def places(draw: st.DrawFn, counts: tuple[int, ...]) -> tuple[int, ...] | None:
    """Displacements without overlap, in any order, with gaps; or none."""
    if not draw(st.integers(0, 2)):
        return None
    displs, at = [0] * len(counts), draw(st.integers(0, 2))
    for i in draw(st.permutations(range(len(counts)))):
        displs[i] = at
        at += counts[i] + draw(st.integers(0, 1))
    return tuple(displs)


@settings(deadline=None, max_examples=200)
@given(task=tasks())
def test_extent_is_what_the_collective_touches(task: Task) -> None:
    what, kept = collective(task)
    for rank in range(task.ranks):
        assert lib.rt_collective_extent(what, rank, lib.RT_INPUT) == extent(task.inputs(rank))
        written = extent([where for where, _, _ in task.outputs(rank)])
        assert lib.rt_collective_extent(what, rank, lib.RT_OUTPUT) == written
        assert lib.rt_collective_extent(what, rank, lib.RT_SCRATCH) == 0
    assert checked(task)[0] == lib.RT_OK
    del kept


@pytest.mark.parametrize(
    ("task", "status", "words"),
    [
        (Task(lib.RT_KINDS, 2, 1), lib.RT_ERR_INVALID, "kind"),
        (Task(lib.RT_ALL_REDUCE, 0, 1), lib.RT_ERR_INVALID, "0 ranks"),
        (Task(lib.RT_BROADCAST, 4, 1, root=4), lib.RT_ERR_INVALID, "root 4"),
        (Task(lib.RT_BROADCAST, 4, 1, root=-1), lib.RT_ERR_INVALID, "root -1"),
        (Task(lib.RT_ALL_REDUCE, 2, -1), lib.RT_ERR_INVALID, "count -1"),
        (Task(lib.RT_ALL_REDUCE, 2, 2**62 + 1), lib.RT_ERR_OVERFLOW, "2^62"),
        (Task(lib.RT_BARRIER, 2, 1), lib.RT_ERR_INVALID, "barrier"),
        (Task(lib.RT_ALL_REDUCE, 2, 2, counts=(1, 1)), lib.RT_ERR_INVALID, "no parts"),
        (Task(lib.RT_ALL_GATHER, 2, 2, displs=(0, 1)), lib.RT_ERR_INVALID, "displacements"),
        (Task(lib.RT_ALL_GATHER, 2, 2, counts=(1, 1), recv_displs=(0, 1)), lib.RT_ERR_INVALID, "displacements"),
        (Task(lib.RT_ALL_GATHER, 2, 2, counts=(1, -1)), lib.RT_ERR_INVALID, "part 1"),
        (Task(lib.RT_GATHER, 2, 2, counts=(1, 1), displs=(-3, 1)), lib.RT_ERR_INVALID, "-3"),
        (Task(lib.RT_ALL_GATHER, 2, 2, counts=(2**62, 1)), lib.RT_ERR_OVERFLOW, "part 1"),
        (Task(lib.RT_ALL_GATHER, 2, 2, counts=(1, 1), displs=(0, 2**62)), lib.RT_ERR_OVERFLOW, "part 1"),
        (Task(lib.RT_ALL_TO_ALL, 2, 2, counts=(1, 1, 1, -1)), lib.RT_ERR_INVALID, "part 3"),
    ],
)
def test_check_refuses(task: Task, status: int, words: str) -> None:
    found, text = checked(task)
    assert found == status
    assert words in text


def test_a_program_keeps_its_own_counts() -> None:
    counts, displs = ffi.new("int64_t[]", [1, 2]), ffi.new("int64_t[]", [4, 0])
    what = ffi.new("rt_collective *", (lib.RT_ALL_GATHER, 2, 0, 3, counts, displs, ffi.NULL))
    program, error = ffi.new("rt_program **"), ffi.new("rt_error *")
    assert lib.rt_stored_new(what, 2, 0, ffi.NULL, ffi.NULL, program, error) == lib.RT_OK
    counts[0] = displs[0] = 77
    mine = lib.rt_program_collective(program[0])
    assert (mine.kind, mine.ranks, mine.root, mine.count) == (lib.RT_ALL_GATHER, 2, 0, 3)
    assert (list(mine.counts[0:2]), list(mine.displs[0:2])) == ([1, 2], [4, 0])
    lib.rt_program_free(program[0])
    lib.rt_program_free(ffi.NULL)


def test_stored_steps_come_back_as_they_were() -> None:
    program = stored(Task(lib.RT_BROADCAST, 2, 1000), [(0, 1)], depth=3, scratch=[5, 7])
    for i in range(100):
        assert not add(program, 0, 6, lib.RT_SEND, send_channel=0, src_offset=i, count=1, deps=[(0, 1, i)])
    step = ffi.new("rt_step *")
    for i in (99, 0, 50):
        assert lib.rt_program_next(program, 0, 6, i, step) == 1
        assert (step.opcode, step.src_offset, step.deps[0].step, step.recv_channel) == (lib.RT_SEND, i, i, -1)
    assert lib.rt_program_next(program, 0, 6, 100, step) == 0
    assert lib.rt_program_next(program, 0, 0, 0, step) == 0
    assert [lib.rt_program_lanes(program, r) for r in (0, 1)] == [7, 0]
    assert [lib.rt_program_scratch(program, r) for r in (0, 1)] == [5, 7]
    assert (lib.rt_program_channels(program), lib.rt_program_depth(program)) == (1, 3)


@pytest.mark.parametrize(
    ("rank", "lane", "opcode", "fields", "words"),
    [
        (2, 0, lib.RT_NOP, {}, "no such rank"),
        (0, -1, lib.RT_NOP, {}, "no such rank or lane"),
        (0, 2**30, lib.RT_NOP, {}, "no such rank or lane"),
        (0, 0, lib.RT_MULTICAST, {}, "reserved"),
        (0, 0, 99, {}, "unknown"),
        (0, 0, lib.RT_SEND, {}, "does not begin here"),
        (0, 0, lib.RT_SEND, {"send_channel": 1}, "does not begin here"),
        (1, 0, lib.RT_SEND, {"send_channel": 0}, "does not begin here"),
        (0, 0, lib.RT_RECV, {"recv_channel": 0}, "does not end here"),
        (1, 0, lib.RT_RECV_REDUCE_STORE_SEND, {"recv_channel": 0}, "does not begin here"),
        (0, 0, lib.RT_COPY, {"src_buffer": 3}, "range"),
        (0, 0, lib.RT_COPY, {"count": -1}, "range"),
        (0, 0, lib.RT_COPY, {"dst_offset": -1}, "range"),
        (0, 0, lib.RT_NOP, {"n_deps": 5}, "dependencies"),
    ],
)
def test_stored_refuses(rank: int, lane: int, opcode: int, fields: dict[str, int], words: str) -> None:
    assert words in add(stored(Task(lib.RT_BROADCAST, 2, 8), [(0, 1)]), rank, lane, opcode, **fields)


def test_generated_programs_take_no_steps() -> None:
    program = build(Task(lib.RT_ALL_REDUCE, 4, 8), Recipe("ring"))
    assert "generated" in add(program, 0, 0, lib.RT_NOP)


@pytest.mark.parametrize(("depth", "ends"), [(0, []), (9, []), (2, [(0, 2)]), (2, [(1, 1)]), (2, [(-1, 0)])])
def test_stored_new_refuses(depth: int, ends: list[tuple[int, int]]) -> None:
    program, error = ffi.new("rt_program **"), ffi.new("rt_error *")
    what, _ = collective(Task(lib.RT_BROADCAST, 2, 8))
    channels = ffi.new("rt_channel[]", ends)
    assert lib.rt_stored_new(what, depth, len(ends), channels, ffi.NULL, program, error) == lib.RT_ERR_INVALID


def test_stored_new_refuses_sizes_below_zero() -> None:
    program, error = ffi.new("rt_program **"), ffi.new("rt_error *")
    what, _ = collective(Task(lib.RT_BROADCAST, 2, 8))
    assert lib.rt_stored_new(what, 2, -1, ffi.NULL, ffi.NULL, program, error) == lib.RT_ERR_INVALID
    assert "-1 channels" in str(ffi.string(error.text), "ascii")
    assert lib.rt_stored_new(what, 2, 0, ffi.NULL, [0, -5], program, error) == lib.RT_ERR_INVALID
    assert "rank 1: found -5 elements of scratch" in str(ffi.string(error.text), "ascii")


class TestTheInterpreter:
    """It must find what is wrong, or it proves nothing."""

    TASK = Task(lib.RT_REDUCE, 2, 2)

    def reduce(self, **changes: object) -> ffi.CData:
        """Rank 1 sends its input, rank 0 combines it, all right unless changed."""
        program = stored(self.TASK, [(1, 0)], scratch=[2, 2])
        receive: dict[str, object] = {"opcode": lib.RT_RECV_REDUCE, "recv_channel": 0, "count": 2}
        receive |= {"src_buffer": lib.RT_INPUT, "dst_buffer": lib.RT_OUTPUT}
        assert not add(program, 1, 0, lib.RT_SEND, send_channel=0, count=2)
        assert not add(program, 0, 0, **(receive | changes))
        return program

    def test_passes_what_is_right(self) -> None:
        assert interpret(self.reduce(), self.TASK) == 2
        assert interpret(self.reduce(), self.TASK, in_place=True) == 2

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"count": 1}, "receives 2 elements"),
            ({"src_buffer": lib.RT_SCRATCH}, "before it is written"),
            ({"dst_buffer": lib.RT_SCRATCH}, "output"),
            ({"dst_offset": 1}, "of 2 in buffer"),
            ({"deps": [(0, 1, 0)]}, "deadlock"),
            ({"opcode": lib.RT_RECV}, "output"),
        ],
    )
    def test_finds_a_wrong_step(self, changes: dict[str, object], words: str) -> None:
        with pytest.raises(WrongProgram, match=words):
            interpret(self.reduce(**changes), self.TASK)

    def test_finds_a_contribution_too_many(self) -> None:
        program = self.reduce()
        add(program, 0, 0, lib.RT_REDUCE_LOCAL, dst_buffer=lib.RT_OUTPUT, count=2)
        with pytest.raises(WrongProgram, match="output"):
            interpret(program, self.TASK)

    def test_finds_leftovers_and_full_fifos(self) -> None:
        program = self.reduce()
        add(program, 1, 0, lib.RT_SEND, send_channel=0, count=2)
        with pytest.raises(WrongProgram, match="left in a FIFO"):
            interpret(program, self.TASK)
        add(program, 1, 0, lib.RT_SEND, send_channel=0, count=2)
        with pytest.raises(WrongProgram, match="deadlock"):
            interpret(program, self.TASK, depth=1)

    def test_finds_races(self) -> None:
        program = self.reduce()
        add(program, 0, 1, lib.RT_COPY, dst_buffer=lib.RT_SCRATCH, src_buffer=lib.RT_OUTPUT, count=1)
        for seed in range(8):
            with pytest.raises(WrongProgram, match=r"race|before it is written"):
                interpret(program, self.TASK, seed=seed)
        program = self.reduce()
        add(program, 0, 1, lib.RT_COPY, dst_buffer=lib.RT_SCRATCH, src_buffer=lib.RT_OUTPUT, count=1, deps=[(0, 1, 0)])
        assert interpret(program, self.TASK) == 3
