"""What is signed from the dashboard: each action with what it does, costs and leaves, read from the chain before it is done."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from service.address import account_id, ss58
from service.chain_client import ChainError, NotOperable, Signer
from service.chain_client.pallet import calls
from service.chain_client.pallet.constants import PPM
from service.hypercore import CoreError
from service.operating.alerts.book import Alert, Category, Severity
from service.operating.alerts.targets import AlertTarget, message
from service.operating.editing import SettingsEditor
from service.operating.facts import NodeFacts
from service.operating.feeds import core_of
from service.operating.transfers import TransferRefused, plan_transfer, send
from service.roles.common.funding import how_to_get
from service.roles.hoster import notices
from service.roles.sponsor import plans as sponsor
from service.roles.sponsor.checks import PublicationError
from service.roles.sponsor.refusals import NoFunds
from service.roles.sponsor.terms import plan_terms
from service.units import EXISTENTIAL_DEPOSIT, UNIT, money, parse_money

from .shown import amt, count, number, percent, short

REFUSED = (PublicationError, notices.HosterRefused, TransferRefused, CoreError, ChainError, TimeoutError, ValueError)
"""Everything that an action says no with, in words for people."""
CAPS = (UNIT // 100, UNIT // 10, UNIT // 100, UNIT // 1000)
"""Highest prices of a plan that is published here, as those of `datdot plan publish`: disk, encoding, receiving, report."""


@dataclass(frozen=True, slots=True)
class Acting:
    """What actions need: the signer of the node's account, the vault whose passphrase opens a session, who changes settings."""

    signer: Signer
    vault: Path | None
    targets: Callable[[], Sequence[AlertTarget]] = tuple
    """Returns who is told of alerts."""
    settings: SettingsEditor | None = None


@dataclass(frozen=True, slots=True)
class ReviewedAction:
    """An action before it is signed: the question, what it means, names and values, the button, and where to go instead."""

    question: str
    lead: str
    rows: list[tuple[str, str]]
    button: str
    back: str


@dataclass(frozen=True, slots=True)
class SignedAction:
    """A kind of action: the fields that it takes, how it is reviewed, how it is done. Both raise REFUSED and NotHere."""

    fields: tuple[str, ...]
    review: Callable[[NodeFacts, Acting, Mapping[str, str]], Awaitable[ReviewedAction]]
    do: Callable[[NodeFacts, Acting, Mapping[str, str]], Awaitable[str]]
    of_owner: bool = False
    """Whether only the account's own key signs it."""
    signs: bool = True
    """Whether anything is signed at all."""

    def check_key(self, signer: Signer) -> None:
        """Raise NotOperable or NotOperator if the key of the node does not sign it."""
        if not self.signs or signer.payer == signer.account:
            return
        if self.of_owner:
            raise NotOperable(
                f"the account's own key signs this, and this node has its operator's: use the vault of {ss58(signer.account)}"
            )
        signer.mandate.check()


def amount_of(text: str) -> int:
    """Return an amount that was typed in UNIT. Raises ValueError."""
    return parse_money(text if text.strip().upper().endswith("UNIT") else f"{text} UNIT")


def whole_of(fields: Mapping[str, str], name: str, least: int, most: int) -> int:
    """Return a whole number that was typed. Raises ValueError."""
    text = fields[name].strip()
    if not (text.isascii() and text.isdecimal() and len(text) < 19 and least <= int(text) <= most):
        raise ValueError(f"{name}: {text[:40]!r} is no whole number from {least:,} to {most:,}")
    return int(text)


def account_of(text: str) -> bytes:
    """Return an account that was typed. Raises ValueError."""
    try:
        return account_id(text.strip())
    except ValueError as error:
        raise ValueError(f"{text[:80]!r} is no account: {error}") from error


async def _left(facts: NodeFacts, signer: Signer, spent: int) -> str:
    """Return what is left when so much is spent. Raises NoFunds if it is not there."""
    client = facts.sources.client
    left = await client.balance(signer.payer) - spent
    if left < EXISTENTIAL_DEPOSIT:
        missing = EXISTENTIAL_DEPOSIT - left
        raise NoFunds(
            f"{money(spent)} are needed, with the fee, and {money(missing)} are missing: "
            f"{how_to_get(ss58(signer.payer), client.url, missing)}"
        )
    return Markup("{} UNIT free").format(amt(left))


# ---- donate


def _donation_of(fields: Mapping[str, str]) -> tuple[int, int, int]:
    """Return the plan, the amount, and the `fresh` of the plan as the page showed it. Raises ValueError."""
    return whole_of(fields, "plan", 0, 2**63), amount_of(fields["amount"]), whole_of(fields, "fresh", 0, 2**32 - 1)


async def _review_donation(facts: NodeFacts, acting: Acting, fields: Mapping[str, str]) -> ReviewedAction:
    plan, amount, fresh = _donation_of(fields)
    if not amount:
        raise ValueError("amount: nothing can be given to a plan only by giving something")
    client = facts.sources.client
    await sponsor.check_donation(client, acting.signer.account, plan, amount, fresh)
    fee = await client.fee(acting.signer.payer, calls.donate(plan, amount, fresh))
    pot = max(0, await client.balance(client.pot_account(plan)) - EXISTENTIAL_DEPOSIT)
    rows = [
        ("From", signer_address(acting.signer)),
        ("To", f"the pot of plan {plan}"),
        ("Amount", Markup("{} UNIT").format(amt(amount, True))),
        ("Fee", Markup("{} UNIT, at most").format(amt(fee, True))),
        ("You have then", await _left(facts, acting.signer, amount + fee)),
        ("Your share", f"{percent(amount * PPM // (pot + amount))} of what is left when the plan ends"),
    ]
    lead = "Nothing is sent before you sign. A donation cannot be taken back before the plan ends."
    return ReviewedAction(f"Give to plan {plan}?", lead, rows, "Sign and give", f"/plans/{plan}")


async def _donate(facts: NodeFacts, acting: Acting, fields: Mapping[str, str]) -> str:
    plan, amount, fresh = _donation_of(fields)
    done = await sponsor.donate(facts.sources.client, acting.signer, plan, amount, fresh)
    return f"Given to plan {plan}, in block {done.number}"


# ---- transfer


async def _review_transfer(facts: NodeFacts, acting: Acting, fields: Mapping[str, str]) -> ReviewedAction:
    to = account_of(fields["to"])
    found = await plan_transfer(facts.sources.client, acting.signer.account, to, amount_of(fields["amount"]))
    rows = [
        ("From", signer_address(acting.signer)),
        ("To", ss58(to)),
        ("Amount", Markup("{} UNIT").format(amt(found.amount, True))),
        ("Fee", Markup("{} UNIT, at most").format(amt(found.fee, True))),
        ("You can spend then", Markup("{} UNIT").format(amt(found.left, True))),
        ("It has then", Markup("{} UNIT").format(amt(found.had + found.amount, True))),
    ]
    lead = "Nothing is sent before you sign. A transfer cannot be taken back."
    return ReviewedAction("Send this money?", lead, rows, "Sign and send", "/money")


async def _transfer(facts: NodeFacts, acting: Acting, fields: Mapping[str, str]) -> str:
    to = account_of(fields["to"])
    done = await send(facts.sources.client, acting.signer, to, amount_of(fields["amount"]))
    return f"Sent to {short(ss58(to))}, in block {done.block.number}"


# ---- pause, leave


async def _review_pause(facts: NodeFacts, acting: Acting, fields: Mapping[str, str]) -> ReviewedAction:
    client = facts.sources.client
    best = await client.best()
    hoster = await client.storage.hoster(acting.signer.account, best.hash)
    notices.check_pause(acting.signer.account, hoster, client.times.era, best.number + 1)
    fee = await client.fee(acting.signer.payer, acting.signer.made(calls.pause()))
    left = await _left(facts, acting.signer, fee)
    rows = [
        (
            "Begins",
            f"some {count(client.times.proof_window, 'block')} after it is signed; until then proofs are due as ever",
        ),
        ("Lasts", count(client.times.pause, "block")),
        ("Fee", Markup("{} UNIT, at most").format(amt(fee, True))),
        ("You have then", left),
    ]
    lead = "The chain asks this hoster for nothing during a pause. No new copies are drawn, and no pay is earned."
    return ReviewedAction("Pause this hoster?", lead, rows, "Sign and pause", "/settings")


async def _pause(facts: NodeFacts, acting: Acting, fields: Mapping[str, str]) -> str:
    done = await notices.pause(facts.sources.client, acting.signer)
    return f"Paused from block {number(done.first)} to {number(done.last)}"


async def _review_leave(facts: NodeFacts, acting: Acting, fields: Mapping[str, str]) -> ReviewedAction:
    copy = whole_of(fields, "copy", 0, 2**63)
    await notices.check_leaving(facts.sources.client, acting.signer.account, copy)
    fee = await facts.sources.client.fee(acting.signer.payer, acting.signer.made(calls.leave_copy(copy)))
    rows = [
        ("Copy", str(copy)),
        ("Until it ends", "it is kept, proved and paid, until another hoster has taken it over"),
        ("Fee", Markup("{} UNIT, at most").format(amt(fee, True))),
        ("You have then", await _left(facts, acting.signer, fee)),
    ]
    lead = "The notice cannot be taken back. Stopping without it costs a strike for each proof that is missed."
    return ReviewedAction(f"Leave copy {copy}?", lead, rows, "Sign and leave", f"/copies/{copy}")


async def _leave(facts: NodeFacts, acting: Acting, fields: Mapping[str, str]) -> str:
    copy = whole_of(fields, "copy", 0, 2**63)
    done = await notices.leave_copy(facts.sources.client, acting.signer, copy)
    return f"Notice of copy {copy} was given in block {done.block.number}; it ends in block {done.until} at the latest"


# ---- publish


async def _review_publication(facts: NodeFacts, acting: Acting, fields: Mapping[str, str]) -> ReviewedAction:
    core, pot = core_of(facts, fields["feed"]), amount_of(fields["pot"])
    replicas, eras = whole_of(fields, "replicas", 1, 16), whole_of(fields, "eras", 1, 100_000)
    client = facts.sources.client
    best = await client.best()
    terms = plan_terms(replicas, *CAPS, best.number + eras * client.times.era)
    await sponsor.check_plan_now(client, acting.signer.account, core, terms, pot)
    price = (await client.storage.amounts(best.hash)).publish_fee
    call, size = sponsor.publication_call(core, terms, pot)
    fee = await client.fee(acting.signer.payer, call)
    rows = [
        ("Feed", core.key.hex()),
        ("Size", f"{count(core.length, 'block')}, {count(size, 'byte')}"),
        ("Copies", number(replicas)),
        ("Until", f"block {number(terms.until)}"),
        ("Pot", Markup("{} UNIT").format(amt(pot, True))),
        ("Price of publishing", Markup("{} UNIT, burned").format(amt(price, True))),
        ("Fee", Markup("{} UNIT, at most").format(amt(fee, True))),
        ("You have then", await _left(facts, acting.signer, pot + price + fee + EXISTENTIAL_DEPOSIT)),
        ("Highest price", Markup("disk {}, encoding {}, receiving {} UNIT per GiB").format(*map(amt, CAPS[:3]))),
    ]
    lead = (
        "Nothing is sent before you sign. The pot cannot be taken back before the plan ends. This node serves the feed."
    )
    return ReviewedAction("Publish this plan?", lead, rows, "Sign and publish", f"/feeds/{core.key.hex()}")


async def _publish(facts: NodeFacts, acting: Acting, fields: Mapping[str, str]) -> str:
    core, pot = core_of(facts, fields["feed"]), amount_of(fields["pot"])
    replicas, eras = whole_of(fields, "replicas", 1, 16), whole_of(fields, "eras", 1, 100_000)
    client = facts.sources.client
    terms = plan_terms(replicas, *CAPS, (await client.best()).number + eras * client.times.era)
    done = await sponsor.publish_plan(client, acting.signer, core, terms, pot)
    return f"Plan {done.plan} was published in block {done.block.number}"


# ---- test of alerts


async def _review_test(facts: NodeFacts, acting: Acting, fields: Mapping[str, str]) -> ReviewedAction:
    targets = acting.targets()
    if not targets:
        raise ValueError(
            "nobody is told of alerts: name targets by --alert-target, or [alerts] targets in the file of settings"
        )
    rows = [("To", one.name) for one in targets]
    return ReviewedAction("Send a test message?", "It costs nothing, and opens no alert.", rows, "Send", "/alerts")


async def _test(facts: NodeFacts, acting: Acting, fields: Mapping[str, str]) -> str:
    now = int(time.time())
    text = "this is a test, and all is well"
    alert = Alert(0, "test/", Severity.WARNING, Category.PROGRAM, text, "somebody asked for it", "nothing", 0, now)
    targets = acting.targets()
    taken = await asyncio.gather(*(one.send(*message(alert, facts.address)) for one in targets))
    missed = [one.name for one, was in zip(targets, taken, strict=True) if not was]
    if missed:
        raise ValueError(f"these targets did not take it: {', '.join(missed)}; see that they are reached")
    return f"{count(len(targets), 'target')} took the message"


def signer_address(signer: Signer) -> str:
    """Return the signer's account in SS58."""
    return ss58(signer.account)


ACTIONS = {
    "donate": SignedAction(("plan", "amount", "fresh"), _review_donation, _donate, of_owner=True),
    "transfer": SignedAction(("to", "amount"), _review_transfer, _transfer, of_owner=True),
    "pause": SignedAction((), _review_pause, _pause),
    "leave": SignedAction(("copy",), _review_leave, _leave),
    "test": SignedAction((), _review_test, _test, signs=False),
    "publish": SignedAction(("feed", "replicas", "eras", "pot"), _review_publication, _publish, of_owner=True),
}
"""The actions, by the last part of their address."""
