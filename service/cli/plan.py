"""The commands `datdot plan`: publish, show and fund plans."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path
from typing import Annotated, Any

import typer

from service.chain_client.pallet.types import Terms
from service.hypercore import KeyPair
from service.hypercore.net import TcpTransport
from service.node.settings import peers_of
from service.roles.sponsor import plans as sponsor
from service.session import chain_session, client_session
from service.units import UNIT
from service.views.plan import show_plan

from .failures import failure_of
from .feed import feed_key, known, opened, parse_peers
from .options import DEFAULT_CHAIN, Chain, Directory, Json, Key, Peers
from .output import Failure, Output, configure_logging, run

plan_app = typer.Typer(help="Publish, show, fund and end plans (orders to keep feeds online).", no_args_is_help=True)
Amount = Annotated[int, typer.Option(min=1, metavar="X", help="Amount in the smallest unit (10^12 make one UNIT).")]
PlanId = Annotated[int, typer.Argument(min=0, max=2**64 - 1, metavar="ID", help="Number of the plan.")]


def needed_key(key: Path | None) -> str:
    """Return the path of the key file to sign with. Raises BadParameter if none was given."""
    if key is None:
        raise typer.BadParameter("signing needs a key: add --key FILE or set DATDOT_KEY")
    return str(key)


def parse_ranges(texts: list[str] | None) -> list[tuple[int, int]] | None:
    """Parse block ranges of the form `START:END`. Raises BadParameter."""
    if not texts:
        return None
    found = []
    for text in texts:
        start, colon, end = text.partition(":")
        if not colon or not start.isdecimal() or not end.isdecimal():
            raise typer.BadParameter(f"{text!r} is not of the form START:END (block numbers)")
        found.append((int(start), int(end)))
    return found


@plan_app.command()
def publish(
    feed: Annotated[str, typer.Argument(help="The feed's key, in hex or z-base-32.")],
    directory: Directory,
    replicas: Annotated[int, typer.Option(min=1, max=16, metavar="N", help="Number of copies.")],
    pot: Amount,
    until: Annotated[
        int, typer.Option(min=1, metavar="BLOCK", help="The plan ends at its first tick from this block on.")
    ],
    blocks: Annotated[
        list[str] | None, typer.Option("--range", metavar="START:END", help="Blocks to keep (default: all).")
    ] = None,
    max_ask_disk: Annotated[int, typer.Option(help="Highest price per GiB and era.")] = UNIT // 100,
    max_ask_encoding: Annotated[int, typer.Option(help="Highest price of encoding, per GiB.")] = UNIT // 10,
    max_ask_receiving: Annotated[int, typer.Option(help="Highest price of receiving, per GiB.")] = UNIT // 100,
    report_price: Annotated[int, typer.Option(help="Price of one attester's report.")] = UNIT // 1000,
    peer: Peers = None,
    unserved: Annotated[
        bool, typer.Option("--unserved", help="Publish even if no known peer serves the feed.")
    ] = False,
    key: Key = None,
    chain: Chain = DEFAULT_CHAIN,
    json: Json = False,
) -> None:
    """Publish a plan for a feed whose head and tree are in DIR.

    Somebody must serve it: the node of DIR, one of that node's peers, or a --peer.
    """
    out = Output(json)
    configure_logging(json)
    ranges, wanted, signing, peers = parse_ranges(blocks), feed_key(feed), needed_key(key), parse_peers(peer)

    async def main() -> None:
        store = opened(directory)
        try:
            core = known(store, wanted, directory)
            terms = Terms(replicas, max_ask_disk, max_ask_encoding, max_ask_receiving, report_price, until)
            async with AsyncExitStack() as stack:
                known_peers = [*peers, *peers_of(directory)]
                among = await stack.enter_async_context(TcpTransport(KeyPair.generate(), known_peers))
                session = await stack.enter_async_context(chain_session(chain, signing, keep_sent=True))
                out.sent = session.signer.under_way
                asked = None if unserved else among
                done = await sponsor.publish_plan(session.client, session.signer, core, terms, pot, ranges, asked)
                # Print the number at once: a user who is interrupted before seeing it would publish a second plan.
                out.result({"plan": done.plan, "block": done.block.number})
        finally:
            store.close()

    run(out, main, lambda error: failure_of(error, chain))


@plan_app.command()
def show(plan: PlanId, chain: Chain = DEFAULT_CHAIN, json: Json = False) -> None:
    """Show a plan with its copies and their segments."""
    out = Output(json)
    configure_logging(json)

    async def main() -> None:
        async with client_session(chain) as client:
            found = await show_plan(client, plan)
            if found is None:
                raise Failure("no_such_plan", f"plan {plan} does not exist on this chain", chain)
            out.result(found, None if json else _text(found))

    run(out, main, lambda error: failure_of(error, chain))


@plan_app.command()
def donate(
    plan: PlanId,
    amount: Annotated[int, typer.Argument(min=1, metavar="X", help="Amount in the smallest unit.")],
    key: Key = None,
    chain: Chain = DEFAULT_CHAIN,
    json: Json = False,
) -> None:
    """Pay into a plan's pot."""
    _signed(key, chain, json, plan, lambda session: sponsor.donate(session.client, session.signer, plan, amount))


@plan_app.command()
def end(plan: PlanId, key: Key = None, chain: Chain = DEFAULT_CHAIN, json: Json = False) -> None:
    """End your own plan, after the notice period that the chain sets."""
    _signed(key, chain, json, plan, lambda session: sponsor.end_plan(session.client, session.signer, plan))


@plan_app.command()
def claim(plan: PlanId, key: Key = None, chain: Chain = DEFAULT_CHAIN, json: Json = False) -> None:
    """Claim your share of what an ended plan left."""
    _signed(key, chain, json, plan, lambda session: sponsor.claim_refund(session.client, session.signer, plan))


def _signed(key: Path | None, chain: str, json: bool, plan: int, act: Any) -> None:
    out = Output(json)
    configure_logging(json)
    signing = needed_key(key)

    async def main() -> None:
        async with chain_session(chain, signing, keep_sent=True) as session:
            out.sent = session.signer.under_way
            block = await act(session)
            out.result({"plan": plan, "block": block.number})

    run(out, main, lambda error: failure_of(error, chain))


def _text(found: dict[str, Any]) -> str:
    lines = [
        f"plan {found['plan']}  {found['state']}  feed {found['feed']}",
        f"pot {found['pot']}, burned {found['burned']}",
    ]
    for copy in found["copies"]:
        lines.append(f"  copy {copy['copy']}  {copy['state']}  hoster {copy['hoster']}  strikes {copy['strikes']}")
        lines += [
            f"    segment {one['segment']}  {one['bytes']} bytes from {one['first_byte']}  root {one['root']}"
            for one in copy["segments"]
        ]
    return "\n".join(lines)
