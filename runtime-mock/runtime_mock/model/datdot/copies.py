"""Copies: declining, their end, their records (pallet-spec/README.md sections 12 and 13)."""

from __future__ import annotations

from ..storage import State
from .block import deposit, era, less, now
from .changes import schedule
from .errors import Error, ensure, error
from .events import CopyAccepted, CopyEnded, CopyRemoved, CopyStruck, HosterCleared
from .items import Copies, Hosters, Moduli, Plans, Segments, StorageChallenges
from .jobs import end_job, want_encoder
from .limits import DECLINES, KEEP_ERAS, RECORDS, SECTOR
from .money import collect_into, copy_and_plan, put_copy_and_plan, reports_reserve, set_reserve
from .params import times
from .queue import arm, arm_first, need_hoster
from .ratio import fix_remainder
from .records import Copy, CopyEnd, CopyState, Plan
from .tables import drop_used, untable_copy
from .types import Declined, Wait


def parties(copy: Copy) -> list[bytes]:
    """Return a copy's hoster, then the encoders that confirmed a segment or are currently drawn."""
    drawn = [] if copy.encoder is None or copy.encoder in copy.encoders else [copy.encoder]
    return [copy.hoster, *copy.encoders, *drawn]


def decline_copy(s: State, account: bytes, copy_id: int) -> None:
    """Decline a copy that was just offered, by its hoster."""
    copy = Copies.get(s, copy_id)
    if copy is None:
        raise error(Error.NoSuchCopy)
    ensure(copy.hoster == account, Error.NotParty)
    ensure(copy.state == CopyState.OFFERED, Error.WrongState)
    hoster = Hosters.get(s, account)
    if hoster is None:
        raise error(Error.NoOffer)
    this_era = era(s)
    if hoster.decline_era != this_era:
        hoster.decline_era = this_era
        hoster.declines = 0
    ensure(hoster.declines < DECLINES, Error.TooManyDeclines)
    hoster.declines += 1
    Hosters.put(s, account, hoster)
    schedule(s, Declined(account, copy.sectors * SECTOR, copy.plan))
    _retire(s, copy_id, CopyEnd.DECLINED)


def accept(s: State, copy_id: int) -> None:
    """Accept a copy by the hoster's silence. It then needs an encoder."""
    found = copy_and_plan(s, copy_id)
    if found is None or found[0].state != CopyState.OFFERED:
        return
    copy, plan = found
    copy.state = CopyState.ACCEPTED
    want_encoder(s, copy_id, copy, plan)
    Copies.put(s, copy_id, copy)
    deposit(s, CopyAccepted(copy_id))


def end_copy(s: State, copy_id: int, reason: CopyEnd) -> None:
    """End a copy in `on_initialize`: the draw tables and the queue follow at once."""
    copy = Copies.get(s, copy_id)
    if copy is None or copy.state == CopyState.ENDED:
        return
    drop_used(s, copy.hoster, copy.sectors * SECTOR)
    _retire(s, copy_id, reason)
    need_hoster(s, copy.plan)


def _retire(s: State, copy_id: int, reason: CopyEnd) -> None:
    """Change everything that a copy's end changes, except the draw table of hosters and the queue."""
    found = copy_and_plan(s, copy_id)
    if found is None:
        return
    copy, plan = found
    if copy.stored > 0:
        collect_into(s, copy_id, copy, plan)
        hoster = Hosters.get(s, copy.hoster)
        copy.frozen = None if hoster is None else hoster.acc
        untable_copy(s, copy)
    _drop_samples(s, copy.hoster, copy_id)
    hoster = Hosters.get(s, copy.hoster)
    if hoster is not None:
        hoster.stored = less(hoster.stored, copy.stored)
        hoster.used = less(hoster.used, copy.sectors * SECTOR)
        hoster.copies = less(hoster.copies, 1)
        Hosters.put(s, copy.hoster, hoster)
    # A copy that came to nothing without its parties' doing is not held against them.
    if copy.stored > 0 or reason in (CopyEnd.DECLINED, CopyEnd.STALLED):
        _remember(plan, copy, times(s).memory)
    end_job(s, copy)
    plan.live = [live for live in plan.live if live != copy_id]
    plan.leaving = less(plan.leaving, int(copy.leaving > 0))
    plan.confirmed = plan.confirmed and any(Copies.at(s, live).stored for live in plan.live)
    copy.state = CopyState.ENDED
    copy.ended = now(s)
    reports = 0 if copy.active_since is None else reports_reserve(s, plan)
    set_reserve(copy, plan, min(copy.reserve, copy.halves + reports))
    put_copy_and_plan(s, copy_id, copy, plan)
    arm(s, Wait.RECORDS, times(s).era * KEEP_ERAS, copy_id)
    deposit(s, CopyEnded(copy_id, reason))


def _drop_samples(s: State, account: bytes, copy_id: int) -> None:
    """Ask no more for sectors of a copy that ended. A hoster of which nothing is asked any more is good."""
    challenge = StorageChallenges.get(s, account)
    if challenge is None or all(sample.copy != copy_id for sample in challenge.samples):
        return
    challenge.samples = [sample for sample in challenge.samples if sample.copy != copy_id]
    if challenge.samples:
        StorageChallenges.put(s, account, challenge)
        return
    StorageChallenges.remove(s, account)
    hoster = Hosters.get(s, account)
    if hoster is not None and hoster.step in (1, 2):
        clear(s, account)


def clear(s: State, account: bytes) -> None:
    """Take a hoster for good again. It earns nothing for the time up to now."""
    hoster = Hosters.at(s, account)
    hoster.step, hoster.last = 0, max(hoster.last, now(s))
    Hosters.put(s, account, hoster)
    deposit(s, HosterCleared(account))


def _remember(plan: Plan, copy: Copy, memory: int) -> None:
    """Record a copy's parties as former ones of its plan."""
    former = plan.former + parties(copy)
    plan.former = former[-memory:] if memory else plan.former


def remove_records(s: State, copy_id: int) -> None:
    """Remove an ended copy's records, 64 segments at a time. What is left of its reserve returns to the pot."""
    found = copy_and_plan(s, copy_id)
    if found is None:
        return
    copy, plan = found
    if copy.halves > 0 or (copy.invalid and copy.dropping):
        # A backlog delayed the second half of a fee, or a report came late: the records wait for both.
        arm(s, Wait.RECORDS, 1, copy_id)
        return
    removed, copy.segments = copy.segments[:RECORDS], copy.segments[RECORDS:]
    for part in removed:
        _remove_segment(s, part.segment)
    if copy.segments:
        Copies.put(s, copy_id, copy)
        # Behind the others' it would wait for three eras.
        arm_first(s, Wait.RECORDS, copy_id)
        return
    if copy.current is not None:
        _remove_segment(s, copy.current)
    set_reserve(copy, plan, 0)
    plan.records = less(plan.records, 1)
    Plans.put(s, copy.plan, plan)
    hoster = Hosters.get(s, copy.hoster)
    if hoster is not None:
        hoster.records = less(hoster.records, 1)
        Hosters.put(s, copy.hoster, hoster)
    Copies.remove(s, copy_id)
    deposit(s, CopyRemoved(copy_id))
    fix_remainder(s, copy.plan)


def _remove_segment(s: State, segment_id: int) -> None:
    Segments.remove(s, segment_id)
    Moduli.remove(s, segment_id)


def strike(s: State, copy_id: int) -> None:
    """Add a strike to a copy whose records exist."""
    copy = Copies.get(s, copy_id)
    if copy is None:
        return
    copy.strikes += 1
    Copies.put(s, copy_id, copy)
    deposit(s, CopyStruck(copy_id, copy.strikes))
