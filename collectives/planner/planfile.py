"""A plan as a file: the board, the collective, the trees with their shares, and how good it is; JSON, read strictly.

    {"ringtree_plan": 1,
     "plan": {"algorithm": "auto", "plan": "forest:chunks=512:pace=2:depth=2", "dtype": ..., "cost_us": 0.0},
     "collective": {"kind": "all_reduce", "ranks": 8, "count": 268435456},
     "placement": [0, 1, ...],                                     node of each rank
     "recipe": {"algorithm": "forest", "chunks": 512, ..., "forest": [
         {"offset": 0, "length": 9586980, "root": 0, "up": [-1, 0, ...], "down": [-1, 3, ...]}, ...]},
     "time_us": ..., "certificate": {"bound_GBps": ..., "proof": ..., "percent": ...},
     "digest": ..., "topology": {"name": ..., "nodes": [...], "links": [...]}}

Fields that have their usual value are left out. What is read is checked: trees span the ranks and share out the data,
and unless there are very many the verifier proves them, with few pieces; the whole program is simulated. Time and
certificate are computed anew, not believed.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

from _ringtree.errors import Error, InputError, TopologyError, UnsupportedError, VerificationError
from _ringtree.names import dtype_size
from _ringtree.plain import from_plain, parse_json, to_plain
from _ringtree.program import Collective, Program, Recipe, Tree, verify
from topology import Topology
from topology.source import read_text

from .certificate import Certificate, certify
from .forests import Share, forest

if TYPE_CHECKING:
    from .planning import Plan

VERSION = 1
# A program is proved with so many pieces of each share: enough for every step that pacing adds.
PIECES_PROVED = 4
# Beyond this many transfers the proof takes minutes; what trees must be is checked all the same.
MOST_PROVED = 16_384
MOST_TRANSFERS = 100_000_000


@dataclass(frozen=True)
class _Head:
    """What was asked for and what was chosen."""

    algorithm: str
    plan: str
    dtype: str
    op: str
    cost_us: float


@dataclass(frozen=True)
class _File:
    ringtree_plan: int
    plan: _Head
    collective: Collective
    placement: tuple[int, ...]
    recipe: Recipe
    time_us: float
    certificate: Certificate | None
    digest: str | None
    topology: Topology | None


def to_json(plan: Plan) -> str:
    """The text of a plan's file, a line for each part."""
    board = plan.topology
    if plan.recipe is None:
        raise UnsupportedError(f"{plan.plan}: the program of an algorithm file is kept in that file")
    value = _File(
        VERSION,
        _Head(plan.algorithm, plan.plan, plan.dtype, plan.op, plan.cost_us),
        plan.collective,
        plan.placement,
        plan.recipe,
        plan.time_us,
        certify(plan),
        None if board is None else board.digest(),
        board,
    )
    lines = (f'"{key}": {json.dumps(part, allow_nan=False)}' for key, part in to_plain(value).items())
    return "{" + ",\n ".join(lines) + "}\n"


def load(path: str | os.PathLike[str]) -> Plan:
    """The plan in the file. InputError, in one line, for what is no plan, or a wrong one."""
    return from_json(read_text(Path(path), os.fspath(path)), os.fspath(path))


def from_json(text: str, label: str) -> Plan:
    """The plan in a text that messages call `label`."""
    found = _parsed(text, label)
    try:
        return _plan(found)
    except (Error, OverflowError) as problem:
        raise InputError(f"{label}: {problem}") from None


def recipe_for(path: str, collective: Collective) -> Recipe:
    """The recipe of the plan in the file for a collective of any size; trees keep their shares of the data."""
    found = _loaded(path)
    saved = found.collective
    if (saved.kind, saved.ranks, saved.root) != (collective.kind, collective.ranks, collective.root):
        raise InputError(f"algorithm: file:{path}: found {_spoken(saved)}; expected {_spoken(collective)}")
    recipe = found.recipe
    assert recipe is not None
    if saved == collective or not recipe.forest:
        return recipe
    return replace(recipe, forest=forest(collective, _shares(recipe.forest)))


def is_plan(path: str) -> bool:
    """Whether the file is a plan rather than an algorithm in XML, by its first character."""
    try:
        with open(path, "rb") as file:
            return file.read(256).lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"{"
    except OSError:
        return False


def collective_of(path: str) -> str:
    """The kind of collective that the plan in the file does."""
    return _loaded(path).collective.kind


def recipe_digest(path: str) -> str:
    """Of what the plan in the file says of its program, whatever else the file says."""
    found = _loaded(path)
    return blake2b(repr((found.collective, found.recipe)).encode(), digest_size=16).hexdigest()


def _loaded(path: str) -> Plan:
    """Read once, until the file changes."""
    try:
        state = os.stat(path)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    return _read_once(path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=16)
def _read_once(path: str, _changed: int, _size: int) -> Plan:
    return load(path)


def _parsed(text: str, label: str) -> _File:
    value: Any = parse_json(text, label)
    version = value.get("ringtree_plan") if isinstance(value, dict) else None
    if type(version) is not int or version != VERSION:
        raise InputError(f"{label}: found no ringtree plan of version {VERSION}")
    try:
        return from_plain(_File, value, "plan")
    except TopologyError as problem:
        raise InputError(f"{label}: topology: {problem}") from None
    except InputError as problem:
        raise InputError(f"{label}: {problem}") from None


def _plan(found: _File) -> Plan:
    from .planning import Planner, shape_of

    collective, board, head = found.collective, found.topology, found.plan
    _check_collective(collective)
    size = dtype_size(head.dtype)
    kind, nbytes = collective.kind, collective.count * size
    shape_of(kind, nbytes, collective.ranks, dtype=head.dtype, op=head.op, root=collective.root)
    _check_placement(found)
    if board is not None and board.digest() != found.digest:
        raise InputError(f"digest: found {found.digest!r}; the topology's is {board.digest()!r}")
    _check_recipe(found.recipe, collective)
    _prove(found.recipe, collective)
    planner = Planner(board, found.placement, head.cost_us)
    program = Program.build(collective, found.recipe)
    return planner.priced(program, found.recipe, "", head.dtype, head.op, head.algorithm, head.plan)


def _prove(recipe: Recipe, collective: Collective) -> None:
    """Right with the trees or orders of this file; built-in algorithms without any are proved in the tests."""
    few = replace(recipe, chunks=min(recipe.chunks, PIECES_PROVED))
    if (recipe.forest or recipe.orders) and _transfers(few, collective.ranks) <= MOST_PROVED:
        verify(Program.build(collective, few))


def _transfers(recipe: Recipe, ranks: int) -> int:
    return 2 * ranks * max(ranks, len(recipe.forest), len(recipe.orders)) * recipe.chunks


def _check_collective(collective: Collective) -> None:
    if collective.ranks < 1 or collective.count < 0:
        raise InputError(f"collective: found {collective.ranks} ranks and {collective.count} elements")
    for name in ("counts", "displs", "recv_displs"):
        values = getattr(collective, name)
        if values is not None and len(values) != collective.ranks:
            raise InputError(f"collective.{name}: found {len(values)}; expected {collective.ranks}, one for each rank")


def _check_placement(found: _File) -> None:
    ranks, board = found.collective.ranks, found.topology
    if len(found.placement) != ranks or len(set(found.placement)) != ranks:
        raise InputError(f"placement: found {len(set(found.placement))} nodes; expected {ranks}, one for each rank")
    if board is not None and not set(found.placement) <= set(board.devices):
        raise InputError(f"placement: expected devices of {board.name}, nodes {list(board.devices)[:8]}...")


def _check_recipe(recipe: Recipe, collective: Collective) -> None:
    """What the core takes on trust: sizes of arrays, trees that span the ranks, shares that are all of the data."""
    ranks = collective.ranks
    for name, rows in (("orders", recipe.orders), ("board_of_rank", [recipe.board_of_rank or range(ranks)])):
        if any(len(row) != ranks for row in rows):
            raise InputError(f"recipe.{name}: expected {ranks} numbers in each, one for each rank")
    transfers = _transfers(recipe, ranks)
    if transfers > MOST_TRANSFERS:
        raise InputError(f"recipe: found about {transfers} transfers; expected at most {MOST_TRANSFERS}")
    if recipe.algorithm == "forest":
        for number, tree in enumerate(recipe.forest):
            _check_tree(tree, number, collective)
        _check_shares(recipe.forest, collective.count)


def _check_tree(tree: Tree, number: int, collective: Collective) -> None:
    for way, parents in (("up", tree.up), ("down", tree.down)):
        if parents is None:
            continue
        if len(parents) != collective.ranks:
            raise InputError(f"tree {number}: {way}: found {len(parents)} parents; expected {collective.ranks}")
        if not all(-1 <= parent < collective.ranks for parent in parents) or [
            rank for rank, parent in enumerate(parents) if parent < 0
        ] != [tree.root]:
            raise InputError(f"tree {number}: {way}: expected a rank as parent of each but the root, {tree.root}")


def _check_shares(trees: tuple[Tree, ...], count: int) -> None:
    end = 0
    for tree in sorted(trees, key=lambda tree: (tree.offset, tree.length)):
        if tree.offset != end or tree.length < 0:
            raise VerificationError(f"trees: found {tree.length} elements at {tree.offset}; expected the next at {end}")
        end += tree.length
    if end != count:
        raise VerificationError(f"trees: found shares of {end} elements together; expected {count}")


def _shares(trees: tuple[Tree, ...]) -> list[Share]:
    """Shares by weight; where all trees of a root are empty, alike."""
    totals: dict[int, int] = {}
    for tree in trees:
        totals[tree.root] = totals.get(tree.root, 0) + tree.length
    return [
        Share(t.root, t.up, t.down, float(t.length if totals[t.root] else 1), t.up_detours, t.down_detours)
        for t in trees
    ]


def _spoken(collective: Collective) -> str:
    root = f" from root {collective.root}" if collective.root else ""
    return f"{collective.kind} on {collective.ranks} ranks{root}"
