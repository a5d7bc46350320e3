"""How commands come to the keys of a vault: its passphrase from a file, or typed by who sits at the terminal."""

from __future__ import annotations

import getpass
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from service.vault import KeyFileError, Passphrase, PassphraseError, PeerKeys, is_locked, load_keys, passphrase_source
from service.vault.passphrase import Ask, passphrase_file

from .failures import failure_of
from .output import Failure, Output

Found = TypeVar("Found")


def ask_hidden(question: str) -> str:
    """Ask at the terminal and show nothing of what is typed. Raises KeyboardInterrupt, with the terminal as it was."""
    before = {one: signal.signal(one, signal.default_int_handler) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        return getpass.getpass(question)
    except EOFError:
        raise KeyboardInterrupt from None
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def at_terminal() -> Ask | None:
    """Return what asks, if somebody sits at a terminal."""
    return ask_hidden if sys.stdin is not None and sys.stdin.isatty() else None


def or_fail(out: Output, where: object, find: Callable[[], Found]) -> Found:
    """Return what `find` finds. Its errors, and Ctrl-C at a question, end the command."""
    try:
        return find()
    except KeyboardInterrupt:
        out.fail(Failure("interrupted", "interrupted"))
    except (KeyFileError, OSError) as error:
        out.fail(failure_of(error, str(where)))


def own_keys(out: Output, key: Path | str, file: Path | None) -> PeerKeys:
    """Return the keys of a --key option; ask for the passphrase if it is a vault. Ends the command if that fails."""
    return or_fail(out, key, lambda: load_keys(key, passphrase_source(file, at_terminal())))


def node_passphrase(out: Output, key: Path | str, file: Path | None) -> Passphrase:
    """Return what knows the passphrase of a node's vault; ask now, as nobody can be asked once the node runs."""

    def find() -> Passphrase:
        if passphrase_file(file) is not None or not Path(key).is_file() or not is_locked(key):
            return passphrase_source(file, None)
        typed = passphrase_source(None, at_terminal())(Path(key))
        return lambda vault: typed

    return or_fail(out, key, find)


def new_passphrase(out: Output, path: Path, file: Path | None) -> bytes:
    """Return the passphrase for a vault that is made: from a file, or typed twice. Ends the command if there is none."""
    if passphrase_file(file) is not None or at_terminal() is None:
        return or_fail(out, path, lambda: passphrase_source(file, None)(path))
    return typed_twice(out, path)


def typed_twice(out: Output, path: Path) -> bytes:
    """Return a new passphrase of who sits at the terminal, whatever files there are. Ends the command if that fails."""

    def find() -> bytes:
        typed = ask_hidden(f"New passphrase of {path}: ")
        if ask_hidden("The same once more: ") != typed:
            raise PassphraseError("the two passphrases differ; nothing was written")
        return typed.encode()

    return or_fail(out, path, find)
