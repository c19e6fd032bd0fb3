"""The verbs boards and show, and the pictures."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from commandline import PAIR, ringtree

import topology

SHOWN = """\
pair
2 devices, 100.00 GB/s as all send at once

nodes
      2 device  chip0 … chip1

links (directed)
      2 wire         50 GB/s          1 us

matrix (NxB: N links, B GB/s together, per direction)
       chip0  chip1
chip0      X   1x50
chip1   1x50      X

routes (ordered pairs of devices)
      2 direct  1 link, 50 GB/s, 1 us            e.g. chip0 > chip1

"""


def test_boards_lists_every_shipped_board() -> None:
    listed = json.loads(ringtree("boards", "--json").out)
    assert [board["name"] for board in listed] == topology.shipped()
    text = ringtree("boards").out
    for board in listed:
        assert board["name"] in text
    ppu = next(board for board in listed if board["name"] == "ppu-8")
    # 14 pairs, six of them joined twice; each chip sends on five links of 50 GB/s.
    assert (ppu["chips"], ppu["links"], ppu["total_bandwidth_GBps"]) == (8, 20, 2000.0)


def test_boards_lists_the_files_that_load_and_says_why_others_do_not(tmp_path: Path) -> None:
    good, bad = tmp_path / "pair.yaml", tmp_path / "bad.yaml"
    good.write_text(PAIR, encoding="utf-8")
    bad.write_text("board: [", encoding="utf-8")
    result = ringtree("boards", str(good), str(bad), "n300", "--json")
    assert result.status == 2
    assert [(board["name"], board["chips"]) for board in json.loads(result.out)] == [("pair", 2), ("n300", 2)]
    assert len(result.err.splitlines()) == 1
    assert f"{bad}:2:1: not YAML" in result.err


def test_show_to_the_letter(tmp_path: Path) -> None:
    path = tmp_path / "pair.yaml"
    path.write_text(PAIR, encoding="utf-8")
    done = ringtree("show", str(path))
    assert (done.status, done.err) == (0, "")
    assert done.out == SHOWN


@pytest.mark.parametrize("name", topology.shipped())
def test_every_shipped_board_is_shown(name: str) -> None:
    done = ringtree("show", name)
    assert (done.status, done.err) == (0, "")
    board = topology.load(name)
    assert ("assumed:" in done.out) == bool(board.assumed)
    assert ("unknown:" in done.out) == any(link.bandwidth_GBps is None for link in board.links)


@pytest.mark.parametrize(
    ("name", "short"), [("ppu-8", "FWD"), ("h20-8", "SW"), ("pcie-8", "HOST"), ("ppu-4x8", "NET"), ("pcie-8", "PCI")]
)
def test_the_matrix_says_what_lies_between(name: str, short: str) -> None:
    matrix = ringtree("show", name).out.partition("matrix")[2].partition("routes")[0]
    assert f" {short} " in matrix
    assert f"{short} through" in matrix


def test_show_json_gives_the_value() -> None:
    value = json.loads(ringtree("show", "pcie-8", "--json").out)
    board = topology.load("pcie-8")
    assert value["devices"] == list(board.devices)
    assert [node["id"] for node in value["nodes"]] == list(range(len(board.nodes)))
    assert [(link["src"], link["dst"], link["bandwidth_GBps"]) for link in value["links"]] == [
        (link.src, link.dst, link.bandwidth_GBps) for link in board.links
    ]
    assert [limit["links"] for limit in value["limits"]] == [list(limit.links) for limit in board.limits]
    assert value["assumed"] == list(board.assumed)


@pytest.mark.parametrize("name", ["ppu-8", "kunlun-8", "ppu-4x8", "pcie-8", "supernode-128", "torus-4x4"])
def test_pictures(name: str, tmp_path: Path) -> None:
    svg, png = tmp_path / "board.svg", tmp_path / "board.png"
    assert ringtree("show", name, "-o", str(svg)).status == 0
    first = svg.read_bytes()
    assert ringtree("show", name, "-o", str(svg)).status == 0
    assert svg.read_bytes() == first
    assert ringtree("show", name, "-o", str(png)).status == 0
    assert png.read_bytes().startswith(b"\x89PNG")


def test_a_missing_matplotlib_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "matplotlib", None)
    done = ringtree("show", "ppu-8", "-o", str(tmp_path / "board.svg"))
    assert done.status == 2
    assert "ringtree[plot]" in done.err
