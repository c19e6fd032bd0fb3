"""Options that several verbs share, and what their values may be."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from _ringtree.errors import InputError
from _ringtree.units import parse_bytes, parse_sizes, parse_time_us

if TYPE_CHECKING:
    from _ringtree.assume import Assumptions
    from ringtree.rows import Request
    from topology import Topology

T = TypeVar("T")

CLOCKS = ("virtual", "wall", "off")
DEFAULT_SIZES = "1KiB:64MiB:x4"


def checked(parse: Callable[[str], T]) -> Callable[[str], T]:
    """A parser of ours as an argparse type: its message, with the option's name before it."""

    def convert(text: str) -> T:
        try:
            return parse(text)
        except InputError as error:
            raise ArgumentTypeError(str(error)) from None

    return convert


def whole(least: int, most: int = 2**31 - 1) -> Callable[[str], int]:
    """An integer from least to most."""

    def convert(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
            raise ArgumentTypeError(f"found {text!r}; expected a whole number from {least} to {most}")
        return int(text)

    return convert


def device_list(text: str) -> list[int]:
    """`0,2,4-7` -> [0, 2, 4, 5, 6, 7]."""
    found: list[int] = []
    for part in text.split(","):
        first, dash, last = part.partition("-")
        if not first.isdigit() or (dash and not last.isdigit()) or (dash and int(last) < int(first)):
            raise ArgumentTypeError(f"found {text!r}; expected device numbers such as 0,2,4-7")
        found += range(int(first), int(last or first) + 1)
        if len(found) > 2**20:
            raise ArgumentTypeError(f"found {text!r}; expected at most {2**20} devices")
    if len(set(found)) != len(found):
        raise ArgumentTypeError(f"found {text!r}; expected each device once")
    return found


def algorithm_list(text: str) -> list[str]:
    """`ring,tree:chunks=8,auto` -> its parts."""
    names = [name.strip() for name in text.split(",")]
    if not all(names):
        raise ArgumentTypeError(f"found {text!r}; expected algorithms such as ring,tree,auto")
    return names


def add_board(parser: ArgumentParser) -> None:
    """The topology argument and what completes it."""
    parser.add_argument("topology", help="name of a shipped board, or a file")
    add_figures(parser)


def add_figures(parser: ArgumentParser) -> None:
    """--assume and --latency."""
    parser.add_argument(
        "--assume", action="append", default=[], metavar="KEY=VALUE",
        help="a figure that nobody published, as ppu.fp16_tflops=120; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--latency", type=checked(lambda text: parse_time_us(text, "latency")), metavar="TIME",
        help="latency of links that state none, as 1us",
    )  # fmt: skip


def add_placement(parser: ArgumentParser) -> None:
    """--ranks and --devices."""
    parser.add_argument("--ranks", type=whole(1), help="how many ranks (default: one for each device)")
    parser.add_argument("--devices", type=device_list, metavar="LIST", help="devices of the ranks, as 0,2,4-7")


def add_collective(parser: ArgumentParser, usual_sizes: str = DEFAULT_SIZES) -> None:
    """What is run: the collective, its sizes and the algorithms."""
    from _ringtree.core import DTYPES, KINDS, OPS

    option = parser.add_argument
    option("--collective", choices=tuple(KINDS), default="all_reduce", help=", ".join(KINDS), metavar="NAME")
    option("--algorithm", type=algorithm_list, metavar="A,B",
           help="as ring,tree:chunks=8,^ring or an MSCCL file.xml (default: RINGTREE_ALGO, else auto)")  # fmt: skip
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--sizes", type=checked(parse_sizes), metavar="FROM:TO:xF",
                      help=f"as 1KiB:1GiB:x4 or 1KiB,64MiB (default: {usual_sizes})")  # fmt: skip
    size.add_argument("--bytes", type=checked(parse_bytes), metavar="N", help="one size, as 64MiB")
    option("--dtype", choices=tuple(DTYPES), default="float32", metavar="TYPE", help=", ".join(DTYPES))
    option("--op", choices=tuple(OPS), default="sum", metavar="OP", help=", ".join(OPS))
    option("--root", type=whole(0), default=0, help="of broadcast, reduce, gather, scatter (default: 0)")
    option("--cost", type=checked(lambda text: parse_time_us(text, "cost")), default=0.0, metavar="TIME",
           help="what each message costs a link beyond its bytes, as 100ns (default: 0)")  # fmt: skip


def add_output(parser: ArgumentParser, picture: str) -> None:
    """--json, --csv and -o."""
    parser.add_argument("--json", action="store_true", help="one array of row objects on stdout, nothing else")
    parser.add_argument("--csv", nargs="?", const="-", metavar="FILE", help="rows as CSV, on stdout or in FILE")
    parser.add_argument("-o", "--output", metavar="FILE.svg|png", help=picture)


def settle_algorithms(arguments: Namespace) -> None:
    """Where no algorithm is given, the environment's for the collective, else auto."""
    if arguments.algorithm is None:
        from _ringtree import settings
        from collectives.planner.specification import for_collective

        try:
            arguments.algorithm = [str(for_collective(settings.algorithm() or "auto", arguments.collective))]
        except InputError as problem:
            raise InputError(f"RINGTREE_ALGO: {problem}") from None


def sizes_of(arguments: Namespace) -> list[int]:
    """The sizes in bytes, each a whole number of elements; [0] for a barrier."""
    from _ringtree.core import dtype_size

    if arguments.collective == "barrier":
        return [0]
    sizes: list[int] = [arguments.bytes] if arguments.bytes is not None else arguments.sizes
    element = dtype_size(arguments.dtype)
    for size in sizes or []:
        if size % element:
            raise InputError(
                f"{size} bytes: not a whole number of {arguments.dtype} elements; expected a multiple of {element}"
            )
    return sizes or parse_sizes(DEFAULT_SIZES)


def placement(arguments: Namespace, board: Topology) -> tuple[int, list[int]]:
    """How many ranks, and their devices: all of the board's unless the options say otherwise."""
    there, devices = len(board.devices), arguments.devices
    ranks = arguments.ranks or (there if devices is None else len(devices))
    if ranks > there:
        raise InputError(f"--ranks: found {ranks}; {board.name} has {there} devices, and each rank needs its own")
    if devices is None:
        devices = list(range(ranks))
    if len(devices) != ranks:
        raise InputError(f"--devices: found {len(devices)} devices for {ranks} ranks; expected one for each rank")
    if max(devices) >= there:
        raise InputError(f"--devices: found {max(devices)}; expected devices of {board.name}, 0 to {there - 1}")
    return ranks, devices


def request(arguments: Namespace, board: Topology) -> Request:
    """What all rows of a run on the board share."""
    return make_request(arguments, *placement(arguments, board))


def make_request(arguments: Namespace, ranks: int, devices: list[int] | None) -> Request:
    """The request on so many ranks; refuses a root that is not one of them and an operation without meaning."""
    from _ringtree.core import REDUCING, require_op
    from ringtree.rows import Request

    if arguments.root >= ranks:
        raise InputError(f"--root: found {arguments.root}; expected a rank of 0 to {ranks - 1}")
    if arguments.collective in REDUCING:
        require_op(arguments.dtype, arguments.op)
    return Request(arguments.collective, arguments.dtype, arguments.op, arguments.root, ranks, devices, arguments.cost)


def load_board(arguments: Namespace, name: str, assume: Assumptions) -> Topology:
    """The board that the options describe; the caller refuses the assumptions that nothing used."""
    import topology

    return topology.load(name, assume).with_defaults(latency_us=arguments.latency)


def refuse_unused(assume: Assumptions) -> None:
    """A figure that nothing asked for is a slip of the pen."""
    unused = assume.unused()
    if unused:
        raise InputError(f"--assume: nothing here uses {', '.join(unused)}")


def require_profiles(board: Topology, assume: Assumptions, dtype: str | None = None) -> None:
    """Find the profiles of the board's chips, and the figures that computing in `dtype` needs of them."""
    from emulator import Device, load_profile

    for name in sorted({board.nodes[device].profile or "" for device in board.devices} - {""}):
        device = Device(load_profile(name), assume)
        if dtype is not None:
            device.compute(flops=1, bytes=1, dtype=dtype)
