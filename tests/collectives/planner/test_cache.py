"""The cache on disk: values come back, damage is noticed, planning from it gives what planning anew gives."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collectives.planner import cache, findings, forests, planning, trees
from collectives.planner.cache import Cache
from collectives.planner.planning import Planner, plan
from topology import Topology, load, slow

ROOT = Path(__file__).resolve().parents[3]
PPU = load("ppu-8")
VALUES = st.recursive(
    st.integers(-(2**62), 2**62) | st.floats(allow_nan=False, allow_infinity=False) | st.text() | st.booleans(),
    lambda inner: st.lists(inner).map(tuple) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own; everything is worth keeping; no warning was given yet."""
    monkeypatch.setenv("RINGTREE_CACHE", str(tmp_path))
    monkeypatch.setattr(cache, "LEAST_S", 0.0)
    monkeypatch.setattr(Cache, "_warned", False)
    return tmp_path


def files(folder: Path) -> list[Path]:
    return sorted((folder / "plans").iterdir())


@given(VALUES, VALUES)
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_put_comes_back(folder: Path, key: object, value: object) -> None:
    Cache(str(folder), "scope").put(key, value)
    again = Cache(str(folder), "scope").get(key)
    assert again == value
    assert Cache(str(folder), "other scope").get(key) is None
    assert Cache(str(folder), "scope").get((key, "more")) is None


def test_without_a_folder_nothing_is_kept() -> None:
    nowhere = Cache(None)
    nowhere.put("key", 1)
    assert nowhere.get("key") is None
    assert nowhere.recall("key", lambda: 2) == 2


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[:-1],
        lambda data: data[: len(data) // 2],
        lambda data: data + b" ",
        lambda data: data.replace(b"ring", b"rong"),
        lambda data: data.replace(b"ringtree-cache 1", b"ringtree-cache 2"),
        lambda data: b"\x80\xff" * 1000,
        lambda data: b"[]",
        lambda data: data.split(b"\n")[0],
    ],
)
def test_a_damaged_file_is_ignored_with_one_warning_and_replaced(
    folder: Path, capsys: pytest.CaptureFixture[str], damage: Callable[[bytes], bytes]
) -> None:
    kept = Cache(str(folder))
    for key in "ab":
        kept.put(key, {"ring": [1, 2, 3]})
    for file in files(folder):
        file.write_bytes(damage(file.read_bytes()))
    assert [kept.recall(key, lambda: 7) for key in "ab"] == [7, 7]
    err = capsys.readouterr().err
    assert err.count("\n") == err.count(" ringtree WARN cache: ") == 1
    assert "is damaged: ignored, and replaced" in err
    assert [kept.recall(key, lambda: 8) for key in "ab"] == [7, 7]


def test_a_file_at_another_place_is_foreign(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = Cache(str(folder))
    kept.put("a", 1)
    (file,) = files(folder)
    kept.put("b", 2)
    other = next(each for each in files(folder) if each != file)
    other.write_bytes(file.read_bytes())
    assert kept.get("b") is None
    assert "damaged" in capsys.readouterr().err


def test_a_value_of_another_shape_is_found_anew(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = Cache(str(folder))
    kept.put("a", [["no", "share"]])
    (share,) = kept.recall("a", lambda: (forests.Share(0, None, (-1, 0), 1.0),), lambda s: 5, lambda v: tuple(
        forests.Share(*value) for value in v
    ))  # fmt: skip
    assert share.root == 0
    assert "damaged" in capsys.readouterr().err


@pytest.mark.parametrize("home", ["/dev/null/home", "/proc/home"])
def test_where_nothing_can_be_written_it_works_without(
    home: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("RINGTREE_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", home)
    quiet = plan(PPU, nbytes=1 << 16)
    assert capsys.readouterr().err == ""
    monkeypatch.setenv("RINGTREE_DEBUG", "INFO")
    assert plan(PPU, nbytes=1 << 16) == quiet
    err = capsys.readouterr().err
    assert err.count(" ringtree INFO cache: ") == 1
    assert "going on without" in err


def test_two_processes_at_once(folder: Path) -> None:
    """Each writes and reads the same keys all the time; whatever is read is whole."""
    code = """
import sys
from collectives.planner.cache import Cache
kept = Cache(sys.argv[1])
for number in range(300):
    kept.put(number % 3, [number % 3] * 5000)
    found = kept.get((number + 1) % 3)
    assert found is None or found == ((number + 1) % 3,) * 5000
assert not Cache._warned
"""
    running = [subprocess.Popen([sys.executable, "-c", code, str(folder)], cwd=ROOT) for _ in range(3)]
    assert [process.wait(timeout=60) for process in running] == [0, 0, 0]
    assert len(files(folder)) == 3


def test_the_oldest_are_dropped(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "MOST_FILES", 8)
    monkeypatch.setattr(cache, "PRUNED_EVERY", 1)
    (folder / "plans").mkdir()
    theirs = folder / "plans" / "notes.txt"
    theirs.write_text("not ours", encoding="utf-8")
    os.utime(theirs, ns=(0, 0))
    kept = Cache(str(folder))
    for number in range(20):
        kept.put(number, number)
        newest = max((file for file in files(folder) if file != theirs), key=lambda file: file.stat().st_mtime_ns)
        os.utime(newest, ns=(number * 10**9, number * 10**9))
        assert len(files(folder)) <= 8 + 1
    found = [kept.get(number) for number in range(20)]
    left = [number for number in found if number is not None]
    assert 6 <= len(left) <= 8
    assert left == list(range(20 - len(left), 20))
    assert theirs.exists()


def test_the_bytes_are_bounded_too(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "MOST_BYTES", 100_000)
    monkeypatch.setattr(cache, "PRUNED_EVERY", 1)
    kept = Cache(str(folder))
    for number in range(30):
        kept.put(number, "x" * 10_000)
    assert sum(file.stat().st_size for file in files(folder)) <= 100_000 + 10_100


def boom(*_: object, **__: object) -> object:
    raise AssertionError("searched, although all is known")


def test_from_the_cache(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All that costs time is known: choice, packing, rings, trees, price. What comes is what planning anew gives."""
    asked = [
        (kind, nbytes, "auto")
        for kind in ("all_reduce", "all_gather", "broadcast", "all_to_all")
        for nbytes in (1 << 10, 1 << 16, 1 << 22)
    ]
    asked += [("all_reduce", 1 << 22, "ring"), ("all_reduce", 1 << 20, "tree"), ("broadcast", 1 << 22, "forest")]
    plans = {each: plan(PPU, each[0], each[1], algorithm=each[2]) for each in asked}
    monkeypatch.setenv("RINGTREE_CACHE", "off")
    assert {each: plan(PPU, each[0], each[1], algorithm=each[2]) for each in asked} == plans
    monkeypatch.setenv("RINGTREE_CACHE", str(folder))
    monkeypatch.setattr(findings, "pack_ladder", boom)
    monkeypatch.setattr(findings, "early_shares", boom)
    monkeypatch.setattr(findings, "lay_rings", boom)
    monkeypatch.setattr(trees, "lay_trees", boom)
    monkeypatch.setattr(planning, "price", boom)
    for each, known in plans.items():
        again = plan(PPU, each[0], each[1], algorithm=each[2])
        assert again == known
        assert again.recipe == known.recipe
    with pytest.raises(AssertionError, match="searched"):
        plan(PPU, "reduce", 1 << 22)


def test_what_makes_a_difference_is_kept_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    whole: Topology = load("ppu-8")

    def made() -> list[Planner]:
        return [
            Planner(whole, whole.devices),
            Planner(slow(whole, "chip:3=0.5"), whole.devices),
            Planner(whole, whole.devices[::-1]),
            Planner(whole, whole.devices[:4]),
            Planner(whole, whole.devices, 0.5),
        ]

    for number, planner in enumerate(made()):
        assert planner._kept.get("key") is None
        planner._kept.put("key", number)
    assert [planner._kept.get("key") for planner in made()] == list(range(5))
    assert Planner(load("ppu-8"), whole.devices)._kept.get("key") == 0
    monkeypatch.setattr(cache, "planner_version", lambda: "newer")
    assert [planner._kept.get("key") for planner in made()] == [None] * 5


def test_what_is_quickly_found_is_not_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "LEAST_S", 1e9)
    plan(PPU, nbytes=1 << 10)
    assert not (folder / "plans").exists()


def test_off(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RINGTREE_CACHE", "off")
    plan(PPU, nbytes=1 << 10)
    assert list(folder.iterdir()) == []


def test_the_version_changes_with_the_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in cache.SOURCES:
        (tmp_path / package).mkdir()
        (tmp_path / package / "a.py").write_text("a = 1", encoding="utf-8")
    monkeypatch.setattr(cache, "ROOT", str(tmp_path))
    version = cache.planner_version.__wrapped__
    seen = {version()}
    assert version() in seen
    for name, text in (("a.py", "a = 12"), ("b.py", ""), ("a.py", "")):
        (tmp_path / "collectives" / name).write_text(text, encoding="utf-8")
        assert version() not in seen
        seen.add(version())
    (tmp_path / "collectives" / "notes.txt").write_text("", encoding="utf-8")
    assert version() in seen
