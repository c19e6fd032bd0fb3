"""NCCL and RCCL topology XML: small systems in full, the real files, and what is refused."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

import topology
from _ringtree.errors import TopologyError
from topology import Topology

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"

INTEL = 'arch="x86_64" vendor="GenuineIntel" familyid="6"'

SMALL = f"""<system version="1">
  <cpu numaid="0" {INTEL} modelid="143">
    <pci busid="0000:01:00.0" class="0x060400" link_speed="16.0 GT/s PCIe" link_width="8">
      <pci busid="0000:02:00.0" class="0x030200" link_speed="32.0 GT/s PCIe" link_width="16">
        <gpu dev="0" sm="90" rank="1" gdr="1">
          <nvlink target="0000:0a:00.0" count="2" tclass="0x030200"/>
          <nvlink target="0000:f0:00.0" count="5" tclass="0x068000"/>
          <nvlink target="0000:f1:00.0" count="4" tclass="0x068000"/>
        </gpu>
      </pci>
      <pci busid="0000:03:00.0" class="0x020700" link_width="16">
        <nic><net name="mlx5_0" dev="0" speed="400000"/><net name="mlx5_1" dev="1"/></nic>
      </pci>
    </pci>
  </cpu>
  <cpu numaid="1" {INTEL} modelid="85">
    <pci busid="0000:0a:00.0" class="0x030200" link_speed="5 GT/s" link_width="0">
      <gpu dev="1" sm="80" rank="0" gdr="1">
        <nvlink target="0000:02:00.0" count="2" tclass="0x030200"/>
        <c2c bw="450000" count="2"/>
      </gpu>
    </pci>
    <nic><net name="eth0" speed="-1"/></nic>
  </cpu>
</system>
"""


def links_by_name(board: Topology) -> dict[tuple[str, str], tuple[str, float | None]]:
    names = [node.name for node in board.nodes]
    return {(names[x.src], names[x.dst]): (x.kind, x.bandwidth_GBps) for x in board.links}


def test_every_element_becomes_what_nccl_makes_of_it() -> None:
    text = SMALL.replace('<c2c bw="450000" count="2"/>', "")
    links = links_by_name(topology.loads(text, name="small"))
    expected = {
        ("gpu1", "pci0"): ("pcie", 48.0),
        ("pci0", "cpu0"): ("pcie", 12.0),
        ("nic0", "pci0"): ("pcie", 12.0),
        ("net0", "nic0"): ("net", 50.0),
        ("net1", "nic0"): ("net", 1.25),
        ("gpu0", "cpu1"): ("pcie", 6.0),
        ("nic1", "cpu1"): ("local", 5000.0),
        ("net2", "nic1"): ("net", 1.25),
        ("gpu1", "nvswitch0"): ("nvlink", 9 * 20.6),
    }
    two_ways = {way: value for (a, b), value in expected.items() for way in ((a, b), (b, a))}
    one_way = {
        ("cpu0", "cpu1"): ("sys", 22.0),
        ("cpu1", "cpu0"): ("sys", 10.0),
        ("gpu1", "gpu0"): ("nvlink", 2 * 20.6),
        ("gpu0", "gpu1"): ("nvlink", 2 * 20.0),
    }
    assert links == two_ways | one_way


def test_of_two_kinds_between_the_same_ends_the_wider_stays() -> None:
    links = links_by_name(topology.loads(SMALL))
    assert links["gpu0", "cpu1"] == links["cpu1", "gpu0"] == ("c2c", 900.0)


def amd(*gpus: tuple[str, str]) -> str:
    """A system of AMD GPUs (bus id, rank), each with as many xGMI links to the first as its place says."""
    slots = []
    for place, (bus, rank) in enumerate(gpus):
        peers = f'<xgmi target="{gpus[0][0]}" count="{place}"/>' if place else ""
        marked = f' rank="{rank}"' if rank else ""
        slots.append(f'<pci busid="{bus}" class="0x038000"><gpu gcn="gfx942"{marked}>{peers}</gpu></pci>')
    return f'<system version="2"><cpu arch="arm64">{"".join(slots)}</cpu></system>'


@pytest.mark.parametrize(
    ("ranks", "first", "second"),
    [("201", 2, 0), ("012", 0, 1), ("220", 0, 1), (("", "1", "0"), 0, 1)],
)
def test_devices_follow_the_ranks_or_else_the_file(ranks: str, first: int, second: int) -> None:
    board = topology.loads(amd(*zip("abc", ranks, strict=True)))
    counts = {(link.src, link.dst): link.count for link in board.links if link.kind == "xgmi"}
    assert counts[second, first] == 1
    assert {link.bandwidth_GBps for link in board.links if link.kind == "xgmi"} == {48.0, 96.0}


def test_a_template_without_gpu_elements_has_a_gpu_for_each_slot_of_the_class() -> None:
    text = """<system version="1"><cpu arch="x86_64" vendor="AuthenticAMD" familyid="23" modelid="49">
      <pci busid="1" class="0x030200" link_speed="16 GT/s" link_width="16"/>
      <pci busid="2" class="0x030200" link_speed="16 GT/s" link_width="16"/>
      <pci busid="3" class="0x020700" link_speed="16 GT/s" link_width="16"/>
      <pci busid="4" class="0x068000"/></cpu></system>"""
    board = topology.loads(text)
    assert [(node.name, node.kind) for node in board.nodes] == [
        ("gpu0", "device"),
        ("gpu1", "device"),
        ("cpu0", "host"),
        ("nic0", "nic"),
    ]
    assert {link.bandwidth_GBps for link in board.links} == {24.0}


def test_an_unknown_processor_or_gpu_leaves_its_links_unknown() -> None:
    text = amd(("a", "0"), ("b", "1")).replace("gfx942", "gfx1").replace("</system>", "<cpu/></system>")
    board = topology.loads(text.replace(' arch="arm64"', ""))
    unknown = {link.kind for link in board.links if link.bandwidth_GBps is None}
    assert unknown == {"xgmi", "sys"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<system", "x:1:1: not XML: unclosed token"),
        ("<a></b>", "x:1:6: not XML: mismatched tag"),
        ("<interserver_route/>", "x:1:1: found <interserver_route>, not a topology; expected <system> (NCCL or RCCL"),
        ("<system/>", "x:1:1: found version '' of <system>; expected 1 or 2"),
        ('<system version="1"/>', "x:1:1: found no GPU; expected a <gpu>, an <apu> or a <pci> of class 0x0302"),
        (
            '<system version="1">\n <gpu dev="0"/></system>',
            "x:2:2: found <gpu> directly under <system>; expected it in",
        ),
        (SMALL.replace("0000:02:00.0", "0000:0a:00.0"), "x:17:5: found busid '0000:0a:00.0' again; expected each once"),
        (SMALL.replace('count="5"', 'count="x"'), "x:7:11: found count 'x' in <nvlink>; expected a whole number above"),
        (
            SMALL.replace('target="0000:0a:00.0"', 'target="0000:0b:00.0"'),
            "x:6:11: found target '0000:0b:00.0' of <nvlink>; expected the busid of another GPU in this file",
        ),
        (SMALL.replace("<cpu n", '<cpu host_hash="1" n', 1), "x:2:3: found CPUs of several hosts; expected the"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><system version="1"/>', "x:1:13: found a DTD; expected elements only"),
        ('<!DOCTYPE a SYSTEM "http://x/y.dtd"><a/>', "x:1:36: found a DTD; expected elements only"),
        ("<a>" * 100, "x:1:196: found too much; expected at most 200000 elements, 64 levels deep"),
    ],
)
def test_a_mistake_is_answered_in_one_line_with_its_place(text: str, message: str) -> None:
    with pytest.raises(TopologyError) as caught:
        topology.loads(text, name="x")
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_a_billion_laughs_is_refused_at_once() -> None:
    entities = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 10))
    text = f'<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY l0 "lol">{entities}]><lolz>&l9;</lolz>'
    start = time.perf_counter()
    with pytest.raises(TopologyError, match="found a DTD; expected elements only"):
        topology.loads(text, name="x")
    assert time.perf_counter() - start < 1


@pytest.mark.parametrize("encoding", ["no-such-code", "utf-16", "iso-8859-1"])
def test_the_encoding_in_the_declaration_is_not_believed(encoding: str) -> None:
    text = f'<?xml version="1.0" encoding="{encoding}"?>\n{amd(("a", "0"), ("b", "1"))}'
    assert len(topology.loads(text).devices) == 2


REFUSED = {
    "aws_g5.48xl-topo": "found no GPU",
    "aws_p5.48xl-topo.2023": "found no GPU",
    "flagcx_test_perf_interserver_route": "found <interserver_route>, not a topology",
    "flagcx_test_perf_topo_demo": "found <gpu> directly under <system>",
}


def test_all_real_files_load_or_are_refused_for_a_reason() -> None:
    folder = DATA / "nccl-topo"
    if not folder.exists():
        pytest.skip(f"{folder} is not there")
    paths = sorted(folder.glob("*.xml"))
    assert len(paths) == 47
    for path in paths:
        if path.stem in REFUSED:
            with pytest.raises(TopologyError) as caught:
                topology.load(path)
            assert REFUSED[path.stem] in str(caught.value)
            assert "\n" not in str(caught.value)
            continue
        board = topology.load(path)
        text = path.read_text()
        gpus = text.count("<gpu ") or text.count("<apu ") or text.count('class="0x030200"')
        assert len(board.devices) == gpus
        assert topology.loads(topology.to_yaml(board)) == board
        with_latency = board.with_defaults(latency_us=1.0)
        assert all(with_latency.route(0, other) for other in board.devices[1:])


@pytest.mark.parametrize("name", ["4p1h_1", "4p3l", "8p1h", "8p1h_1", "8p_90a"])
def test_xgmi_links_equal_the_graph_made_of_the_same_file(name: str) -> None:
    path = DATA / "graphs" / f"rccl_topo_{name}.json"
    if not path.exists():
        pytest.skip(f"{path} is not there")
    expected = {(x["src"], x["dst"], x["bw"]) for x in json.loads(path.read_text())["links"]}
    board = topology.load(DATA / "nccl-topo" / f"rccl_topo_{name}.xml")
    assert {(x.src, x.dst, x.bandwidth_GBps) for x in board.links if x.kind == "xgmi"} == expected
