"""What bad input gets: exit status 2, one line on stderr that says what and where, nothing on stdout."""

from __future__ import annotations

from pathlib import Path

import pytest
from commandline import PAIR, ringtree

LAUGHS = "a: &a [x, x]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join([f'*{chr(97 + i)}'] * 9)}]\n" for i in range(20)
)
XML_LAUGHS = (
    '<!DOCTYPE system [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>\n<system version="1">&b;</system>\n'
)

FILES = {
    "not YAML": ("board: [\n", ["bad.yaml:2:1"]),
    "unknown key": (PAIR.replace("latency", "latencies"), ["bad.yaml:5:", "latencies"]),
    "missing unit": (PAIR.replace("50 GB/s", "50"), ["bad.yaml:5:", "50"]),
    "negative bandwidth": (PAIR.replace("50 GB/s", "-50 GB/s"), ["bad.yaml:5:", "-50"]),
    "zero bandwidth": (PAIR.replace("50 GB/s", "0 GB/s"), ["bad.yaml:5:"]),
    "infinite bandwidth": (PAIR.replace("50 GB/s", "inf GB/s"), ["bad.yaml:5:", "inf"]),
    "dangling endpoint": (PAIR.replace("[0, 1]", "[0, 7]"), ["bad.yaml:8:", "7"]),
    "a link to itself": (PAIR.replace("[0, 1]", "[0, 0]"), ["bad.yaml:8:"]),
    "a duplicate": (PAIR + "    - [1, 0]\n", ["bad.yaml:9:"]),
    "a device that cannot be reached": (PAIR.replace("count: 2", "count: 3"), ["bad.yaml", "chip2"]),
    "a billion laughs in YAML": (LAUGHS, ["bad.yaml"]),
    "a billion laughs in XML": (XML_LAUGHS, ["bad.yaml"]),
    "an empty file": ("", ["bad.yaml"]),
}

ARGUMENTS = {
    "no verb": ([], ["boards, show, plan, verify, simulate, sweep, convert, tune, train"]),
    "unknown verb": (["simulat"], ["'simulat'"]),
    "unknown option": (["boards", "--colour"], ["--colour"]),
    "no topology": (["simulate"], ["topology"]),
    "unknown board": (["show", "ppu-9"], ["ppu-9", "ppu-8"]),
    "shortened option": (["simulate", "ppu-8", "--byte", "8"], ["--byte"]),
    "a size that is none": (["simulate", "ppu-8", "--bytes", "many"], ["--bytes", "many"]),
    "a size beyond 2^63": (["simulate", "ppu-8", "--bytes", str(2**63)], ["--bytes", str(2**63)]),
    "sizes that do not grow": (["simulate", "ppu-8", "--sizes", "1KiB:1MiB:x1"], ["--sizes", "x1"]),
    "no whole elements": (["simulate", "ppu-8", "--bytes", "1001"], ["1001", "float32"]),
    "sizes and bytes": (["simulate", "ppu-8", "--sizes", "8", "--bytes", "8"], ["--bytes", "--sizes"]),
    "more ranks than chips": (["simulate", "ppu-8", "--ranks", "9"], ["9", "8"]),
    "no ranks": (["simulate", "ppu-8", "--ranks", "0"], ["--ranks", "'0'"]),
    "devices that are not there": (["simulate", "ppu-8", "--devices", "0,8"], ["--devices", "8"]),
    "a device twice": (["simulate", "ppu-8", "--devices", "0,0"], ["--devices", "once"]),
    "devices that are no numbers": (["simulate", "ppu-8", "--devices", "a-b"], ["--devices", "a-b"]),
    "ranks and devices that differ": (["simulate", "ppu-8", "--devices", "0-3", "--ranks", "2"], ["4", "2"]),
    "a root that is no rank": (["simulate", "ppu-8", "--collective", "reduce", "--root", "8"], ["--root", "8"]),
    "an unknown collective": (["simulate", "ppu-8", "--collective", "allreduce"], ["allreduce", "all_reduce"]),
    "an unknown type": (["simulate", "ppu-8", "--dtype", "float31"], ["float31", "float32"]),
    "an operation unknown to the type": (["simulate", "ppu-8", "--dtype", "complex64", "--op", "min"], ["complex64"]),
    "an unknown algorithm": (["simulate", "ppu-8", "--algorithm", "rong"], ["rong", "ring"]),
    "an unknown parameter": (["simulate", "ppu-8", "--algorithm", "ring:chunk=2"], ["chunk", "chunks"]),
    "a parameter out of range": (["simulate", "ppu-8", "--algorithm", "ring:chunks=0"], ["chunks", "0"]),
    "an empty algorithm": (["simulate", "ppu-8", "--algorithm", "ring,"], ["--algorithm"]),
    "an algorithm that cannot run here": (["simulate", "ppu-8", "--algorithm", "two_level"], ["two_level"]),
    "an algorithm of another collective": (["simulate", "ppu-8", "--algorithm", "pairwise"], ["pairwise"]),
    "an unknown figure": (["simulate", "kunlun-8", "--bytes", "1MiB"], ["--assume", "xpulink.bandwidth"]),
    "an assumption of the wrong form": (["simulate", "ppu-8", "--assume", "bandwidth=3"], ["--assume", "bandwidth=3"]),
    "an assumption that nothing uses": (["simulate", "ppu-8", "--assume", "ppu-8.icm.latency=1us"], ["icm"]),
    "a latency without a unit": (["simulate", "ppu-8", "--latency", "1"], ["--latency", "1"]),
    "a clock that simulation lacks": (["simulate", "ppu-8", "--clock", "wall"], ["--clock", "wall"]),
    "records of several rows": (["simulate", "ppu-8", "--records", "r.jsonl", "--sizes", "8,16"], ["--records", "2"]),
    "records nowhere": (["simulate", "ppu-8", "--records", "/nowhere/r", "--bytes", "8"], ["/nowhere/r"]),
    "a plan of no board": (["plan"], ["topology"]),
    "a plan for a lost link that is not there": (
        ["plan", "ppu-8", "--without", "link:0-7"],
        ["link:0-7", "chip1, chip3"],
    ),
    "a plan for a chip that is not there": (["plan", "ppu-8", "--without", "chip:8"], ["chip:8", "0 to 7"]),
    "a fault that is none": (["plan", "ppu-8", "--without", "chip3"], ["'chip3'", "link:A-B"]),
    "a slow chip without a factor": (["plan", "ppu-8", "--slow", "chip:3"], ["'chip:3'", "=FACTOR"]),
    "a slow chip of twice the speed": (["plan", "ppu-8", "--slow", "chip:3=2"], ["chip:3=2", "at most 1"]),
    "a board that falls apart": (
        ["plan", "ppu-8", "--without", "link:0-1", "--without", "link:0-3", "--without", "link:0-6"],
        ["chip0 is cut off"],
    ),
    "all ranks lost": (["plan", "ppu-8", "--devices", "3", "--without", "chip:3"], ["none of the ranks"]),
    "a plan for the wrong algorithm": (["plan", "ppu-8", "--algorithm", "pairwise"], ["pairwise", "all_reduce"]),
    "a plan of an unknown figure": (["plan", "kunlun-8"], ["--assume", "xpulink.bandwidth"]),
    "a table to be saved": (["plan", "ppu-8", "--table", "--save", "p.json"], ["--save", "--table"]),
    "a plan saved nowhere": (["plan", "ppu-8", "--save", "/nowhere/p.json"], ["--save", "/nowhere"]),
    "an algorithm file nowhere": (["plan", "ppu-8", "--xml", "/nowhere/p.xml"], ["--xml", "/nowhere"]),
    "a plan loaded from nowhere": (["plan", "--load", "nowhere.json"], ["nowhere.json"]),
    "a plan loaded for another board": (["plan", "ppu-8", "--load", "nowhere.json"], ["nowhere.json", "topology"]),
    "an algorithm that is no file": (["simulate", "ppu-8", "--algorithm", "file:nowhere.json"], ["nowhere.json"]),
    "two outputs on stdout": (["simulate", "ppu-8", "--json", "--csv"], ["--json", "--csv"]),
    "CSV nowhere": (["sweep", "ppu-8", "--csv", "/nowhere/x.csv"], ["/nowhere"]),
    "a picture of no known kind": (["show", "ppu-8", "-o", "board.gif"], ["board.gif", ".svg"]),
    "a picture nowhere": (["show", "ppu-8", "-o", "/nowhere/board.svg"], ["/nowhere"]),
    "a sweep of too many ranks": (["sweep", "ppu-8", "--ranks", "9"], ["9", "8"]),
    "a sweep of an unknown algorithm": (["sweep", "ppu-8", "--algorithm", "rong"], ["rong", "ring"]),
    "a sweep without a board and without ranks": (["sweep", "none"], ["--ranks"]),
    "a clock without a board": (["sweep", "none", "--ranks", "2", "--clock", "virtual"], ["--clock", "virtual"]),
    "devices without a board": (["sweep", "none", "--devices", "0,1"], ["--devices"]),
    "no iterations": (["sweep", "ppu-8", "--iters", "0"], ["--iters", "'0'"]),
    "training on a chip of unknown speed": (["train", "--board", "ppu-8"], ["--assume ppu.fp16_tflops="]),
    "a batch smaller than the ranks": (["train", "--board", "dgx1v", "--batch", "4"], ["--batch", "4", "8"]),
    "training without a board and without ranks": (["train", "--plain"], ["--ranks"]),
    "a rate that is none": (["train", "--rate", "fast"], ["--rate", "fast"]),
}


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As if no launcher had started the tests, in a folder that nothing may be left in."""
    for name in ("PMI_RANK", "PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "MPI_LOCALNRANKS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def refused(arguments: list[str], wanted: list[str]) -> None:
    done = ringtree(*arguments)
    assert done.status == 2
    assert done.out == ""
    assert done.err.startswith("ringtree: ")
    assert done.err.count("\n") == 1
    for text in wanted:
        assert text in done.err


@pytest.mark.parametrize("case", ARGUMENTS)
def test_arguments(case: str, tmp_path: Path) -> None:
    refused(*ARGUMENTS[case])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("case", FILES)
@pytest.mark.parametrize("verb", ["show", "simulate", "plan"])
def test_files(case: str, verb: str, tmp_path: Path) -> None:
    text, wanted = FILES[case]
    (tmp_path / "bad.yaml").write_text(text, encoding="utf-8")
    refused([verb, "bad.yaml"], wanted)


def test_a_file_of_100_megabytes(tmp_path: Path) -> None:
    with open(tmp_path / "big.yaml", "wb") as file:
        file.truncate(100_000_000)
    refused(["show", "big.yaml"], ["big.yaml"])


def test_a_folder_and_binary_rubbish(tmp_path: Path) -> None:
    refused(["show", str(tmp_path)], [str(tmp_path)])
    (tmp_path / "x.yaml").write_bytes(bytes(range(256)))
    refused(["show", "x.yaml"], ["x.yaml"])


def test_a_pair_without_a_route_is_named(tmp_path: Path) -> None:
    board = PAIR.replace("count: 2", "count: 3") + "    - [1, 2]\n"
    (tmp_path / "line.yaml").write_text(board, encoding="utf-8")
    refused(["simulate", "line.yaml", "--algorithm", "one_shot", "--bytes", "1KiB"], ["no route", "chip2", "chip0"])


def test_a_message_is_one_line_whatever_was_typed() -> None:
    refused(["show", "a\nb"], ["a b"])
