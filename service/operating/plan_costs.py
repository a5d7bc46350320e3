"""What a plan's publication and a donation cost and do, in words, before anything is signed."""

from __future__ import annotations

from service.address import ss58
from service.chain_client import BlockRef, Call, ChainClient
from service.chain_client.pallet import calls
from service.chain_client.pallet.constants import PPM
from service.chain_client.pallet.types import Terms
from service.roles.sponsor.refusals import live_plan
from service.units import EXISTENTIAL_DEPOSIT, money


async def donation_lines(client: ChainClient, source: bytes, plan: int, amount: int) -> tuple[list[str], int]:
    """Return what a donation does, and the `fresh` of the plan that it is for. Nothing is signed.

    Raises PlanRefused and ChainError.
    """
    best = await client.best()
    found = await live_plan(client, plan, best)
    pot = max(0, await client.balance(client.pot_account(plan), best.hash) - EXISTENTIAL_DEPOSIT)
    lines = [
        f"{money(amount)} from {ss58(source)} to the pot of plan {plan}",
        f"the pot has {money(pot)} now and {money(pot + amount)} then; the plan runs until block {found.terms.until} at most",
    ]
    if pot:
        new = amount * found.shares // pot
        mine = (await client.storage.share(plan, source, best.hash) or 0) + new
        part = mine * PPM // max(1, found.shares + new)
        lines.append(
            f"this account has then {part // 10_000} % of the plan's shares: so much of what is left at its end comes back"
        )
    call = calls.donate(plan, amount, found.fresh)
    return [*lines, await _fee_line(client, source, call, amount, best)], found.fresh


async def publication_lines(
    client: ChainClient, source: bytes, call: Call, terms: Terms, pot: int, size: int
) -> list[str]:
    """Return what a publication does. `size` are the bytes of one copy. Nothing is signed. Raises ChainError."""
    best = await client.best()
    amounts = await client.storage.amounts(best.hash)
    taken = pot + EXISTENTIAL_DEPOSIT + amounts.publish_fee
    return [
        f"{money(pot)} from {ss58(source)} to the pot of a new plan, and {money(amounts.publish_fee)} burned for its publication",
        f"{terms.replicas} copies of {size} bytes until block {terms.until}; the chain is at block {best.number}",
        "what is left in the pot at the plan's end comes back, less what other donors gave",
        await _fee_line(client, source, call, taken, best),
    ]


async def _fee_line(client: ChainClient, source: bytes, call: Call, taken: int, best: BlockRef) -> str:
    fee = await client.fee(source, call, best.hash)
    has = max(0, await client.balance(source, best.hash) - EXISTENTIAL_DEPOSIT)
    left = has - taken - fee
    told = f"{money(left)} can be spent afterwards" if left >= 0 else f"the account lacks {money(-left)} for that"
    return f"for a fee of up to {money(fee)}; {told}"
