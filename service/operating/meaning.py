"""What an entry of the journal means to its account, in words: what happened and, if it cost something, why and what to do."""

from __future__ import annotations

from service.chain_client.call import PALLET
from service.units import EXISTENTIAL_DEPOSIT

from .entries import FEE, GAP, NODE, OPERATORS_FEE, PAYMENT, RESTARTED, JournalEntry
from .sayings import SAYINGS
from .words import Words, penalty, unit, warning


def explain(entry: JournalEntry, account: str) -> Words:
    """Return what an entry means to the account, in SS58."""
    if entry.pallet == PALLET:
        return _of_pallet(entry, account)
    if entry.pallet == PAYMENT and entry.name in (FEE, OPERATORS_FEE):
        return _fee(entry)
    if entry.pallet == NODE:
        return _of_node(entry)
    return _of_money(entry, account)


def _of_pallet(entry: JournalEntry, account: str) -> Words:
    says = SAYINGS.get(entry.name)
    if says is None:
        return Words(f"{entry.name}, which this version does not know")
    words = says(entry.fields, account)
    if entry.name == "SegmentConfirmed" and entry.change < 0:
        return penalty(
            f"{words.text}; {unit(-entry.change)} of this account's held money were taken",
            "it confirmed a checkpoint, because the rest of the segment was not made in time",
            "nothing, if the other side was gone: it would have cost both more. Else see why this machine was slow or away",
        )
    return words


def cost_in_words(entry: JournalEntry) -> str:
    """Return what an entry moved, in words; empty if it moved nothing."""
    parts = []
    if entry.change:
        parts.append(f"{'earned' if entry.change > 0 else 'lost'} {unit(abs(entry.change))}")
    if entry.held and entry.held != entry.change:
        parts.append(f"{unit(abs(entry.held))} {'put on hold' if entry.held > 0 else 'no longer on hold'}")
    if entry.by_operator:
        parts.append(f"its operator paid {unit(entry.by_operator)}")
    return ", ".join(parts)


def _fee(entry: JournalEntry) -> Words:
    amount = unit(entry.by_operator or -entry.change)
    whom = "its operator " if entry.name == OPERATORS_FEE else ""
    if entry.fields.get("failed"):
        return penalty(
            f"a call of this account failed and cost {whom}its fee of {amount}",
            "the chain refused the call when it was executed",
            "the log of that time, or the command that sent it, names the call and the reason",
        )
    return Words(f"a call of this account cost {whom}a fee of {amount}")


def _of_money(entry: JournalEntry, account: str) -> Words:
    fields = entry.fields
    if entry.name == "Transfer":
        if entry.change > 0:
            return Words(f"received {unit(entry.change)} from {fields.get('from')}")
        return Words(f"sent {unit(-entry.change)} to {fields.get('to')}")
    if entry.name == "DustLost":
        return penalty(
            f"lost the rest of {unit(-entry.change)}",
            f"an account with less than {unit(EXISTENTIAL_DEPOSIT)} does not exist",
            f"keep more than that on {account}",
        )
    if not entry.change:
        return Words(f"{unit(abs(entry.held))} {'put on hold' if entry.held > 0 else 'no longer on hold'}")
    if entry.change > 0:
        return Words(f"received {unit(entry.change)} ({entry.name})")
    return penalty(
        f"lost {unit(-entry.change)} ({entry.name})",
        "the chain took it, and no event of datdot says for what",
        f"look at the other events of the block: datdot chain events --from {entry.block} --to {entry.block}",
    )


def _of_node(entry: JournalEntry) -> Words:
    first, last = entry.fields.get("first"), entry.fields.get("last")
    if entry.name == GAP:
        return warning(
            f"nothing is known of blocks {first} to {last}",
            "the chain node had dropped their states, or they were of a runtime that this version cannot read",
            "use a chain node that keeps all states (--state-pruning archive); the balance is right, sums over this gap are not",
        )
    assert entry.name == RESTARTED, entry.name
    return warning(
        "the chain was begun anew: what stands above is of the one before",
        f"block {last} is another one than it was",
        "nothing, if it is a development chain that was emptied; else make sure that this is the right chain",
    )
