"""How fast csrc/fold reduces many inputs into one output, for every instruction set that runs here.

    python scripts/bench_fold.py [--types float32,bfloat16,..] [--ops sum,..] [--inputs 2,4] [--outputs 1] [--stream]
                                 [--json]

GB/s of all bytes read and written, the best of several runs, on one thread: with all buffers in L2 (64 KiB each), and
in memory or the last cache (24 MiB each). `memcpy` moves as many bytes, half of them read and half of them written.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from _ringtree_core import ffi, lib

PLACES = {"L2": 64 << 10, "memory": 24 << 20}
TYPES = "float32,bfloat16,float16,float8_e4m3fn,float8_e5m2,float64,int32"
SECONDS = 0.04  # for each figure, at least


def best_time(run: Callable[[], Any]) -> float:
    run()
    best, end = float("inf"), time.perf_counter() + SECONDS
    while (begin := time.perf_counter()) < end:
        run()
        best = min(best, time.perf_counter() - begin)
    return best


def buffers(count: int, size: int) -> list[np.ndarray]:
    """On page boundaries, with bytes that are moderate numbers in most types."""
    memory = np.empty(count * (size + 4096) + 4096, np.uint8)
    start = -memory.ctypes.data % 4096
    parts = [memory[start + i * (size + 4096) :][:size] for i in range(count)]
    for part in parts:
        part[:] = np.tile(np.random.default_rng(1).integers(0x30, 0x3E, 4096, np.uint8), size // 4096)
    return parts


def measure_fold(isa: int, name: str, op: str, parts: list[np.ndarray], n_in: int, n_out: int, stream: bool) -> float:
    """GB/s."""
    dtype, redop = (int(getattr(lib, f"RT_{word.upper()}")) for word in (name, op))
    pointers = [ffi.cast("void *", part.ctypes.data) for part in parts]
    inputs, outputs = ffi.new("void *[]", pointers[:n_in]), ffi.new("void *[]", pointers[n_in : n_in + n_out])
    n = parts[0].size // lib.rt_dtype_size(dtype)

    def run() -> None:
        lib.rt_fold_with(isa, dtype, redop, n_in, outputs, n_out, inputs, n_in, n, stream)

    return (n_in + n_out) * parts[0].size / best_time(run) / 1e9


def measure_memcpy(parts: list[np.ndarray], n_in: int, n_out: int) -> float:
    """GB/s of as many bytes, from and to as many buffers."""
    count = (n_in + n_out) // 2

    def run() -> None:
        for i in range(count):
            ffi.memmove(ffi.from_buffer(parts[-1 - i]), ffi.from_buffer(parts[i]), parts[0].size)

    return 2 * count * parts[0].size / best_time(run) / 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--types", default=TYPES)
    parser.add_argument("--ops", default="sum")
    parser.add_argument("--inputs", default="2,4")
    parser.add_argument("--outputs", type=int, default=1)
    parser.add_argument("--stream", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    isas = {isa: ffi.string(lib.rt_isa_name(isa)).decode() for isa in range(lib.RT_ISAS) if lib.rt_isa_name(isa)}
    rows = []
    for place, size in PLACES.items():
        for n_in in map(int, options.inputs.split(",")):
            parts = buffers(n_in + options.outputs, size)
            memcpy = measure_memcpy(parts, n_in, options.outputs)
            for name, op in ((name, op) for name in options.types.split(",") for op in options.ops.split(",")):
                rates = {
                    isa_name: measure_fold(isa, name, op, parts, n_in, options.outputs, options.stream)
                    for isa, isa_name in isas.items()
                }
                row = {"place": place, "type": name, "op": op, "inputs": n_in, "outputs": options.outputs}
                rows.append(row | {"stream": options.stream, "GBps": rates | {"memcpy": memcpy}})
                if not options.json:
                    figures = "  ".join(f"{isa} {rate:6.1f}" for isa, rate in rows[-1]["GBps"].items())
                    print(f"{place:7} {name:14} {op:5} {n_in} -> {options.outputs}   {figures} GB/s", flush=True)
    if options.json:
        print(json.dumps(rows))


if __name__ == "__main__":
    main()
