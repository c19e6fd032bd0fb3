"""The boards that ship with the project."""

from __future__ import annotations

from functools import cache
from pathlib import Path

BOARDS = Path(__file__).parent / "boards"


@cache
def shipped() -> tuple[str, ...]:
    """Names of the shipped boards, in order."""
    return tuple(sorted(path.stem for path in BOARDS.glob("*.yaml")))


def path_of(name: str) -> Path:
    """The file of a shipped board."""
    return BOARDS / f"{name}.yaml"


def advice(name: str) -> str:
    """What to say about a name that is neither a shipped board nor a file."""
    import difflib

    close = difflib.get_close_matches(name, shipped(), n=1)
    hint = f" (did you mean {close[0]}?)" if close else ""
    return f"expected a file or one of {', '.join(shipped())}{hint}"
