"""Algorithms by name: `ring:channels=1:chunks=4`, and RINGTREE_ALGO's `allreduce:ring;broadcast:tree`.

| algorithm            | parameters                     | what                                                        |
|----------------------|--------------------------------|-------------------------------------------------------------|
| `ring`               | `channels`, `chunks`, `depth`  | that many rings, each in one direction                      |
| `tree`               | `chunks`, `pace`, `depth`      | double binary tree                                          |
| `binary_tree`, `binomial`, `star` | the same          | one tree rooted at the root                                 |
| `two_shot`           | the same                       | n stars: direct reduce-scatter, then direct all-gather      |
| `two_level`          | the same                       | inside the boards, across them, and back                    |
| `forest`             | the same                       | the best packing of trees on this board (topology.packing)  |
| `one_shot`           | `depth`                        | everyone sends everything to everyone                       |
| `recursive_doubling`, `rabenseifner`, `pairwise` | `depth` | xor 1, 2, 4, ...; halving, doubling; rank + 1, + 2, ... |
| `file:PATH`          |                                | the plan in that file (planfile.py)                         |
| `auto`               |                                | the fastest of all, by simulation on the board              |

Parameters that are left out are chosen by simulation. `bucket`, `swing` and `direct` are names reserved
for what the planner and the host path bring.
"""

from __future__ import annotations

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
    "forest": _PIPELINED,
    "auto": (),
}
RESERVED = ("bucket", "swing", "direct")
MOST_DIGITS = 40  # int() refuses thousands of them
_RANGES = {"channels": (1, 64), "chunks": (1, 2**20), "pace": (0, 64), "depth": (1, 8)}

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
    """An algorithm's name and the parameters that were given, or the path of a file."""

    name: str
    parameters: tuple[tuple[str, int], ...] = ()
    path: str = ""

    def get(self, parameter: str) -> int | None:
        return dict(self.parameters).get(parameter)

    def __str__(self) -> str:
        if self.path:
            return f"{self.name}:{self.path}"
        return ":".join([self.name, *(f"{key}={value}" for key, value in self.parameters)])


def parse(text: str) -> Specification:
    """Raises UnsupportedError for an unknown algorithm, InputError for a bad parameter."""
    name, *fields = text.strip().split(":")
    if name in RESERVED:
        raise UnsupportedError(f"algorithm: {name!r} is not available yet; expected one of {', '.join(PARAMETERS)}")
    if text.strip().endswith(".xml"):
        raise UnsupportedError(f"algorithm: {text!r} names a file; algorithm files cannot be loaded yet")
    if name == "file":
        return Specification(name, (), text.strip().partition(":")[2])
    if name not in PARAMETERS:
        raise UnsupportedError(f"algorithm: found {name!r}; expected one of {', '.join(PARAMETERS)}")
    values: dict[str, int] = {}
    for field in fields:
        key, _, value = field.partition("=")
        if key not in PARAMETERS[name]:
            expected = ", ".join(PARAMETERS[name]) or "none"
            raise InputError(f"algorithm: {text!r}: unknown parameter {key!r} of {name}; expected {expected}")
        if key in values:
            raise InputError(f"algorithm: {text!r}: {key} is given twice")
        values[key] = _whole(value, key, text)
    return Specification(name, tuple(values.items()))


def _whole(value: str, key: str, text: str) -> int:
    least, most = _RANGES[key]
    digits = value.isascii() and value.isdigit() and len(value) <= MOST_DIGITS
    if not digits or not least <= int(value) <= most:
        raise InputError(f"algorithm: {text!r}: {key}: found {value!r}; expected a whole number {least} to {most}")
    return int(value)


def for_collective(text: str, collective: str) -> Specification:
    """What `text` asks for this collective: entries between `;`, each with or without a function prefix.

    An entry without a prefix holds for the collectives that its algorithm exists for, a file for the one that it was
    made for; others are `auto`. An entry with this collective's prefix is taken as it is. The last one that holds wins.
    """
    chosen = Specification("auto")
    for entry in text.split(";"):
        prefix, colon, rest = entry.partition(":")
        named = next((c for c in COLLECTIVES if prefix.strip() in (c, c.replace("_", ""))), None)
        specification = parse(rest if named and colon else entry)
        if named == collective or (named is None and _holds(specification, collective)):
            chosen = specification
    return chosen


def _holds(specification: Specification, collective: str) -> bool:
    if specification.path:
        from .planfile import collective_of

        return collective_of(specification.path) == collective
    return exists(specification.name, collective)


def exists(name: str, collective: str) -> bool:
    """Whether the algorithm does this collective at all, on however many ranks."""
    return name == "auto" or any(supports(name, collective, ranks) for ranks in (2, 4, 8))
