"""The verb plan: rows against simulate and closed forms, faults, files, pictures."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from commandline import PAIR, ringtree

from _ringtree.errors import UnsupportedError
from _ringtree.units import parse_sizes
from collectives import Plan
from ringtree import msccl_file, report
from ringtree.case import Case


@pytest.fixture
def pair(tmp_path: Path) -> str:
    path = tmp_path / "pair.yaml"
    path.write_text(PAIR, encoding="utf-8")
    return str(path)


def rows(*arguments: str, verb: str = "plan") -> list[dict[str, Any]]:
    done = ringtree(verb, *arguments, "--json")
    assert (done.status, done.err) == (0, "")
    found: list[dict[str, Any]] = json.loads(done.out)
    return found


def text(*arguments: str) -> str:
    done = ringtree("plan", *arguments)
    assert (done.status, done.err) == (0, "")
    return done.out


def test_the_plan_then_its_runners_up() -> None:
    found = rows("ppu-8", "--bytes", "1MiB")
    assert all(list(row) == list(report.KEYS) for row in found)
    assert [row["wrong"] for row in found] == [None] * len(found)
    names = [row["plan"].split(":")[0] for row in found]
    assert len(set(names)) == len(names)
    assert found[0]["algorithm"] == "auto"
    assert names[1:] == [row["algorithm"] for row in found[1:]]
    times = [row["time_us"] for row in found]
    assert times == sorted(times)
    # The same as simulate says, asked for by name and asked for by the plan.
    simulated = rows("ppu-8", "--bytes", "1MiB", "--algorithm", ",".join(["auto", *names[1:]]), verb="simulate")
    assert [row["time_us"] for row in simulated] == times
    again = rows("ppu-8", "--bytes", "1MiB", "--algorithm", ",".join(row["plan"] for row in found), verb="simulate")
    assert [row["time_us"] for row in again] == times


def test_the_bound_of_a_pair(pair: str) -> None:
    """Two chips, a wire of 50 GB/s each way: that is the bound, and a single exchange takes 1 us more."""
    (first, *_) = rows(pair, "--bytes", "4MiB")
    assert first["bound_GBps"] == pytest.approx(50)
    assert first["time_us"] == pytest.approx(2**22 / 50e3 + 1, rel=0.02)
    assert first["percent_of_bound"] == pytest.approx(100 * first["algbw_GBps"] / 50)


def test_text_for_people(pair: str) -> None:
    lines = text(pair, "--bytes", "4MiB").splitlines()
    assert lines[0] == "# ringtree plan: all_reduce of 4MiB on pair, 2 ranks, float32, sum, clock virtual (isolated)"
    parts = dict(line.split(None, 1) for line in lines[1:4])
    (row, *others) = rows(pair, "--bytes", "4MiB")
    assert parts["plan"] == row["plan"]
    assert parts["time"].startswith(f"{row['time_us']:.2f} us, algbw {row['algbw_GBps']:.2f} GB/s")
    assert parts["bound"] == f"50.00 GB/s; {row['percent_of_bound']:.1f} % of it reached"
    start = next(i for i, line in enumerate(lines) if line.startswith("runner-up"))
    listed = [line.split() for line in lines[start + 2 :]]
    assert [line[0] for line in listed] == [row["algorithm"] for row in others]
    assert [line[-1] for line in listed] == [row["plan"] for row in others]
    slower = [100 * (other["time_us"] / row["time_us"] - 1) for other in others]
    assert [float(line[4]) for line in listed] == pytest.approx(slower, abs=0.06)


@pytest.mark.parametrize("collective", ["barrier", "all_to_all", "gather", "broadcast", "reduce_scatter"])
def test_every_kind_of_collective(collective: str) -> None:
    (first, *_) = rows("dgx1v", "--collective", collective, "--bytes", "64KiB", "--ranks", "5")
    assert (first["collective"], first["ranks"]) == (collective, 5)
    assert (first["bound_GBps"] is None) == (collective == "barrier")
    assert collective in text("dgx1v", "--collective", collective, "--bytes", "64KiB", "--ranks", "5").splitlines()[0]


def test_only_what_was_asked_for(pair: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = rows(pair, "--bytes", "1MiB", "--algorithm", "one_shot,ring:channels=1:chunks=1,tree")
    assert sorted(row["algorithm"] for row in found) == ["one_shot", "ring:channels=1:chunks=1", "tree"]
    assert [row["time_us"] for row in found] == sorted(row["time_us"] for row in found)
    monkeypatch.setenv("RINGTREE_ALGO", "ring")
    assert [row["algorithm"] for row in rows(pair, "--bytes", "1MiB")] == ["ring"]


def test_the_default_size_is_64_mib(pair: str) -> None:
    assert {row["bytes"] for row in rows(pair)} == {2**26}


@pytest.mark.parametrize("options", [["--table", "--sizes", "1KiB:1MiB:x4"], ["--sizes", "1KiB:1MiB:x4"]])
def test_the_table_is_what_simulate_gives(options: list[str]) -> None:
    found = rows("ppu-8", *options)
    assert [row["bytes"] for row in found] == parse_sizes("1KiB:1MiB:x4")
    simulated = rows("ppu-8", "--sizes", "1KiB:1MiB:x4", "--algorithm", "auto", verb="simulate")
    assert [(row["time_us"], row["plan"]) for row in found] == [(row["time_us"], row["plan"]) for row in simulated]
    lines = text("ppu-8", *options).splitlines()
    body = [line.split() for line in lines if not line.startswith("#")]
    assert [int(line[0]) for line in body] == [row["bytes"] for row in found]
    plans: list[str] = []
    for line in body:
        plans.append(plans[-1] if line[4] == "=" else line[4])
    assert plans == [row["plan"] for row in found]
    second = rows("ppu-8", "--bytes", "1KiB")[1]
    assert body[0][5] == second["algorithm"]


def test_csv_has_the_same_rows(pair: str, tmp_path: Path) -> None:
    done = ringtree("plan", pair, "--bytes", "1MiB", "--csv")
    read = list(csv.DictReader(io.StringIO(done.out)))
    assert [float(row["time_us"]) for row in read] == [row["time_us"] for row in rows(pair, "--bytes", "1MiB")]
    file = tmp_path / "rows.csv"
    assert ringtree("plan", pair, "--bytes", "1MiB", "--csv", str(file)).out.startswith("# ringtree plan")
    assert file.read_text(encoding="utf-8") == done.out


def test_what_a_fault_costs() -> None:
    whole = rows("ppu-8", "--bytes", "4MiB")
    found = rows("ppu-8", "--bytes", "4MiB", "--without", "link:0-6", "--slow", "chip:3=0.5")
    assert found[-1] == whole[0]
    assert {row["topology"] for row in found[:-1]} == {"ppu-8 without link:0-6 slow chip:3=0.5"}
    assert found[0]["algorithm"] == "auto"
    assert found[0]["time_us"] > whole[0]["time_us"]
    assert found[0]["bound_GBps"] < whole[0]["bound_GBps"]
    assert found[0]["assumed"] == whole[0]["assumed"]
    lines = text("ppu-8", "--bytes", "4MiB", "--without", "link:0-6", "--slow", "chip:3=0.5").splitlines()
    (time,) = [line.split() for line in lines if line.startswith("time ") and line.endswith("%")]
    assert [float(part) for part in time[1:3]] == [round(row["time_us"], 2) for row in (found[-1], found[0])]
    assert any(line.startswith("kept ") for line in lines)


def test_a_lost_chip_takes_its_rank_along() -> None:
    found = rows("ppu-8", "--bytes", "64KiB", "--without", "chip:3")
    assert [row["ranks"] for row in found] == [7] * (len(found) - 1) + [8]
    assert found[0]["devices"] == list(range(7))
    found = rows("ppu-8", "--bytes", "64KiB", "--devices", "5,3,2,4", "--without", "chip:3", "--algorithm", "ring")
    assert [row["devices"] for row in found] == [[4, 2, 3], [5, 3, 2, 4]]
    # The chip may take no part: then the ranks stay the same.
    found = rows("ppu-8", "--bytes", "64KiB", "--devices", "0,1,2", "--without", "chip:5", "--algorithm", "ring")
    assert [row["devices"] for row in found] == [[0, 1, 2], [0, 1, 2]]
    assert found[0]["time_us"] == found[1]["time_us"]


def test_the_root_moves_up_or_is_lost() -> None:
    arguments = ["ppu-8", "--bytes", "64KiB", "--collective", "broadcast", "--algorithm", "binomial", "--root", "5"]
    assert [row["root"] for row in rows(*arguments, "--without", "chip:3")] == [4, 5]
    done = ringtree("plan", *arguments, "--without", "chip:5")
    assert (done.status, done.err) == (2, "ringtree: --root: rank 5 sits on chip5, which is lost\n")


def test_a_table_of_faults() -> None:
    arguments = ["ppu-8", "--sizes", "1KiB,64KiB", "--slow", "link:0-1=0.1"]
    found = rows(*arguments)
    assert [(row["topology"], row["bytes"]) for row in found] == [
        (name, size) for name in ("ppu-8 slow link:0-1=0.1", "ppu-8") for size in (1 << 10, 1 << 16)
    ]
    body = [line.split() for line in text(*arguments).splitlines() if not line.startswith("#")]
    assert [float(line[4]) for line in body] == [round(row["time_us"], 2) for row in found[2:]]


def test_saved_and_loaded(tmp_path: Path) -> None:
    file = str(tmp_path / "plan.json")
    saved = rows("ppu-8", "--bytes", "4MiB", "--algorithm", "forest", "--save", file)
    assert rows("--load", file) == saved
    (again,) = rows("ppu-8", "--bytes", "4MiB", "--algorithm", f"file:{file}", verb="simulate")
    assert again["time_us"] == saved[0]["time_us"]
    assert again["plan"] == f"file:{file}"
    assert text("--load", file) == text("ppu-8", "--bytes", "4MiB", "--algorithm", "forest")
    copy = tmp_path / "copy.json"
    text("--load", file, "--save", str(copy))
    assert copy.read_text(encoding="utf-8") == Path(file).read_text(encoding="utf-8")


def test_saved_for_what_is_left(tmp_path: Path) -> None:
    file = str(tmp_path / "plan.json")
    saved = rows("ppu-8", "--bytes", "64KiB", "--devices", "0-6", "--without", "chip:3", "--save", file)
    assert rows("--load", file) == saved[:1]


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["ppu-8"], "topology: the plan in"), (["--collective", "reduce"], "--collective: the plan in"),
        (["--bytes", "8"], "--bytes"), (["--without", "chip:3"], "--without"), (["--table"], "--table"),
        (["--cost", "1us"], "--cost"), (["--assume", "a.b=1"], "--assume"),
    ],
)  # fmt: skip
def test_a_loaded_plan_is_as_it_is(options: list[str], named: str, tmp_path: Path) -> None:
    file = str(tmp_path / "plan.json")
    text("ppu-8", "--bytes", "1KiB", "--save", file)
    done = ringtree("plan", "--load", file, *options)
    assert (done.status, done.out, done.err.count("\n")) == (2, "", 1)
    assert named in done.err


def test_the_algorithm_file_is_of_the_best_plan_that_fits(
    pair: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A writer that refuses the first plan, makes the second one slow and takes the third as it is."""
    plans = rows(pair, "--bytes", "4MiB")[:4]
    slow_us = plans[3]["time_us"] + 1

    def write(plan: Plan) -> str:
        if plan.plan == plans[0]["plan"]:
            raise UnsupportedError("no room")
        return plan.plan

    def price(case: Case, text: str, nbytes: int) -> float:
        return slow_us if text == plans[1]["plan"] else case.plan(text, nbytes).time_us

    monkeypatch.setattr(msccl_file, "_writer", lambda: write)
    monkeypatch.setattr(msccl_file, "_price", price)
    file = tmp_path / "plan.xml"
    done = ringtree("plan", pair, "--bytes", "4MiB", "--json", "--xml", str(file))
    assert done.status == 0
    assert json.loads(done.out)[:4] == plans
    assert file.read_text(encoding="utf-8") == plans[2]["plan"]
    assert done.err == (
        f"ringtree: {file}: {plans[2]['plan']} within the runtimes' limits takes {plans[2]['time_us']:.2f} us; "
        f"the plan {plans[0]['time_us']:.2f} us\n"
    )
    first = ringtree("plan", pair, "--bytes", "4MiB", "--algorithm", plans[2]["plan"], "--xml", str(file))
    assert (first.status, first.err) == (0, "")


def test_no_algorithm_file_without_a_plan_that_fits(pair: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(plan: Plan) -> str:
        raise UnsupportedError(f"no room for {plan.plan}")

    monkeypatch.setattr(msccl_file, "_writer", lambda: refuse)
    done = ringtree("plan", pair, "--bytes", "4MiB", "--algorithm", "one_shot", "--xml", str(tmp_path / "plan.xml"))
    assert (done.status, done.out, done.err) == (2, "", "ringtree: no room for one_shot:chunks=1:depth=2\n")
    assert not (tmp_path / "plan.xml").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["ppu-8", "--bytes", "1MiB", "--algorithm", "tree", "--without", "link:0-6"],
        ["torus-4x4", "--bytes", "1MiB", "--algorithm", "ring"],
        ["unequal-8-4", "--bytes", "1MiB", "--algorithm", "two_level"],
        ["supernode-128", "--collective", "barrier", "--algorithm", "one_shot", "--ranks", "48"],
        ["dgx1v", "--bytes", "1MiB", "--collective", "broadcast", "--algorithm", "forest"],
        ["ppu-8", "--sizes", "1KiB,1MiB"],
    ],
)
def test_pictures(arguments: list[str], tmp_path: Path) -> None:
    done = ringtree("plan", *arguments, "--latency", "1us", "-o", str(tmp_path / "plan.png"))
    assert (done.status, done.err) == (0, "")
    assert (tmp_path / "plan.png").read_bytes().startswith(b"\x89PNG")


def test_a_picture_says_what_it_leaves_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import matplotlib as mpl

    monkeypatch.setitem(mpl.rcParams, "svg.fonttype", "none")
    from ringtree import plan_picture

    monkeypatch.setattr(plan_picture, "MOST_PANELS", 4)
    file = tmp_path / "plan.svg"
    text("ppu-8", "--bytes", "4MiB", "--algorithm", "forest", "-o", str(file))
    drawn = file.read_text(encoding="utf-8")
    assert "the largest 4 of " in drawn
    assert drawn.count(">root ") == 4
