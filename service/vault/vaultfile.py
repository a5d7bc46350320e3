"""The vault: a peer's keys and the phrase that they follow from, locked by a passphrase, in one file of mode 0600.

The file is JSON: who it belongs to in the open, and a box (XSalsa20-Poly1305, nacl's secretbox) whose key argon2id makes from
the passphrase. docs/operator.md says what it protects from.
"""

from __future__ import annotations

import base64
import binascii
import json
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nacl.exceptions import CryptoError
from nacl.pwhash import argon2id
from nacl.secret import SecretBox

from service.address import account_id, ss58
from service.durable import replace

from .files import write_secret
from .keys import EXPANDED_BYTES, MOST_ROTATIONS, SEED_BYTES, KeyFileError, PeerKeys, PublicKeys
from .passphrase import PassphraseError

KIND, VERSION, OPERATORS = "datdot vault", 2, 3
READABLE = (1, 2, 3)
"""Versions that are read. Those of version 1 have the swarm key that they were made with: number 0. Version 3 is an operator's."""
MAX_MEMORY, MAX_WORK = 1 << 30, 4 << 30
"""Bounds of what opening a file may cost, in bytes of memory and in bytes worked over: one that asks for more is refused."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one try of a passphrase costs: bytes of memory, and passes over it."""

    memory: int = argon2id.MEMLIMIT_MODERATE
    passes: int = argon2id.OPSLIMIT_MODERATE


@dataclass(frozen=True, slots=True)
class Vault:
    """What a vault holds. The phrase is None where the account came from elsewhere."""

    keys: PeerKeys
    phrase: str | None = field(default=None, repr=False)
    swarm_number: int = 0
    """How many swarm keys the account had before this one; 0: it is the one that the vault was made with."""

    def create(self, path: Path, passphrase: bytes, cost: Cost | None = None) -> None:
        """Lock it in a file that must not exist yet, durably. Raises KeyFileError."""
        write_secret(path, self._locked(passphrase, cost or Cost()))

    def replace(self, path: Path, passphrase: bytes, cost: Cost | None = None) -> None:
        """Lock it anew in a file that exists. After a failure the file is the old one. Raises KeyFileError."""
        try:
            replace(path, self._locked(passphrase, cost or Cost()))
        except OSError as error:
            raise KeyFileError(f"{path}: {error.strerror}") from error

    def _locked(self, passphrase: bytes, cost: Cost) -> bytes:
        if not passphrase:
            raise PassphraseError("a vault needs a passphrase of at least one character")
        keys, public = self.keys, self.keys.public
        secret = {
            "account": keys.account_secret.hex(),
            "swarm": keys.swarm_seed.hex(),
            "statement": keys.statement_seed.hex(),
            "phrase": self.phrase,
            "swarm_number": self.swarm_number,
        }
        shown = {"account": public.address}
        if keys.peer is not None and keys.peer_storage_key is not None and public.operator is not None:
            secret |= {"peer": keys.peer.hex(), "storage": keys.peer_storage_key.hex()}
            shown["operator"] = ss58(public.operator)
        salt = secrets.token_bytes(argon2id.SALTBYTES)
        box = SecretBox(_stretch(passphrase, salt, cost)).encrypt(json.dumps(secret).encode())
        text = json.dumps(
            {
                "kind": KIND,
                "version": VERSION if keys.peer is None else OPERATORS,
                **shown,
                "swarm_key": public.swarm_key.hex(),
                "statement_key": public.statement_key.hex(),
                "kdf": {"name": "argon2id", "salt": salt.hex(), "memory": cost.memory, "passes": cost.passes},
                "box": base64.b64encode(box).decode(),
            },
            indent=1,
        )
        return (text + "\n").encode()


def is_vault(fields: Any) -> bool:
    """Return whether a file's JSON says that it is a vault."""
    return isinstance(fields, dict) and fields.get("kind") == KIND


def public_of_vault(path: Path, fields: dict[str, Any]) -> PublicKeys:
    """Return what the file says in the open. Raises KeyFileError."""
    if fields.get("version") not in READABLE:
        versions = " or ".join(map(str, READABLE))
        raise KeyFileError(f"{path} is not a vault of version {versions}: it was made by another version of datdot")
    try:
        account = account_id(fields["account"])
        operator = account_id(fields["operator"]) if fields["version"] == OPERATORS else None
        swarm, statement = (bytes.fromhex(fields[name]) for name in ("swarm_key", "statement_key"))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise KeyFileError(f"{path} is damaged: its public keys cannot be read ({error!r})") from None
    if {len(account), len(swarm), len(statement)} != {SEED_BYTES}:
        raise KeyFileError(f"{path} is damaged: its public keys do not have {SEED_BYTES} bytes each")
    return PublicKeys(account, swarm, statement, operator)


def open_vault(path: Path, fields: dict[str, Any], passphrase: bytes) -> Vault:
    """Unlock a vault. Raises PassphraseError if the passphrase is wrong, and KeyFileError if the file is damaged."""
    public = public_of_vault(path, fields)
    try:
        kdf = fields["kdf"]
        salt, cost = bytes.fromhex(kdf["salt"]), Cost(kdf["memory"], kdf["passes"])
        box = base64.b64decode(fields["box"], validate=True)
        right = kdf["name"] == "argon2id" and len(salt) == argon2id.SALTBYTES and len(box) > SecretBox.NONCE_SIZE
        right = right and type(cost.memory) is int and argon2id.MEMLIMIT_MIN <= cost.memory <= MAX_MEMORY
        right = right and type(cost.passes) is int and cost.passes >= 1 and cost.passes * cost.memory <= MAX_WORK
    except (KeyError, TypeError, ValueError, binascii.Error) as error:
        raise KeyFileError(f"{path} is damaged: {error!r}") from None
    if not right:
        raise KeyFileError(f"{path} is damaged, or asks for more than {MAX_MEMORY >> 20} MiB")
    try:
        secret = json.loads(SecretBox(_stretch(passphrase, salt, cost)).decrypt(box))
    except CryptoError:
        raise PassphraseError(f"the passphrase of {path} is wrong, or its box is damaged") from None
    account, swarm, statement = (bytes.fromhex(secret[name]) for name in ("account", "swarm", "statement"))
    number = secret.get("swarm_number", 0)
    if type(number) is not int or not 0 <= number < MOST_ROTATIONS:
        raise KeyFileError(f"{path} is damaged: {number!r:.40} is no number of a swarm key")
    whose = () if public.operator is None else (bytes.fromhex(secret["peer"]), bytes.fromhex(secret["storage"]))
    vault = Vault(PeerKeys(account, swarm, statement, *whose), secret["phrase"], number)
    right = len(account) in (SEED_BYTES, EXPANDED_BYTES) and all(len(one) == SEED_BYTES for one in whose)
    if not right or vault.keys.public != public:
        raise KeyFileError(f"{path} is damaged: it says account {ss58(public.account)}, and holds {vault.keys.address}")
    return vault


def _stretch(passphrase: bytes, salt: bytes, cost: Cost) -> bytes:
    return bytes(argon2id.kdf(SecretBox.KEY_SIZE, passphrase, salt, cost.passes, cost.memory))
