"""Rows as text for people (the columns of nccl-tests), and as JSON and CSV for programs.

JSON and CSV carry full doubles; only text is rounded.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import Any

from ringtree.rows import Row

KEYS = tuple(field.name for field in fields(Row))


def to_json(values: Iterable[dict[str, Any]]) -> str:
    """One array, an object a line."""
    lines = ",\n ".join(json.dumps(value, allow_nan=False) for value in values)
    return f"[{lines}]"


def quote(text: str) -> str:
    """A JSON string."""
    return json.dumps(text)


def to_csv(rows: Iterable[Row]) -> str:
    """A header and a line a row; lists joined with `;`, unknown values empty, true and false as in JSON."""
    import csv
    import io

    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(KEYS)
    writer.writerows([_cell(value) for value in row.as_dict().values()] for row in rows)
    return out.getvalue()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ";".join(map(str, value))
    return repr(value) if isinstance(value, float) else str(value)


def fit(value: float | None, width: int) -> str:
    """The number with as many decimals as `width` characters hold, two at most; N/A where it is unknown."""
    if value is None:
        return "N/A"
    for form in (".2f", ".1f", ".0f", ".1e"):
        text = format(value, form)
        if len(text) <= width:
            return text
    return format(value, ".0e")


class Table:
    """The text table, a line for each pair of out-of-place and in-place rows, so that it can be printed as it grows."""

    def __init__(self, algorithms: Sequence[str], halves: Sequence[str], element_bytes: int) -> None:
        self.halves = tuple(halves)
        self.element_bytes = element_bytes
        self.width = max(9, *(len(name) for name in algorithms))

    def header(self) -> list[str]:
        """Three comment lines: the halves, the names and the units."""
        lead = f"{'size':>12}  {'count':>12}  {'type':>13}  {'redop':>6}  {'root':>4}  {'algorithm':<{self.width}}"
        unit = f"{'(B)':>12}  {'(elements)':>12}  {'':>13}  {'':>6}  {'':>4}  {'':<{self.width}}"
        names, units, above = lead, unit, " " * len(lead)
        for half in self.halves:
            above += f"  {half:^31}"
            names += f"  {'time':>9}  {'algbw':>6}  {'busbw':>6}  {'#wrong':>6}"
            units += f"  {'(us)':>9}  {'(GB/s)':>6}  {'(GB/s)':>6}  {'':>6}"
        names += f"  {'bound':>6}  {'%bound':>6}  plan"
        units += f"  {'(GB/s)':>6}"
        return ["#" + line.rstrip()[1:] if line[0] == " " else "#" + line for line in (above, names, units)]

    def line(self, pair: Sequence[Row]) -> str:
        """The line of the rows that differ in `in_place` alone."""
        row = pair[0]
        text = (
            f"{row.bytes:>12}  {row.bytes // self.element_bytes:>12}  {row.dtype:>13}  {row.op or 'none':>6}"
            f"  {-1 if row.root is None else row.root:>4}  {row.algorithm:<{self.width}}"
        )
        for half in self.halves:
            text += self._half(next((row for row in pair if row.in_place == (half == "in-place")), None))
        text += f"  {fit(row.bound_GBps, 6):>6}  {fit(row.percent_of_bound, 6):>6}"
        return text if row.plan in (None, row.algorithm) else f"{text}  {row.plan}"

    @staticmethod
    def _half(row: Row | None) -> str:
        if row is None:
            return " " * 33
        wrong = "N/A" if row.wrong is None else str(row.wrong)
        time, algbw, busbw = fit(row.time_us, 9), fit(row.algbw_GBps, 6), fit(row.busbw_GBps, 6)
        return f"  {time:>9}  {algbw:>6}  {busbw:>6}  {wrong:>6}"


def heading(verb: str, row: Row) -> list[str]:
    """Comment lines that say what was run, on what, and what was assumed."""
    clock = f"{row.clock} (isolated)" if row.clock == "virtual" else row.clock
    if row.dilation is not None:
        clock += f", emulated time stretched {row.dilation:g} times"
    lines = [f"# ringtree {verb}: {row.collective} on {row.topology}, {row.ranks} ranks, clock {clock}"]
    return lines + [f"# assumed: {', '.join(row.assumed)}" for _ in row.assumed[:1]]
