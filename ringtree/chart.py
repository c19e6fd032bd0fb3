"""Bandwidth against size, a line for each algorithm, on logarithmic axes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from _ringtree.errors import InputError
from _ringtree.units import format_bytes
from ringtree.rows import Row

MARKERS = "os^Dv<>ph*"


def draw(rows: Sequence[Row], path: str) -> None:
    """Write the chart of algbw (GB/s); the suffix says the format. In place is dashed, left out where the same."""
    from matplotlib.figure import Figure

    lines: dict[tuple[str, bool], list[tuple[int, float]]] = defaultdict(list)
    for row in rows:
        if row.algbw_GBps is not None:
            lines[row.algorithm, row.in_place].append((row.bytes, row.algbw_GBps))
    if not lines:
        raise InputError("-o: nothing to draw: no row has a bandwidth")
    figure = Figure(figsize=(8.0, 5.0), layout="constrained")
    axes = figure.add_subplot()
    algorithms = list(dict.fromkeys(algorithm for algorithm, _ in lines))
    for (algorithm, in_place), points in lines.items():
        if in_place and points == lines.get((algorithm, False)):
            continue
        number = algorithms.index(algorithm)
        axes.plot(
            *zip(*points, strict=True),
            color=f"C{number % 10}",
            marker=MARKERS[number % len(MARKERS)],
            markersize=4,
            ls="--" if in_place else "-",
            label=algorithm + (", in place" if in_place else ""),
        )
    _label(axes, rows)
    figure.savefig(path, dpi=130, metadata={"Date": None} if path.endswith((".svg", ".pdf")) else None)


def _label(axes: Any, rows: Sequence[Row]) -> None:
    row = rows[0]
    sizes = sorted({row.bytes for row in rows if row.bytes})
    shown = sizes[:: max(1, -(-len(sizes) // 10))]
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xticks(shown, [format_bytes(size) for size in shown], minor=False)
    axes.set_xlabel("bytes")
    axes.set_ylabel("algbw, GB/s")
    axes.set_title(f"{row.collective} on {row.topology}, {row.ranks} ranks, {row.dtype}, clock {row.clock}")
    axes.grid(True, which="both", lw=0.3, alpha=0.6)
    axes.legend(fontsize=8)
