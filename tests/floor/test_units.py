"""Quantities as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from _ringtree.errors import InputError
from _ringtree.units import format_bytes, parse_bandwidth_GBps, parse_bytes, parse_sizes, parse_time_us


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0", 0), ("1000000", 10**6), ("64MiB", 64 * 2**20), ("1 GB", 10**9), ("1.5KiB", 1536), ("4 B", 4)],
)
def test_bytes(text: str, expected: int) -> None:
    assert parse_bytes(text) == expected


@pytest.mark.parametrize(
    "text", ["", "x", "1.0001 B", "-1", "-1KiB", "1 MiB/s", "4611686018427387904", "8EiB", "nan", "inf"]
)
def test_bad_bytes(text: str) -> None:
    with pytest.raises(InputError, match="bytes"):
        parse_bytes(text)


@given(st.integers(0, 2**62 - 1))
@settings(deadline=None, max_examples=200)
def test_formatted_bytes_read_back(count: int) -> None:
    assert parse_bytes(format_bytes(count)) == count


def test_bandwidth_is_in_bytes_and_bits() -> None:
    assert parse_bandwidth_GBps("50 GB/s") == 50.0
    assert parse_bandwidth_GBps("400 Gb/s") == 50.0
    assert parse_bandwidth_GBps("1.5TB/s") == 1500.0


@pytest.mark.parametrize(
    "text", ["50", "50 GB", "0 GB/s", "-1 GB/s", "inf GB/s", "nan GB/s", "GB/s", "5 5 GB/s", "1.2.3 GB/s"]
)
def test_bad_bandwidth(text: str) -> None:
    with pytest.raises(InputError, match="bandwidth"):
        parse_bandwidth_GBps(text)


def test_time() -> None:
    assert parse_time_us("1.2 us") == 1.2
    assert parse_time_us("700ns") == pytest.approx(0.7)
    assert parse_time_us("0 us") == 0.0
    with pytest.raises(InputError, match="no unit"):
        parse_time_us("3")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1KiB:16KiB:x4", [1024, 4096, 16384]),
        ("1KiB:4KiB", [1024, 2048, 4096]),
        ("8:32:+8", [8, 16, 24, 32]),
        ("4KiB,1KiB", [4096, 1024]),
        ("64MiB", [64 * 2**20]),
        ("1KiB:5KiB:x4", [1024, 4096]),
    ],
)
def test_sizes(text: str, expected: list[int]) -> None:
    assert parse_sizes(text) == expected


@pytest.mark.parametrize(
    "text", ["4:2", "1:2:3", "1:8:x1", "1:8:x0.5", "0:8:x2", "1:8:+0", "1:2:x2:5", "1:100000000:+1"]
)
def test_bad_sizes(text: str) -> None:
    with pytest.raises(InputError, match="sizes"):
        parse_sizes(text)
