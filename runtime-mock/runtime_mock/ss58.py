"""SS58 addresses: base58 of a network prefix, the account and a checksum."""

from __future__ import annotations

import hashlib

ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
ACCOUNT_BYTES = 32
MAX_LETTERS = 64


class AddressError(ValueError):
    """A text is not the address of an account. The message says why."""


def decode(text: str) -> bytes:
    """Return the account of an SS58 address of any network. Raises AddressError."""
    if len(text) > MAX_LETTERS or not text or any(letter not in ALPHABET for letter in text):
        raise AddressError("an address has 1 to 64 letters of base58")
    number = 0
    for letter in text:
        number = number * 58 + ALPHABET.index(letter)
    data = number.to_bytes((number.bit_length() + 7) // 8, "big")
    data = bytes(len(text) - len(text.lstrip("1"))) + data
    head = 2 if data and data[0] & 0x40 else 1
    if len(data) != head + ACCOUNT_BYTES + 2:
        raise AddressError(f"an address of an account has {head + ACCOUNT_BYTES + 2} bytes, not {len(data)}")
    if hashlib.blake2b(b"SS58PRE" + data[:-2], digest_size=64).digest()[:2] != data[-2:]:
        raise AddressError("the address's checksum is wrong")
    return data[head:-2]


def encode(account: bytes, network: int) -> str:
    """Return the SS58 address of an account. `network` must be below 64."""
    data = bytes([network]) + account
    data += hashlib.blake2b(b"SS58PRE" + data, digest_size=64).digest()[:2]
    return base58(data)


def base58(data: bytes) -> str:
    """Return bytes in base58."""
    number, letters = int.from_bytes(data, "big"), ""
    while number:
        number, digit = divmod(number, 58)
        letters = ALPHABET[digit] + letters
    return "1" * (len(data) - len(data.lstrip(b"\0"))) + letters
