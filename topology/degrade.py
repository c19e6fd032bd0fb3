"""Boards that lost something, or carry less: the same topology with faults, as a value of its own.

    without(board, "link:0-6")           the links between devices 0 and 6, both ways; 0>6: from 0 to 6 alone
    without(board, "chip:3")             device 3, with its links; the others keep their names and are counted anew
    without(board, "node:switch1")       any node by its name
    slow(board, "link:0-6=0.25")         what these links carry, times 0.25; parallel ones together
    slow(board, "chip:3=0.5")            every link that leaves or enters device 3, times 0.5
    slow(board, "node:nic0=0.5")         likewise for any node

Ends are device numbers or names of nodes (`link:chip0-leaf`). A shared limit lasts as long as one of its links; it is
slowed when all its links are, by the mildest of their factors: a chip's total with the chip, a half-duplex wire with
the wire. Faults add up: a link of a chip at 0.5 that is itself at 0.5 carries a quarter.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from _ringtree.errors import TopologyError

from .model import Limit, Link, Node, Topology

TARGET = re.compile(r"(link):([^->]+)([->])([^->]+)|(chip|node):([^->]+)")
FORMS = "link:A-B, link:A>B, chip:A or node:A"
MOST_NAMES = 8


def without(topology: Topology, what: str) -> Topology:
    """The board without a link, a chip or another node. TopologyError where there is none, or it falls apart."""
    return degraded(topology, lost=[what])


def slow(topology: Topology, what: str) -> Topology:
    """The board on which `what`, `chip:3=0.5` say, carries that part of its bandwidth. Raises TopologyError."""
    return degraded(topology, slowed=[what])


def degraded(topology: Topology, lost: Sequence[str] = (), slowed: Sequence[str] = ()) -> Topology:
    """The board with all these faults; device numbers are those of `topology`.

    Raises TopologyError for what is not there, a factor outside 0..1, chips that the rest does not reach any more;
    AssumptionError where what is slowed has no known bandwidth.
    """
    if not lost and not slowed:
        return topology
    damage = _Damage()
    for text in lost:
        target = _target(topology, text)
        damage.nodes |= target.nodes
        damage.links |= target.links
        damage.words.append(f"without {target.words}")
    for text in slowed:
        target, factor = _slowed(topology, text)
        for link in target.links:
            damage.factors[link] = damage.factors.get(link, 1.0) * factor
        damage.words.append(f"{target.words} at {factor:g} of the bandwidth")
    name = " ".join([topology.name, *(f"without {text}" for text in lost), *(f"slow {text}" for text in slowed)])
    return _Degrader(topology, damage, name).board()


@dataclass(frozen=True)
class _Target:
    """What a text names: links (indices), the node that goes with them, and both in words."""

    links: frozenset[int]
    nodes: frozenset[int]
    words: str


@dataclass
class _Damage:
    links: set[int] = field(default_factory=set)
    nodes: set[int] = field(default_factory=set)
    factors: dict[int, float] = field(default_factory=dict)
    words: list[str] = field(default_factory=list)


def _target(topology: Topology, text: str) -> _Target:
    match = TARGET.fullmatch(text.strip())
    if not match:
        raise TopologyError(f"{topology.name}: found {text!r}; expected {FORMS}")
    if match[1]:
        ends = [_node(topology, text, end) for end in (match[2], match[4])]
        return _between(topology, text, ends[0], ends[1], both=match[3] == "-")
    node = _node(topology, text, match[6])
    if match[5] == "chip" and topology.nodes[node].kind != "device":
        raise TopologyError(f"{topology.name}: {text}: found a {topology.nodes[node].kind}; expected a device")
    links = frozenset(index for index, link in enumerate(topology.links) if node in (link.src, link.dst))
    return _Target(links, frozenset([node]), topology.nodes[node].name)


def _between(topology: Topology, text: str, a: int, b: int, both: bool) -> _Target:
    ways = ((a, b), (b, a)) if both else ((a, b),)
    links = frozenset(topology.link_index[way] for way in ways if way in topology.link_index)
    first, second = topology.nodes[a].name, topology.nodes[b].name
    if not links:
        near = sorted({link.dst for link in topology.links if link.src == a})
        there = _listed([topology.nodes[node].name for node in near]) or "none"
        ends = f"between {first} and {second}" if both else f"from {first} to {second}"
        raise TopologyError(f"{topology.name}: {text}: found no link {ends}; {first} has links to {there}")
    words = f"the links between {first} and {second}" if both else f"the link from {first} to {second}"
    return _Target(links, frozenset(), words)


def _node(topology: Topology, text: str, end: str) -> int:
    """The node of a device number or a name."""
    end = end.strip()
    if end.isascii() and end.isdigit():
        last = len(topology.devices) - 1
        if len(end) > 9 or int(end) > last:
            raise TopologyError(f"{topology.name}: {text}: found device {end[:20]}; expected 0 to {last}")
        return topology.devices[int(end)]
    for node in topology.nodes:
        if node.name == end:
            return node.id
    names = _listed([node.name for node in topology.nodes])
    raise TopologyError(
        f"{topology.name}: {text}: found no node {end[:60]!r}; expected a device number or one of {names}"
    )


def _slowed(topology: Topology, text: str) -> tuple[_Target, float]:
    what, _, number = text.rpartition("=")
    if not what:
        raise TopologyError(f"{topology.name}: found {text!r}; expected {FORMS}, with =FACTOR behind it")
    try:
        factor = float(number)
    except ValueError:
        factor = 0.0
    if not 0 < factor <= 1:
        raise TopologyError(f"{topology.name}: {text}: found {number!r}; expected a factor above 0 and at most 1")
    return _target(topology, what), factor


class _Degrader:
    """Builds the board that is left: nodes counted anew, links by their new ends, limits over what they still have."""

    def __init__(self, topology: Topology, damage: _Damage, name: str) -> None:
        self.old = topology
        self.damage = damage
        self.name = name
        kept = [node for node in topology.nodes if node.id not in damage.nodes]
        self.new_id = {node.id: index for index, node in enumerate(kept)}
        # Old links that are left, in their order, which their new ends keep; and the new index of each.
        left = [i for i, link in enumerate(topology.links) if i not in damage.links and self._joins(link)]
        self.new_index = {old: new for new, old in enumerate(left)}

    def _joins(self, link: Link) -> bool:
        return link.src in self.new_id and link.dst in self.new_id

    def board(self) -> Topology:
        old = self.old
        if all(device in self.damage.nodes for device in old.devices):
            raise TopologyError(f"{self.name}: no chip is left")
        links = tuple(self._link(index) for index in self.new_index)
        limits = tuple(limit for limit in map(self._limit, old.limits) if limit)
        used = {link.kind for link in links} | {limit.kind for limit in limits}
        words = "; ".join([*([old.description] if old.description else []), *self.damage.words])
        board = Topology(
            self.name,
            tuple(self._node(node) for node in old.nodes if node.id in self.new_id),
            links,
            limits,
            tuple(kind for kind in old.kinds if kind.name in used),
            words,
            old.source,
            old.origin or old.name,
        )
        _require_joined(board)
        return board

    def _node(self, node: Node) -> Node:
        return replace(node, id=self.new_id[node.id])

    def _link(self, index: int) -> Link:
        link, factor = self.old.links[index], self.damage.factors.get(index)
        bandwidth = link.bandwidth_GBps if factor is None else self.old.bandwidth(link) * factor
        return replace(link, src=self.new_id[link.src], dst=self.new_id[link.dst], bandwidth_GBps=bandwidth)

    def _limit(self, limit: Limit) -> Limit | None:
        members = [index for index in limit.links if index in self.new_index]
        if not members:
            return None
        factor = max(self.damage.factors.get(index, 1.0) for index in members)
        bandwidth = limit.bandwidth_GBps if factor == 1.0 else self.old.bandwidth(limit) * factor
        links = tuple(self.new_index[index] for index in members)
        return replace(limit, bandwidth_GBps=bandwidth, links=links)


def _require_joined(board: Topology) -> None:
    parts = sorted(_parts(board), key=len, reverse=True)
    if len(parts) > 1:
        cut = sorted(device for part in parts[1:] for device in part)
        names = _listed([board.nodes[device].name for device in cut])
        verb = "is" if len(cut) == 1 else "are"
        rest = len(parts[0])
        left = "the other chip" if rest == 1 else f"the other {rest} chips"
        raise TopologyError(f"{board.name}: {names} {verb} cut off from {left}")


def _parts(board: Topology) -> Iterator[list[int]]:
    """Devices that reach each other, as check.unreachable sees it: through whatever lies between."""
    forth: dict[int, list[int]] = {}
    back: dict[int, list[int]] = {}
    for link in board.links:
        forth.setdefault(link.src, []).append(link.dst)
        back.setdefault(link.dst, []).append(link.src)
    left = dict.fromkeys(board.devices)
    while left:
        first = next(iter(left))
        reached = _reached(first, forth) & _reached(first, back)
        part = [device for device in left if device in reached]
        for device in part:
            del left[device]
        yield part


def _reached(start: int, ways: dict[int, list[int]]) -> set[int]:
    seen, front = {start}, [start]
    while front:
        front = [far for far in {far for node in front for far in ways.get(node, ())} if far not in seen]
        seen.update(front)
    return seen


def _listed(names: Sequence[str]) -> str:
    if len(names) <= MOST_NAMES:
        return ", ".join(names)
    return f"{', '.join(names[: MOST_NAMES - 1])}, ... {names[-1]} ({len(names)} in all)"
