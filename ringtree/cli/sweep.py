"""Run collectives on real bytes, one rank for each device, and check and time them.

Starts its own ranks (--ranks, or one for each device) when it does not run under mpirun already. The topology `none`
is no emulation at all: the host's own speed. Inputs are such that the exact result is known; wrong elements are
counted, on all ranks together, and make the exit status 1. Rows come out of place and in place; broadcast and barrier
have one form.
"""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING, Any

from _ringtree.assume import Assumptions
from _ringtree.errors import InputError, VerificationError
from ringtree.cli import options

if TYPE_CHECKING:
    from ringtree.bench import Sweep
    from ringtree.rows import Request
    from topology import Topology


def add_arguments(parser: ArgumentParser) -> None:
    options.add_board(parser)
    options.add_placement(parser)
    options.add_collective(parser)
    parser.add_argument("--clock", choices=options.CLOCKS, help="default: virtual on a board, off with none")
    parser.add_argument(
        "--iters", type=options.whole(1), help="timed runs of each (default: 1 virtual, 5 wall, 20 off)"
    )
    parser.add_argument("--warmup", type=options.whole(0), help="runs before them (default: 0 virtual, 1 wall, 2 off)")
    parser.add_argument("--progress", action="store_true", help="show progress on stderr even if it is no terminal")
    options.add_output(parser, "draw bandwidth against size")


def run(arguments: Namespace) -> int:
    from ringtree.launch import launch, under_mpi

    options.settle_algorithms(arguments)
    if under_mpi():
        from ringtree.together import run_together

        return run_together(lambda: _run_rank(arguments))
    board, assume = _board(arguments)
    request = _request(arguments, board, None)
    _check(arguments, board, assume, request)
    return launch(["sweep", *arguments.argv], request.ranks)


def _board(arguments: Namespace) -> tuple[Topology | None, Assumptions]:
    assume = Assumptions.parse(arguments.assume)
    if arguments.topology == "none":
        for name, value in (("--devices", arguments.devices), ("--latency", arguments.latency)):
            if value is not None:
                raise InputError(f"{name}: there are no devices and links without a board")
        return None, assume
    return options.load_board(arguments, arguments.topology, assume), assume


def _request(arguments: Namespace, board: Topology | None, size: int | None) -> Request:
    """`size`: of COMM_WORLD, once there is one."""
    if size is not None and arguments.ranks not in (None, size):
        raise InputError(f"--ranks: found {arguments.ranks}; mpirun started {size}")
    arguments.ranks = arguments.ranks or size
    if board is not None:
        return options.request(arguments, board)
    if arguments.ranks is None:
        raise InputError("--ranks: how many is not said; a board would tell")
    return options.make_request(arguments, arguments.ranks, None)


def _clock(arguments: Namespace, board: Topology | None) -> str:
    if board is None and arguments.clock not in (None, "off"):
        raise InputError(f"--clock: found {arguments.clock}; without a board the clock is off")
    return arguments.clock or ("off" if board is None else "virtual")


def _check(arguments: Namespace, board: Topology | None, assume: Assumptions, request: Request) -> None:
    """What can be wrong with the arguments is found before any rank is started."""
    from collectives import parse
    from ringtree.cli.output import check_outputs

    _clock(arguments, board)
    check_outputs(arguments)
    smallest = min(options.sizes_of(arguments))
    for algorithm in arguments.algorithm:
        if board is None:
            parse(algorithm)
        else:
            request.plan(board, algorithm, smallest)
    if board is not None:
        options.require_profiles(board, assume)
    options.refuse_unused(assume)


def _run_rank(arguments: Namespace) -> int:
    from mpi4py import MPI

    from ringtree import bench
    from ringtree.cli.output import Printer

    world = MPI.COMM_WORLD
    board, assume = _board(arguments)
    request = _request(arguments, board, world.Get_size())
    _check(arguments, board, assume, request)
    sweep = bench.Sweep(
        request, board, _clock(arguments, board), assume, arguments.algorithm, options.sizes_of(arguments),
        arguments.warmup, arguments.iters,
    )  # fmt: skip
    printer = Printer("sweep", arguments, request, ("out-of-place", "in-place")) if world.Get_rank() == 0 else None
    wrong = 0
    with _progress(arguments, sweep, printer is not None) as bar:
        for rows in bench.run(sweep):
            wrong += sum(row.wrong or 0 for row in rows)
            if printer:
                bar.clear()
                printer.add(rows)
                bar.update(len(rows))
    if printer:
        printer.close()
    if wrong:
        raise VerificationError(f"{wrong} wrong elements; see the rows whose #wrong is not 0")
    return 0


def _progress(arguments: Namespace, sweep: Sweep, shown: bool) -> Any:
    from tqdm import tqdm

    from ringtree.launch import PROGRESS

    forced = arguments.progress or os.environ.get(PROGRESS) == "1"
    disable = None if shown and not forced else not shown
    return tqdm(total=sweep.steps(), desc="sweep", unit="row", disable=disable, leave=False)
