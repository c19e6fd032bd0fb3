"""What compare_peers.py makes of the measurements: cells, tables, means of ratios, a chart."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tabulate import tabulate

from _ringtree.units import format_bytes
from ringtree.chart import MARKERS

Row = dict[str, Any]
OURS = ("ringtree", "ringtree-symmetric")
# Plain arrays that are never lent, as in their first calls: shown beside the others.
UNLENT = "ringtree-unlent"


class Block(NamedTuple):
    """What a table is about."""

    ranks: int
    collective: str
    dtype: str
    timing: str

    def __str__(self) -> str:
        dtype = "" if self.collective == "barrier" else f" {self.dtype}"
        return f"{self.collective}{dtype}, {self.ranks} ranks, {self.timing}"


@dataclass
class Cell:
    """One size in a block: each variant's times, a time for each round, in microseconds."""

    block: Block
    bytes: int
    times_us: dict[str, list[float]] = field(default_factory=dict)

    @property
    def median_us(self) -> dict[str, float]:
        """Over the rounds."""
        return {variant: statistics.median(times) for variant, times in self.times_us.items()}

    def best(self, names: Iterable[str]) -> str | None:
        """The fastest of the variants that were measured."""
        medians = self.median_us
        return min((name for name in names if name in medians), key=medians.__getitem__, default=None)

    @property
    def best_peer(self) -> str | None:
        """The fastest variant of all peers."""
        return self.best(name for name in self.times_us if name not in (*OURS, UNLENT))

    def ratio(self, ours: str) -> float | None:
        """How many times as long as ours the best peer takes."""
        medians, best = self.median_us, self.best_peer
        if best is None or ours not in medians:
            return None
        return medians[best] / medians[ours]

    def row(self) -> Row:
        """As in --json."""
        return {**self.block._asdict(), "bytes": self.bytes, "times_us": self.times_us, "median_us": self.median_us,
                "best_peer": self.best_peer, "ratios": {ours: self.ratio(ours) for ours in OURS}}  # fmt: skip


def cells(rows: Iterable[Row]) -> list[Cell]:
    """Of the lines that ranks wrote, each with its variant and ranks; in the order in which they came."""
    found: dict[tuple[Block, int], Cell] = {}
    for row in rows:
        block = Block(row["ranks"], row["collective"], row["dtype"], row["timing"])
        cell = found.setdefault((block, row["bytes"]), Cell(block, row["bytes"]))
        cell.times_us.setdefault(row["variant"], []).append(row["us"])
    return list(found.values())


def blocks(found: Iterable[Cell]) -> dict[Block, list[Cell]]:
    """Cells by what their table is about, sizes ascending."""
    grouped = defaultdict(list)
    for cell in found:
        grouped[cell.block].append(cell)
    return {block: sorted(grouped[block], key=lambda cell: cell.bytes) for block in grouped}


def mean_ratio(found: Iterable[Cell], ours: str) -> float | None:
    """Geometric, of the cells that have one."""
    ratios = [ratio for cell in found if (ratio := cell.ratio(ours)) is not None]
    return statistics.geometric_mean(ratios) if ratios else None


def table(block: Block, found: Sequence[Cell], peers: dict[str, list[str]]) -> str:
    """Medians in us, of each peer the best of its variants, and ratios: above 1 ringtree is the faster one."""
    lines: list[list[Any]] = []
    for cell in found:
        medians = cell.median_us
        shown = [cell.best(names) for names in peers.values()]
        shown += [OURS[0], UNLENT, OURS[1]]
        lines.append([format_bytes(cell.bytes), *(_us(medians.get(name or "")) for name in shown),
                      cell.best_peer or "none", *(_ratio(cell.ratio(ours)) for ours in OURS)])  # fmt: skip
    means = [_ratio(mean_ratio(found, ours)) for ours in OURS]
    lines.append(["geometric mean", *[""] * (len(peers) + len(OURS) + 2), *means])
    heads = ["bytes", *peers, "ringtree", "unlent", "symmetric", "best peer", "ratio", "ratio symmetric"]
    align = ["right"] * (len(heads) - 3) + ["left", "right", "right"]
    return f"{block}; us\n" + tabulate(lines, heads, colalign=align, disable_numparse=True)


def summary(found: Sequence[Cell]) -> str:
    """Geometric means of the ratios over sizes: a line for each collective and timing, plain and symmetric arrays."""
    grouped = blocks(found)
    ranks = sorted({block.ranks for block in grouped})
    kinds = dict.fromkeys((block.collective, block.dtype, block.timing) for block in grouped)
    lines = []
    for kind in kinds:
        parts = [grouped.get(Block(count, *kind), []) for count in ranks]
        collective, dtype, timing = kind
        words = [collective, "" if collective == "barrier" else dtype, timing]
        lines.append([*words, *(" / ".join(_ratio(mean_ratio(part, ours)) for ours in OURS) for part in parts)])
    heads = ["collective", "dtype", "timing", *(f"{count} ranks" for count in ranks)]
    align = ["left"] * 3 + ["right"] * len(ranks)
    title = "geometric means of best peer / ringtree, plain / symmetric arrays; above 1 ringtree is faster\n"
    return title + tabulate(lines, heads, colalign=align, disable_numparse=True)


def notes(unavailable: Sequence[Row], failures: Sequence[Row], wrong: Sequence[Row]) -> str:
    """What is missing from the tables and why, and which results were wrong."""
    lines = [f"{row['variant']}: no {row['collective']} of {row['dtype']}: {row['unavailable']}" for row in unavailable]
    for row in failures:
        where = "not measured" if row["ranks"] is None else f"{row['ranks']} ranks, round {row['round']}, not finished"
        lines.append(f"{row['variant']}: {where}: {row['reason']}")
    for row in wrong:
        what = Block(row["ranks"], row["collective"], row["dtype"], row["timing"])
        lines.append(f"{row['variant']}: {what}, {format_bytes(row['bytes'])}: WRONG in {row['wrong']} elements")
    return "\n".join(lines) if lines else "every library ran everything, every result is right"


def _us(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.{0 if value >= 1e4 else 1 if value >= 100 else 2}f}"


def _ratio(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.{2 if value >= 0.1 else 3}f}"


def draw(found: Sequence[Cell], path: str) -> None:
    """Ratios against size: a panel for each collective and timing, lines for numbers of ranks and kinds of arrays."""
    from matplotlib.figure import Figure

    grouped = blocks(found)
    kinds = list(dict.fromkeys((block.collective, block.dtype) for block in grouped))
    timings = list(dict.fromkeys(block.timing for block in grouped))
    ranks = sorted({block.ranks for block in grouped})
    across = min(4, len(kinds))
    down = math.ceil(len(kinds) / across)
    figure = Figure(figsize=(1.2 + 3.8 * across, 1.2 + 2.9 * down * len(timings)), layout="constrained")
    panels = figure.subplots(down * len(timings), across, squeeze=False, sharey=True)
    for axes in panels.flat:
        axes.set_visible(False)
    for row, timing in enumerate(timings):
        for column, (collective, dtype) in enumerate(kinds):
            axes = panels[row * down + column // across][column % across]
            lines = {count: grouped.get(Block(count, collective, dtype, timing), []) for count in ranks}
            _panel(axes, lines)
            axes.set_title(f"{collective} {dtype if collective != 'barrier' else ''}\n{timing}", fontsize=10)
    handles, labels = panels[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(8, len(labels)), fontsize=9)
    figure.supylabel("best peer's time / ringtree's (above 1: ringtree is faster)")
    figure.savefig(path, dpi=110, metadata={"Date": None} if path.endswith((".svg", ".pdf")) else None)


def _panel(axes: Any, lines: dict[int, list[Cell]]) -> None:
    """Solid: plain arrays. Dashed: symmetric ones. A barrier has no sizes; there it is the ranks that run along."""
    axes.set_visible(True)
    axes.axhline(1, color="black", lw=1)
    sizes = sorted({cell.bytes for cells in lines.values() for cell in cells})
    barrier = sizes == [0]
    for number, (count, cells) in enumerate(lines.items()):
        for ours, style in zip(OURS, ("-", "--"), strict=True):
            points = [(count if barrier else cell.bytes, cell.ratio(ours)) for cell in cells]
            points = [(x, y) for x, y in points if y is not None]
            label = f"{count} ranks" + (", symmetric" if style == "--" else "")
            axes.plot([x for x, _ in points], [y for _, y in points], style, color=f"C{number}", label=label,
                      marker=MARKERS[number], markersize=4, fillstyle="full" if style == "-" else "none")  # fmt: skip
    axes.set_yscale("log", base=2)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.2g}")
    if barrier:
        axes.set_xticks(list(lines), [f"{count} ranks" for count in lines])
    else:
        shown = sizes[:: max(1, math.ceil(len(sizes) / 7))]
        axes.set_xscale("log", base=2)
        axes.set_xticks(shown, [format_bytes(size) for size in shown], minor=False, rotation=30, fontsize=8)
    axes.grid(True, which="major", lw=0.3, alpha=0.6)
    axes.tick_params(labelleft=True)
