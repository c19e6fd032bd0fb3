"""Checked access to the nodes of a YAML file: every mistake becomes one line with its place."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NoReturn, TypeVar

from _ringtree.errors import InputError, TopologyError

from .check import mark_fits
from .model import Figure
from .yamlread import Mapping, Place, PlacedError, Scalar, Sequence, Tree, describe, fail, shorten

Value = TypeVar("Value")
FIGURE = ("value", "assumed", "mark", "source")


@dataclass(frozen=True)
class Reader:
    """Reads values out of the trees of one file, which messages call `label`."""

    label: str

    def fail(self, place: Place | None, message: str) -> NoReturn:
        fail(self.label, place, message)

    @contextmanager
    def at(self, place: Place) -> Iterator[None]:
        """Give whatever is wrong inside the place in this file."""
        try:
            yield
        except PlacedError:
            raise
        except TopologyError as error:
            self.fail(place, str(error))

    def mapping(self, tree: Tree, what: str) -> Mapping:
        if not isinstance(tree, Mapping):
            self.fail(tree, f"found {describe(tree)} as {what}; expected a mapping")
        return tree

    def fields(self, tree: Tree, what: str, allowed: tuple[str, ...]) -> dict[str, Tree]:
        """The entries of a mapping whose keys are all allowed."""
        mapping = self.mapping(tree, what)
        for key, place in mapping.keys.items():
            if key not in allowed:
                self.fail(place, f"unknown key {shorten(key)!r} in {what}; expected one of {', '.join(allowed)}")
        return mapping.items

    def items(self, tree: Tree, what: str) -> list[Tree]:
        if not isinstance(tree, Sequence):
            self.fail(tree, f"found {describe(tree)} as {what}; expected a list")
        return tree.items

    def text(self, tree: Tree, what: str) -> str:
        """A scalar that is not empty and stays on one line."""
        if not isinstance(tree, Scalar) or tree.empty or not tree.text.strip():
            self.fail(tree, f"found {describe(tree)} as {what}; expected text")
        return tree.text

    def value(self, tree: Tree, what: str, parse: Callable[[str], Value]) -> Value:
        """A scalar as `parse` reads it; its InputError gets the place."""
        text = self.text(tree, what)
        try:
            return parse(text)
        except InputError as error:
            self.fail(tree, f"{what}: {error}")

    def choice(self, tree: Tree, what: str, allowed: tuple[str, ...]) -> str:
        text = self.text(tree, what)
        if text not in allowed:
            self.fail(tree, f"found {shorten(text)!r} as {what}; expected one of {', '.join(allowed)}")
        return text

    def flag(self, tree: Tree, what: str) -> bool:
        return self.choice(tree, what, ("true", "false")) == "true"

    def number(self, tree: Tree, what: str, most: int = 1_000_000) -> int:
        """A whole number of 1..most."""
        text = tree.text if isinstance(tree, Scalar) and tree.plain else ""
        if not (text.isascii() and text.isdigit() and len(text) < 12 and 1 <= int(text) <= most):
            self.fail(tree, f"found {describe(tree)} as {what}; expected a whole number of 1..{most}")
        return int(text)

    def figure(self, tree: Tree, what: str, parse: Callable[[str], float], mark: str = "", source: str = "") -> Figure:
        """`50 GB/s`, null, or a mapping that says where the value comes from; a plain value has `mark`, `source`."""
        if not isinstance(tree, Mapping):
            if isinstance(tree, Scalar) and tree.empty:
                return Figure()
            return Figure(self.value(tree, what, parse), mark, source)
        fields = self.fields(tree, what, FIGURE)
        known = "value" in fields and not _empty(fields["value"])
        source = self.text(fields["source"], "source") if "source" in fields else ""
        if "assumed" in fields:
            if known or "mark" in fields:
                self.fail(tree, f"found `assumed` beside a value or mark in {what}; expected it for an unknown value")
            return Figure(self.value(fields["assumed"], what, parse), "A", source)
        if "value" not in fields:
            self.fail(tree, f"found no value in {what}; expected `value` (null if unknown) or `assumed`")
        value = self.value(fields["value"], what, parse) if known else None
        mark = self.text(fields["mark"], "mark") if "mark" in fields else ""
        if mark == "A" or not mark_fits(mark, known):
            wanted = "M, V, P, D, R or several with slashes" if known else "U for an unknown value"
            self.fail(fields["mark"], f"found the mark {shorten(mark)!r} in {what}; expected {wanted}")
        return Figure(value, mark, source)


def _empty(tree: Tree) -> bool:
    return isinstance(tree, Scalar) and tree.empty
