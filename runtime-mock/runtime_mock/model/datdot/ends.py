"""The end of a copy before its plan: forfeits, drops, copies that leave."""

from __future__ import annotations

import structlog

from ..frame import balances
from ..frame.dispatch import DispatchError
from ..storage import State
from .block import deposit, now
from .copies import end_copy
from .drops import REASON_BITS, give_notice
from .errors import Error, ensure, error
from .events import Forfeited
from .growth import leave_growth
from .items import Copies, Segments
from .jobs import put_encoder_out, put_hoster_out
from .limits import DROP_PART, POT_PART, SECTOR, YOUNG_ERAS
from .money import burn_held, copy_and_plan, count_minted, pot_account, put_copy_and_plan
from .params import amounts, times
from .queue import need_hoster
from .records import Copy, CopyEnd, CopyState, Plan
from .tables import collateral_due
from .types import Role

log = structlog.get_logger(__name__)


def forfeit(s: State, copy_id: int, copy: Copy, part: int) -> None:
    """Take a part of a copy's collateral: at most a tenth of the whole goes to the pot, the rest is burned."""
    collateral = collateral_due(amounts(s).collateral, SECTOR * copy.sectors)
    taken = burn_held(s, copy.hoster, Role.HOSTING, collateral // part)
    to_pot = _fill_pot(s, copy.plan, min(taken, collateral // POT_PART))
    deposit(s, Forfeited(copy_id, copy.hoster, taken - to_pot, to_pot))


def _fill_pot(s: State, plan_id: int, amount: int) -> int:
    """Mint into a pot without shares. Return what it got."""
    if amount == 0:
        return 0
    try:
        balances.mint(s, pot_account(plan_id), amount)
    except DispatchError as failure:
        # The same amount was burned just now, so only a pot that root emptied or filled cannot take it.
        log.warning("cannot mint to a pot", plan=plan_id, why=failure.name)
        return 0
    count_minted(s, amount)
    return amount


def drop_due(s: State, copy_id: int, tag: int) -> None:
    """Do what a drop's tag says: end a copy, after its hoster and its segment's encoder were put out if that is invalid."""
    reason = CopyEnd(tag & (1 << REASON_BITS) - 1)
    if reason == CopyEnd.INVALID:
        copy, segment = Copies.at(s, copy_id), Segments.at(s, tag >> REASON_BITS)
        put_hoster_out(s, copy.hoster)
        put_encoder_out(s, segment.encoder)
        copy.dropping = False
        Copies.put(s, copy_id, copy)
    drop(s, copy_id, reason)


def drop(s: State, copy_id: int, reason: CopyEnd) -> None:
    """End a copy for a reason that was given before, in `on_initialize`."""
    found = copy_and_plan(s, copy_id)
    if found is None or found[0].state == CopyState.ENDED:
        return
    copy, _ = found
    if reason == CopyEnd.NO_DATA and copy.active_since is not None:
        # A report may have come meanwhile.
        copy.dropping = copy.invalid
        Copies.put(s, copy_id, copy)
        if copy.state != CopyState.ACTIVE:
            leave_growth(s, copy_id, replace=False)
        return
    failed = reason in (CopyEnd.LOST, CopyEnd.UNSERVED)
    if failed or (copy.leaving == 2 and _is_young(s, copy)):
        forfeit(s, copy_id, copy, DROP_PART)
    end_copy(s, copy_id, reason)


def _is_young(s: State, copy: Copy) -> bool:
    return copy.active_since is None or now(s) < copy.active_since + YOUNG_ERAS * times(s).era


def own_copy(s: State, account: bytes, copy_id: int) -> tuple[Copy, Plan]:
    """Return a copy of which the account is the hoster, with its plan. It was active and has not ended.

    Raises NoSuchCopy, NotParty or WrongState.
    """
    found = copy_and_plan(s, copy_id)
    if found is None:
        raise error(Error.NoSuchCopy)
    copy, plan = found
    ensure(copy.hoster == account, Error.NotParty)
    ensure(copy.state != CopyState.ENDED and copy.active_since is not None, Error.WrongState)
    return copy, plan


def leave_copy(s: State, account: bytes, copy_id: int) -> None:
    """Give notice of a copy, by its hoster: it goes when it is replaced, or when the notice is over."""
    copy, plan = own_copy(s, account, copy_id)
    ensure(copy.leaving < 2, Error.AlreadyLeaving)
    give_notice(s, copy_id, copy, plan, 2)
    put_copy_and_plan(s, copy_id, copy, plan)
    need_hoster(s, copy.plan)
