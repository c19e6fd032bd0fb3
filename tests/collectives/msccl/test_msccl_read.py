"""Reading algorithm files: what is understood, and what is said about the rest."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sources import FILES, algo, block, broadcast, gpu, step

from _ringtree.errors import InputError, UnsupportedError
from collectives.msccl import read_algorithm
from collectives.msccl.model import UNLIMITED

# Of data/README.md: collective, protocol, gpus, channels, chunks, sizes.
PUBLISHED = {
    "astrasim_custom_allreduce_ring8": ("all_reduce", "LL128", 8, 1, 8, 0, UNLIMITED),
    "azure_ncv4_ag_hier_4_LL": ("all_gather", "LL", 4, 4, 16, 64, 792576),
    "azure_ncv4_ar_hier_12_Simple": ("all_reduce", "Simple", 4, 24, 24, 617472, 1073741824),
    "azure_ncv4_ar_tree_12_LL": ("all_reduce", "LL", 4, 24, 24, 96, 617472),
    "azure_ndv4_ag-1k-512k": ("all_gather", "LL", 8, 16, 16, 1024, 1048575),
    "azure_ndv4_r48ll": ("all_reduce", "LL", 8, 32, 64, 266240, 2078719),
    "lyd_allreduce_a100_ring_ch4": ("all_reduce", "Simple", 4, 4, 4, 0, UNLIMITED),
    "lyd_allreduce_binary_tree_Simple_gpu2_ins1": ("all_reduce", "Simple", 2, 1, 2, 0, UNLIMITED),
    "rccl_alltoall-8n-0-9kb": ("all_to_all", "LL", 8, 1, 8, 0, 9216),
}


@pytest.mark.skipif(not FILES, reason="the published algorithm files are not here")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_published_files(path: Path) -> None:
    found = read_algorithm(path.read_text(encoding="utf-8"), path.name)
    facts = (found.kind, found.protocol, found.ranks, found.channels, found.chunks, found.least_bytes, found.most_bytes)
    assert facts == PUBLISHED[path.stem]
    text = path.read_text(encoding="utf-8")
    assert len(list(found.steps())) == text.count("<step ")
    assert found.in_place == ('inplace="1"' in text)
    assert found.out_of_place == ('outofplace="1"' in text)  # those that do not say are in place


def test_what_a_file_may_leave_out() -> None:
    found = read_algorithm(broadcast(more='inplace="1"').replace('nchunksperloop="1" ', ""), "x")
    assert (found.chunks, found.in_place, found.out_of_place, found.most_bytes) == (1, True, False, UNLIMITED)
    assert (found.depth, found.root) == (None, None)
    unlimited = read_algorithm(broadcast(more='inplace="1" maxBytes="0" depth="3" root="1"'), "x")
    assert (unlimited.most_bytes, unlimited.depth, unlimited.root) == (UNLIMITED, 3, 1)


def test_blocks_and_steps_in_any_order() -> None:
    lines = broadcast().split("\n")
    shuffled = [lines[0], lines[2], lines[1].replace("><step", ">\n<step"), lines[3]]
    assert [s.type for *_, s in read_algorithm("\n".join(shuffled), "x").steps()] == ["s", "cpy", "r"]


def test_the_newer_form() -> None:
    """One place for both sides, no attributes that say nothing."""
    head, first, _, end = broadcast().split("\n")
    second = '<gpu id="1" i_chunks="0" o_chunks="1" s_chunks="0"><tb id="0" send="-1" recv="0" chan="0">'
    text = "\n".join([head, first, f'{second}<op step="0" type="r" buf="o" off="0"/></tb></gpu>', end])
    *_, received = read_algorithm(text, "x").steps()
    assert received[3].target == ("o", 0)
    assert received[3].count == 1
    with pytest.raises(InputError, match=r"x:3: gpu 1, tb 0, step 0: found cpy in an <op>, which names one place"):
        read_algorithm(text.replace('type="r" buf', 'type="cpy" buf'), "x")


TEXTS = {
    "not XML": ("<algo", "x:1:.*not XML"),
    "another root": ("<system/>", "x:1: found <system>; expected <algo>"),
    "ForestColl's trees": ("<Algo/>", "x:1: found <Algo>; expected <algo>"),
    "a document type": ("<!DOCTYPE a><algo/>", "x:1:.*found a DTD"),
    "entities": ('<!DOCTYPE a [<!ENTITY b "c">]><algo/>', "x:1:.*found"),
    "no way": (broadcast(more='inplace="0" outofplace="0"'), "x:1: found inplace and outofplace 0; expected one"),
}
# What is replaced in a good file, by what, and what is said.
DAMAGE = {
    "no protocol": ('proto="Simple"', "", "x:1: <algo>: found no proto; expected one"),
    "a protocol": ("Simple", "Fast", "x:1: proto: found 'Fast'; expected one of Simple, LL, LL128"),
    "no number": ('ngpus="2"', 'ngpus="two"', "x:1: <algo>: ngpus: found 'two'; expected a whole number"),
    "no gpus": ('ngpus="2"', 'ngpus="0"', "ngpus: found '0'; expected a whole number from 1"),
    "many gpus": ('ngpus="2"', 'ngpus="9999999"', "ngpus: found '9999999'"),
    "other gpus": ('ngpus="2"', 'ngpus="3"', "x:1: found 2 <gpu>; expected 3"),
    "a gpu twice": ('gpu id="1"', 'gpu id="0"', "x:3: <gpu>: found id 0 again; expected each once"),
    "a gap": ('gpu id="1"', 'gpu id="2"', "x:3: <gpu>: found number 2; expected 1, numbers without gaps"),
    "another element": ("<algo", "<algo><block/></algo", "x:1"),
    "itself": ('send="1"', 'send="0"', "x:2: gpu 0, tb 0: found itself as a peer; expected another"),
    "no such peer": ('send="1"', 'send="2"', "x:2: <tb>: send: found '2'; expected a whole number"),
    "no peer": ('send="1"', 'send="-1"', "step 0: found s in a tb without a send peer"),
    "a type": ('"cpy"', '"copy"', "x:2: gpu 0, tb 0, step 1: type: found 'copy'; expected one of nop, s"),
    "a buffer": ('dstbuf="o"', 'dstbuf="x"', "x:2: dstbuf: found 'x'; expected one of i, o, s"),
    "beyond": (
        'o_chunks="1"',
        'o_chunks="0"',
        "step 1: found o chunks 0 to 0; expected some of the 0 that the gpu has",
    ),
    "below": ('dstoff="0"', 'dstoff="-1"', "found o chunks -1 to -1"),
    "a count": ('cnt="1"', 'cnt="2"', "found i chunks 0 to 1; expected some of the 1"),
}


@pytest.mark.parametrize("name", [*TEXTS, *DAMAGE])
def test_bad_files(name: str) -> None:
    if name in TEXTS:
        text, message = TEXTS[name]
    else:
        found, other, message = DAMAGE[name]
        text = broadcast().replace(found, other)
    with pytest.raises(InputError, match=message) as caught:
        read_algorithm(text, "x")
    assert "\n" not in str(caught.value)


def test_an_element_that_nobody_knows_is_not_skipped() -> None:
    text = broadcast().replace("<tb", "<block").replace("</tb", "</block")
    with pytest.raises(InputError, match=r"x:2: found <block> in <gpu>; expected <tb>"):
        read_algorithm(text, "x")


@pytest.mark.parametrize("collective", ["send", "recv", "alltoallv", "custom"])
def test_collectives_that_we_do_not_have(collective: str) -> None:
    with pytest.raises(UnsupportedError, match=rf"x:1: coll: found '{collective}'; expected one of allreduce"):
        read_algorithm(broadcast().replace('coll="broadcast"', f'coll="{collective}"'), "x")


def waiting(depends: str, hasdep: int) -> str:
    first = block(0, 1, -1, step(0, "s", hasdep=hasdep))
    second = block(1, -1, -1, step(0, "cpy", depends=depends))
    return algo("broadcast", 1, gpu(0, (1, 1, 0), first, second), gpu(1, (0, 1, 0), block(0, -1, 0, step(0, "r"))))


def test_dependencies() -> None:
    assert next(s.depends for *_, s in read_algorithm(waiting("0 0", 1), "x").steps() if s.type == "cpy") == (0, 0)
    for depends in ("0 1", "2 0", "0 -1"):
        with pytest.raises(
            InputError, match=r"x:2: gpu 0, tb 1, step 0: waits for step .*; expected one that there is"
        ):
            read_algorithm(waiting(depends, 1), "x")
    with pytest.raises(InputError, match="waits for step 0 of tb 0, whose hasdep is 0; expected 1"):
        read_algorithm(waiting("0 0", 0), "x")


def test_what_would_take_too_much_memory() -> None:
    blocks = "".join(block(number, -1, -1) for number in range(2**14 + 1))
    with pytest.raises(InputError, match=r"x:1: found 16385 thread blocks; expected at most 16384"):
        read_algorithm(algo("broadcast", 1, gpu(0, (1, 1, 0), blocks)), "x")


@given(st.data())
def test_any_damage_is_an_input_error_or_understood(data: st.DataObject) -> None:
    """A number, a name or a piece of the text replaced or left out."""
    text = broadcast()
    pieces = list(re.finditer(r'"[^"]*"|[a-z_]+=|<|>|/', text))
    piece = data.draw(st.sampled_from(pieces))
    other = data.draw(st.sampled_from(['"-7"', '"1e3"', '"99999999999999999999"', '""', "", "<", '"o"', '"nop"', "a="]))
    with suppress(InputError):
        read_algorithm(text[: piece.start()] + other + text[piece.end() :], "x")
