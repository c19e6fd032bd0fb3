"""Ranks that say what they are about to do, and notice when they disagree."""

from __future__ import annotations

import time

import numpy as np
from _ringtree_core import lib
from local_ranks import CoreError, Program, Rank, data, error_of, one_shot, ring, run_ranks

IN, OUT = lib.RT_INPUT, lib.RT_OUTPUT


def test_exchanges_gather_everybodys_bytes() -> None:
    program = ring(3, 100)

    def body(me: Rank) -> bool:
        right = True
        for i in range(100):
            size = 1 + (i * 37) % lib.RT_EXCHANGE_BYTES
            right &= me.exchange(bytes([me.rank + i]) * size) == [bytes([r + i]) * size for r in range(3)]
            if i % 5 == 0:
                me.run(program, data(me.rank, 100), np.zeros(100, np.float32))
        return right

    assert all(run_ranks(3, body))


def test_ranks_that_disagree_all_get_the_error_and_later_calls_quote_it() -> None:
    program = ring(4, 1000)

    def body(me: Rank) -> list[tuple[int, str]]:
        me.run(program, data(me.rank, 1000), np.zeros(1000, np.float32))
        return [error_of(me, program, signature=2 if me.rank == 2 else 1), error_of(me, program)]

    for (status, text), (later, quoted) in run_ranks(4, body):
        assert status == lib.RT_ERR_MISMATCH
        assert "2" in text.split(" disagree")[0]
        assert "operation 2" in text
        assert later == lib.RT_ERR_REVOKED
        assert text in quoted


def test_a_disagreement_long_past_is_still_seen() -> None:
    """The root of broadcasts runs ahead; the other rank finds only later that one of them was different."""
    program = Program(lib.RT_BROADCAST, 2, 1, [(0, 1)])
    program.add(0, 0, lib.RT_SEND, 1, src=(IN, 0), send=0)
    program.add(1, 0, lib.RT_RECV, 1, dst=(OUT, 0), recv=0)

    def body(me: Rank) -> tuple[int, int]:
        if me.rank == 1:
            time.sleep(0.3)
        for i in range(100):
            try:
                me.run(program, data(0, 1), np.zeros(1, np.float32), signature=i + (me.rank == 1 and i == 3))
            except CoreError as error:
                return i, error.status
        return 100, 0

    (ahead, first), (found, second) = run_ranks(2, body)
    assert {first, second} <= {lib.RT_ERR_MISMATCH, lib.RT_ERR_REVOKED}
    assert found == 3
    assert 4 <= ahead <= 3 + 16


def test_programs_that_differ_are_noticed_by_their_slices() -> None:
    mine, other = ring(2, 1000), ring(2, 2000)

    def body(me: Rank) -> tuple[int, str]:
        return error_of(me, other if me.rank else mine)

    for status, text in run_ranks(2, body):
        assert status == lib.RT_ERR_MISMATCH
        assert "expected 2000" in text or "expected 4000" in text


def test_programs_with_other_channels_are_noticed_before_they_meet() -> None:
    def body(me: Rank) -> int:
        return error_of(me, one_shot(3, 10) if me.rank == 1 else ring(3, 10))[0]

    assert run_ranks(3, body) == [lib.RT_ERR_MISMATCH] * 3
