"""The commands `datdot vault`: keys that a passphrase locks."""

from __future__ import annotations

import json as json_module
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from service.address import ss58
from service.vault import KeyFileError, PublicKeys, Vault, load_keys, public_keys, unlock
from service.vault.files import read_json, write_secret
from service.vault.keyfile import write_key_file
from service.vault.passphrase import passphrase_source, read_passphrase
from service.vault.phrase import LENGTHS, keys_of_phrase, new_phrase
from service.vault.polkadot_js import polkadot_js, read_polkadot_js

from .options import Json, PassphraseFile
from .output import Output
from .phrases import show_and_ask_again
from .unlocking import at_terminal, new_passphrase, or_fail, typed_twice

vault_app = typer.Typer(
    help="Create, show, import and export vaults: keys that a passphrase locks.", no_args_is_help=True
)


NewPassphraseFile = Annotated[
    Path | None, typer.Option("--new-passphrase-file", metavar="FILE", help="File with the new passphrase.")
]


class Format(StrEnum):
    """How keys are written elsewhere."""

    POLKADOT_JS = "polkadot-js"
    LEGACY = "legacy"


File = Annotated[Path, typer.Argument(metavar="FILE", help="The vault.")]
NewFile = Annotated[Path, typer.Argument(metavar="FILE", help="Path of the vault to write; it must not exist.")]
Kind = Annotated[
    Format, typer.Option("--format", help="polkadot-js: an account's JSON; legacy: a key file with seeds in the open.")
]


def _told(public: PublicKeys) -> dict[str, str]:
    own = {} if public.operator is None else {"operator": ss58(public.operator)}
    return {
        "account": public.address,
        **own,
        "swarm_key": public.swarm_key.hex(),
        "statement_key": public.statement_key.hex(),
    }


@vault_app.command()
def create(
    file: NewFile,
    words: Annotated[int, typer.Option(help=f"Length of the phrase: {' or '.join(map(str, LENGTHS))}.")] = 12,
    passphrase_file: PassphraseFile = None,
    json: Json = False,
) -> None:
    """Make new keys, print once the phrase that brings them back, and lock them in FILE."""
    if words not in LENGTHS:
        raise typer.BadParameter(f"--words {words}: a phrase has {' or '.join(map(str, LENGTHS))} words")
    out, phrase = Output(json), new_phrase(words)
    or_fail(out, file, lambda: _check_new(file))
    passphrase = new_passphrase(out, file, passphrase_file)
    vault = Vault(keys_of_phrase(phrase), phrase)

    def make() -> None:
        if at_terminal() is not None and not json:
            show_and_ask_again(phrase)
        vault.create(file, passphrase)

    or_fail(out, file, make)
    out.result({**_told(vault.keys.public), "phrase": phrase})


@vault_app.command()
def restore(
    file: NewFile,
    phrase_file: Annotated[
        Path | None, typer.Option("--phrase-file", metavar="FILE", help="File with the phrase (default: a question).")
    ] = None,
    passphrase_file: PassphraseFile = None,
    json: Json = False,
) -> None:
    """Make the keys of a phrase again, and lock them in FILE."""
    out = Output(json)
    or_fail(out, file, lambda: _check_new(file))

    def find() -> str:
        if phrase_file is not None:
            return read_passphrase(phrase_file).decode("utf-8", "replace")
        ask = at_terminal()
        if ask is None:
            raise KeyFileError("nobody is here to type the phrase: name a file that holds it with --phrase-file")
        return ask("Phrase: ")

    phrase = or_fail(out, phrase_file or file, find)
    keys = or_fail(out, phrase_file or file, lambda: keys_of_phrase(phrase))
    _create(out, file, passphrase_file, Vault(keys, " ".join(phrase.lower().split())))


@vault_app.command()
def show(file: File, json: Json = False) -> None:
    """Show the public keys in a vault. No passphrase is needed."""
    out = Output(json)
    out.result(_told(or_fail(out, file, lambda: public_keys(file))))


@vault_app.command()
def passphrase(
    file: File,
    new_passphrase_file: NewPassphraseFile = None,
    passphrase_file: PassphraseFile = None,
    json: Json = False,
) -> None:
    """Lock a vault with another passphrase."""
    out = Output(json)
    vault = or_fail(out, file, lambda: unlock(file, passphrase_source(passphrase_file, at_terminal())))
    if new_passphrase_file is not None:
        new = or_fail(out, new_passphrase_file, lambda: read_passphrase(new_passphrase_file))
    elif at_terminal() is None:
        raise typer.BadParameter("nobody is here to type the new passphrase: name it with --new-passphrase-file")
    else:
        new = typed_twice(out, file)  # not from DATDOT_PASSPHRASE_FILE: that is the old one
    or_fail(out, file, lambda: vault.replace(file, new))
    out.result(_told(vault.keys.public))


@vault_app.command(name="import")
def import_(
    file: NewFile,
    kind: Kind,
    source: Annotated[Path, typer.Option("--from", metavar="FILE", help="The key file, or the account's JSON.")],
    passphrase_file: PassphraseFile = None,
    json: Json = False,
) -> None:
    """Lock keys from elsewhere in FILE. A polkadot-js account keeps its passphrase; SOURCE stays as it is."""
    out = Output(json)
    or_fail(out, file, lambda: _check_new(file))
    if kind is Format.LEGACY:
        _create(out, file, passphrase_file, Vault(or_fail(out, source, lambda: load_keys(source))))
        return

    def find() -> tuple[Vault, bytes]:
        fields = read_json(source, "account exported by polkadot-js")
        typed = passphrase_source(passphrase_file, at_terminal())(source)
        return Vault(read_polkadot_js(source, fields, typed)), typed

    vault, typed = or_fail(out, source, find)
    or_fail(out, file, lambda: vault.create(file, typed))
    out.result(_told(vault.keys.public))


@vault_app.command()
def export(
    file: File,
    kind: Kind,
    target: Annotated[Path, typer.Option("--to", metavar="FILE", help="Path to write to; it must not exist.")],
    passphrase_file: PassphraseFile = None,
    json: Json = False,
) -> None:
    """Write the keys of a vault for use elsewhere: the account under the same passphrase, or all seeds in the open."""
    out = Output(json)
    find = passphrase_source(passphrase_file, at_terminal())
    typed = or_fail(out, file, lambda: find(file))
    vault = or_fail(out, file, lambda: unlock(file, lambda path: typed))

    def write() -> None:
        if kind is Format.LEGACY:
            write_key_file(target, vault.keys)
        else:
            text = json_module.dumps(polkadot_js(vault.keys, typed, file.stem))
            write_secret(target, (text + "\n").encode())

    or_fail(out, target, write)
    out.result({"account": ss58(vault.keys.payer), "file": str(target)})


@vault_app.command()
def operator(
    file: File,
    new: Annotated[
        Path, typer.Option("--to", metavar="FILE", help="Path of the node's vault to write; it must not exist.")
    ],
    keep: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="A vault of the node from before: its operator stays, and so does its passphrase."
        ),
    ] = None,
    new_passphrase_file: NewPassphraseFile = None,
    passphrase_file: PassphraseFile = None,
    json: Json = False,
) -> None:
    """Make a vault for the node of this account without the account's secret: the node signs as the account's operator.

    It holds the swarm and the statement key, and a new key whose account `datdot operator set` names on the chain.
    """
    out = Output(json)
    or_fail(out, new, lambda: _check_new(new))
    vault = or_fail(out, file, lambda: unlock(file, passphrase_source(passphrase_file, at_terminal())))
    or_fail(out, file, vault.keys.check_own)
    ask = at_terminal()
    if new_passphrase_file is not None:
        typed = or_fail(out, new_passphrase_file, lambda: read_passphrase(new_passphrase_file))
    elif ask is None:
        raise typer.BadParameter("nobody is here to type the node's passphrase: name it with --new-passphrase-file")
    elif keep is not None:
        typed = or_fail(out, keep, lambda: passphrase_source(None, ask)(keep))
    else:
        typed = typed_twice(out, new)
    before = None if keep is None else or_fail(out, keep, lambda: unlock(keep, lambda _: typed)).keys
    made = or_fail(out, keep or file, lambda: Vault(vault.keys.of_operator(before)))
    or_fail(out, new, lambda: made.create(new, typed))
    out.result(_told(made.keys.public))


def _check_new(file: Path) -> None:
    """Raise KeyFileError if the file exists: before anybody types a passphrase, and makes words to write down."""
    if file.exists() or file.is_symlink():
        raise KeyFileError(f"{file} already exists: vaults are never overwritten; choose another path")


def _create(out: Output, file: Path, passphrase_file: Path | None, vault: Vault) -> None:
    passphrase = new_passphrase(out, file, passphrase_file)

    or_fail(out, file, lambda: vault.create(file, passphrase))
    out.result(_told(vault.keys.public))
