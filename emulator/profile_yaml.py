"""Reads the YAML of a device profile (docs/device-profiles.md): strict, every mistake with its line and column."""

from __future__ import annotations

from _ringtree.errors import InputError, TopologyError
from topology.check import mark_fits
from topology.schema import Reader
from topology.yamlread import Mapping, Scalar, Tree, describe, read, shorten

from .figures import FIGURES, UNKNOWN, Figure, Reading, parse_number

PROFILE = ("profile", "description", "figures")
READING = ("value", "unit", "mark", "source", "note", "date", "alternatives", "assumed")
ALTERNATIVE = READING[:6]


def parse(text: str, label: str) -> tuple[str, str, dict[str, Figure]]:
    """Name, description and figures. Raises InputError `label:line:column: found ...; expected ...`."""
    try:
        reader = Reader(label)
        fields = reader.fields(read(text, label), "the profile", PROFILE)
        for key in ("profile", "figures"):
            if key not in fields:
                raise TopologyError(f"{label}: found no `{key}`; expected it at the top of a profile")
        name = reader.text(fields["profile"], "profile")
        description = reader.text(fields["description"], "description") if "description" in fields else ""
        figures = reader.fields(fields["figures"], "figures", tuple(FIGURES))
        return name, description, {key: _figure(reader, key, tree) for key, tree in figures.items()}
    except TopologyError as error:
        raise InputError(str(error)) from None


def _figure(reader: Reader, name: str, tree: Tree) -> Figure:
    """One reading, or a nominal and a sustained one."""
    if isinstance(tree, Mapping) and tree.items.keys() & {"nominal", "sustained"}:
        pair = reader.fields(tree, name, ("nominal", "sustained"))
        return Figure(**{key: _reading(reader, f"{key} {name}", name, part) for key, part in pair.items()})
    return Figure(nominal=_reading(reader, name, name, tree))


def _reading(reader: Reader, what: str, name: str, tree: Tree, allowed: tuple[str, ...] = READING) -> Reading:
    if isinstance(tree, Scalar):
        if tree.empty:
            return UNKNOWN
        reader.fail(tree, f"found {describe(tree)} as {what}; expected a mapping with value, unit, mark and source")
    fields = reader.fields(tree, what, allowed)
    value = _number(reader, what, name, fields, "value", tree)
    assumed = _number(reader, what, name, fields, "assumed", tree) if "assumed" in fields else None
    if value is not None and assumed is not None:
        reader.fail(fields["assumed"], f"found `assumed` beside a value in {what}; expected it for an unknown one")
    alternatives = reader.items(fields["alternatives"], "alternatives") if "alternatives" in fields else []
    return Reading(
        value,
        _mark(reader, what, fields, tree, value is not None),
        _source(reader, what, fields, tree, value is not None or assumed is not None),
        reader.text(fields["note"], "note") if "note" in fields else "",
        reader.text(fields["date"], "date") if "date" in fields else "",
        assumed,
        tuple(_reading(reader, f"an alternative of {what}", name, item, ALTERNATIVE) for item in alternatives),
    )


def _number(reader: Reader, what: str, name: str, fields: dict[str, Tree], key: str, whole: Tree) -> float | None:
    """The number under `key` in the figure's own unit; None for null."""
    if key not in fields:
        reader.fail(whole, f"found no {key} in {what}; expected one, null if unknown")
    tree = fields[key]
    if isinstance(tree, Scalar) and tree.empty:
        return None
    number = reader.value(tree, f"{key} of {what}", lambda text: parse_number(text, name))
    units = FIGURES[name]
    if "unit" not in fields:
        reader.fail(whole, f"found no unit in {what}; expected one of {', '.join(units)}")
    return number * units[reader.choice(fields["unit"], f"the unit of {what}", tuple(units))]


def _mark(reader: Reader, what: str, fields: dict[str, Tree], whole: Tree, known: bool) -> str:
    if "mark" not in fields:
        if known:
            reader.fail(whole, f"found no mark in {what}; expected M, V, P, D, R or several with slashes")
        return "U"
    mark = reader.text(fields["mark"], f"the mark of {what}")
    if mark == "A" or not mark_fits(mark, known):
        wanted = "M, V, P, D, R or several with slashes" if known else "U for an unknown value"
        reader.fail(fields["mark"], f"found the mark {shorten(mark)!r} in {what}; expected {wanted}")
    return mark


def _source(reader: Reader, what: str, fields: dict[str, Tree], whole: Tree, needed: bool) -> str:
    if "source" in fields:
        return reader.text(fields["source"], f"the source of {what}")
    if needed:
        reader.fail(whole, f"found no source in {what}; expected who says so")
    return ""
