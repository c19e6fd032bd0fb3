"""Price collectives on a board in emulated time, without moving a byte: no MPI, any number of devices.

One row for each algorithm and size; `wrong` is null, since nothing is computed. --records writes a line of JSON for
every transfer on every link: rank, lane, step, src, dst (node ids), bytes, start_us, finish_us; on a shared limit src
and dst are null and a key `limit` names it.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from _ringtree.assume import Assumptions
from _ringtree.errors import InputError
from ringtree.cli import options
from ringtree.cli.output import Printer

if TYPE_CHECKING:
    from collectives import Plan
    from ringtree.rows import Request, Row
    from topology import Topology


def add_arguments(parser: ArgumentParser) -> None:
    options.add_board(parser)
    options.add_placement(parser)
    options.add_collective(parser)
    parser.add_argument("--clock", choices=("virtual",), default="virtual", help="simulated time is always virtual")
    for name in ("--iters", "--warmup"):
        parser.add_argument(name, type=options.whole(0), help="taken for the sake of sweep: every run is the same")
    parser.add_argument("--records", metavar="FILE.jsonl", help="write every transfer on every link; one row only")
    parser.add_argument("--verify", action="store_true", help="prove each program right before it is priced")
    options.add_output(parser, "draw bandwidth against size")


def run(arguments: Namespace) -> int:
    options.settle_algorithms(arguments)
    sizes = options.sizes_of(arguments)
    if arguments.records and len(sizes) * len(arguments.algorithm) > 1:
        raise InputError(
            f"--records: found {len(sizes) * len(arguments.algorithm)} rows; expected one algorithm and one size"
        )
    assume = Assumptions.parse(arguments.assume)
    board = options.load_board(arguments, arguments.topology, assume)
    options.refuse_unused(assume)
    request = options.request(arguments, board)
    printer = Printer("simulate", arguments, request, ("out-of-place",))
    for algorithm in arguments.algorithm:
        for size in sizes:
            printer.add([_row(arguments, board, request, algorithm, size)])
    printer.close()
    return 0


def _row(arguments: Namespace, board: Topology, request: Request, algorithm: str, nbytes: int) -> Row:
    plan = request.plan(board, algorithm, nbytes)
    if arguments.verify:
        from _ringtree.core import verify

        verify(plan.program)
    time_us = _record(arguments.records, board, plan) if arguments.records else plan.time_us
    return request.row(
        board, algorithm, nbytes, clock="virtual", time_us=time_us, plan=plan.plan, assumed=list(board.assumed)
    )


def _record(path: str, board: Topology, plan: Plan) -> float:
    """Simulate once more with every transfer written; the time of the last rank, us."""
    from ringtree.records import recording

    with recording(path, board) as observer:
        return max(plan.simulate(observer=observer))
