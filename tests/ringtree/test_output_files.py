"""Output files that cannot be written: one line, status 2, and nothing removed that was not begun here."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any, NoReturn

import pytest
from commandline import PAIR, Outcome, ringtree

from ringtree import records
from ringtree.files import discard

OPTIONS = {
    "a picture of a board": (["show"], "-o", "x.svg"),
    "a chart": (["simulate", "--bytes", "1KiB"], "-o", "x.png"),
    "CSV": (["simulate", "--bytes", "1KiB"], "--csv", "x.csv"),
    "CSV of a sweep": (["sweep", "--bytes", "1KiB"], "--csv", "x.csv"),
}


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("PMI_RANK", "PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "MPI_LOCALNRANKS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pair.yaml").write_text(PAIR, encoding="utf-8")


def one_line(done: Outcome, *wanted: str) -> None:
    assert done.status == 2
    assert done.err.startswith("ringtree: ")
    assert done.err.count("\n") == 1
    for text in wanted:
        assert text in done.err


def full(*_: Any, **__: Any) -> NoReturn:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("case", OPTIONS)
def test_a_folder_in_the_place_of_a_file_is_refused_before_the_run(case: str) -> None:
    (verb, *rest), option, name = OPTIONS[case]
    Path(name).mkdir()
    done = ringtree(verb, "pair.yaml", *rest, option, name)
    one_line(done, option, name, "found a folder; expected a file")
    assert done.out == ""


def test_an_empty_name_is_refused() -> None:
    one_line(ringtree("simulate", "pair.yaml", "--bytes", "1KiB", "--csv", ""), "--csv")


@pytest.mark.parametrize("case", ["a picture of a board", "a chart"])
def test_no_space_for_a_picture(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (verb, *rest), option, name = OPTIONS[case]
    monkeypatch.setattr("matplotlib.figure.Figure.savefig", full)
    one_line(ringtree(verb, "pair.yaml", *rest, option, name), name, "No space left on device")


def test_no_space_for_records_leaves_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records._Writer, "write", full)
    done = ringtree("simulate", "pair.yaml", "--bytes", "1KiB", "--records", "r.jsonl")
    one_line(done, "r.jsonl", "No space left on device")
    assert not Path("r.jsonl").exists()


def test_what_is_no_ordinary_file_is_never_removed() -> None:
    Path("file").touch()
    Path("link").symlink_to("file")
    os.mkfifo("pipe")
    for name in ("link", "pipe", "file", "nothing"):
        discard(name)
    assert Path("link").is_symlink()
    assert Path("pipe").is_fifo()
    assert not Path("file").exists()
