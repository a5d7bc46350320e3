"""Whether a node's roles do their work, and the one sentence that says how it stands. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from shlex import quote

from service.chain_client.mandate import how_to_operate
from service.chain_client.pallet.types import Attester, Encoder, Hoster
from service.disk import shown_size
from service.roles.common.funding import how_to_get

from .objects import RoleState
from .words import Level

STALE_SECONDS = 60.0
"""Age of the last finalized block from which on the chain counts as away."""
ON_CHAIN = frozenset({"hoster", "encoder", "attester"})


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known: the last block's age in seconds, whether the chain can be read, and the account's entries on it."""

    age: float
    readable: bool
    reputation: int | None
    hoster: Hoster | None
    encoder: Encoder | None
    attester: Attester | None
    url: str
    """The chain's address, for commands that are proposed."""
    refused: str | None = None
    """The node's key in SS58 if nothing counts that it signs: it is not the account's operator."""


def role_states(roles: Collection[str], seen: Seen, account: str) -> list[RoleState]:
    """Return the state of each role, in their order."""
    return [RoleState(role, *_state(role, seen, account)) for role in roles]


def _state(role: str, seen: Seen, account: str) -> tuple[bool, str]:
    if not seen.readable:
        status = f"datdot chain status --chain {quote(seen.url)}"
        return False, f"the chain cannot be read: look whether its node runs and is reached ({status})"
    if seen.age > STALE_SECONDS:
        return False, f"no finalized block came for {seen.age:.0f} s: look at the chain's node, or the way to it"
    if role not in ON_CHAIN:
        return True, "it follows the chain"
    if seen.refused is not None:
        return False, f"the node's key is not the account's operator: {how_to_operate(account, seen.refused, seen.url)}"
    if seen.reputation is None:
        return False, f"the account is not registered: send it money ({how_to_get(account, seen.url)})"
    return {"hoster": _hoster, "encoder": _encoder, "attester": _attester}[role](seen, account)


def _hoster(seen: Seen, account: str) -> tuple[bool, str]:
    hoster = seen.hoster
    if hoster is None:
        return False, "it has not offered anything yet: the log says what it waits for"
    if hoster.step > 0:
        status = f"datdot hoster status {account} --chain {quote(seen.url)}"
        return False, f"a storage challenge is overdue: {status} says until when it must be answered"
    if not hoster.open:
        return False, "its offer is not open: the log says what it waits for"
    return True, f"it offers {shown_size(hoster.capacity)}, of which {shown_size(hoster.used)} are used"


def _encoder(seen: Seen, account: str) -> tuple[bool, str]:
    if seen.encoder is None or not seen.encoder.open:
        return False, "its offer is not open: the log says what it waits for"
    return True, f"it offers encoding; jobs: {seen.encoder.jobs}"


def _attester(seen: Seen, account: str) -> tuple[bool, str]:
    if seen.attester is None or not seen.attester.slots:
        return False, "it has no slots: the log says what it waits for"
    return True, f"it has {len(seen.attester.slots)} slots"


def answer_of(roles: Collection[RoleState], free: int | None, reserve: int) -> tuple[str, Level]:
    """Return how a node stands, in a sentence, and how bad that is."""
    if free is not None and free < reserve:
        return f"The disk is full: {shown_size(free)} are free, and {shown_size(reserve)} should be", Level.PENALTY
    bad = [one for one in roles if not one.ready]
    if bad:
        return f"Not all is well: {bad[0].role}: {bad[0].why}", Level.WARNING
    return "All is well", Level.NOTE
