"""Accounts as people write them (SS58)."""

from __future__ import annotations

from scalecodec.utils.ss58 import ss58_decode, ss58_encode

SS58_PREFIX = 42


def ss58(account: bytes) -> str:
    """An account as people write it (prefix 42)."""
    return str(ss58_encode(account, SS58_PREFIX))


def account_id(address: str) -> bytes:
    """The 32 bytes of an SS58 address of any prefix. Raises ValueError."""
    return bytes.fromhex(ss58_decode(address))
