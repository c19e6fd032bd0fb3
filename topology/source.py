"""Text of a board file, read safely: small, regular, UTF-8."""

from __future__ import annotations

import os
from pathlib import Path

from _ringtree.errors import TopologyError

MAX_BYTES = 10_000_000


def read_text(path: Path, label: str) -> str:
    """The file's text. A file above 10 MB is refused by its size, before it is read."""
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            data = b"" if size > MAX_BYTES else file.read(MAX_BYTES + 1)
    except OSError as error:
        raise TopologyError(f"{label}: {error.strerror}; expected a file that can be read") from None
    if max(size, len(data)) > MAX_BYTES:
        raise TopologyError(f"{label}: found {max(size, len(data))} bytes; expected at most {MAX_BYTES}")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise TopologyError(f"{label}: found byte {error.start} that is not UTF-8; expected text") from None
