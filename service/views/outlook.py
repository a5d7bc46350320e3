"""How long a plan's pot lasts, and why copies of it have no hoster: one source for the API, the pages and `plan show`. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from service.chain_client.pallet.types import Copy, CopyState, Hoster, Plan, PlanState, RegisteredPeer, Times
from service.roles.common.ratio import kept

from .fitting import Misfits, misfits

GONE = (CopyState.ENDED,)


@dataclass(frozen=True, slots=True)
class Runway:
    """For how long a pot pays at its mean burn since the plan was published (None: nothing burned yet), and has to."""

    burned_per_era: int
    lasts_eras: int | None
    ends_in_eras: int


def runway(plan: Plan, pot: int, now: int, era: int) -> Runway:
    """Return how far the money in a plan's pot goes, at block `now`; `era` are the blocks of an era."""
    mean = plan.burned * era // max(1, now - plan.published)
    free = _free(plan, pot)
    return Runway(mean, free // mean if mean else None, max(0, plan.terms.until - now) // era)


def _free(plan: Plan, pot: int) -> int:
    """Return what a pot has for ticks. What it keeps pays none: it is kept again for the era after it."""
    return max(0, pot - kept(plan.reserved, plan.burned - plan.mark))


def lasting(lasts_eras: int | None, ends_in_eras: int) -> str:
    """Return the sentence on how far a pot's money goes."""
    if lasts_eras is None:
        return "Nothing was paid from its pot yet."
    if lasts_eras >= ends_in_eras:
        return "At its mean burn the money lasts to the plan’s end."
    return (
        f"At its mean burn the money lasts {lasts_eras:,} {'era' if lasts_eras == 1 else 'eras'} of {ends_in_eras:,}."
    )


def at_the_end(plan: Plan, pot: int, now: int) -> tuple[int | None, int]:
    """Return the block in which a plan ends unpaid at its mean burn, and what is left in its pot at its end.

    The block is None if the pot pays to the end of the plan's terms.
    """
    left, gone = max(0, plan.terms.until - now), max(1, now - plan.published)
    needed, free = plan.burned * left // gone, _free(plan, pot)
    if needed <= free:
        return None, pot - needed
    return now + free * gone // plan.burned, pot - free


@dataclass(frozen=True, slots=True)
class Placement:
    """How many copies of a plan have no hoster, what happens next, what to do, and why other hosters do not fit."""

    missing: int
    fitting: int
    """Hosters that fit its terms and keep none of its copies."""
    outlook: str
    """A sentence; empty if no copy is missing."""
    remedy: str
    why_not: list[str]
    """Sentences on the hosters that do not fit, by reason."""


def missing_of(plan: Plan, copies: Mapping[int, Copy]) -> int:
    """Return how many of a plan's copies have no hoster. `copies` are the plan's."""
    kept = sum(1 for one in copies.values() if one.state not in GONE)
    return max(0, plan.terms.replicas - kept) if plan.state is PlanState.LIVE else 0


WHOLE = Placement(0, 0, "", "", [])


def placement(
    number: int,
    plan: Plan,
    copies: Mapping[int, Copy],
    hosters: Mapping[bytes, Hoster],
    peers: Mapping[bytes, RegisteredPeer],
    ratio: int,
    times: Times,
    now: int,
) -> Placement:
    """Return how plan `number` is placed at block `now`. `copies` are the plan's, `ratio` is its sponsor's in millionths.

    Hosters and peers are needed only if a copy is missing (`missing_of`).
    """
    kept = [one for one in copies.values() if one.state not in GONE]
    missing = missing_of(plan, copies)
    if not missing:
        return WHOLE
    having = {plan.sponsor, *plan.former} | {one.hoster for one in kept}
    paused = {
        account
        for account, one in hosters.items()
        if one.pause is not None and now <= one.pause + times.proof_window + times.pause
    }
    found = misfits(plan, hosters, peers, having, ratio, paused)
    return Placement(missing, found.fitting, *_said(number, plan, found), found.sentences(plan))


def _said(number: int, plan: Plan, found: Misfits) -> tuple[str, str]:
    """Return what happens next, and what to do."""
    if plan.waiting:
        told = f"Nobody could get or encode the feed: the plan asks for a hoster again in block {plan.next_tick}."
        return told, "See that the feed is served, and reached."
    if found.fitting:
        some = "1 hoster fits and keeps" if found.fitting == 1 else f"{found.fitting} hosters fit and keep"
        return f"{some} no copy of it: the chain draws one in the next blocks.", "Nothing for you to do."
    none = "No hoster fits that keeps no copy of it."
    if found.by_terms:
        return none, f"Its sponsor can raise what it pays, or ask for less: datdot plan amend {number}"
    return none, "Other terms would not help: more hosters must offer, or those that do must have room again."
