"""Values that the choice of an algorithm is made of: candidates, and families of them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from _ringtree.core import Recipe

from .specification import Specification


@dataclass(frozen=True)
class Candidate:
    """A full specification, the recipe that it stands for, and about how many transfers its program has."""

    specification: Specification
    recipe: Recipe
    transfers: int


@dataclass(frozen=True)
class Family:
    """Candidates that differ in how many pieces they pipeline alone, in ascending order.

    `rate_GBps`: the algbw that none of them exceeds, inf where it is not known. `hops`: about how many ranks a piece
    passes one after another.
    """

    members: tuple[Candidate, ...]
    hops: int = 1
    rate_GBps: float = math.inf
