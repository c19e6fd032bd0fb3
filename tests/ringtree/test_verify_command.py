"""`ringtree verify`: what is proved, at which depth, and what is wrong where; exit status and output."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from commandline import ringtree

from _ringtree.core import Collective, Program, Recipe
from collectives.msccl import program_to_msccl

FILES = sorted((Path(__file__).resolve().parents[2].parent / "shared" / "data" / "msccl-xml").glob("*.xml"))

# Two gpus exchange two chunks each before they receive any.
EAGER = """\
<algo name="eager" proto="LL" nchannels="4" nchunksperloop="2" ngpus="2" coll="allgather" inplace="1" outofplace="1">
  <gpu id="0" i_chunks="1" o_chunks="2" s_chunks="0">
    <tb id="0" send="1" recv="1" chan="3">
      <step s="0" type="s" srcbuf="i" srcoff="0" dstbuf="o" dstoff="0" cnt="1" depid="-1" deps="-1" hasdep="0"/>
      <step s="1" type="s" srcbuf="i" srcoff="0" dstbuf="o" dstoff="0" cnt="1" depid="-1" deps="-1" hasdep="0"/>
      <step s="2" type="r" srcbuf="i" srcoff="0" dstbuf="o" dstoff="1" cnt="1" depid="-1" deps="-1" hasdep="0"/>
      <step s="3" type="r" srcbuf="i" srcoff="0" dstbuf="o" dstoff="1" cnt="1" depid="-1" deps="-1" hasdep="0"/>
      <step s="4" type="cpy" srcbuf="i" srcoff="0" dstbuf="o" dstoff="0" cnt="1" depid="-1" deps="-1" hasdep="0"/>
    </tb>
  </gpu>
  <gpu id="1" i_chunks="1" o_chunks="2" s_chunks="0">
    <tb id="0" send="0" recv="0" chan="3">
      <step s="0" type="s" srcbuf="i" srcoff="0" dstbuf="o" dstoff="1" cnt="1" depid="-1" deps="-1" hasdep="0"/>
      <step s="1" type="s" srcbuf="i" srcoff="0" dstbuf="o" dstoff="1" cnt="1" depid="-1" deps="-1" hasdep="0"/>
      <step s="2" type="r" srcbuf="i" srcoff="0" dstbuf="o" dstoff="0" cnt="1" depid="-1" deps="-1" hasdep="0"/>
      <step s="3" type="r" srcbuf="i" srcoff="0" dstbuf="o" dstoff="0" cnt="1" depid="-1" deps="-1" hasdep="0"/>
      <step s="4" type="cpy" srcbuf="i" srcoff="0" dstbuf="o" dstoff="1" cnt="1" depid="-1" deps="-1" hasdep="0"/>
    </tb>
  </gpu>
</algo>
"""


@pytest.fixture
def eager(tmp_path: Path) -> Path:
    path = tmp_path / "eager.xml"
    path.write_text(EAGER, encoding="utf-8")
    return path


@pytest.mark.skipif(not FILES, reason="the published algorithm files are not here")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_published_files_are_proved(path: Path) -> None:
    done = ringtree("verify", str(path), "--json")
    assert (done.status, done.err) == (0, "")
    rows = json.loads(done.out)
    text = path.read_text(encoding="utf-8")
    assert rows[-1]["in_place"] == ('outofplace="1"' not in text)
    assert (rows[-1]["what"], rows[-1]["steps"]) == ("right", text.count("<step "))


def test_the_smallest_depth_and_who_waits_for_whom(eager: Path) -> None:
    done = ringtree("verify", str(eager))
    assert (done.status, done.err) == (0, "")
    head, out_of_place, waits, in_place, _, limits = done.out.splitlines()
    assert head == "eager.xml: all_gather of 2 ranks, 2 chunks, 4 channels, LL"
    assert out_of_place == "out of place: right, 10 steps, 4 messages; with 2 slots per channel or more"
    assert in_place == "in place: right, 10 steps, 4 messages; with 2 slots per channel or more"
    assert limits == "limits: within those of RCCL's and MSCCL's runtimes"
    assert waits.startswith(
        "  with 1 per channel a deadlock: eager.xml:5: rank 0, lane 0, step 1: waits for rank 1 to free a slot of "
        "channel 3; rank 1, lane 0, step 1 for rank 0 to free a slot of channel 3"
    )


def test_one_depth(eager: Path) -> None:
    done = ringtree("verify", str(eager), "--depth", "1", "--json")
    assert done.status == 1
    assert done.err.startswith("ringtree: eager.xml:5: rank 0, lane 0, step 1: waits for rank 1 to free a slot")
    out_of_place, in_place = json.loads(done.out)
    assert [row["in_place"] for row in (out_of_place, in_place)] == [False, True]
    place = {"what": "deadlock", "depth": 1, "rank": 0, "lane": 0, "step": 1, "steps": None, "messages": None}
    assert place.items() <= out_of_place.items()
    assert ringtree("verify", str(eager), "--depth", "2").status == 0


def test_what_is_wrong_is_said(eager: Path) -> None:
    eager.write_text(EAGER.replace('dstbuf="o" dstoff="1" cnt="1"', 'dstbuf="o" dstoff="0" cnt="1"'), encoding="utf-8")
    done = ringtree("verify", str(eager), "--in-place")
    assert done.status == 1
    assert "in place: wrong: wrong result with 2 slots per channel: eager.xml: rank 0: output element 0: " in done.out
    assert "found element 0 of rank 1, expected element 0 of rank 0" in done.err
    assert done.err.count("\n") == 1
    copy = '<step s="0" type="cpy" srcbuf="i" srcoff="0" dstbuf="o" dstoff="0" cnt="1"/>'
    second = f'<tb id="1" send="-1" recv="-1" chan="0">{copy}</tb>'
    race = EAGER.replace("</tb>\n", f"</tb>{second}\n", 1)
    eager.write_text(race, encoding="utf-8")
    done = ringtree("verify", str(eager))
    assert done.status == 1
    assert (
        "out of place: wrong: race with 2 slots per channel: eager.xml:8: rank 0, lane 0, step 4: touches" in done.out
    )


def test_sizes_and_collectives_of_a_file(eager: Path) -> None:
    assert ringtree("verify", str(eager), "--bytes", "28", "--json").out.count('"elements": 7') == 4
    assert ringtree("verify", str(eager), "--bytes", "7", "--dtype", "int8", "--collective", "all_gather").status == 0
    assert json.loads(ringtree("verify", f"{eager}:chunks=3", "--depth", "8", "--json").out)[0]["elements"] == 6
    for arguments, words in (
        (["--collective", "all_reduce"], "eager.xml: does all_gather; found all_reduce"),
        (["--ranks", "3"], "eager.xml: made for 2 ranks; found 3"),
        (["--bytes", "7"], "--bytes: 7 is not a whole number of float32 elements"),
        (["--board", "ppu-8"], "--board: found ppu-8; an algorithm file is for any board"),
        (["--root", "2"], "--root: found 2; expected a rank of 0 to 1"),
        (["--depth", "9"], "--depth"),
    ):
        done = ringtree("verify", str(eager), *arguments)
        assert (done.status, done.out, words in done.err, done.err.count("\n")) == (2, "", True, 1)


def test_specifications() -> None:
    done = ringtree("verify", "ring:chunks=2", "--ranks", "4", "--json")
    rows = json.loads(done.out)
    assert [(row["in_place"], row["depth"], row["what"]) for row in rows] == [
        (in_place, depth, "right" if depth == 3 else "deadlock") for in_place in (False, True) for depth in (1, 2, 3)
    ]
    assert ringtree("verify", "forest", "--board", "ppu-8", "--ranks", "4", "--bytes", "64KiB").status == 0
    assert ringtree("verify", "pairwise", "--ranks", "5", "--collective", "all_to_all", "--bytes", "100").status == 0
    assert ringtree("verify", "tree", "--ranks", "5", "--collective", "barrier").status == 0
    for arguments, words in (
        (["ring"], "--ranks: not given; expected how many ranks ring is for, or --board"),
        (["rng"], "found 'rng'"),
        (["none.xml"], "found no file 'none.xml'"),
        (["forest", "--ranks", "4"], "forest needs a board"),
        (["pairwise", "--ranks", "4"], "pairwise does not do all_reduce"),
        (["tree", "--ranks", "4", "--root", "4", "--collective", "reduce"], "root: found 4"),
    ):
        found = ringtree("verify", *arguments)
        assert (found.status, found.out, words in found.err) == (2, "", True), found


def test_what_the_runtimes_would_refuse(tmp_path: Path) -> None:
    program = Program.build(Collective("all_reduce", 24, 24), Recipe("two_shot"))
    path = tmp_path / "many.xml"
    path.write_text(program_to_msccl(program, limits=False), encoding="utf-8")
    done = ringtree("verify", str(path), "--depth", "2")
    assert done.status == 0
    limits = [line for line in done.out.splitlines() if line.startswith("limits: ")]
    assert limits[0] == "limits: gpu 0: found 92 thread blocks; MSCCL's runtimes take 64"
    assert limits[3] == "limits: 21 more like these"
