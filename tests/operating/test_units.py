"""Sums and sizes: written in one form, read back exactly, and refused with what is right."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.units import GIB, UNIT, decimal, money, parse_money, parse_rate, parse_size

SIZES = [("0", 0), ("5B", 5), ("20GiB", 20 * GIB), ("20 gib", 20 * GIB), ("1TiB", 1 << 40), ("2KiB", 2048)]


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (0, "0"),
        (1, "0.000000000001"),
        (21_298_015, "0.000021298015"),
        (UNIT, "1"),
        (1_010_000_000_000, "1.01"),
        (-20_000_000_000, "-0.02"),
        (10**30 + 1, f"{10**18}.000000000001"),
    ],
)
def test_sums_are_exact(amount: int, text: str) -> None:
    assert decimal(amount) == text
    assert money(amount) == f"{text} UNIT ({amount})"


@given(st.integers(0, 10**40 - 1))
def test_what_is_written_is_read_back(amount: int) -> None:
    assert parse_money(f"{decimal(amount)}UNIT") == parse_money(f"{decimal(amount)} unit") == amount
    assert parse_money(str(amount)) == amount


@pytest.mark.parametrize(
    "text", ["", "1.5", "-1", "1e3", "1.UNIT", ".5UNIT", "1.0000000000001UNIT", "1UNITS", "٣", "1_000", "9" * 41]
)
def test_what_is_no_sum_is_refused_with_what_is_right(text: str) -> None:
    with pytest.raises(ValueError, match=r"no sum: write it in the smallest unit .* or in UNIT \(1.5UNIT\)"):
        parse_money(text)


@pytest.mark.parametrize(("text", "size"), SIZES)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "-1", "1.5GiB", "20GB", "GiB", "1e9", "٣"])
def test_what_is_no_size_is_refused_with_what_is_right(text: str) -> None:
    with pytest.raises(ValueError, match="no size: write a whole number of bytes, or of KiB, MiB, GiB, TiB"):
        parse_size(text)


@pytest.mark.parametrize(
    ("text", "rate"), [("1024", 1024), ("2MiB/s", 2 << 20), (" 64 KiB /s", 1 << 16), ("1tib/S", 1 << 40)]
)
def test_rates(text: str, rate: int) -> None:
    assert parse_rate(text) == rate


@pytest.mark.parametrize("text", ["", "/s", "1023", "0", "2MB/s", "-1KiB", "2MiB/h", "2TiB", "1MiB/s/s"])
def test_what_is_no_rate_is_refused_with_what_is_right(text: str) -> None:
    with pytest.raises(ValueError, match=r"no rate: write what goes out in a second, .* such as 2MiB/s"):
        parse_rate(text)
