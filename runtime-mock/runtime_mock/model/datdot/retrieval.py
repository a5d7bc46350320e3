"""Retrieval challenges: committees, commits, reveals, verdicts (pallet-spec/README.md section 10)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from ..frame.dispatch import ModuleError, Post
from ..scale import U32, U64
from ..storage import State
from . import weights
from .block import deposit, genesis, less, now
from .changes import reputation, set_reputation
from .copies import parties, strike
from .crypto import commitment, draw, low, next_link, probe
from .errors import Error, ensure, error
from .events import RetrievalCommitted, RetrievalRefused, RetrievalRevealed, RetrievalSettled, SeatEmptyHanded
from .items import Attesters, Copies, Eras, Hosters, Peers, Plans, Retrievals, Segments, Slots
from .limits import EMPTY_HANDED, MAX_LINKS, MAX_RECENT, MIN_REPUTATION, PPM, SEAT_DRAWS, SPENT_PART
from .merkle import leaf, opened_root
from .money import burn_held, copy_and_plan, mul_div, pay, put_copy_and_plan
from .offers import take_back_slot
from .params import amounts, times
from .pauses import was_away
from .queue import arm_at
from .records import (
    Copy,
    CopyState,
    Opening,
    Plan,
    Report,
    Retrieval,
    RetrievalCommit,
    RetrievalReveal,
    Seat,
    Verdict,
)
from .segments import context_of, locate
from .types import Attester, EraCount, Payment, Role, Slot, Wait
from .verdicts import judge

Item = TypeVar("Item", RetrievalCommit, RetrievalReveal)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a committee's reports."""

    verdict: Verdict
    reports: int
    fails: int
    latency_ms: int
    kib_per_s: int

    @classmethod
    def of(cls, reports: list[Report], quorum: int) -> Outcome:
        """Return the outcome of reports."""
        served = [report for report in reports if report.served == 1]
        fails = len(reports) - len(served)
        if len(reports) < quorum:
            verdict = Verdict.VOID
        elif 3 * fails >= 2 * len(reports):
            verdict = Verdict.FAILED
        else:
            verdict = Verdict.PASSED

        def median(value: Callable[[Report], int]) -> int:
            return _lower_median([value(report) for report in served]) if verdict == Verdict.PASSED else 0

        return cls(
            verdict, len(reports), fails, median(lambda report: report.latency_ms), median(lambda r: r.kib_per_s)
        )


def _lower_median(values: list[int]) -> int:
    return sorted(values)[(len(values) - 1) // 2] if values else 0


def _lost(slot: Slot, era: int) -> bool:
    """Return whether a slot's account made a new offer in `era` or later and so lost its seats of that era."""
    return any(renewed >= era for renewed in slot.renewed)


def _era_start(s: State, era: int) -> int:
    return era * times(s).era


def _ensure_within(s: State, era: int, start: int, end: int) -> None:
    """Raise OutsideWindow unless this block is in [start, end) after the start of `era`."""
    first = _era_start(s, era)
    ensure(first + start <= now(s) < first + end, Error.OutsideWindow)


def _tested(s: State, era: int, copy_id: int) -> Copy:
    """Return the copy if it was active before `era` began. Eras 0 and 1 have no tests."""
    copy = Copies.get(s, copy_id)
    if copy is None:
        raise error(Error.NoSuchCopy)
    active = copy.active_since is not None and copy.active_since < _era_start(s, era)
    ensure(era >= 2 and active, Error.NotUnderTest)
    return copy


# ---- seats


def _may_sit(s: State, slot: Slot, era: int, plan: Plan, copy: Copy) -> bool:
    late = slot.taken + 1 >= era or any(renewed + 1 == era for renewed in slot.renewed)
    gone = slot.returned is not None and slot.returned < _era_start(s, era)
    party = plan.sponsor == slot.account or slot.account in parties(copy)
    return not (late or gone or party or slot.ask > plan.terms.report_price)


def _committee(s: State, era: int, copy_id: int, copy: Copy) -> tuple[list[Seat], int]:
    """Return the committee of (era, copy), its seats in the order in which they were drawn, and the number of draws."""
    info, before, plan = Eras.get(s, era), Eras.get(s, less(era, 1)), Plans.get(s, copy.plan)
    if info is None or before is None or plan is None or before.slots == 0:
        return [], 0
    ids = U64.encode(copy_id) + U32.encode(era)
    seats: list[Seat] = []
    draws = 0
    while draws < SEAT_DRAWS and len(seats) < times(s).seats:
        index = draw(5, info.seed, ids, draws) % before.slots
        draws += 1
        slot = Slots.get(s, index)
        if slot is None or any(seat.account == slot.account for seat in seats):
            continue
        if _may_sit(s, slot, era, plan, copy):
            seats.append(Seat(index, slot.account))
    return seats, draws


@dataclass(slots=True)
class _Found:
    """A retrieval record as it stands, or as it would be created now with so many draws."""

    record: Retrieval
    new: bool
    draws: int


def _find(s: State, era: int, copy_id: int, copy: Copy) -> _Found:
    """Return the record of (era, copy), or what it would be."""
    record = Retrievals.get(s, era, copy_id)
    if record is not None:
        return _Found(record, False, 0)
    seats, draws = _committee(s, era, copy_id, copy)
    return _Found(Retrieval(seats), True, draws)


def _keep(s: State, era: int, copy_id: int, found: _Found) -> None:
    """Write the record of (era, copy). A new one is queued for its removal."""
    if found.new:
        arm_at(s, Wait.SETTLE, _era_start(s, era + 1) + times(s).settle_to, copy_id, era)
    Retrievals.put(s, era, copy_id, found.record)


def _kept(s: State, seat: Seat, era: int) -> bool:
    """Return whether a seat's account made no offer with a new anchor in `era` or later.

    Slots that were given back do not show such an offer, but no link is revealed after it before the seats that it
    costs are settled.
    """
    slot, attester = Slots.get(s, seat.slot), Attesters.get(s, seat.account)
    renewed = attester is not None and attester.link == attester.anchor and attester.link_era >= era
    return slot is not None and not _lost(slot, era) and not renewed


def _seat_of(s: State, record: Retrieval, era: int, account: bytes) -> Seat:
    """Return the account's seat. Raises NoSeat."""
    seat = next((seat for seat in record.seats if seat.account == account), None)
    if seat is None or not _kept(s, seat, era):
        raise error(Error.NoSeat)
    return seat


def _each(s: State, account: bytes, era: int, items: list[Item], take: Callable[[Item], None]) -> bool:
    """Take each item that can be taken. Return whether all were.

    If none is, raises the error of the first. What was not taken is told by events, behind all others.
    """
    ensure(bool(items), Error.NothingSaid)
    refused: list[tuple[Item, ModuleError]] = []
    for item in items:
        try:
            take(item)
        except ModuleError as problem:
            refused.append((item, problem))
    if len(refused) == len(items):
        raise refused[0][1]
    for item, reason in refused:
        deposit(s, RetrievalRefused(era, item.copy, account, reason.encoded[2]))
    return not refused


def commit_retrievals(s: State, account: bytes, era: int, commits: list[RetrievalCommit]) -> Post:
    """Commit to reports on copies in an era, by an attester with a seat for each. They are final.

    Its weight is what was done: records made, and slots drawn for them.
    """
    records = draws = 0

    def take(said: RetrievalCommit) -> None:
        nonlocal records, draws
        copy = _tested(s, era, said.copy)
        ensure(copy.state != CopyState.ENDED, Error.NotUnderTest)
        found = _find(s, era, said.copy, copy)
        records, draws = records + found.new, draws + found.draws
        seat = _seat_of(s, found.record, era, account)
        ensure(seat.commit is None, Error.AlreadyCommitted)
        seat.commit = said.commit
        _keep(s, era, said.copy, found)
        deposit(s, RetrievalCommitted(era, said.copy, account))

    try:
        _ensure_within(s, era, times(s).probe_blocks, times(s).era)
        free = _each(s, account, era, commits, take)
    except ModuleError as problem:
        problem.weight = weights.commit_retrievals(len(commits), records, draws)
        raise
    return Post(weights.commit_retrievals(len(commits), records, draws), free)


def reveal_retrievals(s: State, account: bytes, era: int, link: bytes, reveals: list[RetrievalReveal]) -> Post:
    """Open commits: the era's link, and for each copy the report and, if served, the encoded sector with its siblings."""
    _ensure_within(s, era + 1, times(s).reveal_from, times(s).settle_from)
    attester = _linked(s, account, era, link)
    free = _each(s, account, era, reveals, lambda said: _reveal(s, account, era, link, said))
    Attesters.put(s, account, attester)
    return Post(free=free)


def _reveal(s: State, account: bytes, era: int, link: bytes, said: RetrievalReveal) -> None:
    """Take one reveal, with a link that leads where it must."""
    copy = _tested(s, era, said.copy)
    record = Retrievals.get(s, era, said.copy)
    if record is None:
        raise error(Error.NotCommitted)
    seat = _seat_of(s, record, era, account)
    if seat.commit is None:
        raise error(Error.NotCommitted)
    report, opening = said.report, said.opening
    ensure(seat.report is None, Error.AlreadyRevealed)
    ensure(report.served <= 1 and (opening is not None) == (report.served == 1), Error.BadReport)
    shown = bytes(32) if opening is None else _opened_leaf(s, era, said.copy, copy, link, opening)
    expected = commitment(genesis(s), account, era, said.copy, report, link, shown, said.salt)
    ensure(expected == seat.commit, Error.CommitMismatch)
    seat.report = report
    Retrievals.put(s, era, said.copy, record)
    deposit(s, RetrievalRevealed(era, said.copy, account, report))


def _linked(s: State, account: bytes, era: int, link: bytes) -> Attester:
    """Return the attester with the link of `era`: it must lead to the last one shown of an earlier era, or be the one shown.

    Raises NoSeat and BadLink.
    """
    attester = Attesters.get(s, account)
    if attester is None:
        raise error(Error.NoSeat)
    if attester.link_era == era:
        ensure(attester.link == link, Error.BadLink)
        return attester
    steps = era - attester.link_era
    ensure(1 <= steps <= MAX_LINKS, Error.BadLink)
    chain, end = genesis(s), link
    for _ in range(steps):
        end = next_link(chain, account, end)
    ensure(end == attester.link, Error.BadLink)
    attester.link_era = era
    attester.link = link
    return attester


def _sectors_at(s: State, copy: Copy, era: int) -> int:
    """Return the sectors that a copy stored when `era` began."""
    return sum(part.sectors for part in copy.segments if part.since < _era_start(s, era))


def _opened_leaf(s: State, era: int, copy_id: int, copy: Copy, link: bytes, opening: Opening) -> bytes:
    """Return the leaf of the sector that the link names, if the opening proves it. Raises BadOpening."""
    sectors = _sectors_at(s, copy, era)
    ensure(sectors > 0, Error.BadOpening)
    found = locate(copy, low(probe(link, copy_id, era, 0)) % sectors)
    segment = Segments.get(s, found[0]) if found else None
    context = context_of(s, segment, copy.hoster) if segment is not None else None
    if found is None or segment is None or context is None:
        raise error(Error.BadOpening)
    index = found[1]
    ensure(opened_root(context, segment.sectors, index, opening) == segment.root, Error.BadOpening)
    return leaf(context, index, opening.data)


# ---- verdicts


def settle_retrieval(s: State, era: int, copy_id: int) -> None:
    """Settle the verdict of (era, copy) and its payments, by anyone."""
    _ensure_within(s, era + 1, times(s).settle_from, times(s).settle_to)
    copy = _tested(s, era, copy_id)
    until = _era_start(s, era + 1)
    ensure(copy.ended is None or copy.ended >= until, Error.NotUnderTest)
    found = _find(s, era, copy_id, copy)
    ensure(not found.record.settled, Error.AlreadySettled)
    # Nothing asks for the seats any more: what stays until `settle_to` says that there was a verdict.
    sat, found.record = found.record.seats, Retrieval([], True)
    _keep(s, era, copy_id, found)
    seats = [(seat, seat.report if _kept(s, seat, era) else None) for seat in sat]
    outcome = Outcome.of([report for _, report in seats if report is not None], times(s).quorum)
    hoster = Hosters.get(s, copy.hoster)
    if outcome.verdict == Verdict.FAILED and hoster is not None and was_away(s, hoster, era):
        outcome = replace(outcome, verdict=Verdict.VOID)
    _pay_committee(s, era, copy_id, seats)
    _score(s, era, copy_id, copy, outcome)


def _pay_committee(s: State, era: int, copy_id: int, seats: list[tuple[Seat, Report | None]]) -> None:
    """Pay the reports that say "served", and burn from attesters without a report, in seat order."""
    found = copy_and_plan(s, copy_id)
    if found is None:
        raise error(Error.NoSuchCopy)
    copy, plan = found
    price = mul_div(plan.terms.report_price, reputation(s, copy.hoster), by=PPM)
    for seat, report in seats:
        if report is None:
            _empty_handed(s, era, copy_id, seat)
        elif report.served == 1:
            pay(s, copy_id, copy, plan, seat.account, price, Payment.REPORT)
    put_copy_and_plan(s, copy_id, copy, plan)


def _empty_handed(s: State, era: int, copy_id: int, seat: Seat) -> None:
    """Burn 1 % of the bond due, at most 5 % per slot and era. With the first half of the bond the slot is lost."""
    slot = Slots.get(s, seat.slot)
    burned, spent = 0, False
    if slot is not None and slot.account == seat.account and _count_empty(slot, era):
        bond = amounts(s).attester_bond
        burned = burn_held(s, slot.account, Role.ATTESTING, min(bond // 100, slot.bond))
        slot.bond = less(slot.bond, burned)
        spent = slot.bond < bond // SPENT_PART and slot.returned is None
        Slots.put(s, seat.slot, slot)
    deposit(s, SeatEmptyHanded(era, copy_id, seat.account, seat.slot, burned))
    if spent:
        take_back_slot(s, seat.account, seat.slot)


def _count_empty(slot: Slot, era: int) -> bool:
    """Count an empty-handed seat of `era`. Return False if enough are counted already."""
    counted = next((count for count in slot.empty if count.era == era), None)
    if counted is None:
        slot.empty = [*slot.empty, EraCount(era, 1)][-MAX_RECENT:]
        return True
    if counted.count >= EMPTY_HANDED:
        return False
    counted.count += 1
    return True


def _score(s: State, era: int, copy_id: int, copy: Copy, outcome: Outcome) -> None:
    """Apply the verdict to the hoster and the copy."""
    before = reputation(s, copy.hoster)
    peer = Peers.get(s, copy.hoster)
    if peer is not None and outcome.verdict == Verdict.PASSED:
        peer.latency_ms = outcome.latency_ms
        peer.kib_per_s = outcome.kib_per_s
        peer.served += 1
    elif peer is not None and outcome.verdict == Verdict.FAILED:
        peer.failed += 1
    if peer is not None:
        Peers.put(s, copy.hoster, peer)
    medians = outcome.latency_ms, outcome.kib_per_s
    deposit(s, RetrievalSettled(era, copy_id, outcome.verdict, outcome.reports, outcome.fails, *medians))
    judge(s, era, copy_id, outcome.verdict, *medians)
    if outcome.verdict != Verdict.FAILED:
        return
    hoster = Hosters.get(s, copy.hoster)
    stored = hoster.stored if hoster is not None else 0
    if copy.state != CopyState.ENDED and stored > 0:
        loss = mul_div(before, copy.stored, by=16 * stored)
        set_reputation(s, copy.hoster, max(less(before, loss), MIN_REPUTATION))
    strike(s, copy_id)
