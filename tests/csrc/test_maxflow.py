"""Flows and cuts against networkx and against each other."""

from __future__ import annotations

import networkx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from _ringtree.errors import InputError
from _ringtree.maxflow import Network

Arcs = list[tuple[int, int, int]]


@st.composite
def networks(draw: st.DrawFn) -> tuple[int, Arcs]:
    """Parallel arcs, loops, nodes out of reach and arcs of no capacity among them."""
    nodes = draw(st.integers(2, 8))
    node, capacity = st.integers(0, nodes - 1), st.one_of(st.integers(0, 9), st.integers(0, 2**50))
    return nodes, draw(st.lists(st.tuples(node, node, capacity), max_size=24))


def made(nodes: int, arcs: Arcs) -> tuple[Network, NDArray[np.int64]]:
    src, dst, capacity = (np.array([arc[i] for arc in arcs], kind) for i, kind in enumerate((np.int32, np.int32, "i8")))
    return Network(nodes, src, dst), capacity


def truth(nodes: int, arcs: Arcs) -> networkx.DiGraph:
    graph = networkx.DiGraph()
    graph.add_nodes_from(range(nodes))
    for src, dst, capacity in arcs:
        if src != dst:
            already = graph.get_edge_data(src, dst, {"capacity": 0})["capacity"]
            graph.add_edge(src, dst, capacity=already + capacity)
    return graph


@settings(deadline=None, max_examples=300)
@given(found=networks(), data=st.data())
def test_flow_and_cut(found: tuple[int, Arcs], data: st.DataObject) -> None:
    nodes, arcs = found
    source, sink = data.draw(st.permutations(range(nodes)))[:2]
    most = networkx.maximum_flow_value(truth(nodes, arcs), source, sink)
    network, capacity = made(nodes, arcs)
    assert network.short(capacity, source, [sink], most) is None
    short = network.short(capacity, source, [sink], most + 1)
    assert short is not None
    assert (short.position, short.flow) == (0, most)
    assert short.beyond[sink]
    assert not short.beyond[source]
    assert sum(c for a, b, c in arcs if short.beyond[b] and not short.beyond[a]) == most


@settings(deadline=None, max_examples=300)
@given(found=networks(), data=st.data())
def test_the_first_of_many_sinks_that_gets_too_little(found: tuple[int, Arcs], data: st.DataObject) -> None:
    """Sinks that have enough are sources from then on: what is said of the others must not change."""
    nodes, arcs = found
    source, *sinks = data.draw(st.permutations(range(nodes)))
    graph = truth(nodes, arcs)
    flows = [networkx.maximum_flow_value(graph, source, sink) for sink in sinks]
    enough = data.draw(st.sampled_from([flow + more for flow in flows for more in (0, 1)]))
    network, capacity = made(nodes, arcs)
    for _ in range(2):  # a network may be asked again
        short = network.short(capacity, source, sinks, enough)
        first = next((i for i, flow in enumerate(flows) if flow < enough), None)
        if first is None:
            assert short is None
        else:
            assert short is not None
            assert short.position == first
            width = sum(c for a, b, c in arcs if short.beyond[b] and not short.beyond[a])
            assert flows[first] <= width == short.flow < enough
            assert not any(short.beyond[sink] for sink in sinks[:first])


def test_of_equal_cuts_the_nearest_to_the_sink() -> None:
    network, capacity = made(4, [(0, 1, 5), (1, 2, 5), (2, 3, 5)])
    short = network.short(capacity, 0, [3], 6)
    assert short is not None
    assert short.beyond.tolist() == [False, False, False, True]


def test_a_long_path_and_many_sinks() -> None:
    n = 50_000
    network, capacity = made(n, [(i, i + 1, n - i) for i in range(n - 1)])
    short = network.short(capacity, 0, range(1, n), 1000)
    assert short is not None
    assert (short.position + 1, short.flow) == (n - 998, 999)


@pytest.mark.parametrize(
    ("arcs", "source", "sinks", "said"),
    [
        ([(0, 1, -1)], 0, [1], "arc 0 has capacity -1"),
        ([(0, 1, 2**62), (0, 1, 2**62)], 0, [1], "exceed"),
        ([(0, 1, 1)], 2, [1], "source 2"),
        ([(0, 1, 1)], 0, [0], "sink 0"),
        ([(0, 1, 1)], 0, [-1], "sink -1"),
    ],
)
def test_bad_questions(arcs: Arcs, source: int, sinks: list[int], said: str) -> None:
    network, capacity = made(2, arcs)
    with pytest.raises(InputError, match=said):
        network.short(capacity, source, sinks, 1)


def test_bad_networks() -> None:
    with pytest.raises(InputError, match="arc 0 goes from 0 to 2"):
        made(2, [(0, 2, 1)])
    with pytest.raises(InputError, match="0 nodes"):
        made(0, [])
    with pytest.raises(ValueError, match="1 tails and 0 heads"):
        Network(1, np.zeros(1, np.int32), np.zeros(0, np.int32))
    with pytest.raises(ValueError, match="found 0 for 1 arcs"):
        made(2, [(0, 1, 1)])[0].short(np.zeros(0, np.int64), 0, [1], 1)
