"""A peer's keys: in memory, in vaults that a passphrase locks, and in key files that lie open."""

from __future__ import annotations

import resource
from collections.abc import Callable
from pathlib import Path

from .files import check_private, read_json
from .keyfile import create_key_file, parse_key_file
from .keys import MOST_ROTATIONS, AccountPair, KeyFileError, PeerKeys, PublicKeys
from .locker import Locker
from .passphrase import PassphraseError, passphrase_source
from .vaultfile import Vault, is_vault, open_vault, public_of_vault

__all__ = [
    "MOST_ROTATIONS",
    "AccountPair",
    "KeyFileError",
    "Locker",
    "Passphrase",
    "PassphraseError",
    "PeerKeys",
    "PublicKeys",
    "Vault",
    "create_key_file",
    "is_locked",
    "load_keys",
    "passphrase_source",
    "public_keys",
    "unlock",
]

Passphrase = Callable[[Path], bytes]
"""Finds the passphrase of a vault."""


def load_keys(source: Path | str, passphrase: Passphrase | None = None) -> PeerKeys:
    """Return the keys of a vault, a key file, or a development account (`//Alice`). Raises KeyFileError.

    A vault's passphrase is asked of `passphrase`; without it only that of the environment is known.
    """
    if str(source).startswith("//"):
        return PeerKeys.development(str(source))
    path = Path(source)
    fields = read_json(path)
    if is_vault(fields):
        return _unlock(path, fields, passphrase).keys
    keys = parse_key_file(path, fields)  # first: advice about what is no key file could harm it
    check_private(path)
    return keys


def public_keys(source: Path | str) -> PublicKeys:
    """Return what everybody may know of them. No passphrase is needed. Raises KeyFileError."""
    if is_locked(source):
        return public_of_vault(Path(source), read_json(Path(source)))
    return load_keys(source).public


def is_locked(source: Path | str) -> bool:
    """Return whether a passphrase is needed for them. Raises KeyFileError if it is no JSON."""
    return not str(source).startswith("//") and is_vault(read_json(Path(source)))


def unlock(path: Path, passphrase: Passphrase | None = None) -> Vault:
    """Return all that a vault holds. Raises KeyFileError, also if the file is none."""
    fields = read_json(path, "vault")
    if not is_vault(fields):
        raise KeyFileError(f"{path} is not a vault: a key file becomes one by datdot vault import --format legacy")
    return _unlock(path, fields, passphrase)


def _unlock(path: Path, fields: dict[str, object], passphrase: Passphrase | None) -> Vault:
    check_private(path)
    public_of_vault(path, fields)  # damage is told before anybody is asked
    # What a vault keeps from the disk must not get there in a core dump.
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    return open_vault(path, fields, (passphrase or passphrase_source(None, None))(path))
