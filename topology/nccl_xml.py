"""NCCL and RCCL topology XML (NCCL_TOPO_FILE), also as FlagCX dumps it, with the bandwidths NCCL plans with.

    <system> <cpu> <pci> <pci> <gpu> <nvlink|xgmi|c2c/> </gpu> </pci> <pci> <nic> <net/> ...

Becomes: GPUs as devices gpu0.. (by rank where all have one, else as they stand), each <cpu> a host, each other <pci>
a PCIe node, PCIe NICs and their ports as NICs, all NVSwitches as one switch; links of the kinds pcie, sys (between
CPUs), nvlink, xgmi, c2c, net, local. Latencies are unknown. Lost: bus ids, affinities, <pcilink>, the vendors' names.
Files without <gpu> (cloud templates) give a GPU for each <pci> of class 0x0302 and then have no NVLinks: those are
not in the file.
"""

from __future__ import annotations

from collections.abc import Iterator

from _ringtree.errors import TopologyError

from .draft import Draft
from .model import Figure, Link, LinkKind, Topology
from .nccl_rates import LOCAL_GBps, net_GBps, nvlink_GBps, pcie_GBps, socket_GBps, xgmi_GBps
from .xmlread import Element
from .yamlread import fail, shorten

GPU_TAGS = ("gpu", "apu")
SOURCE = "the width that NCCL and RCCL plan with"
KINDS = ("pcie", "sys", "nvlink", "xgmi", "c2c", "net", "local")


def load(root: Element, label: str, name: str) -> Topology:
    """The topology of an XML file's root, called `name`. Raises TopologyError with line and column."""
    if root.tag != "system":
        wanted = "<system> (NCCL or RCCL topology XML) or <platform> (SimGrid)"
        fail(label, root, f"found <{shorten(root.tag)}>, not a topology; expected {wanted}")
    if root.get("version") not in ("1", "2"):
        fail(label, root, f"found version {shorten(root.get('version'))!r} of <system>; expected 1 or 2")
    return _System(label).topology(root, name)


def _gpu(pci: Element) -> Element | None:
    """The <gpu> in a <pci>."""
    return next((child for child in pci.children if child.tag in GPU_TAGS), None)


def _is_gpu(pci: Element) -> bool:
    return _gpu(pci) is not None or pci.get("class").startswith("0x0302")


def _is_nic(pci: Element) -> bool:
    return pci.get("class").startswith("0x02") or any(child.tag == "nic" for child in pci.children)


def _slots(element: Element) -> Iterator[Element]:
    """Every <pci> that holds a GPU, in the order of the file."""
    for child in element.children:
        if child.tag == "pci" and _is_gpu(child):
            yield child
        yield from _slots(child)


class _System:
    """Turns the elements of one <system> into a draft: the GPUs, then what joins them."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.draft = Draft()
        self.singles: dict[str, set[float | None]] = {kind: set() for kind in KINDS}
        self.gpus: dict[str, int] = {}  # bus id: node
        self.counts: dict[str, int] = {}

    def topology(self, root: Element, name: str) -> Topology:
        cpus = [child for child in root.children if child.tag == "cpu"]
        self.check_places(root, cpus)
        slots = list(_slots(root))
        if not slots:
            wanted = "expected a <gpu>, an <apu> or a <pci> of class 0x0302"
            fail(self.label, root, f"found no GPU; {wanted}")
        seen = set()
        for slot in slots:
            if slot.get("busid") in seen:
                fail(self.label, slot, f"found busid {shorten(slot.get('busid'))!r} again; expected each once")
            seen.add(slot.get("busid"))
        self.gpus = {slot.get("busid"): self.add("gpu", "device") for slot in self.ordered(slots)}
        hosts = [self.add("cpu", "host") for _ in cpus]
        self.sockets(cpus, hosts)
        for cpu, host in zip(cpus, hosts, strict=True):
            self.tree(cpu, host)
            for slot in _slots(cpu):
                self.peers(slot, host)
        for kind, singles in self.singles.items():
            value = singles.pop() if len(singles) == 1 else None
            self.draft.kind(LinkKind(kind, Figure() if value is None else Figure(value, "V", SOURCE)))
        try:
            return self.draft.finish(name)
        except TopologyError as error:
            fail(self.label, root, str(error))

    def check_places(self, root: Element, cpus: list[Element]) -> None:
        for child in root.children:
            if child.tag in (*GPU_TAGS, "pci"):
                fail(
                    self.label,
                    child,
                    f"found <{child.tag}> directly under <system>; expected it in a <cpu>, and a <gpu> in a <pci>",
                )
        if len({cpu.get("host_hash") for cpu in cpus}) > 1:
            fail(self.label, cpus[0], "found CPUs of several hosts; expected the topology of one host")

    def ordered(self, slots: list[Element]) -> list[Element]:
        """By rank where every GPU has one of its own, else as they stand."""
        ranks = [_gpu(slot) for slot in slots]
        numbers = [gpu.get("rank") if gpu is not None else "" for gpu in ranks]
        if all(number.isascii() and number.isdigit() for number in numbers) and len(set(numbers)) == len(numbers):
            return [slot for _, slot in sorted(zip(map(int, numbers), slots, strict=True), key=lambda pair: pair[0])]
        return slots

    def add(self, prefix: str, kind: str) -> int:
        """A node numbered among those of its prefix."""
        number = self.counts.get(prefix, 0)
        self.counts[prefix] = number + 1
        return self.draft.node(f"{prefix}{number}", kind)

    def link(self, src: int, dst: int, kind: str, single: float | None, count: int = 1) -> None:
        """Add parallel links to those of their kind; of two kinds between the same ends the wider stays."""
        self.singles[kind].add(single)
        known = self.draft.links.pop((src, dst), None)
        if known is not None and known.kind == kind:
            count += known.count
        link = Link(src, dst, None if single is None else single * count, None, count, kind)
        if known is not None and known.kind != kind and (known.bandwidth_GBps or 0) > (link.bandwidth_GBps or 0):
            link = known
        self.draft.link(link)

    def both(self, a: int, b: int, kind: str, single: float | None, count: int = 1) -> None:
        self.link(a, b, kind, single, count)
        self.link(b, a, kind, single, count)

    def sockets(self, cpus: list[Element], hosts: list[int]) -> None:
        """Links from every CPU to every other."""
        for cpu, host in zip(cpus, hosts, strict=True):
            rate = socket_GBps(*(cpu.get(name) for name in ("arch", "vendor", "familyid", "modelid")))
            for other in hosts:
                if other != host:
                    self.link(host, other, "sys", rate)

    def tree(self, element: Element, parent: int) -> None:
        """Nodes and links below a CPU or a PCIe node."""
        for child in element.children:
            if child.tag == "nic" and element.tag == "cpu":
                node = self.add("nic", "nic")
                self.both(node, parent, "local", LOCAL_GBps)
                self.ports(child, node)
            if child.tag == "nic" and element.tag == "pci":
                self.ports(child, parent)
            if child.tag == "pci" and not child.get("class").startswith("0x0680"):
                if _is_gpu(child):
                    node = self.gpus[child.get("busid")]
                else:
                    node = self.add("nic", "nic") if _is_nic(child) else self.add("pci", "pcie")
                self.both(node, parent, "pcie", pcie_GBps(child.get("link_speed"), child.get("link_width")))
                self.tree(child, node)

    def ports(self, nic: Element, node: int) -> None:
        """The network ports of a NIC: where wires to other hosts begin."""
        for net in nic.children:
            if net.tag == "net":
                self.both(self.add("net", "nic"), node, "net", net_GBps(net.get("speed")))

    def peers(self, slot: Element, host: int) -> None:
        """Links of one GPU to others, to the NVSwitches, to its CPU; the far GPU lists its own direction."""
        gpu = _gpu(slot)
        if gpu is None:
            return
        node = self.gpus[slot.get("busid")]
        for peer in gpu.children:
            if peer.tag in ("nvlink", "xgmi"):
                rate = nvlink_GBps(gpu.get("sm")) if peer.tag == "nvlink" else xgmi_GBps(gpu.get("gcn"))
                count = self.whole(peer, "count")
                if peer.get("tclass").startswith("0x068000"):
                    self.both(node, self.nvswitch(), peer.tag, rate, count)
                elif peer.get("tclass").startswith("0x068001"):
                    self.both(node, host, peer.tag, rate, count)
                else:
                    self.link(node, self.target(peer, node), peer.tag, rate, count)
            elif peer.tag == "c2c":
                # In MB/s, as NCCL reads it.
                self.both(node, host, "c2c", self.whole(peer, "bw") / 1000, self.whole(peer, "count"))

    def nvswitch(self) -> int:
        """The one switch that stands for all NVSwitches."""
        for node in self.draft.nodes:
            if node.kind == "switch":
                return node.id
        return self.add("nvswitch", "switch")

    def target(self, peer: Element, node: int) -> int:
        target = self.gpus.get(peer.get("target"))
        if target is None or target == node:
            found = shorten(peer.get("target"))
            fail(
                self.label,
                peer,
                f"found target {found!r} of <{peer.tag}>; expected the busid of another GPU in this file",
            )
        return target

    def whole(self, element: Element, name: str) -> int:
        text = element.get(name)
        if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) > 0):
            fail(
                self.label,
                element,
                f"found {name} {shorten(text)!r} in <{element.tag}>; expected a whole number above 0",
            )
        return int(text)
