"""The shortest all-gather of so many steps on a small board, by integer programming.

    minimise  the sum of the steps' durations
    where     each chunk reaches each rank in one step over one hop
              a rank passes a chunk on in a step after the one in which it came, and not back to where it came from
              in each step, what an element carries fits into the duration

Chips that look alike make the program small: the trees of one of them, renumbered, serve the others too. That is tried
first, and then all trees, unless what each rank must receive shows that there is nothing shorter.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

from .model import Topology
from .solver import Solver
from .stepped import WORK, SharedHops, Stepped, SteppedTree, shared_hops, stepped

# Partial renumberings that are tried for a chip before it is taken to be like no other.
MOST_TRIED = 20_000
# What the solver calls zero.
TOLERANCE = 1e-6

Renumbering = tuple[int, ...]


def step_optimal(
    topology: Topology, placement: Sequence[int], steps: int, chunks: int, up: bool = False, seconds: float = 10.0
) -> Stepped:
    """`chunks` trees from each rank (to it, if `up`), of so many steps, which together take the fewest rounds.

    After `seconds`, what is best so far. Raises NoRouteError where a rank is more steps away.
    """
    begin = time.monotonic()
    best = stepped(topology, placement, steps, chunks, up, WORK)
    shared = shared_hops(topology, placement, up)
    least = _least_rounds(shared, chunks)
    alike, apart = _images(shared), {rank: [tuple(range(shared.ranks))] for rank in range(shared.ranks)}
    for images, share in ((alike, 0.5), (apart, 1.0)):
        left = share * seconds - (time.monotonic() - begin)
        if best.rounds <= least + TOLERANCE or left <= 0 or (images is alike and len(alike) == len(apart)):
            continue
        program = _Program(shared, steps, chunks, images, (least, best.rounds))
        found = program.solve(left)
        if images is apart:
            least = max(least, program.model.least)
        if found and found.rounds < best.rounds:
            best = found
    return replace(best, least_rounds=least)


def _least_rounds(shared: SharedHops, chunks: int) -> float:
    """All other ranks' chunks over all hops that lead to the rank."""
    rates = [0.0] * shared.ranks
    for _, dst, elements in shared.hops:
        rates[dst] += 1 / max(shared.busy[element] for element in elements)
    return max(chunks * (shared.ranks - 1) / rate if rate else 0.0 for rate in rates)


class _Program:
    """The integer program, laid out.

    `images`: for each root that has trees of its own, the roots that they serve, by renumbering. `within`: the fewest
    and the most rounds.
    """

    def __init__(
        self,
        shared: SharedHops,
        steps: int,
        chunks: int,
        images: dict[int, list[Renumbering]],
        within: tuple[float, float],
    ) -> None:
        self.shared = shared
        self.steps = range(1, steps + 1)
        self.images = images
        self.chunks = chunks
        self.model = Solver()
        self.elements = {(src, dst): elements for src, dst, elements in shared.hops}
        self.onward = _onward(shared)
        self.busy = {(e, s): self.model.row(upper=0.0) for e in range(len(shared.busy)) for s in self.steps}
        in_all = self.model.row(*within)
        trees = [(root, chunk) for root in images for chunk in range(chunks)]
        rows = {tree: self._rows(tree[0]) for tree in trees}
        for step in self.steps:
            self.model.column(1.0, {in_all: 1.0} | {self.busy[e, step]: -1.0 for e in range(len(shared.busy))})
        self.hops = {tree: self._columns(tree[0], *rows[tree]) for tree in trees}

    def solve(self, seconds: float) -> Stepped | None:
        """None where there was too little time for any trees."""
        self.model.solve(seconds)
        if not self.model.found:
            return None
        values = self.model.values
        trees = []
        for (root, _), columns in self.hops.items():
            arrivals = {dst: (src, step) for (src, dst, step), column in columns.items() if values[column] > 0.5}
            trees += [_image(root, arrivals, renumbering) for renumbering in self.images[root]]
        trees.sort(key=lambda tree: tree.root)
        return Stepped(tuple(trees), self._durations(trees), self.shared.unit_GBps)

    def _rows(self, root: int) -> tuple[dict[int, int], dict[tuple[int, int, int], int]]:
        """Of one tree: that each rank is reached, and for each hop and step that it does not come too early."""
        others = [rank for rank in range(self.shared.ranks) if rank != root]
        reached = {rank: self.model.row(1.0, 1.0) for rank in others}
        in_time = {
            (src, dst, step): self.model.row(lower=0.0)
            for src in others
            for dst in self.onward[src]
            if dst != root
            for step in self.steps
        }
        return reached, in_time

    def _columns(
        self, root: int, reached: dict[int, int], in_time: dict[tuple[int, int, int], int]
    ) -> dict[tuple[int, int, int], int]:
        """Of one tree: whether it takes the hop in that step."""
        away = _distances(self.onward, root)
        columns = {}
        for src, dst in self.elements:
            for step in self.steps:
                if dst == root or away[src] >= step:
                    continue
                entries = defaultdict(float, {reached[dst]: 1.0})
                if src != root:
                    entries[in_time[src, dst, step]] = -1.0
                for further in self.onward[dst] - {src, root}:
                    for later in range(step + 1, len(self.steps) + 1):
                        entries[in_time[dst, further, later]] = 1.0
                for renumbering in self.images[root]:
                    for element in self.elements[renumbering[src], renumbering[dst]]:
                        entries[self.busy[element, step]] += self.shared.busy[element]
                columns[src, dst, step] = self.model.column(0.0, entries, choice=True)
        return columns

    def _durations(self, trees: Sequence[SteppedTree]) -> tuple[float, ...]:
        """As the trees have them: the solver's own are right to its tolerance only."""
        busy = dict.fromkeys(self.busy, 0.0)
        for tree in trees:
            for dst, (src, step) in enumerate(zip(tree.parents, tree.steps, strict=True)):
                for element in self.elements[src, dst] if src >= 0 else ():
                    busy[element, step] += self.shared.busy[element]
        return tuple(max(busy[e, step] for e in range(len(self.shared.busy))) for step in self.steps)


def _image(root: int, arrivals: dict[int, tuple[int, int]], renumbering: Renumbering) -> SteppedTree:
    parents, steps = [-1] * len(renumbering), [0] * len(renumbering)
    for dst, (src, step) in arrivals.items():
        parents[renumbering[dst]], steps[renumbering[dst]] = renumbering[src], step
    return SteppedTree(renumbering[root], tuple(parents), tuple(steps))


def _onward(shared: SharedHops) -> list[set[int]]:
    """Where each rank has hops to."""
    onward: list[set[int]] = [set() for _ in range(shared.ranks)]
    for src, dst, _ in shared.hops:
        onward[src].add(dst)
    return onward


def _distances(onward: Sequence[set[int]], root: int) -> list[float]:
    """In hops."""
    away = [float("inf")] * len(onward)
    away[root] = 0
    queue = [root]
    for rank in queue:
        for further in onward[rank]:
            if away[further] == float("inf"):
                away[further] = away[rank] + 1
                queue.append(further)
    return away


def _images(shared: SharedHops) -> dict[int, list[Renumbering]]:
    """For one of each kind of chips, how to renumber it into each of its kind, all hops staying hops of their kind."""
    kinds = {(src, dst): tuple(sorted(shared.busy[e] for e in elements)) for src, dst, elements in shared.hops}
    images: dict[int, list[Renumbering]] = {}
    for rank in range(shared.ranks):
        for first, found in images.items():
            renumbering = _renumbering(kinds, shared.ranks, first, rank)
            if renumbering:
                found.append(renumbering)
                break
        else:
            images[rank] = [tuple(range(shared.ranks))]
    return images


def _renumbering(
    kinds: dict[tuple[int, int], tuple[float, ...]], ranks: int, first: int, image: int
) -> Renumbering | None:
    """One that takes `first` to `image`, by trying: rank after rank gets an image that fits those before."""
    order = [first, *(rank for rank in range(ranks) if rank != first)]
    tried = 0

    def fits(images: list[int], candidate: int) -> bool:
        rank = order[len(images)]
        return candidate not in images and all(
            kinds.get((rank, order[i])) == kinds.get((candidate, other))
            and kinds.get((order[i], rank)) == kinds.get((other, candidate))
            for i, other in enumerate(images)
        )

    def extended(images: list[int]) -> Iterator[list[int]]:
        nonlocal tried
        if len(images) == ranks:
            yield images
            return
        for candidate in range(ranks):
            tried += 1
            if tried <= MOST_TRIED and fits(images, candidate):
                yield from extended([*images, candidate])

    found = next(extended([image]), None)
    return None if found is None else tuple(images for _, images in sorted(zip(order, found, strict=True)))
