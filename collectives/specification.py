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
| `bucket`             | `chunks`, `depth`              | on a torus: rings along one dimension after another         |
| `swing`              | `whole`, `depth`               | on a torus of 2^k: halving; `whole=1`, doubling             |
| `auto`               |                                | the fastest of all, by simulation on the board              |

Parameters that are left out are chosen by simulation. `direct` is a name reserved for what the host path brings.
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
    "bucket": ("chunks", "depth"),
    "swing": ("whole", "depth"),
    "auto": (),
}
RESERVED = ("direct",)
MOST_DIGITS = 40  # int() refuses thousands of them
_RANGES = {"channels": (1, 64), "chunks": (1, 2**20), "pace": (0, 64), "depth": (1, 8), "whole": (0, 1)}

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
    """An algorithm's name and the parameters that were given."""

    name: str
    parameters: tuple[tuple[str, int], ...] = ()

    def get(self, parameter: str) -> int | None:
        return dict(self.parameters).get(parameter)

    def __str__(self) -> str:
        return ":".join([self.name, *(f"{key}={value}" for key, value in self.parameters)])


def parse(text: str) -> Specification:
    """Raises UnsupportedError for an unknown algorithm, InputError for a bad parameter."""
    name, *fields = text.strip().split(":")
    if name in RESERVED:
        raise UnsupportedError(f"algorithm: {name!r} is not available yet; expected one of {', '.join(PARAMETERS)}")
    if name.endswith(".xml") or name == "file":
        raise UnsupportedError(f"algorithm: {text!r} names a file; algorithm files cannot be loaded yet")
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

    An entry without a prefix holds for the collectives that its algorithm exists for; others are `auto`. An entry
    with this collective's prefix is taken as it is. The last entry that holds wins.
    """
    chosen = Specification("auto")
    for entry in text.split(";"):
        prefix, colon, rest = entry.partition(":")
        named = next((c for c in COLLECTIVES if prefix.strip() in (c, c.replace("_", ""))), None)
        specification = parse(rest if named and colon else entry)
        if named == collective or (named is None and exists(specification.name, collective)):
            chosen = specification
    return chosen


def exists(name: str, collective: str) -> bool:
    """Whether the algorithm does this collective at all, on however many ranks."""
    return name == "auto" or any(supports(name, collective, ranks) for ranks in (2, 4, 8))
