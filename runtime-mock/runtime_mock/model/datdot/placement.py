"""Placement: needs are met in order, by draws from the tables of peers (pallet-spec/README.md section 6)."""

from __future__ import annotations

from enum import Enum

from ..scale import U64
from ..storage import State
from .block import deposit, less, now, seed
from .changes import reputation
from .copies import parties
from .crypto import draw
from .events import CopyOffered, EncoderDrawn, NeedSleeps
from .items import Copies, EncoderDraws, Encoders, EncoderSlots, HosterDraws, Hosters, HosterSlots, NextCopy, Plans
from .limits import COPIES, DROP_PART, ENCODER_ROUNDS, HOSTER_ROUNDS, JOBS, LANES, MISSES, SECTOR, TRIES
from .money import (
    can_pay,
    collect_into,
    copy_and_plan,
    fee,
    held,
    paid_until,
    put_copy_and_plan,
    reserve_for,
    set_reserve,
)
from .params import amounts, times
from .pauses import is_paused
from .queue import CONFIRMED, NEW, arm, first_need, keep_need, pop_need, push_need, wants_hoster
from .ratio import cost
from .records import Copy, CopyState, Plan
from .segments import job_sectors
from .stalls import no_encoder
from .tables import add_job, add_used, encoder_table, hoster_table, is_secured
from .types import Encoder, EncoderDraw, Hoster, HosterDraw, Need, NeedKind, Role, Wait


class Try(Enum):
    """The outcome of a try: the need is void; it is too early; nobody fits; somebody does, and more or no more are needed."""

    VOID = 0
    LATER = 1
    MISS = 2
    FIT = 3
    MET = 4


# Picks made in this block, by need: a need moved to the tail may reach the head again.
Picks = dict[tuple[NeedKind, int], int]


def place(s: State) -> int:
    """Make up to 32 tries for the needs at the heads of both lanes. Return how many were made."""
    picks: Picks = {}
    most = LANES * TRIES
    tries = _place_in(s, CONFIRMED, TRIES, picks)
    tries += _place_in(s, NEW, most - tries, picks)
    return tries + _place_in(s, CONFIRMED, most - tries, picks)


def _place_in(s: State, lane: int, most: int, picks: Picks) -> int:
    """Make up to `most` tries for the needs at the head of a lane. Return how many were made."""
    tries = 0
    while tries < most:
        need = first_need(s, lane)
        if need is None or need.ready > now(s):
            break
        tries += 1
        ctr = picks.get((need.kind, need.id), 0)
        attempt = _try_hoster if need.kind == NeedKind.HOSTER else _try_encoder
        outcome = attempt(s, need.id, ctr)
        if outcome not in (Try.VOID, Try.LATER):
            picks[need.kind, need.id] = ctr + 1
        _book(s, lane, need, outcome)
    return tries


def _book(s: State, lane: int, need: Need, outcome: Try) -> None:
    """Record the outcome of a try in its need."""
    if outcome in (Try.VOID, Try.MET):
        _met(s, lane, need)
    elif outcome is Try.LATER:
        pop_need(s, lane)
        push_need(s, lane, need)
    elif outcome is Try.FIT:
        need.misses = need.rounds = 0
        keep_need(s, lane, need)
    elif need.misses + 1 < MISSES:
        need.misses += 1
        keep_need(s, lane, need)
    else:
        _move(s, lane, need)


def _move(s: State, lane: int, need: Need) -> None:
    """Move a need that nobody fits to the tail. After its last round it sleeps, or an encoder's gives up."""
    pop_need(s, lane)
    need.misses = 0
    need.rounds += 1
    if need.rounds < (HOSTER_ROUNDS if need.kind == NeedKind.HOSTER else ENCODER_ROUNDS):
        push_need(s, lane, need)
    elif need.kind == NeedKind.HOSTER:
        _not_queued(s, need.id)
        _forgive(s, need.id)
        deposit(s, NeedSleeps(need.id))
    else:
        copy = Copies.get(s, need.id)
        if copy is not None:
            no_encoder(s, need.id, copy.generation)


def _met(s: State, lane: int, need: Need) -> None:
    pop_need(s, lane)
    if need.kind == NeedKind.HOSTER:
        _not_queued(s, need.id)


def _not_queued(s: State, plan_id: int) -> None:
    plan = Plans.get(s, plan_id)
    if plan is not None:
        plan.queued = False
        Plans.put(s, plan_id, plan)


def _forgive(s: State, plan_id: int) -> None:
    """Forget the older half of a plan's former parties: a small network has no others for it."""
    plan = Plans.get(s, plan_id)
    if plan is not None:
        plan.former = plan.former[-(-len(plan.former) // 2) :]
        Plans.put(s, plan_id, plan)


def _live(s: State, plan: Plan) -> list[Copy]:
    copies = (Copies.get(s, copy_id) for copy_id in plan.live)
    return [copy for copy in copies if copy is not None]


def _is_party(s: State, plan: Plan, account: bytes) -> bool:
    return plan.sponsor == account or any(account in parties(copy) for copy in _live(s, plan))


def _is_hoster(s: State, plan: Plan, account: bytes) -> bool:
    return plan.sponsor == account or any(account == copy.hoster for copy in _live(s, plan))


def _try_hoster(s: State, plan_id: int, ctr: int) -> Try:
    plan = Plans.get(s, plan_id)
    if plan is None or not wants_hoster(plan):
        return Try.VOID
    if now(s) < plan.fresh:
        return Try.LATER
    picked = hoster_table(s).pick(draw(1, seed(s), U64.encode(plan_id), ctr))
    account = HosterSlots.get(s, picked[0]) if picked else None
    if account is None:
        return Try.MISS
    hoster, entry = Hosters.get(s, account), HosterDraws.get(s, account)
    if hoster is None or entry is None or not _hoster_fits(s, plan, account, hoster, entry):
        return Try.MISS
    return _offer_copy(s, plan_id, plan, account, hoster, entry)


def _hoster_fits(s: State, plan: Plan, account: bytes, hoster: Hoster, entry: HosterDraw) -> bool:
    """Return whether a hoster suits a plan. Its asks and region are those that the draw knew."""
    terms = plan.terms
    return (
        account not in plan.former
        and hoster.open
        and hoster.step == 0
        and not is_paused(s, hoster)
        and cost(s, plan.sponsor, entry.ask_disk) <= terms.max_ask_disk
        and cost(s, plan.sponsor, entry.ask_receiving) <= terms.max_ask_receiving
        and entry.ask_receiving <= amounts(s).collateral // DROP_PART
        and reputation(s, account) >= terms.min_reputation
        and (not terms.regions or any(entry.region.startswith(region) for region in terms.regions))
        and less(hoster.capacity, hoster.used) >= plan.sectors * SECTOR
        and hoster.copies < COPIES
        and is_secured(s, account, hoster.used + plan.sectors * SECTOR)
        and not _is_party(s, plan, account)
    )


def _offered(plan_id: int, plan: Plan, account: bytes, entry: HosterDraw, block: int) -> Copy:
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
        ask_disk=entry.ask_disk,
        ask_receiving=entry.ask_receiving,
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
        head=plan.head,
    )


def _offer_copy(s: State, plan_id: int, plan: Plan, account: bytes, hoster: Hoster, entry: HosterDraw) -> Try:
    """Offer a copy to a hoster that fits, if the pot can pay it."""
    copy = _offered(plan_id, plan, account, entry, now(s))
    want = reserve_for(s, copy, plan, less(plan.next_tick, now(s)))
    if not can_pay(s, plan_id, plan, plan.reserved + want):
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
    return Try.FIT if wants_hoster(plan) else Try.MET


def _try_encoder(s: State, copy_id: int, ctr: int) -> Try:
    found = copy_and_plan(s, copy_id)
    if found is None or found[0].state != CopyState.ACCEPTED:
        return Try.VOID
    copy, plan = found
    if now(s) < plan.fresh:
        return Try.LATER
    picked = encoder_table(s).pick(draw(2, seed(s), U64.encode(copy_id), ctr))
    account = EncoderSlots.get(s, picked[0]) if picked else None
    if account is None:
        return Try.MISS
    encoder, entry = Encoders.get(s, account), EncoderDraws.get(s, account)
    if encoder is None or entry is None:
        return Try.MISS
    job = fee(entry.ask, job_sectors(s, copy))
    if not _encoder_fits(s, copy, plan, account, encoder, entry, job):
        return Try.MISS
    return _assign(s, copy_id, copy, plan, account, entry.ask, job)


def _encoder_fits(
    s: State, copy: Copy, plan: Plan, account: bytes, encoder: Encoder, entry: EncoderDraw, job: int
) -> bool:
    """Return whether an encoder suits a copy. Its ask is the one that the draw knew."""
    # Encoders that make a whole copy longer are no parties, else a live plan would use up all of them.
    taken = _is_party if copy.active_since is None else _is_hoster
    return (
        encoder.open
        and cost(s, plan.sponsor, entry.ask) <= plan.terms.max_ask_encoding
        and encoder.jobs < JOBS
        and encoder.unreleased + job <= held(s, account, Role.ENCODING)
        and not taken(s, plan, account)
    )


def _assign(s: State, copy_id: int, copy: Copy, plan: Plan, account: bytes, ask: int, job: int) -> Try:
    """Give a copy to an encoder that fits, if the pot can pay it."""
    # The reserve is counted from the block up to which the hoster was paid, so its earnings are paid first.
    collect_into(s, copy_id, copy, plan)
    put_copy_and_plan(s, copy_id, copy, plan)
    copy.encoder = account
    copy.ask_encoding = ask
    want = reserve_for(s, copy, plan, less(plan.next_tick, paid_until(s, copy, now(s))))
    if not can_pay(s, copy.plan, plan, less(plan.reserved, copy.reserve) + want):
        return Try.MISS
    set_reserve(copy, plan, want)
    copy.fee = job
    copy.state = CopyState.ASSIGNED
    copy.generation += 1
    encoder = Encoders.at(s, account)
    encoder.jobs += 1
    encoder.unreleased += job
    Encoders.put(s, account, encoder)
    add_job(s, account)
    arm(s, Wait.BEGIN, times(s).begin_window, copy_id, copy.generation)
    put_copy_and_plan(s, copy_id, copy, plan)
    deposit(s, EncoderDrawn(copy_id, account))
    return Try.MET
