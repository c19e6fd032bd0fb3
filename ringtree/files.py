"""Output files: refused before the run where they could not be written after it, and said in one line if it fails."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from _ringtree.errors import InputError


def require_writable(path: str, option: str) -> None:
    """InputError where it is plain already that the file cannot be written."""
    if not path:
        raise InputError(f"{option}: found ''; expected the name of a file")
    folder = os.path.dirname(path) or "."
    if not os.path.isdir(folder):
        raise InputError(f"{option} {path}: no folder {folder}")
    if os.path.isdir(path):
        raise InputError(f"{option} {path}: found a folder; expected a file")
    if not os.access(path if os.path.exists(path) else folder, os.W_OK):
        raise InputError(f"{option} {path}: cannot be written: no permission")


@contextmanager
def writing(path: str) -> Iterator[None]:
    """What the system says against the file, as an InputError that names it."""
    try:
        yield
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror or error}") from None


def write_file(path: str, text: str) -> None:
    """Write a text file, or say why not."""
    with writing(path), open(path, "w", encoding="utf-8") as file:
        file.write(text)


def discard(path: str) -> None:
    """Remove what was begun. Devices, pipes and links are not ours to remove."""
    if os.path.isfile(path) and not os.path.islink(path):
        os.unlink(path)
