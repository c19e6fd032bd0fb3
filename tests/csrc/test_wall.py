"""The wall clock: what really passes, against the link model's closed forms and against the simulator."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np
import pytest
from _ringtree_core import ffi, lib
from local_ranks import CoreError, Program, Rank, check, made, ring, run_ranks

IN, OUT = lib.RT_INPUT, lib.RT_OUTPUT
KIB = 256  # elements of float32


class Board:
    """Links (src, dst, GB/s, us) and limits (GB/s, [links])."""

    def __init__(
        self, nodes: int, links: list[tuple[int, int, float, float]], limits: list[tuple[float, list[int]]] = ()
    ) -> None:
        members = [(i, link) for i, (_, of) in enumerate(limits) for link in of]
        self.arrays = {
            "forwards": ffi.new("uint8_t[]", nodes),
            "src": ffi.new("int32_t[]", [link[0] for link in links]),
            "dst": ffi.new("int32_t[]", [link[1] for link in links]),
            "bandwidth_GBps": ffi.new("double[]", [link[2] for link in links]),
            "latency_us": ffi.new("double[]", [link[3] for link in links]),
            "cost_us": ffi.new("double[]", len(links)),
            "limit_bandwidth_GBps": ffi.new("double[]", [limit[0] for limit in limits] or 1),
            "limit_cost_us": ffi.new("double[]", max(len(limits), 1)),
            "member_limit": ffi.new("int32_t[]", [m[0] for m in members] or 1),
            "member_link": ffi.new("int32_t[]", [m[1] for m in members] or 1),
        }
        spec = ffi.new("rt_board_spec *")
        spec.nodes, spec.links, spec.limits, spec.members = nodes, len(links), len(limits), len(members)
        for name, array in self.arrays.items():
            setattr(spec, name, array)
        self.handle = made(lib.rt_board_new, "rt_board", spec)
        self.elements = lib.rt_board_elements(self.handle)
        self.placement = ffi.new("int32_t[]", list(range(nodes)))

    def simulated_us(self, program: Program, element_bytes: int = 4) -> float:
        job, stats = ffi.new("rt_job *"), ffi.new("rt_sim_stats *")
        finish = ffi.new("double[]", program.ranks)
        job.program, job.placement, job.element_bytes = program.handle, self.placement, element_bytes
        job.finish_us = finish
        check(lib.rt_simulate, self.handle, job, 1, ffi.NULL, 0, math.inf, ffi.NULL, ffi.NULL, stats)
        return stats.finish_us


def measured_us(board: Board, program: Program, dilation: float, times: int = 5) -> list[float]:
    """Emulated us from when the first rank began to when the last had ended."""

    def body(me: Rank) -> list[tuple[float, float]]:
        check(lib.rt_comm_wall, me.comm, board.handle, board.placement, dilation)
        source, target = np.ones(program.count, np.float32), np.zeros(program.count, np.float32)
        spans = []
        for _ in range(times):
            me.exchange(b"x")
            begin = time.monotonic()
            me.run(program, source, target)
            spans.append((begin, time.monotonic()))
        return spans

    ranks = run_ranks(program.ranks, body, nbytes=8 << 20, elements=board.elements)
    rounds = zip(*ranks, strict=True)
    return [(max(end for _, end in spans) - min(begin for begin, _ in spans)) * 1e6 / dilation for spans in rounds]


def transfers(count: int, chunks: int, depth: int = 2, receives: int = 1) -> Program:
    """Rank 0 sends `chunks` pieces to each of the other ranks, in a lane each."""
    program = Program(lib.RT_BROADCAST, 1 + receives, count, [(0, 1 + r) for r in range(receives)], depth=depth)
    for r in range(receives):
        for i in range(chunks):
            at = i * (count // chunks)
            program.add(0, r, lib.RT_SEND, count // chunks, src=(IN, at), send=r)
            program.add(1 + r, 0, lib.RT_RECV, count // chunks, dst=(OUT, at), recv=r)
    return program


def assert_takes(board: Board, program: Program, model_us: float) -> None:
    """Never faster than the links allow, and within 5 %; on a busy machine that takes a larger dilation."""
    for host_us in (15_000, 45_000, 135_000, 405_000):
        measured = measured_us(board, program, host_us / model_us)
        assert min(measured) > model_us * 0.999
        if min(measured) < model_us * 1.05:
            return
    pytest.fail(f"{sorted(measured)} us, the model says {model_us} us")


@pytest.mark.parametrize("kib", [0, 64, 2048])
def test_one_transfer_over_one_link(kib: int) -> None:
    board = Board(2, [(0, 1, 1.0, 300.0)])
    assert_takes(board, transfers(kib * KIB, 1), kib * 1.024 + 300)


def test_a_pipeline_is_paced_by_the_link_and_lateness_does_not_add_up() -> None:
    """Forty chunks, one after the other: each wakes somebody up."""
    board = Board(2, [(0, 1, 1.0, 10.0)])
    assert_takes(board, transfers(40 * 64 * KIB, 40), 40 * 65.536 + 10)


def test_a_depth_of_one_waits_for_every_arrival() -> None:
    board = Board(2, [(0, 1, 1.0, 100.0)])
    assert_takes(board, transfers(10 * 64 * KIB, 10, depth=1), 10 * (65.536 + 100))


def test_a_limit_is_shared_by_all_links_under_it() -> None:
    links = [(0, 1, 1.0, 50.0), (0, 2, 1.0, 50.0)]
    program = transfers(512 * KIB, 1, receives=2)
    alone = 512 * 1.024 + 50
    assert_takes(Board(3, links), program, alone)
    limited = Board(3, links, [(1.0, [0, 1])])
    assert_takes(limited, program, alone + 512 * 1.024)


@pytest.mark.parametrize("ranks", [2, 4])
def test_a_ring_takes_what_the_simulator_says(ranks: int) -> None:
    board = Board(ranks, [(r, (r + 1) % ranks, 1.0, 20.0) for r in range(ranks)])
    program = ring(ranks, 1024 * KIB)
    assert_takes(board, program, board.simulated_us(program))


def test_a_pair_without_a_path_is_named() -> None:
    board = Board(2, [(0, 1, 1.0, 1.0)])

    def body(me: Rank) -> str:
        check(lib.rt_comm_wall, me.comm, board.handle, board.placement, 1.0)
        source, target = np.ones(8, np.float32), np.zeros(8, np.float32)
        if me.rank == 0:
            return ""
        with pytest.raises(CoreError) as caught:
            me.run(ring(2, 8), source, target)
        assert caught.value.status == lib.RT_ERR_NO_ROUTE
        return caught.value.text

    assert "ranks 1 and 0" in run_ranks(2, body, elements=board.elements)[1]


@pytest.mark.parametrize(("dilation", "elements", "words"), [(0.0, 1, "dilation"), (1.0, 7, "made for 7")])
def test_what_cannot_be_a_wall_clock(dilation: float, elements: int, words: str) -> None:
    board = Board(2, [(0, 1, 1.0, 1.0)])

    def body(me: Rank) -> Any:
        with pytest.raises(CoreError) as caught:
            check(lib.rt_comm_wall, me.comm, board.handle, board.placement, dilation)
        return caught.value.status, caught.value.text

    status, text = run_ranks(1, body, elements=elements)[0]
    assert status == lib.RT_ERR_INVALID
    assert words in text


def test_a_dead_holder_of_the_boards_lock_is_an_error() -> None:
    """The lock's word stands at the beginning of the board's memory: the second rank holds it for ever."""
    board = Board(2, [(0, 1, 1.0, 1.0)])
    program = transfers(16, 1)

    def body(me: Rank) -> tuple[int, str]:
        check(lib.rt_comm_wall, me.comm, board.handle, board.placement, 1.0)
        if me.rank == 0:
            hold_the_lock(me)
        me.exchange(b"x")
        with pytest.raises(CoreError) as caught:
            me.run(program, np.ones(16, np.float32), np.zeros(16, np.float32))
        return caught.value.status, caught.value.text

    def hold_the_lock(me: Rank) -> None:
        memory = ffi.cast("uint32_t *", lib.rt_segment_data(me.segment))
        channels = lib.rt_arena_least_bytes(2, board.elements) - 2 * 4096 - 16 * 192
        memory[(channels - 128) // 4] = 2

    for status, text in run_ranks(2, body, elements=board.elements):
        assert status == lib.RT_ERR_SYSTEM
        assert "rank 1 holds the board's lock" in text
