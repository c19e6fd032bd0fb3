"""What the planner found out, kept on disk: a folder with a file for each finding.

    $RINGTREE_CACHE, $XDG_CACHE_HOME/ringtree or ~/.cache/ringtree
        plans/3f9c...e1     ringtree-cache 1 <hash of the key> <hash of the value>
                            <the value, JSON>

A finding's key has the content of the board, the placement, the cost of a message and the planner's version in it, so
that nothing stale is read. A file is written beside its place and moved there: two processes may write at once. A
damaged or foreign file is no finding; the first is warned of, and all are replaced. Where the folder cannot be used,
planning goes on without.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from hashlib import blake2b
from typing import Any, TypeVar

from _ringtree import __version__, log, settings
from topology import Topology

Found = TypeVar("Found")

# Raised when what is kept changes its meaning and the sources do not show it.
VERSION = 1
MAGIC = f"ringtree-cache {VERSION}"
OURS = re.compile(r"[0-9a-f]{32}(\..*)?")
MOST_FILES = 4096
MOST_BYTES = 64 * 2**20
# What is found faster than this need not be kept.
LEAST_S = 0.0005
# So many findings are written before the folder is looked through again.
PRUNED_EVERY = 128

ROOT = os.path.abspath(os.path.join(__file__, *[os.pardir] * 3))
SOURCES = ("_ringtree", "topology", "collectives", "collectives/planner", "collectives/msccl")
BINARIES = ("_ringtree_core", "highspy", "numpy")


class Cache:
    """Findings of one scope. `folder` None: nothing is kept."""

    _warned = False
    _written = 0

    def __init__(self, folder: str | None, scope: object = ()) -> None:
        self._folder = None if folder is None else os.path.join(folder, "plans")
        self._scope = repr(scope)

    def get(self, key: object) -> Any:
        """The value kept under the key, its lists as tuples; None where there is none."""
        if self._folder is None:
            return None
        name = self._name(key)
        try:
            with open(os.path.join(self._folder, name), encoding="utf-8") as file:
                head, _, body = file.read().partition("\n")
            if head == f"{MAGIC} {name} {_hash(body)}":
                return _frozen(json.loads(body))
        except FileNotFoundError:
            return None
        except OSError as problem:
            return self._give_up(problem)
        except ValueError:  # bytes that are no text
            pass
        return self._warn(name)

    def put(self, key: object, value: Any) -> None:
        """Keep a value that JSON can carry."""
        if self._folder is None:
            return
        name, body = self._name(key), json.dumps(value, separators=(",", ":"))
        path = os.path.join(self._folder, name)
        beside = f"{path}.{os.getpid()}.{threading.get_ident()}"
        try:
            os.makedirs(self._folder, mode=0o700, exist_ok=True)
            with open(beside, "w", encoding="utf-8") as file:
                file.write(f"{MAGIC} {name} {_hash(body)}\n{body}")
            os.replace(beside, path)
            if Cache._written % PRUNED_EVERY == 0:
                _prune(self._folder)
            Cache._written += 1
        except OSError as problem:
            self._give_up(problem)

    def recall(
        self,
        key: object,
        find: Callable[[], Found],
        pack: Callable[[Found], Any] = lambda found: found,
        unpack: Callable[[Any], Found] = lambda value: value,
    ) -> Found:
        """What is kept under the key, else what `find` finds, kept if that took its time.

        `pack` makes JSON's values of it, `unpack` takes them back, with tuples for lists.
        """
        value = self.get(key)
        if value is not None:
            try:
                return unpack(value)
            except (ValueError, TypeError, KeyError):
                self._warn(self._name(key))
        begin = time.perf_counter()
        found = find()
        if time.perf_counter() - begin >= LEAST_S:
            self.put(key, pack(found))
        return found

    def _name(self, key: object) -> str:
        return _hash(f"{self._scope} {key!r}")

    def _warn(self, name: str) -> None:
        if not Cache._warned:
            Cache._warned = True
            path = os.path.join(self._folder or "", name)
            log.warn(f"cache: {path} is damaged: ignored, and replaced (RINGTREE_CACHE=off: no cache)")

    def _give_up(self, problem: OSError) -> None:
        log.info(f"cache: {problem.filename or self._folder}: {problem.strerror}; going on without")
        self._folder = None


def of_plans(topology: Topology | None, placement: Sequence[int], cost_us: float) -> Cache:
    """The cache of plans for one board and placement; without a board there is nothing to keep."""
    folder = None if topology is None else settings.cache_folder()
    if topology is None or folder is None:
        return Cache(None)
    try:
        return Cache(folder, (planner_version(), topology.digest(), tuple(placement), cost_us))
    except OSError as problem:
        log.info(f"cache: {problem.filename}: {problem.strerror}; going on without")
        return Cache(None)


@cache
def planner_version() -> str:
    """Names what plans depend on, the sources, the core and the solver, by size and time as Python knows its .pyc."""
    digest = blake2b(f"{MAGIC} {__version__}".encode(), digest_size=16)

    def note(name: str, state: os.stat_result) -> None:
        digest.update(f"{name} {state.st_size} {state.st_mtime_ns}".encode())

    for package in SOURCES:
        with os.scandir(os.path.join(ROOT, package)) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                if entry.name.endswith(".py"):
                    note(entry.name, entry.stat())
    for module in BINARIES:
        found = importlib.util.find_spec(module)
        if found and found.origin:
            note(module, os.stat(found.origin))
    return digest.hexdigest()


def _frozen(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _frozen(each) for key, each in value.items()}
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


def _hash(text: str) -> str:
    return blake2b(text.encode(), digest_size=16).hexdigest()


def _prune(folder: str) -> None:
    """Where there is too much, drop the oldest findings until a quarter of the room is free."""
    files = []
    with os.scandir(folder) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):
                if OURS.fullmatch(entry.name):
                    state = entry.stat(follow_symlinks=False)
                    files.append((state.st_mtime_ns, state.st_size, entry.path))
    if len(files) <= MOST_FILES and sum(size for _, size, _ in files) <= MOST_BYTES:
        return
    total = 0
    for count, (_, size, path) in enumerate(sorted(files, reverse=True), start=1):
        total += size
        if count > MOST_FILES * 3 // 4 or total > MOST_BYTES * 3 // 4:
            with suppress(FileNotFoundError):
                os.unlink(path)
