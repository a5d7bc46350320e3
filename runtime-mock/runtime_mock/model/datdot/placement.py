"""Placement: needs are met in order, by draws from the tables of peers (pallet-spec/README.md section 6)."""

from __future__ import annotations

from enum import Enum

from ..scale import U64
from ..storage import State
from .block import deposit, less, now, seed
from .copies import parties
from .crypto import draw
from .events import CopyOffered, EncoderDrawn
from .items import Copies, Encoders, EncoderSlots, Hosters, HosterSlots, NextCopy, Plans
from .limits import COPIES, JOBS, MISSES, SECTOR, TRIES
from .money import (
    collect_into,
    copy_and_plan,
    fee,
    held,
    paid_until,
    pot_free,
    put_copy_and_plan,
    reserve_for,
    set_reserve,
)
from .params import times
from .queue import arm, first_need, keep_need, pop_need, push_need
from .records import Copy, CopyState, Plan, PlanState
from .segments import job_sectors
from .tables import add_job, add_used, encoder_table, hoster_table
from .types import Encoder, Hoster, Need, NeedKind, Role, Wait


class Try(Enum):
    """The outcome of a try: the need is void; nobody fits; a peer was found and more are needed, or no more are."""

    VOID = 0
    MISS = 1
    FIT = 2
    MET = 3


def place(s: State) -> int:
    """Make up to 32 tries for the needs at the head. Return how many were made."""
    # Picks made in this block, by need: a need moved to the tail may reach the head again.
    picks: dict[tuple[NeedKind, int], int] = {}
    tries = 0
    while tries < TRIES:
        need = first_need(s)
        if need is None or need.ready > now(s):
            break
        tries += 1
        ctr = picks.get((need.kind, need.id), 0)
        attempt = _try_hoster if need.kind == NeedKind.HOSTER else _try_encoder
        outcome = attempt(s, need.id, ctr)
        if outcome is not Try.VOID:
            picks[need.kind, need.id] = ctr + 1
        _book(s, need, outcome)
    return tries


def _book(s: State, need: Need, outcome: Try) -> None:
    """Record the outcome of a try in its need."""
    if outcome in (Try.VOID, Try.MET):
        _met(s, need)
        return
    need.misses = need.misses + 1 if outcome is Try.MISS else 0
    if need.misses < MISSES:
        keep_need(s, need)
        return
    need.misses = 0
    pop_need(s)
    push_need(s, need)


def _met(s: State, need: Need) -> None:
    pop_need(s)
    plan = Plans.get(s, need.id) if need.kind == NeedKind.HOSTER else None
    if plan is not None:
        plan.queued = False
        Plans.put(s, need.id, plan)


def _is_party(s: State, plan: Plan, account: bytes) -> bool:
    copies = (Copies.get(s, copy_id) for copy_id in plan.live)
    return plan.sponsor == account or any(copy is not None and account in parties(copy) for copy in copies)


def _try_hoster(s: State, plan_id: int, ctr: int) -> Try:
    plan = Plans.get(s, plan_id)
    if plan is None or plan.state != PlanState.LIVE or len(plan.live) >= plan.terms.replicas:
        return Try.VOID
    picked = hoster_table(s).pick(draw(1, seed(s), U64.encode(plan_id), ctr))
    account = HosterSlots.get(s, picked[0]) if picked else None
    hoster = Hosters.get(s, account) if account is not None else None
    if account is None or hoster is None:
        return Try.MISS
    fits = (
        account not in plan.former
        and hoster.open
        and hoster.ask_disk <= plan.terms.max_ask_disk
        and hoster.ask_receiving <= plan.terms.max_ask_receiving
        and less(hoster.capacity, hoster.used) >= plan.sectors * SECTOR
        and hoster.copies < COPIES
        and not _is_party(s, plan, account)
    )
    return _offer_copy(s, plan_id, plan, account, hoster) if fits else Try.MISS


def _offered(plan_id: int, plan: Plan, account: bytes, hoster: Hoster, block: int) -> Copy:
    return Copy(
        plan=plan_id,
        hoster=account,
        encoder=None,
        encoders=[],
        state=CopyState.OFFERED,
        bytes=plan.bytes,
        sectors=plan.sectors,
        stored_bytes=0,
        stored=0,
        ask_disk=hoster.ask_disk,
        ask_receiving=hoster.ask_receiving,
        ask_encoding=0,
        fee=0,
        halves=0,
        reserve=0,
        debt=0,
        frozen=None,
        segments=[],
        current=None,
        generation=0,
        offered=block,
        first_confirmed=None,
        active_since=None,
        ended=None,
        slot=None,
        tabled=0,
        strikes=0,
    )


def _offer_copy(s: State, plan_id: int, plan: Plan, account: bytes, hoster: Hoster) -> Try:
    """Offer a copy to a hoster that fits, if the pot can pay it."""
    copy = _offered(plan_id, plan, account, hoster, now(s))
    want = reserve_for(s, copy, plan, less(plan.next_tick, now(s)))
    if pot_free(s, plan_id, plan) < want:
        return Try.MISS
    copy_id = NextCopy.get(s)
    NextCopy.put(s, copy_id + 1)
    plan.live.append(copy_id)
    set_reserve(copy, plan, want)
    plan.records += 1
    size = plan.sectors * SECTOR
    hoster.used += size
    hoster.copies += 1
    hoster.records += 1
    Hosters.put(s, account, hoster)
    add_used(s, account, size)
    arm(s, Wait.DECLINE, times(s).decline_window, copy_id)
    put_copy_and_plan(s, copy_id, copy, plan)
    deposit(s, CopyOffered(copy_id, plan_id, account))
    return Try.MET if len(plan.live) >= plan.terms.replicas else Try.FIT


def _try_encoder(s: State, copy_id: int, ctr: int) -> Try:
    found = copy_and_plan(s, copy_id)
    if found is None or found[0].state != CopyState.ACCEPTED:
        return Try.VOID
    copy, plan = found
    picked = encoder_table(s).pick(draw(2, seed(s), U64.encode(copy_id), ctr))
    account = EncoderSlots.get(s, picked[0]) if picked else None
    encoder = Encoders.get(s, account) if account is not None else None
    if account is None or encoder is None:
        return Try.MISS
    job = fee(encoder.ask, job_sectors(copy))
    fits = (
        encoder.open
        and encoder.ask <= plan.terms.max_ask_encoding
        and encoder.jobs < JOBS
        and encoder.unreleased + job <= held(s, account, Role.ENCODING)
        and not _is_party(s, plan, account)
    )
    return _assign(s, (copy_id, copy), plan, (account, encoder), job) if fits else Try.MISS


def _assign(s: State, to: tuple[int, Copy], plan: Plan, drawn: tuple[bytes, Encoder], job: int) -> Try:
    """Give a copy to an encoder that fits, if the pot can pay it."""
    (copy_id, copy), (account, encoder) = to, drawn
    # The reserve is counted from the block up to which the hoster was paid, so its earnings are paid first.
    collect_into(s, copy_id, copy, plan)
    put_copy_and_plan(s, copy_id, copy, plan)
    copy.encoder = account
    copy.ask_encoding = encoder.ask
    want = reserve_for(s, copy, plan, less(plan.next_tick, paid_until(s, copy, now(s))))
    if pot_free(s, copy.plan, plan) + copy.reserve < want:
        return Try.MISS
    set_reserve(copy, plan, want)
    copy.fee = job
    copy.state = CopyState.ASSIGNED
    copy.generation += 1
    encoder.jobs += 1
    encoder.unreleased += job
    Encoders.put(s, account, encoder)
    add_job(s, account)
    arm(s, Wait.BEGIN, times(s).begin_window, copy_id, copy.generation)
    put_copy_and_plan(s, copy_id, copy, plan)
    deposit(s, EncoderDrawn(copy_id, account))
    return Try.MET
