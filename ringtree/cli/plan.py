"""Plan a collective on a board: the fastest program in simulation, its runners-up, and how good it is.

The first row is the plan chosen, the best of each other algorithm follows. --table (or --sizes) gives the chosen plan
of every size. --without and --slow say what is lost or slow on the board, and what that costs: the first row is the
plan for what is left, the last one that of the whole board.

faults:  link:A-B, link:A>B (one direction), chip:A, node:A; with --slow, =FACTOR behind it: chip:3=0.5. A and B are
         device numbers or names of nodes; a slow chip or node is slow on all links that leave or enter it.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING, Any

from _ringtree.assume import Assumptions
from _ringtree.errors import InputError
from _ringtree.units import parse_sizes
from ringtree.cli import options

if TYPE_CHECKING:
    from collectives import Plan
    from ringtree.case import Case
    from ringtree.rows import Row

DEFAULT_BYTES = 64 * 2**20
DEFAULT_TABLE = "1KiB:1GiB:x4"
# An algorithm file is the plan chosen if it takes no longer than so many times as long.
AS_FAST = 1.001
# Options of the plan itself, which a file brings with it; and their values where they are not given.
OF_THE_FILE: dict[str, Any] = {
    "topology": None, "collective": "all_reduce", "algorithm": None, "sizes": None, "bytes": None, "dtype": "float32",
    "op": "sum", "root": 0, "cost": 0.0, "ranks": None, "devices": None, "latency": None, "assume": [],
    "without": [], "slow": [], "table": False,
}  # fmt: skip


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("topology", nargs="?", help="name of a shipped board, or a file; --load brings its own")
    options.add_figures(parser)
    options.add_placement(parser)
    options.add_collective(parser, f"{DEFAULT_TABLE} with --table, else --bytes 64MiB")
    option = parser.add_argument
    option("--table", action="store_true", help="the chosen plan of each of --sizes")
    for name, what in (("--without", "what is lost, as link:0-6"), ("--slow", "what is slow, as chip:3=0.5")):
        option(name, action="append", default=[], metavar="FAULT", help=f"{what}; may be repeated")
    option("--save", metavar="FILE.json", help="write the plan chosen, for --load and --algorithm file:FILE.json")
    option("--load", metavar="FILE.json", help="a plan that was saved, in place of a new one")
    option("--xml", metavar="FILE.xml", help="write the best plan that MSCCL runtimes take as an algorithm file")
    options.add_output(parser, "draw the plan's trees or rings; with --table, bandwidth against size")


def run(arguments: Namespace) -> int:
    from ringtree.cli.output import check_outputs
    from ringtree.files import require_writable

    check_outputs(arguments)
    for name in ("save", "xml"):
        if getattr(arguments, name) is not None:
            require_writable(getattr(arguments, name), f"--{name}")
    if arguments.load is not None:
        return _saved(arguments)
    if arguments.topology is None:
        raise InputError("the following arguments are required: topology")
    options.settle_algorithms(arguments)
    sizes = _sizes(arguments)
    cases = _cases(arguments)
    if arguments.table:
        _table(arguments, cases, sizes)
    else:
        _one(arguments, cases, sizes[0])
    return 0


def _sizes(arguments: Namespace) -> list[int]:
    arguments.table = arguments.table or arguments.sizes is not None
    if arguments.table and (arguments.save or arguments.xml):
        raise InputError("--save and --xml: write one plan; expected --bytes, without --table and --sizes")
    if arguments.bytes is None and arguments.sizes is None:
        if arguments.table:
            arguments.sizes = parse_sizes(DEFAULT_TABLE)
        else:
            arguments.bytes = DEFAULT_BYTES
    return options.sizes_of(arguments)


def _cases(arguments: Namespace) -> list[Case]:
    """The board as it is left by the faults, then the whole one; without faults that alone."""
    from ringtree.case import Case
    from ringtree.faults import carried_over
    from topology import degraded

    assume = Assumptions.parse(arguments.assume)
    whole = options.load_board(arguments, arguments.topology, assume)
    options.refuse_unused(assume)
    request = options.request(arguments, whole)
    if not arguments.without and not arguments.slow:
        return [Case.of(request, whole)]
    left = degraded(whole, arguments.without, arguments.slow)
    return [Case.of(carried_over(request, whole, left), left), Case.of(request, whole)]


def _one(arguments: Namespace, cases: list[Case], nbytes: int) -> None:
    from ringtree import plan_text
    from ringtree.faults import kept_up, repaired

    case = cases[0]
    ranking = case.ranking(arguments.algorithm, nbytes)
    rows = [case.row(plan, nbytes) for plan in ranking]
    lines = [*plan_text.heading(rows[0], [nbytes]), *plan_text.chosen(case, ranking[0], rows[0])]
    following = plan_text.runners_up(rows)
    for whole in cases[1:]:
        before = whole.best(arguments.algorithm, nbytes)
        rows.append(whole.row(before, nbytes))
        fates = kept_up(before, ranking[0]), repaired(before, ranking[0])
        lines += plan_text.cost_of_faults(rows[-1], rows[0], *fates)
    _finish(arguments, case, ranking, rows, [*lines, *following])


def _saved(arguments: Namespace) -> int:
    """Show the plan in a file, simulated anew."""
    from collectives import Plan
    from ringtree import plan_text
    from ringtree.case import Case
    from ringtree.rows import Request

    for name, usual in OF_THE_FILE.items():
        if getattr(arguments, name) != usual:
            option = name if name == "topology" else f"--{name}"
            raise InputError(f"{option}: the plan in {arguments.load} has its own; expected --load without it")
    plan = Plan.load(arguments.load)
    board, shape = plan.topology, plan.collective
    if board is None:
        raise InputError(f"{arguments.load}: found a plan without a board; expected one that can be simulated")
    devices = [board.devices.index(node) for node in plan.placement]
    request = Request(shape.kind, plan.dtype, plan.op, shape.root, shape.ranks, devices, plan.cost_us)
    case = Case.of(request, board)
    row = case.row(plan, plan.nbytes)
    lines = [*plan_text.heading(row, [plan.nbytes]), *plan_text.chosen(case, plan, row)]
    _finish(arguments, case, [plan], [row], lines)
    return 0


def _finish(arguments: Namespace, case: Case, ranking: list[Plan], rows: list[Row], lines: list[str]) -> None:
    """Write the files that were asked for, then print."""
    from ringtree.files import write_file, writing

    nbytes = rows[0].bytes
    if arguments.save:
        with writing(arguments.save):
            ranking[0].save(arguments.save)
    if arguments.xml:
        from ringtree.msccl_file import fitting

        written, text, time_us = fitting(case, ranking, nbytes)
        write_file(arguments.xml, text)
        if written is not ranking[0] or time_us > AS_FAST * ranking[0].time_us:
            less = f"{written.plan} within the runtimes' limits takes {time_us:.2f} us"
            print(f"ringtree: {arguments.xml}: {less}; the plan {ranking[0].time_us:.2f} us", file=sys.stderr)
    if arguments.output:
        from ringtree.plan_picture import draw

        with writing(arguments.output):
            draw(ranking[0], rows[0], arguments.output)
    _print(arguments, rows, lines)


def _table(arguments: Namespace, cases: list[Case], sizes: list[int]) -> None:
    from tqdm import tqdm

    from ringtree import plan_text

    as_text = not arguments.json and arguments.csv != "-"
    envelope = plan_text.Envelope(faulty=len(cases) > 1)
    rows: list[Row] = []
    healthy: list[Row] = []
    with tqdm(total=len(sizes), desc="plan", unit="size", disable=None, leave=False) as bar:
        for nbytes in sizes:
            found = [cases[0].row(plan, nbytes) for plan in cases[0].ranking(arguments.algorithm, nbytes)]
            before = [case.row(case.best(arguments.algorithm, nbytes), nbytes) for case in cases[1:]]
            bar.clear()
            if as_text and not rows:
                print("\n".join([*plan_text.heading(found[0], sizes), *envelope.header()]))
            if as_text:
                print(envelope.line(found, *before), flush=True)
            rows.append(found[0])
            healthy += before
            bar.update()
    if arguments.output:
        from ringtree.chart import draw
        from ringtree.files import writing

        with writing(arguments.output):
            draw([*rows, *healthy], arguments.output)
    _print(arguments, [*rows, *healthy], [])


def _print(arguments: Namespace, rows: list[Row], lines: list[str]) -> None:
    from ringtree import report
    from ringtree.files import write_file

    if arguments.json:
        print(report.to_json(row.as_dict() for row in rows))
    if arguments.csv == "-":
        print(report.to_csv(rows), end="")
    elif arguments.csv:
        write_file(arguments.csv, report.to_csv(rows))
    if lines and not arguments.json and arguments.csv != "-":
        print("\n".join(lines))
