"""YAML text into plain nodes that know their line and column.

Only what board files need: mappings, sequences, scalars. Anchors, aliases, tags, merge keys and several documents
are refused, as are texts with too many or too deeply nested nodes, so that no file can grow while it is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NoReturn

from _ringtree.errors import TopologyError

MAX_NODES = 500_000
MAX_DEPTH = 32


@dataclass(slots=True)
class Place:
    """Where something stands, from 1."""

    line: int
    column: int


@dataclass(slots=True)
class Scalar(Place):
    text: str
    plain: bool  # not quoted: `null` is nothing, "null" is a word

    @property
    def empty(self) -> bool:
        return self.plain and self.text in ("", "~", "null", "Null", "NULL")


@dataclass(slots=True)
class Sequence(Place):
    items: list[Tree] = field(default_factory=list)


@dataclass(slots=True)
class Mapping(Place):
    items: dict[str, Tree] = field(default_factory=dict)
    keys: dict[str, Scalar] = field(default_factory=dict)


Tree = Scalar | Sequence | Mapping


class PlacedError(TopologyError):
    """A TopologyError whose message already says where."""


def describe(tree: Tree) -> str:
    """What was found, in words, for messages."""
    if isinstance(tree, Mapping):
        return "a mapping"
    if isinstance(tree, Sequence):
        return "a list"
    return "nothing" if tree.empty else f"{shorten(tree.text)!r}"


def shorten(text: str) -> str:
    """At most 60 characters: messages stay one line whatever a file holds."""
    return text if len(text) <= 60 else text[:57] + "..."


def fail(label: str, place: Place | None, message: str) -> NoReturn:
    """Raise a TopologyError `label:line:column: message`."""
    where = f"{label}:{place.line}:{place.column}" if place else label
    raise PlacedError(f"{where}: {message}")


def read(text: str, label: str) -> Tree:
    """The one document of the text. Raises TopologyError with label, line and column."""
    import yaml

    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        events = iter(yaml.parse(text, Loader=loader))
        return _Builder(events, label).document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(mark.line + 1, mark.column + 1) if mark else None
        fail(label, place, f"not YAML: {error.problem or error.context}")
    except yaml.YAMLError as error:
        fail(label, None, f"not YAML: {' '.join(str(error).split())}")
    except RecursionError:
        fail(label, None, f"nested too deeply; expected at most {MAX_DEPTH} levels")


class _Builder:
    """Makes the tree of a stream of parser events."""

    def __init__(self, events: Iterator[Any], label: str) -> None:
        self.events = events
        self.label = label
        self.count = 0

    def document(self) -> Tree:
        next(self.events)  # start of the stream
        if type(next(self.events)).__name__ == "StreamEndEvent":
            fail(self.label, None, "found an empty file; expected a board")
        tree = self.tree(next(self.events), 0)
        next(self.events)  # end of the document
        more = next(self.events)
        if type(more).__name__ != "StreamEndEvent":
            self.fail(more, "found a second document; expected one board in a file")
        return tree

    def tree(self, event: Any, depth: int) -> Tree:
        self.count += 1
        if self.count > MAX_NODES or depth > MAX_DEPTH:
            self.fail(event, f"found too much; expected at most {MAX_NODES} values, {MAX_DEPTH} levels deep")
        name = type(event).__name__
        if name == "AliasEvent":
            self.fail(event, f"found the alias *{shorten(event.anchor)}; expected no anchors and aliases in a board")
        if event.anchor is not None:
            self.fail(event, f"found the anchor &{shorten(event.anchor)}; expected no anchors and aliases in a board")
        if event.tag is not None and event.tag != "!":
            self.fail(event, f"found the tag {shorten(event.tag)!r}; expected no tags in a board")
        mark = event.start_mark
        if name == "ScalarEvent":
            return Scalar(mark.line + 1, mark.column + 1, event.value, not event.style)
        if name == "SequenceStartEvent":
            return self.sequence(Sequence(mark.line + 1, mark.column + 1), depth)
        return self.mapping(Mapping(mark.line + 1, mark.column + 1), depth)

    def sequence(self, sequence: Sequence, depth: int) -> Sequence:
        for event in self.events:
            if type(event).__name__ == "SequenceEndEvent":
                break
            sequence.items.append(self.tree(event, depth + 1))
        return sequence

    def mapping(self, mapping: Mapping, depth: int) -> Mapping:
        for event in self.events:
            if type(event).__name__ == "MappingEndEvent":
                break
            key = self.tree(event, depth + 1)
            if not isinstance(key, Scalar):
                fail(self.label, key, f"found {describe(key)} as a key; expected a word")
            if key.text in mapping.items:
                first = mapping.keys[key.text].line
                fail(self.label, key, f"found the key {shorten(key.text)!r} again; first on line {first}")
            mapping.keys[key.text] = key
            mapping.items[key.text] = self.tree(next(self.events), depth + 1)
        return mapping

    def fail(self, event: Any, message: str) -> NoReturn:
        mark = event.start_mark
        fail(self.label, Place(mark.line + 1, mark.column + 1), message)
