"""Files as programs: right in and out of place, with chunks of any lengths, in pieces; and what cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sources import FILES, algo, block, broadcast, gpu, step

from _ringtree.core import Collective, verify
from _ringtree.errors import InputError, UnsupportedError, VerificationError
from collectives.msccl import Algorithm, Form, explain, lower, read_algorithm
from collectives.msccl.layout import Layout, edge

IN_PLACE_ONLY = 'inplace="1" outofplace="0"'


def prove(algorithm: Algorithm, count: int, form: Form, root: int = 0, **more: int) -> None:
    """Right in both ways of calling it."""
    shape = Collective(algorithm.kind, algorithm.ranks, count, root)
    program = lower(algorithm, shape, form, **more)
    for in_place in (False, True) if algorithm.kind != "all_to_all" else (False,):
        verify(program, in_place=in_place)


@pytest.mark.skipif(not FILES, reason="the published algorithm files are not here")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
@pytest.mark.parametrize("pieces", [1, 3])
def test_published_files_of_any_count(path: Path, pieces: int) -> None:
    algorithm = read_algorithm(path.read_text(encoding="utf-8"), path.name)
    form = Form.AS_IS if algorithm.out_of_place else Form.SHARED
    for count in (0, 1, algorithm.chunks - 1, algorithm.chunks, 7 * algorithm.chunks, 3 * algorithm.chunks + 5):
        prove(algorithm, count, form, pieces=pieces)
        if algorithm.out_of_place:
            prove(algorithm, count, Form.ASIDE, pieces=pieces)


# Two ranks, one chunk for each, in place: each sends what the other needs.
REDUCE_SCATTER = algo(
    "reducescatter", 2,
    gpu(0, (2, 0, 0), block(0, 1, 1, step(0, "s", "i1"), step(1, "rrc", "i0", "i0"))),
    gpu(1, (2, 0, 0), block(0, 0, 0, step(0, "s", "i0"), step(1, "rrc", "i1", "i1"))),
    more=IN_PLACE_ONLY,
)  # fmt: skip
ALL_TO_ALL = algo(
    "alltoall", 2,
    gpu(0, (2, 2, 1), block(0, 1, 1, step(0, "cpy", "i1", "s0"), step(1, "s", "s0"), step(2, "r", "i0", "o1"))),
    gpu(1, (2, 2, 1), block(0, 0, 0, step(0, "cpy", "i0", "s0"), step(1, "s", "s0"), step(2, "r", "i0", "o0"))),
    more=IN_PLACE_ONLY,
)  # fmt: skip
REDUCE = algo(
    "reduce", 1,
    gpu(0, (1, 0, 0), block(0, -1, 1, step(0, "rrc", "i0", "i0"))),
    gpu(1, (1, 0, 0), block(0, 0, -1, step(0, "s", "i0"))),
    more=IN_PLACE_ONLY,
)  # fmt: skip
BROADCAST = algo(
    "broadcast", 1,
    gpu(0, (1, 0, 0), block(0, 1, -1, step(0, "s", "i0"))),
    gpu(1, (1, 0, 0), block(0, -1, 0, step(0, "r", "i0", "i0"))),
    more=IN_PLACE_ONLY,
)  # fmt: skip
GATHER = algo(
    "gather", 2,
    gpu(0, (0, 2, 0), block(0, -1, 1, step(0, "r", "o1", "o1"))),
    gpu(1, (1, 0, 0), block(0, 0, -1, step(0, "s", "i0"))),
    more=IN_PLACE_ONLY,
)  # fmt: skip
SCATTER = algo(
    "scatter", 2,
    gpu(0, (2, 0, 0), block(0, 1, -1, step(0, "s", "i1"))),
    gpu(1, (0, 1, 0), block(0, -1, 0, step(0, "r", "o0", "o0"))),
    more=IN_PLACE_ONLY,
)  # fmt: skip


@pytest.mark.parametrize("text", [REDUCE_SCATTER, REDUCE, BROADCAST, GATHER, SCATTER, ALL_TO_ALL])
def test_files_for_in_place_work_out_of_place(text: str) -> None:
    algorithm = read_algorithm(text, "x")
    for count in (0, 2, 8) if algorithm.kind == "all_to_all" else (0, 1, 2, 7, 8):
        prove(algorithm, count, Form.SHARED)
    if algorithm.kind not in ("gather", "scatter"):  # with one memory, what is not moved is in its place
        with pytest.raises((VerificationError, InputError)):
            prove(algorithm, 8, Form.AS_IS)


def test_an_all_to_all_in_place_divides() -> None:
    with pytest.raises(UnsupportedError, match="x: an all_to_all in place: found 7 elements; expected a multiple of 2"):
        prove(read_algorithm(ALL_TO_ALL, "x"), 7, Form.SHARED)


def test_the_input_is_kept_aside() -> None:
    """Out of place it is right; in place the copy overtakes what the other rank still needs."""
    text = algo(
        "alltoall", 2,
        gpu(0, (2, 2, 0), block(0, 1, 1, step(0, "r", "i0", "o1"), step(1, "s", "i1"), step(2, "cpy", "i0", "o0"))),
        gpu(1, (2, 2, 0), block(0, 0, 0, step(0, "s", "i0"), step(1, "r", "i0", "o0"), step(2, "cpy", "i1", "o1"))),
    )  # fmt: skip
    algorithm = read_algorithm(text, "x")
    shape = Collective("all_to_all", 2, 2)
    with pytest.raises(VerificationError):
        verify(lower(algorithm, shape), in_place=True)
    for form in (Form.AS_IS, Form.ASIDE):
        verify(lower(algorithm, shape, form), in_place=form is Form.ASIDE)


def test_several_chunks_a_step() -> None:
    """One message where chunks are of one length, one for each where they are not or come in pieces."""
    text = broadcast().replace('cnt="1"', 'cnt="3"').replace('_chunks="1"', '_chunks="3"')
    algorithm = read_algorithm(text.replace('nchunksperloop="1"', 'nchunksperloop="3"'), "x")
    for count, pieces, messages in ((3, 1, 1), (300, 1, 1), (301, 1, 3), (300, 2, 6), (301, 2, 6)):
        program = lower(algorithm, Collective("broadcast", 2, count), pieces=pieces)
        assert verify(program).messages == messages


@given(st.integers(0, 1000), st.integers(1, 40))
def test_pieces_are_whole_larger_first(count: int, parts: int) -> None:
    lengths = [edge(count, parts, i + 1) - edge(count, parts, i) for i in range(parts)]
    assert sum(lengths) == count
    assert lengths == sorted(lengths, reverse=True)
    assert max(lengths) - min(lengths) <= 1
    assert edge(count, parts, parts) == count


@given(st.sampled_from([REDUCE_SCATTER, GATHER, SCATTER, ALL_TO_ALL]), st.integers(0, 50), st.integers(0, 1))
def test_parts_begin_where_the_collective_has_them(text: str, count: int, rank: int) -> None:
    algorithm = read_algorithm(text, "x")
    shape = Collective(algorithm.kind, 2, count)
    layout = Layout(algorithm, shape, Form.AS_IS)
    whole = "o" if algorithm.kind == "gather" else "i"
    assert [layout.begin(rank, whole, part) for part in range(2)] == [begin for begin, _ in shape.parts()]
    for buffer, extent in zip("io", shape.extents(rank), strict=True):
        assert layout.begin(rank, buffer, layout.chunks(rank, buffer)) == extent


@given(st.integers(0, 200), st.integers(1, 9))
@settings(deadline=None, max_examples=30)
def test_scratch_takes_chunks_of_any_length(count: int, pieces: int) -> None:
    text = algo(
        "allreduce", 3,
        gpu(0, (3, 3, 3), block(0, 1, 1, *(step(c, "s", f"i{c}") for c in range(3)),
            *(step(3 + c, "r", "i0", f"s{2 - c}") for c in range(3)),
            *(step(6 + c, "cpy", f"i{c}", f"o{c}") for c in range(3)),
            *(step(9 + c, "re", f"s{2 - c}", f"o{c}") for c in range(3)))),
        gpu(1, (3, 3, 1), block(0, 0, 0, *(step(c, "s", f"i{c}") for c in range(3)),
            *(step(3 + c, "rrc", f"i{c}", f"o{c}") for c in range(3)))),
    )  # fmt: skip
    prove(read_algorithm(text, "x"), count, Form.AS_IS, pieces=pieces)


def test_a_file_for_something_else() -> None:
    algorithm = read_algorithm(broadcast(more='inplace="0" outofplace="1" root="0"'), "x")
    for shape, message in (
        (Collective("reduce", 2, 4), "x: does broadcast; found reduce"),
        (Collective("broadcast", 3, 4), "x: made for 2 ranks; found 3"),
        (Collective("broadcast", 2, 4, 1), "x: made for root 0; found 1"),
    ):
        with pytest.raises(UnsupportedError, match=message):
            lower(algorithm, shape)
    gather = read_algorithm(GATHER, "x")
    with pytest.raises(UnsupportedError, match="made for parts of one size; found gather with counts for each rank"):
        lower(gather, Collective("gather", 2, 4, counts=(1, 3)))
    lower(gather, Collective("gather", 2, 5, counts=(3, 2)))  # as the split of 5 gives them
    odd = read_algorithm(GATHER.replace('nchunksperloop="2"', 'nchunksperloop="3"'), "x")
    with pytest.raises(UnsupportedError, match="found 3 chunks; expected a multiple of 2, one part for each rank"):
        lower(odd, Collective("gather", 2, 6))
    with pytest.raises(InputError, match=r"x:2: gpu 0, tb 0, step 0: found i chunks 0 to 0; expected some of the 0 of"):
        lower(read_algorithm(broadcast(), "x"), Collective("broadcast", 2, 4, 1))


def test_chunks_that_do_not_fit_each_other() -> None:
    """Chunk 0 is longer than chunk 1 where the count is odd, and then it has no room there."""
    text = algo(
        "allreduce", 2,
        gpu(0, (2, 2, 0), block(0, 1, -1, step(0, "s", "i0"))),
        gpu(1, (2, 2, 0), block(0, -1, 0, step(0, "r", "i0", "o1"))),
    )  # fmt: skip
    algorithm = read_algorithm(text, "x")
    lower(algorithm, Collective("all_reduce", 2, 6))
    with pytest.raises(
        UnsupportedError, match=r"x:3: gpu 1, tb 0, step 0: finds chunks of \[4\] and \[3\] elements; fo"
    ):
        lower(algorithm, Collective("all_reduce", 2, 7))


def test_what_is_wrong_is_said_in_the_words_of_the_file() -> None:
    text = broadcast().replace('chan="0"', 'chan="5"').replace('type="s"', 'type="nop"')
    algorithm = read_algorithm(text, "x.xml")
    with pytest.raises(VerificationError) as caught:
        verify(lower(algorithm, Collective("broadcast", 2, 1)))
    expected = "x.xml:3: rank 1, lane 0, step 0: waits for a chunk from rank 0 on channel 5, which never comes"
    assert explain(algorithm, caught.value) == expected
    assert explain(algorithm, caught.value, plain=False) == expected.replace(":3:", ":")
    assert (caught.value.what, caught.value.rank, caught.value.lane, caught.value.step) == ("deadlock", 1, 0, 0)
