"""The matrix of `nvidia-smi topo -m`: how near GPUs and NICs are to each other.

            GPU0  GPU1  NIC0  CPU Affinity  NUMA Affinity
    GPU0     X    NV4   PIX   0-23          0
    GPU1    NV4    X    SYS   24-47         1
    NIC0    PIX   SYS    X

PIX is one PCIe switch between, PXB several, PHB a host bridge, NODE bridges of one NUMA node, SYS several of those, NV4
four NVLinks.

The tree of PCIe is what these distances say: what is PIX of each other hangs at one switch, and so on up to the hosts,
which are all joined. Where NVLinks hide the distance, GPUs of one NUMA node have one host. GPUs that share more
NVLinks than a GPU has are joined by NVSwitches: one switch, with as many links to each. No bandwidth is in the text,
so all are unknown: `--assume NAME.nvlink.bandwidth='25 GB/s'` gives that of a single NVLink; kinds are nvlink, pcie
and sys. Lost: CPU affinities, the legend.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations, product
from typing import NoReturn

from _ringtree.errors import TopologyError

from .draft import Draft
from .model import Link, LinkKind, Topology
from .yamlread import Place, fail, shorten

LEVELS = ("PIX", "PXB", "PHB", "NODE")  # from near to far
FAR = ("SYS", "SOC")
MOST_NVLINKS = 18  # of one GPU, up to Blackwell
MOST_NAMES = 256
HEADER = re.compile(r"^[ \t]*GPU0([ \t]+[^\s:]+)*\s*\n[ \t]*GPU0[ \t]", re.MULTILINE)
UNDERLINE = re.compile(r"\x1b\[[0-9;]*m")  # what terminals get
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
NVLINKS = re.compile(r"NV([0-9]{1,3})")
AFFINITIES = ("CPU", "NUMA")

Group = set[int]


def is_matrix(text: str) -> bool:
    """Whether a text has the header of such a matrix and a row within its first lines."""
    return HEADER.search(UNDERLINE.sub("", text[:20_000])) is not None


def load(text: str, label: str, name: str) -> Topology:
    """The machine of a matrix, called `name`. Raises TopologyError with line and column."""
    matrix = _read(UNDERLINE.sub("", text), label)
    machine = _Machine(matrix)
    machine.nvlinks()
    machine.pcie()
    try:
        return machine.draft.finish(name, "nvidia-smi topo -m")
    except TopologyError as error:
        matrix.fail((0, 0), str(error))


@dataclass(frozen=True)
class Matrix:
    """Names, cells[row][column], the NUMA node of each row ("" if it is not said), and where the cells are."""

    label: str
    names: list[str]
    cells: list[list[str]]
    numa: list[str]
    places: list[list[Place]]

    def fail(self, pair: tuple[int, int], message: str) -> NoReturn:
        row, column = pair
        fail(self.label, self.places[row][column], message)

    def between(self, pair: tuple[int, int]) -> str:
        return f"{self.names[pair[0]]} and {self.names[pair[1]]}"


def _read(text: str, label: str) -> Matrix:
    header = HEADER.search(text)
    first = text.count("\n", 0, header.start()) if header else 0
    lines = text.split("\n")
    words = lines[first].split()
    count = next((index for index, word in enumerate(words) if word in AFFINITIES), len(words))
    matrix = Matrix(label, words[:count], [], [], [])
    for name in matrix.names[: MOST_NAMES + 1]:
        if not NAME.fullmatch(name) or matrix.names.count(name) > 1 or count > MOST_NAMES:
            found = f"found {count} columns, {shorten(name)!r} among them"
            wanted = f"at most {MOST_NAMES} names such as GPU0, NIC0, mlx5_0, each once"
            fail(label, Place(first + 1, 1), f"{found}; expected {wanted}")
    for row, name in enumerate(matrix.names):
        number = first + 1 + row
        _row(matrix, number + 1, lines[number] if number < len(lines) else "", name, words[count:])
    for check in (_known, _mirrored):
        for row, column in product(range(count), repeat=2):
            check(matrix, row, column)
    return matrix


def _row(matrix: Matrix, number: int, line: str, name: str, affinities: list[str]) -> None:
    """One line: a name, a cell for each column, then what `affinities` heads."""
    count = len(matrix.names)
    found = [(match[0], Place(number, match.start() + 1)) for match in re.finditer(r"\S+", line)]
    if [word for word, _ in found[:1]] != [name] or len(found) <= count:
        wanted = f"the row of {name} with {count} values"
        fail(matrix.label, Place(number, 1), f"found {shorten(line.strip())!r}; expected {wanted}")
    words = [word for word, _ in found]
    matrix.cells.append(words[1 : count + 1])
    matrix.places.append([place for _, place in found[1 : count + 1]])
    told = affinities[2:4] == ["NUMA", "Affinity"] and len(words) > count + 2 and words[count + 2].isdigit()
    matrix.numa.append(words[count + 2] if told else "")


def _known(matrix: Matrix, row: int, column: int) -> None:
    cell, pair = matrix.cells[row][column], (row, column)
    known = cell == "X" or cell in (*LEVELS, *FAR) or NVLINKS.fullmatch(cell)
    if not known or (cell == "X") != (row == column):
        wanted = f"X on the diagonal, else NV and a number, {', '.join(LEVELS)} or SYS"
        matrix.fail(pair, f"found {shorten(cell)!r} between {matrix.between(pair)}; expected {wanted}")


def _mirrored(matrix: Matrix, row: int, column: int) -> None:
    cell, mirrored = matrix.cells[row][column], matrix.cells[column][row]
    if cell != mirrored:
        found = f"found {cell!r} and {mirrored!r} between {matrix.between((row, column))}"
        matrix.fail((row, column), f"{found}; expected the same both ways")


class _Machine:
    """Turns a matrix into nodes and links: GPUs, NICs, then switches and hosts."""

    def __init__(self, matrix: Matrix) -> None:
        self.matrix = matrix
        self.draft = Draft()
        for kind in ("nvlink", "pcie", "sys"):
            self.draft.kind(LinkKind(kind))
        rows = range(len(matrix.names))
        self.gpus = [row for row in rows if re.fullmatch("GPU[0-9]+", matrix.names[row])]
        self.tops: dict[int, int] = {}  # the highest node, so far, on the way of each row to its host
        for row in sorted(rows, key=lambda row: row not in self.gpus):
            self.tops[row] = self.draft.node(matrix.names[row].lower(), "device" if row in self.gpus else "nic")
        self.numbers: dict[str, int] = {}

    def node(self, prefix: str, kind: str) -> int:
        number = self.numbers.get(prefix, 0)
        self.numbers[prefix] = number + 1
        return self.draft.node(f"{prefix}{number}", kind)

    def both(self, a: int, b: int, kind: str, count: int = 1) -> None:
        self.draft.both(Link(a, b, None, None, count, kind))

    def nvlinks(self) -> None:
        """Links between GPUs, or from the GPUs of a group to a switch."""
        cells = self.matrix.cells
        counts = {
            pair: int(cells[pair[0]][pair[1]][2:])
            for pair in combinations(self.gpus, 2)
            if cells[pair[0]][pair[1]].startswith("NV")
        }
        for group in _joined([{row} for row in self.gpus], counts):
            pairs = {pair: count for pair, count in counts.items() if pair[0] in group}
            most = max(sum(count for pair, count in pairs.items() if row in pair) for row in group)
            if most <= MOST_NVLINKS:
                for (a, b), count in pairs.items():
                    self.both(self.tops[a], self.tops[b], "nvlink", count)
                continue
            if len(pairs) < len(group) * (len(group) - 1) // 2 or len(set(pairs.values())) > 1:
                found = f"found GPUs with up to {most} NVLinks, not alike to each other"
                wanted = f"at most {MOST_NVLINKS}, or equally many between all (NVSwitches)"
                self.matrix.fail(next(iter(pairs)), f"{found}; expected {wanted}")
            switch = self.node("nvswitch", "switch")
            for row in sorted(group):
                self.both(self.tops[row], switch, "nvlink", next(iter(pairs.values())))

    def pcie(self) -> None:
        """Switches from near to far, then hosts, each with each; a host's only bridge is the host itself."""
        groups: list[Group] = [{row} for row in self.tops]
        for level in LEVELS[:2]:
            groups = self.near(groups, level)
            for group in groups:
                self.meet(group, level.lower())
        bridges = self.near(groups, "PHB")
        hosts = []
        for group in self.neighbours(self.near(bridges, "NODE")):
            if not any(self.placed(row) for row in group):
                continue
            inner = [bridge for bridge in bridges if bridge <= group]
            for bridge in inner if len(inner) > 1 else ():
                self.meet(bridge, "bridge")
            hosts.append(self.node("cpu", "host"))
            for top in self.under(group):
                self.both(top, hosts[-1], "pcie")
        for a, b in combinations(hosts, 2):
            self.both(a, b, "sys")

    def near(self, groups: list[Group], level: str) -> list[Group]:
        """The groups joined by what is at most this far; what is said to be farther must not be among them."""
        cells = self.matrix.cells
        groups = _joined(groups, [pair for pair in combinations(self.tops, 2) if cells[pair[0]][pair[1]] == level])
        farther = (*LEVELS[LEVELS.index(level) + 1 :], *FAR)
        for group in groups:
            for pair in combinations(sorted(group), 2):
                cell = cells[pair[0]][pair[1]]
                if cell in farther:
                    wanted = f"{level} or nearer, as others are {level} of both"
                    self.matrix.fail(pair, f"found {cell!r} between {self.matrix.between(pair)}; expected {wanted}")
        return groups

    def neighbours(self, groups: list[Group]) -> list[Group]:
        """Groups joined whose GPUs are of one NUMA node, if all that is known between them is NVLinks."""
        cells, numa = self.matrix.cells, self.matrix.numa
        for a, b in combinations(self.gpus, 2):
            if numa[a] and numa[a] == numa[b] and cells[a][b].startswith("NV"):
                first, second = (next(group for group in groups if row in group) for row in (a, b))
                if not any(cells[x][y] in FAR for x in first for y in second):
                    groups = _joined(groups, [(a, b)])
        return groups

    def placed(self, row: int) -> bool:
        """Whether anything is known of a row's way to a host."""
        return bool(self.matrix.numa[row]) or any(cell in (*LEVELS, *FAR) for cell in self.matrix.cells[row])

    def meet(self, group: Group, prefix: str) -> None:
        """A node above the group where it has several tops."""
        tops = self.under(group)
        if len(tops) > 1:
            node = self.node(prefix, "pcie")
            for top in tops:
                self.both(top, node, "pcie")
            self.tops |= dict.fromkeys(group, node)

    def under(self, group: Group) -> list[int]:
        return list(dict.fromkeys(self.tops[row] for row in sorted(group)))


def _joined(groups: list[Group], pairs: Iterable[tuple[int, int]]) -> list[Group]:
    """The groups, those that a pair connects as one; in the order of their smallest members."""
    home = {row: group for group in groups for row in group}
    for a, b in pairs:
        if home[a] is not home[b]:
            both = home[a] | home[b]
            home |= dict.fromkeys(both, both)
    unique = {id(group): group for group in home.values()}
    return sorted(unique.values(), key=min)
