"""Which algorithm to run when there is no board to simulate: by size, for ranks that share memory."""

from __future__ import annotations

from _ringtree.core import Collective

SMALL_BYTES = 16 * 1024
FEW_RANKS = 8

_LARGE = {
    "all_reduce": "ring:channels=1:chunks=1",
    "reduce_scatter": "ring:channels=1:chunks=1",
    "all_gather": "ring:channels=1:chunks=1",
    "broadcast": "ring:channels=1:chunks=16",
    "reduce": "ring:channels=1:chunks=16",
    "gather": "star:chunks=1:pace=0",
    "scatter": "star:chunks=1:pace=0",
    "all_to_all": "pairwise",
    "barrier": "recursive_doubling",
}
_SMALL = {
    "all_reduce": "one_shot",
    "reduce_scatter": "two_shot:chunks=1:pace=0",
    "all_gather": "one_shot",
    "broadcast": "binomial:chunks=1:pace=0",
    "reduce": "binomial:chunks=1:pace=0",
    "all_to_all": "one_shot",
}


def choose(collective: Collective, element_bytes: int) -> str:
    """A specification for the collective on the bare host."""
    kind = collective.kind
    if collective.count * element_bytes <= SMALL_BYTES and kind in _SMALL:
        if kind == "all_reduce" and collective.ranks > FEW_RANKS:
            return "recursive_doubling"
        return _SMALL[kind]
    return _LARGE[kind]
