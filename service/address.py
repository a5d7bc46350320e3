"""Accounts in SS58, the form in which people write them."""

from __future__ import annotations

from scalecodec.utils.ss58 import ss58_decode, ss58_encode

SS58_PREFIX = 42
"""The generic Substrate prefix."""


def ss58(account: bytes) -> str:
    """Return an account in SS58 with prefix 42."""
    return str(ss58_encode(account, SS58_PREFIX))


def account_id(address: str) -> bytes:
    """Return the 32 bytes of an SS58 address of any prefix. Raises ValueError."""
    return bytes.fromhex(ss58_decode(address))
