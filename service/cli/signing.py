"""What the commands share that sign a call, or show what the chain has, of an account or else."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from service.address import account_id
from service.chain_client import ChainClient
from service.chain_client.errors import NotOperable
from service.session import Session, chain_session, client_session
from service.vault import public_keys

from .failures import failure_of
from .output import Output, configure_logging, run
from .unlocking import or_fail, own_keys

Account = Annotated[str | None, typer.Argument(metavar="ACCOUNT", help="An account in SS58 (default: that of --key).")]
Told = tuple[dict[str, Any], str | None]
"""A result, and its text for people: None for its fields line by line."""
Wanted = TypeVar("Wanted")


def needed_key(key: Path | None) -> str:
    """Return the path of the keys to sign with. Raises BadParameter if none was given."""
    if key is None:
        raise typer.BadParameter("signing needs a key: add --key FILE or set DATDOT_KEY")
    return str(key)


def own_key(out: Output, key: Path | None) -> str:
    """Return the path of keys that sign what an operator's cannot: what moves the account's money, and changes its plans.

    Ends the command if they are an operator's, before anything is asked. Raises BadParameter if none were given.
    """
    path = needed_key(key)
    keys = or_fail(out, path, lambda: public_keys(path))
    if keys.operator is not None:
        told = "the account's own key signs this, and these keys are its operator's: --key takes the vault of"
        out.fail(failure_of(NotOperable(f"{told} {keys.address}"), path))
    return path


def parse_account(text: str) -> bytes:
    """Return the account of an SS58 address. Raises BadParameter."""
    try:
        account = account_id(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is not an account in SS58: {error}") from error
    if len(account) != 32:
        raise typer.BadParameter(f"{text!r} is not an account in SS58: it has {len(account)} bytes")
    return account


def account_or_own(text: str | None, key: Path | None) -> Callable[[], bytes]:
    """Return what finds the account that a command is about. Raises BadParameter if none was named."""
    if text is not None:
        account = parse_account(text)
        return lambda: account
    if key is None:
        raise typer.BadParameter("name an account: ACCOUNT in SS58, or add --key FILE or set DATDOT_KEY")
    return lambda: public_keys(key).account


def show_account(
    account: str | None,
    key: Path | None,
    chain: str,
    json: bool,
    read: Callable[[ChainClient, bytes], Awaitable[Told]],
) -> None:
    """Print what `read` finds of an account, named or that of the keys. Raises BadParameter if there is neither."""
    _show(chain, json, account_or_own(account, key), read)


def show_chain(chain: str, json: bool, read: Callable[[ChainClient], Awaitable[Told]]) -> None:
    """Print what `read` finds on the chain."""
    _show(chain, json, lambda: None, lambda client, _: read(client))


def _show(
    chain: str, json: bool, find: Callable[[], Wanted], read: Callable[[ChainClient, Wanted], Awaitable[Told]]
) -> None:
    out = Output(json)
    configure_logging(json)

    async def main() -> None:
        wanted = find()
        async with client_session(chain) as client:
            value, text = await read(client, wanted)
            out.result(value, None if json else text)

    run(out, main, lambda error: failure_of(error, chain))


def signed(
    key: Path | None, passphrase: Path | None, chain: str, json: bool, act: Callable[[Session], Awaitable[Told]]
) -> None:
    """Run `act` in a session that signs, and print what it returns, at the latest when it is asked again."""
    out = Output(json)
    configure_logging(json)
    keys = own_keys(out, needed_key(key), passphrase)

    async def main() -> None:
        async with chain_session(chain, keys, keep_sent=True) as session:
            out.sent = session.signer.under_way
            out.result(*await act(session))

    run(out, main, lambda error: failure_of(error, chain))
