"""The key file: three seeds in the open, in one file of mode 0600. A vault keeps them locked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .files import write_secret
from .keys import SEED_BYTES, KeyFileError, PeerKeys

VERSION = 1


def create_key_file(path: Path) -> PeerKeys:
    """Write new keys to `path`, which must not exist, durably, and return them. Raises KeyFileError."""
    keys = PeerKeys.generate()
    write_key_file(path, keys)
    return keys


def write_key_file(path: Path, keys: PeerKeys) -> None:
    """Write keys to `path`, which must not exist, durably. Raises KeyFileError."""
    keys.check_own()
    if len(keys.account_secret) != SEED_BYTES:
        raise KeyFileError(
            "the seed of this account is not known (another wallet handed over its expanded secret): a key file cannot hold it"
        )
    text = json.dumps(
        {
            "version": VERSION,
            "account": keys.account_secret.hex(),
            "swarm": keys.swarm_seed.hex(),
            "statement": keys.statement_seed.hex(),
        }
    )
    write_secret(path, (text + "\n").encode())


def parse_key_file(path: Path, fields: Any) -> PeerKeys:
    """Return the keys of a key file's JSON. Raises KeyFileError."""
    if not isinstance(fields, dict) or fields.get("version") != VERSION:
        raise KeyFileError(f"{path} is not a key file of version {VERSION}")
    account, swarm, statement = (_seed(path, fields, name) for name in ("account", "swarm", "statement"))
    return PeerKeys(account, swarm, statement)


def _seed(path: Path, fields: dict[str, Any], name: str) -> bytes:
    value = fields.get(name)
    try:
        seed = bytes.fromhex(value) if isinstance(value, str) else b""
    except ValueError:
        seed = b""
    if len(seed) != SEED_BYTES:
        raise KeyFileError(f"{path}: `{name}` is not a seed of {SEED_BYTES} bytes in hex")
    return seed
