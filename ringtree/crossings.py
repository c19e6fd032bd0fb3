"""The order of nodes on a circle in which few links cross: local search, the same answer every time."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from itertools import combinations

TOO_MANY = 24  # beyond, the search takes longer than it helps
WORK = 96  # nodes times starts


def best_circle(nodes: Sequence[int], links: Sequence[tuple[int, int]]) -> list[int]:
    """The best of several orders that no swap or reversal improves; their own order where nothing is gained."""
    order = list(nodes)
    complete = len(links) == len(nodes) * (len(nodes) - 1) // 2
    if len(nodes) > TOO_MANY or complete:
        return order
    shuffle = random.Random(0).sample
    starts = [order, *([order[0], *shuffle(order[1:], len(order) - 1)] for _ in range(WORK // len(nodes)))]
    found = [_improved(start, links) for start in starts]
    return min(found, key=lambda candidate: (_cost(candidate, links), candidate))


def _improved(order: list[int], links: Sequence[tuple[int, int]]) -> list[int]:
    best = _cost(order, links)
    improved = True
    while improved:
        improved = False
        for candidate in _neighbours(order):
            cost = _cost(candidate, links)
            if cost < best:
                order, best, improved = candidate, cost, True
                break
    return order


def _neighbours(order: list[int]) -> Iterator[list[int]]:
    for i, j in combinations(range(1, len(order)), 2):
        swapped = order.copy()
        swapped[i], swapped[j] = order[j], order[i]
        yield swapped
        if j - i > 2:
            yield order[:i] + order[i : j + 1][::-1] + order[j + 1 :]


def _cost(order: list[int], links: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """Crossings, then how far around the circle the links reach."""
    place = {node: i for i, node in enumerate(order)}
    chords = sorted((min(place[a], place[b]), max(place[a], place[b])) for a, b in links)
    crossings = sum(a < c < b < d for (a, b), (c, d) in combinations(chords, 2))
    length = sum(min(b - a, len(order) - b + a) for a, b in chords)
    return crossings, length
