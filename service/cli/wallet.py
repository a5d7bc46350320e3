"""The commands `datdot wallet` and `datdot faucet`: what an account has, what happened to it, money sent and got."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer

from service.address import ss58
from service.chain_client import ChainClient, frame
from service.disk import DISK_ERRORS
from service.node.settings import ROLES_FILE, NodeError, NodeSettings
from service.operating.lines import csv_rows, line_of
from service.operating.objects import ShownLine
from service.operating.past import MOST_BLOCKS, read_past
from service.operating.shapes import as_json
from service.operating.table import JournalTable
from service.operating.transfers import TransferRefused, check_development, plan_transfer, send
from service.operating.wallet import Balances, read_balances
from service.roles.common.database import Database
from service.roles.sponsor.refusals import NoFunds
from service.session import Session, client_session
from service.units import money
from service.vault import public_keys

from .failures import failure_of
from .options import DEFAULT_CHAIN, Chain, Json, Key, PassphraseFile
from .output import Output, configure_logging, run
from .signing import Account, Told, account_or_own, own_key, parse_account, show_account, signed
from .sums import FAUCET_GIVES, FaucetSum, Sum, Yes, agreed_to_spend
from .unlocking import or_fail

wallet_app = typer.Typer(help="Show what an account has and what happened to it; send money.", no_args_is_help=True)
MOST_LINES = 100_000
FAUCET = "//Alice"
"""The well-known account of development chains that gives."""


@wallet_app.command()
def balance(account: Account = None, key: Key = None, chain: Chain = DEFAULT_CHAIN, json: Json = False) -> None:
    """Show what an account has: free, held and for what, not paid yet, and what its ratio means."""

    async def read(client: ChainClient, wanted: bytes) -> Told:
        found = await read_balances(client, wanted)
        return found.shown(), _text(found)

    show_account(account, key, chain, json, read)


def _text(found: Balances) -> str:
    shown = found.shown()
    lines = [
        f"{shown['account']} has {money(found.total)} in block {found.block}",
        f"free       {money(found.free)}, of which {money(found.spendable)} can be spent",
        f"held       {money(found.held)}",
        *(f"           {money(amount)} for {name.lower()}" for name, amount in sorted(found.reasons.items())),
        f"not paid   {money(found.pending)}: {found.halves} second halves of encoding fees, and fees of jobs under way",
        f"ratio      {shown['ratio_why']}",
    ]
    return "\n".join(lines)


@wallet_app.command()
def transfer(
    to: Annotated[str, typer.Argument(metavar="TO", help="The receiver's account in SS58.")],
    amount: Sum,
    yes: Yes = False,
    key: Key = None,
    passphrase_file: PassphraseFile = None,
    chain: Chain = DEFAULT_CHAIN,
    json: Json = False,
) -> None:
    """Send money. What it costs and leaves is shown, and asked about, before anything is signed."""
    out = Output(json)
    receiver, path = parse_account(to), own_key(out, key)
    if not json:
        configure_logging(json)
        _show_transfer(out, path, receiver, amount, chain)
    agreed_to_spend(out, yes)

    async def act(session: Session) -> Told:
        return await _sent(session, receiver, amount)

    signed(key, passphrase_file, chain, json, act)


def _show_transfer(out: Output, key: str, to: bytes, amount: int, chain: str) -> None:
    """Print what a transfer does, or ends the command if it cannot be."""
    source = or_fail(out, key, lambda: public_keys(key)).account

    async def main() -> None:
        async with client_session(chain) as client:
            try:
                planned = await plan_transfer(client, source, to, amount)
            except (NoFunds, TransferRefused) as error:
                # an earlier run that was cut off may have sent it: the signer knows
                out.console.print(f"as things are now: {error}", markup=False, soft_wrap=True)
                return
            for line in planned.lines():
                out.console.print(line, markup=False, soft_wrap=True)

    run(out, main, lambda error: failure_of(error, chain))


async def _sent(session: Session, to: bytes, amount: int) -> Told:
    fee = await session.client.fee(session.signer.account, frame.transfer(to, amount))
    done = await send(session.client, session.signer, to, amount)
    value = {
        "from": ss58(session.signer.account),
        "to": ss58(to),
        "amount": str(amount),
        "fee": str(fee),
        "left": str(done.left),
        "block": done.block.number,
    }
    return value, f"sent in block {done.block.number}; {money(done.left)} can be spent"


@wallet_app.command()
def history(
    account: Account = None,
    directory: Annotated[
        Path | None,
        typer.Option("--dir", metavar="DIR", help="A node's directory: its journal is read, not the chain."),
    ] = None,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV, oldest first.")] = False,
    with_money: Annotated[bool, typer.Option("--money", help="Only what moved money.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=MOST_LINES, help="The newest lines, at most this many.")] = 100,
    blocks: Annotated[
        int, typer.Option(min=1, max=MOST_BLOCKS, help="Without --dir: the last blocks of the chain to read.")
    ] = 600,
    key: Key = None,
    chain: Chain = DEFAULT_CHAIN,
    json: Json = False,
) -> None:
    """Show what happened to an account, with the money that it moved: from a node's journal, or from the last blocks."""
    out = Output(json)
    configure_logging(json)
    if csv and json:
        raise typer.BadParameter("--csv and --json exclude each other")
    if directory is not None:
        if account is not None:
            raise typer.BadParameter("--dir and ACCOUNT exclude each other: a directory is of one account")
        found = _kept(out, directory, limit, with_money)
        _print(out, found, csv)
        return
    find = account_or_own(account, key)

    async def main() -> None:
        wanted = find()
        async with client_session(chain) as client:
            past = await read_past(client, wanted, blocks)
        moved = [one for one in reversed(past.entries) if not with_money or one.moved]
        lines = [line_of(one, ss58(wanted)) for one in islice(moved, limit)]
        _print(
            out,
            {"account": ss58(wanted), "first": past.first, "last": past.last, "limit": past.limit, "lines": lines},
            csv,
        )

    run(out, main, lambda error: failure_of(error, chain))


def _kept(out: Output, directory: Path, limit: int, with_money: bool) -> dict[str, Any]:
    """Return the newest lines of a node's journal, newest first. Ends the command if there is none."""
    try:
        settings, path = NodeSettings.load(directory), directory / ROLES_FILE
        if settings is None or settings.account is None or not path.exists():
            raise NodeError(f"{directory} is of no node that ever ran: name the DIR of one, or an ACCOUNT")
        with closing(Database(path)) as database:
            lines = _newest(JournalTable(database), settings.account, limit, with_money)
    except (NodeError, *DISK_ERRORS) as error:
        out.fail(failure_of(error, str(directory)))
    first, last = (lines[-1].block, lines[0].block) if lines else (0, 0)
    told = "what happened before the node's first start is not in its journal"
    return {"account": settings.account, "first": first, "last": last, "limit": told, "lines": lines}


def _newest(table: JournalTable, account: str, limit: int, with_money: bool) -> list[ShownLine]:
    lines: list[ShownLine] = []
    before: int | None = None
    while len(lines) < limit and (page := table.page(limit - len(lines), before, with_money)):
        lines += [line_of(one.entry, account, one.id) for one in page]
        before = page[-1].id
    return lines


def _print(out: Output, found: dict[str, Any], csv: bool) -> None:
    lines: list[ShownLine] = found["lines"]
    if csv:
        sys.stdout.writelines(csv_rows(reversed(lines)))
        sys.stdout.flush()
    elif out.json:
        out.result(found | {"lines": [as_json(one) for one in lines]})
    else:
        out.result({}, "\n".join(_shown(lines) or ["nothing happened to it in these blocks"]))
    if not out.json:
        sys.stderr.write(f"{found['account']}, blocks {found['first']} to {found['last']}: {found['limit']}\n")


def _shown(lines: Iterable[ShownLine]) -> list[str]:
    found = []
    for one in lines:
        found.append(f"{one.block:>9}  {one.text}{f'  [{one.cost}]' if one.cost else ''}")
        if one.why and one.remedy:
            found.append(f"{'':>9}  why: {one.why}")
            found.append(f"{'':>9}  what to do: {one.remedy}")
    return found


def faucet(
    account: Annotated[str, typer.Argument(metavar="ACCOUNT", help="The account in SS58 that gets the money.")],
    amount: FaucetSum = FAUCET_GIVES,
    chain: Chain = DEFAULT_CHAIN,
    json: Json = False,
) -> None:
    """Give an account money of a development chain, from its well-known account //Alice."""
    receiver = parse_account(account)

    async def act(session: Session) -> Told:
        await check_development(session.client)
        return await _sent(session, receiver, amount)

    signed(Path(FAUCET), None, chain, json, act)
