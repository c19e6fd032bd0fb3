"""Where rings lie on a board: Hamiltonian cycles over the direct links of the chips that take part."""

from __future__ import annotations

from collections.abc import Sequence

from _ringtree.core import find_cycles
from topology import Topology

MOST_RINGS = 16
# A link that is wider than the narrowest one by more counts as so many.
MOST_PARALLEL = 1024
# Beyond this many chips a search over direct links is not worth its time: big systems hang on switches.
MOST_CHIPS = 64


def link_matrix(topology: Topology, placement: Sequence[int]) -> list[list[int]]:
    """Direct links between the placed chips, counted in the narrowest one's bandwidth."""
    index = {node: rank for rank, node in enumerate(placement)}
    direct = [
        (index[link.src], index[link.dst], link.bandwidth_GBps or 0.0)
        for link in topology.links
        if link.src in index and link.dst in index
    ]
    unit = min((bandwidth / 1 for _, _, bandwidth in direct), default=1.0) or 1.0
    matrix = [[0] * len(placement) for _ in placement]
    for src, dst, bandwidth in direct:
        matrix[src][dst] = int(min(bandwidth / unit + 1e-9, MOST_PARALLEL))
    return matrix


def lay_rings(topology: Topology | None, placement: Sequence[int]) -> list[tuple[int, ...]]:
    """Arc-disjoint rings of ranks over direct links, most first; rank order alone where there is none."""
    ranks = len(placement)
    in_order = [tuple(range(ranks))]
    if topology is None or not 2 <= ranks <= MOST_CHIPS:
        return in_order
    return find_cycles(link_matrix(topology, placement), MOST_RINGS) or in_order
