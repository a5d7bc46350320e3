"""An encoder's work on a copy: wanted, ended, declined (pallet-spec/README.md sections 12 and 13)."""

from __future__ import annotations

from ..storage import State
from .block import deposit, era, less, now
from .changes import put_encoder_draw_out, put_hoster_draw_out, schedule
from .drops import arm_drop
from .errors import Error, ensure, error
from .events import BeginMissed, JobDeclined, PlanWaits
from .items import Copies, Encoders, Hosters, Moduli, Segments
from .limits import DECLINES, NO_DATA
from .money import burn_held, copy_and_plan, held, put_copy_and_plan
from .params import amounts, times
from .queue import arm, lane_of, push_need
from .records import Copy, CopyEnd, CopyState, Plan
from .tables import drop_job
from .types import JobLeft, Need, NeedKind, Role, Wait


def want_encoder(s: State, copy_id: int, copy: Copy, plan: Plan) -> None:
    """Queue a copy's need of an encoder, with its deadline."""
    push_need(s, lane_of(plan), Need(NeedKind.ENCODER, copy_id, now(s) + times(s).seed_delay))
    arm(s, Wait.ENCODER_DRAW, times(s).encoder_wait, copy_id, copy.generation)


def take_off(s: State, copy: Copy) -> bytes | None:
    """Take the drawn encoder off a copy, in the state only. Return its account."""
    account, copy.encoder = copy.encoder, None
    if account is None:
        return None
    fee, copy.fee = copy.fee, 0
    copy.ask_encoding = 0
    encoder = Encoders.get(s, account)
    if encoder is not None:
        encoder.jobs = less(encoder.jobs, 1)
        encoder.unreleased = less(encoder.unreleased, fee)
        Encoders.put(s, account, encoder)
    return account


def end_job(s: State, copy: Copy) -> None:
    """Take the drawn encoder off a copy, in `on_initialize`."""
    account = take_off(s, copy)
    if account is not None:
        drop_job(s, account)


def forget_current(s: State, copy: Copy) -> None:
    """Remove the records of the segment that was begun and will not be confirmed."""
    if copy.current is not None:
        Segments.remove(s, copy.current)
        Moduli.remove(s, copy.current)
        copy.current = None


def put_encoder_out(s: State, account: bytes) -> None:
    """Take an encoder out of the draw table until it renews its offer, in `on_initialize`."""
    encoder = Encoders.get(s, account)
    if encoder is not None and encoder.open:
        encoder.open, encoder.out_since = False, now(s)
        Encoders.put(s, account, encoder)
    put_encoder_draw_out(s, account, held(s, account, Role.ENCODING))


def put_hoster_out(s: State, account: bytes) -> None:
    """Take a hoster out of the draw table until it renews its offer, in `on_initialize`."""
    hoster = Hosters.get(s, account)
    if hoster is not None and hoster.open:
        hoster.open, hoster.out_since = False, now(s)
        Hosters.put(s, account, hoster)
    put_hoster_draw_out(s, account, held(s, account, Role.HOSTING))


def begin_missed(s: State, copy_id: int, generation: int) -> None:
    """Punish a drawn encoder that did not begin: it is fined and out, and only the encoder is drawn again."""
    found = copy_and_plan(s, copy_id)
    if found is None:
        return
    copy, plan = found
    if copy.state != CopyState.ASSIGNED or copy.generation != generation or copy.encoder is None:
        return
    encoder = copy.encoder
    burned = burn_held(s, encoder, Role.ENCODING, amounts(s).begin_fine)
    end_job(s, copy)
    put_encoder_out(s, encoder)
    copy.state = CopyState.ACCEPTED
    want_encoder(s, copy_id, copy, plan)
    Copies.put(s, copy_id, copy)
    deposit(s, BeginMissed(copy_id, encoder, burned))


def decline_job(s: State, account: bytes, copy_id: int) -> None:
    """Give a job back, by the drawn encoder that cannot get the feed's data."""
    found = copy_and_plan(s, copy_id)
    if found is None:
        raise error(Error.NoSuchCopy)
    copy, plan = found
    ensure(copy.encoder == account, Error.NotParty)
    ensure(copy.state == CopyState.ASSIGNED, Error.WrongState)
    _count_decline(s, account)
    schedule(s, JobLeft(account))
    take_off(s, copy)
    copy.state = CopyState.ACCEPTED
    plan.declined += 1
    deposit(s, JobDeclined(copy_id, account))
    if plan.declined >= NO_DATA:
        _no_data(s, copy_id, copy, plan)
    else:
        want_encoder(s, copy_id, copy, plan)
    put_copy_and_plan(s, copy_id, copy, plan)


def _count_decline(s: State, account: bytes) -> None:
    """Count a decline of an encoder in this era. Raises TooManyDeclines."""
    encoder, this_era = Encoders.at(s, account), era(s)
    if encoder.decline_era != this_era:
        encoder.decline_era, encoder.declines = this_era, 0
    ensure(encoder.declines < DECLINES, Error.TooManyDeclines)
    encoder.declines += 1
    Encoders.put(s, account, encoder)


def _no_data(s: State, copy_id: int, copy: Copy, plan: Plan) -> None:
    """Take the feed for gone: the copy is not made or does not grow, and a plan without it waits."""
    plan.declined = 0
    if copy.active_since is None:
        plan.waiting = True
        deposit(s, PlanWaits(copy.plan))
    arm_drop(s, copy_id, copy, CopyEnd.NO_DATA)
