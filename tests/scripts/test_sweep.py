"""The verb and the script sweep: real ranks, real bytes, small sizes."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from ranks import mpiexec, ringtree

SMALL = ("--sizes", "1KiB,20KiB", "--algorithm", "ring,tree,auto")


def rows(*arguments: str) -> list[dict[str, object]]:
    done = ringtree("sweep", *arguments, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    found: list[dict[str, object]] = json.loads(done.stdout)
    return found


def test_the_board_gives_the_time_and_nothing_is_wrong() -> None:
    swept = rows("ppu-8", "--ranks", "5", *SMALL)
    assert [(row["algorithm"], row["bytes"], row["in_place"]) for row in swept] == [
        (algorithm, size, in_place)
        for algorithm in ("ring", "tree", "auto")
        for size in (1024, 20480)
        for in_place in (False, True)
    ]
    assert {row["wrong"] for row in swept} == {0}
    assert {row["clock"] for row in swept} == {"virtual"}
    simulated = json.loads(ringtree("simulate", "ppu-8", "--ranks", "5", *SMALL, "--json").stdout)
    outside = [row for row in swept if not row["in_place"]]
    for real, priced in zip(outside, simulated, strict=True):
        assert {key: value for key, value in real.items() if key != "wrong"} == {
            key: value for key, value in priced.items() if key != "wrong"
        }


def test_two_runs_print_the_same_bytes(tmp_path: Path) -> None:
    files = [str(tmp_path / name) for name in ("a.csv", "b.csv")]
    arguments = ("sweep", "dgx1v", "--ranks", "3", *SMALL, "--csv")
    first, second = (ringtree(*arguments, file) for file in files)
    assert first.returncode == second.returncode == 0
    assert first.stdout == second.stdout
    assert Path(files[0]).read_bytes() == Path(files[1]).read_bytes()
    read = list(csv.DictReader(Path(files[0]).read_text(encoding="utf-8").splitlines()))
    assert len(read) == 12


@pytest.mark.parametrize(
    ("collective", "forms"),
    [
        ("reduce_scatter", 2), ("all_gather", 2), ("broadcast", 1), ("reduce", 2), ("gather", 2), ("scatter", 2),
        ("all_to_all", 1), ("barrier", 1),
    ],
)  # fmt: skip
def test_every_collective_with_uneven_parts(collective: str, forms: int) -> None:
    swept = rows("ppu-8", "--ranks", "3", "--collective", collective, "--root", "1", "--bytes", "4004")
    assert [row["wrong"] for row in swept] == [0] * forms
    assert [row["in_place"] for row in swept] == [False, True][:forms]
    assert {row["bytes"] for row in swept} == {0 if collective == "barrier" else 4004}


@pytest.mark.parametrize(
    ("dtype", "op"), [("bfloat16", "avg"), ("float8_e5m2", "sum"), ("complex64", "prod"), ("bool", "lxor")]
)
def test_types_that_mpi_does_not_have(dtype: str, op: str) -> None:
    swept = rows("h20-8", "--ranks", "4", "--dtype", dtype, "--op", op, "--bytes", "8000", "--algorithm", "ring")
    assert [(row["dtype"], row["op"], row["wrong"]) for row in swept] == [(dtype, op, 0)] * 2


def test_without_a_board_it_measures_the_host() -> None:
    swept = rows("none", "--ranks", "2", "--bytes", "4KiB", "--iters", "2", "--algorithm", "ring")
    for row in swept:
        assert (row["topology"], row["clock"], row["wrong"]) == ("none", "off", 0)
        assert (row["devices"], row["dilation"], row["assumed"]) == (None, None, [])
        assert float(str(row["time_us"])) > 0


def test_in_wall_clock_the_dilation_is_told() -> None:
    arguments = ("n300", "--clock", "wall", "--bytes", "256KiB", "--iters", "1", "--algorithm", "ring")
    for row in rows(*arguments):
        assert row["wrong"] == 0
        assert float(str(row["dilation"])) >= 1
    assert "stretched" in ringtree("sweep", *arguments).stdout


def test_the_script_under_mpiexec_prints_once() -> None:
    done = mpiexec(3, "scripts/sweep.py", "ppu-8", *SMALL)
    own = ringtree("sweep", "ppu-8", "--ranks", "3", *SMALL)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == own.stdout


@pytest.mark.parametrize(
    ("ranks", "arguments", "wanted"),
    [
        (3, ["n300"], "3"),
        (2, ["ppu-8", "--ranks", "3"], "--ranks"),
        (2, ["nowhere"], "nowhere"),
        (2, ["ppu-8", "--algorithm", "rong"], "rong"),
        (2, ["none", "--algorithm", "two_level", "--bytes", "8"], "two_level"),
    ],
)
def test_bad_input_on_ranks_is_one_line(ranks: int, arguments: list[str], wanted: str) -> None:
    done = mpiexec(ranks, "scripts/sweep.py", *arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert wanted in done.stderr


def test_a_wrong_result_is_status_1(tmp_path: Path) -> None:
    """A kernel that loses a bit on one rank: counted, told in a line, and the exit status says it."""
    program = tmp_path / "faulty.py"
    program.write_text(
        "import sys\n"
        "from ringtree import exact\n"
        "from ringtree.cli import main\n"
        "from mpi4py import MPI\n"
        "fill = exact.fill\n"
        "def faulty(out, table, start):\n"
        "    fill(out, table, start)\n"
        "    if MPI.COMM_WORLD.Get_rank() == 1:\n"
        "        out[3] += 1\n"
        "exact.fill = faulty\n"
        "sys.exit(main(['sweep', 'ppu-8', '--algorithm', 'ring', '--bytes', '1KiB', '--json']))\n",
        encoding="utf-8",
    )
    done = mpiexec(2, str(program))
    assert done.returncode == 1
    assert [row["wrong"] for row in json.loads(done.stdout)] == [2, 2]
    assert done.stderr == "ringtree: 4 wrong elements; see the rows whose #wrong is not 0\n"


def test_progress_is_on_stderr_where_asked() -> None:
    done = ringtree("sweep", "ppu-8", "--ranks", "2", "--bytes", "1KiB", "--algorithm", "ring", "--progress", "--json")
    assert len(json.loads(done.stdout)) == 2
    assert "sweep" in done.stderr


def test_more_than_the_memory_is_refused() -> None:
    done = ringtree("sweep", "ppu-8", "--bytes", "1TiB", "--algorithm", "ring:channels=1:chunks=1", "--ranks", "2")
    assert done.returncode == 2
    assert "memory" in done.stderr
    assert done.stderr.count("\n") == 1
