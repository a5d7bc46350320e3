"""Units of money and size, and the one form in which sums are written for people and read from them."""

from __future__ import annotations

import re

KIB = 1 << 10
"""Bytes of one KiB."""
MIB = 1 << 20
"""Bytes of one MiB."""
GIB = 1 << 30
"""Bytes of one GiB."""
TIB = 1 << 40
"""Bytes of one TiB."""
LEAST_RATE = KIB
"""Bytes a second that a limit allows at least: with less, nobody would get a block in time."""
UNIT = 10**12
"""Smallest units of money in one UNIT."""
DIGITS = 12
"""Digits after the point of a sum in UNIT."""
EXISTENTIAL_DEPOSIT = 10**9
"""The least that an account must hold to exist, in the smallest unit; a pot keeps it while its plan lives."""

_IN_UNIT = re.compile(r"([0-9]{1,30})(?:\.([0-9]{1,12}))?\s*UNIT", re.IGNORECASE | re.ASCII)
_SMALLEST = re.compile(r"[0-9]{1,40}", re.ASCII)
_SIZE = re.compile(r"([0-9]{1,20})\s*(KiB|MiB|GiB|TiB|B)?", re.IGNORECASE | re.ASCII)
_SIZES = {"b": 1, "kib": KIB, "mib": MIB, "gib": GIB, "tib": TIB}


def decimal(amount: int) -> str:
    """Return a sum in UNIT, exact: a decimal point, no digit too many, no sign but a minus."""
    whole, rest = divmod(abs(amount), UNIT)
    digits = f"{rest:0{DIGITS}}".rstrip("0")
    return f"{'-' if amount < 0 else ''}{whole}{'.' + digits if digits else ''}"


def money(amount: int) -> str:
    """Return a sum for people: in UNIT, and in the smallest unit, which commands take."""
    return f"{decimal(amount)} UNIT ({amount})"


def parse_money(text: str) -> int:
    """Return a sum in the smallest unit, of a whole number of them or of UNIT, such as 1.5UNIT. Raises ValueError."""
    given = text.strip()
    if _SMALLEST.fullmatch(given):
        return int(given)
    found = _IN_UNIT.fullmatch(given)
    if found is None:
        raise ValueError(
            f"{text!r} is no sum: write it in the smallest unit (1500000000000) or in UNIT (1.5UNIT), "
            f"with {DIGITS} digits after the point at most"
        )
    return int(found[1]) * UNIT + int((found[2] or "").ljust(DIGITS, "0"))


def parse_rate(text: str) -> int:
    """Return a rate in bytes a second, of a size with or without `/s`: at least LEAST_RATE. Raises ValueError."""
    size = text.strip()
    size = size[:-2] if size.lower().endswith("/s") else size
    try:
        found = parse_size(size)
    except ValueError:
        found = 0
    if not LEAST_RATE <= found <= TIB:
        raise ValueError(f"{text!r} is no rate: write what goes out in a second, from 1KiB to 1TiB, such as 2MiB/s")
    return found


def parse_size(text: str) -> int:
    """Return a size in bytes, of a whole number with B, KiB, MiB, GiB, TiB or nothing. Raises ValueError."""
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is no size: write a whole number of bytes, or of KiB, MiB, GiB, TiB (20GiB)")
    return int(found[1]) * _SIZES[(found[2] or "b").lower()]
