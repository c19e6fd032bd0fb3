"""Print a board: devices, link matrix, routes, limits, what is assumed and what is unknown; or draw it with -o.

In the matrix NxB are N direct links that carry B GB/s together in one direction; otherwise the worst of what lies
between: FWD other devices, SW switches, PCI PCIe nodes, NET a NIC, HOST a processor; - is no path.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections import defaultdict
from typing import TYPE_CHECKING

from _ringtree.assume import Assumptions
from _ringtree.errors import AssumptionError, NoRouteError
from ringtree.cli import options
from ringtree.report import fit

if TYPE_CHECKING:
    from topology import Topology

WIDEST_MATRIX = 32  # devices; beyond, the routes by class say more
BETWEEN = {"device": "FWD", "switch": "SW", "pcie": "PCI", "nic": "NET", "host": "HOST"}  # from near to far


def add_arguments(parser: ArgumentParser) -> None:
    options.add_board(parser)
    parser.add_argument("--json", action="store_true", help="the board as one object on stdout, nothing else")
    parser.add_argument("-o", "--output", metavar="FILE.svg|png", help="draw it, links as wide as their bandwidth")


def run(arguments: Namespace) -> int:
    from ringtree.cli.output import check_picture

    check_picture(arguments.output)
    assume = Assumptions.parse(arguments.assume)
    board = options.load_board(arguments, arguments.topology, assume)
    options.refuse_unused(assume)
    if arguments.output:
        from ringtree.files import writing
        from ringtree.picture import draw

        with writing(arguments.output):
            draw(board, arguments.output)
    if arguments.json:
        import json

        from ringtree.value import as_dict

        print(json.dumps(as_dict(board), allow_nan=False, ensure_ascii=False))
    elif not arguments.output:
        print("\n".join(_describe(board)))
    return 0


def _describe(board: Topology) -> list[str]:
    lines = [f"{board.name}: {board.description}" if board.description else board.name]
    lines += [f"source: {board.source}"] if board.source else []
    total = fit(board.total_bandwidth_GBps, 12)
    lines += [f"{len(board.devices)} devices, {total} GB/s as all send at once", ""]
    lines += _nodes(board) + _links(board) + _limits(board)
    try:
        paths = _paths(board)
    except AssumptionError as unknown:
        return [*lines, f"routes: {unknown}", "", *_assumptions(board)]
    if len(board.devices) <= WIDEST_MATRIX:
        lines += _matrix(board, paths)
    return [*lines, *_routes(board, paths), *_assumptions(board)]


def _nodes(board: Topology) -> list[str]:
    """Runs of nodes of one kind and profile."""
    groups: dict[tuple[str, str, bool], list[str]] = defaultdict(list)
    for node in board.nodes:
        groups[node.kind, node.profile or "", node.forward and node.kind == "device"].append(node.name)
    lines = []
    for (kind, profile, forwards), names in groups.items():
        which = names[0] if len(names) == 1 else f"{names[0]} … {names[-1]}"
        what = [f"profile {profile}"] * bool(profile) + ["forwards for others"] * forwards
        lines.append(f"  {len(names):>5} {kind:<7} {which}{'; ' if what else ''}{', '.join(what)}")
    return ["nodes", *lines, ""]


def _links(board: Topology) -> list[str]:
    classes: dict[tuple[str, int, float | None, float | None], int] = defaultdict(int)
    for link in board.links:
        classes[link.kind, link.count, link.bandwidth_GBps, link.latency_us] += 1
    lines = ["links (directed)"]
    for (kind, count, bandwidth, latency), number in classes.items():
        each = f"{count} x " if count > 1 and bandwidth is not None else ""
        value = "unknown" if bandwidth is None else f"{each}{bandwidth / count:g} GB/s"
        late = "latency unknown" if latency is None else f"{latency:g} us"
        lines.append(f"  {number:>5} {kind:<12} {value:<16} {late}")
    for known in board.kinds:
        for what, figure in (("bandwidth", known.bandwidth), ("latency", known.latency)):
            if figure.source:
                lines.append(f"        {known.name} {what} [{figure.mark}]: {figure.source}")
    return [*lines, ""]


def _limits(board: Topology) -> list[str]:
    lines = [
        f"  {limit.name}: {fit(limit.bandwidth_GBps, 10)} GB/s over {len(limit.links)} directed links"
        for limit in board.limits
    ]
    return ["shared limits", *lines, ""] if lines else []


def _paths(board: Topology) -> dict[tuple[int, int], tuple[int, ...] | None]:
    """The route between every two devices (node ids), None where there is none."""
    paths: dict[tuple[int, int], tuple[int, ...] | None] = {}
    for src in board.devices:
        for dst in board.devices:
            if src != dst:
                try:
                    paths[src, dst] = board.route(src, dst)
                except NoRouteError:
                    paths[src, dst] = None
    return paths


def _between(board: Topology, path: tuple[int, ...]) -> str:
    """The farthest kind of node on the way, "" for a direct link."""
    kinds = {board.nodes[board.links[index].dst].kind for index in path[:-1]}
    return max((BETWEEN[kind] for kind in kinds), key=list(BETWEEN.values()).index, default="")


def _matrix(board: Topology, paths: dict[tuple[int, int], tuple[int, ...] | None]) -> list[str]:
    from tabulate import tabulate

    def cell(src: int, dst: int) -> str:
        if src == dst:
            return "X"
        path = paths[src, dst]
        if path is None:
            return "-"
        between = _between(board, path)
        if between:
            return between
        link = board.links[path[0]]
        return f"{link.count}x{link.bandwidth_GBps:g}"

    names = [board.nodes[device].name for device in board.devices]
    table = [["", *names]]
    table += [[board.nodes[src].name, *(cell(src, dst) for dst in board.devices)] for src in board.devices]
    text = tabulate(table, tablefmt="plain", stralign="right", disable_numparse=True)
    used = {cell(src, dst) for src, dst in paths}
    legend = {
        "FWD": "through other devices", "SW": "through switches", "PCI": "through PCIe nodes",
        "NET": "through NICs", "HOST": "through a host", "-": "no path",
    }  # fmt: skip
    known = [f"{short} {text}" for short, text in legend.items() if short in used]
    return [
        "matrix (NxB: N links, B GB/s together, per direction)",
        *text.split("\n"),
        *([", ".join(known)] if known else []),
        "",
    ]


def _routes(board: Topology, paths: dict[tuple[int, int], tuple[int, ...] | None]) -> list[str]:
    """Pairs of devices by how they are joined."""
    classes: dict[tuple[int, str, float, float | None], list[tuple[int, int]]] = defaultdict(list)
    for pair, path in paths.items():
        if path is None:
            classes[0, "none", 0.0, None].append(pair)
            continue
        links = [board.links[index] for index in path]
        latencies = [link.latency_us for link in links]
        latency = None if None in latencies else sum(value or 0.0 for value in latencies)
        narrowest = min(link.bandwidth_GBps or 0.0 for link in links)
        classes[len(links), _between(board, path) or "direct", narrowest, latency].append(pair)
    lines = ["routes (ordered pairs of devices)"]
    for (hops, between, narrowest, latency), pairs in sorted(classes.items(), key=lambda item: (item[0][:3], item[1])):
        if not hops:
            lines.append(f"  {len(pairs):>5} none    {_example(board, pairs[0], None)}")
            continue
        late = "latency unknown" if latency is None else f"{latency:g} us"
        text = f"{hops} link{'s' * (hops > 1)}, {narrowest:g} GB/s, {late}"
        lines.append(f"  {len(pairs):>5} {between:<7} {text:<32} {_example(board, pairs[0], paths[pairs[0]])}")
    return [*lines, ""]


def _example(board: Topology, pair: tuple[int, int], path: tuple[int, ...] | None) -> str:
    nodes = list(pair) if path is None else [pair[0], *(board.links[index].dst for index in path)]
    return "e.g. " + " > ".join(board.nodes[node].name for node in nodes)


def _assumptions(board: Topology) -> list[str]:
    unknown = {f"{board.key(link.kind)}.bandwidth" for link in board.links if link.bandwidth_GBps is None}
    unknown |= {f"{board.key(link.kind)}.latency" for link in board.links if link.latency_us is None}
    unknown |= {f"{board.key(limit.kind)}.bandwidth" for limit in board.limits if limit.bandwidth_GBps is None}
    lines = [f"assumed: {', '.join(board.assumed)}"] if board.assumed else []
    return lines + ([f"unknown: {', '.join(sorted(unknown))}"] if unknown else [])
