"""Copies: declining, their end, their records (pallet-spec/README.md sections 12 and 13)."""

from __future__ import annotations

from ..storage import State
from .block import deposit, era, less, now
from .changes import put_encoder_draw_out, put_hoster_draw_out, schedule
from .errors import Error, ensure, error
from .events import BeginMissed, CopyAccepted, CopyEnded, CopyRemoved, CopyStruck, Stalled
from .items import Copies, Encoders, Hosters, Moduli, Plans, Segments
from .limits import DECLINES, KEEP_ERAS, SECTOR
from .money import (
    burn_held,
    burn_pot,
    collect_into,
    copy_and_plan,
    fix_remainder,
    held,
    pot_free,
    put_copy_and_plan,
    reports_reserve,
    set_reserve,
)
from .params import amounts, times
from .queue import arm, need_hoster, push_need
from .records import Copy, CopyEnd, CopyState, Plan
from .tables import drop_job, drop_used, untable_copy
from .types import Declined, Need, NeedKind, Role, Wait


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
    copy = Copies.get(s, copy_id)
    if copy is None or copy.state != CopyState.OFFERED:
        return
    copy.state = CopyState.ACCEPTED
    _want_encoder(s, copy_id, copy)
    Copies.put(s, copy_id, copy)
    deposit(s, CopyAccepted(copy_id))


def _want_encoder(s: State, copy_id: int, copy: Copy) -> None:
    """Queue a copy's need of an encoder, with its deadline."""
    push_need(s, Need(NeedKind.ENCODER, copy_id, now(s) + times(s).seed_delay))
    arm(s, Wait.ENCODER_DRAW, times(s).encoder_wait, copy_id, copy.generation)


def no_encoder(s: State, copy_id: int, generation: int) -> None:
    """End the wait for an encoder: none was drawn in time."""
    copy = Copies.get(s, copy_id)
    if copy is not None and copy.state == CopyState.ACCEPTED and copy.generation == generation:
        end_copy(s, copy_id, CopyEnd.NO_ENCODER)


def begin_missed(s: State, copy_id: int, generation: int) -> None:
    """Punish a drawn encoder that did not begin: it is fined and out, and only the encoder is drawn again."""
    copy = Copies.get(s, copy_id)
    if copy is None or copy.state != CopyState.ASSIGNED or copy.generation != generation or copy.encoder is None:
        return
    encoder = copy.encoder
    burned = burn_held(s, encoder, Role.ENCODING, amounts(s).begin_fine)
    _end_job(s, copy)
    _put_encoder_out(s, encoder)
    copy.state = CopyState.ACCEPTED
    _want_encoder(s, copy_id, copy)
    Copies.put(s, copy_id, copy)
    deposit(s, BeginMissed(copy_id, encoder, burned))


def _end_job(s: State, copy: Copy) -> None:
    """Take the drawn encoder off a copy, in `on_initialize`."""
    account, copy.encoder = copy.encoder, None
    if account is None:
        return
    fee, copy.fee = copy.fee, 0
    copy.ask_encoding = 0
    encoder = Encoders.get(s, account)
    if encoder is not None:
        encoder.jobs = less(encoder.jobs, 1)
        encoder.unreleased = less(encoder.unreleased, fee)
        Encoders.put(s, account, encoder)
    drop_job(s, account)


def _put_encoder_out(s: State, account: bytes) -> None:
    """Take an encoder out of the draw table until it renews its offer, in `on_initialize`."""
    encoder = Encoders.get(s, account)
    if encoder is not None and encoder.open:
        encoder.open, encoder.out_since = False, now(s)
        Encoders.put(s, account, encoder)
    put_encoder_draw_out(s, account, held(s, account, Role.ENCODING))


def _put_hoster_out(s: State, account: bytes) -> None:
    hoster = Hosters.get(s, account)
    if hoster is not None and hoster.open:
        hoster.open, hoster.out_since = False, now(s)
        Hosters.put(s, account, hoster)
    put_hoster_draw_out(s, account, held(s, account, Role.HOSTING))


def lease_passed(s: State, copy_id: int, segment: int) -> None:
    """End a copy whose lease passed: all three parties pay, and hoster and encoder are out."""
    found = copy_and_plan(s, copy_id)
    if found is None:
        return
    copy, plan = found
    if copy.state not in (CopyState.BEGUN, CopyState.ENCODING) or copy.current != segment or copy.encoder is None:
        return
    hoster, encoder, fine = copy.hoster, copy.encoder, amounts(s).stall_fine
    collateral = burn_held(s, hoster, Role.HOSTING, fine)
    bond = burn_held(s, encoder, Role.ENCODING, fine)
    pot = burn_pot(s, copy.plan, plan, min(fine, pot_free(s, copy.plan, plan)))
    Plans.put(s, copy.plan, plan)
    _put_hoster_out(s, hoster)
    _put_encoder_out(s, encoder)
    deposit(s, Stalled(copy_id, hoster, encoder, collateral, bond, pot))
    end_copy(s, copy_id, CopyEnd.STALLED)


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
    hoster = Hosters.get(s, copy.hoster)
    if hoster is not None:
        hoster.stored = less(hoster.stored, copy.stored)
        hoster.used = less(hoster.used, copy.sectors * SECTOR)
        hoster.copies = less(hoster.copies, 1)
        Hosters.put(s, copy.hoster, hoster)
    _remember(plan, copy, times(s).memory)
    _end_job(s, copy)
    plan.live = [live for live in plan.live if live != copy_id]
    copy.state = CopyState.ENDED
    copy.ended = now(s)
    reports = 0 if copy.active_since is None else reports_reserve(s, plan)
    set_reserve(copy, plan, min(copy.reserve, copy.halves + reports))
    put_copy_and_plan(s, copy_id, copy, plan)
    arm(s, Wait.RECORDS, times(s).era * KEEP_ERAS, copy_id)
    deposit(s, CopyEnded(copy_id, reason))


def _remember(plan: Plan, copy: Copy, memory: int) -> None:
    """Record a copy's parties as former ones of its plan."""
    former = plan.former + parties(copy)
    plan.former = former[-memory:] if memory else plan.former


def remove_records(s: State, copy_id: int) -> None:
    """Remove an ended copy's records. What is left of its reserve returns to the pot."""
    found = copy_and_plan(s, copy_id)
    if found is None:
        return
    copy, plan = found
    if copy.halves > 0:
        # A backlog delayed the second half of a fee: the records wait for it.
        arm(s, Wait.RECORDS, 1, copy_id)
        return
    current = [] if copy.current is None else [copy.current]
    for segment in [part.segment for part in copy.segments] + current:
        Segments.remove(s, segment)
        Moduli.remove(s, segment)
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


def strike(s: State, copy_id: int) -> None:
    """Add a strike to a copy whose records exist."""
    copy = Copies.get(s, copy_id)
    if copy is None:
        return
    copy.strikes += 1
    Copies.put(s, copy_id, copy)
    deposit(s, CopyStruck(copy_id, copy.strikes))
