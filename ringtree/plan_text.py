"""What `ringtree plan` prints for people."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from _ringtree.units import format_bytes
from ringtree.report import fit

if TYPE_CHECKING:
    from collectives import Plan
    from ringtree.case import Case
    from ringtree.rows import Row

WIDTH = 100
MARGIN = 10


def heading(row: Row, sizes: Sequence[int]) -> list[str]:
    """What is planned, on what, and what was assumed."""
    size = f" of {format_bytes(sizes[0])}" if len(sizes) == 1 and row.collective != "barrier" else ""
    what = ", ".join(
        [row.dtype, *([row.op] if row.op else []), *([f"root {row.root}"] if row.root is not None else [])]
    )
    what += f", clock {row.clock} (isolated)"
    lines = [f"# ringtree plan: {row.collective}{size} on {row.topology}, {row.ranks} ranks, {what}"]
    return lines + [f"# assumed: {', '.join(row.assumed)}" for _ in row.assumed[:1]]


def chosen(case: Case, plan: Plan, row: Row) -> list[str]:
    """The plan, its time, and how good that is."""
    lines = [_part("plan", plan.plan), _part("time", f"{fit(row.time_us, 12)} us")]
    if row.algbw_GBps is not None:
        lines[-1] += f", algbw {fit(row.algbw_GBps, 8)} GB/s, busbw {fit(row.busbw_GBps, 8)} GB/s"
    if case.bound is not None:
        reached = f"; {row.percent_of_bound:.1f} % of it reached" if row.percent_of_bound is not None else ""
        lines.append(_part("bound", f"{fit(case.bound.bound_GBps, 8)} GB/s{reached}"))
        lines.append(_part("", case.bound.proof))
    made_of = _made_of(plan)
    return lines + ([_part("trees", made_of)] if made_of else [])


def runners_up(rows: Sequence[Row]) -> list[str]:
    """The best of each other algorithm, with what it costs to take it instead of the first."""
    if len(rows) < 2:
        return []
    width = max(9, *(len(row.algorithm) for row in rows[1:]))
    lines = [
        f"{'runner-up':<{width}}  {'time':>10}  {'algbw':>7}  {'%bound':>6}  {'slower':>8}  plan",
        f"{'':<{width}}  {'(us)':>10}  {'(GB/s)':>7}  {'':>6}  {'(%)':>8}",
    ]
    for row in rows[1:]:
        lines.append(
            f"{row.algorithm:<{width}}  {fit(row.time_us, 10):>10}  {fit(row.algbw_GBps, 7):>7}"
            f"  {fit(row.percent_of_bound, 6):>6}  {_change(rows[0].time_us, row.time_us):>8}  {row.plan}"
        )
    return ["", *(line.rstrip() for line in lines)]


def cost_of_faults(before: Row, after: Row, kept: str, mended: str) -> list[str]:
    """The whole board beside what is left. What the whole board's plan does there: `kept` as it is, or `mended`."""

    def line(name: str, old: float | None, new: float | None, unit: str) -> str:
        change = "" if not old or new is None else f"{_change(old, new):>8} %"
        return f"{name:<{MARGIN}}{fit(old, 10):>10}  {fit(new, 10):>10}  {unit:<5}{change}".rstrip()

    lines = ["", f"{'':<{MARGIN}}{'before':>10}  {'after':>10}"]
    if before.ranks != after.ranks:
        lines.append(f"{'ranks':<{MARGIN}}{before.ranks:>10}  {after.ranks:>10}")
    lines.append(line("time", before.time_us, after.time_us, "us"))
    if before.algbw_GBps is not None:
        lines.append(line("algbw", before.algbw_GBps, after.algbw_GBps, "GB/s"))
    if before.bound_GBps is not None:
        lines.append(line("bound", before.bound_GBps, after.bound_GBps, "GB/s"))
    lines.append(_part("before", f"{before.plan} on {before.topology}"))
    return lines + [_part(name, text) for name, text in (("kept", kept), ("repaired", mended)) if text]


class Envelope:
    """The table over sizes, a line for each, so that it can be printed as it grows."""

    def __init__(self, faulty: bool) -> None:
        self._faulty = faulty
        self._last: str | None = None

    def header(self) -> list[str]:
        before = f"  {'before':>10}  {'slower':>8}" if self._faulty else ""
        unit = f"  {'(us)':>10}  {'(%)':>8}" if self._faulty else ""
        return [
            f"#{'size':>11}  {'time':>10}  {'algbw':>7}  {'%bound':>6}{before}  {'plan':<38}  runner-up",
            f"#{'(B)':>11}  {'(us)':>10}  {'(GB/s)':>7}  {'':>6}{unit}".rstrip(),
        ]

    def line(self, rows: Sequence[Row], before: Row | None = None) -> str:
        """The plan chosen, where it is not that of the line above, and how much slower the next best is."""
        row = rows[0]
        text = f"{row.bytes:>12}  {fit(row.time_us, 10):>10}  {fit(row.algbw_GBps, 7):>7}"
        text += f"  {fit(row.percent_of_bound, 6):>6}"
        if before is not None:
            text += f"  {fit(before.time_us, 10):>10}  {_change(before.time_us, row.time_us):>8}"
        plan = row.plan or ""
        text += f"  {plan if plan != self._last else '=':<38}"
        self._last = plan
        if len(rows) > 1:
            text += f"  {rows[1].algorithm} {_change(row.time_us, rows[1].time_us)} %"
        return text.rstrip()


def _change(old: float, new: float) -> str:
    return f"{100 * (new / old - 1):+.1f}" if old else ""


def _part(name: str, text: str) -> str:
    lead = " " * MARGIN
    return textwrap.fill(
        text, WIDTH, initial_indent=f"{name:<{MARGIN}}", subsequent_indent=lead, break_long_words=False
    )


def _made_of(plan: Plan) -> str:
    """Trees, their hops and shares, in words."""
    trees = plan.recipe.forest if plan.recipe else ()
    if not trees:
        return ""
    hops = sorted(max(_depths(parents)) for tree in trees for parents in (tree.up, tree.down) if parents)
    shares = sorted(tree.length / max(1, plan.collective.count) for tree in trees)
    roots = len({tree.root for tree in trees})
    return (
        f"{len(trees)} from {roots} root{'s' * (roots > 1)}, {_range(hops[0], hops[-1], 'd')} hops each way, "
        f"shares of {_range(100 * shares[0], 100 * shares[-1], '.2g')} %"
    )


def _range(least: float, most: float, form: str) -> str:
    low, high = format(least, form), format(most, form)
    return low if low == high else f"{low} to {high}"


def _depths(parents: Sequence[int]) -> Iterator[int]:
    for rank in range(len(parents)):
        depth = 0
        while parents[rank] >= 0:
            rank, depth = parents[rank], depth + 1
        yield depth
