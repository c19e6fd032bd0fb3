"""Algorithms by name: `ring:channels=1:chunks=4`, and RINGTREE_ALGO's `allreduce:^tree;broadcast:ring,binomial`.

| algorithm            | parameters                     | what                                                        |
|----------------------|--------------------------------|-------------------------------------------------------------|
| `ring`               | `channels`, `chunks`, `depth`  | that many rings, each in one direction                      |
| `tree`               | `chunks`, `pace`, `depth`      | double binary tree                                          |
| `binary_tree`, `binomial`, `star` | the same          | one tree rooted at the root                                 |
| `two_shot`           | the same                       | n stars: direct reduce-scatter, then direct all-gather      |
| `two_level`          | the same                       | inside the boards, across them, and back                    |
| `forest`             | `hops`, `trees`, and the same  | the best packing of trees on this board (topology.packing), |
|                      |                                | of at most so many hops up or down, of at most so many      |
|                      | `steps`, `trees`               | so many trees for each part, all done after so many steps   |
|                      | `early`                        | trees that bring pieces of so many bytes the earliest       |
| `one_shot`           | `depth`                        | everyone sends everything to everyone                       |
| `recursive_doubling`, `rabenseifner`, `pairwise` | `depth` | xor 1, 2, 4, ...; halving, doubling; rank + 1, + 2, ... |
| `bucket`             | `chunks`, `depth`              | on a torus: rings along one dimension after another         |
| `swing`              | `whole`, `depth`               | on a torus of 2^k: halving; `whole=1`, doubling             |
| `direct`             |                                | no program: through the host's memory (without a board)     |
| `auto`               |                                | the fastest of all, by simulation on the board; without one,|
|                      |                                | `direct`                                                    |
| `file:PATH`, `X.xml` | `chunks`, `depth`              | an MSCCL algorithm file, run in `chunks` pieces (1)         |
| `file:PATH`          |                                | a plan that was saved (planfile.py)                         |
| `ring,tree:chunks=8` |                                | the fastest of these                                        |
| `^ring,tree`         |                                | the fastest of all but these                                |

Names are read in any case. Parameters that are left out are chosen by simulation.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from _ringtree.core import supports
from _ringtree.errors import InputError, UnsupportedError

_PIPELINED = ("chunks", "pace", "depth")
PARAMETERS: dict[str, tuple[str, ...]] = {
    "ring": ("channels", "chunks", "depth"),
    "tree": _PIPELINED,
    "binary_tree": _PIPELINED,
    "binomial": _PIPELINED,
    "star": _PIPELINED,
    "one_shot": ("chunks", "depth"),
    "two_shot": _PIPELINED,
    "recursive_doubling": ("chunks", "depth"),
    "rabenseifner": ("chunks", "depth"),
    "pairwise": ("chunks", "depth"),
    "two_level": _PIPELINED,
    "forest": ("hops", "steps", "trees", "early", *_PIPELINED),
    "bucket": ("chunks", "depth"),
    "swing": ("whole", "depth"),
    "auto": (),
}
WITHOUT_PROGRAM = "direct"
FILE_PARAMETERS = ("chunks", "depth")
# A forest is one of few hops, one of few steps or an early one.
NOT_TOGETHER = {"early": ("hops", "steps", "trees"), "steps": ("hops",)}
MOST_DIGITS = 40  # int() refuses thousands of them
_RANGES = {
    "channels": (1, 64),
    "hops": (1, 2**20),
    "steps": (1, 64),
    "trees": (1, 2**20),
    "early": (1, 2**62),
    "chunks": (1, 2**20),
    "pace": (0, 64),
    "depth": (1, 8),
    "whole": (0, 1),
}

# NCCL writes the functions without an underscore.
COLLECTIVES = (
    "all_reduce",
    "reduce_scatter",
    "all_gather",
    "broadcast",
    "reduce",
    "gather",
    "scatter",
    "all_to_all",
    "barrier",
)


@dataclass(frozen=True)
class Specification:
    """An algorithm's name and the parameters that were given.

    `file` has a path; `any` (one of these) and `not` (none of these) have members.
    """

    name: str
    parameters: tuple[tuple[str, int], ...] = ()
    path: str = ""
    members: tuple[Specification, ...] = ()

    def get(self, parameter: str) -> int | None:
        return dict(self.parameters).get(parameter)

    @property
    def files(self) -> tuple[Specification, ...]:
        """The algorithm files among what is asked for."""
        return (self,) if self.name == "file" else tuple(member for member in self.members if member.name == "file")

    def __str__(self) -> str:
        if self.members:
            return "^" * (self.name == "not") + ",".join(str(member) for member in self.members)
        name = f"file:{self.path}" if self.name == "file" else self.name
        return ":".join([name, *(f"{key}={value}" for key, value in self.parameters)])


def parse(text: str) -> Specification:
    """Raises UnsupportedError for an unknown algorithm, InputError for a bad parameter."""
    text = text.strip()
    inverted = text.startswith("^")
    if not inverted and "," not in text:
        return _one(text)
    members = tuple(_one(part) for part in text.lstrip("^").split(","))
    if not inverted and any(member.name == WITHOUT_PROGRAM for member in members):
        raise InputError(f"algorithm: {text!r}: found direct among others; expected it alone: it has no program")
    for member in members if inverted else ():
        if member.name not in PARAMETERS or member.name == "auto" or member.parameters:
            raise InputError(f"algorithm: {text!r}: found {str(member)!r} after ^; expected names of algorithms alone")
    return Specification("not" if inverted else "any", members=members)


def _one(text: str) -> Specification:
    name, *fields = text.strip().split(":")
    if name.lower() == "file" or text.partition(".xml")[1]:
        return _file(text.strip())
    name = name.lower()
    if name == WITHOUT_PROGRAM:
        return Specification(name, _parameters(text, name, fields, ()))
    if name not in PARAMETERS:
        raise UnsupportedError(f"algorithm: found {name!r}; expected one of {', '.join(PARAMETERS)}")
    parameters = _parameters(text, name, fields, PARAMETERS[name])
    for one, others in NOT_TOGETHER.items():
        for other in others:
            if {one, other} <= {key for key, _ in parameters}:
                raise InputError(f"algorithm: {text!r}: found {one} and {other}; expected one of them")
    return Specification(name, parameters)


def _file(text: str) -> Specification:
    """`file:PATH` or the name of a file that ends in .xml, with parameters after it."""
    prefix, colon, path = text.partition(":")
    path = path if colon and prefix.lower() == "file" else text
    fields: list[str] = []
    while path.rpartition(":")[2].partition("=")[0] in FILE_PARAMETERS:
        path, _, field = path.rpartition(":")
        fields.insert(0, field)
    if not os.path.isfile(path):
        raise UnsupportedError(f"algorithm: {text!r}: found no file {path!r}; expected an MSCCL algorithm (XML)")
    return Specification("file", _parameters(text, "file", fields, FILE_PARAMETERS), path)


def _parameters(text: str, name: str, fields: list[str], known: tuple[str, ...]) -> tuple[tuple[str, int], ...]:
    values: dict[str, int] = {}
    for field in fields:
        key, _, value = field.partition("=")
        if key not in known:
            expected = ", ".join(known) or "none"
            raise InputError(f"algorithm: {text!r}: unknown parameter {key!r} of {name}; expected {expected}")
        if key in values:
            raise InputError(f"algorithm: {text!r}: {key} is given twice")
        values[key] = _whole(value, key, text)
    return tuple(values.items())


def _whole(value: str, key: str, text: str) -> int:
    least, most = _RANGES[key]
    digits = value.isascii() and value.isdigit() and len(value) <= MOST_DIGITS
    if not digits or not least <= int(value) <= most:
        raise InputError(f"algorithm: {text!r}: {key}: found {value!r}; expected a whole number {least} to {most}")
    return int(value)


def for_collective(text: str, collective: str) -> Specification:
    """What `text` asks for this collective: entries between `;`, each with or without a function prefix.

    An entry without a prefix holds for the collectives that one of its algorithms exists for; others are `auto`. An
    entry with this collective's prefix is taken as it is. The last entry that holds wins.
    """
    chosen = Specification("auto")
    for entry in text.split(";"):
        prefix, colon, rest = entry.partition(":")
        named = next((c for c in COLLECTIVES if prefix.strip().lower() in (c, c.replace("_", ""))), None)
        specification = parse(rest if named and colon else entry)
        if named == collective or (named is None and holds(specification, collective)):
            chosen = specification
    return chosen


def holds(specification: Specification, collective: str) -> bool:
    """Whether one of the algorithms that are asked for does this collective at all."""
    if specification.name == "file":
        from .algorithm_files import kind_of

        return kind_of(specification.path) == collective
    if specification.name == "not":
        return True
    return any(holds(member, collective) for member in specification.members) or (
        specification.name in (*PARAMETERS, WITHOUT_PROGRAM) and exists(specification.name, collective)
    )


def exists(name: str, collective: str) -> bool:
    """Whether the algorithm does this collective at all, on however many ranks."""
    return name in ("auto", WITHOUT_PROGRAM) or any(supports(name, collective, ranks) for ranks in (2, 4, 8))
