"""The verb and the script train: on a board, at host speed, and without ringtree."""

from __future__ import annotations

import json
from functools import cache

import pytest
from ranks import mpiexec, ringtree

SMALL = ("--epochs", "2", "--hidden", "32", "--batch", "128")


def report(*arguments: str) -> dict[str, object]:
    """What a run reports; the same run only once."""
    return _report(arguments)


def again(*arguments: str) -> dict[str, object]:
    """What another run of it reports."""
    return _report.__wrapped__(arguments)


@cache
def _report(arguments: tuple[str, ...]) -> dict[str, object]:
    done = ringtree("train", *arguments, *SMALL, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    found: dict[str, object] = json.loads(done.stdout)
    return found


def losses(found: dict[str, object]) -> list[float]:
    epochs = found["epochs"]
    assert isinstance(epochs, list)
    return [epoch["loss"] for epoch in epochs]


def test_it_learns_and_the_board_sets_the_pace() -> None:
    found = report("--board", "dgx1v", "--ranks", "3")
    epochs = found["epochs"]
    assert isinstance(epochs, list)
    assert epochs[1]["loss"] < epochs[0]["loss"]
    assert epochs[1]["accuracy"] > 0.5
    for epoch in epochs:
        assert epoch["step_us"] == pytest.approx(epoch["compute_us"] + epoch["communication_us"])
        assert min(epoch["compute_us"], epoch["communication_us"]) > 0
    assert "v100." in str(found["compute"])
    assert "link gpu" in str(found["communication"])
    assert "dgx1v.nvlink.latency=1 us" in found["assumed"]  # type: ignore[operator]
    assert found == again("--board", "dgx1v", "--ranks", "3")


def test_compute_is_what_the_profile_says() -> None:
    """One rank has nobody to talk to; what is left is the roofline, with figures that are given here."""
    figures = ("--assume", "v100.fp16_tflops=1e-3", "--assume", "v100.memory_GBps=1e5", "--assume", "v100.launch_us=2")
    found = report("--board", "dgx1v", "--ranks", "1", *figures)
    epochs = found["epochs"]
    assert isinstance(epochs, list)
    flops = 2 * 128 * (64 * 32 * 2 + 32 * 10 * 3)
    parameters = 64 * 32 + 32 + 32 * 10 + 10
    # 10^9 operations a second; the update is bound by them too.
    assert epochs[0]["compute_us"] == pytest.approx(flops / 1e3 + 4 * parameters / 1e3 + 2 * 2, rel=1e-6)
    assert epochs[0]["communication_us"] == 0
    assert "compute-bound" in str(found["compute"])


@pytest.mark.parametrize("arguments", [("--board", "none"), ("--plain",)])
def test_without_a_board_the_numbers_are_the_same(arguments: tuple[str, ...]) -> None:
    found = report(*arguments, "--ranks", "2")
    assert (found["clock"], found["compute"]) == ("off", "the host's own speed")
    assert losses(found) == pytest.approx(losses(report("--board", "dgx1v", "--ranks", "3")), rel=1e-3)


def test_the_script_under_mpiexec() -> None:
    done = mpiexec(2, "scripts/train.py", "--board", "h20-8", *SMALL)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0].startswith("# ringtree train: digits on h20-8, 2 ranks, clock virtual")
    assert lines[1].split() == ["epoch", "loss", "accuracy", "step", "us", "compute", "us", "comm.", "us"]
    assert len([line for line in lines if not line.startswith("#")]) == 3
    assert any("compute and" in line for line in lines)


def test_ranks_that_do_not_fit_are_refused() -> None:
    done = mpiexec(3, "scripts/train.py", "--board", "n300")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "3" in done.stderr
