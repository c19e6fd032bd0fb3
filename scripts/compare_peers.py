"""ringtree against the libraries that it must be measured by, in one run: MPICH, Open MPI, Intel MPI, Gloo.

    python scripts/compare_peers.py [--ranks 2,4] [--collectives all_reduce] [--sizes 8B,1MiB] [--rounds 5]
                                    [--peers mpich,impi] [--json peers.json] [-o peers.png]

The first run gives each library an environment of its own below --environments, from PyPI; ringtree is installed into
one too, again whenever its sources have changed. Nothing else on the machine is touched.

Libraries alternate: in each round every variant of every library runs once, all collectives and sizes in one set of
processes, and each round begins with the next variant. A time is the median of a rank's calls, of these the slowest
rank's, of these the median over the rounds; peers_rank.py says how a call is timed. `bytes` are those of the vector
(all_reduce, broadcast), of the whole result (all_gather), of one rank's whole input (reduce_scatter, all_to_all).

All use their own interface: upper-case mpi4py calls on NumPy arrays, torch.distributed on tensors; ringtree on plain
arrays, also with RINGTREE_LEND=off (`unlent`: as in a buffer's first calls), and on those of Communicator.empty
(`symmetric`). A peer has several variants, peers_environment.py's
PEERS; a cell takes the fastest. Ranks are bound to cores where each has one (Gloo: never); else Open MPI is told to
oversubscribe and to yield. Variables of the shell that libraries read are not handed on.

What could not be installed, started or finished is listed with its reason. Exit status: 1 if any result was wrong.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import peers_environment as environment
import peers_report as report
from peers_environment import PEER_NAMES, ROOT, PeerError, Variant
from tqdm import tqdm

from _ringtree.errors import InputError
from _ringtree.units import parse_sizes
from ringtree.files import require_writable

COLLECTIVES = ("all_reduce", "all_gather", "reduce_scatter", "broadcast", "all_to_all", "barrier")
DTYPES = ("float32", "bfloat16")
SIZES = "8B,1KiB,8KiB,64KiB,1MiB,8MiB,64MiB"
FAILURES_GIVEN_UP = 2  # in so many rounds of one variant on so many ranks, which is not tried again then
SECONDS, QUICK_SECONDS = 0.03, 0.005
PICTURES = (".png", ".svg", ".pdf")
Row = dict[str, Any]


@dataclass
class Measured:
    """All that came of a comparison. A line without time says what a library does not have."""

    rows: list[Row] = field(default_factory=list)
    failures: list[Row] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def unavailable(self) -> list[Row]:
        """A line for each variant, call and type, with the reason; the same for all sizes and ranks."""
        found = {}
        for row in self.rows:
            if "unavailable" in row:
                key = ("variant", "collective", "dtype")
                found[tuple(row[name] for name in key)] = {name: row[name] for name in (*key, "unavailable")}
        return list(found.values())

    @property
    def timed(self) -> list[Row]:
        return [row for row in self.rows if "us" in row]

    @property
    def wrong(self) -> list[Row]:
        return [row for row in self.timed if row["wrong"]]

    def fail(self, variant: Variant, reason: str, ranks: int | None = None, number: int | None = None) -> None:
        """One that could not be installed or started at all has neither ranks nor round."""
        self.failures.append({"variant": variant.name, "ranks": ranks, "round": number, "reason": reason})


def main() -> int:
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    options = parse()
    measured = Measured()
    try:
        ready = prepared(options, measured)
        measure(options, ready, measured)
    except KeyboardInterrupt:
        print("compare_peers: interrupted", file=sys.stderr)
        return 130
    cells = report.cells(measured.timed)
    show(options, measured, cells)
    if options.json:
        whole = {"header": header(options, measured), "cells": [cell.row() for cell in cells],
                 "unavailable": measured.unavailable, "failures": measured.failures,
                 "wrong": measured.wrong}  # fmt: skip
        Path(options.json).write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")
    if options.output and cells:
        report.draw(cells, options.output)
    return 1 if measured.wrong else 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ranks", type=_counts, default=[2, 3, 4, 8], help="default 2,3,4,8")
    parser.add_argument("--collectives", type=_among(COLLECTIVES), default=list(COLLECTIVES), help="default all")
    parser.add_argument("--dtypes", type=_among(DTYPES), default=list(DTYPES), help="of all_reduce; default both")
    parser.add_argument("--sizes", type=_sizes, default=SIZES, help=f"default {SIZES}")
    parser.add_argument("--rounds", type=_positive, default=5, help="default 5")
    parser.add_argument("--peers", type=_among(PEER_NAMES), default=list(PEER_NAMES), help="default all")
    parser.add_argument("--ringtree-on", choices=("mpich", "openmpi", "impi"), default="mpich", help="default mpich")
    parser.add_argument("--quick", action="store_true", help="few calls: to see whether all works")
    parser.add_argument("--environments", type=Path, default=ROOT / ".peers", help="default .peers in the repository")
    parser.add_argument("--limit", type=_positive, default=180, metavar="SECONDS", help="of one launch; default 180")
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("-o", dest="output", metavar="FILE", help="ratios as a picture: .png, .svg")
    options = parser.parse_args()
    options.load = round(os.getloadavg()[0], 2)  # other work's: it spoils what is measured
    if options.output and not options.output.endswith(PICTURES):
        parser.error(f"-o {options.output}: expected a name that ends in {' or '.join(PICTURES)}")
    for path, option in ((options.json, "--json"), (options.output, "-o")):
        if path is not None:
            try:
                require_writable(path, option)
            except InputError as problem:
                parser.error(str(problem))
    return options


def _positive(text: str) -> int:
    if int(text) < 1:
        raise argparse.ArgumentTypeError(f"found {text}; expected at least 1")
    return int(text)


def _counts(text: str) -> list[int]:
    return [_positive(part) for part in text.split(",")]


def _sizes(text: str) -> list[int]:
    try:
        return sorted({max(1, size) for size in parse_sizes(text)})
    except InputError as problem:
        raise argparse.ArgumentTypeError(str(problem)) from None


def _among(names: tuple[str, ...]) -> Any:
    def chosen(text: str) -> list[str]:
        found = text.split(",")
        unknown = [name for name in found if name not in names]
        if unknown:
            raise argparse.ArgumentTypeError(f"found {unknown[0]!r}; expected some of {','.join(names)}")
        return found

    return chosen


def prepared(options: argparse.Namespace, measured: Measured) -> list[tuple[Variant, Path]]:
    """The variants whose environment is there, with its Python."""
    wanted = environment.variants(options.peers, options.ringtree_on)
    pythons: dict[str, Path | PeerError] = {}
    for name in tqdm(dict.fromkeys(variant.environment for variant in wanted), "environments", leave=False,
                     disable=None):  # fmt: skip
        try:
            pythons[name] = environment.prepare(name, options.environments.resolve())
        except PeerError as reason:
            pythons[name] = reason
    ready = []
    for variant in wanted:
        python = pythons[variant.environment]
        try:
            if isinstance(python, PeerError):
                raise python
            environment.check(variant, python)
            ready.append((variant, python))
        except PeerError as reason:
            measured.fail(variant, str(reason))
    return ready


def measure(options: argparse.Namespace, ready: list[tuple[Variant, Path]], measured: Measured) -> None:
    """Rounds of all variants, for one number of ranks after the other."""
    order = {"collectives": options.collectives, "dtypes": options.dtypes, "sizes": options.sizes,
             "seconds": QUICK_SECONDS if options.quick else SECONDS}  # fmt: skip
    with tqdm(total=len(options.ranks) * options.rounds * len(ready), disable=None) as progress:
        for ranks in options.ranks:
            failed: dict[str, int] = {}
            for number in range(options.rounds):
                first = number % max(1, len(ready))
                for variant, python in ready[first:] + ready[:first]:
                    progress.set_description(f"{ranks} ranks, round {number + 1}, {variant.name}")
                    if failed.get(variant.name, 0) < FAILURES_GIVEN_UP:
                        rows, reason = environment.launch(variant, python, ranks, order, options.limit)
                        take(measured, variant, ranks, rows)
                        if reason:
                            measured.fail(variant, reason, ranks, number + 1)
                            failed[variant.name] = failed.get(variant.name, 0) + 1
                    progress.update()


def take(measured: Measured, variant: Variant, ranks: int, rows: list[Row]) -> None:
    """The lines of one launch; the first one says the library's version."""
    for row in rows:
        if "version" in row:
            measured.versions[variant.name] = row["version"]
        else:
            measured.rows.append({"variant": variant.name, "ranks": ranks, **row})


def header(options: argparse.Namespace, measured: Measured) -> Row:
    """What, with what and where."""
    git = subprocess.run(["git", "-C", str(ROOT), "describe", "--always", "--dirty"], capture_output=True, text=True)
    chosen = environment.variants(options.peers, options.ringtree_on)
    settings = {variant.name: {"a core each": str(variant.roomy), "crowded": str(variant.crowded)}
                for variant in chosen}  # fmt: skip
    return {
        "command": shlex.join(["python", *sys.argv]), "processor": _processor(), "cores": environment.CORES,
        "kernel": platform.release(), "python": platform.python_version(), "ringtree_commit": git.stdout.strip(),
        "load_before": options.load, "rounds": options.rounds, "versions": measured.versions, "settings": settings,
    }  # fmt: skip


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if os.path.exists("/proc/cpuinfo") else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def show(options: argparse.Namespace, measured: Measured, cells: list[report.Cell]) -> None:
    """The header, a table for each block, what is missing, and the means."""
    for name, value in header(options, measured).items():
        if isinstance(value, dict):
            print(f"# {name}:")
            for key, text in value.items():
                shown = "; ".join(f"{k}: {v or 'as it comes'}" for k, v in text.items()) if name == "settings" else text
                print(f"#   {key}: {shown}")
        else:
            print(f"# {name}: {value}")
    peers = {peer: [variant.name for variant in environment.PEERS if variant.peer == peer] for peer in options.peers}
    for block, found in report.blocks(cells).items():
        print(f"\n{report.table(block, found, peers)}")
    print(f"\n{report.notes(measured.unavailable, measured.failures, measured.wrong)}")
    if cells:
        print(f"\n{report.summary(cells)}")


if __name__ == "__main__":
    sys.exit(main())
