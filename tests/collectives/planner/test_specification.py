"""Algorithms by name, and RINGTREE_ALGO: what is understood, and what is said about the rest."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from _ringtree.core import Collective, Program, Recipe
from _ringtree.errors import InputError, UnsupportedError
from collectives.msccl import program_to_msccl
from collectives.planner.specification import COLLECTIVES, Specification, exists, for_collective, parse

PIPELINED = {"chunks": (1, 2**20), "pace": (0, 64), "depth": (1, 8)}
WHOLE = {"chunks": (1, 2**20), "depth": (1, 8)}
RANGES: dict[str, dict[str, tuple[int, int]]] = {
    "ring": {"channels": (1, 64), "chunks": (1, 2**20), "depth": (1, 8)},
    **dict.fromkeys(("tree", "binary_tree", "binomial", "star", "two_shot", "two_level"), PIPELINED),
    **dict.fromkeys(("one_shot", "recursive_doubling", "rabenseifner", "pairwise"), WHOLE),
    "bucket": WHOLE,
    "swing": {"whole": (0, 1), "depth": (1, 8)},
    "auto": {},
}
FIELDS = [(name, key, *limits) for name, ranges in RANGES.items() for key, limits in ranges.items()]


@st.composite
def given_specifications(draw: st.DrawFn) -> tuple[str, dict[str, int]]:
    name = draw(st.sampled_from(sorted(RANGES)))
    keys = draw(st.permutations(sorted(RANGES[name])))
    chosen = keys[: draw(st.integers(0, len(keys)))]
    return name, {key: draw(st.integers(*RANGES[name][key])) for key in chosen}


@given(given_specifications())
def test_every_name_with_any_parameters(asked: tuple[str, dict[str, int]]) -> None:
    name, values = asked
    text = ":".join([name, *(f"{key}={value}" for key, value in values.items())])
    found = parse(f" {text} ")
    assert (found.name, dict(found.parameters), str(found)) == (name, values, text)
    for key in ("channels", "chunks", "pace", "depth", "whole"):
        assert found.get(key) == values.get(key)


@pytest.mark.parametrize(("name", "key", "least", "most"), FIELDS)
def test_out_of_range(name: str, key: str, least: int, most: int) -> None:
    for number in (least, most):
        assert parse(f"{name}:{key}={number}").get(key) == number
    for number in (least - 1, most + 1, 10**30):
        with pytest.raises(InputError, match=rf"{key}: found '{number}'; expected a whole number {least} to {most}"):
            parse(f"{name}:{key}={number}")


@pytest.mark.parametrize("value", ["", "x", "1.5", "+1", " 1", "1_0", "²", "٣", "0x1", "-1"])
def test_what_is_no_whole_number(value: str) -> None:
    with pytest.raises(InputError, match="chunks: found"):
        parse(f"ring:channels=1:chunks={value}")


def test_more_digits_than_python_reads() -> None:
    with pytest.raises(InputError, match="chunks: found '999"):
        parse("ring:chunks=" + "9" * 5000)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "found ''; expected one of ring, tree"),
        ("rng", "found 'rng'; expected one of ring, tree"),
        ("RNG", "found 'rng'"),
        ("NVLSTree", "found 'nvlstree'; expected one of ring, tree"),
        ("ring :chunks=1", "found 'ring '"),
        ("file:ring.xml", "found no file 'ring.xml'; expected an MSCCL algorithm"),
        ("allreduce-8.xml", "found no file 'allreduce-8.xml'"),
        ("file:", "found no file ''"),
        ("ring,rng", "found 'rng'; expected one of ring, tree"),
        ("ring,", "found ''"),
        ("^", "found ''"),
        ("^rng", "found 'rng'"),
    ],
)
def test_unknown_names(text: str, message: str) -> None:
    with pytest.raises(UnsupportedError, match=message):
        parse(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ring:", "unknown parameter '' of ring; expected channels, chunks, depth"),
        ("ring:pace=1", "unknown parameter 'pace' of ring"),
        ("tree:channels=2", "unknown parameter 'channels' of tree; expected chunks, pace, depth"),
        ("auto:chunks=1", "unknown parameter 'chunks' of auto; expected none"),
        ("ring:chunks", "chunks: found ''"),
        ("ring:chunks=1:depth=2:chunks=1", "chunks is given twice"),
        ("ring:chunks=1=2", "chunks: found '1=2'"),
        ("ring,tree:pace=99", "pace: found '99'"),
    ],
)
def test_bad_parameters(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        parse(text)
    assert repr(text.split(",")[-1]) in str(caught.value)


def test_names_in_any_case() -> None:
    """As NCCL writes them."""
    assert parse("Ring") == parse("RING") == parse("ring")
    assert str(parse("Tree:chunks=4,ONE_SHOT")) == "tree:chunks=4,one_shot"
    assert chosen("AllReduce:Ring") == chosen("ALL_REDUCE:ring") == {"all_reduce": "ring"}


def test_lists_and_what_is_left_out() -> None:
    several = parse(" ring:chunks=2 , tree ")
    assert (several.name, [str(member) for member in several.members]) == ("any", ["ring:chunks=2", "tree"])
    without = parse("^ring,Tree")
    assert (without.name, str(without)) == ("not", "^ring,tree")
    for text in (several, without):
        assert parse(str(text)) == text
    for bad in ("^ring:chunks=2", "^auto", "^ring,auto"):
        with pytest.raises(InputError, match=r"after \^; expected names of algorithms alone"):
            parse(bad)


def test_nccl_s_own_examples() -> None:
    """Of its documentation, but for the algorithms that only its hardware has."""
    text = "ring,star;allreduce:tree,star;broadcast:ring"
    found = {kind: str(for_collective(text, kind)) for kind in COLLECTIVES}
    assert found["all_reduce"] == "tree,star"
    assert found["broadcast"] == "ring"
    assert found["all_gather"] == found["reduce"] == found["barrier"] == "ring,star"
    assert found["all_to_all"] == "auto"  # neither does it
    assert chosen("allreduce:^tree") == {"all_reduce": "^tree"}
    assert chosen("^tree;allreduce:tree") == {kind: "tree" if kind == "all_reduce" else "^tree" for kind in COLLECTIVES}


@pytest.fixture
def broadcast_file(tmp_path: Path) -> Path:
    program = Program.build(Collective("broadcast", 2, 4), Recipe("ring"))
    path = tmp_path / "a:b c.xml"
    path.write_text(program_to_msccl(program), encoding="utf-8")
    return path


def test_files(broadcast_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for text in (f"file:{broadcast_file}", f"FILE:{broadcast_file}", str(broadcast_file)):
        found = parse(text)
        assert (found.name, found.path, found.parameters) == ("file", str(broadcast_file), ())
        assert (str(found), parse(str(found)), found.files) == (f"file:{broadcast_file}", found, (found,))
        assert parse(f"{text}:chunks=3:depth=2").parameters == (("chunks", 3), ("depth", 2))
        assert parse(f"ring,{text}").files == (found,)
        with pytest.raises(InputError, match="depth: found '9'"):
            parse(f"{text}:depth=9")
        with pytest.raises(InputError, match="chunks is given twice"):
            parse(f"{text}:chunks=1:chunks=2")
    assert chosen(str(broadcast_file)) == {"broadcast": f"file:{broadcast_file}"}
    assert chosen(f"ring;{broadcast_file}")["all_reduce"] == "ring"
    monkeypatch.chdir(tmp_path)
    assert parse("a:b c.xml").path == "a:b c.xml"
    (tmp_path / "no-suffix").write_bytes(broadcast_file.read_bytes())
    assert parse("file:no-suffix").name == "file"
    with pytest.raises(UnsupportedError, match="found 'no-suffix'"):
        parse("no-suffix")
    with pytest.raises(UnsupportedError, match="found no file"):
        parse(f"file:{tmp_path}")


@given(st.text(max_size=20) | st.from_regex(r"(ring|tree|auto):?[a-z]*=?[0-9]*", fullmatch=True))
def test_any_text_is_understood_or_is_an_input_error(text: str) -> None:
    try:
        found = parse(text)
    except InputError:
        return
    assert parse(str(found)) == found


def chosen(text: str) -> dict[str, str]:
    """What each collective gets of it, those apart that get nothing in particular."""
    found = {kind: str(for_collective(text, kind)) for kind in COLLECTIVES}
    return {kind: specification for kind, specification in found.items() if specification != "auto"}


ON_A_RING = {"all_reduce", "reduce_scatter", "all_gather", "broadcast", "reduce"}


def test_an_entry_without_prefix_holds_where_its_algorithm_exists() -> None:
    assert chosen("auto") == {}
    assert chosen("ring:chunks=4") == dict.fromkeys(ON_A_RING, "ring:chunks=4")
    assert chosen("pairwise") == {"all_to_all": "pairwise"}
    assert set(chosen("one_shot")) == set(COLLECTIVES) - {"reduce", "reduce_scatter"}


@pytest.mark.parametrize("kind", COLLECTIVES)
def test_prefixes_as_ours_and_as_nccl_s(kind: str) -> None:
    for prefix in (kind, kind.replace("_", ""), f" {kind} "):
        assert chosen(f"{prefix}:star:chunks=2") == {kind: "star:chunks=2"}
        assert chosen(f"{prefix}:auto") == {}


def test_the_last_entry_that_holds_wins() -> None:
    text = "allreduce:ring:chunks=4;broadcast:tree"
    assert chosen(text) == {"all_reduce": "ring:chunks=4", "broadcast": "tree"}
    assert chosen("tree;allreduce:ring")["all_reduce"] == "ring"
    assert chosen("tree;allreduce:ring")["barrier"] == "tree"
    assert chosen("allreduce:ring;tree")["all_reduce"] == "tree"
    assert chosen("allreduce:ring;allreduce:auto") == {}
    assert chosen("allreduce:ring;pairwise") == {"all_reduce": "ring", "all_to_all": "pairwise"}


def test_a_prefix_is_taken_at_its_word() -> None:
    """That the algorithm does not do it is found out later, and said."""
    assert chosen("alltoall:ring") == {"all_to_all": "ring"}


@pytest.mark.parametrize(
    "text", ["", ";", "ring;", "allreduce", "allreduce:", "allreduce:rng", "ring;broadcast:tree:pace=99", "sum:ring"]
)
@pytest.mark.parametrize("kind", ["all_reduce", "gather"])
def test_a_bad_entry_is_an_error_for_every_collective(text: str, kind: str) -> None:
    with pytest.raises(InputError, match="algorithm: "):
        for_collective(text, kind)


def test_which_algorithm_exists_for_what() -> None:
    assert {kind for kind in COLLECTIVES if exists("ring", kind)} == ON_A_RING
    assert {kind for kind in COLLECTIVES if exists("pairwise", kind)} == {"all_to_all"}
    assert {kind for kind in COLLECTIVES if exists("rabenseifner", kind)} == {
        "all_reduce",
        "reduce_scatter",
        "all_gather",
    }
    assert all(exists("auto", kind) for kind in COLLECTIVES)


def test_a_specification_prints_as_it_is_read() -> None:
    assert str(Specification("ring")) == "ring"
    assert str(Specification("tree", (("pace", 0), ("chunks", 3)))) == "tree:pace=0:chunks=3"


@pytest.mark.parametrize("text", ["forest:early=64:hops=1", "forest:trees=3:early=64", "forest:steps=2:hops=1"])
def test_forests_of_two_kinds_at_once(text: str) -> None:
    with pytest.raises(InputError, match="expected one of them"):
        parse(text)
