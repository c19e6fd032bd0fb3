"""A board drawn with matplotlib: links as wide as their bandwidth, boards as boxes."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ringtree.layout import Box, Layout, Point, arrange
from ringtree.report import fit

if TYPE_CHECKING:
    from topology import Link, Topology

WIDEST = 7.0  # points, for the link with the most bandwidth
THINNEST = 0.6
INCHES = 0.62  # on paper, for a unit of the layout
MOST_INCHES = 45.0
COLOURS = ("#3566a8", "#c2662d", "#3d8a4a", "#8a4a9e", "#9a8a20", "#2a8f96", "#a83550", "#6b6b6b")
LOOKS = {  # of a node: fill, edge, box style
    "device": ("#dfe9f7", "#27476e", "round,pad=0.28,rounding_size=0.12"),
    "switch": ("#fbe6cf", "#8a5a1f", "round,pad=0.28,rounding_size=0.3"),
    "host": ("#e9e9e9", "#444444", "square,pad=0.32"),
    "pcie": ("#f3f3f3", "#666666", "round,pad=0.24,rounding_size=0.3"),
    "nic": ("#e2f3e4", "#2f6d3a", "square,pad=0.22"),
}


@dataclass(frozen=True)
class _Style:
    """What makes two links look alike."""

    kind: str
    count: int
    bandwidth_GBps: float | None

    @property
    def text(self) -> str:
        if self.bandwidth_GBps is None:
            return f"{self.kind}: bandwidth not known" + (f", {self.count} links" if self.count > 1 else "")
        if self.count > 1:
            each = f"{self.bandwidth_GBps / self.count:g}"
            return f"{self.kind}: {self.count} × {each} = {self.bandwidth_GBps:g} GB/s"
        return f"{self.kind}: {self.bandwidth_GBps:g} GB/s"


def draw(board: Topology, path: str) -> None:
    """Write the picture to the path; the suffix says the format. Bandwidths are per direction."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    layout = arrange(board)
    xs, ys = zip(*layout.points.values(), *(_far_corner(box) for box in layout.boxes), strict=True)
    left, bottom, right, top = min(0.0, *xs) - 0.6, min(0.0, *ys) - 0.6, max(xs) + 0.6, max(ys) + 0.6
    scale = min(INCHES, MOST_INCHES / max(right - left, top - bottom))
    with mpl.rc_context({"svg.hashsalt": board.digest(), "font.size": 9}):
        figure = Figure(figsize=((right - left) * scale, (top - bottom) * scale))
        axes = figure.add_axes((0.0, 0.0, 1.0, 1.0), xlim=(left, right), ylim=(bottom, top))
        axes.set_axis_off()
        for box in layout.boxes:
            _frame(axes, box)
        _links(axes, board, layout)
        _nodes(axes, board, layout)
        axes.set_title(_title(board), fontsize=11)
        dated = {"Date": None} if path.endswith((".svg", ".pdf")) else None
        figure.savefig(path, dpi=130, bbox_inches="tight", pad_inches=0.15, metadata=dated)


def _far_corner(box: Box) -> Point:
    return box.left + box.width, box.bottom + box.height


def _title(board: Topology) -> str:
    import textwrap

    what = "\n".join(textwrap.wrap(board.description, 90))
    return f"{board.name}\n{what}" if what else board.name


def _frame(axes: Any, box: Box) -> None:
    from matplotlib.patches import FancyBboxPatch

    corner, style = (box.left, box.bottom), "round,pad=0,rounding_size=0.25"
    axes.add_patch(
        FancyBboxPatch(corner, box.width, box.height, boxstyle=style, fc="#fafafa", ec="#9a9a9a", lw=1, zorder=0)
    )
    axes.text(box.left + 0.2, box.bottom + 0.2, box.name.rpartition(".")[2], color="#666666", fontsize=10, zorder=1)


def _nodes(axes: Any, board: Topology, layout: Layout) -> None:
    for node_id, (x, y) in layout.points.items():
        node = board.nodes[node_id]
        fill, edge, style = LOOKS[node.kind]
        label = node.name.rpartition(".")[2]
        stack = layout.stands_for.get(node_id, [])
        if stack:
            label = f"{len(stack)} devices\n{label} … {board.nodes[stack[-1]].name.rpartition('.')[2]}"
        for offset in (0.16, 0.08, 0.0) if stack else (0.0,):
            axes.text(
                x + offset, y - offset, label, ha="center", va="center", fontsize=8 if len(label) < 10 else 6.5,
                zorder=5 - offset, bbox={"boxstyle": style, "fc": fill, "ec": edge, "lw": 1.1},
            )  # fmt: skip


def _links(axes: Any, board: Topology, layout: Layout) -> None:
    styles = {_style(link) for link in board.links}
    most = max((s.bandwidth_GBps or 0.0 for s in styles), default=0.0) or 1.0
    kinds = sorted({style.kind for style in styles})
    colours = {kind: COLOURS[i % len(COLOURS)] for i, kind in enumerate(kinds)}
    looks = {
        style: {
            "color": colours[style.kind],
            "lw": max(THINNEST, WIDEST * (style.bandwidth_GBps or 0.0) / most),
            "ls": "-" if style.bandwidth_GBps else (0, (2, 2)),
        }
        for style in styles
    }
    for link in board.links:
        if link.src in layout.points and link.dst in layout.points:
            _link(axes, board, layout, link, looks[_style(link)])
    _legend(axes, board, looks)


def _style(link: Link) -> _Style:
    return _Style(link.kind, link.count, link.bandwidth_GBps)


def _link(axes: Any, board: Topology, layout: Layout, link: Link, look: dict[str, Any]) -> None:
    """One line for both directions where they are alike, else an arrow each."""
    from matplotlib.patches import FancyArrowPatch

    back = board.link_index.get((link.dst, link.src))
    alike = back is not None and _style(board.links[back]) == _style(link)
    if alike and link.src > link.dst:
        return
    start, end = layout.points[link.src], layout.points[link.dst]
    bend = 0.0 if alike else 0.12
    between_devices = board.nodes[link.src].kind == board.nodes[link.dst].kind == "device"
    if layout.is_grid and _passes_over(start, end, layout):
        bend = 0.28
    axes.add_patch(
        FancyArrowPatch(
            start, end, arrowstyle="-" if alike else "-|>", mutation_scale=12, connectionstyle=f"arc3,rad={bend}",
            shrinkA=0, shrinkB=0 if alike else 16, zorder=2 + between_devices, alpha=0.9 if between_devices else 0.6,
            capstyle="butt", **look,
        )
    )  # fmt: skip


def _passes_over(start: Point, end: Point, layout: Layout) -> bool:
    """Whether another node stands on the straight line between the two."""
    (ax, ay), (bx, by) = start, end
    for x, y in layout.points.values():
        across = (bx - ax) * (y - ay) - (by - ay) * (x - ax)
        along = (bx - ax) * (x - ax) + (by - ay) * (y - ay)
        if abs(across) < 1e-9 and 1e-9 < along < (bx - ax) ** 2 + (by - ay) ** 2 - 1e-9:
            return True
    return False


def _legend(axes: Any, board: Topology, looks: dict[_Style, dict[str, Any]]) -> None:
    from matplotlib.lines import Line2D

    limits: dict[tuple[str, float | None], int] = defaultdict(int)
    for limit in board.limits:
        limits[limit.kind, limit.bandwidth_GBps] += 1
    ordered = sorted(looks, key=lambda s: (-(s.bandwidth_GBps or 0.0), s.kind, s.count))
    lines = [Line2D([], [], **looks[style]) for style in ordered]
    names = [style.text for style in ordered]
    for (kind, bandwidth), count in limits.items():
        lines.append(Line2D([], [], ls=""))
        names.append(f"shared limit {kind}: {fit(bandwidth, 8)} GB/s" + (f", {count} of them" if count > 1 else ""))
    axes.legend(
        lines, names, loc="upper center", bbox_to_anchor=(0.5, 0.0), ncols=min(3, len(names)), frameon=False,
        title="per direction", title_fontsize=8, fontsize=8, handlelength=3.5,
    )  # fmt: skip
