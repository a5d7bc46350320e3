"""The view of a hoster: where it stands, what it owes, until when, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from service.address import ss58
from service.chain_client import ChainClient
from service.chain_client.own_copies import read_hosted
from service.chain_client.pallet.types import (
    Amounts,
    Copy,
    Hoster,
    RegisteredPeer,
    Role,
    StorageChallenge,
    Times,
    Wait,
)
from service.roles.hoster.fees import Means, read_means
from service.roles.hoster.notices import next_pause
from service.units import GIB

from .remedies import AFTER, MEANWHILE, answer
from .reputation import show_change

GOOD, WARNED, SUSPENDED, EVICTED = range(4)
STANDING = {GOOD: "good", WARNED: "warned", SUSPENDED: "suspended", EVICTED: "evicted"}
"""What a hoster's steps are called."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the view rests on, at one block. `due` is the block in which the open challenge's next step acts, if known."""

    account: bytes
    now: int
    hoster: Hoster
    peer: RegisteredPeer | None
    challenge: StorageChallenge | None
    due: int | None
    held: int
    copies: dict[int, Copy]
    means: Means
    """With the account's own key."""
    operator: bytes | None
    """Who may sign, and pays the fees, in its place. Which of the two keys its node has, the chain does not know."""
    operators: Means | None
    """With that one's."""
    changed: dict[str, Any]
    """Why its reputation last changed."""


async def show_hoster(client: ChainClient, account: bytes) -> dict[str, Any] | None:
    """Return the object of `datdot hoster status`, or None if the account never offered to host."""
    best = await client.best()
    storage, at = client.storage, best.hash
    hoster = await storage.hoster(account, at)
    if hoster is None:
        return None
    challenge = await storage.storage_challenge(account, at)
    due = None if challenge is None else await _due(client, account, hoster.step, challenge.issued, at)
    operator = await storage.operator(account, at)
    facts = Facts(
        account,
        best.number,
        hoster,
        await storage.peer(account, at),
        challenge,
        due,
        await client.held(account, Role.HOSTING, at),
        await read_hosted(storage, account, hoster.copies, at),
        await read_means(client, account, hoster.stored, at),
        operator,
        None if operator is None else await read_means(client, account, hoster.stored, at, operator),
        await show_change(client, account, best),
    )
    return hoster_view(facts, client.times, await storage.amounts(at))


async def _due(client: ChainClient, account: bytes, step: int, issued: int, at: bytes) -> int | None:
    """Return the block in which an overdue challenge's next step acts.

    `declare_lost` begins the first step early, so it does not follow from the block of the challenge.
    """
    if step not in (WARNED, SUSPENDED):
        return None
    slot = await client.storage.hoster_slot(account, at)
    waits = await client.storage.deadlines(Wait.RECHECK if step == WARNED else Wait.LAST_CALL, at)
    return next((one.due for one in waits if (one.id, one.tag) == (slot, issued)), None)


def hoster_view(facts: Facts, times: Times, amounts: Amounts) -> dict[str, Any]:
    """Return what is shown of a hoster."""
    hoster, peer = facts.hoster, facts.peer
    return {
        "account": ss58(facts.account),
        "block": facts.now,
        "open": hoster.open,
        "region": hoster.region.decode(errors="replace"),
        "step": hoster.step,
        "standing": STANDING.get(hoster.step, str(hoster.step)),
        "remedy": _remedy(facts, times),
        "challenge": None if facts.challenge is None else _challenge(facts.challenge, facts, times),
        "collateral": {
            "held": str(facts.held),
            "due": str(amounts.collateral * (hoster.capacity if hoster.open else hoster.used) // GIB),
        },
        "reputation": 0 if peer is None else peer.reputation,
        "passed": hoster.passed,
        "missed": hoster.missed,
        "pause": _pause(hoster, times, facts.now),
        "next_pause": next_pause(hoster, times.era),
        "copies": [
            {
                "copy": number,
                "plan": copy.plan,
                "state": copy.state.value,
                "sectors": copy.sectors,
                "confirmed_sectors": copy.stored,
                "strikes": copy.strikes,
                "leaving": copy.leaving,
                "dropping": copy.dropping,
            }
            for number, copy in facts.copies.items()
        ],
        "copies_unlisted": max(0, hoster.copies - len(facts.copies)),
        "fees": _fees(facts.means) | {"remedy": fees_remedy(facts)},
        "operator": None if facts.operator is None else ss58(facts.operator),
        "operator_fees": None if facts.operators is None else _fees(facts.operators),
        "reputation_change": facts.changed,
    }


def _fees(means: Means) -> dict[str, Any]:
    return {"spendable": str(means.spendable), "proof": str(means.proof), "proofs": means.proofs}


def fees_remedy(facts: Facts) -> str:
    """Return what to do so that proofs can be paid, by whichever key the node has."""
    own = facts.means.remedy(facts.account)
    if facts.operator is None or facts.operators is None:
        return own
    operators = facts.operators.remedy(facts.operator)
    if own == operators:  # nothing
        return own
    return f"if its node has the operator's key: {operators}; if it has the account's own: {own}"


def deadlines(issued: int, step: int, due: int | None, times: Times) -> tuple[int, int, int]:
    """Return the last blocks in which an answer counts: without any effect, before placement stops, before eviction.

    A deadline acts in the block after its last one, and the next begins there; `due` is such a block, of the step.
    """
    warns = issued + times.proof_window + 1
    if step == WARNED and due is not None:
        warns = due - times.proof_window - 1
    suspends = warns + times.proof_window + 1
    if step == SUSPENDED and due is not None:
        suspends = due - times.era - 1
        warns = suspends - times.proof_window - 1
    return warns - 1, suspends - 1, suspends + times.era


def _challenge(challenge: StorageChallenge, facts: Facts, times: Times) -> dict[str, Any]:
    proof, recheck, last_call = deadlines(challenge.issued, facts.hoster.step, facts.due, times)
    return {
        "issued": challenge.issued,
        "samples": len(challenge.samples),
        "copies": sorted({sample.copy for sample in challenge.samples}),
        "deadlines": {"proof": proof, "recheck": recheck, "last_call": last_call},
        "remedy": _remedy(facts, times),
    }


def _remedy(facts: Facts, times: Times) -> str:
    """Return what to do about the open challenge, or about the step, by the next deadline that there is."""
    step, challenge = facts.hoster.step, facts.challenge
    if step == EVICTED:
        return "its copies are being ended; after that the step is 0, and the offer can be renewed"
    if challenge is None:
        return "nothing is due"
    last = deadlines(challenge.issued, step, facts.due, times)[step]
    how = answer(last, (sample.copy for sample in challenge.samples))
    if step == GOOD:
        return how
    waits = f"{how}; until then {MEANWHILE}"
    return waits if step == WARNED else f"{waits}. {AFTER}"


def _pause(hoster: Hoster, times: Times, now: int) -> dict[str, int] | None:
    """Return the blocks of the pause that is announced and not over."""
    if hoster.pause is None:
        return None
    first = hoster.pause + times.proof_window + 1
    last = first - 1 + times.pause
    return {"announced": hoster.pause, "from": first, "until": last} if now <= last else None
