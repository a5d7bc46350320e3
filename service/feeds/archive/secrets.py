"""Files of ours that hold secrets, told by what is in them: wherever they lie, they are never published."""

from __future__ import annotations

import itertools
import re
import struct
from pathlib import PurePath

HEAD_BYTES = 4096
"""Bytes from a file's start that `SecretScan` needs to know what kind of file it is."""

_SQLITE = b"SQLite format 3\x00"
_WAL = (b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83")
_TABLES = {
    b"CREATE TABLE core (\n    id INTEGER PRIMARY KEY, key BLOB": "a store of feeds with their secret keys",
    b"CREATE TABLE anchors (\n    anchor BLOB PRIMARY KEY, secret_file": "a node's state with unrevealed secrets",
    b"CREATE TABLE sent (\n    hash BLOB PRIMARY KEY, genesis BLOB": "an account's signed transactions",
}
_LONGEST = max(map(len, _TABLES))
_SEED = re.compile(rb'"(account|swarm|statement)"\s*:\s*"[0-9a-fA-F]{64}"')
_VAULT = re.compile(rb'"kind"\s*:\s*"datdot vault"')
_LINK_NAME = re.compile(r"[0-9a-f]{64}\.link")
_SIDE_FILE = re.compile(r"(corestore|roles|signer)\.sqlite-(wal|journal)")


class SecretScan:
    """A look at one file while its bytes pass. `found` says what it is, once it is known to hold secrets."""

    def __init__(self, name: str, size: int) -> None:
        self._name, self._size = PurePath(name).name, size
        self._tail = b""
        self._kind: str | None = None
        self.found: str | None = None

    @property
    def wants_all(self) -> bool:
        """Whether the file's kind asks for all of its bytes, not only for the first `HEAD_BYTES`."""
        return self._kind == "database" and self.found is None

    def feed(self, data: bytes) -> None:
        """Take the next bytes, first those from the file's start."""
        if self._kind is None:
            self._kind = "database" if data.startswith((_SQLITE, *_WAL)) else "other"
            self.found = self._by_head(data)
        if self.wants_all:
            window = self._tail + data
            self.found = next((what for table, what in _TABLES.items() if table in window), None)
            self._tail = window[-_LONGEST:]

    def _by_head(self, head: bytes) -> str | None:
        if len({match[1] for match in _SEED.finditer(head[:HEAD_BYTES])}) > 1:
            return "a key file"
        if _VAULT.search(head[:HEAD_BYTES]):
            return "a vault with locked keys"
        if self._size == len(head) and _is_encoder_key(head):
            return "the private key of an encoder"
        if self._size == 32 and _LINK_NAME.fullmatch(self._name):
            return "the secret of an attester"
        if self._size and _SIDE_FILE.fullmatch(self._name):
            return "a part of a database with secrets"
        return None


def _is_encoder_key(data: bytes) -> bool:
    """Whether these are two to four primes as `service.encoding.PrivateKey` writes them, each with 64 ones on top."""
    at, bits = 2, (1024, 1024)
    if data[:1] == b"\x02" and data[2:3] in (b"\x02", b"\x03", b"\x04") and len(data) > 3 + 2 * data[2]:
        at, bits = 3 + 2 * data[2], struct.unpack_from(f"<{data[2]}H", data, 3)
    elif data[:1] != b"\x01":
        return False
    ends = list(itertools.accumulate((-(-size // 8) for size in bits), initial=at))
    if ends[-1] != len(data) or min(bits) < 64:
        return False
    primes = (int.from_bytes(data[start:end], "big") for start, end in itertools.pairwise(ends))
    return all(prime >> (size - 64) == 2**64 - 1 for prime, size in zip(primes, bits, strict=True))
