"""Measure where the direct path takes another way on this machine, keep it, and print it.

    ringtree tune                     for 2 ranks and for as many as there are processors
    ringtree tune --ranks 8           for 8
    ringtree tune --ranks 8 --show    only print what is kept; what is not is measured now

What is measured holds for that number of ranks on this machine and this version of ringtree, in the cache
(RINGTREE_CACHE). Communicators without a board measure it themselves at first use.
"""

from __future__ import annotations

import json
import os
import sys
from argparse import ArgumentParser, Namespace

from ringtree.cli import options


def add_arguments(parser: ArgumentParser) -> None:
    option = parser.add_argument
    option("--ranks", type=options.whole(2), default=max(2, os.cpu_count() or 2), help="default: one a processor")
    option("--show", action="store_true", help="what is kept, if it is")
    option("--json", action="store_true", help="one object on stdout, nothing else")


def run(arguments: Namespace) -> int:
    from ringtree import launch

    if not launch.under_mpi():
        flags = [flag for flag in ("show", "json") if getattr(arguments, flag)]
        return launch.launch(
            ["tune", "--ranks", str(arguments.ranks), *(f"--{flag}" for flag in flags)], arguments.ranks
        )
    return _measure(arguments)


def _measure(arguments: Namespace) -> int:
    from dataclasses import asdict

    from mpi4py import MPI
    from tabulate import tabulate

    from _ringtree.errors import InputError
    from _ringtree.units import format_bytes
    from collectives import Communicator
    from collectives.session import ranks_sharing_processors
    from collectives.tuning import limits_for, machine, rows

    world = MPI.COMM_WORLD
    comm = Communicator(world, "none", algorithm="direct")
    direct = comm.session.direct
    if direct is None:
        raise InputError("tune: the direct path is not in use here")
    crowded = ranks_sharing_processors(world) > 1
    limits = limits_for(world, direct, crowded, fresh=not arguments.show)
    comm.Free()
    if world.Get_rank():
        return 0
    name, processors = machine()
    if arguments.json:
        facts = {"processor": name, "processors": processors, "ranks": world.Get_size(), "crowded": crowded}
        json.dump(facts | asdict(limits), sys.stdout)
        print()
        return 0
    print(f"{name}, {processors} processors, {world.Get_size()} ranks{' that share them' if crowded else ''}")
    table = [(name, "never" if value is None else format_bytes(value), what) for name, value, what in rows(limits)]
    print(tabulate(table, tablefmt="plain"))
    return 0
