"""Memory at any alignment with guard bytes on both sides: whoever writes beyond its part is seen."""

from __future__ import annotations

from typing import Any

import numpy as np
from exactness import numpy_type

GUARD = 64
FILL = 0xA5


class Guarded:
    """`count` elements that begin `shift` bytes beyond an aligned address."""

    def __init__(self, dtype: str, count: int, shift: int = 0) -> None:
        kind = numpy_type(dtype)
        begin, size = GUARD + shift, count * kind.itemsize
        self._memory = np.full(size + 2 * GUARD + shift, FILL, np.uint8)
        self._before, self._after = self._memory[:begin], self._memory[begin + size :]
        self.array = self._memory[begin : begin + size].view(kind)

    @classmethod
    def holding(cls, values: Any, shift: int = 0) -> Guarded:
        made = cls(values.dtype.name, len(values), shift)
        made.array[:] = values
        return made

    def check(self, expected: Any) -> None:
        """The same values (any NaN is as good as another), and nothing changed around them."""
        self.check_guards()
        np.testing.assert_array_equal(self.array, expected, strict=True)

    def check_bits(self, expected: Any) -> None:
        """The same bits, and nothing changed around them."""
        self.check_guards()
        assert self.array.tobytes() == expected.tobytes(), f"{self.array} is not {expected}"

    def check_guards(self) -> None:
        assert (self._before == FILL).all(), "something was written before the buffer"
        assert (self._after == FILL).all(), "something was written behind the buffer"
