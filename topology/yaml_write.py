"""A topology as a board file, flat: every node and link by name, read back as the same value."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from _ringtree.errors import UnsupportedError

from .assumptions import times
from .figures import spell
from .model import Figure, Limit, Link, LinkKind, Node, Topology

PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
WORDS = ("null", "Null", "NULL")
NUMBERED = re.compile(r"(.*?)(0|[1-9][0-9]*)")


def to_yaml(topology: Topology) -> str:
    """The text of a board file. Raises UnsupportedError for a sum that no bandwidth of a single link gives."""
    lines = [f"board: {_quote(topology.name)}"]
    for key, text in (("description", topology.description), ("source", topology.source)):
        if text:
            lines.append(f"{key}: {_quote(text)}")
    lines.append("nodes:")
    lines += [f"  {line}" for line in _nodes(topology)]
    if topology.kinds:
        lines.append("kinds:")
        lines += [f"  {_quote(kind.name)}: {_kind(kind)}" for kind in topology.kinds]
    if topology.links:
        lines.append("links:")
        lines += _links(topology)
    if topology.limits:
        lines.append("limits:")
        lines += [f"  {_quote(limit.name)}: {_limit(topology, limit)}" for limit in topology.limits]
    return "\n".join(lines) + "\n"


def _quote(text: str) -> str:
    if PLAIN.fullmatch(text) and text not in WORDS:
        return text
    return '"' + "".join(map(_escape, text)) + '"'


def _escape(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    if character.isprintable():
        return character
    return f"\\U{ord(character):08x}"


def _nodes(topology: Topology) -> Iterator[str]:
    """One line for a node, or for a run of nodes that differ in their numbers only."""
    names = {node.name for node in topology.nodes}
    written: set[str] = set()
    start = 0
    while start < len(topology.nodes):
        run = _run(topology.nodes, start)
        prefix = topology.nodes[start].name.removesuffix("0")
        if run > 1 and prefix not in names | written:
            written.add(prefix)
            yield f"{prefix}: {_node(topology.nodes[start], run)}"
            start += run
        else:
            yield f"{topology.nodes[start].name}: {_node(topology.nodes[start], None)}"
            start += 1


def _run(nodes: tuple[Node, ...], start: int) -> int:
    """How many nodes from `start` on are numbered 0, 1, 2, ... and otherwise alike."""
    match = NUMBERED.fullmatch(nodes[start].name)
    if not match or match[2] != "0" or not match[1] or match[1].endswith("."):
        return 1
    length = 1
    while start + length < len(nodes):
        node = nodes[start + length]
        if node.name != f"{match[1]}{length}" or _node(node, None) != _node(nodes[start], None):
            break
        length += 1
    return length


def _node(node: Node, count: int | None) -> str:
    parts = [f"kind: {node.kind}"]
    if count is not None:
        parts.append(f"count: {count}")
    if node.profile is not None:
        parts.append(f"profile: {_quote(node.profile)}")
    if node.kind == "device" and (node.forward or node.forward_mark or node.forward_source):
        parts.append(f"forward: {_figure(str(node.forward).lower(), node.forward_mark, node.forward_source)}")
    parts += [f"{flag}: true" for flag in ("multicast", "aggregation") if getattr(node, flag)]
    return "{" + ", ".join(parts) + "}"


def _figure(value: str, mark: str, source: str) -> str:
    if not mark and not source:
        return value
    parts = [f"assumed: {value}"] if mark == "A" else [f"value: {value}"] + ([f"mark: {mark}"] if mark else [])
    if source:
        parts.append(f"source: {_quote(source)}")
    return "{" + ", ".join(parts) + "}"


def _kind(kind: LinkKind) -> str:
    def with_unit(figure: Figure, unit: str) -> str:
        value = "null" if figure.value is None else f"{spell(figure.value)} {unit}"
        return _figure(value, figure.mark, figure.source)

    return f"{{bandwidth: {with_unit(kind.bandwidth, 'GB/s')}, latency: {with_unit(kind.latency, 'us')}}}"


def _links(topology: Topology) -> Iterator[str]:
    kinds = {kind.name: kind for kind in topology.kinds}
    entries: dict[str, list[str]] = {}
    for link in topology.links:
        entry = _link(topology, link, kinds[link.kind])
        if entry:
            entries.setdefault(link.kind, []).append(entry)
    for kind, lines in entries.items():
        yield f"  {_quote(kind)}:"
        yield from (f"    - {line}" for line in lines)


def _link(topology: Topology, link: Link, kind: LinkKind) -> str | None:
    """The entry of a link, or of both directions where they are alike; None for one already written."""
    index = topology.link_index.get((link.dst, link.src))
    back = None if index is None else topology.links[index]
    alike = back is not None and _carries(back) == _carries(link)
    if alike and link.src > link.dst:
        return None
    ends = [topology.nodes[end].name for end in (link.src, link.dst)]
    own = _own_bandwidth(topology, link, kind)
    if link.latency_us != kind.latency.value:
        own.append(f"latency: {spell(link.latency_us)} us")
    if alike and not own:
        return f"[{', '.join(ends)}]" if link.count == 1 else f"[{', '.join(ends)}, {link.count}]"
    shape = f"between: [{', '.join(ends)}]" if alike else f"from: {ends[0]}, to: {ends[1]}"
    count = [] if link.count == 1 else [f"count: {link.count}"]
    return "{" + ", ".join([shape, *count, *own]) + "}"


def _carries(link: Link) -> tuple[object, ...]:
    return (link.kind, link.count, link.bandwidth_GBps, link.latency_us)


def _own_bandwidth(topology: Topology, part: Link | Limit, kind: LinkKind) -> list[str]:
    """The bandwidth of a single link where it is not the kind's."""
    total = part.bandwidth_GBps
    if total is None or total == times(kind.bandwidth.value, part.count):
        return []
    single = total / part.count
    for candidate in (single, math.nextafter(single, 0), math.nextafter(single, math.inf)):
        if candidate * part.count == total:
            return [f"bandwidth: {spell(candidate)} GB/s"]
    raise UnsupportedError(f"{topology.name}: {part.count} links of one bandwidth cannot sum to {total!r} GB/s")


def _limit(topology: Topology, limit: Limit) -> str:
    kind = next(kind for kind in topology.kinds if kind.name == limit.kind)
    parts = [f"kind: {_quote(kind.name)}"]
    if limit.count != 1:
        parts.append(f"count: {limit.count}")
    parts += _own_bandwidth(topology, limit, kind)
    ends = (topology.links[index] for index in limit.links)
    pairs = ", ".join(f"[{topology.nodes[link.src].name}, {topology.nodes[link.dst].name}]" for link in ends)
    return "{" + ", ".join([*parts, f"links: [{pairs}]"]) + "}"
