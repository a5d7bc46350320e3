"""Each event of the pallet has its words, and each that costs somebody says why, how much and what to do."""

from __future__ import annotations

import dataclasses
import typing
from enum import Enum
from pathlib import Path
from typing import Any

import pytest

from runtime_mock.chainspec import artifacts
from service.address import ss58
from service.chain_client import Block
from service.chain_client.pallet import events
from service.chain_client.pallet.events import EVENTS, Event
from service.chain_client.pallet.types import CopyEnd, Payment, PlanEnd, Verdict
from service.chain_client.runtime.events import EventRecord
from service.chain_client.runtime.metadata import Runtime
from service.operating import entries as module
from service.operating.entries import (
    ACCOUNTS,
    FEE,
    GAP,
    NODE,
    OPERATORS_FEE,
    PAYMENT,
    RESTARTED,
    SUMS,
    Followed,
    JournalEntry,
    entries_of,
    json_fields,
    stated,
)
from service.operating.meaning import cost_in_words, explain
from service.operating.sayings import SAYINGS
from service.operating.words import Level
from service.units import UNIT

ME, OTHER = bytes([1]) * 32, bytes([2]) * 32
ADDRESS = ss58(ME)
OWN_ACTS = {"Donated", "PlanPublished"}
"""Events by which an account gives money of its own will."""
COSTLY = {
    "BeginMissed": 7,
    "Stalled": 7,
    "Forfeited": 14,
    "SeatEmptyHanded": 7,
    "Donated": 7,
    "PlanPublished": 7 + 10**9,
}
"""What each event with all its sums 7 takes of an account that it names."""
PAYING = {"Paid": 7, "Refunded": 7, "EncodingReported": 7}


def made(kind: type[Any], account: bytes = ME, **given: Any) -> Any:
    """An event with 7 in each number and the account wherever one stands."""
    hints = typing.get_type_hints(kind)
    values = {}
    for one in dataclasses.fields(kind):
        hint = hints[one.name]
        if one.name in given:
            values[one.name] = given[one.name]
        elif hint is int:
            values[one.name] = 7
        elif hint in (bytes, bytes | None):
            values[one.name] = account if one.name in ACCOUNTS else bytes(32)
        elif hint is bool:
            values[one.name] = True
        elif isinstance(hint, type) and issubclass(hint, Enum):
            values[one.name] = next(iter(hint))
        elif dataclasses.is_dataclass(hint):
            values[one.name] = made(hint, account)  # type: ignore[arg-type]
        else:
            values[one.name] = ()
    return kind(**values)


def entry(event: Event, change: int = 0) -> JournalEntry:
    return JournalEntry(9, 0, "DatDot", type(event).__name__, json_fields(event), change)


def test_every_event_of_the_pallet_has_words_and_no_other_has() -> None:
    assert SAYINGS.keys() == EVENTS.keys()


@pytest.mark.parametrize("name", sorted(EVENTS))
@pytest.mark.parametrize("account", [ME, OTHER], ids=["mine", "another's"])
def test_words_of_each_event_are_whole(name: str, account: bytes) -> None:
    words = explain(entry(made(EVENTS[name], account)), ADDRESS)
    assert words.text
    assert not any(part in words.text + words.why + words.remedy for part in ("{", "None", "b'"))
    if words.level is not Level.NOTE:
        assert words.why, name
        assert words.remedy, name
    assert not words.text.endswith(".")


@pytest.mark.parametrize("name", sorted(EVENTS))
def test_each_event_that_takes_or_gives_money_is_known_to_do_so(name: str) -> None:
    event = made(EVENTS[name])
    if name == "Stalled":
        event = dataclasses.replace(event, encoder=OTHER)
    money = stated(event, ME)
    assert money == PAYING.get(name, -COSTLY.get(name, 0))
    assert stated(made(EVENTS[name], OTHER), ME) == 0, "what another one pays is not ours"
    if money < 0 and name not in OWN_ACTS:
        words = explain(entry(event, money), ADDRESS)
        assert words.level is Level.PENALTY
        assert "UNIT" in words.text
        assert cost_in_words(entry(event, money)) == f"lost 0.{'0' * (12 - len(str(-money)))}{-money} UNIT"


def test_a_sum_in_an_event_that_nobody_has_thought_of_would_be_noticed() -> None:
    """A field of an event that is money (u128) is in SUMS, and such a field says whose it is in `stated` or is only told."""
    runtime = Runtime((artifacts() / "metadata.scale").read_bytes(), 1, 1)
    types = runtime._metadata.portable_registry["types"]
    found: dict[str, set[str]] = {}
    for event in runtime._pallets["DatDot"].events:
        for field in event.value["fields"]:
            kind = types[field["type"]].value["type"]["def"]
            if str(kind.get("primitive", "")).lower() == "u128":
                found.setdefault(event.name, set()).add(field["name"])
    assert set().union(*found.values()) == SUMS
    only_told = {
        "HostingOffered",
        "EncodingOffered",
        "AttestingOffered",
        "Released",
        "SlotFreed",
        "PlanClaimable",
        "Surcharged",
    }
    assert found.keys() == COSTLY.keys() | PAYING.keys() | only_told


@pytest.mark.parametrize("reason", CopyEnd)
def test_each_end_of_a_copy_says_why(reason: CopyEnd) -> None:
    words = explain(entry(made(events.CopyEnded, reason=reason)), ADDRESS)
    assert words.why
    assert words.why != reason.value, "in words, not by its name"


@pytest.mark.parametrize("reason", PlanEnd)
def test_each_end_of_a_plan_says_why(reason: PlanEnd) -> None:
    assert explain(entry(made(events.PlanEnded, reason=reason)), ADDRESS).why not in ("", reason.value)


@pytest.mark.parametrize("what", Payment)
def test_each_payment_says_for_what(what: Payment) -> None:
    words = explain(entry(made(events.Paid, what=what, amount=UNIT // 1000), UNIT // 1000), ADDRESS)
    assert words.text.startswith("earned 0.001 UNIT for ")
    assert words.level is Level.NOTE


@pytest.mark.parametrize(
    ("verdict", "level"), [(one, Level.PENALTY if one is Verdict.FAILED else Level.NOTE) for one in Verdict]
)
def test_only_a_failed_verdict_is_a_penalty(verdict: Verdict, level: Level) -> None:
    assert explain(entry(made(events.RetrievalSettled, verdict=verdict)), ADDRESS).level is level


def record(
    pallet: str, name: str, extrinsic: int | None, fields: Any = None, event: Event | None = None
) -> EventRecord:
    return EventRecord(pallet, name, fields, event, extrinsic)


def happened(*records: EventRecord) -> list[JournalEntry]:
    return entries_of(Block(9, bytes(32), bytes(32), records), ME, Followed())


def hexed(account: bytes) -> str:
    return "0x" + account.hex()


def fee_of(withdrawn: int, back: int, *between: EventRecord) -> list[JournalEntry]:
    who = hexed(ME)
    return happened(
        record("Balances", "Withdraw", 1, {"who": who, "amount": withdrawn}),
        *between,
        record("Balances", "Deposit", 1, {"who": who, "amount": back}),
        record(PAYMENT, FEE, 1, {"who": who, "actual_fee": withdrawn - back, "tip": 0}),
    )


def test_a_fee_is_what_was_taken_less_what_came_back() -> None:
    (fee,) = fee_of(50, 20)
    assert (fee.name, fee.change, fee.held) == (FEE, -30, 0)
    assert explain(fee, ADDRESS).level is Level.NOTE
    assert fee_of(50, 50) == [], "a proof's fee comes back whole: nothing happened"
    (failed,) = fee_of(50, 20, record("System", "ExtrinsicFailed", 1, {}))
    words = explain(failed, ADDRESS)
    assert (words.level, bool(words.why), bool(words.remedy)) == (Level.PENALTY, True, True)


def test_what_its_operator_paid_is_told_apart_and_is_no_change_of_the_accounts() -> None:
    def paid(back: int, followed: Followed, *more: EventRecord) -> list[JournalEntry]:
        who = hexed(OTHER)
        records = (
            record("Balances", "Withdraw", 1, {"who": who, "amount": 50}),
            record("Balances", "Transfer", 1, {"from": who, "to": hexed(bytes(32)), "amount": 7}),
            *more,
            record("Balances", "Deposit", 1, {"who": who, "amount": back}),
            record(PAYMENT, FEE, 1, {"who": who, "actual_fee": 50 - back, "tip": 0}),
        )
        return entries_of(Block(9, bytes(32), bytes(32), records), ME, followed)

    assert paid(20, Followed()) == [], "somebody else's"
    (fee,) = paid(20, Followed(operators={OTHER}))
    assert (fee.name, fee.change, fee.held, fee.by_operator, fee.moved) == (OPERATORS_FEE, 0, 0, 30, True)
    assert fee.fields == {"failed": False, "event": None, "operator": ss58(OTHER)}
    assert explain(fee, ADDRESS).text == "a call of this account cost its operator a fee of 0.00000000003 UNIT"
    assert cost_in_words(fee) == "its operator paid 0.00000000003 UNIT"
    assert paid(50, Followed(operators={OTHER})) == [], "a proof's fee comes back whole"
    (failed,) = paid(20, Followed(operators={OTHER}), record("System", "ExtrinsicFailed", 1, {}))
    assert explain(failed, ADDRESS).level is Level.PENALTY
    # who was named is followed from there on
    followed, named = Followed(), events.OperatorSet(ME, OTHER)
    paid(
        20,
        followed,
        record("DatDot", "OperatorSet", 0, {}, named),
        record("DatDot", "OperatorSet", 0, {}, events.OperatorSet(ME, None)),
    )
    assert followed.operators == {OTHER}
    assert not Followed().concerns(events.OperatorSet(OTHER, bytes(32)), ME)


def test_transfers_go_both_ways_and_one_to_oneself_is_nothing() -> None:
    def moved(source: bytes, to: bytes) -> list[JournalEntry]:
        return happened(record("Balances", "Transfer", 1, {"from": hexed(source), "to": hexed(to), "amount": 5}))

    (got,), (sent,) = moved(OTHER, ME), moved(ME, OTHER)
    assert (got.change, sent.change) == (5, -5)
    assert explain(got, ADDRESS).text == f"received 0.000000000005 UNIT from {ss58(OTHER)}"
    assert explain(sent, ADDRESS).text == f"sent 0.000000000005 UNIT to {ss58(OTHER)}"
    assert moved(ME, ME) == moved(OTHER, OTHER) == []


def test_two_payments_of_the_same_sum_are_two_entries() -> None:
    minted = record("Balances", "Minted", None, {"who": hexed(ME), "amount": 5})
    paid = record("DatDot", "Paid", None, {}, events.Paid(1, ME, 5, Payment.STORAGE))
    assert [(one.name, one.change) for one in happened(minted, paid, minted, paid)] == [("Paid", 5), ("Paid", 5)]
    assert [(one.name, one.change) for one in happened(minted, minted, paid)] == [("Minted", 5), ("Paid", 5)]
    assert [(one.name, one.change) for one in happened(paid)] == [("Paid", 0)], "what was not minted was not earned"


def test_what_the_node_notes_has_words() -> None:
    for name in (GAP, RESTARTED):
        words = explain(JournalEntry(9, 0, NODE, name, {"first": 3, "last": 8}), ADDRESS)
        assert words.level is Level.WARNING
        assert words.remedy


def test_a_copy_of_an_encoder_is_followed_until_the_chain_forgets_it() -> None:
    followed = Followed()
    assert followed.concerns(made(events.EncoderDrawn, copy=3), ME)
    assert not followed.concerns(events.CopyStruck(3, 1), ME), "a strike is its hoster's"
    assert followed.concerns(made(events.EncodingReported, OTHER, copy=3), ME)
    assert not followed.concerns(made(events.EncodingReported, OTHER, copy=4), ME)
    assert not followed.concerns(events.CopyRemoved(3), ME)
    assert followed == Followed()


def test_a_plan_is_followed_by_who_gave_to_it_until_it_is_closed() -> None:
    followed = Followed()
    assert not followed.concerns(events.PotLow(5, 9), ME)
    assert followed.concerns(events.Donated(5, ME, 1, 1), ME)
    assert followed.concerns(events.PotLow(5, 9), ME)
    assert followed.concerns(events.PlanClosed(5), ME)
    assert not followed.concerns(events.PotLow(5, 9), ME)


def test_the_words_are_in_one_place() -> None:
    """No other module decides what a penalty is."""
    service = Path(module.__file__).parents[1]
    assert [path.name for path in service.rglob("*.py") if "PENALTIES" in path.read_text()] == []
