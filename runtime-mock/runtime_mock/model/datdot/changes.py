"""Delayed changes of the draw tables: state changes at once, the tables `SeedDelay` blocks later.

See pallet-spec/README.md section 5.
"""

from __future__ import annotations

from typing import Any

from ..scale import COMPACT, codec_of
from ..storage import State
from .block import now
from .errors import Error, ensure
from .items import Copies, DueChanges, Peers
from .limits import MAX_CHANGES, MIN_REPUTATION
from .params import times
from .queue import need_hoster
from .records import CopyState
from .tables import draw_encoder, draw_hoster, drop_job, drop_used, table_copy
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
    Reputation,
)

_CHANGE = codec_of(Change)


def schedule(s: State, change: Change) -> None:
    """Schedule a call's change for block now + SeedDelay. Raises TooManyChanges."""
    key = DueChanges.key(now(s) + times(s).seed_delay)
    raw = s.get(key) or b"\0"
    count, at = COMPACT.read(raw, 0)
    ensure(count < MAX_CHANGES, Error.TooManyChanges)
    s.put(key, COMPACT.encode(count + 1) + raw[at:] + _CHANGE.encode(change))


def apply_changes(s: State) -> int:
    """Apply the changes due in this block, in the order in which they came, and return their number."""
    due = DueChanges.get(s, now(s))
    DueChanges.remove(s, now(s))
    for change in due:
        _apply(s, change)
    return len(due)


def _apply(s: State, change: Change) -> None:
    if isinstance(change, HosterOffered):
        _set_hoster(s, change.account, open=True, capacity=change.capacity, collateral=change.collateral)
    elif isinstance(change, HosterWithdrawn):
        _set_hoster(s, change.account, open=False)
    elif isinstance(change, HosterReleased):
        _set_hoster(s, change.account, collateral=0)
    elif isinstance(change, EncoderOffered):
        _set_encoder(s, change.account, open=True, bond=change.bond)
    elif isinstance(change, EncoderWithdrawn):
        _set_encoder(s, change.account, open=False)
    elif isinstance(change, EncoderReleased):
        _set_encoder(s, change.account, bond=0)
    elif isinstance(change, Reputation):
        _draw_reputation(s, change.account, change.reputation)
    elif isinstance(change, Declined):
        drop_used(s, change.account, change.bytes)
        need_hoster(s, change.plan)
    else:
        _apply_confirmed(s, change)


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
