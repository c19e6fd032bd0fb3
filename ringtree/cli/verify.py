"""Prove a program, or say which chunk, rank, lane and step is wrong: an MSCCL algorithm file, or one of ours.

    ringtree verify ring8.xml                              each way that the file is for: out of place, in place
    ringtree verify ring:chunks=4 --ranks 8                a specification, in both ways
    ringtree verify forest --board ppu-8 --bytes 1MiB      one that needs a board

Lanes are a file's thread blocks, steps are its steps. Without --depth it tries FIFO depths 1 to 8 and says from which
on the program cannot deadlock, and who waits for whom below. Exit status 0 proved, 1 wrong, 2 bad input.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from _ringtree.assume import Assumptions
from _ringtree.errors import InputError, VerificationError
from _ringtree.units import parse_bytes
from ringtree.cli import options

if TYPE_CHECKING:
    from _ringtree.core import Program
    from collectives import Specification
    from collectives.msccl import Algorithm
    from ringtree.proof import Finding

DEFAULT_BYTES = 2**20


def add_arguments(parser: ArgumentParser) -> None:
    from _ringtree.core import DTYPES, KINDS

    option = parser.add_argument
    option("subject", metavar="FILE|ALGORITHM", help="an MSCCL algorithm file, or a specification as ring:chunks=4")
    option("--collective", choices=tuple(KINDS), metavar="NAME", help="default: the file's, else all_reduce")
    option("--bytes", type=options.checked(parse_bytes), metavar="N",
           help="as rows count them (default: an element in each chunk of a file, else 1MiB)")  # fmt: skip
    option("--dtype", choices=tuple(DTYPES), default="float32", metavar="TYPE", help="of the elements in --bytes")
    option("--root", type=options.whole(0), help="of broadcast, reduce, gather, scatter (default: the file's, else 0)")
    option("--ranks", type=options.whole(1), help="how many ranks a specification is for")
    option("--board", metavar="BOARD", help="the board that a specification is for")
    option("--depth", type=options.whole(1, 8), help="FIFO slots per channel (default: all of 1 to 8)")
    option("--in-place", action="store_true", help="only as called in place")
    option("--json", action="store_true", help="one array of verdicts on stdout, nothing else")
    options.add_figures(parser)


@dataclass(frozen=True)
class Subject:
    """What is to be proved; called in place or not; at which depths; how to word what is wrong; what else to say."""

    name: str
    what: str
    program: Program
    ways: tuple[bool, ...]
    depth: int | None
    explain: Callable[[VerificationError], str]
    notes: tuple[str, ...] = ()


def run(arguments: Namespace) -> int:
    from collectives import parse
    from ringtree.proof import DEPTHS, prove
    from ringtree.report import to_json

    asked = parse(arguments.subject)
    subject = _of_file(arguments, asked) if asked.name == "file" else _of_ours(arguments, asked)
    depth = arguments.depth or subject.depth
    depths = [depth] if depth else DEPTHS
    ways = (True,) if arguments.in_place else subject.ways
    proofs = [prove(subject.program, subject.name, way, depths, subject.explain) for way in ways]
    if arguments.json:
        print(to_json(asdict(finding) for findings in proofs for finding in findings))
    else:
        print("\n".join([f"{subject.name}: {subject.what}", *_lines(proofs), *subject.notes]))
    for findings in proofs:
        if not findings[-1].right:
            raise VerificationError(findings[-1].problem)
    return 0


def _lines(proofs: list[list[Finding]]) -> Iterator[str]:
    for findings in proofs:
        *before, last = findings
        way = "in place" if last.in_place else "out of place"
        slots = "1 slot" if last.depth == 1 else f"{last.depth} slots"
        if last.right:
            yield f"{way}: right, {last.steps} steps, {last.messages} messages; with {slots} per channel or more"
        else:
            yield f"{way}: wrong: {last.what} with {slots} per channel: {last.problem}"
        for finding in before:
            yield f"  with {finding.depth} per channel a deadlock: {finding.problem}"


def _count(arguments: Namespace, default: int) -> int:
    from _ringtree.core import dtype_size

    if arguments.bytes is None:
        return default
    if arguments.bytes % dtype_size(arguments.dtype):
        raise InputError(f"--bytes: {arguments.bytes} is not a whole number of {arguments.dtype} elements")
    return int(arguments.bytes // dtype_size(arguments.dtype))


def _of_file(arguments: Namespace, asked: Specification) -> Subject:
    from _ringtree.core import Collective
    from collectives.msccl import Form, beyond, explain, lower
    from collectives.planner.algorithm_files import load

    algorithm, pieces = load(asked.path).algorithm, asked.get("chunks") or 1
    for name in ("board", "assume", "latency"):
        if getattr(arguments, name):
            raise InputError(f"--{name}: found {getattr(arguments, name)}; an algorithm file is for any board")
    ranks = arguments.ranks or algorithm.ranks
    root = (algorithm.root or 0) if arguments.root is None else arguments.root
    if root >= ranks:
        raise InputError(f"--root: found {root}; expected a rank of 0 to {ranks - 1}")
    count = _count(arguments, algorithm.chunks * pieces)
    shape = Collective(arguments.collective or algorithm.kind, ranks, count, root)
    # Where a rank has only one of the two buffers, in place is for the form that knows of one memory.
    shared = not algorithm.out_of_place and algorithm.kind in ("broadcast", "reduce")
    form = Form.SHARED if shared else Form.AS_IS
    plain = pieces == 1 and count % algorithm.chunks == 0
    return Subject(
        algorithm.label,
        _described(algorithm),
        lower(algorithm, shape, form, pieces=pieces),
        tuple(way for way in (False, True) if (algorithm.in_place if way else algorithm.out_of_place)),
        asked.get("depth"),
        lambda problem: explain(algorithm, problem, plain=plain),
        tuple(_notes(list(beyond(algorithm)))),
    )


def _described(algorithm: Algorithm) -> str:
    channels = f"{algorithm.channels} channel{'s' * (algorithm.channels != 1)}"
    return f"{algorithm.kind} of {algorithm.ranks} ranks, {algorithm.chunks} chunks, {channels}, {algorithm.protocol}"


def _notes(found: list[str]) -> Iterator[str]:
    if not found:
        yield "limits: within those of RCCL's and MSCCL's runtimes"
    for problem in found[:3]:
        yield f"limits: {problem}"
    if len(found) > 3:
        yield f"limits: {len(found) - 3} more like these"


def _of_ours(arguments: Namespace, asked: Specification) -> Subject:
    from collectives.planner.planning import Planner, shape_of

    assume = Assumptions.parse(arguments.assume)
    board = options.load_board(arguments, arguments.board, assume) if arguments.board else None
    options.refuse_unused(assume)
    if board is None and arguments.ranks is None:
        raise InputError(f"--ranks: not given; expected how many ranks {asked} is for, or --board")
    from collectives.planner.placement import place

    if board is None:
        placement = tuple(range(arguments.ranks))
    else:
        board, placement = place(board, arguments.ranks, None)
    kind, root = arguments.collective or "all_reduce", arguments.root or 0
    nbytes = 0 if kind == "barrier" else DEFAULT_BYTES if arguments.bytes is None else arguments.bytes
    shape = shape_of(kind, nbytes, len(placement), dtype=arguments.dtype, op="sum", root=root)
    plan = Planner(board, placement).plan(shape, arguments.dtype, "sum", asked)
    return Subject(
        str(asked),
        f"{kind} of {len(placement)} ranks, {shape.count} elements: {plan.plan}",
        plan.program,
        (False,) if kind in ("all_to_all", "barrier") else (False, True),
        None,
        lambda problem: str(problem).removeprefix("verify: "),
    )
