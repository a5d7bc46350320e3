"""What a chain of version 2 becomes at the upgrade to version 3, and one of version 7 at that to version 8.

Every value keeps what it said. Every added field stands at the end of its record, so most records need only be added to,
and an older record can be read out of a newer one.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from typing import Any, get_args

from ..scale import U16, U64, Codec, Record, TaggedUnion, Vec
from ..storage import Map, State, Value, twox
from .items import (
    Amount,
    Copies,
    DueChanges,
    EncoderDraws,
    Encoders,
    HosterDraws,
    Hosters,
    NeedQueue,
    Needs,
    Plans,
    Slots,
    StorageChallenges,
    Time,
)
from .limits import MAX_CHANGES, MAX_SEGMENTS, PAUSE_ERAS
from .params import DEFAULT_AMOUNTS, DEVELOPMENT, PRODUCTION
from .queue import NEW, lane_of, push_need
from .records import Copy, CopySegment, CopyState, Head, Plan, Terms
from .types import (
    Amounts,
    Change,
    Encoder,
    EncoderDraw,
    EncoderOffered,
    Hoster,
    HosterDraw,
    HosterOffered,
    Need,
    NeedKind,
    Times,
)

# Where the pallet's storage version stands, and the version from now on.
STORAGE_VERSION = twox(b"DatDot", 128) + twox(b":__STORAGE_VERSION__:", 128)
VERSION = 2


class Older(Codec[Any]):
    """The codec of a record as it was before fields were added. It only reads; added fields get the values given."""

    def __init__(self, kind: type[Any], added: dict[str, Any], **inner: Codec[Any]) -> None:
        self._kind, self._added = kind, added
        kept = [(name, codec) for name, codec in Record(kind).fields if name not in added]
        self._fields = [(name, inner.get(name, codec)) for name, codec in kept]

    def read(self, data: bytes, at: int) -> tuple[Any, int]:
        values = {}
        for name, codec in self._fields:
            values[name], at = codec.read(data, at)
        return self._kind(**values, **deepcopy(self._added)), at

    def decode(self, data: bytes) -> Any:
        """Decode a record of that age, or what a newer one has of it."""
        return self.read(data, 0)[0]


_NOWHERE = b""
_NO_HEAD = Head(0, 0, 0, bytes(32))
_TERMS = Older(
    Terms, {"live": False, "min_reputation": 0, "regions": [], "max_latency_ms": 2**32 - 1, "min_kib_per_s": 0}
)
_PLAN = Older(
    Plan,
    {
        "confirmed": False,
        "waiting": False,
        "declined": 0,
        "stalls": 0,
        "leaving": 0,
        "mark": 0,
        "fresh": 0,
        "founded": 0,
    },
    terms=_TERMS,
)
_COPY = Older(
    Copy,
    {
        "head": _NO_HEAD,
        "leaving": 0,
        "dropping": False,
        "stalls": 0,
        "judged": 0,
        "fails": 0,
        "slow": 0,
        "invalid": False,
    },
    segments=Vec(Older(CopySegment, {"since": 0}), MAX_SEGMENTS),
)
_HOSTER = Older(Hoster, {"region": _NOWHERE, "step": 0, "pause": None})
_HOSTER_DRAW = Older(HosterDraw, {"ask_disk": 0, "ask_receiving": 0, "region": _NOWHERE})
_ENCODER = Older(Encoder, {"decline_era": 0, "declines": 0, "confirmed": 0})
_ENCODER_DRAW = Older(EncoderDraw, {"ask": 0})
_NEED = Older(Need, {"rounds": 0})
_TIMES = Older(Times, {"pause": 0, "checkpoint": 0, "report_window": 0})
_PRICES = {"report_price": DEFAULT_AMOUNTS.report_price, "tick_fee": DEFAULT_AMOUNTS.tick_fee}
_AMOUNTS = Older(Amounts, {"retry_fee": DEFAULT_AMOUNTS.retry_fee, "slot_fee": DEFAULT_AMOUNTS.slot_fee, **_PRICES})
_AMOUNTS_7 = Older(Amounts, _PRICES)
_PLAN_7 = Older(Plan, {"founded": 0})


class _OldChange(TaggedUnion):
    """The codec of a change of the draw tables as it was."""

    def __init__(self) -> None:
        super().__init__(get_args(Change))
        self.codecs[HosterOffered.INDEX] = Older(HosterOffered, {"ask_disk": 0, "ask_receiving": 0, "region": _NOWHERE})
        self.codecs[EncoderOffered.INDEX] = Older(EncoderOffered, {"ask": 0})


_CHANGES = Vec(_OldChange(), MAX_CHANGES)


def migrate(s: State) -> None:
    """Turn the pallet's state of version 2 or 7 into that of version 8, whichever it is."""
    if U16.decode(s.get(STORAGE_VERSION) or bytes(2)) == 0:
        _to_version_3(s)
    _to_version_8(s)
    s.put(STORAGE_VERSION, U16.encode(VERSION))


def _to_version_8(s: State) -> None:
    price = DEFAULT_AMOUNTS.report_price
    _value(s, Amount, _AMOUNTS_7, lambda amounts: amounts)
    _entries(s, Plans, _PLAN_7, lambda _, plan: replace(plan, founded=plan.shares if plan.donors == 1 else 0))
    for index, slot in list(Slots.entries(s)):
        Slots.put(s, index, replace(slot, ask=min(slot.ask, price)))


def _to_version_3(s: State) -> None:
    _value(s, Time, _TIMES, _new_times)
    _value(s, Amount, _AMOUNTS, lambda amounts: amounts)
    _entries(s, Hosters, _HOSTER, lambda _, hoster: hoster)
    _entries(s, Encoders, _ENCODER, lambda _, encoder: encoder)
    _entries(s, HosterDraws, _HOSTER_DRAW, lambda key, entry: _hoster_entry(s, key, entry))
    _entries(s, EncoderDraws, _ENCODER_DRAW, lambda key, entry: _encoder_entry(s, key, entry))
    _entries(s, DueChanges, _CHANGES, lambda _, changes: [_new_change(s, change) for change in changes])
    _entries(s, Plans, _PLAN, lambda _, plan: replace(plan, mark=plan.burned))
    _entries(s, Copies, _COPY, lambda _, copy: _new_copy(s, copy))
    for plan_id, plan in list(Plans.entries(s)):
        plan.confirmed = any(Copies.at(s, copy_id).stored for copy_id in plan.live)
        Plans.put(s, plan_id, plan)
    _split_needs(s)
    _drop_samples(s)


def _value(s: State, item: Value[Any, Any], old: Codec[Any], change: Callable[[Any], Any]) -> None:
    """Rewrite a single item."""
    raw = s.get(item.key)
    if raw is not None:
        item.put(s, change(old.decode(raw)))


def _raw(s: State, item: Map[Any, Any]) -> list[tuple[bytes, bytes]]:
    """Return the raw keys and values of a map."""
    found, key = [], s.next_key(item.prefix)
    while key is not None and key.startswith(item.prefix):
        found.append((key, s.get(key) or b""))
        key = s.next_key(key)
    return found


def _entries(s: State, item: Map[Any, Any], old: Codec[Any], change: Callable[[bytes, Any], Any]) -> None:
    """Rewrite all entries of a map. `change` takes the raw key as well."""
    for key, raw in _raw(s, item):
        s.put(key, item.codec.encode(change(key, old.decode(raw))))


def _new_times(times: Times) -> Times:
    """Add the spans of the preset that the others are of; to any others production's, as far as the rules go."""
    spans = {name: getattr(DEVELOPMENT, name) for name in ("pause", "checkpoint", "report_window")}
    development = replace(times, **spans)
    if development == DEVELOPMENT:
        return development
    pause = min(PRODUCTION.pause, max(0, PAUSE_ERAS * times.era - 1))
    return replace(times, pause=pause, checkpoint=PRODUCTION.checkpoint, report_window=PRODUCTION.report_window)


def _hoster_entry(s: State, key: bytes, entry: HosterDraw) -> HosterDraw:
    """Add the asks of the hoster's offer to its entry of the draw table. The key ends with its account."""
    hoster = Hosters.at(s, key[-32:])
    return replace(entry, ask_disk=hoster.ask_disk, ask_receiving=hoster.ask_receiving)


def _encoder_entry(s: State, key: bytes, entry: EncoderDraw) -> EncoderDraw:
    """Add the ask of the encoder's offer to its entry of the draw table."""
    return replace(entry, ask=Encoders.at(s, key[-32:]).ask)


def _new_change(s: State, change: Any) -> Any:
    """Add the asks of the offer to its change of the draw table."""
    if isinstance(change, HosterOffered):
        hoster = Hosters.at(s, change.account)
        return replace(change, ask_disk=hoster.ask_disk, ask_receiving=hoster.ask_receiving)
    if isinstance(change, EncoderOffered):
        return replace(change, ask=Encoders.at(s, change.account).ask)
    return change


def _new_copy(s: State, copy: Copy) -> Copy:
    """Give a copy its plan's head. Its segments count from when it was whole, or else from the first of them."""
    since = copy.first_confirmed if copy.active_since is None else copy.active_since
    segments = [replace(part, since=since or 0) for part in copy.segments]
    return replace(copy, head=Plans.at(s, copy.plan).head, segments=segments)


def _drop_samples(s: State) -> None:
    """Drop the samples of ended copies from the open challenges."""
    for account, challenge in list(StorageChallenges.entries(s)):
        copies = ((sample, Copies.get(s, sample.copy)) for sample in challenge.samples)
        challenge.samples = [sample for sample, copy in copies if copy is not None and copy.state != CopyState.ENDED]
        if challenge.samples:
            StorageChallenges.put(s, account, challenge)
        else:
            StorageChallenges.remove(s, account)


def _split_needs(s: State) -> None:
    """Move the needs from their one queue into their lanes, in their order."""
    raw = sorted(_raw(s, Needs), key=lambda entry: U64.decode(entry[0][-8:]))
    s.delete(NeedQueue.prefix)
    for key, _ in raw:
        s.delete(key)
    for _, value in raw:
        need = _NEED.decode(value)
        push_need(s, _lane(s, need), need)


def _lane(s: State, need: Need) -> int:
    """Return the lane of a need. One whose plan or copy is gone goes where new plans wait."""
    plan_id: int | None = need.id
    if need.kind == NeedKind.ENCODER:
        copy = Copies.get(s, need.id)
        plan_id = None if copy is None else copy.plan
    plan = None if plan_id is None else Plans.get(s, plan_id)
    return NEW if plan is None else lane_of(plan)
