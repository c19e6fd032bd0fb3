"""The verb simulate: rows, text to the letter, and records against an independent computation."""

from __future__ import annotations

import csv
import io
import json
from collections import defaultdict
from pathlib import Path

import pytest
from commandline import LATENCIES, PAIR, RING, UNEQUAL, ringtree

GOLDEN = """\
# ringtree simulate: all_reduce on pair, 2 ranks, clock virtual (isolated)
#                                                                                     out-of-place
#       size         count           type   redop  root  algorithm                time   algbw   busbw  #wrong   bound  %bound  plan
#        (B)    (elements)                                                        (us)  (GB/s)  (GB/s)          (GB/s)
        1024           256        float32     sum    -1  recursive_doubling       1.02    1.00    1.00     N/A   50.00    2.01  recursive_doubling:chunks=1:depth=2
     1048576        262144        float32     sum    -1  recursive_doubling      21.97   47.72   47.72     N/A   50.00   95.45  recursive_doubling:chunks=1:depth=2
"""  # noqa: E501

ONE_RING = "ring:channels=1:chunks=1:depth=2"


@pytest.fixture
def pair(tmp_path: Path) -> str:
    path = tmp_path / "pair.yaml"
    path.write_text(PAIR, encoding="utf-8")
    return str(path)


@pytest.fixture
def ring(tmp_path: Path) -> str:
    path = tmp_path / "ring5.yaml"
    path.write_text(RING, encoding="utf-8")
    return str(path)


def rows(*arguments: str) -> list[dict[str, object]]:
    done = ringtree("simulate", *arguments, "--json")
    assert (done.status, done.err) == (0, "")
    found: list[dict[str, object]] = json.loads(done.out)
    return found


def test_text_to_the_letter(pair: str) -> None:
    done = ringtree("simulate", pair, "--algorithm", "recursive_doubling", "--sizes", "1KiB,1MiB")
    assert (done.status, done.err) == (0, "")
    assert done.out == GOLDEN


def test_json(pair: str) -> None:
    (row,) = rows(pair, "--algorithm", ONE_RING, "--bytes", "1MiB", "--op", "max", "--dtype", "int8")
    # Two steps, each 2^19 bytes at 50 GB/s and 1 us.
    time_us = 2 * (2**19 / 50e3 + 1)
    expected = {
        "topology": "pair", "collective": "all_reduce", "algorithm": ONE_RING, "ranks": 2, "bytes": 2**20,
        "dtype": "int8", "op": "max", "clock": "virtual", "time_us": pytest.approx(time_us),
        "algbw_GBps": pytest.approx(2**20 / time_us / 1e3), "busbw_GBps": pytest.approx(2**20 / time_us / 1e3),
        "bound_GBps": 50, "percent_of_bound": pytest.approx(100 * 2**20 / time_us / 1e3 / 50), "wrong": None,
        "plan": ONE_RING, "in_place": False, "root": None, "devices": [0, 1], "dilation": None, "assumed": [],
        "bound_in_switch_GBps": None,
    }  # fmt: skip
    assert row == expected
    assert list(row) == list(expected)


def test_csv_has_the_same_rows(pair: str, tmp_path: Path) -> None:
    arguments = [pair, "--algorithm", "ring,tree,auto", "--sizes", "8:8KiB:x8"]
    done = ringtree("simulate", *arguments, "--csv")
    file = tmp_path / "rows.csv"
    text = ringtree("simulate", *arguments, "--csv", str(file)).out
    assert file.read_text(encoding="utf-8") == done.out
    assert text.startswith("# ringtree simulate")
    read = list(csv.DictReader(io.StringIO(done.out)))
    plain = rows(*arguments)
    assert [float(row["time_us"]) for row in read] == [row["time_us"] for row in plain]
    assert [row["algorithm"] for row in read] == ["ring"] * 4 + ["tree"] * 4 + ["auto"] * 4


def test_the_plan_gives_the_same_time_again(ring: str) -> None:
    for row in rows(ring, "--algorithm", "auto,ring,tree", "--bytes", "256KiB"):
        (again,) = rows(ring, "--algorithm", str(row["plan"]), "--bytes", "256KiB")
        assert again["time_us"] == row["time_us"]


@pytest.mark.parametrize(
    "collective",
    ["all_reduce", "reduce_scatter", "all_gather", "broadcast", "reduce", "gather", "scatter", "all_to_all", "barrier"],
)
def test_every_collective(collective: str) -> None:
    (row,) = rows("dgx1v", "--collective", collective, "--bytes", "1MiB", "--ranks", "5", "--verify")
    assert row["collective"] == collective
    assert float(str(row["time_us"])) > 0
    if collective == "barrier":
        assert (row["bytes"], row["algbw_GBps"], row["busbw_GBps"]) == (0, None, None)


def test_the_environment_chooses_where_no_algorithm_is_given(pair: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RINGTREE_ALGO", "tree;broadcast:star")
    assert [row["algorithm"] for row in rows(pair, "--bytes", "8")] == ["tree"]
    assert [row["algorithm"] for row in rows(pair, "--bytes", "8", "--collective", "broadcast")] == ["star"]
    assert [row["algorithm"] for row in rows(pair, "--bytes", "8", "--algorithm", "ring")] == ["ring"]
    monkeypatch.setenv("RINGTREE_ALGO", "treee")
    done = ringtree("simulate", pair)
    assert (done.status, done.err.count("\n")) == (2, 1)
    assert "RINGTREE_ALGO" in done.err


def test_a_cost_occupies_the_link(pair: str) -> None:
    (free,) = rows(pair, "--algorithm", ONE_RING, "--bytes", "1MiB")
    (dear,) = rows(pair, "--algorithm", ONE_RING, "--bytes", "1MiB", "--cost", "3us")
    assert float(str(dear["time_us"])) == pytest.approx(float(str(free["time_us"])) + 2 * 3)


def test_latency_for_links_that_state_none(tmp_path: Path) -> None:
    path = tmp_path / "pair.yaml"
    path.write_text(PAIR.replace(", latency: 1 us", ""), encoding="utf-8")
    assert ringtree("simulate", str(path), "--bytes", "8").status == 2
    (row,) = rows(str(path), "--bytes", "1MiB", "--algorithm", ONE_RING, "--latency", "5us")
    assert row["time_us"] == pytest.approx(2 * (2**19 / 50e3 + 5))
    assert row["assumed"] != []


def test_records_of_a_ring_of_unequal_wires(ring: str, tmp_path: Path) -> None:
    """The textbook ring, step by step: a chunk leaves when it is there and its sender and a slot are free."""
    file, n, nbytes = tmp_path / "records.jsonl", 5, 5 * 4000
    (row,) = rows(ring, "--algorithm", ONE_RING, "--bytes", str(nbytes), "--records", str(file))
    records = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert all(list(r) == ["rank", "lane", "step", "src", "dst", "bytes", "start_us", "finish_us"] for r in records)
    forward = records[0]["dst"] == (records[0]["src"] + 1) % n
    sent: dict[int, list[dict[str, float]]] = defaultdict(list)
    for record in sorted(records, key=lambda r: float(r["start_us"])):
        following = (record["src"] + 1) % n if forward else (record["src"] - 1) % n
        assert record["dst"] == following
        assert record["bytes"] == 4000
        sent[record["src"]].append(record)
    left, there = defaultdict[int, float](float), defaultdict[int, float](float)
    for step in range(2 * (n - 1)):
        starts = {}
        for chip in range(n):
            following, before = ((chip + 1) % n, (chip - 1) % n) if forward else ((chip - 1) % n, (chip + 1) % n)
            slot = left[following] if step >= 2 else 0.0
            starts[chip] = max(left[chip], there[before], slot)
        for chip in range(n):
            wire = chip if forward else (chip - 1) % n
            left[chip] = starts[chip] + 4000 / (UNEQUAL[wire] * 1e3)
            there[chip] = left[chip] + LATENCIES[wire]
            assert sent[chip][step]["start_us"] == pytest.approx(starts[chip], abs=1e-9)
            assert sent[chip][step]["finish_us"] == pytest.approx(there[chip], abs=1e-9)
    assert row["time_us"] == max(record["finish_us"] for record in records)


def test_records_name_shared_limits(tmp_path: Path) -> None:
    board, file = tmp_path / "pair.yaml", tmp_path / "records.jsonl"
    board.write_text(PAIR + "limits:\n  bus:\n    bandwidth: 25 GB/s\n    out: chip0\n", encoding="utf-8")
    rows(str(board), "--algorithm", ONE_RING, "--bytes", "1MiB", "--records", str(file))
    records = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    limited = [record for record in records if record["src"] is None]
    assert len(limited) == 2
    assert all(record["dst"] is None and "bus" in record["limit"] and record["rank"] == 0 for record in limited)
    # Without latency, and twice as long as on the wire.
    assert limited[0]["finish_us"] - limited[0]["start_us"] == pytest.approx(2**19 / 25e3)


def test_a_failed_simulation_leaves_no_records(tmp_path: Path) -> None:
    board, file = tmp_path / "line.yaml", tmp_path / "records.jsonl"
    board.write_text(PAIR.replace("count: 2", "count: 3") + "    - [1, 2]\n", encoding="utf-8")
    done = ringtree(
        "simulate", str(board), "--algorithm", "one_shot", "--bytes", "8", "--records", str(file)
    )  # fmt: skip
    assert done.status == 2
    assert not file.exists()


def test_a_chart(pair: str, tmp_path: Path) -> None:
    for name in ("chart.png", "chart.svg"):
        done = ringtree("simulate", pair, "--algorithm", "ring,tree", "-o", str(tmp_path / name))
        assert done.status == 0
    assert (tmp_path / "chart.png").read_bytes().startswith(b"\x89PNG")
    assert "tree" in (tmp_path / "chart.svg").read_text(encoding="utf-8") or (tmp_path / "chart.svg").stat().st_size


def test_nothing_to_draw_is_said(pair: str, tmp_path: Path) -> None:
    done = ringtree("simulate", pair, "--collective", "barrier", "-o", str(tmp_path / "chart.png"))
    assert done.status == 2
    assert "nothing to draw" in done.err
