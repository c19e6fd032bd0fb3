"""Environment variables and assumptions: read strictly."""

from __future__ import annotations

from pathlib import Path

import pytest

from _ringtree import settings
from _ringtree.assume import Assumptions
from _ringtree.errors import InputError


def test_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RINGTREE_TIMEOUT", "RINGTREE_ARENA", "RINGTREE_ALGO", "RINGTREE_TOPO_FILE", "RINGTREE_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    assert settings.timeout_s() == 60
    assert settings.arena_bytes() == 32 * 2**20
    assert settings.algorithm() is None
    assert settings.topology_file() is None
    assert settings.LOG_LEVELS[settings.debug_level()] == "WARN"


@pytest.mark.parametrize("text", ["x", "-1", "nan", "inf", ""])
def test_bad_timeout(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("RINGTREE_TIMEOUT", text)
    with pytest.raises(InputError, match="RINGTREE_TIMEOUT"):
        settings.timeout_s()


def test_bad_arena_and_level(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RINGTREE_ARENA", "much")
    monkeypatch.setenv("RINGTREE_DEBUG", "LOUD")
    with pytest.raises(InputError, match="RINGTREE_ARENA"):
        settings.arena_bytes()
    with pytest.raises(InputError, match="RINGTREE_DEBUG"):
        settings.debug_level()


def test_lending(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RINGTREE_LEND", raising=False)
    assert settings.lends()
    monkeypatch.setenv("RINGTREE_LEND", "off")
    assert not settings.lends()
    monkeypatch.setenv("RINGTREE_LEND", "no")
    with pytest.raises(InputError, match="RINGTREE_LEND: found 'no'; expected auto or off"):
        settings.lends()


def test_where_the_cache_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("RINGTREE_CACHE", raising=False)
    assert settings.cache_folder() == "/home/somebody/.cache/ringtree"
    monkeypatch.setenv("XDG_CACHE_HOME", "not/absolute")
    assert settings.cache_folder() == "/home/somebody/.cache/ringtree"
    monkeypatch.setenv("XDG_CACHE_HOME", "/var/tmp/c")
    assert settings.cache_folder() == "/var/tmp/c/ringtree"
    monkeypatch.setenv("RINGTREE_CACHE", str(tmp_path / "mine"))
    assert settings.cache_folder() == str(tmp_path / "mine")
    monkeypatch.setenv("RINGTREE_CACHE", "off")
    assert settings.cache_folder() is None


def test_a_cache_that_is_no_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    for text in ("", str(tmp_path / "file")):
        monkeypatch.setenv("RINGTREE_CACHE", text)
        with pytest.raises(InputError, match=r"RINGTREE_CACHE: found .*; expected a folder, or off"):
            settings.cache_folder()


def test_assumptions_know_what_was_used() -> None:
    assume = Assumptions.parse(["ppu.fp16_tflops=120", "board.kind.latency = 1 us"])
    assert assume.get("ppu.fp16_tflops") == "120"
    assert assume.get("nothing.here") is None
    assert assume.used() == ["ppu.fp16_tflops=120"]
    assert assume.unused() == ["board.kind.latency"]


@pytest.mark.parametrize("pairs", [["x"], ["a.b="], ["=1"], ["ab=1"], ["a.b=1", "a.b=2"]])
def test_bad_assumptions(pairs: list[str]) -> None:
    with pytest.raises(InputError, match="--assume"):
        Assumptions.parse(pairs)
