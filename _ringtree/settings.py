"""The environment variables, read where they are needed; a bad value is an error, never a silent default."""

from __future__ import annotations

import os

from _ringtree.errors import InputError
from _ringtree.units import parse_bytes

LOG_LEVELS = ("VERSION", "WARN", "INFO", "TRACE")
DEFAULT_TIMEOUT_S = 60.0
DEFAULT_ARENA_BYTES = 32 * 2**20


def timeout_s() -> float:
    """RINGTREE_TIMEOUT: seconds that a wait may last, 60 by default, 0 for never."""
    text = os.environ.get("RINGTREE_TIMEOUT")
    if text is None:
        return DEFAULT_TIMEOUT_S
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1e9:
        raise InputError(f"RINGTREE_TIMEOUT: found {text!r}; expected seconds, 0 for never")
    return value


def arena_bytes() -> int:
    """RINGTREE_ARENA: the most shared memory that a communicator's arena takes, 32MiB by default."""
    text = os.environ.get("RINGTREE_ARENA")
    return DEFAULT_ARENA_BYTES if text is None else parse_bytes(text, "RINGTREE_ARENA")


def lends() -> bool:
    """RINGTREE_LEND: `auto` (default): plain arrays that come often become reachable; or `off`."""
    text = os.environ.get("RINGTREE_LEND", "auto")
    if text not in ("auto", "off"):
        raise InputError(f"RINGTREE_LEND: found {text!r}; expected auto or off")
    return text == "auto"


def algorithm() -> str | None:
    """RINGTREE_ALGO, unparsed."""
    return os.environ.get("RINGTREE_ALGO") or None


def topology_file() -> str | None:
    """RINGTREE_TOPO_FILE: the board of communicators that name none."""
    return os.environ.get("RINGTREE_TOPO_FILE") or None


def cache_folder() -> str | None:
    """RINGTREE_CACHE: the folder of what planning found out, or `off`; else the user's cache. None: keep nothing."""
    text = os.environ.get("RINGTREE_CACHE")
    if text == "off":
        return None
    if text is not None:
        if not text or (os.path.exists(text) and not os.path.isdir(text)):
            raise InputError(f"RINGTREE_CACHE: found {text!r}; expected a folder, or off")
        return os.path.abspath(text)
    for base in (os.environ.get("XDG_CACHE_HOME", ""), os.path.expanduser("~/.cache")):
        if os.path.isabs(base):
            return os.path.join(base, "ringtree")
    return None


def debug_level() -> int:
    """RINGTREE_DEBUG as an index into LOG_LEVELS; WARN by default."""
    text = os.environ.get("RINGTREE_DEBUG", "WARN").upper()
    if text not in LOG_LEVELS:
        raise InputError(f"RINGTREE_DEBUG: found {text!r}; expected one of {', '.join(LOG_LEVELS)}")
    return LOG_LEVELS.index(text)


def debug_is_set() -> bool:
    return "RINGTREE_DEBUG" in os.environ
