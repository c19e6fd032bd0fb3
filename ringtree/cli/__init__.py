"""The command `ringtree`: a file a verb in this folder, imported only when it is used.

Exit status: 0 right, 1 a wrong result or a failed operation, 2 bad input, 130 Ctrl-C; anything but 0 comes with
one line on stderr.
"""

from __future__ import annotations

import importlib
import os
import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Sequence
from typing import NoReturn

from _ringtree.errors import Error, InputError, MismatchError, ResourceError

VERBS = {
    "boards": "list the boards that ship, or files: chips, links, total bandwidth",
    "show": "print or draw a board: devices, link matrix, routes, limits, assumptions",
    "plan": "find the fastest program for a collective, its runners-up, the bound and what faults cost",
    "verify": "prove an algorithm file or a specification right, or say where it is wrong",
    "simulate": "price collectives on a board in emulated time; no MPI, any number of devices",
    "sweep": "run collectives on real bytes, one rank a device, check and time them",
    "convert": "write a topology of any format as a board file or graph JSON",
    "tune": "measure where the direct path (no board) takes another way on this machine, and keep it",
    "train": "train a small network data-parallel on a board",
}

OURS = ("_ringtree", "topology", "emulator", "collectives", "ringtree")


class Parser(ArgumentParser):
    """Reports a bad argument in one line, without the usage."""

    def error(self, message: str) -> NoReturn:
        raise InputError(message)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    try:
        status = _dispatch(list(sys.argv[1:] if argv is None else argv))
        sys.stdout.flush()
    except Error as error:
        return complain(error)
    except ImportError as missing:
        if missing.name and missing.name.partition(".")[0] in OURS:
            raise
        print(f"ringtree: {missing}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        _close_stdout()
        return 141
    except OSError as problem:
        print(f"ringtree: stdout: cannot be written: {problem.strerror}", file=sys.stderr)
        _close_stdout()
        return 1
    return status


def _close_stdout() -> None:
    """Let what is still to be flushed go nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def complain(error: Error) -> int:
    """Print the one line; returns the exit status."""
    line = " ".join(str(error).split())
    print(f"ringtree: {line}", file=sys.stderr, flush=True)
    return exit_status(error)


def exit_status(error: Error) -> int:
    """2 for what the user can mend before the run, 1 for what went wrong in it."""
    return 2 if isinstance(error, (InputError, ResourceError, MismatchError)) else 1


def run_verb(verb: str, argv: Sequence[str]) -> int:
    """Parse the arguments of one verb and run it."""
    module = importlib.import_module(f"ringtree.cli.{verb}")
    parser = Parser(
        prog=f"ringtree {verb}",
        description=module.__doc__,
        allow_abbrev=False,
        formatter_class=RawDescriptionHelpFormatter,
    )
    module.add_arguments(parser)
    try:
        arguments = parser.parse_args(argv)
    except SystemExit as end:
        return int(end.code or 0)
    arguments.argv = list(argv)
    status: int = module.run(arguments)
    return status


def _dispatch(argv: list[str]) -> int:
    if not argv:
        raise InputError(f"no verb; expected one of {', '.join(VERBS)}")
    if argv[0] in ("-h", "--help"):
        print(_usage())
        return 0
    if argv[0] == "--version":
        from ringtree import __version__

        print(f"ringtree {__version__}")
        return 0
    if argv[0] not in VERBS:
        raise InputError(f"unknown verb {argv[0]!r}; expected one of {', '.join(VERBS)}")
    return run_verb(argv[0], argv[1:])


def _usage() -> str:
    verbs = "\n".join(f"  {verb:<10}{text}" for verb, text in VERBS.items())
    return f"usage: ringtree VERB ...   (ringtree VERB --help tells its options)\n\n{verbs}"
