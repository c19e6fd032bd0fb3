"""Plans as files: what is loaded is what was saved, and what is no plan is refused in one line."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from _ringtree.core import Collective, verify
from _ringtree.errors import InputError
from collectives.planner.planfile import from_json, to_json
from collectives.planner.planning import Plan, Planner, plan
from collectives.planner.specification import for_collective, parse
from topology import load, loads, slow, without

PPU = load("ppu-8")
SMALL = [
    ("ppu-8", "all_reduce", 1 << 20, "auto"),
    ("ppu-8", "all_reduce", 1 << 20, "forest"),
    ("ppu-8", "all_gather", 1 << 20, "forest"),
    ("ppu-8", "broadcast", 1 << 20, "forest"),
    ("ppu-8", "all_reduce", 1 << 20, "tree"),
    ("dgx1v", "reduce_scatter", 1 << 20, "ring"),
    ("dgx1v", "all_to_all", 1 << 16, "auto"),
    ("h20-8", "all_reduce", 1 << 10, "auto"),
    ("torus-4x4", "all_reduce", 1 << 16, "forest:chunks=2"),
    ("unequal-8-4", "all_reduce", 1 << 20, "two_level"),
    ("pcie-8", "barrier", 0, "auto"),
    ("supernode-128", "all_reduce", 1 << 20, "two_shot:chunks=1"),  # on its first 16 chips
]


@pytest.mark.parametrize(("name", "kind", "nbytes", "algorithm"), SMALL)
def test_what_is_loaded_is_what_was_saved(name: str, kind: str, nbytes: int, algorithm: str, tmp_path: Path) -> None:
    board = load(name).with_defaults(latency_us=1.0)
    ranks = min(16, len(board.devices))
    saved = plan(board, kind, nbytes, algorithm=algorithm, dtype="bfloat16", cost_us=0.1, ranks=ranks)
    saved.save(tmp_path / "plan.json")
    loaded = Plan.load(tmp_path / "plan.json")
    assert loaded == saved
    assert loaded.recipe == saved.recipe
    assert loaded.topology == board
    starts = [0.25 * (rank % 3) for rank in range(ranks)]
    assert loaded.simulate(starts) == saved.simulate(starts)
    assert loaded.certificate == saved.certificate
    assert to_json(loaded) == (tmp_path / "plan.json").read_text(encoding="utf-8")


def test_of_a_degraded_board() -> None:
    board = slow(without(PPU, "link:0-6"), "chip:3=0.3")
    saved = plan(board, nbytes=1 << 20, algorithm="forest")
    loaded = from_json(to_json(saved), "plan.json")
    assert loaded == saved
    assert loaded.topology is not None
    assert loaded.topology.assumed == board.assumed


def test_of_the_bare_host_and_of_unequal_parts() -> None:
    host = Planner(None, (0, 1, 2)).plan(Collective("all_reduce", 3, 8), "int8", "max", parse("auto"))
    assert from_json(to_json(host), "plan.json") == host
    counts = (5, 0, 1000, 3, 17, 0, 2, 1)
    shape = Collective("all_gather", 8, sum(counts), counts=counts)
    parts = Planner(PPU, PPU.devices).plan(shape, "float32", "sum", parse("forest"))
    assert from_json(to_json(parts), "plan.json") == parts


def test_plans_that_differ_are_not_equal() -> None:
    one, other = (plan(PPU, nbytes=1 << 20, algorithm="forest:chunks=4", ranks=n) for n in (4, 8))
    assert one != other
    assert one == plan(PPU, nbytes=1 << 20, algorithm="forest:chunks=4", ranks=4)
    assert one != plan(PPU, nbytes=1 << 20, algorithm="forest:chunks=8", ranks=4)


@pytest.mark.parametrize(
    ("kind", "algorithm"), [("all_reduce", "forest"), ("all_gather", "forest"), ("broadcast", "tree")]
)
@pytest.mark.parametrize("nbytes", [0, 4, 40, 1 << 12, 12_345_600])
def test_a_file_is_an_algorithm_for_any_size(kind: str, algorithm: str, nbytes: int, tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    plan(PPU, kind, 1 << 22, algorithm=algorithm).save(file)
    found = plan(PPU, kind, nbytes, algorithm=f"file:{file}")
    assert found.plan == found.algorithm == f"file:{file}"
    verify(found.program)
    same = plan(PPU, kind, nbytes, algorithm=Plan.load(file).plan)
    assert found.time_us == pytest.approx(same.time_us, rel=0.02)


def test_a_file_of_next_to_nothing_grows(tmp_path: Path) -> None:
    """Most trees of a plan for one element are empty; with more data every rank's part needs one."""
    file = tmp_path / "plan.json"
    for kind in ("all_gather", "all_reduce"):
        plan(PPU, kind, 4, algorithm="forest").save(file)
        verify(plan(PPU, kind, 1 << 16, algorithm=f"file:{file}").program)


def test_the_collective_must_match(tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    asked = {"collective": "broadcast", "nbytes": 1 << 12, "root": 1, "ranks": 4}
    plan(PPU, **asked).save(file)  # type: ignore[arg-type]
    for keywords in ({"collective": "reduce"}, {"ranks": 5}, {"root": 0}):
        with pytest.raises(InputError, match="found broadcast on 4 ranks from root 1; expected "):
            plan(PPU, **{**asked, **keywords}, algorithm=f"file:{file}")  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"missing\.json"):
        plan(PPU, nbytes=8, algorithm="file:missing.json")


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    for algorithm in ("ring:channels=1:chunks=1", "two_shot:chunks=1", "ring:channels=1:chunks=1"):
        saved = plan(PPU, nbytes=1 << 16, algorithm=algorithm)
        saved.save(file)
        assert plan(PPU, nbytes=1 << 16, algorithm=f"file:{file}").time_us == saved.time_us


def test_in_the_environment_a_file_holds_for_its_collective(tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    plan(PPU, "broadcast", 1 << 12).save(file)
    assert str(for_collective(f"file:{file}", "broadcast")) == f"file:{file}"
    assert str(for_collective(f"file:{file}", "all_reduce")) == "auto"
    assert str(for_collective(f"ring;broadcast:file:{file}", "broadcast")) == f"file:{file}"
    assert str(for_collective(f"ring;broadcast:file:{file}", "all_reduce")) == "ring"
    file.write_text("{}", encoding="utf-8")
    with pytest.raises(InputError, match="no ringtree plan"):
        for_collective(f"file:{file}", "broadcast")


def forest_of(value: dict[str, Any]) -> Any:
    return value["recipe"]["forest"]


SAVED: dict[str, Any] = json.loads(to_json(plan(PPU, nbytes=1 << 16, algorithm="forest:chunks=2")))
TREE = forest_of(SAVED)[0]
Change = Callable[[dict[str, Any]], Any]

CHANGES: dict[str, tuple[Change, str]] = {
    "another version": (lambda v: v.update(ringtree_plan=2), "found no ringtree plan of version 1"),
    "no version": (lambda v: v.pop("ringtree_plan"), "found no ringtree plan"),
    "an unknown key": (lambda v: v.update(extra=1), "plan: unknown key 'extra'; expected ringtree_plan"),
    "a part that is missing": (lambda v: v.pop("placement"), "plan: found no 'placement'"),
    "an unknown collective": (lambda v: v["collective"].update(kind="gossip"), "collective: found 'gossip'"),
    "a text for a count": (lambda v: v["collective"].update(count="8"), "count: found '8'; expected a whole"),
    "true for a count": (lambda v: v["collective"].update(count=True), "plan.collective.count: found True"),
    "a count below 0": (lambda v: v["collective"].update(count=-4), "found 8 ranks and -4 elements"),
    "a huge count": (lambda v: v["collective"].update(count=10**30), "plan.collective.count: found 1000"),
    "another count": (lambda v: v["collective"].update(count=1 << 15), "trees: found shares of 16384 elements"),
    "counts of some": (lambda v: v["collective"].update(counts=[1, 2]), "collective.counts: found 2; expected 8"),
    "an unknown type": (lambda v: v["plan"].update(dtype="float31"), "dtype: found 'float31'"),
    "an operation unknown to it": (lambda v: v["plan"].update(op="band"), "band of float32"),
    "a cost below 0": (lambda v: v["plan"].update(cost_us=-1.0), "cost -1 us"),
    "an infinite cost": (lambda v: v["plan"].update(cost_us=1e999), "not JSON: found Infinity"),
    "a rank without a chip": (lambda v: v["placement"].pop(), "placement: found 7 nodes; expected 8"),
    "a chip twice": (lambda v: v["placement"].__setitem__(0, 1), "placement: found 7 nodes; expected 8"),
    "a chip that is not there": (lambda v: v["placement"].__setitem__(0, 99), "placement: expected devices of ppu-8"),
    "another digest": (lambda v: v.update(digest="00"), "digest: found '00'"),
    "another board": (lambda v: v["topology"]["links"][0].update(bandwidth_GBps=1.0), "digest: found"),
    "a bad board": (lambda v: v["topology"]["links"][0].update(src=77), "ppu-8: link 77 ->"),
    "a board of another shape": (lambda v: v["topology"].update(nodes={}), "plan.topology.nodes: found an object"),
    "a link as number": (lambda v: v["topology"]["links"].append(3), "topology.links[28]: found 3; expected an object"),
    "an unknown algorithm": (lambda v: v["recipe"].update(algorithm="rong"), "algorithm: found 'rong'"),
    "no chunks": (lambda v: v["recipe"].update(chunks=0), "found chunks 0"),
    "very many chunks": (lambda v: v["recipe"].update(chunks=2**40), "transfers; expected at most"),
    "a pace beyond all numbers": (lambda v: v["recipe"].update(pace=2**40), "plan.json: "),
    "no trees": (lambda v: v["recipe"].update(forest=[]), "trees: found shares of 0 elements"),
    "a tree less": (lambda v: forest_of(v).pop(), "trees: found"),
    "a tree twice": (lambda v: forest_of(v).append(copy.deepcopy(TREE)), "trees: found"),
    "a gap": (lambda v: forest_of(v)[0].update(length=TREE["length"] - 1), "trees: found"),
    "a length below 0": (lambda v: forest_of(v)[0].update(length=-1), "trees: found"),
    "another root": (lambda v: forest_of(v)[0].update(root=(TREE["root"] + 1) % 8), "tree 0: up: expected a rank"),
    "a root that is no rank": (lambda v: forest_of(v)[0].update(root=8), "tree 0: up: expected a rank"),
    "too few parents": (lambda v: forest_of(v)[0]["up"].pop(), "tree 0: up: found 7 parents; expected 8"),
    "no way up": (lambda v: forest_of(v)[0].update(up=None), "forest: tree 0"),
    "a parent that is text": (lambda v: forest_of(v)[0]["up"].__setitem__(0, "x"), "forest[0].up[0]: found 'x'"),
    "two roots": (lambda v: forest_of(v)[0].update(down=[-1] * 8), "tree 0: down: expected a rank as parent"),
}  # fmt: skip


@pytest.mark.parametrize("case", CHANGES)
def test_a_damaged_file_is_refused_in_one_line(case: str) -> None:
    change, message = CHANGES[case]
    value = copy.deepcopy(SAVED)
    change(value)
    with pytest.raises(InputError) as caught:
        from_json(json.dumps(value), "plan.json")
    assert str(caught.value).startswith("plan.json: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_trees_that_go_round_in_a_circle() -> None:
    value = copy.deepcopy(SAVED)
    tree = value["recipe"]["forest"][0]
    first, second, *_ = (rank for rank in range(8) if rank != tree["root"])
    tree["up"][first], tree["up"][second] = second, first
    with pytest.raises(InputError, match=r"plan.json: forest: in the tree of root"):
        from_json(json.dumps(value), "plan.json")


@pytest.mark.parametrize(
    "text", ["", "[]", "{", "null", "3", '{"ringtree_plan": 1}', '{"ringtree_plan": 1, "ringtree_plan": 1}',
             "[" * 100_000, '{"ringtree_plan": true}', '{"a": NaN}'],
)  # fmt: skip
def test_what_is_no_plan(text: str) -> None:
    with pytest.raises(InputError) as caught:
        from_json(text, "plan.json")
    assert str(caught.value).startswith("plan.json:")
    assert "\n" not in str(caught.value)


def test_files_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00")
    with open(tmp_path / "big", "wb") as file:
        file.truncate(100_000_000)
    for name in ("bytes", "big", "nothing", "."):
        with pytest.raises(InputError):
            Plan.load(tmp_path / name)


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path] * bool(path) + [found for key, each in inner for found in paths(each, (*path, key))]


PLACES = paths({key: part for key, part in SAVED.items() if key != "topology"})


@given(st.sampled_from(PLACES), st.sampled_from([None, -1, 0, 1, 7, 2**31, 2**61, 0.5, "x", [], {}, [0], True]))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_is_changed_it_is_refused_or_right(place: tuple[Any, ...], other: object) -> None:
    value = copy.deepcopy(SAVED)
    spot = value
    for step in place[:-1]:
        spot = spot[step]
    spot[place[-1]] = other
    try:
        found = from_json(json.dumps(value), "plan.json")
    except InputError as problem:
        assert "\n" not in str(problem)  # noqa: PT017
    else:
        verify(found.program)
        assert max(found.simulate()) == found.time_us


def test_the_certificate() -> None:
    """8 chips on a switch of 100 GB/s ports, forwarding: 4/7 of a port."""
    links = [{"src": a, "dst": b, "bw": 100, "lat": 1} for c in range(8) for a, b in ((c, 8), (8, c))]
    nodes = [{"id": c, "kind": "accel"} for c in range(8)] + [{"id": 8, "kind": "switch"}]
    board = loads(json.dumps({"nodes": nodes, "links": links}), "switch8")
    found = plan(board, nbytes=1 << 24)
    assert found.certificate is not None
    assert found.certificate.bound_GBps == pytest.approx(400 / 7)
    assert found.certificate.percent == pytest.approx(100 * (1 << 24) / found.time_us / 1e3 / (400 / 7))
    assert found.certificate.proof
    assert plan(board, "barrier").certificate is None
    assert plan(board, nbytes=8, ranks=1).certificate is None
