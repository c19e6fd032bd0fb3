"""Where rows go: text as they come, or JSON, CSV and a picture when all are there."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence

from _ringtree.core import dtype_size
from _ringtree.errors import InputError
from ringtree import report
from ringtree.files import require_writable, write_file, writing
from ringtree.rows import Request, Row

PICTURES = (".svg", ".png", ".pdf")


class Printer:
    """Text is the default; --json and --csv take its place on stdout."""

    def __init__(self, verb: str, arguments: Namespace, request: Request, halves: Sequence[str]) -> None:
        check_outputs(arguments)
        self.verb = verb
        self.arguments = arguments
        self.table = report.Table(arguments.algorithm, halves, dtype_size(request.dtype))
        self.rows: list[Row] = []
        self.as_text = not arguments.json and arguments.csv != "-"

    def add(self, rows: Sequence[Row]) -> None:
        """Rows that differ in `in_place` alone: one line of text."""
        if self.as_text and not self.rows:
            print("\n".join([*report.heading(self.verb, rows[0]), *self.table.header()]))
        if self.as_text:
            print(self.table.line(rows), flush=True)
        self.rows += rows

    def close(self) -> None:
        """Write what was asked for."""
        if self.arguments.json:
            print(report.to_json(row.as_dict() for row in self.rows))
        if self.arguments.csv == "-":
            print(report.to_csv(self.rows), end="")
        elif self.arguments.csv:
            write_file(self.arguments.csv, report.to_csv(self.rows))
        if self.arguments.output:
            from ringtree.chart import draw

            with writing(self.arguments.output):
                draw(self.rows, self.arguments.output)


def check_outputs(arguments: Namespace) -> None:
    """Refuse before the run what could not be written after it."""
    if arguments.json and arguments.csv == "-":
        raise InputError("--json and --csv: both want stdout; expected --csv FILE with --json")
    if arguments.csv not in (None, "-"):
        require_writable(arguments.csv, "--csv")
    check_picture(arguments.output)


def check_picture(path: str | None) -> None:
    """Refuse early what could not be drawn at the end: the suffix, the file, matplotlib."""
    if path is None:
        return
    if not path.endswith(PICTURES):
        raise InputError(f"-o {path}: expected a name that ends in {', '.join(PICTURES)}")
    require_writable(path, "-o")
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise InputError("-o: drawing needs matplotlib; pip install 'ringtree[plot]'") from None
