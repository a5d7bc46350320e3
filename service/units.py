"""Units of money and size."""

from __future__ import annotations

GIB = 1 << 30


UNIT = 10**12


EXISTENTIAL_DEPOSIT = 10**9
