"""What a user supplies for figures that nobody published: `--assume ppu.fp16_tflops=120`."""

from __future__ import annotations

from collections.abc import Iterable

from _ringtree.errors import InputError


class Assumptions:
    """`name.figure=value` pairs, and which of them were asked for."""

    def __init__(self, values: dict[str, str] | None = None) -> None:
        self._values = dict(values or {})
        self._used: dict[str, None] = {}

    @classmethod
    def parse(cls, pairs: Iterable[str]) -> Assumptions:
        """From `KEY=VALUE` strings; InputError on any other form and on a key given twice."""
        values: dict[str, str] = {}
        for pair in pairs:
            key, equals, value = (part.strip() for part in pair.partition("="))
            if not (key and equals and value and "." in key):
                raise InputError(f"--assume: found {pair!r}; expected NAME.FIGURE=VALUE, as in ppu.fp16_tflops=120")
            if key in values:
                raise InputError(f"--assume: {key} is given twice")
            values[key] = value
        return cls(values)

    def get(self, key: str) -> str | None:
        """The value supplied for `key`, now counted as used; None where there is none."""
        value = self._values.get(key)
        if value is not None:
            self._used[key] = None
        return value

    def used(self) -> list[str]:
        return [f"{key}={self._values[key]}" for key in self._used]

    def unused(self) -> list[str]:
        return [key for key in self._values if key not in self._used]

    def __bool__(self) -> bool:
        return bool(self._values)
