"""Bounds by other means, for small boards: all cuts enumerated, and linear programs with every flow in them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import combinations

import numpy as np
from scipy.optimize import linprog

from topology import Limit, Link, LinkKind, Node, Topology

Wires = dict[tuple[int, int], Fraction]


def board(
    chips: int, wires: Wires, switches: int = 0, limits: Sequence[tuple[Fraction, Sequence[int]]] = ()
) -> Topology:
    """Chips, then switches; limits over positions in the ordered wires."""
    nodes = [Node(i, f"chip{i}", "device") for i in range(chips)]
    nodes += [Node(i, f"switch{i}", "switch", forward=True) for i in range(chips, chips + switches)]
    links = [Link(src, dst, float(width), 1.0) for (src, dst), width in sorted(wires.items())]
    shared = [Limit(f"limit{i}", float(most), tuple(over)) for i, (most, over) in enumerate(limits)]
    return Topology("small", tuple(nodes), tuple(links), tuple(shared), (LinkKind("limit"), LinkKind("link")))


def turned(wires: Wires) -> Wires:
    return {(b, a): width for (a, b), width in wires.items()}


def sides(chips: int, nodes: int) -> Iterator[set[int]]:
    """All sets of nodes with some chips but not all."""
    for size in range(1, nodes):
        for side in combinations(range(nodes), size):
            if 0 < sum(node < chips for node in side) < chips:
                yield set(side)


def out_of(side: set[int], wires: Wires) -> Fraction:
    return sum((width for (a, b), width in wires.items() if a in side and b not in side), Fraction(0))


def all_gather(chips: int, nodes: int, wires: Wires, weights: Sequence[Fraction]) -> Fraction:
    """The least over cuts of what leaves it / the weight that must; `weights` sum to 1."""
    cuts = [(out_of(side, wires), sum(weights[v] for v in side if v < chips)) for side in sides(chips, nodes)]
    return min(width / weight for width, weight in cuts if weight)


def scatter(chips: int, nodes: int, wires: Wires, root: int, weights: Sequence[Fraction]) -> Fraction:
    cuts = [
        (out_of(side, wires), sum(weights[v] for v in range(chips) if v not in side))
        for side in sides(chips, nodes) if root in side
    ]  # fmt: skip
    return min(width / weight for width, weight in cuts if weight)


def broadcast(chips: int, nodes: int, wires: Wires, root: int) -> Fraction:
    return min(out_of(side, wires) for side in sides(chips, nodes) if root in side)


class Program:
    """max c x where A x <= b, E x = 0, x >= 0, by scipy."""

    def __init__(self) -> None:
        self.columns = 0
        self.most: list[tuple[dict[int, float], float]] = []
        self.zero: list[dict[int, float]] = []

    def fresh(self, count: int) -> list[int]:
        self.columns += count
        return list(range(self.columns - count, self.columns))

    def solve(self, objective: dict[int, float]) -> float:
        def dense(rows: Sequence[dict[int, float]]) -> np.ndarray | None:
            matrix = np.zeros((len(rows), self.columns))
            for row, entries in enumerate(rows):
                for column, value in entries.items():
                    matrix[row, column] += value
            return matrix if rows else None

        cost = np.zeros(self.columns)
        for column, value in objective.items():
            cost[column] = -value
        found = linprog(
            cost, dense([row for row, _ in self.most]), [most for _, most in self.most] or None,
            dense(self.zero), [0.0] * len(self.zero) or None,
        )  # fmt: skip
        assert found.status == 0, found.message
        return -float(found.fun)


def trees(
    kind: str,
    chips: int,
    nodes: int,
    wires: Wires,
    limits: Sequence[tuple[Fraction, Sequence[int]]] = (),
    roots: Sequence[Fraction] | None = None,
    multiply: bool = False,
) -> float:
    """A flow of all data to every chip inside what the way has of each link; what only forwards multiplies nothing.

    kind: `down`, `up`, or `both`, which share the links. roots: shares of the chips; None to choose them.
    """
    program, arcs = Program(), sorted(wires)
    rates = program.fresh(chips)
    total = dict.fromkeys(rates, 1.0)
    if roots is not None:
        (rate,) = program.fresh(1)
        program.zero += [{rates[v]: 1.0, rate: -float(roots[v])} for v in range(chips)]
        total = {rate: 1.0}
    ways = {"down": [False], "up": [True], "both": [False, True]}[kind]
    parts = [program.fresh(len(arcs)) for _ in ways]
    for over, most in [([i], wires[arc]) for i, arc in enumerate(arcs)] + [(list(o), m) for m, o in limits]:
        program.most.append(({part[i]: 1.0 for part in parts for i in over}, float(most)))
    for up, part in zip(ways, parts, strict=True):
        ends = [(b, a) if up else (a, b) for a, b in arcs]
        for node in range(chips, nodes) if not multiply else ():
            balance = {part[i]: float((a == node) - (b == node)) for i, (a, b) in enumerate(ends) if node in (a, b)}
            program.most.append((balance, 0.0))
        for sink in range(chips):
            flow, supply = program.fresh(len(arcs)), program.fresh(chips)
            program.most += [({f: 1.0, c: -1.0}, 0.0) for f, c in zip(flow, part, strict=True)]
            program.most += [({s: 1.0, x: -1.0}, 0.0) for s, x in zip(supply, rates, strict=True)]
            for node in range(nodes):
                row = {flow[i]: float((b == node) - (a == node)) for i, (a, b) in enumerate(ends) if node in (a, b)}
                row |= {supply[node]: 1.0} if node < chips else {}
                row |= {column: -value for column, value in total.items()} if node == sink else {}
                program.zero.append(row)
    return program.solve(total)


def all_to_all(
    chips: int, nodes: int, wires: Wires, weights: Sequence[Fraction],
    limits: Sequence[tuple[Fraction, Sequence[int]]] = (),
) -> float:  # fmt: skip
    """A flow for every pair, chip to chip; `weights` by destination."""
    program, arcs = Program(), sorted(wires)
    (rate,) = program.fresh(1)
    used: list[dict[int, float]] = [{} for _ in arcs]
    for source in range(chips):
        for sink in range(chips):
            if source == sink:
                continue
            flow = program.fresh(len(arcs))
            for i, column in enumerate(flow):
                used[i][column] = 1.0
            for node in range(nodes):
                row = {flow[i]: float((b == node) - (a == node)) for i, (a, b) in enumerate(arcs) if node in (a, b)}
                share = float(weights[sink]) * ((node == source) - (node == sink))
                program.zero.append(row | ({rate: share} if share else {}))
    program.most += [(used[i], float(wires[arc])) for i, arc in enumerate(arcs)]
    for most, over in limits:
        program.most.append(({column: 1.0 for i in over for column in used[i]}, float(most)))
    return program.solve({rate: 1.0})
