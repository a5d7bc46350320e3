"""Plans: publication, donations, ticks, the end, refunds (pallet-spec/README.md sections 7 and 11)."""

from __future__ import annotations

from ..frame import balances
from ..frame.balances import EXPENDABLE, PRESERVE
from ..frame.limits import EXISTENTIAL_DEPOSIT
from ..storage import State
from . import heads, ranges
from .block import deposit, less, now
from .copies import end_copy
from .errors import Error, ensure, error
from .events import Donated, PlanClosed, PlanEnded, PlanEnding, PlanPublished, PotLow, Refunded
from .growth import grow
from .items import Copies, Frozen, NextPlan, PlanRoots, Plans, Shares
from .limits import HOSTER_ROUNDS, MAX_AMOUNT, MAX_PLAN_BYTES, MAX_REPLICAS, PPM, REPORT_ERAS, SECTOR
from .money import (
    burn,
    can_pay,
    collect,
    copy_and_plan,
    dearest,
    ensure_spendable,
    era_cost,
    fee_ceil,
    mul_div,
    paid_until,
    pot_account,
    pot_free,
    pot_value,
    reserve_for,
    set_reserve,
)
from .params import amounts, times
from .queue import NEW, arm, arm_at, lane_of, push_need, wants_hoster
from .ratio import burn_unpaid, fix_remainder, surcharge
from .records import BlockRange, CopyEnd, OpenedNode, Plan, PlanEnd, PlanState, SignedHead, Terms
from .regions import is_region
from .types import Need, NeedKind, Wait


def check_terms(s: State, terms: Terms) -> None:
    """Raise AmountTooLarge or BadTerms unless a plan may have these terms from now on."""
    caps = (terms.max_ask_disk, terms.max_ask_encoding, terms.max_ask_receiving, terms.report_price)
    ensure(max(caps) <= MAX_AMOUNT, Error.AmountTooLarge)
    until = now(s) < terms.until <= now(s) + times(s).plan_eras * times(s).era
    regions = all(region and is_region(region) for region in terms.regions)
    rules = 1 <= terms.replicas <= MAX_REPLICAS and until and terms.min_reputation <= PPM and regions
    ensure(rules, Error.BadTerms)


def _least_pot(s: State, terms: Terms, sectors: int) -> int:
    """Return the smallest pot for publication: what it keeps for all replicas' reserves at the caps for one era."""
    stored = fee_ceil(terms.max_ask_disk, sectors) + fee_ceil(terms.max_ask_receiving, sectors)
    encoded = fee_ceil(terms.max_ask_encoding, sectors + times(s).checkpoint)
    return dearest((terms.report_price * REPORT_ERAS * times(s).seats + stored + encoded) * terms.replicas)


def publish_plan(
    s: State,
    sponsor: bytes,
    signed: SignedHead,
    block_ranges: list[BlockRange],
    nodes: list[OpenedNode],
    terms: Terms,
    pot: int,
) -> None:
    """Publish a plan for block ranges of a feed and fill its pot."""
    check_terms(s, terms)
    ensure(terms.report_price >= amounts(s).report_price, Error.BadTerms)
    ensure(pot <= MAX_AMOUNT, Error.AmountTooLarge)
    head = heads.check(signed)
    ensure(not Frozen.contains(s, signed.key), Error.FeedFrozen)
    ensure(not terms.live or (bool(block_ranges) and block_ranges[-1].end == head.length), Error.BadRanges)
    proven = ranges.prove(head.length, signed.roots, block_ranges, nodes)
    size = sum(one.bytes for one in proven)
    ensure(1 <= size <= MAX_PLAN_BYTES, Error.BadPlanSize)
    sectors = -(-size // SECTOR)
    ensure(pot >= amounts(s).min_donation, Error.DonationTooSmall)
    ensure(pot >= _least_pot(s, terms, sectors), Error.PotTooSmall)
    fee, put_in = amounts(s).publish_fee, pot + EXISTENTIAL_DEPOSIT
    ensure_spendable(s, sponsor, fee + put_in)

    plan_id = NextPlan.get(s)
    NextPlan.put(s, plan_id + 1)
    burn(s, sponsor, fee)
    balances.transfer(s, sponsor, pot_account(plan_id), put_in, PRESERVE)
    plan = Plan(
        sponsor=sponsor,
        feed=signed.key,
        head=head,
        ranges=proven,
        bytes=size,
        sectors=sectors,
        terms=terms,
        state=PlanState.LIVE,
        published=now(s),
        next_tick=now(s) + times(s).era,
        shares=pot,
        donors=1,
        founded=pot,
    )
    push_need(s, NEW, Need(NeedKind.HOSTER, plan_id, now(s) + times(s).seed_delay))
    arm(s, Wait.TICK, times(s).era, plan_id)
    Plans.put(s, plan_id, plan)
    PlanRoots.put(s, plan_id, signed.roots)
    Shares.put(s, plan_id, sponsor, pot)
    deposit(s, PlanPublished(plan_id, sponsor, signed.key, size, pot))


def get_plan(s: State, plan_id: int) -> Plan:
    """Return a plan. Raises NoSuchPlan."""
    plan = Plans.get(s, plan_id)
    if plan is None:
        raise error(Error.NoSuchPlan)
    return plan


def donate(s: State, account: bytes, plan_id: int, amount: int, fresh: int) -> None:
    """Add to a plan's pot, in exchange for shares of the remainder. `fresh` is the plan's, as the donor saw it."""
    plan = get_plan(s, plan_id)
    ensure(plan.state == PlanState.LIVE, Error.PlanNotLive)
    ensure(plan.fresh == fresh, Error.TermsChanged)
    ensure(amount <= MAX_AMOUNT, Error.AmountTooLarge)
    ensure(amount >= amounts(s).min_donation, Error.DonationTooSmall)
    value = pot_value(s, plan_id)
    ensure(value > 0 and value * PPM * PPM >= plan.shares, Error.PotExhausted)
    ensure_spendable(s, account, amount)
    balances.transfer(s, account, pot_account(plan_id), amount, PRESERVE)
    shares = mul_div(amount, plan.shares, by=value)
    plan.shares += shares
    if account == plan.sponsor and plan.donors == 1:
        plan.founded += shares
    before = Shares.get(s, plan_id, account)
    plan.donors += before is None
    Shares.put(s, plan_id, account, (before or 0) + shares)
    Plans.put(s, plan_id, plan)
    deposit(s, Donated(plan_id, account, amount, shares))


def end_plan(s: State, account: bytes, plan_id: int) -> None:
    """Give notice, by the sponsor: the plan ends `EndNotice` blocks later."""
    plan = get_plan(s, plan_id)
    ensure(plan.sponsor == account, Error.NotSponsor)
    ensure(plan.state == PlanState.LIVE, Error.PlanNotLive)
    give_plan_notice(s, plan_id, plan, forked=False)


def give_plan_notice(s: State, plan_id: int, plan: Plan, forked: bool) -> None:
    """Let a plan end when its notice is over. Raises AlreadyEnding."""
    ensure(not plan.ending, Error.AlreadyEnding)
    plan.ending = True
    Plans.put(s, plan_id, plan)
    notice = times(s).end_notice
    arm(s, Wait.END_PLAN, notice, plan_id, int(forked))
    deposit(s, PlanEnding(plan_id, now(s) + notice))


def tick(s: State, plan_id: int) -> int:
    """Do the plan's tick, early enough or late: it reserves an era from now on. Return what it counts."""
    plan = Plans.get(s, plan_id)
    if plan is None or plan.state != PlanState.LIVE:
        return 1
    for copy_id in plan.live:
        if copy_and_plan(s, copy_id) is not None:
            collect(s, copy_id)
    plan = Plans.at(s, plan_id)
    surcharge(s, plan_id, plan)
    Plans.put(s, plan_id, plan)
    if Frozen.contains(s, plan.feed):
        _finish_plan(s, plan_id, PlanEnd.FROZEN)
    elif now(s) >= plan.terms.until:
        _finish_plan(s, plan_id, PlanEnd.UNTIL)
    elif not _prepay(s, plan_id, plan.live):
        _finish_plan(s, plan_id, PlanEnd.UNPAID)
    else:
        grow(s, plan_id)
        _try_again(s, plan_id)
    return 1 + max(1, len(plan.live))


def _try_again(s: State, plan_id: int) -> None:
    """Let a plan that waited, or whose need sleeps, ask for a hoster once more, for a fee.

    A plan without copies pays it also while its need is queued: its ticks cost the chain as much as others'.
    """
    plan = Plans.at(s, plan_id)
    plan.waiting, plan.declined = False, 0
    fee = amounts(s).retry_fee
    asks = wants_hoster(plan) and not plan.queued and pot_free(s, plan_id, plan) >= fee
    if asks or not plan.live:
        burn_unpaid(s, plan_id, plan, fee)
    if asks:
        plan.queued = True
        need = Need(NeedKind.HOSTER, plan_id, now(s) + times(s).seed_delay, rounds=HOSTER_ROUNDS - 1)
        push_need(s, lane_of(plan), need)
    Plans.put(s, plan_id, plan)


def _prepay(s: State, plan_id: int, live: list[int]) -> bool:
    """Set the reserves of a plan's live copies until its next tick.

    Return False if the pot cannot pay them, or has no fee for a plan without copies.
    """
    plan = Plans.get(s, plan_id)
    if plan is None or (not live and pot_free(s, plan_id, plan) < amounts(s).retry_fee):
        return False
    following = now(s) + times(s).era
    copies = [(copy_id, copy) for copy_id in live if (copy := Copies.get(s, copy_id)) is not None]
    wants = [reserve_for(s, copy, plan, less(following, paid_until(s, copy, now(s)))) for _, copy in copies]
    ended = less(plan.reserved, sum(copy.reserve for _, copy in copies))
    fee = amounts(s).tick_fee * len(copies)
    if not can_pay(s, plan_id, plan, ended + sum(wants), fee):
        return False
    burn_unpaid(s, plan_id, plan, fee)
    for (copy_id, copy), want in zip(copies, wants, strict=True):
        set_reserve(copy, plan, want)
        Copies.put(s, copy_id, copy)
    plan.next_tick = following
    low = pot_free(s, plan_id, plan) < era_cost(s, [copy for _, copy in copies])
    Plans.put(s, plan_id, plan)
    arm_at(s, Wait.TICK, following, plan_id)
    if low:
        deposit(s, PotLow(plan_id, following))
    return True


def end_called(s: State, plan_id: int, forked: bool) -> int:
    """End a plan whose notice has passed. Return what it counts."""
    plan = Plans.get(s, plan_id)
    if plan is None or plan.state != PlanState.LIVE:
        return 1
    _finish_plan(s, plan_id, PlanEnd.FORKED if forked else PlanEnd.CALLED)
    return max(1, len(plan.live))


def _finish_plan(s: State, plan_id: int, reason: PlanEnd) -> None:
    plan = Plans.get(s, plan_id)
    if plan is None:
        return
    plan.state = PlanState.ENDED
    Plans.put(s, plan_id, plan)
    deposit(s, PlanEnded(plan_id, reason))
    for copy_id in plan.live:
        end_copy(s, copy_id, CopyEnd.PLAN_ENDED)
    fix_remainder(s, plan_id)


def claim_refund(s: State, plan_id: int, account: bytes) -> None:
    """Give a donor its share of an ended plan's remainder, by anyone."""
    plan = get_plan(s, plan_id)
    if plan.remainder is None:
        raise error(Error.NotClaimable)
    shares = Shares.get(s, plan_id, account)
    if shares is None:
        raise error(Error.NoShares)
    Shares.remove(s, plan_id, account)
    plan.donors = less(plan.donors, 1)
    pot, last = pot_account(plan_id), plan.donors == 0
    part = pot_value(s, plan_id) if last else mul_div(plan.remainder, shares, by=plan.shares)
    # An account that is gone and would not exist with its part gets nothing: what stays goes with the last claim.
    amount = part if balances.free(s, account) + part >= EXISTENTIAL_DEPOSIT else 0
    if amount > 0:
        balances.transfer(s, pot, account, amount, PRESERVE)
    if last:
        balances.transfer(s, pot, plan.sponsor, balances.free(s, pot), EXPENDABLE)
        Plans.remove(s, plan_id)
        PlanRoots.remove(s, plan_id)
    else:
        Plans.put(s, plan_id, plan)
    deposit(s, Refunded(plan_id, account, amount))
    if last:
        deposit(s, PlanClosed(plan_id))
