"""Delayed changes of the draw tables: state changes at once, the tables `SeedDelay` blocks later.

See pallet-spec/README.md section 5.
"""

from __future__ import annotations

from typing import Any

from ..scale import COMPACT, codec_of
from ..storage import State
from .block import now
from .errors import Error, ensure
from .items import Copies, DueChanges, Hosters, OfferChanges, Peers
from .limits import MAX_CHANGES, MAX_OFFER_CHANGES, MIN_REPUTATION
from .params import times
from .queue import need_hoster
from .records import CopyState
from .tables import draw_encoder, draw_hoster, drop_job, drop_used, remove_hoster, table_copy
from .types import (
    Change,
    Confirmed,
    Declined,
    EncoderDraw,
    EncoderOffered,
    EncoderReleased,
    EncoderWithdrawn,
    HosterDraw,
    HosterOffered,
    HosterReleased,
    HosterWithdrawn,
    JobLeft,
    Reputation,
)

_CHANGE = codec_of(Change)
# Changes by offers, which may not take the room of proofs and confirmations.
OFFERS = (HosterOffered, HosterWithdrawn, HosterReleased, EncoderOffered, EncoderWithdrawn, EncoderReleased)


def schedule(s: State, change: Change) -> None:
    """Schedule a call's change for block now + SeedDelay. Raises TooManyChanges."""
    due = now(s) + times(s).seed_delay
    if isinstance(change, OFFERS):
        offered = OfferChanges.get(s, due)
        ensure(offered < MAX_OFFER_CHANGES, Error.TooManyChanges)
        OfferChanges.put(s, due, offered + 1)
    key = DueChanges.key(due)
    raw = s.get(key) or b"\0"
    count, at = COMPACT.read(raw, 0)
    ensure(count < MAX_CHANGES, Error.TooManyChanges)
    s.put(key, COMPACT.encode(count + 1) + raw[at:] + _CHANGE.encode(change))


def apply_changes(s: State) -> int:
    """Apply the changes due in this block, in the order in which they came, and return their number."""
    due = DueChanges.get(s, now(s))
    DueChanges.remove(s, now(s))
    OfferChanges.remove(s, now(s))
    for change in due:
        _apply(s, change)
    return len(due)


def _apply(s: State, change: Change) -> None:
    if isinstance(change, HosterOffered):
        _offer_hoster(s, change)
    elif isinstance(change, HosterWithdrawn):
        _set_hoster(s, change.account, open=False)
    elif isinstance(change, HosterReleased):
        _release_hoster(s, change.account)
    elif isinstance(change, EncoderOffered):
        _set_encoder(s, change.account, open=True, bond=change.bond, ask=change.ask)
    elif isinstance(change, EncoderWithdrawn):
        _set_encoder(s, change.account, open=False)
    elif isinstance(change, EncoderReleased):
        _set_encoder(s, change.account, bond=0)
    elif isinstance(change, Reputation):
        _draw_reputation(s, change.account, change.reputation)
    elif isinstance(change, Declined):
        drop_used(s, change.account, change.bytes)
        need_hoster(s, change.plan)
    elif isinstance(change, JobLeft):
        drop_job(s, change.account)
    else:
        _apply_confirmed(s, change)


def _offer_hoster(s: State, change: HosterOffered) -> None:
    _set_hoster(
        s,
        change.account,
        open=True,
        capacity=change.capacity,
        collateral=change.collateral,
        ask_disk=change.ask_disk,
        ask_receiving=change.ask_receiving,
        region=change.region,
    )


def _release_hoster(s: State, account: bytes) -> None:
    """Free a released hoster's slot, unless it offered again meanwhile."""
    hoster = Hosters.get(s, account)
    if hoster is not None and hoster.open:
        _set_hoster(s, account, collateral=0)
    else:
        remove_hoster(s, account)


def _set_hoster(s: State, account: bytes, **values: Any) -> None:
    def change(draw: HosterDraw) -> None:
        for name, value in values.items():
            setattr(draw, name, value)

    draw_hoster(s, account, change)


def _set_encoder(s: State, account: bytes, **values: Any) -> None:
    def change(draw: EncoderDraw) -> None:
        for name, value in values.items():
            setattr(draw, name, value)

    draw_encoder(s, account, change)


def put_hoster_draw_out(s: State, account: bytes, collateral: int) -> None:
    """Take a hoster out of the draw table at once."""
    _set_hoster(s, account, open=False, collateral=collateral)


def put_encoder_draw_out(s: State, account: bytes, bond: int) -> None:
    """Take an encoder out of the draw table at once."""
    _set_encoder(s, account, open=False, bond=bond)


def _apply_confirmed(s: State, change: Confirmed) -> None:
    copy = Copies.get(s, change.copy)
    if copy is not None and copy.state != CopyState.ENDED:
        table_copy(s, change.copy, copy, change.sectors)
        Copies.put(s, change.copy, copy)
    if change.encoder is not None:
        drop_job(s, change.encoder)


# ---- reputation


def reputation(s: State, account: bytes) -> int:
    """Return a peer's reputation in ppm."""
    peer = Peers.get(s, account)
    return MIN_REPUTATION if peer is None else peer.reputation


def _draw_reputation(s: State, account: bytes, value: int) -> None:
    _set_hoster(s, account, reputation=value)
    _set_encoder(s, account, reputation=value)


def _write_reputation(s: State, account: bytes, value: int) -> None:
    peer = Peers.get(s, account)
    if peer is not None:
        peer.reputation = value
        Peers.put(s, account, peer)


def set_reputation(s: State, account: bytes, value: int) -> None:
    """Set a reputation, by a call: the draw tables follow later. Raises TooManyChanges."""
    _write_reputation(s, account, value)
    schedule(s, Reputation(account, value))


def set_reputation_now(s: State, account: bytes, value: int) -> None:
    """Set a reputation, by `on_initialize`: the draw tables follow at once."""
    _write_reputation(s, account, value)
    _draw_reputation(s, account, value)
