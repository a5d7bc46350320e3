"""Accounts as polkadot-js exports them: JSON of version 3, scrypt and XSalsa20-Poly1305 around PKCS8.

The secret in it is in the form of ed25519: its scalar is eight times that of schnorrkel.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
import struct
from pathlib import Path
from typing import Any

import sr25519
from nacl.exceptions import CryptoError
from nacl.secret import SecretBox

from service.address import ss58

from .keys import EXPANDED_BYTES, SEED_BYTES, KeyFileError, PeerKeys
from .passphrase import PassphraseError

HEADER, DIVIDER = bytes.fromhex("3053020101300506032b657004220420"), bytes.fromhex("a123032100")
TYPES, VERSION, CONTENT = ["scrypt", "xsalsa20-poly1305"], "3", ["pkcs8", "sr25519"]
SCRYPT_N, BLOCK = 1 << 17, 8
"""What we write, and the block size of all wallets: 128 MiB."""
MAX_SCRYPT = 1 << 18
"""Bound of N times p in a file: twice the work of ours."""
COFACTOR_BITS = 3


def read_polkadot_js(path: Path, fields: Any, passphrase: bytes) -> PeerKeys:
    """Return the account in the JSON, and the other keys that follow from it. Raises KeyFileError and PassphraseError."""
    try:
        encoding = fields["encoding"]
        if (encoding["content"], encoding["type"], encoding["version"]) != (CONTENT, TYPES, VERSION):
            raise KeyFileError(
                f"{path}: an account of {'/'.join(CONTENT)}, locked by {'/'.join(TYPES)} in version {VERSION}, is needed; "
                f"this one is {encoding['content']}, {encoding['type']}, version {encoding['version']}"
            )
        data = base64.b64decode(fields["encoded"], validate=True)
        salt, (n, p, r) = data[:32], struct.unpack("<III", data[32:44])
    except (KeyError, TypeError, ValueError, binascii.Error, struct.error) as error:
        raise KeyFileError(f"{path} is not an account exported by polkadot-js ({error!r})") from None
    if r != BLOCK or n < 2 or n & (n - 1) or not 1 <= p * n <= MAX_SCRYPT:
        raise KeyFileError(f"{path} asks for scrypt with N {n}, r {r}, p {p}, which no wallet uses")
    try:
        plain = SecretBox(_stretch(passphrase, salt, n, p)).decrypt(data[68:], data[44:68])
    except (CryptoError, ValueError):
        raise PassphraseError(f"the passphrase of {path} is wrong, or it is damaged") from None
    return _account(path, plain)


def _account(path: Path, plain: bytes) -> PeerKeys:
    secret = plain[len(HEADER) :][:EXPANDED_BYTES]
    scalar = int.from_bytes(secret[:32], "little")
    shape = HEADER + secret + DIVIDER + plain[-SEED_BYTES:]
    if plain != shape or scalar & ((1 << COFACTOR_BITS) - 1):
        raise KeyFileError(f"{path} holds no sr25519 account in PKCS8")
    keys = PeerKeys.of_account((scalar >> COFACTOR_BITS).to_bytes(32, "little") + secret[32:])
    if keys.account != plain[-SEED_BYTES:]:
        raise KeyFileError(
            f"{path} is damaged: its secret is that of {keys.address}, not of {ss58(plain[-SEED_BYTES:])}"
        )
    return keys


def polkadot_js(keys: PeerKeys, passphrase: bytes, name: str) -> dict[str, Any]:
    """Return the JSON with which polkadot-js and the wallets like it import the account that signs.

    The other keys are not in it.
    """
    secret = keys.account_secret
    if len(secret) == SEED_BYTES:
        secret = bytes(sr25519.pair_from_seed(secret)[1])
    scalar = int.from_bytes(secret[:32], "little") << COFACTOR_BITS
    plain = HEADER + scalar.to_bytes(32, "little") + secret[32:] + DIVIDER + keys.payer
    salt = secrets.token_bytes(32)
    box = bytes(SecretBox(_stretch(passphrase, salt, SCRYPT_N, 1)).encrypt(plain))
    encoded = salt + struct.pack("<III", SCRYPT_N, 1, BLOCK) + box
    return {
        "encoded": base64.b64encode(encoded).decode(),
        "encoding": {"content": CONTENT, "type": TYPES, "version": VERSION},
        "address": ss58(keys.payer),
        "meta": {"name": name},
    }


def _stretch(passphrase: bytes, salt: bytes, n: int, p: int) -> bytes:
    return hashlib.scrypt(
        passphrase, salt=salt, n=n, r=BLOCK, p=p, maxmem=(MAX_SCRYPT * 128 * BLOCK) + (1 << 20), dklen=64
    )[:32]
