"""What is written reads back as an equal value: shipped boards, and random topologies."""

from __future__ import annotations

import math
import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import topology
from topology import Figure, Limit, Link, LinkKind, Node, Topology

TEXT = st.text(max_size=12).filter(lambda text: not text or text.strip() != "")
NAME = st.text(min_size=1, max_size=8).filter(lambda text: text.strip() != "")
MARKS = st.sampled_from(["", "M", "V", "P/R", "D", "A"])
BANDWIDTH = st.floats(1e-6, 1e6)
LATENCY = st.floats(0, 1e6)


@st.composite
def figures(draw: st.DrawFn, values: st.SearchStrategy[float]) -> Figure:
    value = draw(st.none() | values)
    return Figure(value, draw(st.sampled_from(["", "U"]) if value is None else MARKS), draw(TEXT))


@st.composite
def nodes(draw: st.DrawFn) -> tuple[Node, ...]:
    words = st.sampled_from(["chip", "a", "a0", "b_1"])
    names = draw(
        st.lists(st.tuples(st.sampled_from(["", "box0.", "box1."]), words, st.integers(0, 4)), unique=True, min_size=2)
    )
    made: list[Node] = []
    taken: set[str] = set()
    for group, word, number in names[:9]:
        name = f"{group}{word}{number}"
        if name in taken:
            continue
        taken.add(name)
        kind = "device" if not made else draw(st.sampled_from(["device", "device", "switch", "host", "pcie", "nic"]))
        device, switch = kind == "device", kind == "switch"
        made.append(
            Node(
                len(made),
                name,
                kind,
                profile=draw(st.none() | NAME) if device else None,
                forward=draw(st.booleans()) if device else True,
                multicast=switch and draw(st.booleans()),
                aggregation=switch and draw(st.booleans()),
                forward_mark=draw(MARKS) if device else "",
                forward_source=draw(TEXT) if device else "",
            )
        )
    return tuple(made)


@st.composite
def topologies(draw: st.DrawFn) -> Topology:
    """A topology whose nodes lie on a ring in both directions, with more links across."""
    parts = draw(nodes())
    kinds = sorted(
        draw(st.lists(st.builds(LinkKind, NAME, figures(BANDWIDTH), figures(LATENCY)), min_size=1, max_size=3)),
        key=lambda kind: kind.name,
    )
    by_name = {kind.name: kind for kind in kinds}
    count = len(parts)
    ends = {way for i in range(count) for way in ((i, (i + 1) % count), ((i + 1) % count, i))}
    more = draw(st.sets(st.tuples(st.integers(0, count - 1), st.integers(0, count - 1)), max_size=6))
    links = []
    for src, dst in sorted((ends | more) - {(i, i) for i in range(count)}):
        kind = by_name[draw(st.sampled_from(sorted(by_name)))]
        bandwidth, parallel = draw(bandwidths(kind))
        own = kind.latency.value is None and draw(st.booleans())
        latency = None if own else draw(LATENCY | st.just(kind.latency.value or 0.0))
        links.append(Link(src, dst, bandwidth, latency, parallel, kind.name))
    limits = []
    for number in range(draw(st.integers(0, 2))):
        kind = by_name[draw(st.sampled_from(sorted(by_name)))]
        bandwidth, parallel = draw(bandwidths(kind))
        members = draw(st.sets(st.integers(0, len(links) - 1), min_size=1)) if links else set()
        if members:
            limits.append(Limit(f"{draw(NAME)}{number}", bandwidth, tuple(sorted(members)), parallel, kind.name))
    used = {part.kind for part in [*links, *limits]}
    texts = [draw(TEXT) for _ in range(2)]
    return Topology(
        draw(NAME),
        parts,
        tuple(links),
        tuple(limits),
        tuple(kind for name, kind in sorted(by_name.items()) if name in used),
        *texts,
    )


@st.composite
def bandwidths(draw: st.DrawFn, kind: LinkKind) -> tuple[float | None, int]:
    """The sum of a number of parallel links, of the kind's bandwidth or of their own."""
    count = draw(st.integers(1, 20))
    if kind.bandwidth.value is None and draw(st.booleans()):
        return None, count
    single = kind.bandwidth.value if kind.bandwidth.value is not None and draw(st.booleans()) else draw(BANDWIDTH)
    return single * count, count


@settings(deadline=None, max_examples=150)
@given(topologies())
def test_yaml_comes_back_the_same(value: Topology) -> None:
    text = topology.to_yaml(value)
    again = topology.loads(text)
    assert again == value
    assert again.digest() == value.digest()
    assert topology.to_yaml(again) == text


@settings(deadline=None, max_examples=100)
@given(st.lists(st.tuples(st.booleans(), BANDWIDTH, st.none() | LATENCY), min_size=2, max_size=9))
def test_graph_json_comes_back_the_same(parts: list[tuple[bool, float, float | None]]) -> None:
    kinds = [True] + [device for device, _, _ in parts[1:]]
    names = [("chip", "device") if device else ("switch", "switch") for device in kinds]
    nodes = [Node(i, f"{word}{i}", kind, forward=kind != "device") for i, (word, kind) in enumerate(names)]
    count = len(nodes)
    links = {}
    for i, (_, bandwidth, latency) in enumerate(parts):
        links[i, (i + 1) % count] = (bandwidth, latency)
        links.setdefault(((i + 1) % count, i), (bandwidth / 3, latency))
    value = Topology(
        "g",
        tuple(nodes),
        tuple(Link(a, b, *links[a, b]) for a, b in sorted(links)),
        kinds=(LinkKind("link"),),
        description="d",
    )
    assert topology.loads(topology.to_graph_json(value)) == value
    assert topology.loads(topology.to_yaml(value)) == value


@pytest.mark.parametrize("name", topology.shipped())
def test_shipped_boards_come_back_the_same(name: str) -> None:
    board = topology.load(name)
    assert topology.loads(topology.to_yaml(board)) == board


def test_a_topology_travels_between_processes_without_its_caches() -> None:
    board = topology.load("ppu-8")
    board.board()
    assert board.devices
    again = pickle.loads(pickle.dumps(board))
    assert again == board
    assert again.route(0, 4) == board.route(0, 4)


def test_numbered_nodes_are_written_as_one() -> None:
    text = topology.to_yaml(topology.load("supernode-128"))
    assert "  chip: {kind: device, count: 128}" in text.splitlines()
    assert math.isclose(len(text.splitlines()), 128, rel_tol=0.2)
