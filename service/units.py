"""Units of money and size."""

from __future__ import annotations

KIB = 1 << 10
"""Bytes of one KiB."""
MIB = 1 << 20
"""Bytes of one MiB."""
GIB = 1 << 30
"""Bytes of one GiB."""
UNIT = 10**12
"""Smallest units of money in one UNIT."""
EXISTENTIAL_DEPOSIT = 10**9
"""The least that an account must hold to exist, in the smallest unit; a pot keeps it while its plan lives."""
