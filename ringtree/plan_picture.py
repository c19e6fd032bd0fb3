"""A plan drawn with matplotlib: a small picture of the board for each tree or ring, arrows as wide as its share."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from _ringtree.units import format_bytes
from ringtree.layout import Point
from ringtree.plan_places import places
from ringtree.report import fit

if TYPE_CHECKING:
    from collectives import Plan
    from ringtree.rows import Row

MOST_PANELS = 16
WIDEST = 2.6  # points, for the largest share
THINNEST = 0.8
MARGIN = 0.75  # around the chips, in units of the layout
FRAME = 0.6
INCHES = 0.42  # on paper, for a unit of the layout
LEAST_PANEL, MOST_PANEL, LEAST_WIDTH = 1.9, 7.0, 6.0  # inches
UP, DOWN, ROUND, ANY = "#2a62ad", "#d2691e", "#2f7d4f", "#5f6f80"
# Arrows of either direction lie beside each other; where there are both, broadcast beside reduce.
BEND, FARTHER = 0.1, 0.2
CHIP, ROOT = ("#ffffff", "#44566c"), ("#27476e", "#27476e")
MOST_LABELLED = 40
MOST_ARROWS = 1200  # beyond, lines without heads: nobody could tell them apart, and each takes its time

Arrow = tuple[int, int, str]  # from rank, to rank, colour


@dataclass(frozen=True)
class _Panel:
    """One tree or ring: its arrows, its root if it has one, its part of the data and what stands above it."""

    arrows: tuple[Arrow, ...]
    root: int | None
    share: float
    title: str


def draw(plan: Plan, row: Row, path: str) -> None:
    """Write the picture to the path; the suffix says the format."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    assert plan.topology is not None
    panels = sorted(_panels(plan), key=lambda panel: -panel.share)
    shown = panels[:MOST_PANELS]
    points = places(plan.topology, plan.placement)
    width, height = (max(values) + 2 * MARGIN for values in zip(*points, strict=True))
    scale = min(max(INCHES, LEAST_PANEL / width), MOST_PANEL / max(width, height))
    columns = _columns(len(shown), width, height)
    rows = -(-len(shown) // columns)
    size = (max(LEAST_WIDTH, columns * (width * scale + 0.15)), rows * (height * scale + 0.3) + 1.0)
    with mpl.rc_context({"svg.hashsalt": plan.topology.digest(), "font.size": 8}):
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False)
        for each in axes.flat:
            each.set_axis_off()
        for panel, each in zip(shown, axes.flat, strict=False):
            each.set(xlim=(-MARGIN, width - MARGIN), ylim=(-MARGIN, height - MARGIN), aspect="equal")
            _panel(each, plan, panel, points, shown[0].share)
        figure.suptitle(_title(plan, row, panels), fontsize=9)
        _legend(figure, shown)
        dated = {"Date": None} if path.endswith((".svg", ".pdf")) else None
        figure.savefig(path, dpi=130, metadata=dated)


def _columns(many: int, width: float, height: float) -> int:
    """So many side by side that the picture is a little wider than high, and few places stay empty."""

    def cost(columns: int) -> float:
        rows = -(-many // columns)
        return (rows * columns - many) / many + abs(math.log(columns * width / (rows * height) / 1.4))

    return min(range(1, many + 1), key=cost)


def _panels(plan: Plan) -> list[_Panel]:
    recipe, ranks = plan.recipe, plan.collective.ranks
    if recipe and recipe.forest:
        whole = max(1, sum(tree.length for tree in recipe.forest))
        return [_tree(tree.root, tree.up, tree.down, tree.length / whole) for tree in recipe.forest]
    if recipe and recipe.algorithm == "tree" and recipe.orders:
        return [_tree(*_heap(order), 1 / len(recipe.orders)) for order in (recipe.orders[0], recipe.orders[1][::-1])]
    if recipe and recipe.algorithm == "ring":
        orders = recipe.orders or (tuple(range(ranks)),)
        return [_ring(order, number, len(orders)) for number, order in enumerate(orders)]
    ends = dict.fromkeys(plan.program.channel_ends())
    return [_Panel(tuple((src, dst, ANY) for src, dst in ends), None, 1.0, "who sends to whom")]


def _heap(order: Sequence[int]) -> tuple[int, tuple[int, ...], tuple[int, ...]]:
    """The binary tree of an order of ranks: below place p the places 2 p + 1 and 2 p + 2."""
    parents = [-1] * len(order)
    for place in range(1, len(order)):
        parents[order[place]] = order[(place - 1) // 2]
    return order[0], tuple(parents), tuple(parents)


def _tree(root: int, up: Sequence[int] | None, down: Sequence[int] | None, share: float) -> _Panel:
    arrows = [(rank, parent, UP) for rank, parent in enumerate(up or ()) if parent >= 0]
    arrows += [(parent, rank, DOWN) for rank, parent in enumerate(down or ()) if parent >= 0]
    return _Panel(tuple(arrows), root, share, f"root {root}: {_percent(share)}")


def _ring(order: Sequence[int], number: int, many: int) -> _Panel:
    arrows = tuple((order[i - 1], rank, ROUND) for i, rank in enumerate(order))
    return _Panel(arrows, None, 1 / many, f"ring {number}: {_percent(1 / many)}")


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _panel(axes: Any, plan: Plan, panel: _Panel, points: Sequence[Point], largest: float) -> None:
    from matplotlib.patches import FancyBboxPatch

    axes.set_title(panel.title, fontsize=8, pad=2)
    for left, bottom, width, height in _frames(plan, points):
        shape = "round,pad=0,rounding_size=0.3"
        axes.add_patch(
            FancyBboxPatch((left, bottom), width, height, shape, fc="#fafafa", ec="#c8c8c8", lw=0.8, zorder=0)
        )
    for a, b in _wires(plan):
        axes.plot(*zip(points[a], points[b], strict=True), color="#e4e4e4", lw=1.0, zorder=1, solid_capstyle="butt")
    _arrows(axes, panel, points, largest)
    small = len(points) > MOST_LABELLED
    for rank, (x, y) in enumerate(points):
        fill, edge = ROOT if rank == panel.root else CHIP
        axes.plot(x, y, "o", ms=5 if small else 14, mfc=fill, mec=edge, mew=0.9, zorder=3)
        if not small:
            colour = "white" if rank == panel.root else "#27374a"
            axes.text(x, y, str(rank), ha="center", va="center_baseline", fontsize=7, color=colour, zorder=4)


def _arrows(axes: Any, panel: _Panel, points: Sequence[Point], largest: float) -> None:
    from matplotlib.collections import LineCollection
    from matplotlib.patches import FancyArrowPatch

    if len(panel.arrows) > MOST_ARROWS:
        lines = [(points[src], points[dst]) for src, dst, _ in panel.arrows]
        axes.add_collection(LineCollection(lines, colors=ANY, lw=0.15, zorder=2))
        return
    wide = THINNEST if len(panel.arrows) > 4 * len(points) else max(THINNEST, WIDEST * panel.share / largest)
    both = {colour for _, _, colour in panel.arrows} == {UP, DOWN}
    off = 3 if len(points) > MOST_LABELLED else 8
    for src, dst, colour in panel.arrows:
        bend = FARTHER if both and colour == DOWN else BEND
        axes.add_patch(
            FancyArrowPatch(
                points[src], points[dst], arrowstyle="-|>", mutation_scale=5 + 2 * wide, color=colour, lw=wide,
                connectionstyle=f"arc3,rad={bend}", shrinkA=off, shrinkB=off, zorder=2, alpha=0.85,
            )
        )  # fmt: skip


def _frames(plan: Plan, points: Sequence[Point]) -> Iterator[tuple[float, float, float, float]]:
    """Left, bottom, width and height around the chips of each box, where there are several."""
    assert plan.topology is not None
    boxes: dict[str, list[Point]] = defaultdict(list)
    for node, point in zip(plan.placement, points, strict=True):
        boxes[plan.topology.nodes[node].group].append(point)
    for inside in boxes.values() if len(boxes) > 1 else ():
        xs, ys = zip(*inside, strict=True)
        yield min(xs) - FRAME, min(ys) - FRAME, max(xs) - min(xs) + 2 * FRAME, max(ys) - min(ys) + 2 * FRAME


def _wires(plan: Plan) -> Iterator[tuple[int, int]]:
    """Ranks that a direct link joins, each pair once."""
    rank_of = {node: rank for rank, node in enumerate(plan.placement)}
    assert plan.topology is not None
    pairs = {frozenset((link.src, link.dst)) for link in plan.topology.links}
    for pair in sorted(map(sorted, pairs)):
        if pair[0] in rank_of and pair[1] in rank_of:
            yield rank_of[pair[0]], rank_of[pair[1]]


def _title(plan: Plan, row: Row, panels: Sequence[_Panel]) -> str:
    size = f" of {format_bytes(row.bytes)}" if row.bytes else ""
    lines = [f"{row.collective}{size} on {row.topology}: {plan.plan}"]
    reached = "" if row.percent_of_bound is None else f", {row.percent_of_bound:.1f} % of the bound"
    rate = "" if row.algbw_GBps is None else f", {fit(row.algbw_GBps, 8)} GB/s{reached}"
    labels = "; numbers are ranks" if row.ranks <= MOST_LABELLED else ""
    lines.append(f"{fit(row.time_us, 12)} us{rate}{labels}")
    if len(panels) > MOST_PANELS:
        part = sum(panel.share for panel in panels[:MOST_PANELS])
        lines.append(f"the largest {MOST_PANELS} of {len(panels)} shares, {_percent(part)} of the data")
    return "\n".join(lines)


def _legend(figure: Any, panels: Sequence[_Panel]) -> None:
    from matplotlib.lines import Line2D

    used = {colour for panel in panels for _, _, colour in panel.arrows}
    names = {UP: "reduce, to the root", DOWN: "broadcast, from the root"}
    lines = [(Line2D([], [], color=colour, lw=2), text) for colour, text in names.items() if colour in used]
    if lines:
        handles, texts = zip(*lines, strict=True)
        figure.legend(handles, texts, loc="outside lower center", ncols=2, frameon=False, fontsize=8)
