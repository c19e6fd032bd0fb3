"""Each mistake in a board file gets one line: where, what was found, what was expected."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

import topology
from _ringtree.errors import TopologyError

HEAD = "nodes: {chip: 4, leaf: switch}\nkinds: {w: {bandwidth: 5 GB/s}}\nlinks:\n"

MISTAKES = [
    # The file.
    ("", "b: found an empty file; expected a board"),
    ("nodes: {chip: 2", "b:2:1: not YAML: "),
    ("nodes:\n\t- 1\n", "b:2:1: not YAML: found character that cannot start any token"),
    ("- a\n- b\n", "b:1:1: found a list as board; expected a mapping"),
    ("board: a\n---\nboard: b\n", "b:2:1: found a second document; expected one board in a file"),
    ("a: &x 1\nb: *x\n", "b:1:4: found the anchor &x; expected no anchors and aliases in a board"),
    ("a: *x\n", "b:1:4: found the alias *x; expected no anchors and aliases in a board"),
    ("board: !!python/object:os.system x\n", "b:1:8: found the tag "),
    ("board: a\nboard: b\n", "b:2:1: found the key 'board' again; first on line 1"),
    ("[a]: b\n", "b:1:1: found a list as a key; expected a word"),
    # Keys.
    ("bord: a\n", "b:1:1: unknown key 'bord' in board; expected one of board, description, source, nodes, "),
    ("nodes:\n  chip: {cuont: 2}\n", "b:2:10: unknown key 'cuont' in node 'chip'; expected one of kind, count, "),
    (
        "nodes: {chip: 2}\nkinds:\n  w: {bandwith: 1 GB/s}\n",
        "b:3:7: unknown key 'bandwith' in kind 'w'; expected one of bandwidth, latency, ",
    ),
    # Nodes.
    ("board: a\n", "b:1:1: found no device; expected `nodes` with at least one"),
    ("nodes: {leaf: switch}\n", "b:1:1: found no device; "),
    ("nodes: 8\n", "b:1:8: found '8' as nodes; expected a mapping"),
    ("nodes: {chip: 0}\n", "b:1:15: found '0' as node 'chip'; expected a whole number of 1..1000000"),
    ("nodes: {chip: 1000000}\n", "b:1:9: found more than 100000 nodes; expected fewer"),
    ('nodes: {chip: "2"}\n', "b:1:15: found '2' as node 'chip'; expected a whole number"),
    ("nodes: {chip: {kind: robot}}\n", "b:1:22: found 'robot' as kind; expected one of device, switch, host, "),
    ("nodes: {4chip: 2}\n", "b:1:9: found '4chip' as the name of a node; expected letters, digits and _"),
    ("nodes: {chip: 2, chip0: 2, chip1: device}\n", "b:1:1: found the name 'chip1' again; expected each once"),
    (
        "nodes: {s: {kind: switch, profile: ppu}}\n",
        "b:1:36: found 'profile' on a switch; expected it on devices only",
    ),
    ("nodes: {c: {multicast: true}}\n", "b:1:24: found 'multicast' on a device; expected it on switches only"),
    ("nodes: {c: {forward: yes}}\n", "b:1:22: forward: found 'yes'; expected true or false"),
    # Kinds.
    (
        "kinds: {w: {bandwidth: 50}}\n",
        "b:1:24: bandwidth: found '50' without a unit; expected a bandwidth above 0 and finite, such as '50 GB/s'",
    ),
    ("kinds: {w: {bandwidth: -5 GB/s}}\n", "b:1:24: bandwidth: found '-5 GB/s'; expected a bandwidth above 0 and"),
    ("kinds: {w: {bandwidth: 0 GB/s}}\n", "b:1:24: bandwidth: found '0 GB/s'; expected a bandwidth above 0 and"),
    ("kinds: {w: {bandwidth: inf GB/s}}\n", "b:1:24: bandwidth: found 'inf GB/s'; expected a bandwidth above 0"),
    ("kinds: {w: {bandwidth: 1e999 GB/s}}\n", "b:1:24: bandwidth: found '1e999 GB/s'; expected a bandwidth above"),
    ("kinds: {w: {bandwidth: nan GB/s}}\n", "b:1:24: bandwidth: found 'nan GB/s'; expected a bandwidth above 0"),
    ("kinds: {w: {bandwidth: 5 GB}}\n", "b:1:24: bandwidth: found '5 GB'; expected a bandwidth above 0 and finite"),
    ("kinds: {w: {bandwidth: [5]}}\n", "b:1:24: found a list as bandwidth; expected text"),
    ("kinds: {w: {latency: -1 us}}\n", "b:1:22: latency: found '-1 us'; expected a latency of 0 or more and finite"),
    ("kinds: {w: {latency: 1 GB/s}}\n", "b:1:22: latency: found '1 GB/s'; expected a latency of 0 or more"),
    ("kinds: {w: {duplex: both}}\n", "b:1:21: found 'both' as duplex; expected one of full, half"),
    ("kinds: {w: {bandwidth: {value: 1 GB/s, mark: X}}}\n", "b:1:46: found the mark 'X' in bandwidth; expected M, V"),
    ("kinds: {w: {bandwidth: {value: null, mark: V}}}\n", "b:1:44: found the mark 'V' in bandwidth; expected U for"),
    ("kinds: {w: {bandwidth: {source: x}}}\n", "b:1:24: found no value in bandwidth; expected `value` (null if"),
    (
        "kinds: {w: {bandwidth: {value: 1 GB/s, assumed: 2 GB/s}}}\n",
        "b:1:24: found `assumed` beside a value or mark in bandwidth; expected it for an unknown value",
    ),
    # Links.
    (HEAD + "  x: [[0, 1]]\n", "b:4:3: found the kind 'x'; expected one of w"),
    (
        HEAD + "  w: [[0, nic]]\n",
        "b:4:11: found the link end 'nic', which does not exist; expected one of chip0..chip3",
    ),
    (HEAD + "  w: [[0, 4]]\n", "b:4:11: found '4'; expected devices of 0..3"),
    (HEAD + "  w: [[0, chip2-9]]\n", "b:4:11: found the link end 'chip2-9', which does not exist"),
    (HEAD + "  w: [[chip.x, 1]]\n", "b:4:8: found 'chip.x', but 'chip' is a node; expected a board before the dot"),
    (HEAD + "  w: [[2, 2]]\n", "b:4:7: found a link of chip2 to itself; expected two ends"),
    (HEAD + "  w: [{mesh: chip}, [0, 1]]\n", "b:4:21: found the link chip0 -> chip1 again; expected each once, with "),
    (HEAD + "  w: [[0, 1, 0]]\n", "b:4:14: found '0' as count; expected a whole number of 1..1000000"),
    (HEAD + "  w: [[0]]\n", "b:4:7: found a list of 1; expected [a, b] or [a, b, count]"),
    (HEAD + "  w: [[0-1, 0-2]]\n", "b:4:7: found 2 nodes at one end and 3 at the other; expected one, or as many"),
    (HEAD + "  w: [{from: 0}]\n", "b:4:7: found from in link; expected one of: between; from and to; ring; mesh; "),
    (HEAD + "  w: [{ring: chip, mesh: chip}]\n", "b:4:7: found ring, mesh in link; expected one of: "),
    (HEAD + "  w: [{torus: chip, shape: [3, 3]}]\n", "b:4:15: found 4 nodes for a torus of 3 x 3; expected as many as"),
    (HEAD + "  w: [{ring: 0}]\n", "b:4:14: found a ring of 1; expected two nodes or more"),
    (HEAD + "  w: [{ring: chip, latency: null}]\n", "b:4:29: found nothing as latency; expected text"),
    (HEAD + "  w: [[0-2, leaf]]\n", "b:1:9: device 'chip3' cannot be reached from 'chip0'; expected links that join "),
    (
        HEAD + "  w: [[0-2, leaf], {from: 0, to: 3}]\n",
        "b:1:9: device 'chip3' cannot reach 'chip0'; expected links that join all devices, both ways",
    ),
    (
        "nodes: {chip: 2}\nkinds: {w: {bandwidth: 1e308 GB/s}}\nlinks: {w: [[0, 1, 9]]}\n",
        "b:3:13: found 9 links whose sum is not finite; expected fewer or slower ones",
    ),
    (
        "nodes: {chip: 2000}\nkinds: {w: {}}\nlinks: {w: [{mesh: chip}]}\n",
        "b:3:20: found more than 2000000 links; expected fewer",
    ),
    # Limits.
    (
        HEAD + "  w: [{mesh: chip}]\nlimits: {cap: {out: chip}}\n",
        "b:5:15: found out in limit 'cap'; expected bandwidth, and one of out, in, through, links, between",
    ),
    (
        HEAD + "  w: [{ring: chip}]\nlimits: {cap: {bandwidth: 1 GB/s, links: [[0, 2]]}}\n",
        "b:5:43: found chip0 -> chip2, which is not a link; expected links of this board",
    ),
    (
        HEAD + "  w: [{ring: chip}]\nlimits: {cap: {bandwidth: 1 GB/s, out: leaf}}\n",
        "b:5:15: found no link for limit 'cap'; expected at least one",
    ),
    (
        HEAD + "  w: [{ring: chip}]\nlimits: {w: {bandwidth: 1 GB/s, out: chip}}\n",
        "b:5:10: found two sets of figures for the kind 'w'; expected one",
    ),
    # Boards.
    ("boards: {x: {copies: 2}}\n", "b:1:13: found no `use` in board 'x'; expected the name or path of a board"),
    ("boards: {x: {use: ppu8}}\n", "b:1:19: ppu8: no such board; expected a file or one of 910b-8, "),
    ("boards: {x: {use: ppu-8, copies: 1000000}}\n", "b:1:10: found more than 100000 nodes; expected fewer"),
]


@pytest.mark.parametrize(("text", "message"), MISTAKES)
def test_a_mistake_is_answered_in_one_line_with_its_place(text: str, message: str) -> None:
    if text.startswith("kinds:"):
        text = text.rstrip() + "\nnodes: {chip: 1}\n"
    with pytest.raises(TopologyError) as caught:
        topology.loads(text, name="b")
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("opening", ["[", "- ", "? "])
@pytest.mark.parametrize("depth", [40, 200_000])
def test_deep_nesting_is_refused(opening: str, depth: int) -> None:
    with pytest.raises(TopologyError, match=r"^b:1:\d+: (found too much|not YAML: exceeded)|nested too deeply"):
        topology.loads(opening * depth, name="b")


def test_a_billion_laughs_is_refused_at_its_first_anchor() -> None:
    lines = ["a0: &a0 [lol, lol]"] + [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 10)]
    with pytest.raises(TopologyError, match=r"^b:1:5: found the anchor &a0; expected no anchors"):
        topology.loads("\n".join(lines), name="b")


def test_a_file_of_100_MB_is_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "big.yaml"
    with path.open("wb") as file:
        file.truncate(100_000_000)
    start = time.perf_counter()
    with pytest.raises(TopologyError, match=r"big\.yaml: found 100000000 bytes; expected at most 10000000$"):
        topology.load(path)
    assert time.perf_counter() - start < 0.1


def test_an_endless_file_is_read_no_further_than_the_limit() -> None:
    with pytest.raises(TopologyError, match=r"^/dev/zero: found 10000001 bytes; expected at most 10000000$"):
        topology.load("/dev/zero")


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(TopologyError, match=r": Is a directory; expected a file that can be read$"):
        topology.load(tmp_path)
    (tmp_path / "latin.yaml").write_bytes(b"board: caf\xe9\n")
    with pytest.raises(TopologyError, match=r"latin\.yaml: found byte 10 that is not UTF-8; expected text$"):
        topology.load(tmp_path / "latin.yaml")


def test_an_unknown_name_gets_advice() -> None:
    with pytest.raises(TopologyError, match=r"^ppu8: no such board; expected .* \(did you mean ppu-8\?\)$"):
        topology.load("ppu8")
