"""ASTRA-sim network YAML: rings, full meshes and switches in one or several dimensions."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import topology
from _ringtree.errors import TopologyError
from topology import Topology

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "astra-sim"
BLOCKS = ("Ring", "FullyConnected", "Switch")


def network(*dimensions: tuple[str, int], bandwidth: float = 50.0, latency: float = 500.0) -> str:
    names, sizes = zip(*dimensions, strict=True)
    count = len(dimensions)
    return (
        f"topology: [{', '.join(names)}]\nnpus_count: {list(sizes)}\n"
        f"bandwidth: {[bandwidth] * count} # GB/s\nlatency: {[latency] * count} # ns\n"
    )


def delay(board: Topology, src: int, dst: int) -> float:
    return sum(board.links[index].latency_us or 0.0 for index in board.route(src, dst))


@pytest.mark.parametrize(
    ("block", "links", "hops"),
    [("Ring", 16, {1: 1, 5: 3, 4: 4, 7: 1}), ("FullyConnected", 56, {1: 1, 5: 1}), ("Switch", 16, {1: 2, 5: 2})],
)
def test_one_dimension_has_the_hops_and_the_bandwidth_of_every_link(
    block: str, links: int, hops: dict[int, int]
) -> None:
    board = topology.loads(network((block, 8)), name="net")
    assert len(board.links) == links
    assert {link.bandwidth_GBps for link in board.links} == {50 * 1024**3 / 1e9}
    assert {dst: delay(board, 0, dst) for dst in hops} == {dst: 0.5 * count for dst, count in hops.items()}
    assert len(board.devices) == 8
    assert board.assumed == ()


def test_only_npus_that_others_must_pass_forward() -> None:
    def forward(*dimensions: tuple[str, int]) -> bool:
        board = topology.loads(network(*dimensions))
        flags = {board.nodes[device].forward for device in board.devices}
        assert len(flags) == 1
        return flags.pop()

    assert forward(("Ring", 4))
    assert not forward(("Switch", 4))
    assert not forward(("FullyConnected", 4))
    assert forward(("Switch", 4), ("Switch", 2))


def test_two_npus_in_a_ring_are_joined_once() -> None:
    board = topology.loads(network(("Ring", 2)))
    assert [(link.src, link.dst, link.count) for link in board.links] == [(0, 1, 1), (1, 0, 1)]


@given(st.lists(st.tuples(st.sampled_from(BLOCKS), st.integers(2, 5)), min_size=1, max_size=3))
def test_neighbours_differ_in_one_digit_the_first_dimension_fastest(dimensions: list[tuple[str, int]]) -> None:
    board = topology.loads(network(*dimensions))
    count = math.prod(size for _, size in dimensions)
    assert len(board.devices) == count
    assert len(board.nodes) - count == sum(count // size for block, size in dimensions if block == "Switch")

    def digits(npu: int) -> list[int]:
        return [npu // math.prod(size for _, size in dimensions[:d]) % dimensions[d][1] for d in range(len(dimensions))]

    for link in board.links:
        number = int(link.kind.removeprefix("dim"))
        block, size = dimensions[number]
        ends = [node for node in (link.src, link.dst) if node < count]
        if block == "Switch":
            assert len(ends) == 1
            switch = link.src + link.dst - ends[0]
            members = [other.src for other in board.links if other.dst == switch]
            assert len(members) == size
            ends += members[:1] if members[0] != ends[0] else members[1:2]
        a, b = (digits(end) for end in ends)
        assert [d for d in range(len(dimensions)) if a[d] != b[d]] == [number]
        if block == "Ring":
            assert (a[number] - b[number]) % size in (1, size - 1)
    degree = sum({"Ring": min(size - 1, 2), "FullyConnected": size - 1, "Switch": 1}[b] for b, size in dimensions)
    assert all(sum(link.src == npu for link in board.links) == degree for npu in board.devices)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("npus_count: [8]", "npus_count: [8, 2]", "n:2:13: found 2 values of npus_count; expected as many as of topo"),
        ("[8]", "[1]", "n:2:14: found 1 as npus_count; expected 2 or more"),
        ("[8]", "[-4]", "n:2:14: found '-4' as npus_count; expected a whole number of 1..100000"),
        ("[8]", "[99999999999]", "n:2:14: found '99999999999' as npus_count; expected a whole number of 1..100000"),
        ("[8]", "8", "n:2:13: found '8' as npus_count; expected a list"),
        ("[Ring]", "[Torus]", "n:1:12: found 'Torus' as topology; expected one of Ring, FullyConnected, Switch"),
        ("[50.0]", "[0.0]", "n:3:13: found 0 as bandwidth; expected one above 0"),
        ("[50.0]", "[50 GB/s]", "n:3:13: bandwidth: found '50 GB/s'; expected a number of 0 or more"),
        ("[50.0]", "[1e999]", "n:3:13: bandwidth: found '1e999'; expected a number of 0 or more"),
        ("[500.0]", "[-1]", "n:4:11: latency: found '-1'; expected a number of 0 or more"),
        ("latency", "delay", "n:4:1: unknown key 'delay' in network; expected one of topology, npus_count, bandwidth"),
        ("latency: [500.0] # ns\n", "", "n:1:1: found no 'latency' in network; expected topology, npus_count, ban"),
    ],
)
def test_a_mistake_is_answered_in_one_line_with_its_place(old: str, new: str, message: str) -> None:
    text = network(("Ring", 8))
    assert old in text
    with pytest.raises(TopologyError) as caught:
        topology.loads(text.replace(old, new), name="n")
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("dimensions", "found"),
    [
        ((("Ring", 50_000),) * 2, "nodes"),
        ((("FullyConnected", 5_000),), "links"),
        ((("Switch", 99_999),) * 16, "nodes"),
    ],
)
def test_a_network_too_large_is_refused_before_it_is_made(dimensions: tuple[tuple[str, int], ...], found: str) -> None:
    with pytest.raises(TopologyError, match=rf"^n:2:13: found more than [0-9]+ {found}; expected fewer$"):
        topology.loads(network(*dimensions), name="n")


def test_the_published_networks_load() -> None:
    if not DATA.exists():
        pytest.skip(f"{DATA} is not there")
    boards = {path.stem: topology.load(path) for path in sorted(DATA.glob("*.yml"))}
    assert len(boards) == 8
    assert {name: len(board.devices) for name, board in boards.items() if name.startswith("Ring_")} == {
        "Ring_16npus": 16, "Ring_4npus": 4, "Ring_8npus": 8,
    }  # fmt: skip
    hgx = boards["HGX-H100-validated"]
    assert {(x.bandwidth_GBps, x.latency_us) for x in hgx.links} == {(400 * 1024**3 / 1e9, 0.93625)}
    mixed = boards["net_Ring_FullyConnected_Switch"]
    assert (len(mixed.devices), len(mixed.nodes), len(mixed.links)) == (64, 64 + 16, 64 + 64 * 7 + 128)
    assert delay(mixed, 0, 1) == 0.05
    assert delay(mixed, 0, 2) == 0.5
    assert delay(mixed, 0, 16) == 4.0
    for board in boards.values():
        assert topology.loads(topology.to_yaml(board)) == board


def test_system_files_are_told_apart() -> None:
    with pytest.raises(TopologyError, match=r"^s:1:24: scheduling-policy: found an ASTRA-sim system file, which has "):
        topology.loads('{ "scheduling-policy": "LIFO" }', name="s")
