"""Money by era and by reason, from the journal's entries. Pure: charts, tables and CSV are made of the same rows."""

from __future__ import annotations

from collections.abc import Iterable

from service.chain_client.call import PALLET

from .detail import EraMoney, MoneyReason
from .entries import FEE, OPERATORS_FEE, PAYMENT, JournalEntry
from .moves import BALANCES, TRANSFER
from .table import EventSum

STORAGE, WORK, FEES, LOSSES, MOVED, BY_OPERATOR = "storage", "work", "fees", "penalties", "moved", "by operator"
GIVEN = frozenset({"Donated", "PlanPublished", "Refunded"})
"""Events by which money goes into plans and comes back: neither pay nor loss."""
PRICES = frozenset({"PeerRegistered", "SwarmKeyRotated", "AttestingOffered", "HostingOffered", "EncodingOffered"})
"""Events whose burned part is a price of the chain."""
REASONS = {
    "Paid": "Pay for storage, receiving, encoding and reports",
    "EncodingReported": "Reports of a wrong encoding",
    "PeerRegistered": "Registration, burned",
    "SwarmKeyRotated": "Rotations of the swarm key, burned",
    "Donated": "Given to plans",
    "PlanPublished": "Pots of plans",
    "Refunded": "Back from plans",
    "Stalled": "Copies that stalled",
    "BeginMissed": "Copies that were not begun in time",
    "SeatEmptyHanded": "Reports that were not made",
    "Forfeited": "Forfeited pay",
    "SegmentConfirmed": "Checkpoints that were confirmed",
    FEE: "Fees of the chain",
    OPERATORS_FEE: "Fees of the chain that its operator paid",
    TRANSFER: "Transfers",
}


def kind_of(entry: JournalEntry) -> str:
    """Return what an entry's change of money is."""
    if entry.name == TRANSFER or entry.name in GIVEN:
        return MOVED
    if entry.change > 0:
        return STORAGE if entry.fields.get("what") == "Storage" else WORK
    is_price = (entry.pallet, entry.name) == (PAYMENT, FEE) or entry.name in PRICES or entry.pallet == BALANCES
    return FEES if is_price else LOSSES


def by_era(entries: Iterable[JournalEntry], first: int, last: int, era: int) -> list[EraMoney]:
    """Return the sums of the eras `first` to `last`, of `era` blocks each, all of them in a row."""
    sums = {
        number: dict.fromkeys((STORAGE, WORK, FEES, LOSSES, MOVED, BY_OPERATOR), 0) for number in range(first, last + 1)
    }
    for entry in entries:
        if entry.block // era in sums:
            sums[entry.block // era][kind_of(entry)] += abs(entry.change)
            sums[entry.block // era][BY_OPERATOR] += entry.by_operator
    return [
        EraMoney(number, found[STORAGE], found[WORK], found[FEES], found[LOSSES], found[BY_OPERATOR])
        for number, found in sorted(sums.items())
    ]


def by_reason(sums: Iterable[EventSum]) -> list[MoneyReason]:
    """Return what each kind of event moved, what moved most first."""
    found = []
    for one in sums:
        pallet, _, name = one.name.partition(".")
        if one.gained or one.lost or one.by_operator:
            text = REASONS.get(name) or (name if pallet == PALLET else f"{name} ({pallet})")
            found.append(MoneyReason(one.name, text, one.count, one.gained, one.lost, one.by_operator))
    return sorted(found, key=lambda one: -(one.gained + one.lost + one.by_operator))
