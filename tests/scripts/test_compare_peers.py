"""compare_peers.py without peers: what becomes of the lines that ranks wrote, and of ranks that failed."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ranks import ROOT, run

sys.path.insert(0, str(ROOT / "scripts"))

import compare_peers
import peers_environment
import peers_rank
import peers_report

PEERS = {"mpich": ["mpich", "mpich-gather"], "impi": ["impi"]}
# Each variant's two rounds at 8 bytes and at 1 KiB.
TIMES = {
    "mpich": ([4.0, 2.0], [8.0, 8.0]), "mpich-gather": ([2.0, 2.0], [9.0, 9.0]), "impi": ([9.0, 9.0], [4.0, 4.0]),
    "ringtree": ([1.0, 1.0], [16.0, 16.0]), "ringtree-symmetric": ([0.5, 0.5], [4.0, 4.0]),
    "ringtree-unlent": ([0.1, 0.1], [0.2, 0.2]),
}  # fmt: skip


def lines(timing: str = "latency", ranks: int = 2) -> list[dict[str, Any]]:
    common = {"ranks": ranks, "collective": "all_reduce", "dtype": "float32", "timing": timing, "wrong": 0}
    return [
        {"variant": variant, **common, "bytes": size, "us": us}
        for variant, sizes in TIMES.items()
        for size, times in zip((8, 1024), sizes, strict=True)
        for us in times
    ]


def test_medians_best_peer_and_ratios() -> None:
    small, large = peers_report.cells(lines())
    peers, ours = {"mpich": 3, "mpich-gather": 2, "impi": 9}, {"ringtree": 1, "ringtree-symmetric": 0.5}
    assert small.median_us == peers | ours | {"ringtree-unlent": 0.1}
    assert (small.best_peer, large.best_peer) == ("mpich-gather", "impi")
    assert [cell.ratio("ringtree") for cell in (small, large)] == [2, 0.25]
    assert [cell.ratio("ringtree-symmetric") for cell in (small, large)] == [4, 1]
    assert json.loads(json.dumps(small.row()))["ratios"] == {"ringtree": 2, "ringtree-symmetric": 4}


def test_mean_ratios_are_geometric_and_leave_out_what_is_missing() -> None:
    found = peers_report.cells(lines())
    assert peers_report.mean_ratio(found, "ringtree") == pytest.approx((2 * 0.25) ** 0.5)
    assert peers_report.mean_ratio(found, "ringtree-symmetric") == 2
    alone = [line for line in lines() if line["variant"] == "ringtree" or line["bytes"] == 8]
    assert peers_report.mean_ratio(peers_report.cells(alone), "ringtree") == 2
    nobody = [line for line in lines() if line["variant"] == "ringtree"]
    (cell, _) = peers_report.cells(nobody)
    assert (cell.best_peer, cell.ratio("ringtree"), peers_report.mean_ratio([cell], "ringtree")) == (None, None, None)


def test_a_table_shows_each_peers_best_variant() -> None:
    ((block, found),) = peers_report.blocks(peers_report.cells(lines())).items()
    shown = peers_report.table(block, found, PEERS).splitlines()
    assert shown[0] == "all_reduce float32, 2 ranks, latency; us"
    assert shown[1].split()[:5] == ["bytes", "mpich", "impi", "ringtree", "unlent"]
    assert shown[3].split() == ["8", "2.00", "9.00", "1.00", "0.10", "0.50", "mpich-gather", "2.00", "4.00"]
    assert shown[4].split() == ["1KiB", "8.00", "4.00", "16.00", "0.20", "4.00", "impi", "0.25", "1.00"]
    assert shown[5].split() == ["geometric", "mean", "0.71", "2.00"]


def test_a_peer_without_times_is_in_the_table() -> None:
    ((block, found),) = peers_report.blocks(peers_report.cells(lines())).items()
    shown = peers_report.table(block, found, {**PEERS, "gloo": ["gloo"]}).splitlines()
    assert shown[3].split()[1:4] == ["2.00", "9.00", "n/a"]


def test_the_summary_has_a_column_for_each_number_of_ranks() -> None:
    shown = peers_report.summary(peers_report.cells(lines() + lines(ranks=4) + lines("back_to_back", 4))).splitlines()
    assert shown[3].split() == ["all_reduce", "float32", "latency", "0.71", "/", "2.00", "0.71", "/", "2.00"]
    assert shown[4].split() == ["all_reduce", "float32", "back_to_back", "n/a", "/", "n/a", "0.71", "/", "2.00"]


def test_what_is_missing_or_wrong_is_told() -> None:
    measured = compare_peers.Measured()
    variant = peers_environment.PEERS[0]
    written = [
        {"version": "MPICH 5", "ranks": 2},
        {"collective": "all_reduce", "dtype": "bfloat16", "bytes": 8, "unavailable": "no such type"},
        {"collective": "all_reduce", "dtype": "bfloat16", "bytes": 64, "unavailable": "no such type"},
        {"collective": "broadcast", "dtype": "float32", "bytes": 8, "timing": "latency", "us": 1.0, "wrong": 3},
    ]
    compare_peers.take(measured, variant, 2, written)
    measured.fail(variant, "no such package")
    measured.fail(variant, "not done after 1 s, ended", 4, 2)
    assert measured.versions == {"mpich": "MPICH 5"}
    assert len(measured.timed) == 1
    assert peers_report.notes(measured.unavailable, measured.failures, measured.wrong).splitlines() == [
        "mpich: no all_reduce of bfloat16: no such type",
        "mpich: not measured: no such package",
        "mpich: 4 ranks, round 2, not finished: not done after 1 s, ended",
        "mpich: broadcast float32, 2 ranks, latency, 8: WRONG in 3 elements",
    ]
    assert peers_report.notes([], [], []) == "every library ran everything, every result is right"


def options(tmp_path: Path) -> argparse.Namespace:
    return argparse.Namespace(
        ranks=[2], rounds=4, collectives=["barrier"], dtypes=["float32"], sizes=[8], quick=True, limit=1,
        peers=["mpich", "openmpi"], ringtree_on="mpich", environments=tmp_path,
    )  # fmt: skip


def test_an_environment_that_cannot_be_made_is_a_failure_of_its_variants(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def prepare(name: str, folder: Path) -> Path:
        if name == "openmpi":
            raise peers_environment.PeerError("no such package")
        return folder / name / "bin" / "python"

    monkeypatch.setattr(peers_environment, "prepare", prepare)
    measured = compare_peers.Measured()
    ready = compare_peers.prepared(options(tmp_path), measured)
    assert [variant.name for variant, _ in ready] == [
        "mpich",
        "mpich-gather",
        "ringtree",
        "ringtree-unlent",
        "ringtree-symmetric",
    ]
    assert {row["variant"] for row in measured.failures} == {"openmpi", "openmpi-sm", "openmpi-xhc", "openmpi-acoll"}
    assert {row["reason"] for row in measured.failures} == {"no such package"}


def test_rounds_begin_with_another_variant_and_failures_are_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    launched = []

    def launch(variant: peers_environment.Variant, *_: Any) -> tuple[list[dict[str, Any]], str]:
        launched.append(variant.name)
        return [], "out of luck" if variant.name == "mpich" else ""

    monkeypatch.setattr(peers_environment, "launch", launch)
    ready = [(variant, tmp_path) for variant in peers_environment.variants(["mpich"], "mpich")]
    measured = compare_peers.Measured()
    compare_peers.measure(options(tmp_path), ready, measured)
    a, b, c, d, e = (variant.name for variant, _ in ready)
    assert launched == [a, b, c, d, e, b, c, d, e, a, c, d, e, b, d, e, b, c]
    assert [(row["variant"], row["round"]) for row in measured.failures] == [("mpich", 1), ("mpich", 2)]


@pytest.mark.parametrize("wrong", [0, 3])
def test_the_whole_and_its_exit_status(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], wrong: int
) -> None:
    def launch(variant: peers_environment.Variant, *_: Any) -> tuple[list[dict[str, Any]], str]:
        row = {"collective": "broadcast", "dtype": "float32", "bytes": 8, "timing": "latency", "us": 2.0, "wrong": 0}
        mine = {"wrong": wrong, "us": 1.0} if variant.name == "ringtree" else {}
        return [{"version": f"{variant.name} 1", "ranks": 2}, row | mine], ""

    monkeypatch.setattr(peers_environment, "prepare", lambda name, folder: folder / name / "bin" / "python")
    monkeypatch.setattr(peers_environment, "launch", launch)
    file = tmp_path / "all.json"
    monkeypatch.setattr(sys, "argv", ["compare_peers.py", "--ranks", "2", "--peers", "impi", "--json", str(file)])
    assert compare_peers.main() == (1 if wrong else 0)
    found = json.loads(file.read_text(encoding="utf-8"))
    (cell,) = found["cells"]
    assert (cell["best_peer"], cell["ratios"]) == ("impi", {"ringtree": 2, "ringtree-symmetric": 1})
    assert cell["times_us"]["impi-wait"] == [2.0] * 5
    assert len(found["wrong"]) == (5 if wrong else 0)
    assert {"command", "processor", "cores", "kernel", "versions", "settings"} <= set(found["header"])
    shown = capsys.readouterr().out
    assert "#   impi-wait: impi-wait 1\n" in shown
    assert ("WRONG in 3 elements" in shown) == bool(wrong)


def test_ranks_that_hang_are_ended(tmp_path: Path) -> None:
    """A launcher that sleeps, with a child in its process group; and one that fails, with an error among its lines."""
    python = tmp_path / "python"
    launcher = tmp_path / "mpiexec"
    launcher.write_text("#!/bin/sh\nsleep 60 & echo $! > " + str(tmp_path / "child") + "\nwait\n", encoding="utf-8")
    launcher.chmod(0o755)
    variant = peers_environment.PEERS[0]
    assert peers_environment.launch(variant, python, 2, {}, 1) == ([], "not done after 1 s, ended")
    child = (tmp_path / "child").read_text(encoding="utf-8").strip()
    deadline = time.monotonic() + 10
    while _runs(child) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not _runs(child)
    launcher.write_text("#!/bin/sh\necho one; echo 'ValueError: two'; echo three; exit 3\n", encoding="utf-8")
    assert peers_environment.launch(variant, python, 2, {}, 9) == ([], "ValueError: two")


def _runs(process: str) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text(encoding="utf-8").split()[2] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("collective", ["all_reduce", "all_gather", "reduce_scatter", "broadcast", "all_to_all"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_expected_results(collective: str, dtype: str) -> None:
    """Against the collectives written down with NumPy."""
    ranks, block = 3, 300
    case = peers_rank.Case(collective, dtype, ranks, ranks * block)
    sent = [_repeated(peers_rank.period(peers_rank.table(rank), 0, dtype), case.sent) for rank in range(ranks)]
    values = [_decoded(raw) for raw in sent]
    for rank in range(ranks):
        wanted = {
            "all_reduce": lambda: sum(values),
            "broadcast": lambda: values[0],
            "all_gather": lambda: np.concatenate(values),
            "reduce_scatter": lambda at=rank: np.split(sum(values), ranks)[at],
            "all_to_all": lambda at=rank: np.concatenate([np.split(value, ranks)[at] for value in values]),
        }[collective]()
        periods = peers_rank.expected(case, rank)
        found = np.concatenate([_repeated(period, case.received // len(periods)) for period in periods])
        assert np.array_equal(_decoded(found), wanted)


@pytest.mark.parametrize("count", [0, 3, 251, 600])
def test_wrong_elements_are_counted(count: int) -> None:
    values = peers_rank.period(peers_rank.table(1), 7, "bfloat16")
    raw = _repeated(values, count)
    assert peers_rank.differing(raw, values) == 0
    raw[count // 2 :: 200] += 1
    assert peers_rank.differing(raw, values) == len(range(count // 2, count, 200))


def _repeated(values: Any, count: int) -> Any:
    raw = np.empty(count, values.dtype)
    peers_rank.repeat(raw, values)
    assert np.array_equal(raw, np.resize(values, count))
    return raw


def _decoded(raw: Any) -> Any:
    return raw if raw.dtype == np.float32 else (raw.astype(np.uint32) << 16).view(np.float32)


def test_sizes_become_elements_that_ranks_can_share() -> None:
    order = peers_rank.Order("mpi", ["all_reduce", "barrier"], ["float32", "bfloat16"], [8, 64], 0.0, 1, False, "", "")
    found = [(size, case.dtype, case.count) for size, case in peers_rank.cases(order, 3)]
    assert found == [
        (8, "float32", 3), (64, "float32", 18), (8, "bfloat16", 6), (64, "bfloat16", 33), (0, "float32", 0),
    ]  # fmt: skip


def test_a_chart_is_drawn(tmp_path: Path) -> None:
    path = tmp_path / "chart.svg"
    barrier = {"collective": "barrier", "bytes": 0}
    peers_report.draw(peers_report.cells(lines() + lines(ranks=4) + [line | barrier for line in lines()]), str(path))
    assert "4 ranks, symmetric" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [(["--peers", "nccl"], "nccl"), (["--ranks", "0"], "0"), (["--sizes", "8Q"], "8Q"), (["-o", "a.txt"], "a.txt"),
     (["--json", "/nowhere/a.json"], "/nowhere")],
)  # fmt: skip
def test_bad_options(arguments: list[str], wanted: str) -> None:
    done = run(sys.executable, "scripts/compare_peers.py", *arguments)
    assert done.returncode == 2
    assert wanted in done.stderr.splitlines()[-1]
