"""Builds `_ringtree_core`, the compiled C core (cffi API mode, stable ABI).

The headers in csrc/ are the only description of the interface: what stands between `cffi: begin` and `cffi: end`
is what Python sees.
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import sys
from pathlib import Path

from cffi import FFI

ROOT = Path(__file__).resolve().parent.parent
CSRC = ROOT / "csrc"

# In the order in which they build on each other.
HEADERS = [
    "status",
    "program",
    "build",
    "board",
    "simulate",
    "verify",
    "reduce",
    "fold",
    "arena",
    "lend",
    "execute",
    "ndarray",
    "fetch",
    "reach",
    "regular",
    "direct",
    "arborescence",
    "shallow",
    "early",
    "stepped",
    "maxflow",
]

# -ffp-contract=off: emulated times must not depend on whether a processor fuses multiply and add.
FLAGS = ["-std=c11", "-O3", "-g", "-fvisibility=hidden", "-ffp-contract=off", "-Wall", "-Wextra"]


def declarations() -> str:
    """What cffi is told: the marked parts of the headers, in order."""
    parts = []
    for name in HEADERS:
        text = (CSRC / f"{name}.h").read_text(encoding="utf-8")
        parts += re.findall(r"/\* cffi: begin \*/\n(.*?)/\* cffi: end \*/", text, re.DOTALL)
    return "\n".join(parts)


# The one function that C calls in Python: the simulator's observer.
CALLBACKS = """
extern "Python" void rt_python_observer(void *context, const rt_record *records, int64_t n);
"""


def build_hash() -> str:
    """Names this build: ranks that map one arena must run the same sources."""
    digest = hashlib.sha256()
    for path in sorted(CSRC.rglob("*.[ch]")):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def make_ffi() -> FFI:
    ffi = FFI()
    ffi.cdef(declarations() + CALLBACKS)
    ffi.set_source(
        "_ringtree_core",
        "".join(f'#include "{name}.h"\n' for name in HEADERS),
        sources=[os.path.relpath(path, ROOT) for path in sorted(CSRC.glob("*.c"))],
        include_dirs=[os.path.relpath(CSRC, ROOT)],
        define_macros=[("_GNU_SOURCE", None), ("RT_BUILD_HASH", f"0x{build_hash()}ULL")],
        extra_compile_args=FLAGS + shlex.split(os.environ.get("RINGTREE_CFLAGS", "")),
        extra_link_args=shlex.split(os.environ.get("RINGTREE_LDFLAGS", "")),
        libraries=["m", "rt", "pthread"] if sys.platform.startswith("linux") else [],
    )
    return ffi


ffibuilder = make_ffi()

if __name__ == "__main__":
    ffibuilder.compile(tmpdir=str(ROOT), verbose=True)
