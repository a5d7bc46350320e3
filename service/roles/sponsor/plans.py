"""Transactions of sponsors and donors: publish a plan, add to its pot, end it, claim the remainder."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from service import hypercore
from service.address import ss58
from service.chain_client import BlockRef, Call, ChainClient, Signer
from service.chain_client.pallet import calls
from service.chain_client.pallet.constants import MAX_AMOUNT, PPM
from service.chain_client.pallet.events import PlanPublished
from service.chain_client.pallet.types import OpenedNode, Terms
from service.hypercore.core import Core
from service.hypercore.net import Transport
from service.hypercore.stored import CoreError
from service.units import EXISTENTIAL_DEPOSIT, money

from ..common.funding import how_to_get
from ..common.submit import submit
from .checks import (
    BadHead,
    BadTerms,
    Publication,
    WrongFeedKey,
    assemble,
    check_blocks,
    check_head,
    check_prices,
    open_nodes,
    range_bytes,
)
from .lease import check_pace
from .refusals import KINDS, NoFunds, PlanRefused, check_number, find_plan, live_plan
from .served import check_served


@dataclass(frozen=True, slots=True)
class Published:
    """A plan on the finalized chain. `bytes` is the length of its copy stream."""

    plan: int
    block: BlockRef
    bytes: int


async def publish_plan(
    client: ChainClient,
    signer: Signer,
    core: Core,
    terms: Terms,
    pot: int,
    ranges: Sequence[tuple[int, int]] | None = None,
    among: Transport | None = None,
) -> Published:
    """Publish a plan for block ranges [start, end) of a local feed (default: all of it).

    With `among`, one of the peers known there must serve it, and a lease must hold a segment of it: Raises Unserved and
    TooLong. Raises UnknownBlocks, OversizedBlock and TinyBlocks, and what `publish_head` raises.
    """
    head, wanted = _head_of(core), [(0, core.length)] if ranges is None else ranges
    nodes = open_nodes(core, wanted)
    check_blocks(core, wanted)
    size = sum(range_bytes(check_head(head), wanted, nodes))

    async def before() -> None:
        if among is not None:
            await check_pace(client, size)
            await check_served(core, wanted, among)

    return await publish_head(client, signer, head, wanted, nodes, terms, pot, before)


def publication_call(
    core: Core, terms: Terms, pot: int, ranges: Sequence[tuple[int, int]] | None = None
) -> tuple[Call, int]:
    """Return the call that `publish_plan` sends, and the bytes of one copy. Raises what that raises before it asks the chain."""
    head, wanted = _head_of(core), [(0, core.length)] if ranges is None else ranges
    found = assemble(head, wanted, open_nodes(core, wanted), terms, pot)
    return _publication(found), found.bytes


def _publication(wanted: Publication) -> Call:
    return calls.publish_plan(wanted.head, wanted.ranges, wanted.nodes, wanted.terms, wanted.pot)


async def check_plan_now(client: ChainClient, account: bytes, core: Core, terms: Terms, pot: int) -> None:
    """Check the plan of a whole feed as `publish_plan` does, as far as the chain as it is now tells. Raises what that raises."""
    head, wanted = _head_of(core), [(0, core.length)]
    nodes = open_nodes(core, wanted)
    check_blocks(core, wanted)
    await _check_now(client, account, assemble(head, wanted, nodes, terms, pot))


async def _check_now(client: ChainClient, account: bytes, wanted: Publication) -> None:
    """Check all that time changes. Raises PlanRefused, BadTerms and NoFunds."""
    best, key = await client.best(), wanted.head.key
    frozen = await client.storage.frozen(key, best.hash)
    if frozen is not None:
        raise PlanRefused(
            f"feed {key.hex()}: its author signed two histories, as was shown in block {frozen}: no plan of it is taken"
        )
    check_prices(wanted, client.times, best.number)
    amounts = await client.storage.amounts(best.hash)
    _check_report_price(wanted.terms.report_price, amounts.report_price)
    _check_donation(wanted.pot, amounts.min_donation)
    needed = wanted.pot + EXISTENTIAL_DEPOSIT + amounts.publish_fee
    await _check_funds(client, account, _publication(wanted), needed, best)


def _check_report_price(price: int, least: int) -> None:
    if price < least:
        raise BadTerms(f"a report for {price}: on this chain it costs at least {least}")


def _head_of(core: Core) -> hypercore.CoreHead:
    """Return the head of a feed that can be published. Raises BadHead and WrongFeedKey."""
    if core.length == 0:
        raise BadHead(f"feed {core.key.hex()} is empty, or not stored here: there is no head to publish")
    try:
        return core.head()
    except CoreError as error:
        raise WrongFeedKey(f"the chain accepts only feeds with exactly one author: {error}") from error


async def publish_head(
    client: ChainClient,
    signer: Signer,
    head: hypercore.CoreHead,
    ranges: Sequence[tuple[int, int]],
    nodes: Sequence[OpenedNode],
    terms: Terms,
    pot: int,
    before: Callable[[], Awaitable[None]] | None = None,
) -> Published:
    """Publish a plan and return once it is finalized.

    `pot` is in the smallest unit, `nodes` come from `open_nodes`, and `before` is awaited before anything is sent.
    Raises WrongFeedKey, BadHead, SmallOrderKey, BadHeadSignature, BadRanges, BadTerms, NoFunds and PlanRefused before
    anything is sent, and ChainError.
    """
    wanted = assemble(head, ranges, nodes, terms, pot)

    async def check() -> None:
        # All that time changes is checked only here, after the signer looked for an earlier try: an interrupted
        # publication that is repeated has already taken the money, and its outcome is told whatever has passed since.
        await _check_now(client, signer.account, wanted)
        if before is not None:
            await before()

    receipt = await submit(signer, _publication(wanted), KINDS, check)
    plan = receipt.told(PlanPublished).plan
    return Published(plan, receipt.block, wanted.bytes)


async def donate(client: ChainClient, signer: Signer, plan: int, amount: int, fresh: int | None = None) -> BlockRef:
    """Add to a live plan's pot and return the finalized block. The plan must be the one that the donor was shown.

    `fresh` is the plan's as it was shown (default: as it is now): its terms and its head are those of then.
    Raises BadTerms, PlanRefused, NoFunds and ChainError.
    """

    async def check() -> None:
        await check_donation(client, signer.account, plan, amount, shown)

    check_number(plan)
    _check_amount(amount)
    shown = fresh if fresh is not None else (await live_plan(client, plan, await client.best())).fresh
    return (await submit(signer, calls.donate(plan, amount, shown), KINDS, check)).block


async def check_donation(client: ChainClient, account: bytes, plan: int, amount: int, fresh: int) -> None:
    """Check a donation for a plan as it was shown (`fresh`) against the chain as it is now.

    Raises BadTerms, PlanRefused and NoFunds.
    """
    check_number(plan)
    best = await client.best()
    found = await live_plan(client, plan, best)
    if found.fresh != fresh:
        raise PlanRefused(f"plan {plan}: its terms or its head changed since it was shown: look at it again, then give")
    _check_donation(amount, (await client.storage.amounts(best.hash)).min_donation)
    value = await client.balance(client.pot_account(plan), best.hash) - EXISTENTIAL_DEPOSIT
    if value <= 0 or value * PPM * PPM < found.shares:
        raise PlanRefused(f"plan {plan}: its pot is nearly empty, so a donation would buy almost all shares")
    await _check_funds(client, account, calls.donate(plan, amount, fresh), amount, best)


async def end_plan(client: ChainClient, signer: Signer, plan: int) -> BlockRef:
    """Give notice for a plan of ours and return the finalized block. Raises PlanRefused and ChainError."""

    async def check() -> None:
        best = await client.best()
        found = await live_plan(client, plan, best)
        if found.sponsor != signer.account:
            raise PlanRefused(f"plan {plan} was published by another account")
        if found.ending:
            raise PlanRefused(f"plan {plan} has been given notice already")

    check_number(plan)
    return (await submit(signer, calls.end_plan(plan), KINDS, check)).block


async def claim_refund(client: ChainClient, signer: Signer, plan: int, donor: bytes | None = None) -> BlockRef:
    """Claim a donor's part of an ended plan's remainder for it (default: ours), and return the finalized block.

    We pay the fee, and the donor gets the money. Raises PlanRefused and ChainError.
    """
    owner = signer.account if donor is None else donor

    async def check() -> None:
        best = await client.best()
        found = await find_plan(client, plan, best)
        if found.remainder is None:
            raise PlanRefused(
                f"plan {plan}: nothing can be claimed before the plan has ended and the records of its last copy are gone"
            )
        if await client.storage.share(plan, owner, best.hash) is None:
            raise PlanRefused(f"plan {plan}: account {ss58(owner)} has no share in it, or its share was claimed before")

    check_number(plan)
    return (await submit(signer, calls.claim_refund(plan, owner), KINDS, check)).block


def _check_amount(amount: int) -> None:
    if not 0 <= amount <= MAX_AMOUNT:
        raise BadTerms(f"a donation of {amount}: the chain accepts up to {MAX_AMOUNT}")


def _check_donation(amount: int, least: int) -> None:
    if not least <= amount <= MAX_AMOUNT:
        raise BadTerms(f"a donation of {amount}: the chain accepts {least} to {MAX_AMOUNT}")


async def _check_funds(client: ChainClient, account: bytes, call: Call, needed: int, at: BlockRef) -> None:
    """Check that an account has what a call takes, and its fee. Raises NoFunds, and ChainError."""
    fee = await client.fee(account, call, at.hash)
    has = max(0, await client.balance(account, at.hash) - EXISTENTIAL_DEPOSIT)
    if has < needed + fee:
        raise NoFunds(
            f"{money(needed)} and a fee of up to {money(fee)} are needed, and {ss58(account)} can spend {money(has)}: "
            f"{how_to_get(ss58(account), client.url, needed + fee - has)}"
        )
