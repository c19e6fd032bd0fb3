"""Where the nodes of a board stand in its picture.

Devices stand lowest: those joined directly on a circle, in the order in which fewest links cross (a torus as a grid),
the others in a row. Above them switches, NICs, PCIe nodes and hosts, a row for each step away from the devices. A
board placed on a board is a box. Many devices wired alike stand for themselves once, as a stack.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ringtree.crossings import best_circle

if TYPE_CHECKING:
    from topology import Topology

GAP = 1.5  # between neighbours in a row
NIC_GAP = 0.95
RISE = 1.7  # between rows
MARGIN = 0.75  # between a box and what it holds
STACK = 17  # so many devices wired alike are drawn as one
SHELF = 8  # so many boxes stand side by side

Point = tuple[float, float]


@dataclass(frozen=True)
class Box:
    """The frame of a board placed on a board."""

    name: str
    left: float
    bottom: float
    width: float
    height: float


@dataclass(frozen=True)
class Layout:
    """Positions by node id; `stands_for`: the devices that a stack's one symbol stands for."""

    points: dict[int, Point]
    boxes: list[Box]
    stands_for: dict[int, list[int]]
    is_grid: bool


@dataclass
class _Block:
    """Nodes placed relative to the lower left corner of the block."""

    points: dict[int, Point] = field(default_factory=dict)
    boxes: list[Box] = field(default_factory=list)
    width: float = 0.0
    height: float = 0.0

    def add(self, other: _Block, dx: float, dy: float) -> None:
        self.points |= {node: (x + dx, y + dy) for node, (x, y) in other.points.items()}
        self.boxes += [Box(b.name, b.left + dx, b.bottom + dy, b.width, b.height) for b in other.boxes]
        self.width = max(self.width, dx + other.width)
        self.height = max(self.height, dy + other.height)


def arrange(board: Topology) -> Layout:
    """Place every node of the board, stacks by their first device."""
    return _Arranger(board).layout()


class _Arranger:
    def __init__(self, board: Topology) -> None:
        self.board = board
        self.near: dict[int, set[int]] = defaultdict(set)
        for link in board.links:
            self.near[link.src].add(link.dst)
            self.near[link.dst].add(link.src)
        self.stands_for = _stacks(board)
        hidden = {device for devices in self.stands_for.values() for device in devices[1:]}
        self.in_group: dict[str, list[int]] = defaultdict(list)
        self.subgroups: dict[str, list[str]] = defaultdict(list)
        for node in board.nodes:
            if node.id not in hidden:
                self.in_group[node.group].append(node.id)
            self._know_group(node.group)
        self.is_grid = False

    def _know_group(self, group: str) -> None:
        while group:
            parent = group.rpartition(".")[0]
            if group not in self.subgroups[parent]:
                self.subgroups[parent].append(group)
            group = parent

    def layout(self) -> Layout:
        block = self._group("")
        return Layout(block.points, block.boxes, self.stands_for, self.is_grid)

    def _group(self, group: str) -> _Block:
        """A board: the boards on it and its own devices on shelves, its other nodes in rows around them."""
        devices = [n for n in self.in_group[group] if self.board.nodes[n].kind == "device"]
        others = [n for n in self.in_group[group] if self.board.nodes[n].kind != "device"]
        blocks = [self._boxed(sub) for sub in self.subgroups[group]]
        blocks += [self._devices(part) for part in self._joined(devices)]
        block = _shelves(blocks)
        if others:
            self._rows(block, others)
        return block

    def _boxed(self, group: str) -> _Block:
        inner = self._group(group)
        block = _Block()
        block.add(inner, MARGIN, MARGIN)
        block.width, block.height = inner.width + 2 * MARGIN, inner.height + 2 * MARGIN
        block.boxes.append(Box(group, 0.0, 0.0, block.width, block.height))
        return block

    def _joined(self, devices: list[int]) -> list[list[int]]:
        """Parts that direct links hold together; all devices without direct links are one part."""
        parts: list[list[int]] = []
        alone: list[int] = []
        left = dict.fromkeys(devices)
        while left:
            reached = [next(iter(left))]
            for node in reached:
                left.pop(node, None)
                reached += [n for n in left if n in self.near[node] and n not in reached]
            if len(reached) == 1:
                alone += reached
            else:
                parts.append(sorted(reached))
        return parts + [alone] * bool(alone)

    def _devices(self, devices: list[int]) -> _Block:
        links = {(a, b) for a in devices for b in self.near[a] if a < b and b in set(devices)}
        if not links:
            return _row(devices)
        grid = _torus_shape(devices, links)
        if grid:
            self.is_grid = True
            return _grid(devices, grid)
        return self._circle(best_circle(devices, sorted(links)))

    def _circle(self, order: list[int]) -> _Block:
        """Turned and mirrored so that devices below the same switch are above each other as nearly as can be."""
        above: dict[int, list[int]] = defaultdict(list)
        for device in order:
            for node in self.near[device]:
                if self.board.nodes[node].kind != "device":
                    above[node].append(device)
        turned = [order[i:] + order[:i] for i in range(len(order))]
        turned += [[turn[0], *turn[:0:-1]] for turn in turned]
        circles = [_circle(turn, tilted=bool(above)) for turn in (turned if above else [order])]

        def spread(block: _Block) -> float:
            spans = [[block.points[device][0] for device in group] for group in above.values()]
            return round(sum(max(span) - min(span) for span in spans), 6)

        return min(circles, key=spread)

    def _rows(self, block: _Block, others: list[int]) -> None:
        """Rows above the block by distance from it; what would tangle with the first row goes below."""
        rows, below = self._levels(block, others)
        for row in rows:
            self._row_at(block, row, block.height + RISE)
        if below:
            self._row_at(block, below, -RISE)
        left = min(x for x, _ in block.points.values()) - GAP / 2
        bottom = min(y for _, y in block.points.values()) - GAP / 3
        block.points = {n: (x - min(left, 0), y - min(bottom, 0)) for n, (x, y) in block.points.items()}
        dx, dy = -min(left, 0), -min(bottom, 0)
        block.boxes = [Box(b.name, b.left + dx, b.bottom + dy, b.width, b.height) for b in block.boxes]
        block.width = max(max(x for x, _ in block.points.values()) + GAP / 2, block.width + dx)
        block.height += dy

    def _levels(self, block: _Block, others: list[int]) -> tuple[list[list[int]], list[int]]:
        inside = set(block.points)
        left = dict.fromkeys(others)
        rows: list[list[int]] = []
        seen = set(inside)
        while left:
            row = [node for node in left if self.near[node] & seen] or list(left)
            rows.append(row)
            seen |= set(row)
            for node in row:
                del left[node]
        first, below = self._untangle(rows[0], inside)
        return [row for row in [first, *rows[1:]] if row], below

    def _untangle(self, row: list[int], inside: set[int]) -> tuple[list[int], list[int]]:
        """Of nodes over different but overlapping sets of devices, the smaller sets stay above."""
        above: list[int] = []
        below: list[int] = []
        for node in sorted(row, key=lambda n: len(self.near[n] & inside)):
            mine = self.near[node] & inside
            tangled = any(mine & (self.near[a] & inside) and mine != self.near[a] & inside for a in above)
            (below if tangled else above).append(node)
        return sorted(above), sorted(below)

    def _row_at(self, block: _Block, row: list[int], y: float) -> None:
        """Each node above the middle of its neighbours that stand already, with its own room."""
        wanted = {}
        for node in row:
            xs = [block.points[n][0] for n in self.near[node] if n in block.points]
            wanted[node] = sum(xs) / len(xs) if xs else block.width / 2
        gap = NIC_GAP if all(self.board.nodes[node].kind == "nic" for node in row) else GAP
        for node, x in _spread(wanted, gap).items():
            block.points[node] = (x, y)
        if y > block.height:
            block.height = y + GAP / 3


def _spread(wanted: dict[int, float], gap: float) -> dict[int, float]:
    """Keep the order, and the middle of those that crowd, no two closer than the gap."""
    crowds: list[list[int]] = []

    def left(crowd: list[int]) -> float:
        return sum(wanted[node] for node in crowd) / len(crowd) - gap * (len(crowd) - 1) / 2

    for node in sorted(wanted, key=lambda node: (wanted[node], node)):
        crowds.append([node])
        while len(crowds) > 1 and left(crowds[-1]) < left(crowds[-2]) + gap * len(crowds[-2]) - 1e-9:
            crowds[-2:] = [crowds[-2] + crowds[-1]]
    return {node: left(crowd) + gap * i for crowd in crowds for i, node in enumerate(crowd)}


def _shelves(blocks: list[_Block]) -> _Block:
    whole = _Block()
    y = 0.0
    for first in range(0, len(blocks), SHELF):
        x = 0.0
        shelf = blocks[first : first + SHELF]
        for block in shelf:
            whole.add(block, x, y)
            x += block.width + GAP
        y += max(block.height for block in shelf) + RISE
    return whole


def _row(devices: list[int]) -> _Block:
    points = {node: (GAP * (i + 0.5), GAP / 3) for i, node in enumerate(devices)}
    return _Block(points, [], GAP * len(devices), GAP * 2 / 3)


def _circle(order: list[int], tilted: bool) -> _Block:
    """Clockwise from the upper left; two lie side by side. Tilted, no device hides another from what is above."""
    n = len(order)
    radius = max(GAP * 0.6, GAP * 0.95 / (2 * math.sin(math.pi / n)))
    half = radius + GAP * 0.4
    start = math.pi if n == 2 else math.pi / 2 + math.pi / n / (2 if tilted else 1)
    angles = [start - 2 * math.pi * i / n for i in range(n)]
    points = {d: (half + radius * math.cos(a), half + radius * math.sin(a)) for d, a in zip(order, angles, strict=True)}
    return _Block(points, [], 2 * half, 2 * half)


def _grid(devices: list[int], shape: tuple[int, int]) -> _Block:
    rows, columns = shape
    points = {
        node: (GAP * 1.3 * (i % columns + 0.7), GAP * 1.3 * (rows - 1 - i // columns + 0.7))
        for i, node in enumerate(devices)
    }
    return _Block(points, [], GAP * 1.3 * (columns + 0.4), GAP * 1.3 * (rows + 0.4))


def _torus_shape(devices: list[int], links: set[tuple[int, int]]) -> tuple[int, int] | None:
    """Rows and columns when the links are those of a torus or a mesh of two dimensions, numbered row by row."""
    n = len(devices)
    for rows in range(2, n // 2 + 1):
        columns = n // rows
        if rows * columns == n and (rows > 2 or columns > 2):
            for wraps in (True, False):
                if links == _grid_links(devices, rows, columns, wraps):
                    return rows, columns
    return None


def _grid_links(devices: list[int], rows: int, columns: int, wraps: bool) -> set[tuple[int, int]]:
    found = set()
    for i in range(rows):
        for j in range(columns):
            for a, b in ((i, j + 1), (i + 1, j)):
                if wraps or (a < rows and b < columns):
                    ends = (devices[i * columns + j], devices[a % rows * columns + b % columns])
                    found.add((min(ends), max(ends)))
    return found


def _stacks(board: Topology) -> dict[int, list[int]]:
    """Devices with the same links to the same nodes, where there are many: all, by the first."""
    ends: dict[int, list[tuple[object, ...]]] = defaultdict(list)
    for link in board.links:
        what = (link.bandwidth_GBps, link.latency_us, link.count, link.kind)
        ends[link.src].append(("to", link.dst, *what))
        ends[link.dst].append(("from", link.src, *what))
    alike: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for device in board.devices:
        key = (board.nodes[device].group, *sorted(map(str, ends[device])))
        alike[key].append(device)
    return {devices[0]: devices for devices in alike.values() if len(devices) >= STACK}
