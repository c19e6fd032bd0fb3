"""What a bound says: the rate that no schedule exceeds, and what proves it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from .certificate import Certificate
from .cuts import Cut
from .wires import Ints, Nodes, Wires

if TYPE_CHECKING:
    from .model import Topology


@dataclass(frozen=True)
class Bound:
    """No schedule of the collective is faster than `rate_GBps` (algbw), whatever the bytes.

    proof: what proves it.
        cut     `share` of the data crosses `links`, into the nodes `side` (`into`) or out of them
        parts   all trees together enter (leave) every one of the `parts` 2 x (parts - 1) times, over `links`
        edges   the same where each part is one chip
        prices  prices of `links` and `limits`: each collective costs so much, and there is so much
        flow    lengths of `links` and `limits`: the data travels so far, and there is so much to travel on
    exact: the same rate as a fraction, where bandwidths and prices are simple enough.
    attained: schedules of long vectors come as near as one likes; else it is the best bound that was found.
    `side` has the ids of nodes, `links` and `limits` positions in the topology's.
    """

    rate_GBps: float
    proof: str
    exact: Fraction | None
    attained: bool
    ranks: int
    links: tuple[int, ...]
    limits: tuple[int, ...] = ()
    side: tuple[int, ...] = ()
    into: bool = True
    share: Fraction | None = None
    parts: tuple[tuple[int, ...], ...] = ()
    collective: str = ""

    def in_words(self, topology: Topology) -> str:
        """Why it is no more, in a line."""
        from .words import in_words

        return in_words(self, topology)


def by_cut(wires: Wires, cut: Cut, attained: bool, turned: bool = False) -> Bound:
    """`turned`: the wires are the board's with all arcs turned round."""
    rate = cut.rate(wires)
    inside = cut.beyond[wires.ranks].sum() * 2 <= len(wires.ranks)
    joined = np.zeros(wires.nodes, np.bool_)
    joined[wires.src] = joined[wires.dst] = True
    side = np.flatnonzero(joined & (cut.beyond if inside else ~cut.beyond))
    return Bound(
        float(rate),
        "cut",
        rate if wires.exact else None,
        attained,
        len(wires.ranks),
        tuple(wires.links[wires.crossing(cut.beyond)].tolist()),
        side=tuple(side.tolist()),
        into=bool(inside) != turned,
        share=cut.share,
    )


def by_parts(wires: Wires, parts: Sequence[Nodes], attained: bool, turned: bool = False) -> Bound:
    """Of an all-reduce whose trees all enter the parts, which hold each rank once."""
    arcs = np.unique(np.concatenate([wires.crossing(part) for part in parts]))
    held = tuple(tuple(wires.ranks[part[wires.ranks]].tolist()) for part in parts)
    return _by_parts(wires, held, sum(wires.width(part) for part in parts), arcs, attained, turned)


def by_chips(wires: Wires, attained: bool, turned: bool = False) -> Bound:
    """The same where each rank is a part."""
    arcs = np.flatnonzero(~wires.others()[wires.dst])
    held = tuple((node,) for node in wires.ranks.tolist())
    return _by_parts(wires, held, int(wires.capacity[arcs].sum()), arcs, attained, turned)


def _by_parts(
    wires: Wires, held: tuple[tuple[int, ...], ...], width: int, arcs: Ints, attained: bool, turned: bool
) -> Bound:
    """Each tree, up or down, enters all parts but one."""
    rate = width * wires.unit_GBps / (2 * (len(held) - 1))
    proof = "edges" if len(held) == len(wires.ranks) else "parts"
    exact, links = rate if wires.exact else None, tuple(wires.links[arcs].tolist())
    return Bound(float(rate), proof, exact, attained, len(wires.ranks), links, into=not turned, parts=held)


def by_prices(wires: Wires, certificate: Certificate, simple: bool, proof: str, attained: bool) -> Bound:
    """`simple`: whether the certificate's prices are simple fractions, so that its rate is the optimum's own."""
    rate = certificate.rate_GBps
    exact = rate if simple and wires.exact else None
    return Bound(float(rate), proof, exact, attained, len(wires.ranks), certificate.links, certificate.limits)
