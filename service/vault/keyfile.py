"""A peer's key file: its account, its swarm key (Noise) and its statement key, in one file of mode 0600."""

from __future__ import annotations

import hashlib
import json
import secrets
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sr25519
from nacl.signing import SigningKey

from service.address import ss58
from service.durable import write_new

VERSION = 1
SEED_BYTES = 32


class KeyFileError(Exception):
    """A key file is missing, damaged, readable by others, or would be overwritten. The message names it."""


@dataclass(frozen=True, slots=True)
class AccountPair:
    """An account's sr25519 key pair."""

    public_key: bytes
    _private_key: bytes = field(repr=False)

    @property
    def crypto_type(self) -> int:
        """The number of sr25519 in MultiSignature."""
        return 1

    def sign(self, data: bytes) -> bytes:
        """Return a signature of 64 bytes."""
        return bytes(sr25519.sign((self.public_key, self._private_key), data))

    def verify(self, data: bytes, signature: bytes) -> bool:
        """Return whether the signature is this account's."""
        return bool(sr25519.verify(signature, data, self.public_key))


@dataclass(frozen=True, slots=True)
class KeyFile:
    """The three secrets of a peer, 32 bytes each: sr25519 for the account, ed25519 for the others."""

    account_seed: bytes = field(repr=False)
    swarm_seed: bytes = field(repr=False)
    statement_seed: bytes = field(repr=False)
    uri: str | None = None

    @classmethod
    def generate(cls) -> KeyFile:
        """Return new random keys."""
        account, swarm, statement = (secrets.token_bytes(SEED_BYTES) for _ in range(3))
        return cls(account, swarm, statement)

    @classmethod
    def create(cls, path: Path) -> KeyFile:
        """Write new keys to `path`, which must not exist, durably, and return them. Raises KeyFileError."""
        keys = cls.generate()
        text = json.dumps(
            {
                "version": VERSION,
                "account": keys.account_seed.hex(),
                "swarm": keys.swarm_seed.hex(),
                "statement": keys.statement_seed.hex(),
            }
        )
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_new(path, (text + "\n").encode())
        except FileExistsError:
            raise KeyFileError(f"{path} already exists: key files are never overwritten; choose another path") from None
        except OSError as error:
            raise KeyFileError(f"{path}: {error.strerror}") from error
        return keys

    @classmethod
    def load(cls, source: Path | str) -> KeyFile:
        """Read a key file, or derive a development account's keys (`//Alice`). Raises KeyFileError."""
        name = str(source)
        if name.startswith("//"):
            return cls._development(name)
        path = Path(name)
        try:
            mode = path.stat().st_mode
            text = path.read_text()
        except OSError as error:
            raise KeyFileError(f"{path}: {error.strerror}") from error
        except UnicodeDecodeError:
            raise KeyFileError(f"{path} is not a key file") from None
        keys = cls._parse(path, text)  # first: advice about what is no key file could harm it
        if stat.S_IMODE(mode) & 0o077:
            raise KeyFileError(f"{path} is open to others (mode {stat.S_IMODE(mode):04o}): run chmod 600 on it")
        return keys

    @classmethod
    def _parse(cls, path: Path, text: str) -> KeyFile:
        try:
            fields: Any = json.loads(text)
        except ValueError:
            raise KeyFileError(f"{path} is not a key file: it is not JSON") from None
        if not isinstance(fields, dict) or fields.get("version") != VERSION:
            raise KeyFileError(f"{path} is not a key file of version {VERSION}")
        account, swarm, statement = (_seed(path, fields, name) for name in ("account", "swarm", "statement"))
        return cls(account, swarm, statement)

    @classmethod
    def _development(cls, uri: str) -> KeyFile:
        if not uri[2:].isalnum():
            raise KeyFileError(f"{uri}: only development accounts such as //Alice may start with //")
        swarm, statement = (
            hashlib.blake2b(f"{uri}/{purpose}".encode(), digest_size=SEED_BYTES).digest()
            for purpose in ("swarm", "statement")
        )
        return cls(b"", swarm, statement, uri)

    @property
    def account_pair(self) -> AccountPair:
        """The account's key pair."""
        if self.uri is None:
            return AccountPair(*sr25519.pair_from_seed(self.account_seed))
        from substrateinterface import Keypair  # takes a third of a second, so only test chains pay for it

        pair = Keypair.create_from_uri(self.uri)
        return AccountPair(bytes(pair.public_key), bytes(pair.private_key))

    @property
    def account(self) -> bytes:
        """The account, 32 bytes."""
        return self.account_pair.public_key

    @property
    def address(self) -> str:
        """The account in SS58."""
        return ss58(self.account)

    @property
    def swarm_key(self) -> bytes:
        """The public swarm key: the peer's name in the Noise handshake."""
        return bytes(SigningKey(self.swarm_seed).verify_key)

    @property
    def statement_key(self) -> bytes:
        """The public statement key: it signs checkpoints and nothing else."""
        return bytes(SigningKey(self.statement_seed).verify_key)

    def sign_swarm(self, statement: bytes) -> bytes:
        """Return the swarm key's signature, 64 bytes, of a typed statement."""
        return bytes(SigningKey(self.swarm_seed).sign(statement).signature)

    def sign_statement(self, statement: bytes) -> bytes:
        """Return the statement key's signature, 64 bytes, of a typed statement."""
        return bytes(SigningKey(self.statement_seed).sign(statement).signature)


def _seed(path: Path, fields: dict[str, Any], name: str) -> bytes:
    value = fields.get(name)
    try:
        seed = bytes.fromhex(value) if isinstance(value, str) else b""
    except ValueError:
        seed = b""
    if len(seed) != SEED_BYTES:
        raise KeyFileError(f"{path}: `{name}` is not a seed of {SEED_BYTES} bytes in hex")
    return seed
