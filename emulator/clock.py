"""The three clocks, and how much the wall clock is stretched.

- virtual: collectives are priced by the simulator, compute by the profile; no time passes.
- wall: transfers and compute take real time, `dilation` times as long as on the board.
- off: no emulation; the host's own speed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

from _ringtree.errors import InputError


class Clock(str, Enum):
    """Which time an emulated board keeps."""

    VIRTUAL = "virtual"
    WALL = "wall"
    OFF = "off"

    @classmethod
    def parse(cls, text: str) -> Clock:
        """Raises InputError for a name that is none of the three."""
        try:
            return cls(text)
        except ValueError:
            raise InputError(
                f"clock: found {text!r}; expected one of {', '.join(clock.value for clock in cls)}"
            ) from None


# A byte that crosses a link is written by the sender and read, combined and written by the receiver.
TOUCHES_PER_BYTE = 3
# The share of a chunk's time that handing it over may take is 1 / HAND_OVERS_PER_CHUNK.
HAND_OVERS_PER_CHUNK = 20


@dataclass(frozen=True, slots=True)
class Host:
    """What the machine that emulates can do: `copy_GBps` is bytes copied per second by one core, `handover_us` the
    time from a rank's signal until another rank, asleep, runs."""

    copy_GBps: float
    cores: int
    handover_us: float


def choose_dilation(traffic_GBps: float, chunk_us: float, ranks: int, host: Host, safety: float = 2.0) -> float:
    """How many times slower than the board the wall clock must run for the host to keep up; at least 1.

    `traffic_GBps`: what all links of the board carry together at full rate. `chunk_us`: the shortest time that a link
    is busy with one chunk. Two things must hold: the host moves the bytes `safety` times faster than the stretched
    links, and a stretched chunk lasts HAND_OVERS_PER_CHUNK hand-overs. Ranks beyond the cores take turns, and each
    waits for those before it. Raises InputError unless everything is finite and above 0.
    """
    inputs = (traffic_GBps, chunk_us, ranks, host.copy_GBps, host.cores, host.handover_us, safety)
    if not all(math.isfinite(value) and value > 0 for value in inputs):
        raise InputError(f"dilation: found {inputs}; expected finite numbers above 0")
    host_GBps = host.copy_GBps * min(ranks, host.cores) / TOUCHES_PER_BYTE
    turn_us = host.handover_us * math.ceil(ranks / host.cores)
    return max(1.0, safety * traffic_GBps / host_GBps, HAND_OVERS_PER_CHUNK * turn_us / chunk_us)


def measure_copy_GBps(size: int = 1 << 24, rounds: int = 5) -> float:
    """Bytes that this process copies per second, in GB/s: the best of a few rounds, some milliseconds in all."""
    import time

    source, target = bytearray(b"\1") * size, bytearray(b"\2") * size  # not zero: those pages would be shared
    times = []
    for _ in range(rounds):
        begin = time.perf_counter()
        target[:] = source
        times.append(time.perf_counter() - begin)
    return size / min(times) / 1e9
