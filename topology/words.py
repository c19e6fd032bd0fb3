"""Bounds in words, for people: which links, of what, carry how much of the data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .model import Topology
    from .proven import Bound

MOST_NAMES, MOST_LINKS, MOST_WIDTHS = 6, 4, 3


def in_words(bound: Bound, topology: Topology) -> str:
    """A line that names the cut, or the links that bind."""
    if bound.proof == "cut":
        return _cut(bound, topology)
    if bound.proof in ("parts", "edges"):
        return _parts(bound, topology)
    names = [_link(topology, link) for link in bound.links[:MOST_LINKS]]
    names += [f"limit {topology.limits[limit].name}" for limit in bound.limits[: MOST_LINKS - len(names)]]
    more = len(bound.links) + len(bound.limits) - len(names)
    proof = "their prices" if bound.proof == "prices" else "the ways over them"
    return f"tight links: {', '.join(names)}{f' and {more} more' if more else ''}; {proof} prove it"


def _cut(bound: Bound, topology: Topology) -> str:
    chips = [node for node in bound.side if topology.nodes[node].kind == "device"]
    others = bound.ranks - len(chips)
    towards, ends = "into" if bound.into else "out of", "it" if len(chips) == 1 else "them"
    carry = f"{'carries' if len(bound.links) == 1 else 'carry'} {_share(bound)}"
    side = f"{_names(topology, chips)} | {others} other{'s' * (others != 1)}"
    return f"cut: {side}: {_links(topology, bound.links)} {towards} {ends} {carry}"


def _share(bound: Bound) -> str:
    share, data = bound.share or Fraction(1), "the data"
    if bound.collective == "all_to_all":
        data = "what a rank sends"
    if share.denominator == 1:
        return f"all of {data}" if share == 1 else f"{share} times {data}"
    parts = share * bound.ranks
    text = f"{parts}/{bound.ranks}" if parts.denominator == 1 else f"{float(share):.4g}"
    return f"{text} of {data}" if share < 1 else f"{float(share):.4g} times {data}"


def _parts(bound: Bound, topology: Topology) -> str:
    """An all-reduce's: each tree, up or down, enters every part but one."""
    count, sizes = len(bound.parts), sorted({len(part) for part in bound.parts})
    chips = f"{count} chips"
    if sizes != [1]:
        chips = f"{count} parts of {' to '.join(map(str, sizes[:: len(sizes) - 1 or 1]))} chips"
    towards = "into" if bound.into else "out of"
    times = f"{2 * (count - 1)} times ({count - 1} up, {count - 1} down)"
    return f"{bound.proof}: {_links(topology, bound.links)}, {towards} {chips}, carry all of the data {times}"


def _links(topology: Topology, links: Sequence[int]) -> str:
    """`4 links of 25 GB/s`, `2 links of 25 and 1 of 12.5 GB/s`, or what they have together."""
    if len(links) == 1:
        return f"link {_link(topology, links[0])}"
    widths = Counter(topology.links[link].bandwidth_GBps or 0.0 for link in links)
    if len(widths) > MOST_WIDTHS:
        return f"{len(links)} links of {sum(width * count for width, count in widths.items()):g} GB/s together"
    (first, count), *others = sorted(widths.items(), reverse=True)
    rest = "".join(f" and {count} of {width:g}" for width, count in others)
    return f"{count} link{'s' * (count != 1)} of {first:g}{rest} GB/s"


def _link(topology: Topology, link: int) -> str:
    wire = topology.links[link]
    return f"{topology.nodes[wire.src].name} -> {topology.nodes[wire.dst].name} ({wire.bandwidth_GBps:g} GB/s)"


def _names(topology: Topology, nodes: Iterable[int]) -> str:
    """`chip0..chip3, chip7`: names that differ in the number at their end as ranges."""
    runs: list[tuple[str, int, int]] = []
    for node in nodes:
        name = topology.nodes[node].name
        stem = name.rstrip("0123456789")
        last = int(name[len(stem) :] or -1)
        if runs and runs[-1][0] == stem and runs[-1][2] + 1 == last > 0:
            runs[-1] = (stem, runs[-1][1], last)
        else:
            runs.append((stem, last, last))
    texts = [_run(*run) for run in runs]
    return ", ".join(texts[:MOST_NAMES]) + (f" and {len(texts) - MOST_NAMES} more" if len(texts) > MOST_NAMES else "")


def _run(stem: str, first: int, last: int) -> str:
    ends = [stem if number < 0 else f"{stem}{number}" for number in (first, last)]
    return ends[0] if first == last else (", " if last == first + 1 else "..").join(ends)
