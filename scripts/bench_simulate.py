"""Time and memory of `ringtree simulate`, process start included: one ring on a switch, all-reduce of 64 MiB.

    python scripts/bench_simulate.py [--devices 256,1024,4096] [--rounds 5] [--json]

Every device has one link of 12.5 GB/s and 0.5 us each way to one switch. `events` are reservations of links.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

COMMAND = ["simulate", "--algorithm", "ring:channels=1:chunks=1", "--bytes", "64MiB", "--json"]


def write_star(path: Path, devices: int) -> None:
    """A graph JSON of devices around one switch."""
    nodes = [{"id": i, "kind": "accel"} for i in range(devices)] + [{"id": devices, "kind": "switch"}]
    ends = [(i, devices) for i in range(devices)] + [(devices, i) for i in range(devices)]
    links = [{"src": src, "dst": dst, "bw": 12.5, "lat": 0.5} for src, dst in ends]
    graph = {"name": path.stem, "description": "star", "source": "own", "nodes": nodes, "links": links}
    path.write_text(json.dumps({**graph, "bandwidth_unit": "GB/s per direction"}), encoding="utf-8")


def run(path: Path) -> tuple[float, float]:
    """Seconds and peak memory (MB) of one process."""
    command = [sys.executable, "-m", "ringtree", *COMMAND[:1], str(path), *COMMAND[1:]]
    begin = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    rows = json.loads(process.stdout.read())
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begin
    assert status == 0, rows
    assert rows[0]["time_us"] > 0, rows
    return seconds, usage.ru_maxrss / 1024


def core_events_per_s(path: Path) -> float:
    """Link events per second inside the core, one thread."""
    import topology
    from collectives import plan

    chosen = plan(topology.load(str(path)), nbytes=64 * 2**20, algorithm="ring:channels=1:chunks=1")
    begin = time.perf_counter()
    chosen.simulate()
    ranks = chosen.collective.ranks
    return 2 * 2 * (ranks - 1) * ranks / (time.perf_counter() - begin)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--devices", default="256,1024,4096")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for devices in map(int, options.devices.split(",")):
            path = Path(folder) / f"star{devices}.json"
            write_star(path, devices)
            runs = [run(path) for _ in range(options.rounds)]
            rates = [core_events_per_s(path) for _ in range(options.rounds)]
            seconds = statistics.median(r[0] for r in runs)
            rows.append((devices, seconds, max(r[1] for r in runs), statistics.median(rates)))
    if options.json:
        keys = ("devices", "seconds", "peak_MB", "events_per_s")
        print(json.dumps([dict(zip(keys, row, strict=True)) for row in rows]))
        return
    for devices, seconds, memory, rate in rows:
        print(f"{devices:5d} devices: {seconds:6.2f} s, {memory:4.0f} MB, {rate / 1e6:.1f} million link events/s")


if __name__ == "__main__":
    main()
