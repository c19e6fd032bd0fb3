"""The built-in algorithms: right, as the interpreter sees it, and as fast as their closed forms on idle networks."""

from __future__ import annotations

import math
from itertools import product

import pytest
from _ringtree_core import ffi, lib
from hypothesis import given, settings
from hypothesis import strategies as st
from interpreter import Task, interpret
from programs import ALGORITHMS, KINDS, Recipe, Refused, Tree, build
from test_program import tasks

NAMED = [name for name in ALGORITHMS if name != "forest"]


def supports(algorithm: str, kind: str, ranks: int) -> bool:
    return bool(lib.rt_build_supports(ALGORITHMS[algorithm], KINDS[kind], ranks))


SUPPORTED = [(a, k) for a, k in product(NAMED, KINDS) if supports(a, k, 8)]


def prove(task: Task, recipe: Recipe, seed: int) -> None:
    """Right out of place and in place, at the program's own depth and at the least depth it promises."""
    program = build(task, recipe)
    circle = (
        recipe.algorithm in ("ring", "bucket") and task.kind not in (lib.RT_BROADCAST, lib.RT_REDUCE) and task.ranks > 1
    )
    interpret(program, task, depth=0 if circle else 1, seed=seed)
    if task.kind != lib.RT_ALL_TO_ALL:
        interpret(program, task, in_place=True, seed=seed + 1)


@st.composite
def recipes(draw: st.DrawFn, algorithm: str, ranks: int) -> Recipe:
    orders: tuple[tuple[int, ...], ...] = ()
    if algorithm == "ring":
        orders = tuple(tuple(draw(st.permutations(range(ranks)))) for _ in range(draw(st.integers(0, 3))))
    if algorithm in ("bucket", "swing") and draw(st.booleans()):
        orders = (tuple(draw(st.permutations(range(ranks)))),)
    if algorithm == "tree" and draw(st.booleans()):
        orders = tuple(tuple(draw(st.permutations(range(ranks)))) for _ in range(2))
    boards = [draw(st.integers(0, ranks - 1)) for _ in range(ranks)] if algorithm == "two_level" else []
    used = sorted(set(boards))
    return Recipe(
        algorithm,
        chunks=draw(st.sampled_from([1, 2, 3, 5, 9, 20])),
        pace=draw(st.integers(0, 3)),
        depth=draw(st.sampled_from([1, 2, 3, 8])),
        orders=orders,
        rings=draw(st.integers(0, 3)) if not orders else 0,
        board_of_rank=tuple(used.index(b) for b in boards),
        sizes=draw(shapes(ranks)) if algorithm in ("bucket", "swing") and ranks > 1 else (),
        whole=algorithm == "swing" and draw(st.booleans()),
    )


@st.composite
def shapes(draw: st.DrawFn, ranks: int) -> tuple[int, ...]:
    """Sizes of a torus: any factors of the ranks, in any order."""
    sizes = []
    while ranks > 1:
        sizes.append(draw(st.sampled_from([size for size in range(2, ranks + 1) if ranks % size == 0])))
        ranks //= sizes[-1]
    return tuple(sizes)


@pytest.mark.parametrize(("algorithm", "kind"), SUPPORTED)
@settings(deadline=None, max_examples=20)
@given(data=st.data())
def test_every_algorithm_is_right(algorithm: str, kind: str, data: st.DataObject) -> None:
    task = data.draw(tasks([kind]))
    if supports(algorithm, kind, task.ranks):
        prove(task, data.draw(recipes(algorithm, task.ranks)), data.draw(st.integers(0, 99)))


@pytest.mark.parametrize(
    ("algorithm", "kind", "ranks"), [(a, k, n) for a, k in SUPPORTED for n in (16, 17, 33) if supports(a, k, n)]
)
def test_more_ranks(algorithm: str, kind: str, ranks: int) -> None:
    if ranks == 33 and algorithm in ("two_shot", "one_shot") and kind == "all_reduce":
        ranks = 21  # n^2 messages, each interpreted element by element
    count = 0 if kind == "barrier" else ranks + 5
    boards = tuple(r * 3 // (2 * ranks) for r in range(ranks))  # two boards, of two thirds and one third
    recipe = Recipe(algorithm, chunks=2, pace=1, depth=1, board_of_rank=boards if algorithm == "two_level" else ())
    root = 5 if kind in ("broadcast", "reduce", "gather", "scatter") else 0
    prove(Task(KINDS[kind], ranks, count, root), recipe, seed=ranks)


@st.composite
def arborescence(draw: st.DrawFn, ranks: int, root: int) -> tuple[int, ...]:
    """Parents: each rank hangs from one that already hangs from the root."""
    inside, parents = [root], [-1] * ranks
    for rank in draw(st.permutations([r for r in range(ranks) if r != root])):
        parents[rank] = draw(st.sampled_from(inside))
        inside.append(rank)
    return tuple(parents)


@pytest.mark.parametrize("kind", ["all_reduce", "reduce_scatter", "all_gather", "broadcast", "reduce"])
@settings(deadline=None, max_examples=25)
@given(data=st.data())
def test_any_forest(kind: str, data: st.DataObject) -> None:
    task = data.draw(tasks([kind], most_ranks=7))
    forest = []
    wholes = [range(task.count)] if kind not in ("reduce_scatter", "all_gather") else map(task.part, range(task.ranks))
    for owner, whole in enumerate(wholes):
        cut = data.draw(st.integers(0, len(whole)))
        for offset, length in ((whole.start, cut), (whole.start + cut, len(whole) - cut)):
            anywhere = st.integers(0, task.ranks - 1)
            root = {"all_reduce": anywhere, "broadcast": st.just(task.root), "reduce": st.just(task.root)}
            at = data.draw(root.get(kind, st.just(owner)))
            up, down = (data.draw(arborescence(task.ranks, at)) for _ in range(2))
            forest.append(Tree(offset, length, at, up, down))
    chunks, pace = data.draw(st.integers(1, 4)), data.draw(st.integers(0, 2))
    prove(task, Recipe("forest", chunks=chunks, pace=pace, forest=tuple(forest)), data.draw(st.integers(0, 99)))


@pytest.mark.parametrize(
    ("tree", "words"),
    [
        (Tree(0, 8, 3, (-1, 0, 0), (-1, 0, 0)), "root 3"),
        (Tree(0, 9, 0, (-1, 0, 0), (-1, 0, 0)), "9 elements"),
        (Tree(-1, 2, 0, (-1, 0, 0), (-1, 0, 0)), "at -1"),
        (Tree(2**62, 8, 0, (-1, 0, 0), (-1, 0, 0)), "8 elements"),
        (Tree(0, 8, 0, (-1, 0, 0)), "and parents"),
        (Tree(0, 8, 0, (-1, 0, 3), (-1, 0, 0)), "found 3 as parent of rank 2"),
        (Tree(0, 8, 0, (1, 0, 0), (-1, 0, 0)), "found 1 as parent of rank 0"),
        (Tree(0, 8, 0, (-1, 2, 1), (-1, 0, 0)), "hang"),
        (Tree(0, 8, 0, (-1, 0, 0), (-1, -1, 1)), "hang"),
    ],
)
def test_forests_that_are_none(tree: Tree, words: str) -> None:
    with pytest.raises(Refused, match=words) as refused:
        build(Task(lib.RT_ALL_REDUCE, 3, 8), Recipe("forest", forest=(tree,)))
    assert refused.value.status == lib.RT_ERR_INVALID


@pytest.mark.parametrize(
    ("kind", "ranks", "recipe", "status", "words"),
    [
        ("all_to_all", 4, Recipe("ring"), lib.RT_ERR_UNSUPPORTED, "ring cannot do all_to_all on 4 ranks"),
        ("all_gather", 6, Recipe("recursive_doubling"), lib.RT_ERR_UNSUPPORTED, "power of two"),
        ("all_reduce", 4, Recipe("pairwise"), lib.RT_ERR_UNSUPPORTED, "pairwise cannot do all_reduce"),
        ("all_reduce", 4, Recipe("ring", chunks=0), lib.RT_ERR_INVALID, "chunks 0"),
        ("all_reduce", 4, Recipe("ring", depth=9), lib.RT_ERR_INVALID, "depth 9"),
        ("all_reduce", 4, Recipe("ring", pace=-1), lib.RT_ERR_INVALID, "pace -1"),
        ("all_reduce", 4, Recipe("ring", rings=-1), lib.RT_ERR_INVALID, "-1 rings"),
        ("all_reduce", 3, Recipe("ring", orders=((0, 1, 1),)), lib.RT_ERR_INVALID, "rank 1 at place 2"),
        ("all_reduce", 3, Recipe("ring", orders=((0, 1, 2), (0, 1, 3))), lib.RT_ERR_INVALID, "order 1: found rank 3"),
        ("all_reduce", 3, Recipe("tree", orders=((0, 1, 2), (0, 2, 2))), lib.RT_ERR_INVALID, "order 1: found rank 2"),
        ("all_reduce", 3, Recipe("tree", orders=((0, 1, 2),)), lib.RT_ERR_INVALID, "1 orders"),
        ("all_reduce", 4, Recipe("two_level"), lib.RT_ERR_INVALID, "0 boards"),
        ("all_reduce", 2, Recipe("two_level", board_of_rank=(0, -1)), lib.RT_ERR_INVALID, "board -1"),
        ("all_reduce", 4, Recipe("forest"), lib.RT_ERR_INVALID, "0 trees"),
        ("all_reduce", 4, Recipe("bucket", sizes=(2, 3)), lib.RT_ERR_INVALID, "sizes for more than 4 ranks"),
        ("all_reduce", 8, Recipe("bucket", sizes=(2, 2)), lib.RT_ERR_INVALID, "sizes for fewer than 8 ranks"),
        ("all_reduce", 4, Recipe("swing", sizes=(4, 1)), lib.RT_ERR_INVALID, "dimension 1: found size 1"),
        ("all_reduce", 4, Recipe("bucket", sizes=(5,)), lib.RT_ERR_INVALID, "dimension 0: found size 5"),
        ("all_reduce", 4, Recipe("bucket", sizes=(2,) * 32), lib.RT_ERR_INVALID, "32 dimensions"),
        ("all_reduce", 4, Recipe("bucket", orders=((0, 1, 2, 3),) * 2), lib.RT_ERR_INVALID, "2 orders, expected 1"),
        ("all_reduce", 4, Recipe("swing", orders=((0, 1, 2, 2),)), lib.RT_ERR_INVALID, "rank 2 at place 3"),
        ("broadcast", 4, Recipe("bucket"), lib.RT_ERR_UNSUPPORTED, "bucket cannot do broadcast"),
        ("all_gather", 4, Recipe("swing"), lib.RT_ERR_UNSUPPORTED, "swing cannot do all_gather"),
        ("all_reduce", 6, Recipe("swing", sizes=(2, 3)), lib.RT_ERR_UNSUPPORTED, "power of two"),
    ],
)
def test_what_cannot_be_built(kind: str, ranks: int, recipe: Recipe, status: int, words: str) -> None:
    with pytest.raises(Refused, match=words) as refused:
        build(Task(KINDS[kind], ranks, 8), recipe)
    assert refused.value.status == status


def test_supports_says_what_build_does() -> None:
    for ranks, name, kind in product((1, 2, 6, 8), NAMED, KINDS):
        boards = tuple(r % 2 for r in range(ranks)) if name == "two_level" else ()
        task, recipe = Task(KINDS[kind], ranks, 0 if kind == "barrier" else 5), Recipe(name, board_of_rank=boards)
        if supports(name, kind, ranks):
            build(task, recipe)
        else:
            with pytest.raises(Refused) as refused:
                build(task, recipe)
            assert refused.value.status == lib.RT_ERR_UNSUPPORTED
    assert not lib.rt_build_supports(-1, 0, 4)
    assert not lib.rt_build_supports(lib.RT_ALGORITHMS, 0, 4)
    assert not lib.rt_build_supports(0, lib.RT_KINDS, 4)


def steps_of(program: ffi.CData, rank: int, lane: int) -> list[tuple[int, ...]]:
    step, found = ffi.new("rt_step *"), list[tuple[int, ...]]()
    while lib.rt_program_next(program, rank, lane, len(found), step):
        deps = [(d.lane, d.lanes, d.step) for d in step.deps[0 : step.n_deps]]
        found.append((step.opcode, step.src_offset, step.count, step.recv_channel, step.send_channel, *sum(deps, ())))
    return found


def test_steps_may_be_asked_for_in_any_order() -> None:
    step = ffi.new("rt_step *")
    for name in ("ring", "tree", "two_shot", "one_shot"):
        program = build(Task(lib.RT_ALL_REDUCE, 5, 100), Recipe(name, chunks=4, pace=1))
        for rank in range(5):
            for lane in range(lib.rt_program_lanes(program, rank)):
                steps = steps_of(program, rank, lane)
                for index in reversed(range(len(steps))):
                    assert lib.rt_program_next(program, rank, lane, index, step)
                    assert (step.opcode, step.src_offset, step.count) == steps[index][:3]


def test_one_shot_combines_in_rank_order_everywhere() -> None:
    program, ends = build(Task(lib.RT_ALL_REDUCE, 6, 4), Recipe("one_shot")), ffi.new("rt_channel *")
    for rank in range(6):
        order = []
        for _, _, _, received, *_ in steps_of(program, rank, 5)[:6]:
            if received >= 0:
                lib.rt_program_channel(program, received, ends)
            order.append(ends.src if received >= 0 else rank)
        assert order == list(range(6))


def test_partners_add_the_same_two_sums() -> None:
    """Recursive doubling: after round k all ranks of a block of 2^k have the same sum, made in the same way."""
    program = build(Task(lib.RT_ALL_REDUCE, 8, 4), Recipe("recursive_doubling"))
    ends, step = ffi.new("rt_channel *"), ffi.new("rt_step *")
    for rank, turn in product(range(8), range(3)):
        assert lib.rt_program_next(program, rank, 0, 2 * turn + 1, step)
        lib.rt_program_channel(program, step.recv_channel, ends)
        assert (step.opcode, ends.src) == (lib.RT_RECV_REDUCE, rank ^ (1 << turn))


def test_a_double_tree_has_each_rank_inside_at_most_once() -> None:
    ends, step = ffi.new("rt_channel *"), ffi.new("rt_step *")
    for ranks in range(2, 34):
        program = build(Task(lib.RT_ALL_REDUCE, ranks, 2 * ranks), Recipe("tree"))
        for rank in range(ranks):
            inside = set()
            for lane in range(lib.rt_program_lanes(program, rank)):
                assert lib.rt_program_next(program, rank, lane, 0, step)
                if step.opcode == lib.RT_RECV_REDUCE:
                    inside.add(step.src_offset)
                    lib.rt_program_channel(program, step.recv_channel, ends)
                    assert ends.dst == rank
            assert len(inside) <= 1


def test_pacing_waits_for_the_next_hop() -> None:
    """A chain 2 - 1 - 0: rank 1 hears chunk c when chunk c - 2 has gone up, the root when it has gone down."""
    chain = Tree(0, 10, 0, (-1, 0, 1), (-1, 0, 1))
    program = build(Task(lib.RT_ALL_REDUCE, 3, 10), Recipe("forest", chunks=5, pace=2, forest=(chain,)))
    hear, up, down = 0, 1, 3  # lanes of rank 1: hear, up, from, to
    assert [s[5:] for s in steps_of(program, 1, hear)] == [(), (), (up, 1, 0), (up, 1, 1), (up, 1, 2)]
    assert [s[5:] for s in steps_of(program, 1, 2)] == [(), (), (down, 1, 0), (down, 1, 1), (down, 1, 2)]
    assert [s[5:] for s in steps_of(program, 0, 0)] == [(), (), (1, 1, 0), (1, 1, 1), (1, 1, 2)]
    assert [s[5:] for s in steps_of(program, 1, up)] == [(hear, 1, c) for c in range(5)]


def test_a_ring_has_the_depth_its_pieces_need() -> None:
    for chunks, depth, expected in ((1, 1, 2), (1, 4, 4), (3, 2, 4), (7, 2, 8), (64, 2, 8)):
        program = build(Task(lib.RT_ALL_REDUCE, 4, 4000), Recipe("ring", chunks=chunks, depth=depth))
        assert lib.rt_program_depth(program) == expected
    chain = build(Task(lib.RT_BROADCAST, 4, 4000), Recipe("ring", chunks=64, depth=1))
    assert lib.rt_program_depth(chain) == 1


def test_huge_programs_are_not_stored() -> None:
    program, step = build(Task(lib.RT_ALL_REDUCE, 100_000, 2**40), Recipe("ring")), ffi.new("rt_step *")
    assert lib.rt_program_next(program, 77_777, 0, 2 * 99_999, step)
    assert step.opcode == lib.RT_RECV
    assert not lib.rt_program_next(program, 77_777, 0, 2 * 99_999 + 1, step)


GBPS, LATENCY_US = 50.0, 1.0


def idle_network(ranks: int, switch: bool) -> ffi.CData:
    """A full mesh of ranks, or a switch with half of the latency on either side."""
    links = [(a, b) for a in range(ranks) for b in range(ranks) if a != b]
    if switch:
        links = [link for a in range(ranks) for link in ((a, ranks), (ranks, a))]
    keep = {
        "forwards": ffi.new("uint8_t[]", [node == ranks for node in range(ranks + switch)]),
        "src": ffi.new("int32_t[]", [src for src, _ in links]),
        "dst": ffi.new("int32_t[]", [dst for _, dst in links]),
        "bandwidth_GBps": ffi.new("double[]", [GBPS] * len(links)),
        "latency_us": ffi.new("double[]", [LATENCY_US / (2 if switch else 1)] * len(links)),
        "cost_us": ffi.new("double[]", len(links)),
    }
    spec = ffi.new("rt_board_spec *", {"nodes": ranks + switch, "links": len(links), **keep})
    board, error = ffi.new("rt_board **"), ffi.new("rt_error *")
    assert lib.rt_board_new(spec, board, error) == lib.RT_OK, ffi.string(error.text)
    return ffi.gc(board[0], lib.rt_board_free)


def time_us(board: ffi.CData, program: ffi.CData, ranks: int, element_bytes: float) -> float:
    placement, finish = ffi.new("int32_t[]", list(range(ranks))), ffi.new("double[]", ranks)
    job = ffi.new("rt_job *", (program, placement, ffi.NULL, element_bytes, finish))
    stats, error = ffi.new("rt_sim_stats *"), ffi.new("rt_error *")
    status = lib.rt_simulate(board, job, 1, ffi.NULL, 0, math.inf, ffi.NULL, ffi.NULL, stats, error)
    assert status == lib.RT_OK, ffi.string(error.text)
    return float(stats.finish_us)


def closed_forms(n: int, transfer_us: float) -> dict[tuple[str, str], float]:
    """modelling.md B.1, for a vector that takes transfer_us over one link."""
    rounds, share = math.ceil(math.log2(n)), transfer_us / n
    forms = {
        ("ring", "all_reduce"): 2 * (n - 1) * (LATENCY_US + share),
        ("ring", "reduce_scatter"): (n - 1) * (LATENCY_US + share),
        ("ring", "all_gather"): (n - 1) * (LATENCY_US + share),
        ("ring", "broadcast"): (n - 1) * (LATENCY_US + transfer_us),
        ("binomial", "broadcast"): rounds * (LATENCY_US + transfer_us),
        ("binomial", "reduce"): rounds * (LATENCY_US + transfer_us),
        ("pairwise", "all_to_all"): (n - 1) * (LATENCY_US + share),
        ("recursive_doubling", "barrier"): rounds * LATENCY_US,
    }
    if n & (n - 1) == 0:
        forms |= {
            ("recursive_doubling", "all_reduce"): rounds * (LATENCY_US + transfer_us),
            ("rabenseifner", "all_reduce"): 2 * rounds * LATENCY_US + 2 * (n - 1) * share,
            ("rabenseifner", "reduce_scatter"): rounds * LATENCY_US + (n - 1) * share,
            ("recursive_doubling", "all_gather"): rounds * LATENCY_US + (n - 1) * share,
            ("binomial", "gather"): rounds * LATENCY_US + (n - 1) * share,
            ("binomial", "scatter"): rounds * LATENCY_US + (n - 1) * share,
        }
    return forms


@pytest.mark.parametrize("switch", [False, True], ids=["mesh", "switch"])
@pytest.mark.parametrize("ranks", [2, 3, 6, 8, 16])
def test_closed_forms(ranks: int, switch: bool) -> None:
    board = idle_network(ranks, switch)
    for nbytes in (8, 2**10, 2**20, 2**30):
        for (name, kind), expected in closed_forms(ranks, nbytes / GBPS / 1e3).items():
            task = Task(KINDS[kind], ranks, 0 if kind == "barrier" else ranks)
            found = time_us(board, build(task, Recipe(name)), ranks, nbytes / ranks)
            assert found == pytest.approx(expected, rel=1e-9), (name, kind, nbytes)


def test_direct_algorithms_take_one_latency_per_phase() -> None:
    board = idle_network(8, switch=False)
    for name, kind, phases, messages in (
        ("one_shot", "all_reduce", 1, 8.0),
        ("one_shot", "all_gather", 1, 1.0),
        ("one_shot", "all_to_all", 1, 1.0),
        ("two_shot", "all_reduce", 2, 1.0),
        ("two_shot", "reduce_scatter", 1, 1.0),
        ("star", "scatter", 1, 1.0),
        ("star", "broadcast", 1, 8.0),
    ):
        found = time_us(board, build(Task(KINDS[kind], 8, 8), Recipe(name)), 8, 50_000)
        assert found == pytest.approx(phases * (LATENCY_US + messages * 1.0), rel=1e-9), (name, kind)


def test_pieces_hide_the_latency_of_a_ring() -> None:
    """With two pieces in flight or more, the links never rest, but for one latency at the end of each block."""
    board, task = idle_network(8, switch=False), Task(lib.RT_ALL_REDUCE, 8, 8 * 140)
    for chunks, blocks in ((2, 1), (4, 1), (7, 1), (14, 2), (28, 4)):
        found = time_us(board, build(task, Recipe("ring", chunks=chunks)), 8, 20e-6 * GBPS * 1e9 / 140)
        assert found == pytest.approx(14 * 20 + blocks * LATENCY_US)
