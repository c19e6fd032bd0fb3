"""Frozen dataclasses as JSON's values, and back from a file that nobody vouches for: every field's type is checked."""

from __future__ import annotations

import json
import math
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, NoReturn, TypeVar, Union, get_args, get_origin, get_type_hints

from _ringtree.errors import InputError

Value = TypeVar("Value")

WORDS = {int: "a whole number", float: "a number", str: "text", bool: "true or false", NoneType: "null"}
LARGEST = 2**62


def to_plain(value: Any) -> Any:
    """Mappings, lists, numbers and texts; fields that have their default value are left out."""
    if is_dataclass(value):
        pairs = ((field, getattr(value, field.name)) for field in fields(value))
        return {
            field.name: to_plain(each) for field, each in pairs if field.default is MISSING or each != field.default
        }
    if isinstance(value, tuple):
        return [to_plain(each) for each in value]
    return value


def from_plain(cls: type[Value], value: Any, where: str) -> Value:
    """The dataclass that `to_plain` took apart. InputError names the place in the value, below `where`."""
    if not isinstance(value, dict):
        _refuse(where, value, "an object")
    known = {field.name: field for field in fields(cls)}  # type: ignore[arg-type]
    for name in value:
        if name not in known:
            raise InputError(f"{where}: unknown key {name[:60]!r}; expected {', '.join(known)}")
    for name, field in known.items():
        if name not in value and field.default is MISSING:
            raise InputError(f"{where}: found no {name!r}; expected {', '.join(known)}")
    hints = _hints(cls)  # type: ignore[arg-type]
    return cls(**{name: _read(hints[name], each, f"{where}.{name}") for name, each in value.items()})


def parse_json(text: str, where: str) -> Any:
    """JSON without NaN and infinities, each key once. Raises InputError."""
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise InputError(f"{where}:{error.lineno}:{error.colno}: not JSON: {error.msg}") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: not JSON: {str(error)[:200]}") from None


def _read(hint: Any, value: Any, where: str) -> Any:
    if get_origin(hint) in (Union, UnionType):
        kind = next(kind for kind in get_args(hint) if kind is not NoneType)
        return None if value is None else _read(kind, value, where)
    if get_origin(hint) is tuple:
        if not isinstance(value, list):
            _refuse(where, value, "a list")
        kind = get_args(hint)[0]
        if kind is int:
            return _whole_numbers(value, where)
        return tuple(_read(kind, each, f"{where}[{i}]") for i, each in enumerate(value))
    if is_dataclass(hint):
        return from_plain(hint, value, where)  # type: ignore[arg-type]
    if hint is float and type(value) is int:
        value = float(value) if abs(value) < LARGEST else math.inf
    if (
        type(value) is not hint
        or (hint is float and not math.isfinite(value))
        or (hint is int and abs(value) >= LARGEST)
    ):
        _refuse(where, value, WORDS[hint])
    return value


def _whole_numbers(value: list[Any], where: str) -> tuple[int, ...]:
    for i, each in enumerate(value):
        if type(each) is not int or abs(each) >= LARGEST:
            _refuse(f"{where}[{i}]", each, WORDS[int])
    return tuple(value)


@cache
def _hints(cls: type) -> dict[str, Any]:
    return get_type_hints(cls)


def _refuse(where: str, value: Any, wanted: str) -> NoReturn:
    names = {dict: "an object", list: "a list", NoneType: "null"}
    raise InputError(f"{where}: found {names.get(type(value)) or repr(value)[:60]}; expected {wanted}")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {next(n for n in names if names.count(n) > 1)[:60]!r} appears twice in an object")
    return found


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"found {text}; expected finite numbers")
