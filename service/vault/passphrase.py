"""Where a vault's passphrase comes from: a file that was named, a credential of systemd, or who sits at the terminal."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from .files import check_private
from .keys import KeyFileError

VARIABLE = "DATDOT_PASSPHRASE_FILE"
CREDENTIAL = "datdot-passphrase"
"""Name of the credential in the folder that systemd names in CREDENTIALS_DIRECTORY."""
MAX_BYTES = 1024
Ask = Callable[[str], str]
"""Asks at the terminal, with a question, and returns the answer."""


class PassphraseError(KeyFileError):
    """A passphrase is missing, or it is not the one that locks this file. The message says how one is given."""


def passphrase_file(given: Path | None, environment: Mapping[str, str] = os.environ) -> Path | None:
    """Return the file that holds the passphrase: the one given, that of the environment, or systemd's; else None."""
    if given is not None:
        return given
    if environment.get(VARIABLE):
        return Path(environment[VARIABLE])
    credentials = environment.get("CREDENTIALS_DIRECTORY")
    if credentials and (found := Path(credentials) / CREDENTIAL).exists():
        return found
    return None


def read_passphrase(path: Path) -> bytes:
    """Return the passphrase in a file: its one line. Raises PassphraseError."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 2)
        check_private(path)
    except OSError as error:
        raise PassphraseError(f"{path}: {error.strerror}") from error
    passphrase = data.removesuffix(b"\n").removesuffix(b"\r")
    if not passphrase or b"\n" in passphrase or len(passphrase) > MAX_BYTES:
        raise PassphraseError(f"{path}: a passphrase is one line of 1 to {MAX_BYTES} bytes")
    return passphrase


def passphrase_source(given: Path | None, ask: Ask | None) -> Callable[[Path], bytes]:
    """Return what finds the passphrase of a vault. Without a file and without anybody to `ask` it raises PassphraseError."""
    file = passphrase_file(given)

    def find(vault: Path) -> bytes:
        if file is not None:
            return read_passphrase(file)
        if ask is None:
            raise PassphraseError(
                f"{vault} needs a passphrase, and nobody is here to type it: name a file that holds it with "
                f"--passphrase-file or {VARIABLE}, or give systemd's credential {CREDENTIAL}"
            )
        return ask(f"Passphrase of {vault}: ").encode()

    return find
