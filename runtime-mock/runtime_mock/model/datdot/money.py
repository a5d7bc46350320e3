"""Money: burning, minting, holds and their counts, a copy's reserve and pay (pallet-spec/README.md section 11)."""

from __future__ import annotations

import structlog

from ..frame import balances
from ..frame.balances import PRESERVE
from ..frame.dispatch import DispatchError
from ..frame.limits import EXISTENTIAL_DEPOSIT
from ..storage import State
from .block import deposit, less
from .errors import Error, ensure, error
from .events import Paid
from .items import Burned, Copies, Encoders, Hosters, Minted, Plans, Ratios, Segments
from .limits import GIB_SECTORS, MARGIN, MIN_RATIO, PALLET, PALLET_ID, PPM, REPORT_ERAS
from .params import amounts, times
from .records import Copy, Plan
from .types import Payment, Role

log = structlog.get_logger(__name__)

MAX_BALANCE = 2**128 - 1


def mul_div(*factors: int, by: int) -> int:
    """Return the factors' product / by, rounded down and at most the largest balance; by = 0 gives 0."""
    product = 1
    for factor in factors:
        product *= factor
    return min(product // by, MAX_BALANCE) if by else 0


def mul_div_ceil(*factors: int, by: int) -> int:
    """Return the same as `mul_div`, rounded up."""
    product = 1
    for factor in factors:
        product *= factor
    return min(-(-product // by), MAX_BALANCE) if by else 0


def fee(price: int, sectors: int) -> int:
    """Return price x sectors / sectors of a GiB, rounded down."""
    return mul_div(price, sectors, by=GIB_SECTORS)


def fee_ceil(price: int, sectors: int) -> int:
    """Return the same as `fee`, rounded up."""
    return mul_div_ceil(price, sectors, by=GIB_SECTORS)


def count_burned(s: State, amount: int) -> None:
    """Count money that leaves circulation: what the pallet burns, and fees, tips and dust."""
    if amount:
        Burned.put(s, min(Burned.get(s) + amount, MAX_BALANCE))


def count_minted(s: State, amount: int) -> None:
    """Count money that the pallet mints."""
    if amount:
        Minted.put(s, min(Minted.get(s) + amount, MAX_BALANCE))


def count_given(s: State, account: bytes, amount: int) -> None:
    """Count what an account earned."""
    if amount:
        ratio = Ratios.get(s, account)
        ratio.given = min(ratio.given + amount, MAX_BALANCE)
        Ratios.put(s, account, ratio)


def count_taken(s: State, account: bytes, amount: int) -> None:
    """Count what an account's pots burned for others."""
    if amount:
        ratio = Ratios.get(s, account)
        ratio.taken = min(ratio.taken + amount, MAX_BALANCE)
        Ratios.put(s, account, ratio)


# ---- accounts


def ensure_spendable(s: State, who: bytes, amount: int) -> None:
    """Raise InsufficientBalance unless the account can spend the amount and still exist."""
    ensure(balances.reducible(s, who, PRESERVE) >= amount, Error.InsufficientBalance)


def burn(s: State, who: bytes, amount: int) -> None:
    """Burn a fee."""
    if amount:
        balances.burn(s, who, amount, PRESERVE)
        count_burned(s, amount)


def hold_reason(role: Role) -> bytes:
    """Return RuntimeHoldReason: the pallet's index and the role's."""
    return bytes([PALLET, role])


def held(s: State, who: bytes, role: Role) -> int:
    """Return how much of an account's money is on hold for a role."""
    return balances.on_hold(s, hold_reason(role), who)


def hold(s: State, who: bytes, role: Role, amount: int) -> None:
    """Put `amount` more on hold."""
    if amount:
        balances.hold(s, hold_reason(role), who, amount)


def unhold(s: State, who: bytes, role: Role, amount: int) -> int:
    """Give back up to `amount` of what is on hold, and return what was given back."""
    amount = min(amount, held(s, who, role))
    if amount == 0:
        return 0
    before = balances.free(s, who)
    try:
        balances.release(s, hold_reason(role), who, amount)
    except DispatchError:
        # An account without free balance whose hold is below the existential deposit keeps its hold.
        return 0
    return balances.free(s, who) - before


def burn_held(s: State, who: bytes, role: Role, amount: int) -> int:
    """Burn up to `amount` of what is on hold, and return what was burned."""
    amount = min(amount, held(s, who, role))
    if amount == 0:
        return 0
    try:
        burned = balances.burn_held(s, hold_reason(role), who, amount)
    except DispatchError:
        # Root freed the held money directly, past this hold.
        return 0
    count_burned(s, burned)
    return burned


# ---- pots


def pot_account(plan: int) -> bytes:
    """Return the account of a plan's pot: `modl`, the pallet's id and the plan's."""
    return (b"modl" + PALLET_ID + plan.to_bytes(8, "little")).ljust(32, b"\0")


def pot_value(s: State, plan: int) -> int:
    """Return V, the pot's balance without the existential deposit."""
    return less(balances.free(s, pot_account(plan)), EXISTENTIAL_DEPOSIT)


def dearest(asks: int) -> int:
    """Return what asks cost at the least ratio, rounded up."""
    return mul_div_ceil(asks, MARGIN, by=MIN_RATIO)


def kept(plan: Plan, reserved: int) -> int:
    """Return what a pot keeps for such reserves and for the surcharge on what it paid, both at the least ratio."""
    unsettled = less(plan.burned, plan.mark)
    return min(-(-(reserved * MARGIN + unsettled * (MARGIN - MIN_RATIO)) // MIN_RATIO), MAX_BALANCE)


def can_pay(s: State, plan_id: int, plan: Plan, reserved: int, beside: int = 0) -> bool:
    """Return whether a pot can pay such reserves, and something beside them."""
    return pot_value(s, plan_id) >= kept(plan, reserved) + beside


def pot_free(s: State, plan_id: int, plan: Plan) -> int:
    """Return what of a pot neither reserves nor surcharges can need."""
    return less(pot_value(s, plan_id), kept(plan, plan.reserved))


def burn_pot(s: State, plan_id: int, plan: Plan, amount: int) -> int:
    """Burn from a plan's pot, all or nothing, and return what was burned."""
    if amount == 0:
        return 0
    try:
        balances.burn(s, pot_account(plan_id), amount, PRESERVE)
    except DispatchError:
        return 0
    plan.burned += amount
    count_burned(s, amount)
    return amount


def pay(s: State, copy_id: int, copy: Copy, plan: Plan, to: bytes, amount: int, what: Payment) -> int:
    """Mint up to `amount` to `to` and burn the same from the copy's reserve. Return what was paid."""
    amount = min(amount, copy.reserve)
    alive = balances.free(s, to) + amount >= EXISTENTIAL_DEPOSIT
    if amount == 0 or not alive or burn_pot(s, copy.plan, plan, amount) != amount:
        return 0
    copy.reserve -= amount
    plan.reserved = less(plan.reserved, amount)
    try:
        balances.mint(s, to, amount)
        count_minted(s, amount)
    except DispatchError as failure:
        # The same amount was burned just now, so only an account that root filled to the maximum cannot take it.
        log.warning("cannot mint to an account with the maximum balance", account=to.hex(), why=failure.name)
    count_given(s, to, amount)
    deposit(s, Paid(copy_id, to, amount, what))
    return amount


# ---- reserves


def reports_reserve(s: State, plan: Plan) -> int:
    """Return REPORT_ERAS x Seats x the price of a report."""
    return plan.terms.report_price * REPORT_ERAS * times(s).seats


def reserve_for(s: State, copy: Copy, plan: Plan, blocks: int) -> int:
    """Return what a copy must have reserved to pay disk for `blocks` blocks and everything else it can still cost."""
    rest = less(copy.sectors, copy.stored)
    # The last segment of the rest may be shorter than what a segment is paid for at least.
    encoded = rest + times(s).checkpoint if rest else 0
    encoding = copy.ask_encoding if copy.encoder is not None else plan.terms.max_ask_encoding
    disk = mul_div_ceil(copy.ask_disk, copy.sectors, blocks, by=GIB_SECTORS * times(s).era)
    work = fee_ceil(encoding, encoded) + fee_ceil(copy.ask_receiving, rest)
    return disk + copy.halves + work + reports_reserve(s, plan)


def era_cost(s: State, copies: list[Copy]) -> int:
    """Return what an era of these copies costs their pot at most: their disk at the least ratio, and the tick's fees."""
    return sum(dearest(fee_ceil(copy.ask_disk, copy.sectors)) + amounts(s).tick_fee for copy in copies)


def set_reserve(copy: Copy, plan: Plan, want: int) -> None:
    """Move the difference between a copy's reserve and `want` to or from the pot."""
    plan.reserved = less(plan.reserved, copy.reserve) + want
    copy.reserve = want


def paid_until(s: State, copy: Copy, block: int) -> int:
    """Return L, the block up to which a copy's disk is paid."""
    hoster = Hosters.get(s, copy.hoster)
    if copy.first_confirmed is None or hoster is None:
        return block
    return max(copy.first_confirmed, hoster.last)


# ---- earnings


def collect_into(s: State, copy_id: int, copy: Copy, plan: Plan) -> None:
    """Pay what the copy earned since the last collect."""
    acc = copy.frozen
    if acc is None:
        hoster = Hosters.get(s, copy.hoster)
        if hoster is None:
            return
        acc = hoster.acc
    units = less(copy.stored * acc, copy.debt)
    amount = mul_div(copy.ask_disk, units, by=GIB_SECTORS * times(s).era * PPM)
    if pay(s, copy_id, copy, plan, copy.hoster, amount, Payment.STORAGE):
        copy.debt += units


def copy_and_plan(s: State, copy_id: int) -> tuple[Copy, Plan] | None:
    """Return a copy with its plan, or None."""
    copy = Copies.get(s, copy_id)
    plan = Plans.get(s, copy.plan) if copy is not None else None
    return None if copy is None or plan is None else (copy, plan)


def put_copy_and_plan(s: State, copy_id: int, copy: Copy, plan: Plan) -> None:
    """Write a copy and its plan."""
    Plans.put(s, copy.plan, plan)
    Copies.put(s, copy_id, copy)


def collect(s: State, copy_id: int) -> None:
    """Collect a copy's earnings, by anyone. Raises NoSuchCopy."""
    found = copy_and_plan(s, copy_id)
    if found is None:
        raise error(Error.NoSuchCopy)
    copy, plan = found
    collect_into(s, copy_id, copy, plan)
    put_copy_and_plan(s, copy_id, copy, plan)


def pay_half(s: State, segment_id: int) -> None:
    """Pay the second half of a segment's fee, which is due."""
    segment = Segments.get(s, segment_id)
    found = copy_and_plan(s, segment.copy) if segment is not None else None
    if segment is None or found is None:
        return
    copy, plan = found
    half, segment.half = segment.half, 0
    copy.halves = less(copy.halves, half)
    pay(s, segment.copy, copy, plan, segment.encoder, half, Payment.SECOND_HALF)
    encoder = Encoders.get(s, segment.encoder)
    if encoder is not None:
        encoder.unreleased = less(encoder.unreleased, half)
        encoder.halves = less(encoder.halves, 1)
        Encoders.put(s, segment.encoder, encoder)
    put_copy_and_plan(s, segment.copy, copy, plan)
    Segments.put(s, segment_id, segment)
