"""The commands `datdot operator`: who makes a peer's calls for it, so that the key of its money need not be on the node."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from service.address import ss58
from service.chain_client import ChainClient
from service.operating.operators import OperatorRefused, check_own, name_operator, plan_operator
from service.roles.sponsor.refusals import NoFunds
from service.session import Session, client_session
from service.units import UNIT
from service.vault import PublicKeys, public_keys

from .failures import failure_of
from .options import DEFAULT_CHAIN, Chain, Json, Key, PassphraseFile
from .output import Output, configure_logging, run
from .signing import Account, Told, needed_key, parse_account, show_account, signed
from .sums import IN_WORDS, Yes, agreed_to_spend, parse_amount
from .unlocking import or_fail

operator_app = typer.Typer(
    help="Show, name and revoke who makes a peer's calls for it: the key of its node.", no_args_is_help=True
)
GIVEN = UNIT


@operator_app.command()
def show(account: Account = None, key: Key = None, chain: Chain = DEFAULT_CHAIN, json: Json = False) -> None:
    """Show who makes an account's calls for it."""

    async def read(client: ChainClient, wanted: bytes) -> Told:
        value = _value(wanted, await client.storage.operator(wanted))
        return value, f"the operator of {value['account']} is {value['operator'] or 'nobody'}"

    show_account(account, key, chain, json, read)


@operator_app.command(name="set")
def set_(
    operator: Annotated[
        str, typer.Argument(metavar="OPERATOR", help="The operator's account, as `datdot vault operator` shows it.")
    ],
    give: Annotated[
        int, typer.Option(parser=parse_amount, metavar="X", help=f"What it is to have for fees, {IN_WORDS}.")
    ] = GIVEN,
    yes: Yes = False,
    key: Key = None,
    passphrase_file: PassphraseFile = None,
    chain: Chain = DEFAULT_CHAIN,
    json: Json = False,
) -> None:
    """Let OPERATOR make the calls of a node for the account of --key, which is registered first if it is not.

    What it does and costs is shown, and asked about, before anything is signed.
    """
    _name(parse_account(operator), give, (yes, key, passphrase_file, chain, json))


@operator_app.command()
def revoke(
    yes: Yes = False,
    key: Key = None,
    passphrase_file: PassphraseFile = None,
    chain: Chain = DEFAULT_CHAIN,
    json: Json = False,
) -> None:
    """Let nobody make calls for the account of --key any more. Its node is run with its own vault again, or a new operator's."""
    _name(None, 0, (yes, key, passphrase_file, chain, json))


def _name(operator: bytes | None, give: int, options: tuple[Any, ...]) -> None:
    yes, key, passphrase_file, chain, json = options
    out, path = Output(json), needed_key(key)
    source = or_fail(out, path, lambda: public_keys(path))
    try:
        check_own(source)
    except OperatorRefused as error:
        out.fail(failure_of(error, path))
    if not json:
        configure_logging(json)
        _show(out, source, operator, give, chain)
    agreed_to_spend(out, yes)

    async def act(session: Session) -> Told:
        block = await name_operator(session.client, session.signer, session.keys, operator, give)
        value = _value(session.keys.account, operator)
        return {
            **value,
            "block": block,
        }, f"in block {block}: the operator of {value['account']} is {value['operator'] or 'nobody'}"

    signed(key, passphrase_file, chain, json, act)


def _show(out: Output, source: PublicKeys, operator: bytes | None, give: int, chain: str) -> None:
    """Print what it does, or why it cannot be. An earlier run that was cut off may have done it: the chain knows."""

    async def main() -> None:
        async with client_session(chain) as client:
            try:
                lines = (await plan_operator(client, source, operator, give)).lines()
            except (OperatorRefused, NoFunds) as error:
                lines = [f"as things are now: {error}"]
            for line in lines:
                out.console.print(line, markup=False, soft_wrap=True)

    run(out, main, lambda error: failure_of(error, chain))


def _value(account: bytes, operator: bytes | None) -> dict[str, Any]:
    return {"account": ss58(account), "operator": None if operator is None else ss58(operator)}
