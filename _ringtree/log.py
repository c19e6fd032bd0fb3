"""Log lines in NCCL's form: `host:pid ringtree INFO text`, on stderr, by RINGTREE_DEBUG."""

from __future__ import annotations

import os
import socket
import sys

from _ringtree import __version__, settings


def log(level: str, text: str) -> None:
    """Print `text` when RINGTREE_DEBUG asks for `level` or more."""
    if settings.LOG_LEVELS.index(level) <= settings.debug_level():
        print(f"{socket.gethostname()}:{os.getpid()} ringtree {level} {text}", file=sys.stderr, flush=True)


def info(text: str) -> None:
    log("INFO", text)


def warn(text: str) -> None:
    log("WARN", text)


def version() -> None:
    """As NCCL does, say the version once RINGTREE_DEBUG is set, to whatever level."""
    if settings.debug_is_set():
        log("VERSION", f"ringtree {__version__}")
