"""Waiting: what it costs, and who makes whose operations go on meanwhile."""

from __future__ import annotations

import threading
import time

import numpy as np
from _ringtree_core import ffi, lib
from local_ranks import Rank, arena_segment, data, in_processes, made, one_shot, ring, run_ranks, total


def test_a_waiting_rank_uses_almost_no_processor() -> None:
    program = ring(2, 1000)

    def body(me: Rank) -> float:
        if me.rank == 1:
            time.sleep(1.0)
        used, begin = time.process_time(), time.perf_counter()
        me.run(program, data(me.rank, 1000), np.zeros(1000, np.float32))
        return (time.process_time() - used) / (time.perf_counter() - begin)

    assert run_ranks(2, body)[0] < 0.02


def test_waiting_no_time_answers_pending_and_progress_finishes() -> None:
    program = ring(2, 300_000)

    def body(me: Rank) -> tuple[int, int, bool]:
        source, out = data(me.rank, 300_000), np.zeros(300_000, np.float32)
        op = me.start(program, source, out)
        first = lib.rt_op_wait(op, 0, ffi.NULL) if me.rank == 0 else lib.RT_PENDING
        deadline = time.monotonic() + 20
        if me.rank == 1:
            time.sleep(0.2)
        while lib.rt_progress(me.engine, 1_000_000) > 0 and time.monotonic() < deadline:
            time.sleep(0.0005)
        last = lib.rt_op_wait(op, 0, ffi.NULL)
        lib.rt_op_free(op)
        return first, last, bool((out == total(2, 300_000)).all())

    assert run_ranks(2, body) == [(lib.RT_PENDING, lib.RT_OK, True)] * 2


def test_two_communicators_in_two_threads() -> None:
    nbytes = 1 << 20
    programs = [ring(2, 20_000), one_shot(2, 3_000)]

    def process(rank: int) -> list[bool]:
        engine = made(lib.rt_engine_new, "rt_engine")
        ranks = [Rank(name, nbytes, 2, rank, engine=engine) for name in names]
        right = [True, True]

        def use(which: int) -> None:
            program, me = programs[which], ranks[which]
            for _ in range(150):
                out = np.zeros(program.count, np.float32)
                me.run(program, data(rank, program.count), out)
                right[which] &= bool((out == total(2, program.count)).all())

        threads = [threading.Thread(target=use, args=(i,)) for i in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for me in ranks:
            me.close()
        lib.rt_engine_free(engine)
        return right

    with arena_segment(2, nbytes) as one, arena_segment(2, nbytes) as other:
        names = (one, other)
        assert in_processes(2, process) == [[True, True]] * 2


def test_ranks_wait_for_one_communicator_while_others_need_them_in_another() -> None:
    """Rank 0 waits in the first communicator, rank 1 in the second: each must serve the other one."""
    nbytes = 1 << 20
    program = ring(2, 100_000)

    def process(rank: int) -> bool:
        engine = made(lib.rt_engine_new, "rt_engine")
        ranks = [Rank(name, nbytes, 2, rank, engine=engine) for name in names]
        outs = [np.zeros(program.count, np.float32) for _ in ranks]
        ops = [me.start(program, data(rank, program.count), out) for me, out in zip(ranks, outs, strict=True)]
        order = (0, 1) if rank == 0 else (1, 0)
        for which in order:
            ranks[which].wait(ops[which])
        return all((out == total(2, program.count)).all() for out in outs)

    with arena_segment(2, nbytes) as one, arena_segment(2, nbytes) as other:
        names = (one, other)
        assert all(in_processes(2, process))
