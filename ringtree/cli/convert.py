"""Write a topology, from whatever format it is in, as a board file or as graph JSON; both read back as the same links.

YAML keeps everything. Graph JSON keeps nodes, links, bandwidths and latencies, and refuses boards whose links would
behave otherwise without the rest (limits, devices that forward, unknown bandwidths).
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from _ringtree.assume import Assumptions
from _ringtree.errors import InputError
from ringtree.cli import options

SUFFIXES = {".yaml": "yaml", ".yml": "yaml", ".json": "json"}


def add_arguments(parser: ArgumentParser) -> None:
    options.add_board(parser)
    parser.add_argument("-o", "--output", metavar="FILE.yaml|json", help="where to (default: stdout)")
    parser.add_argument("--to", choices=("yaml", "json"), help="the format (default: by the name of -o, else yaml)")


def run(arguments: Namespace) -> int:
    import topology
    from ringtree.files import require_writable, write_file

    form = _format(arguments.output, arguments.to)
    if arguments.output is not None:
        require_writable(arguments.output, "-o")
    assume = Assumptions.parse(arguments.assume)
    board = options.load_board(arguments, arguments.topology, assume)
    options.refuse_unused(assume)
    text = topology.to_yaml(board) if form == "yaml" else topology.to_graph_json(board)
    if arguments.output is None:
        print(text, end="")
    else:
        write_file(arguments.output, text)
    return 0


def _format(path: str | None, wanted: str | None) -> str:
    """`--to`, or what the file's name says; InputError where they differ or neither says."""
    named = next((form for suffix, form in SUFFIXES.items() if path is not None and path.endswith(suffix)), None)
    if named and wanted and named != wanted:
        raise InputError(f"-o {path}: a name for {named}, but --to says {wanted}; expected one format")
    if path and not (named or wanted):
        raise InputError(f"-o {path}: expected a name that ends in {', '.join(SUFFIXES)}, or --to")
    return named or wanted or "yaml"
