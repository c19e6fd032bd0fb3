"""Rows: their keys, the rates, and how they are written."""

from __future__ import annotations

import csv
import io
import json

import pytest

from ringtree.report import Table, fit, to_csv, to_json
from ringtree.rows import Request, Row, rates
from topology import Topology, load, loads

KEYS = [
    "topology", "collective", "algorithm", "ranks", "bytes", "dtype", "op", "clock",
    "time_us", "algbw_GBps", "busbw_GBps", "bound_GBps", "percent_of_bound", "wrong",
    "plan", "in_place", "root", "devices", "dilation", "assumed", "bound_in_switch_GBps",
]  # fmt: skip


def make(**changes: object) -> Row:
    request = Request("all_reduce", "float32", "sum", 0, 4, [0, 1, 2, 3])
    row = request.row(None, "ring", 3000, clock="virtual", time_us=0.1, plan="ring:chunks=1", wrong=0)
    return Row(**{**row.as_dict(), **changes})


def test_the_keys_are_those_of_the_documentation() -> None:
    assert list(make().as_dict()) == KEYS


@pytest.mark.parametrize(
    ("collective", "factor"),
    [
        ("all_reduce", 2 * 7 / 8),
        ("reduce_scatter", 7 / 8),
        ("all_gather", 7 / 8),
        ("gather", 7 / 8),
        ("scatter", 7 / 8),
        ("all_to_all", 7 / 8),
        ("broadcast", 1),
        ("reduce", 1),
    ],
)
def test_rates(collective: str, factor: float) -> None:
    # 10^9 bytes in 10 ms are 100 GB/s.
    algbw, busbw = rates(collective, 8, 10**9, 10_000.0)
    assert algbw == pytest.approx(100)
    assert busbw == pytest.approx(100 * factor)


def test_no_rate_where_nothing_moves_or_no_time_passes() -> None:
    assert rates("barrier", 8, 0, 3.0) == (None, None)
    assert rates("all_reduce", 1, 8, 0.0) == (None, None)


def bounds_of(board: Topology, collective: str, nbytes: int = 1 << 20, clock: str = "virtual", ranks: int = 8) -> Row:
    request = Request(collective, "float32", "sum", 0, ranks, list(range(ranks)))
    return request.row(board, "ring", nbytes, clock=clock, time_us=100.0, plan=None)


def test_the_bound_and_the_percentage_of_it() -> None:
    row = bounds_of(load("h100-8"), "all_reduce")
    assert row.bound_GBps == 450 * 8 / 14
    assert row.percent_of_bound == pytest.approx(100 * (2**20 / 100 / 1e3) / (450 * 8 / 14))
    assert row.bound_in_switch_GBps == 450
    assert bounds_of(load("ppu-8"), "all_reduce").bound_in_switch_GBps is None


def test_what_has_no_bound() -> None:
    board = load("h100-8")
    for row in (bounds_of(board, "barrier", 0), bounds_of(board, "all_reduce", ranks=1)):
        assert (row.bound_GBps, row.percent_of_bound, row.bound_in_switch_GBps) == (None, None, None)
    host = bounds_of(board, "all_reduce", clock="off")
    assert (host.bound_GBps, host.percent_of_bound) == (450 * 8 / 14, None)


def test_a_few_elements_may_come_faster_than_equal_parts() -> None:
    """One element of rank 0, whose link is the wide one: no more is gathered than that."""
    wires = [{"src": 0, "dst": 1, "bw": 100, "lat": 0}, {"src": 1, "dst": 0, "bw": 1, "lat": 0}]
    board = loads(json.dumps({"nodes": [{"id": i, "kind": "accel"} for i in (0, 1)], "links": wires}), "pair")
    assert bounds_of(board, "all_gather", 4, ranks=2).bound_GBps == 100
    assert bounds_of(board, "all_gather", 8, ranks=2).bound_GBps == 2
    assert bounds_of(board, "all_gather", 12, ranks=2).bound_GBps == 3


@pytest.mark.parametrize(
    ("collective", "op", "root"),
    [("all_reduce", "max", None), ("reduce", "max", 2), ("broadcast", None, 2), ("all_to_all", None, None)],
)
def test_what_has_no_meaning_is_null(collective: str, op: str | None, root: int | None) -> None:
    request = Request(collective, "int8", "max", 2, 4, None)
    row = request.row(None, "auto", 64, clock="off", time_us=1.0, plan=None)
    assert (row.op, row.root, row.topology, row.bound_GBps) == (op, root, "none", None)


def test_json_keeps_full_doubles() -> None:
    row = make(time_us=0.1 + 0.2)
    (read,) = json.loads(to_json([row.as_dict()]))
    assert read == row.as_dict()
    assert read["time_us"] == 0.30000000000000004


def test_csv_keeps_full_doubles_and_joins_lists() -> None:
    row = make(time_us=0.1 + 0.2, assumed=["a=1", "b=2"], in_place=True)
    (read,) = csv.DictReader(io.StringIO(to_csv([row])))
    assert list(read) == KEYS
    assert float(read["time_us"]) == 0.30000000000000004
    assert (read["devices"], read["assumed"], read["in_place"]) == ("0;1;2;3", "a=1;b=2", "true")
    assert (read["bound_GBps"], read["dilation"]) == ("", "")


@pytest.mark.parametrize(
    ("value", "width", "text"),
    [
        (None, 6, "N/A"),
        (1.005, 6, "1.00"),
        (12345.678, 7, "12345.7"),
        (1234567.8, 6, "1e+06"),
        (999999.0, 6, "999999"),
    ],
)
def test_numbers_fit_their_column(value: float | None, width: int, text: str) -> None:
    assert fit(value, width) == text


def test_a_line_has_both_forms() -> None:
    table = Table(["ring"], ("out-of-place", "in-place"), 4)
    rows = [make(), make(in_place=True, wrong=3)]
    names, line = table.header()[1].replace("#", " ", 1), table.line(rows)
    assert names.split() == [
        "size", "count", "type", "redop", "root", "algorithm",
        "time", "algbw", "busbw", "#wrong", "time", "algbw", "busbw", "#wrong", "bound", "%bound", "plan",
    ]  # fmt: skip
    assert line.split() == [
        "3000", "750", "float32", "sum", "-1", "ring",
        "0.10", "30.00", "45.00", "0", "0.10", "30.00", "45.00", "3", "N/A", "N/A", "ring:chunks=1",
    ]  # fmt: skip
