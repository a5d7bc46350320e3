"""Entries of the journal: what of a block concerns one account, each event with the money that it moved."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from enum import Enum
from typing import Any

from service.address import ss58
from service.chain_client import Block
from service.chain_client.call import PALLET
from service.chain_client.pallet import events
from service.chain_client.pallet.events import Event
from service.chain_client.runtime.events import EventRecord
from service.units import EXISTENTIAL_DEPOSIT

from .moves import BALANCES, BURNED, BURNED_HELD, DEPOSIT, HELD, RELEASED, WITHDRAW, Move, Unclaimed, moves_of

ACCOUNTS = frozenset({"account", "encoder", "hoster", "operator", "sponsor"})
"""Fields of our events that are accounts."""
SUMS = frozenset(
    {"amount", "ask", "ask_disk", "ask_receiving", "base", "bond", "burned", "collateral", "pot", "remainder"}
    | {"reward", "shares", "taken"}
)
"""Fields of our events that are sums of money (u128): decimal strings in JSON, whose numbers are not as long."""
EVERYBODY = (events.ParametersSet, events.SeedSet, events.SeedUnset)
"""Events that concern every account."""
OF_ENCODERS = (events.EncodingReported, events.SegmentConfirmed)
"""Events about an encoder's work that do not name it."""
PAYMENT, FEE = "TransactionPayment", "TransactionFeePaid"
OPERATORS_FEE = "OperatorFeePaid"
"""The name of an entry of a fee that the account's operator paid, of its own money."""
NODE, GAP, RESTARTED = "Node", "Gap", "ChainRestarted"
"""What the node itself notes: blocks whose events it could not read, and a chain that was begun anew."""


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One line of the journal, in the smallest unit: `change` of all that the account has, `held` of what of it is on hold.

    `fields` are JSON: accounts in SS58, bytes in hex, sums as decimal strings. `place` is that of the event in its block.
    """

    block: int
    place: int
    pallet: str
    name: str
    fields: dict[str, Any]
    change: int = 0
    held: int = 0
    by_operator: int = 0
    """What its operator paid, which is no change of what the account has."""

    @property
    def moved(self) -> bool:
        """Whether it moved money."""
        return bool(self.change or self.held or self.by_operator)

    @property
    def free(self) -> int:
        """The change of what the account can spend."""
        return self.change - self.held


@dataclass(slots=True)
class Followed:
    """What the account has to do with: copies that it hosts or encoded, plans that it gave to, those who were its operators."""

    hosted: set[int] = field(default_factory=set)
    encoded: set[int] = field(default_factory=set)
    plans: set[int] = field(default_factory=set)
    operators: set[bytes] = field(default_factory=set)

    def concerns(self, event: Event, account: bytes) -> bool:
        """Return whether an event concerns the account, and follow what it begins and ends."""
        mine = any(getattr(event, one.name) == account for one in fields(event) if one.name in ACCOUNTS)
        copy, plan = getattr(event, "copy", None), getattr(event, "plan", None)
        match event:
            case events.CopyOffered() if event.hoster == account:
                self.hosted.add(event.copy)
            case events.EncoderDrawn() if event.encoder == account:
                self.encoded.add(event.copy)
            case events.PlanPublished() | events.Donated() if mine:
                self.plans.add(event.plan)
            case events.OperatorSet() if event.account == account and event.operator is not None:
                self.operators.add(event.operator)
        mine |= copy in self.hosted or plan in self.plans or isinstance(event, EVERYBODY)
        mine |= isinstance(event, OF_ENCODERS) and copy in self.encoded
        if isinstance(event, events.CopyRemoved):
            self.hosted.discard(event.copy)
            self.encoded.discard(event.copy)
        if isinstance(event, events.PlanClosed):
            self.plans.discard(event.plan)
        return mine


def entries_of(block: Block, account: bytes, followed: Followed) -> list[JournalEntry]:
    """Return a block's entries for an account, in the order of its events. `followed` is brought up to the block.

    All that the account's money did is in exactly one of them: in the event that states it, or else in one of its own.
    """
    moves = Unclaimed(moves_of(block.events, account))
    found = []
    for place, record in enumerate(block.events):
        event = record.event
        if event is not None and followed.concerns(event, account):
            found.append(_entry(block, place, record, json_fields(event), _claimed(moves, place, record, account)))
        elif (record.pallet, record.name) == (PAYMENT, FEE):
            found += _fee(block, place, record, moves, account)
            found += _operators_fee(block, place, record, followed.operators - {account})
    found += [
        JournalEntry(block.number, one.place, BALANCES, one.name, _shown_move(one), one.change, one.held)
        for one in moves.left
    ]
    return sorted(found, key=lambda one: one.place)


def _entry(block: Block, place: int, record: EventRecord, shown: dict[str, Any], moves: list[Move]) -> JournalEntry:
    change, held = sum(one.change for one in moves), sum(one.held for one in moves)
    return JournalEntry(block.number, place, record.pallet, record.name, shown, change, held)


def _fee(block: Block, place: int, record: EventRecord, moves: Unclaimed, account: bytes) -> Iterator[JournalEntry]:
    """Yield the fee of a call of the account, unless all of it came back."""
    if _who(record) != account:
        return
    paid = moves.take(lambda one: one.name in (WITHDRAW, DEPOSIT) and one.extrinsic == record.extrinsic)
    if sum(one.change for one in paid):
        yield _entry(block, place, record, _called(block, record), paid)


def _operators_fee(
    block: Block, place: int, record: EventRecord, operators: Collection[bytes]
) -> Iterator[JournalEntry]:
    """Yield the fee of a call of an operator, unless all of it came back."""
    who = _who(record)
    if who is None or who not in operators:
        return
    own = (one for one in moves_of(block.events, who) if one.extrinsic == record.extrinsic)
    paid = -sum(one.change for one in own if one.name in (WITHDRAW, DEPOSIT))
    if paid:
        shown = _called(block, record) | {"operator": ss58(who)}
        yield JournalEntry(block.number, place, PAYMENT, OPERATORS_FEE, shown, by_operator=paid)


def _who(record: EventRecord) -> bytes | None:
    """Return who paid a fee."""
    who = record.fields.get("who") if isinstance(record.fields, dict) else None
    return bytes.fromhex(who[2:]) if isinstance(who, str) else None


def _called(block: Block, record: EventRecord) -> dict[str, Any]:
    """Return whether the call of a fee failed, and the first event that it made."""
    own = [one for one in block.events if one.extrinsic == record.extrinsic]
    failed = any((one.pallet, one.name) == ("System", "ExtrinsicFailed") for one in own)
    return {"failed": failed, "event": next((one.name for one in own if one.pallet == PALLET), None)}


# ---- the money that an event states


def stated(event: Event, account: bytes) -> int:
    """Return by how much an event says that it changed what the account has; 0 if it says nothing of that."""
    match event:
        case events.Paid() | events.Refunded() if event.account == account:
            return event.amount
        case events.EncodingReported() if event.account == account:
            return event.reward
        case events.Donated() if event.account == account:
            return -event.amount
        case events.PlanPublished() if event.sponsor == account:
            return -event.pot - EXISTENTIAL_DEPOSIT
        case events.BeginMissed() if event.encoder == account:
            return -event.burned
        case events.SeatEmptyHanded() if event.account == account:
            return -event.burned
        case events.Stalled():
            return -event.collateral * (event.hoster == account) - event.bond * (event.encoder == account)
        case events.Forfeited() if event.account == account:
            return -event.burned - event.pot
    return 0


_BESIDE: dict[type[Event], tuple[str, ...]] = {
    events.PeerRegistered: (BURNED,),
    events.SwarmKeyRotated: (BURNED,),
    events.PlanPublished: (BURNED,),
    events.AttestingOffered: (BURNED, HELD),
    events.HostingOffered: (HELD, RELEASED),
    events.EncodingOffered: (HELD, RELEASED),
    events.Released: (RELEASED,),
    events.SegmentConfirmed: (BURNED_HELD,),  # who confirms a checkpoint pays for it, and no event says so
    events.EncodingReported: (BURNED_HELD,),
}
"""Movements of the same call that an event stands for although it does not state them, or not alone."""


def _claimed(moves: Unclaimed, place: int, record: EventRecord, account: bytes) -> list[Move]:
    event = record.event
    assert event is not None
    after = isinstance(event, events.SegmentConfirmed)  # its caller's part is burned last

    def of_it(fits: Callable[[Move], bool]) -> Callable[[Move], bool]:
        return lambda one: one.extrinsic == record.extrinsic and (one.place < place or after) and fits(one)

    change, beside = stated(event, account), _BESIDE.get(type(event), ())
    taken = moves.take_last(of_it(lambda one: one.change == change)) if change else []
    if isinstance(event, events.SlotFreed) and event.account == account:
        taken += moves.take_last(of_it(lambda one: one.name == RELEASED and one.held == -event.amount))
    if record.extrinsic is not None and beside:
        taken += moves.take(of_it(lambda one: one.name in beside))
    return taken


# ---- as JSON


def json_fields(event: Event) -> dict[str, Any]:
    """Return an event's fields as JSON."""
    return {one.name: _shown(one.name, getattr(event, one.name)) for one in fields(event)}


def _shown(name: str, value: object) -> Any:
    if isinstance(value, bytes):
        return ss58(value) if name in ACCOUNTS else value.hex()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if name in SUMS else value
    if is_dataclass(value) and not isinstance(value, type):
        return {key: _shown(key, one) for key, one in asdict(value).items()}
    if isinstance(value, tuple | list):
        return [_shown(name, one) for one in value]
    if isinstance(value, dict):
        return {key: _shown(key, one) for key, one in value.items()}
    return value if value is None or isinstance(value, bool | str) else str(value)


def _shown_move(move: Move) -> dict[str, Any]:
    """Return the fields of an event of Balances, its accounts in SS58."""
    return {
        name: ss58(bytes.fromhex(value[2:])) if isinstance(value, str) and len(value) == 66 else _plain(value)
        for name, value in move.fields.items()
    }


def _plain(value: object) -> Any:
    return value if isinstance(value, str | dict) or value is None else str(value)
