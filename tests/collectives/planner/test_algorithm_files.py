"""Plans of algorithm files: proved once, kept by content, right for any size; and lists that have files in them."""

from __future__ import annotations

from pathlib import Path

import pytest

import topology
from _ringtree.core import Collective, Program, Recipe, verify
from _ringtree.errors import InputError, UnsupportedError, VerificationError
from collectives import plan
from collectives.msccl import program_to_msccl
from collectives.planner import algorithm_files
from collectives.planner.planning import Planner
from collectives.planner.specification import parse

PPU = topology.load("ppu-8")
RANKS = 4


def write(path: Path, algorithm: str, kind: str = "all_reduce", **options: int) -> Path:
    program = Program.build(Collective(kind, RANKS, 8 * RANKS), Recipe(algorithm, 2, 1))
    path.write_text(program_to_msccl(program, **options), encoding="utf-8")  # type: ignore[arg-type]
    return path


@pytest.fixture
def ring(tmp_path: Path) -> Path:
    return write(tmp_path / "ring.xml", "ring")


def test_a_plan_of_a_file(ring: Path) -> None:
    """Named in full, so that it can be asked for again; as fast as the program that was written."""
    nbytes = 4 * 8 * RANKS * 1000
    made = plan(PPU, "all_reduce", nbytes, ranks=RANKS, algorithm=str(ring))
    again = plan(PPU, "all_reduce", nbytes, ranks=RANKS, algorithm=made.plan)
    assert made.plan == f"file:{ring}:chunks=1:depth=3"  # what a ring in two pieces needs, as the file says
    assert (again.plan, again.time_us, again.content) == (made.plan, made.time_us, made.content)
    ours = plan(PPU, "all_reduce", nbytes, ranks=RANKS, algorithm="ring:channels=1:chunks=2")
    assert (made.algorithm, len(made.content), ours.content) == (f"file:{ring}", 32, "")
    textbook = Program.build(Collective("all_reduce", RANKS, nbytes // 4), Recipe("ring", 2, 1))
    assert Planner(PPU, PPU.devices[:RANKS])._price(textbook, "float32") == made.time_us
    for count in (0, 1, 31, 33, 1000):
        for text in (str(ring), f"{ring}:chunks=5:depth=8"):
            program = plan(PPU, "all_reduce", 4 * count, ranks=RANKS, algorithm=text).program
            for in_place in (False, True):
                verify(program, in_place=in_place)


def test_proved_once_and_kept_by_content(ring: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def counted(program: Program, depth: int = 0, in_place: bool = False) -> object:
        calls.append(program.collective.count)
        return verify(program, depth, in_place)

    monkeypatch.setattr(algorithm_files, "verify", counted)
    ring.write_text(ring.read_text(encoding="utf-8").replace('name="ringtree"', 'name="unique"'), encoding="utf-8")
    for count in (32, 3200, 32, 64):
        plan(PPU, "all_reduce", 4 * count, ranks=RANKS, algorithm=str(ring))
    assert calls == [8, 8]  # out of place and in place, with an element in each chunk
    copy = tmp_path / "copy.xml"
    copy.write_bytes(ring.read_bytes())
    plan(PPU, "all_reduce", 128, ranks=RANKS, algorithm=str(copy))
    assert len(calls) == 2
    for _ in range(2):
        plan(PPU, "all_reduce", 4 * 33, ranks=RANKS, algorithm=str(ring))
    assert calls[2:] == [33, 33]
    plan(PPU, "all_reduce", 128, ranks=RANKS, algorithm=f"{ring}:depth=8")
    assert len(calls) == 6


def test_what_is_wrong_is_kept_too(ring: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ring.write_text(ring.read_text(encoding="utf-8").replace('type="rrcs"', 'type="rcs"'), encoding="utf-8")
    expected = r"ring.xml: rank \d: output element \d+: found element"
    for _ in range(2):
        with pytest.raises(VerificationError, match=expected):
            plan(PPU, "all_reduce", 128, ranks=RANKS, algorithm=str(ring))
        monkeypatch.setattr(algorithm_files, "verify", lambda *_: pytest.fail("proved again"))
    monkeypatch.undo()
    write(ring, "ring")
    with pytest.raises(VerificationError, match=r"ring.xml:\d+: rank \d, lane 0, step \d: waits for"):
        plan(PPU, "all_reduce", 128, ranks=RANKS, algorithm=f"{ring}:depth=1")


def test_a_file_for_something_else(ring: Path) -> None:
    for kind, ranks, message in (
        ("all_gather", RANKS, "ring.xml: does all_reduce; found all_gather"),
        ("all_reduce", 8, "ring.xml: made for 4 ranks; found 8"),
    ):
        with pytest.raises(UnsupportedError, match=message):
            plan(PPU, kind, 1024, ranks=ranks, algorithm=str(ring))
    ring.write_text("<algo/>", encoding="utf-8")
    with pytest.raises(InputError, match=r"ring.xml:1: <algo>: found no ngpus; expected one"):
        plan(PPU, "all_reduce", 1024, ranks=RANKS, algorithm=str(ring))


def test_files_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.xml"
    with pytest.raises(InputError, match=r"x.xml: cannot be read: No such file"):
        algorithm_files.load(str(path))
    path.write_bytes(b"<algo\xff")
    with pytest.raises(InputError, match=r"x.xml: found byte 5 that is not UTF-8; expected text"):
        algorithm_files.load(str(path))
    monkeypatch.setattr(algorithm_files, "MOST_BYTES", 5)
    with pytest.raises(InputError, match=r"x.xml: found 6 bytes; expected at most 5"):
        algorithm_files.load(str(path))


def test_the_fastest_of_several(ring: Path, tmp_path: Path) -> None:
    """Whatever the order, and no slower than the fastest."""
    others = ("tree:chunks=1", "two_shot:chunks=1", "one_shot")
    for nbytes in (1024, 2**20):
        times = {text: plan(PPU, "all_reduce", nbytes, ranks=RANKS, algorithm=text).time_us for text in others}
        for text in (",".join(others), ",".join(reversed(others))):
            found = plan(PPU, "all_reduce", nbytes, ranks=RANKS, algorithm=text)
            assert found.time_us == min(times.values())
            assert (found.algorithm, found.plan.partition(":")[0] in text) == (text, True)
    assert plan(PPU, "all_reduce", 1024, ranks=RANKS, algorithm=f"pairwise,{ring}").plan.startswith("file:")
    with pytest.raises(
        UnsupportedError, match=r"pairwise,rabenseifner: none of them does broadcast here; rabenseifner"
    ):
        plan(PPU, "broadcast", 1024, ranks=RANKS, algorithm="pairwise,rabenseifner")


def test_all_but_some() -> None:
    auto = plan(PPU, "all_reduce", 2**20)
    name = auto.plan.partition(":")[0]
    second = plan(PPU, "all_reduce", 2**20, algorithm=f"^{name}")
    assert second.plan.partition(":")[0] != name
    assert second.time_us >= auto.time_us
    assert second.time_us <= plan(PPU, "all_reduce", 2**20, algorithm="ring").time_us if name != "ring" else True
    with pytest.raises(UnsupportedError, match=r"\^pairwise,one_shot does not do all_to_all"):
        plan(PPU, "all_to_all", 2**20, algorithm="^pairwise,one_shot")


def test_a_file_among_others_is_for_the_sizes_that_it_names(tmp_path: Path) -> None:
    """Alone it runs at any size."""
    path = write(tmp_path / "small.xml", "one_shot", least_bytes=1024, most_bytes=2048)
    for nbytes, taken in ((1020, False), (1024, True), (2048, True), (2052, False)):
        found = plan(PPU, "all_reduce", nbytes, ranks=RANKS, algorithm=f"{path},ring:channels=1:chunks=1")
        assert found.plan.startswith("file:") == taken
        assert plan(PPU, "all_reduce", nbytes, ranks=RANKS, algorithm=str(path)).plan.startswith("file:")


def test_without_a_board_the_host_s_own_choice_comes_first() -> None:
    planner, shape = Planner(None, (0, 1, 2)), Collective("all_reduce", 3, 10)
    assert planner.choose(shape, "float32", parse("auto")).startswith("one_shot")
    for text, expected in (
        ("ring,one_shot", "one_shot"),
        ("ring,tree", "ring"),
        ("^one_shot", "ring"),
        ("^ring", "one_"),
    ):
        assert planner.choose(shape, "float32", parse(text)).startswith(expected)
