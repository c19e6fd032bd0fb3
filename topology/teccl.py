"""TE-CCL inputs: the topologies that their `TopologyParams` name, with TE-CCL's capacities and alphas.

TE-CCL builds its topologies in Python (microsoft/TE-CCL, teccl/topologies); a file holds a name and a few
parameters. Capacities there are in GB/s (divided by the size of a chunk), alphas in seconds, one for each link.
GPUs come first, box by box, then the switches. NDv2 and DGX2 have alphas of their own, whatever the file says.

Two slips of TE-CCL's code are not followed: it marks wrong nodes as switches where AMD has several boxes, and it has
the two links between two NDv2 boxes the other way round than the published graph of that board.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import permutations
from typing import Any

from .draft import MAX_NODES, Draft
from .jsonread import Document
from .model import Figure, Link, LinkKind, Topology
from .yamlread import shorten

SECTIONS = ("TopologyParams", "GurobiParams", "InstanceParams")
PARAMETERS = ("name", "option", "chassis", "chunk_size", "alpha", "side_length")
SOURCE = "microsoft/TE-CCL, teccl/topologies"

# The hybrid cube mesh of DGX-1 and NDv2: pairs of GPUs, NVLinks between them.
CUBE_MESH = {
    (0, 1): 2, (0, 2): 1, (0, 3): 1, (0, 4): 2, (1, 2): 1, (1, 3): 2, (1, 5): 1, (2, 3): 2,
    (2, 6): 2, (3, 7): 1, (4, 5): 2, (4, 6): 1, (4, 7): 1, (5, 6): 1, (5, 7): 2, (6, 7): 2,
}  # fmt: skip

# Sixteen dies of eight MI250: pairs of dies, xGMI links between them.
MI250 = {
    (0, 1): 4, (2, 3): 4, (4, 5): 4, (6, 7): 4, (8, 9): 4, (10, 11): 4, (12, 13): 4, (14, 15): 4,
    (0, 4): 2, (3, 7): 2, (8, 12): 2, (11, 15): 2,
    (0, 8): 1, (1, 5): 1, (1, 9): 1, (1, 10): 1, (2, 6): 1, (2, 9): 1, (2, 10): 1, (3, 11): 1,
    (4, 6): 1, (5, 6): 1, (5, 7): 1, (9, 13): 1, (10, 14): 1, (12, 14): 1, (13, 14): 1, (13, 15): 1,
}  # fmt: skip


@dataclass
class Plan:
    """What a file asks for, and the draft that it becomes."""

    document: Document
    chassis: int
    alpha_us: tuple[float, float]
    side: int
    draft: Draft = field(default_factory=Draft)

    def gpus(self, count: int, others: int = 0) -> list[list[int]]:
        """Ids of the GPUs of each box, so many in one; room is there for the boxes' other nodes too."""
        self.draft.room(nodes=self.chassis * (count + others))
        return [[self.draft.node(f"{self.path(box)}gpu{gpu}", "device") for gpu in range(count)] for box in self.boxes]

    @property
    def boxes(self) -> range:
        return range(self.chassis)

    def path(self, box: int) -> str:
        return f"box{box}." if self.chassis > 1 else ""

    def kind(self, name: str, bandwidth_GBps: float, latency_us: float) -> LinkKind:
        kind = LinkKind(name, Figure(bandwidth_GBps, source=SOURCE), Figure(latency_us, source=SOURCE))
        self.draft.kind(kind)
        return kind


def load(document: Document, name: str) -> Topology:
    """The topology that an input names, called `name`. Raises TopologyError with line and column."""
    document.fields((), document.root, SECTIONS, SECTIONS[:1])
    place, given = ("TopologyParams",), document.root["TopologyParams"]
    document.fields(place, given, PARAMETERS, ("name",))
    if not isinstance(given["name"], str) or given["name"] not in BUILDERS:
        found = shorten(repr(given["name"]))
        document.fail((*place, "name"), f"found the topology {found}; expected one of {', '.join(BUILDERS)}")
    if "chunk_size" in given:
        document.number((*place, "chunk_size"), given["chunk_size"], "a size above 0, in GB", zero=False)
    plan = Plan(
        document,
        document.whole((*place, "chassis"), given.get("chassis", 2 if given["name"] == "DGX2" else 1), 1, MAX_NODES),
        _alphas(document, given),
        document.whole((*place, "side_length"), given.get("side_length", 4), 2, MAX_NODES),
    )
    with document.at((*place, "chassis")):
        BUILDERS[given["name"]](plan)
    boxes = f", {plan.chassis} chassis" if given["name"] != "Mesh" else f", side {plan.side}"
    with document.at(place):
        return plan.draft.finish(name, f"TE-CCL's {given['name']}{boxes}", SOURCE)


def _alphas(document: Document, given: dict[str, Any]) -> tuple[float, float]:
    """Latency of a link and of one at a switch, us."""
    path = ("TopologyParams", "alpha")
    values = document.items(path, given.get("alpha", [0, 0]), 2)
    first, second = (
        document.number((*path, index), value, "seconds, 0 or more") * 1e6 for index, value in enumerate(values)
    )
    return first, second


def _wire(plan: Plan, gpus: list[int], pairs: dict[tuple[int, int], int], kind: LinkKind) -> None:
    """Parallel links between the GPUs of one box."""
    for (a, b), count in pairs.items():
        single = kind.bandwidth.value or 0.0
        plan.draft.both(Link(gpus[a], gpus[b], single * count, kind.latency.value, count, kind.name))


def _single(plan: Plan, src: int, dst: int, kind: LinkKind) -> None:
    plan.draft.link(Link(src, dst, kind.bandwidth.value, kind.latency.value, kind=kind.name))


def _dgx1(plan: Plan) -> None:
    """One box: TE-CCL knows no more."""
    _require(plan, 1)
    _wire(plan, plan.gpus(8)[0], CUBE_MESH, plan.kind("nvlink", 25.0, plan.alpha_us[0]))


def _ndv2(plan: Plan) -> None:
    """DGX-1 boxes. Two: GPU 1 to GPU 0 of the other. More: GPU 0 of each to a switch, that to GPU 1 of each."""
    boxes = plan.gpus(8)
    nvlink, net = plan.kind("nvlink", 25.0, 0.7), plan.kind("net", 12.5, 1.3)
    for gpus in boxes:
        _wire(plan, gpus, CUBE_MESH, nvlink)
    if plan.chassis == 2:
        for here, there in permutations(boxes):
            _single(plan, here[1], there[0], net)
    elif plan.chassis > 2:
        switch = plan.draft.node("switch", "switch")
        for gpus in boxes:
            _single(plan, gpus[0], switch, net)
            _single(plan, switch, gpus[1], net)


def _dgx2(plan: Plan) -> None:
    """Two boxes of sixteen GPUs at a switch; each odd GPU sends to the even one before it in the other box."""
    _require(plan, 2)
    boxes = plan.gpus(16)
    nvlink, net = plan.kind("nvlink", 125.0, 0.35), plan.kind("net", 12.5, 2.6)
    for box, gpus in enumerate(boxes):
        switch = plan.draft.node(f"{plan.path(box)}nvswitch", "switch")
        for gpu in gpus:
            plan.draft.both(Link(gpu, switch, nvlink.bandwidth.value, nvlink.latency.value, kind="nvlink"))
    for here, there in permutations(boxes):
        for odd in range(1, 16, 2):
            _single(plan, here[odd], there[odd - 1], net)


def _amd(plan: Plan) -> None:
    """Boxes of eight MI250; of several boxes every two dies share a NIC, and all NICs a switch."""
    boxes = plan.gpus(16, others=8)
    xgmi, net = plan.kind("xgmi", 50.0, plan.alpha_us[0]), plan.kind("net", 25.0, plan.alpha_us[1])
    for gpus in boxes:
        _wire(plan, gpus, MI250, xgmi)
    if plan.chassis == 1:
        return
    switch = plan.draft.node("switch", "switch")
    for box, gpus in enumerate(boxes):
        for card in range(8):
            nic = plan.draft.node(f"{plan.path(box)}nic{card}", "nic")
            for end in (gpus[2 * card], gpus[2 * card + 1], switch):
                plan.draft.both(Link(nic, end, net.bandwidth.value, net.latency.value, kind="net"))


def _mesh(plan: Plan) -> None:
    """A grid without wrap whose rows follow each other: the last of a row is joined with the first of the next."""
    _require(plan, 1)
    side = plan.side
    with plan.document.at(("TopologyParams", "side_length")):
        plan.draft.room(side**2, 4 * side**2)
    gpus = plan.gpus(side**2)[0]
    kind = plan.kind("link", 100.0, plan.alpha_us[0])
    for step in (1, side):
        _wire(plan, gpus, {(gpu, gpu + step): 1 for gpu in range(len(gpus) - step)}, kind)


def _require(plan: Plan, chassis: int) -> None:
    if plan.chassis != chassis:
        found = f"found {plan.chassis} chassis; expected {chassis}: TE-CCL builds this topology of {chassis} only"
        plan.document.fail(("TopologyParams", "chassis"), found)


BUILDERS: dict[str, Callable[[Plan], None]] = {"DGX1": _dgx1, "DGX2": _dgx2, "NDv2": _ndv2, "AMD": _amd, "Mesh": _mesh}
