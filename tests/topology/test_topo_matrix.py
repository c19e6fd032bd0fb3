"""The matrix of `nvidia-smi topo -m`: machines in full, NVLinks direct and by switch, and what is refused."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

import topology
from _ringtree.assume import Assumptions
from _ringtree.errors import AssumptionError, TopologyError
from topology import Topology

LEVELS = ("PIX", "PXB", "PHB", "NODE", "SYS")

# Two sockets; a switch with GPU and NIC, a GPU at its own bridge, NVLinks across.
MIXED = """\
\t\x1b[4mGPU0\tGPU1\tGPU2\tGPU3\tNIC0\tCPU Affinity\tNUMA Affinity\tGPU NUMA ID\x1b[0m
GPU0\t X \tPIX\tNODE\tNV4\tPIX\t0-23\t0\t\tN/A
GPU1\tPIX\t X \tNODE\tSYS\tPIX\t0-23\t0\t\tN/A
GPU2\tNODE\tNODE\t X \tSYS\tNODE\t0-23\t0\t\tN/A
GPU3\tNV4\tSYS\tSYS\t X \tSYS\t24-47\t1\t\tN/A
NIC0\tPIX\tPIX\tNODE\tSYS\t X \t\t\t\t

Legend:

  X    = Self
  SYS  = Connection traversing PCIe as well as the SMP interconnect between NUMA nodes (e.g., QPI/UPI)

NIC Legend:

  NIC0: mlx5_0
"""


def matrix(cells: dict[tuple[int, int], str], names: list[str], numa: list[str] | None = None) -> str:
    """The text with these cells, the same both ways."""
    head = "        " + "  ".join(names) + ("  CPU Affinity  NUMA Affinity" if numa else "")
    rows = [
        "  ".join([
            name,
            *("X" if a == b else cells[min(a, b), max(a, b)] for b in range(len(names))),
            *(["0-7", numa[a]] if numa else []),
        ])
        for a, name in enumerate(names)
    ]  # fmt: skip
    return "\n".join([head, *rows]) + "\n"


def gpus(count: int, cell: str, numa: list[str] | None = None) -> str:
    pairs = itertools.combinations(range(count), 2)
    return matrix(dict.fromkeys(pairs, cell), [f"GPU{gpu}" for gpu in range(count)], numa)


def wires(board: Topology) -> dict[tuple[str, str], tuple[str, int]]:
    """Pairs of names, in the order of ids, with kind and count; both directions are alike."""
    names = [node.name for node in board.nodes]
    links = {(link.src, link.dst): (link.kind, link.count) for link in board.links}
    assert links == {(dst, src): value for (src, dst), value in links.items()}
    return {(names[src], names[dst]): value for (src, dst), value in links.items() if src < dst}


def test_a_machine_in_full() -> None:
    board = topology.loads(MIXED, name="box")
    assert [(node.name, node.kind) for node in board.nodes] == [
        ("gpu0", "device"), ("gpu1", "device"), ("gpu2", "device"), ("gpu3", "device"), ("nic0", "nic"),
        ("pix0", "pcie"), ("cpu0", "host"), ("cpu1", "host"),
    ]  # fmt: skip
    assert wires(board) == {
        ("gpu0", "gpu3"): ("nvlink", 4),
        ("gpu0", "pix0"): ("pcie", 1),
        ("gpu1", "pix0"): ("pcie", 1),
        ("nic0", "pix0"): ("pcie", 1),
        ("gpu2", "cpu0"): ("pcie", 1),
        ("pix0", "cpu0"): ("pcie", 1),
        ("gpu3", "cpu1"): ("pcie", 1),
        ("cpu0", "cpu1"): ("sys", 1),
    }
    assert topology.loads(topology.to_yaml(board), name="box") == board


def test_bandwidths_are_unknown_until_they_are_assumed() -> None:
    board = topology.loads(MIXED, name="box")
    assert {link.bandwidth_GBps for link in board.links} == {None}
    with pytest.raises(AssumptionError, match=r"--assume box\.nvlink\.bandwidth='50 GB/s'"):
        board.route(0, 3)
    given = {"box.nvlink.bandwidth": "25 GB/s", "box.pcie.bandwidth": "12 GB/s", "box.sys.bandwidth": "10 GB/s"}
    known = topology.loads(MIXED, name="box", assume=Assumptions(given))
    bandwidths = {(link.kind, link.bandwidth_GBps) for link in known.links}
    assert bandwidths == {("nvlink", 100.0), ("pcie", 12.0), ("sys", 10.0)}
    path = [known.links[index].dst for index in known.route(1, 3)]
    assert [known.nodes[node].name for node in path] == ["pix0", "cpu0", "cpu1", "gpu3"]


@pytest.mark.parametrize(
    ("count", "cell", "switch"),
    [(2, "NV18", False), (4, "NV4", False), (4, "NV6", False), (4, "NV12", True), (8, "NV18", True), (16, "NV6", True)],
)
def test_more_nvlinks_than_a_gpu_has_are_those_of_a_switch(count: int, cell: str, switch: bool) -> None:
    board = topology.loads(gpus(count, cell))
    assert len(board.devices) == count
    assert {link.count for link in board.links} == {int(cell[2:])}
    assert len(board.links) == (2 * count if switch else count * (count - 1))
    assert {node.name for node in board.nodes[count:]} == ({"nvswitch0"} if switch else set())


@pytest.mark.parametrize(
    ("cell", "between"),
    [("PIX", {"pix0"}), ("PXB", {"pxb0"}), ("PHB", {"cpu0"}), ("NODE", {"cpu0"}), ("SYS", {"cpu0", "cpu1"})],
)
def test_two_gpus_meet_where_the_cell_says(cell: str, between: set[str]) -> None:
    given = {"m.pcie.bandwidth": "12 GB/s", "m.sys.bandwidth": "10 GB/s"}
    board = topology.loads(gpus(2, cell), name="m", assume=Assumptions(given))
    path = [board.links[index].dst for index in board.route(0, 1)]
    assert {board.nodes[node].name for node in path[:-1]} == between


def test_bridges_of_one_host_are_nodes_where_it_has_several() -> None:
    cells = {(0, 1): "PHB", (2, 3): "PHB"} | dict.fromkeys([(0, 2), (0, 3), (1, 2), (1, 3)], "NODE")
    board = topology.loads(matrix(cells, ["GPU0", "GPU1", "GPU2", "GPU3"]))
    below = {"bridge0": ["gpu0", "gpu1"], "bridge1": ["gpu2", "gpu3"], "cpu0": ["bridge0", "bridge1"]}
    assert wires(board) == {(end, node): ("pcie", 1) for node, ends in below.items() for end in ends}


def test_nvlinks_hide_the_distance_and_numa_nodes_tell_it() -> None:
    board = topology.loads(gpus(4, "NV2", numa=["0", "0", "1", "N/A"]))
    pcie = {pair for pair, (kind, _) in wires(board).items() if kind == "pcie"}
    assert pcie == {("gpu0", "cpu0"), ("gpu1", "cpu0"), ("gpu2", "cpu1")}
    assert wires(board)["cpu0", "cpu1"] == ("sys", 1)


def test_numa_nodes_do_not_join_what_the_matrix_parts() -> None:
    """As in virtual machines, where a NIC is near one GPU and SYS of all others."""
    cells = {(0, 1): "NV18", (0, 2): "PIX", (1, 2): "SYS"}
    board = topology.loads(matrix(cells, ["GPU0", "GPU1", "mlx5_0"], numa=["0", "0", "0"]))
    assert {pair for pair, (kind, _) in wires(board).items() if kind == "sys"} == {("cpu0", "cpu1")}


@given(st.data())
def test_every_pair_meets_at_the_level_of_its_cell(data: st.DataObject) -> None:
    """Random trees: the distance of two leaves is the level of their lowest common node."""
    count = data.draw(st.integers(2, 9))
    paths = [tuple(data.draw(st.integers(0, 1)) for _ in LEVELS[1:]) for _ in range(count)]
    cells = {}
    for a, b in itertools.combinations(range(count), 2):
        parted = [level for level, (x, y) in enumerate(zip(paths[a], paths[b], strict=True)) if x != y]
        cells[a, b] = LEVELS[len(LEVELS) - 1 - parted[0]] if parted else "PIX"
    text = matrix(cells, [f"GPU{gpu}" for gpu in range(count)])
    given = {"m.pcie.bandwidth": "12 GB/s", "m.sys.bandwidth": "10 GB/s"}
    board = topology.loads(text, name="m", assume=Assumptions(given))
    kinds = {"PIX": {"pix"}, "PXB": {"pxb"}, "PHB": {"bridge", "cpu"}, "NODE": {"cpu"}, "SYS": {"cpu"}}
    for (a, b), cell in cells.items():
        path = [board.nodes[board.links[index].dst].name for index in board.route(a, b)][:-1]
        names = [name.rstrip("0123456789") for name in path]
        highest = max(names, key=["pix", "pxb", "bridge", "cpu"].index)
        assert highest in kinds[cell]
        assert names.count("cpu") == (2 if cell == "SYS" else highest == "cpu")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "GPU1\tPIX\t X",
            "GPU1\tPIY\t X",
            "t:3:6: found 'PIY' between GPU1 and GPU0; expected X on the diagonal, else",
        ),
        ("GPU1\tPIX\t X ", "GPU1\tPIX\tPIX", "t:3:10: found 'PIX' between GPU1 and GPU1; expected X on the diagonal"),
        ("GPU1\tPIX", "GPU1\tPXB", "t:2:10: found 'PIX' and 'PXB' between GPU0 and GPU1; expected the same both ways"),
        ("NODE\tNV4\tPIX", "NODE\tNV4", "t:2:23: found '0-23' between GPU0 and NIC0; expected X on the diagonal"),
        ("GPU2\tNODE\tNODE", "GPU2\tNODE", "t:4:12: found 'X' between GPU2 and GPU1; expected X on the diagonal"),
        (
            "NIC0\tPIX\tPIX",
            "NIC1\tPIX\tPIX",
            "t:6:1: found 'NIC1\\tPIX\\tPIX\\tNODE\\tSYS\\t X'; expected the row of NIC0",
        ),
        ("GPU3\tNV4\tSYS\tSYS\t X \tSYS\t24-47\t1\t\tN/A\n", "", "t:5:1: found 'NIC0"),
        ("GPU3\tNIC0", "GPU2\tNIC0", "t:1:1: found 5 columns, 'GPU2' among them; expected at most 256 names such as"),
        (
            "GPU0\tGPU1\tGPU2",
            "GPU0\tGPU1\t2GPU",
            "t:1:1: found 5 columns, '2GPU' among them; expected at most 256 name",
        ),
    ],
)
def test_a_mistake_is_answered_in_one_line_with_its_place(old: str, new: str, message: str) -> None:
    assert old in MIXED
    with pytest.raises(TopologyError) as caught:
        topology.loads(MIXED.replace(old, new, 1), name="t")
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_distances_that_no_tree_has_are_refused() -> None:
    cells = {(0, 1): "PIX", (1, 2): "PIX", (0, 2): "SYS"}
    with pytest.raises(TopologyError, match=r"^t:2:15: found 'SYS' between GPU0 and GPU2; expected PIX or nearer, as "):
        topology.loads(matrix(cells, ["GPU0", "GPU1", "GPU2"]), name="t")


def test_too_many_nvlinks_that_no_switch_explains_are_refused() -> None:
    cells = {(0, 1): "NV12", (1, 2): "NV12", (0, 2): "PHB"}
    with pytest.raises(TopologyError, match=r"^t:2:10: found GPUs with up to 24 NVLinks, not alike to each other; exp"):
        topology.loads(matrix(cells, ["GPU0", "GPU1", "GPU2"]), name="t")


def test_a_header_of_a_million_columns_is_refused() -> None:
    names = " ".join(f"GPU{gpu}" for gpu in range(2_000))
    with pytest.raises(
        TopologyError, match=r"^t:1:1: found 2000 columns, 'GPU0' among them; expected at most 256 name"
    ):
        topology.loads(f"  {names}\nGPU0  X\n", name="t")


def test_a_board_that_speaks_of_gpus_is_still_a_board() -> None:
    text = "board: b\ndescription: >-\n  GPU0 GPU1\n  both on one board\nnodes: {gpu: 1}\n"
    assert topology.loads(text).description == "GPU0 GPU1 both on one board"
