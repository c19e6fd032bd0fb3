"""Device profiles: the grammar, its errors, what --assume does, and the files that ship."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import emulator
import topology
from _ringtree.assume import Assumptions
from _ringtree.errors import AssumptionError, InputError
from emulator.figures import FIGURES, Reading
from emulator.profile_yaml import parse

GOOD = """\
profile: toy
description: "a chip"
figures:
  fp16_tflops:
    nominal: {value: 0.2, unit: PFLOPS, mark: V, source: maker, note: dense, date: "2026"}
    sustained: {value: 150, unit: TFLOPS, mark: M/D, source: bench}
  bf16_tflops:
    value: null
    unit: TFLOPS
    mark: U
    alternatives:
      - {value: 90, unit: TFLOPS, mark: P, source: one}
      - {value: 0.08, unit: PFLOPS, mark: P, source: other}
  memory_GB: {value: 32, unit: GiB, mark: V, source: maker}
  memory_GBps: {value: null, assumed: 1.5, unit: TB/s, source: "like its sister"}
  int8_tops: null
"""


def load_text(tmp_path: Path, text: str, *pairs: str) -> emulator.Profile:
    path = tmp_path / "toy.yaml"
    path.write_text(text, encoding="utf-8")
    return emulator.load_profile(path, Assumptions.parse(pairs))


def test_a_profile_is_read_into_own_units(tmp_path: Path) -> None:
    profile = load_text(tmp_path, GOOD)
    assert (profile.name, profile.description) == ("toy", "a chip")
    fp16 = profile.figure("fp16_tflops")
    assert fp16.nominal == Reading(200.0, "V", "maker", "dense", "2026")
    assert fp16.sustained == Reading(150.0, "M/D", "bench")
    assert fp16.used == (150.0, False)
    assert profile.figure("memory_GB").used == (32 * 2**30 / 1e9, False)
    assert profile.figure("memory_GBps").used == (1500.0, True)
    assert [r.value for r in profile.figure("bf16_tflops").alternatives] == [90.0, 80.0]
    assert profile.figure("int8_tops") == profile.figure("tdp_W") == emulator.Figure()


def figures(line: str) -> str:
    return f"profile: toy\nfigures:\n  {line}\n"


BAD = [
    ("profile: [", "2:1: not YAML"),
    ("", "empty"),
    ("- 1\n", "1:1: found a list as the profile; expected a mapping"),
    ("profile: toy\n", "found no `figures`"),
    ("figures: {}\n", "found no `profile`"),
    ("profile: toy\nfigure: {}\n", "2:1: unknown key 'figure' in the profile; expected one of profile, "),
    ("profile: toy\nprofile: toy\n", "2:1: found the key 'profile' again"),
    (figures("fp61_tflops: null"), "3:3: unknown key 'fp61_tflops' in figures; expected one of fp64_tflops, "),
    (figures("tdp_W: 400"), "3:10: found '400' as tdp_W; expected a mapping with value, unit, mark and source"),
    (figures("tdp_W: {value: 400, unit: W, mark: P}"), "3:10: found no source in tdp_W"),
    (figures("tdp_W: {value: 400, unit: W, source: x}"), "3:10: found no mark in tdp_W"),
    (figures("tdp_W: {value: 400, mark: P, source: x}"), "3:10: found no unit in tdp_W; expected one of W, kW"),
    (figures("tdp_W: {unit: W, mark: P, source: x}"), "3:10: found no value in tdp_W"),
    (figures("tdp_W: {value: 400, unit: GB, mark: P, source: x}"), "3:29: found 'GB' as the unit of tdp_W; expected"),
    (figures("tdp_W: {value: 400, unit: W, mark: Q, source: x}"), "3:38: found the mark 'Q' in tdp_W; expected M, V"),
    (figures("tdp_W: {value: 400, unit: W, mark: U, source: x}"), "3:38: found the mark 'U' in tdp_W; expected M, V"),
    (figures("tdp_W: {value: 400, unit: W, mark: A, source: x}"), "3:38: found the mark 'A' in tdp_W; expected M, V"),
    (figures("tdp_W: {value: null, mark: V}"), "3:30: found the mark 'V' in tdp_W; expected U for an unknown value"),
    (figures("tdp_W: {value: 0, unit: W, mark: P, source: x}"), "3:18: value of tdp_W: found '0'; expected a finite"),
    (figures("tdp_W: {value: -4, unit: W, mark: P, source: x}"), "3:18: value of tdp_W: found '-4'; expected a finite"),
    (figures("tdp_W: {value: .inf, unit: W, mark: P, source: x}"), "3:18: value of tdp_W: found '.inf'"),
    (figures("tdp_W: {value: nan, unit: W, mark: P, source: x}"), "3:18: value of tdp_W: found 'nan'"),
    (figures("tdp_W: {value: 1_0, unit: W, mark: P, source: x}"), "3:18: value of tdp_W: found '1_0'"),
    (figures("tdp_W: {value: 4 W, unit: W, mark: P, source: x}"), "3:18: value of tdp_W: found '4 W'"),
    (figures("tdp_W: {value: 4, unit: W, mark: P, source: x, by: y}"), "3:50: unknown key 'by' in tdp_W"),
    (figures("tdp_W: {value: 4, unit: W, mark: P, source: x, assumed: 5}"), "3:59: found `assumed` beside a value"),
    (figures("tdp_W: {value: null, assumed: 5, unit: W}"), "3:10: found no source in tdp_W"),
    (figures("tdp_W: {nominal: null, value: 3}"), "3:26: unknown key 'value' in tdp_W; expected one of nominal, "),
    (figures("tdp_W: {value: null, alternatives: 3}"), "3:38: found '3' as alternatives; expected a list"),
    (figures("tdp_W: {value: null, alternatives: [4]}"), "3:39: found '4' as an alternative of tdp_W; expected a map"),
    (figures("tdp_W: &a {value: 4}\n  idle_W: *a"), "3:10: found the anchor &a"),
    (figures("tdp_W: !!python/object {}"), "3:10: found the tag"),
]


@pytest.mark.parametrize(("text", "message"), BAD, ids=[message for _, message in BAD])
def test_every_mistake_has_its_place(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        load_text(tmp_path, text)
    assert "toy.yaml" in str(error.value)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_billion_laughs_are_refused_at_the_first_anchor(tmp_path: Path) -> None:
    laughs = "a: &a [x]\n" + "".join(f"{chr(98 + i)}: &{chr(98 + i)} [{f'*{chr(97 + i)}, ' * 9}]\n" for i in range(9))
    with pytest.raises(InputError, match=r"1:4: found the anchor &a"):
        load_text(tmp_path, laughs)


def test_files_above_1_MiB_are_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "huge.yaml"
    with path.open("wb") as file:
        file.truncate(100_000_000)
    with pytest.raises(InputError, match=r"huge.yaml: found 100000000 bytes; expected at most 1048576"):
        emulator.load_profile(path)


@pytest.mark.parametrize("name", ["nothing", "no/such/file.yaml", "."])
def test_what_is_no_profile_is_an_input_error(name: str) -> None:
    with pytest.raises(InputError, match="expected a file"):
        emulator.load_profile(name)


def test_assume_replaces_what_is_stated_in_any_unit(tmp_path: Path) -> None:
    profile = load_text(tmp_path, GOOD, "toy.fp16_tflops=120", "toy.memory_GBps=2 TB/s", "other.tdp_W=3")
    assert profile.figure("fp16_tflops").used == (120.0, True)
    assert profile.figure("memory_GBps").used == (2000.0, True)
    assert profile.supplied == ("fp16_tflops", "memory_GBps")


def test_assume_marks_what_it_took_as_used(tmp_path: Path) -> None:
    assume = Assumptions.parse(["toy.fp16_tflops=120", "toy.fp61_tflops=1"])
    path = tmp_path / "toy.yaml"
    path.write_text(GOOD, encoding="utf-8")
    emulator.load_profile(path, assume)
    assert assume.unused() == ["toy.fp61_tflops"]


@pytest.mark.parametrize("value", ["fast", "-1", "0", "inf", "120 GB", "120TFLOPS"])
def test_a_bad_assumption_names_its_key(tmp_path: Path, value: str) -> None:
    with pytest.raises(InputError, match=r"--assume toy\.fp16_tflops: found .*; expected .*TFLOPS"):
        load_text(tmp_path, GOOD, f"toy.fp16_tflops={value}")


def test_a_needed_unknown_names_the_assumption_that_supplies_it(tmp_path: Path) -> None:
    profile = load_text(tmp_path, GOOD)
    with pytest.raises(AssumptionError, match=r"toy.tdp_W: unknown; needed here; expected --assume toy.tdp_W=VALUE"):
        profile.need("tdp_W", "here")
    with pytest.raises(AssumptionError, match=r"conflict: 90 \(P\), 80 \(P\); .* --assume toy.bf16_tflops=90 "):
        profile.need("bf16_tflops", "here")


@settings(deadline=None, max_examples=200)
@given(st.text(alphabet="profilegus:{}[]-\"'&*!,\n 01.", max_size=80))
def test_any_text_is_a_profile_or_an_input_error(text: str) -> None:
    with contextlib.suppress(InputError):
        name, _, figures = parse(text, "toy.yaml")
        assert name
        assert figures.keys() <= FIGURES.keys()


@pytest.mark.parametrize("name", emulator.profiles())
def test_shipped_profiles_are_named_after_their_file_and_say_their_source(name: str) -> None:
    profile = emulator.load_profile(name)
    assert profile.name == name
    assert profile.description
    assert {"fp16_tflops", "memory_GB", "memory_GBps", "launch_us", "tdp_W"} <= profile.figures.keys()
    for figure in profile.figures.values():
        for reading in (figure.nominal, figure.sustained, *figure.alternatives):
            assert reading.source or (reading.value is None and reading.assumed is None)


def test_the_documentation_is_right(tmp_path: Path) -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "device-profiles.md").read_text(encoding="utf-8")
    example = text.split("```yaml\n")[1].split("```")[0]
    assert load_text(tmp_path, example).figure("memory_GBps").used == (800.0, True)
    assert ", ".join(emulator.profiles()[:-1]) in " ".join(text.split())
    assert all(f"`{name}`" in text for name in FIGURES)


# Independent of the files: copied from what is published, in own units (value used, nominal).
PUBLISHED = {
    "a100.bf16_tflops": (259, 312),
    "a100.memory_GBps": (1328, 1555),
    "c500.fp16_tflops": (226.28, 240),
    "c550.memory_GBps": (1470, 1800),
    "h20.bf16_tflops": (142, 148),
    "h100.memory_GBps": (3350, 3350),
    "v100.fp16_tflops": (94.8, 125),
    "910b.fp16_tflops": (313.2, 320),
    "mi300x.memory_GBps": (5300, 5300),
    "mi250x.fp16_tflops": (383, 383),
    "gaudi2.fp8_tflops": (865, 865),
    "kunlun.fp16_tflops": (125, 125),
    "bi-v150.memory_GBps": (590, None),
    "s4000.bf16_tflops": (78.18, 100),
    "k100.fp16_tflops": (88, None),
    "mlu370.int8_tops": (256, 256),
    "n300.memory_GB": (12, 12),
    "ppu.fp16_tflops": (None, None),
    "ppu.memory_GB": (96, 96),
}


@pytest.mark.parametrize("key", PUBLISHED)
def test_shipped_figures(key: str) -> None:
    name, figure_name = key.split(".")
    figure = emulator.load_profile(name).figure(figure_name)
    assert (figure.used[0], figure.nominal.value) == pytest.approx(PUBLISHED[key])


def test_every_chip_of_the_boards_that_ship_has_its_profile() -> None:
    named = {node.profile for name in topology.shipped() for node in topology.load(name).nodes if node.profile}
    assert named
    assert named <= set(emulator.profiles())


def test_every_figure_has_one_own_unit() -> None:
    assert all(list(units.values()).count(1.0) == 1 for units in FIGURES.values())


def test_neither_numpy_nor_mpi_is_imported() -> None:
    code = "import sys, emulator; sys.exit(bool({'numpy', 'mpi4py', 'cffi'} & sys.modules.keys()))"
    root = Path(__file__).resolve().parents[2]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0
