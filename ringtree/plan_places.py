"""Where the chips of a plan stand in its picture: as in the board's picture, without what is between them.

Chips of one box that the board's picture has in a row, because only a switch joins them, stand on a circle: arrows
between them would lie on each other. Boxes stand side by side.
"""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING

from ringtree.layout import GAP, Point, arrange

if TYPE_CHECKING:
    from collections.abc import Sequence

    from topology import Topology

FLAT = 0.2  # so high, as part of their width, chips count as standing in a row
APART = 2.0  # between boxes, in units of the layout


def places(board: Topology, placement: Sequence[int]) -> list[Point]:
    """A point for each rank, in units of the layout, from (0, 0) on."""
    points = arrange(board).points
    boxes: dict[str, list[int]] = defaultdict(list)
    for rank, node in enumerate(placement):
        boxes[board.nodes[node].group].append(rank)
    parts = [_box([points.get(placement[rank]) for rank in ranks]) for ranks in boxes.values()]
    columns = math.ceil(math.sqrt(len(parts)))
    width = max(max(x for x, _ in part) for part in parts) + APART
    height = max(max(y for _, y in part) for part in parts) + APART
    rows = -(-len(parts) // columns)
    found: dict[int, Point] = {}
    for number, (ranks, part) in enumerate(zip(boxes.values(), parts, strict=True)):
        dx, dy = number % columns * width, (rows - 1 - number // columns) * height
        dy += (height - APART - max(y for _, y in part)) / 2
        found |= {rank: (x + dx, y + dy) for rank, (x, y) in zip(ranks, part, strict=True)}
    return [found[rank] for rank in range(len(placement))]


def _box(points: Sequence[Point | None]) -> list[Point]:
    """Points of one box from (0, 0) on."""
    known = [point for point in points if point is not None]
    if len(known) < len(points) or _in_a_row(known):
        known = _circle(len(points))
    left, bottom = min(x for x, _ in known), min(y for _, y in known)
    return [(x - left, y - bottom) for x, y in known]


def _in_a_row(points: Sequence[Point]) -> bool:
    wide, high = (max(values) - min(values) for values in zip(*points, strict=True))
    return len(points) > 2 and min(wide, high) < FLAT * max(wide, high)


def _circle(many: int) -> list[Point]:
    radius = 0.0 if many == 1 else max(GAP / 2, GAP * 0.95 / (2 * math.sin(math.pi / many)))
    turns = [math.pi / 2 - 2 * math.pi * i / many for i in range(many)]
    return [(radius * math.cos(turn), radius * math.sin(turn)) for turn in turns]
