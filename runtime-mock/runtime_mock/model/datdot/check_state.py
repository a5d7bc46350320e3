"""Invariants of the state after every block: sums, counts, tables and money agree."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace

from ..frame import balances
from ..storage import State
from . import items
from .block import now
from .limits import JOBS, SECTOR
from .money import held, pot_value
from .params import DEFAULT_AMOUNTS
from .records import Copy, CopyState, PlanState
from .tables import copy_table, encoder_table, encoder_weight, hoster_table, hoster_weight
from .types import Role, Wait

# Amounts with which nothing is due.
FREE = replace(DEFAULT_AMOUNTS, collateral=0, encoder_bond=0)


class BrokenState(AssertionError):
    """The state breaks a rule. The message names rule and place."""


def _holds(kept: bool, rule: str, where: object = "") -> None:
    if not kept:
        raise BrokenState(f"{rule}: {where.hex() if isinstance(where, bytes) else where}")


@dataclass(slots=True)
class Sums:
    """Sums over live copies and kept records, for one hoster or one encoder."""

    used: int = 0
    stored: int = 0
    copies: int = 0
    records: int = 0
    jobs: int = 0
    unreleased: int = 0
    halves: int = 0


def check_state(s: State) -> None:
    """Raise BrokenState if the state breaks a rule."""
    copies = dict(items.Copies.entries(s))
    sums = _sums(s, copies)
    _check_plans(s, copies)
    _check_copies(s, copies)
    _check_hosters(s, sums)
    _check_encoders(s, sums)
    _check_slots(s)
    _check_storing(s)
    _check_queues(s)


def check_money(s: State, at_genesis: int) -> None:
    """Check that the issuance changed only by what was minted and burned, both counted (fees and dust as well).

    Root's force_set_balance and force_adjust_total_issuance break it.
    """
    counted = at_genesis + items.Minted.get(s) - items.Burned.get(s)
    _holds(balances.TotalIssuance.get(s) == counted, "issuance = genesis + minted - burned", counted)


def _sums(s: State, copies: dict[int, Copy]) -> dict[bytes, Sums]:
    sums: dict[bytes, Sums] = defaultdict(Sums)
    for copy in copies.values():
        hoster = sums[copy.hoster]
        hoster.records += 1
        if copy.state != CopyState.ENDED:
            hoster.used += copy.sectors * SECTOR
            hoster.stored += copy.stored
            hoster.copies += 1
        if copy.encoder is not None:
            sums[copy.encoder].jobs += 1
            sums[copy.encoder].unreleased += copy.fee
    for _, segment in items.Segments.entries(s):
        if segment.half:
            sums[segment.encoder].unreleased += segment.half
            sums[segment.encoder].halves += 1
    return sums


def _check_plans(s: State, copies: dict[int, Copy]) -> None:
    for plan_id, plan in items.Plans.entries(s):
        own = {copy_id: copy for copy_id, copy in copies.items() if copy.plan == plan_id}
        reserved = sum(copy.reserve for copy in own.values())
        live = sorted(copy_id for copy_id, copy in own.items() if copy.state != CopyState.ENDED)
        shares = [share for _, share in items.Shares.entries(s, plan_id)]
        _holds(plan.reserved == reserved, "a plan's reserves are those of its copies", plan_id)
        _holds(pot_value(s, plan_id) >= reserved, "a pot holds what its copies reserve", plan_id)
        _holds(plan.records == len(own), "a plan counts its copies' records", plan_id)
        _holds(sorted(plan.live) == live, "a plan lists its live copies", plan_id)
        _holds(len(live) <= plan.terms.replicas, "no more copies than replicas", plan_id)
        _holds(plan.state == PlanState.LIVE or not live, "an ended plan has no live copy", plan_id)
        _holds(len(shares) == plan.donors, "a plan counts its donors", plan_id)
        _holds(sum(shares) <= plan.shares, "donors hold no more than all shares", plan_id)


def _check_copies(s: State, copies: dict[int, Copy]) -> None:
    for copy_id, copy in copies.items():
        stored = sum(part.sectors for part in copy.segments)
        _holds(stored == copy.stored, "a copy's segments add up to what is stored", copy_id)
        begun = copy.state in (CopyState.BEGUN, CopyState.ENCODING)
        drawn = begun or copy.state == CopyState.ASSIGNED
        _holds((copy.encoder is not None) == drawn, "a copy has an encoder exactly while it needs one", copy_id)
        current = copy.state == CopyState.ENDED or (copy.current is not None) == begun
        _holds(current, "a current segment while encoding", copy_id)
        whole = copy.state != CopyState.ACTIVE or copy.stored_bytes == copy.bytes
        _holds(whole, "an active copy is whole", copy_id)
        _holds(copy.tabled <= copy.stored, "no more sectors are drawn than stored", copy_id)
        if copy.slot is not None:
            _holds(items.CopySlots.get(s, copy.hoster, copy.slot) == copy_id, "a copy stands in its slot", copy_id)
        halves = 0
        segments = [part.segment for part in copy.segments] + ([] if copy.current is None else [copy.current])
        for segment_id in segments:
            segment = items.Segments.get(s, segment_id)
            _holds(items.Moduli.contains(s, segment_id), "a copy's segments have moduli", segment_id)
            _holds(segment is not None, "a copy's segments have records", segment_id)
            halves += segment.half if segment is not None else 0
        _holds(halves == copy.halves, "a copy's second halves are those of its segments", copy_id)


def _check_hosters(s: State, sums: dict[bytes, Sums]) -> None:
    total = 0
    for account, hoster in items.Hosters.entries(s):
        own = sums.get(account, Sums())
        _holds(hoster.used == own.used, "a hoster's used bytes are its live copies'", account)
        _holds(hoster.stored == own.stored, "a hoster's stored sectors are its live copies'", account)
        _holds((hoster.copies, hoster.records) == (own.copies, own.records), "a hoster counts its copies", account)
        tabled = copy_table(s, account).total()
        listed = [items.Copies.get(s, copy_id) for _, copy_id in items.CopySlots.entries(s, account)]
        drawn = sum(copy.tabled for copy in listed if copy is not None)
        _holds(tabled == drawn, "a copies table sums its copies", account)
        _holds((hoster.place is not None) == (tabled > 0), "who stores something is listed", account)
        draw = items.HosterDraws.get(s, account)
        if draw is not None and draw.slot is not None:
            weight = hoster_table(s).weight(draw.slot)
            # Amounts may have changed after the entry did: its weight is 0 or full by the amounts of that time.
            _holds(weight in (0, hoster_weight(draw, FREE)), "a hoster's weight is that of its entry", account)
            total += weight
    _holds(hoster_table(s).total() == total, "the table of hosters sums their weights", total)


def _check_encoders(s: State, sums: dict[bytes, Sums]) -> None:
    total = 0
    for account, encoder in items.Encoders.entries(s):
        own = sums.get(account, Sums())
        _holds(encoder.jobs == own.jobs <= JOBS, "an encoder counts its jobs", account)
        _holds(encoder.unreleased == own.unreleased, "an encoder's unreleased fees", account)
        _holds(encoder.halves == own.halves, "an encoder counts its second halves", account)
        draw = items.EncoderDraws.get(s, account)
        if draw is not None and draw.slot is not None:
            weight = encoder_table(s).weight(draw.slot)
            _holds(weight in (0, encoder_weight(draw, FREE)), "an encoder's weight is that of its entry", account)
            total += weight
    _holds(encoder_table(s).total() == total, "the table of encoders sums their weights", total)


def _check_slots(s: State) -> None:
    holes = items.HoleCount.get(s)
    for place in range(holes):
        index = items.Holes.get(s, place)
        _holds(index is not None and not items.Slots.contains(s, index), "a hole has no slot", place)
    slots = dict(items.Slots.entries(s))
    _holds(len(slots) + holes == items.SlotCount.get(s), "slots and holes are all places", len(slots))
    bonds: dict[bytes, int] = defaultdict(int)
    for slot in slots.values():
        bonds[slot.account] += slot.bond
    for account, bond in bonds.items():
        _holds(held(s, account, Role.ATTESTING) == bond, "an attester holds its slots' bonds", account)


def _check_storing(s: State) -> None:
    listed = dict(items.Storing.entries(s))
    _holds(
        sorted(listed) == list(range(items.StoringCount.get(s))), "the list of storing hosters is dense", len(listed)
    )
    for place, account in listed.items():
        hoster = items.Hosters.get(s, account)
        _holds(hoster is not None and hoster.place == place, "a storing hoster knows its place", account)


def _check_queues(s: State) -> None:
    needs = items.NeedQueue.get(s)
    kept = sum(1 for _ in items.Needs.entries(s))
    _holds(kept == needs.tail - needs.head, "the queue of needs is whole", kept)
    due = [block for block, _ in items.DueChanges.entries(s)]
    _holds(all(block > now(s) for block in due), "no change is overdue", due)
    for wait in Wait:
        queue = items.DeadlineQueues.get(s, wait)
        kept = sum(1 for _ in items.Deadlines.entries(s, wait))
        _holds(kept == queue.tail - queue.head, "a queue of deadlines is whole", wait.name)
