"""The commands `datdot plan`: publish, show, fund, amend and end plans."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, closing
from pathlib import Path
from typing import Annotated, Any

import typer

from service.chain_client import BlockRef, ChainClient
from service.chain_client.pallet.types import Terms
from service.hypercore import Core, KeyPair
from service.hypercore.net import PeerAddress, TcpTransport
from service.hypercore.swarm.dht.address import Address
from service.hypercore.swarm.transport import ANYWHERE, SwarmTransport
from service.node.settings import bootstrap_of, peers_of
from service.roles.sponsor import plans as sponsor
from service.roles.sponsor.amend import Changes, amend_plan
from service.roles.sponsor.terms import ANY_LATENCY, plan_terms
from service.session import Session, chain_session
from service.units import UNIT, decimal, money
from service.views.outlook import lasting
from service.views.plan import show_plan

from .addresses import parse_bootstrap, parse_peers
from .failures import failure_of
from .feed import feed_key, known, opened, transport_of
from .hoster import LEAVING
from .options import DEFAULT_CHAIN, Bootstrap, Chain, Directory, Json, Key, PassphraseFile, Peers
from .output import Failure, Output, configure_logging, run
from .plan_costs import Donation, publication, shown_first
from .signing import Told, needed_key, own_key, parse_account, show_chain, signed
from .sums import Gift, Pot, Yes
from .terms import (
    LIVE,
    MAX_ASK_DISK,
    MAX_ASK_ENCODING,
    MAX_ASK_RECEIVING,
    MAX_LATENCY,
    MIN_REPUTATION,
    MIN_THROUGHPUT,
    REPLICAS,
    REPORT_PRICE,
    UNTIL,
    Regions,
    parse_regions,
)
from .unlocking import own_keys

plan_app = typer.Typer(
    help="Publish, show, fund, amend and end plans (orders to keep feeds online).", no_args_is_help=True
)
Blocks = Annotated[
    list[str] | None, typer.Option("--range", "--blocks", metavar="START:END", help="Blocks to keep (default: all).")
]
Unserved = Annotated[bool, typer.Option("--unserved", help="Publish even if no known peer serves the feed.")]
PlanId = Annotated[int, typer.Argument(min=0, max=2**64 - 1, metavar="ID", help="Number of the plan.")]


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
    replicas: Annotated[int, REPLICAS],
    pot: Pot,
    until: Annotated[int, UNTIL],
    blocks: Blocks = None,
    max_ask_disk: Annotated[int, MAX_ASK_DISK] = UNIT // 100,
    max_ask_encoding: Annotated[int, MAX_ASK_ENCODING] = UNIT // 10,
    max_ask_receiving: Annotated[int, MAX_ASK_RECEIVING] = UNIT // 100,
    report_price: Annotated[int, REPORT_PRICE] = UNIT // 1000,
    live: Annotated[bool, LIVE] = False,
    min_reputation: Annotated[int, MIN_REPUTATION] = 0,
    region: Regions = None,
    max_latency: Annotated[int, MAX_LATENCY] = ANY_LATENCY,
    min_throughput: Annotated[int, MIN_THROUGHPUT] = 0,
    peer: Peers = None,
    bootstrap: Bootstrap = None,
    unserved: Unserved = False,
    yes: Yes = False,
    key: Key = None,
    passphrase_file: PassphraseFile = None,
    chain: Chain = DEFAULT_CHAIN,
    json: Json = False,
) -> None:
    """Publish a plan for a feed whose head and tree are in DIR, and which its node, its node's peers or a --peer serve."""
    out = Output(json)
    configure_logging(json)
    ranges, wanted, peers, nodes = parse_ranges(blocks), feed_key(feed), parse_peers(peer), parse_bootstrap(bootstrap)
    asks = max_ask_disk, max_ask_encoding, max_ask_receiving, report_price
    terms = plan_terms(
        *(replicas, *asks, until),
        live=live,
        min_reputation=min_reputation,
        regions=parse_regions(region) or (),
        max_latency_ms=max_latency,
        min_kib_per_s=min_throughput,
    )
    shown_first(out, own_key(out, key), chain, yes, publication(directory, wanted, ranges, terms, pot))
    keys = own_keys(out, needed_key(key), passphrase_file)

    async def main() -> None:
        with closing(opened(directory)) as store:
            core, asked = known(store, wanted, directory), None if unserved else _asked(directory, peers, nodes)
            async with chain_session(chain, keys, keep_sent=True) as session:
                out.sent = session.signer.under_way  # the number at once: who does not see it publishes a second plan
                out.result(await _published(session, core, terms, pot, ranges, asked))

    run(out, main, lambda error: failure_of(error, chain))


def _asked(directory: Path, peers: list[PeerAddress], nodes: tuple[Address, ...]) -> TcpTransport:
    """Return the transport over which it is asked whether anybody serves the feed. Raises NodeError."""
    return transport_of(KeyPair.generate(), nodes or bootstrap_of(directory), [*peers, *peers_of(directory)])


async def _published(
    session: Session,
    core: Core,
    terms: Terms,
    pot: int,
    ranges: list[tuple[int, int]] | None,
    asked: TcpTransport | None,
) -> dict[str, Any]:
    """Publish and return what to print. With `asked`, only if one of its peers serves the feed."""
    async with AsyncExitStack() as stack:
        if asked is not None:
            await stack.enter_async_context(asked)
        if isinstance(asked, SwarmTransport):
            await asked.join(ANYWHERE)
        done = await sponsor.publish_plan(session.client, session.signer, core, terms, pot, ranges, asked)
        return {"plan": done.plan, "block": done.block.number}


@plan_app.command()
def show(plan: PlanId, chain: Chain = DEFAULT_CHAIN, json: Json = False) -> None:
    """Show a plan with its copies and their segments."""

    async def read(client: ChainClient) -> Told:
        found = await show_plan(client, plan)
        if found is None:
            raise Failure("no_such_plan", f"plan {plan} does not exist on this chain", chain)
        return found, _text(found)

    show_chain(chain, json, read)


@plan_app.command()
def donate(
    plan: PlanId,
    amount: Gift,
    yes: Yes = False,
    key: Key = None,
    passphrase_file: PassphraseFile = None,
    chain: Chain = DEFAULT_CHAIN,
    json: Json = False,
) -> None:
    """Pay into a plan's pot. What it costs and does is shown before anything is signed."""
    gift = Donation(plan, amount)
    out = Output(json)
    shown_first(out, own_key(out, key), chain, yes, gift.lines)
    _signed(
        key,
        passphrase_file,
        chain,
        json,
        plan,
        lambda session: sponsor.donate(session.client, session.signer, plan, amount, gift.fresh),
    )


@plan_app.command()
def end(
    plan: PlanId,
    key: Key = None,
    passphrase_file: PassphraseFile = None,
    chain: Chain = DEFAULT_CHAIN,
    json: Json = False,
) -> None:
    """End your own plan, after the notice period that the chain sets."""
    own_key(Output(json), key)
    _signed(
        key, passphrase_file, chain, json, plan, lambda session: sponsor.end_plan(session.client, session.signer, plan)
    )


@plan_app.command()
def amend(
    plan: PlanId,
    replicas: Annotated[int | None, REPLICAS] = None,
    until: Annotated[int | None, UNTIL] = None,
    max_ask_disk: Annotated[int | None, MAX_ASK_DISK] = None,
    max_ask_encoding: Annotated[int | None, MAX_ASK_ENCODING] = None,
    max_ask_receiving: Annotated[int | None, MAX_ASK_RECEIVING] = None,
    min_reputation: Annotated[int | None, MIN_REPUTATION] = None,
    region: Regions = None,
    anywhere: Annotated[bool, typer.Option("--anywhere", help="Name no region any more.")] = False,
    max_latency: Annotated[int | None, MAX_LATENCY] = None,
    min_throughput: Annotated[int | None, MIN_THROUGHPUT] = None,
    key: Key = None,
    passphrase_file: PassphraseFile = None,
    chain: Chain = DEFAULT_CHAIN,
    json: Json = False,
) -> None:
    """Change terms of your own plan; what is not named stays. To ask for more takes 90 % of the plan's shares."""
    if anywhere and region:
        raise typer.BadParameter("--anywhere and --region exclude each other")
    changes = Changes(
        replicas,
        max_ask_disk,
        max_ask_encoding,
        max_ask_receiving,
        until,
        min_reputation,
        () if anywhere else parse_regions(region),
        max_latency,
        min_throughput,
    )
    if not changes:
        raise typer.BadParameter("nothing to change: name a term, such as --replicas N")
    own_key(Output(json), key)

    async def act(session: Session) -> Told:
        done = await amend_plan(session.client, session.signer, plan, changes)
        return {"plan": plan, "block": done.block.number, "leaving": list(done.leaving)}, None

    signed(key, passphrase_file, chain, json, act)


@plan_app.command()
def claim(
    plan: PlanId,
    donor: Annotated[
        str | None, typer.Option("--donor", metavar="ACCOUNT", help="Claim for this account: it gets the money.")
    ] = None,
    key: Key = None,
    passphrase_file: PassphraseFile = None,
    chain: Chain = DEFAULT_CHAIN,
    json: Json = False,
) -> None:
    """Claim a share of what an ended plan left: yours, or another donor's for it."""
    owner = None if donor is None else parse_account(donor)
    _signed(
        key,
        passphrase_file,
        chain,
        json,
        plan,
        lambda session: sponsor.claim_refund(session.client, session.signer, plan, owner),
    )


def _signed(
    key: Path | None,
    passphrase_file: Path | None,
    chain: str,
    json: bool,
    plan: int,
    act: Callable[[Session], Awaitable[BlockRef]],
) -> None:
    async def told(session: Session) -> Told:
        return {"plan": plan, "block": (await act(session)).number}, None

    signed(key, passphrase_file, chain, json, told)


def _text(found: dict[str, Any]) -> str:
    grows, waits = ("  live" if found["live"] else ""), ("  waiting for its next tick" if found["waiting"] else "")
    caps = ", ".join(f"{name} {decimal(int(amount))}" for name, amount in found["caps"].items())
    lines = [
        f"plan {found['plan']}  {found['state']}  feed {found['feed']}{grows}{waits}",
        f"pot {money(int(found['pot']))}, burned {money(int(found['burned']))}, {money(int(found['burned_per_era']))} an era",
        f"{lasting(found['lasts_eras'], found['ends_in_eras'])} The plan ends in {found['ends_in_eras']} eras.",
        f"replicas {found['replicas']} until block {found['until']}, caps in UNIT: {caps}; stalls {found['stalls']}",
        f"the sponsor's ratio {found['ratio']} ppm",
    ]
    if found["missing"]:
        lines.append(f"{found['missing']} of its copies have no hoster. {found['outlook']}")
        lines += [f"  of the other hosters: {one}" for one in found["why_not"]]
        lines.append(f"  what to do: {found['remedy']}")
    for copy in found["copies"]:
        lines.append(
            f"  copy {copy['copy']}  {copy['state']}  hoster {copy['hoster']}  strikes {copy['strikes']}  "
            f"{copy['confirmed_sectors']} of {copy['sectors']} sectors  not served {copy['fails']}, slow {copy['slow']} "
            f"of the last 8{LEAVING.get(copy['leaving'], '')}"
        )
        lines += [
            f"    segment {one['segment']}  {one['bytes']} bytes from {one['first_byte']}  root {one['root']}"
            for one in copy["segments"]
        ]
    if found["ended_copies"]:
        lines.append(f"  and {found['ended_copies']} that have ended and whose records are kept")
    return "\n".join(lines)
