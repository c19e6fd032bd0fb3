"""JSON text into plain values whose mistakes can be answered with line and column."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from _ringtree.errors import TopologyError

from .yamlread import Mapping, Place, PlacedError, Sequence, read, shorten

Path = tuple[str | int, ...]


class Document:
    """One JSON text and its `root`. A path leads from the root to the value that a message is about."""

    def __init__(self, text: str, label: str) -> None:
        """Raises TopologyError for what is not JSON, has a key twice, or a number that is not finite."""
        self.text = text
        self.label = label
        try:
            self.root: Any = json.loads(text, object_pairs_hook=_unique, parse_constant=_constant)
        except json.JSONDecodeError as error:
            raise TopologyError(f"{label}:{error.lineno}:{error.colno}: not JSON: {error.msg}") from None
        except (ValueError, RecursionError) as error:
            raise TopologyError(f"{label}: not JSON: {shorten(str(error))}") from None

    def fields(self, path: Path, value: Any, allowed: tuple[str, ...], needed: tuple[str, ...] = ()) -> None:
        """Check that the value is an object of these keys."""
        if not isinstance(value, dict):
            wanted = ", ".join(needed or allowed)
            self.fail(path, f"found {kind_of(value)}; expected an object with {wanted}")
        for key in value:
            if key not in allowed:
                self.fail((*path, key), f"unknown key {shorten(key)!r}; expected one of {', '.join(allowed)}")
        for key in needed:
            if key not in value:
                self.fail(path, f"found no {key!r}; expected {', '.join(needed)}")

    def number(self, path: Path, value: Any, wanted: str, zero: bool = True) -> float:
        """A finite number that is not negative, nor 0 unless `zero`."""
        valid = type(value) in (int, float) and abs(value) < 1e300 and math.isfinite(value)
        if not valid or value < 0 or (value == 0 and not zero):
            self.fail(path, f"found {_called(path)}{shorten(repr(value))}; expected {wanted}")
        return float(value)

    def whole(self, path: Path, value: Any, least: int, most: int) -> int:
        """A whole number of least..most."""
        if type(value) is not int or not least <= value <= most:
            wanted = f"a whole number of {least}..{most}"
            self.fail(path, f"found {_called(path)}{shorten(repr(value))}; expected {wanted}")
        return value

    def items(self, path: Path, value: Any, length: int | None = None) -> list[Any]:
        """A list, of so many values where a length is given."""
        if not isinstance(value, list):
            what = _called(path).strip() or "a row"
            self.fail(path, f"found {kind_of(value)} as {what}; expected a list")
        if length is not None and len(value) != length:
            self.fail(path, f"found {len(value)} values; expected {length}")
        return value

    @contextmanager
    def at(self, path: Path) -> Iterator[None]:
        """Give whatever is wrong inside the place in this text."""
        try:
            yield
        except PlacedError:
            raise
        except TopologyError as error:
            self.fail(path, str(error))

    def fail(self, path: Path, message: str) -> NoReturn:
        """Raise, with the place looked up now: reading JSON keeps none, and most files are right."""
        spot = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".")
        place = self._find(path)
        where = f"{self.label}:{place.line}:{place.column}" if place else self.label
        raise PlacedError(f"{where}: {spot + ': ' if spot else ''}{message}")

    def _find(self, path: Path) -> Place | None:
        """Where the value at `path` stands: JSON is YAML enough for its nodes to be found again."""
        try:
            tree = read(self.text, self.label)
        except TopologyError:
            return None
        for step in path:
            if isinstance(tree, Mapping) and step in tree.items:
                tree = tree.items[str(step)]
            elif isinstance(tree, Sequence) and isinstance(step, int):
                tree = tree.items[step]
        return tree


def _called(path: Path) -> str:
    """The key that a value has, for messages; values in lists have none."""
    return f"{path[-1]} " if path and isinstance(path[-1], str) else ""


def kind_of(value: Any) -> str:
    """What a JSON value is, in words, for messages."""
    names = {dict: "an object", list: "a list", str: "text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        again = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {shorten(again)!r} appears twice in an object")
    return found


def _constant(text: str) -> NoReturn:
    raise ValueError(f"found {text}; expected finite numbers")
