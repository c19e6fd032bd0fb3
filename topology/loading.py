"""From a name, a path or a text to a Topology: the format is told by the content."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from _ringtree.assume import Assumptions
from _ringtree.errors import TopologyError

from . import assumptions, catalog, check
from .model import Topology
from .source import read_text

MAX_LEVELS = 8

# JSON files that lie beside topologies: a key that tells them, what they are and what to give instead.
NOT_TOPOLOGIES = {
    "intranode_sketch": "a TACCL sketch, which has no links; expected the topology file used with it (gpus_per_node)",
    "6-Demand_Met": "a schedule of TE-CCL, which has no links; expected the input it was made from (TopologyParams)",
    "scheduling-policy": "an ASTRA-sim system file, which has no links; expected the network YAML beside it",
}


def load(board: str | os.PathLike[str], assume: Assumptions | None = None) -> Topology:
    """The shipped board of that name, or the board in that file, with the figures that `assume` gives.

    Raises TopologyError: one line that says where, what was found and what was expected.
    """
    path, label = _locate(board, None)
    topology, places = _Loader().file(path, label, ())
    return _finished(topology, places, label, assume)


def loads(text: str, name: str = "board", assume: Assumptions | None = None) -> Topology:
    """The board in a text, called `name` unless the text says; paths in it are relative to the current folder."""
    topology, places = _Loader().text(text, name, name, Path(), ())
    return _finished(topology, places, name, assume)


def _finished(topology: Topology, places: dict[int, str], label: str, assume: Assumptions | None) -> Topology:
    alone = check.unreachable(topology)
    if alone:
        raise TopologyError(f"{places.get(alone[0], label)}: {alone[1]}")
    return assumptions.apply(topology, assume) if assume else topology


def _locate(board: str | os.PathLike[str], folder: Path | None) -> tuple[Path, str]:
    """The file of a board and what messages call it; `folder` is that of the file which uses it."""
    if isinstance(board, str) and board in catalog.shipped():
        return catalog.path_of(board), f"{board}.yaml"
    path = Path(board) if folder is None else folder / board
    if not path.exists():
        raise TopologyError(f"{board}: no such board; {catalog.advice(str(board))}")
    return path, str(path)


class _Loader:
    """Reads each file once, however many copies a board is made of."""

    def __init__(self) -> None:
        self.known: dict[Path, Topology] = {}

    def file(self, path: Path, label: str, chain: tuple[Path, ...]) -> tuple[Topology, dict[int, str]]:
        path = path.resolve()
        if path in chain:
            names = " uses ".join(step.name for step in (*chain[chain.index(path) :], path))
            raise TopologyError(f"found a board that contains itself ({names}); expected boards without cycles")
        if len(chain) >= MAX_LEVELS:
            raise TopologyError(f"found boards within boards {MAX_LEVELS + 1} deep; expected at most {MAX_LEVELS}")
        return self.text(read_text(path, label), label, path.stem, path.parent, (*chain, path))

    def text(
        self, text: str, label: str, name: str, folder: Path, chain: tuple[Path, ...]
    ) -> tuple[Topology, dict[int, str]]:
        def use(board: str) -> Topology:
            path, label = _locate(board, folder)
            if path.resolve() not in self.known:
                self.known[path.resolve()] = self.file(path, label, chain)[0]
            return self.known[path.resolve()]

        return _parse(text, label, name, use)


def _parse(text: str, label: str, name: str, use: Callable[[str], Topology]) -> tuple[Topology, dict[int, str]]:
    first = text.lstrip()[:1]
    if first == "<":
        return _xml(text, label, name), {}
    if first == "{":
        return _json(text, label, name), {}
    from . import astra_sim, topo_matrix, yaml_board, yamlread

    if topo_matrix.is_matrix(text):
        return topo_matrix.load(text, label, name), {}
    tree = yamlread.read(text, label)
    if astra_sim.is_network(tree):
        return astra_sim.load(tree, label, name), {}
    return yaml_board.load(tree, label, name, use)


def _xml(text: str, label: str, name: str) -> Topology:
    """By the root: <platform> is SimGrid's, <system> NCCL's."""
    from . import nccl_xml, simgrid_xml, xmlread

    root = xmlread.read(text, label)
    loader = simgrid_xml.load if root.tag == "platform" else nccl_xml.load
    return loader(root, label, name)


def _json(text: str, label: str, name: str) -> Topology:
    """By a key that only one format has."""
    from . import graph_json, jsonread, taccl, teccl

    document = jsonread.Document(text, label)
    for key, found in NOT_TOPOLOGIES.items():
        if key in document.root:
            document.fail((key,), f"found {found}")
    if "TopologyParams" in document.root:
        return teccl.load(document, name)
    if "gpus_per_node" in document.root:
        return taccl.load(document, name)
    return graph_json.load(document, name)
