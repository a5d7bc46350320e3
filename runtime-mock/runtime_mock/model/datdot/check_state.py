"""Invariants of the state after every block: sums, counts, tables and money agree."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace

from ..frame import balances
from ..storage import State
from . import items
from .block import now
from .changes import OFFERS
from .limits import JOBS, LANES, MAX_OFFER_CHANGES, MAX_REPLICAS, SECTOR
from .money import held, pot_value
from .params import DEFAULT_AMOUNTS
from .records import Copy, CopyState, PlanState
from .tables import copy_table, encoder_table, encoder_weight, hoster_table, hoster_weight
from .types import Hoster, NeedKind, Role, Wait

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
    _check_peers(s)
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


def _check_peers(s: State) -> None:
    bound, peers = dict(items.Keys.entries(s)), dict(items.Peers.entries(s))
    for account, _ in items.Operators.entries(s):
        _holds(account in peers, "who has an operator is a peer", account)
    for account, peer in peers.items():
        _holds(peer.swarm_key != peer.statement_key, "a peer has two keys", account)
        owners = {bound.get(peer.swarm_key), bound.get(peer.statement_key)}
        _holds(owners == {account}, "a peer's keys are bound to it", account)
    for key, account in bound.items():
        _holds(account in peers, "a bound key is a peer's", key)


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
    by_plan: dict[int, dict[int, Copy]] = defaultdict(dict)
    for copy_id, copy in copies.items():
        by_plan[copy.plan][copy_id] = copy
    for plan_id, plan in items.Plans.entries(s):
        own = by_plan[plan_id]
        reserved = sum(copy.reserve for copy in own.values())
        live = sorted(copy_id for copy_id, copy in own.items() if copy.state != CopyState.ENDED)
        shares = [share for _, share in items.Shares.entries(s, plan_id)]
        _holds(plan.reserved == reserved, "a plan's reserves are those of its copies", plan_id)
        _holds(pot_value(s, plan_id) >= reserved, "a pot holds what its copies reserve", plan_id)
        _holds(plan.records == len(own), "a plan counts its copies' records", plan_id)
        _holds(sorted(plan.live) == live, "a plan lists its live copies", plan_id)
        leaving = sum(own[copy_id].leaving > 0 for copy_id in live)
        _holds(plan.leaving == leaving, "a plan counts its leaving copies", plan_id)
        _holds(len(live) <= MAX_REPLICAS, "a plan has at most 16 live copies", plan_id)
        _holds(len(live) - leaving <= plan.terms.replicas, "no more copies stay than replicas", plan_id)
        stores = any(own[copy_id].stored for copy_id in live)
        _holds(plan.confirmed == stores, "a plan knows whether a live copy stores something", plan_id)
        _holds(plan.mark <= plan.burned, "no more had its surcharge than was burned", plan_id)
        _holds(plan.state == PlanState.LIVE or not live, "an ended plan has no live copy", plan_id)
        _holds(len(shares) == plan.donors, "a plan counts its donors", plan_id)
        _holds(sum(shares) <= plan.shares, "donors hold no more than all shares", plan_id)


def _check_copies(s: State, copies: dict[int, Copy]) -> None:
    for copy_id, copy in copies.items():
        stored = sum(part.sectors for part in copy.segments)
        ended = copy.state == CopyState.ENDED
        # The records of a long copy that ended go in pieces.
        _holds(
            stored == copy.stored or (ended and stored < copy.stored), "a copy's segments are what is stored", copy_id
        )
        rest = -(-(copy.bytes - copy.stored_bytes) // SECTOR)
        _holds(copy.sectors == copy.stored + rest, "a copy's sectors are those of its bytes", copy_id)
        grown = copy.active_since is None or all(part.since >= copy.active_since for part in copy.segments[-1:])
        _holds(grown, "a copy's last segment is not older than its first activity", copy_id)
        begun = copy.state in (CopyState.BEGUN, CopyState.ENCODING)
        drawn = begun or copy.state == CopyState.ASSIGNED
        _holds((copy.encoder is not None) == drawn, "a copy has an encoder exactly while it needs one", copy_id)
        current = ended or (copy.current is not None) == begun
        _holds(current, "a current segment while encoding", copy_id)
        whole = copy.state != CopyState.ACTIVE or copy.stored_bytes == copy.bytes
        _holds(whole, "an active copy is whole", copy_id)
        _holds(not copy.invalid or ended or copy.dropping, "an invalid copy ends", copy_id)
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
        _holds(hoster.used <= hoster.capacity, "a hoster has no more used than it has", account)
        _check_ladder(s, account, hoster)
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
    entries = dict(items.HosterDraws.entries(s))
    _holds(len(entries) == items.HosterCount.get(s), "the entries of the table of hosters are counted", len(entries))
    slots = dict(items.HosterSlots.entries(s))
    known = {entry.slot: account for account, entry in entries.items() if entry.slot is not None}
    _holds(slots == known, "every slot of the table of hosters has its entry", len(slots))


def _check_ladder(s: State, account: bytes, hoster: Hoster) -> None:
    challenge = items.StorageChallenges.get(s, account)
    _holds(hoster.step in range(4), "a hoster's step is one of four", account)
    if hoster.step:
        _holds((challenge is not None) == (hoster.step < 3), "a challenge is open while it is overdue", account)
    if challenge is not None:
        copies = [items.Copies.get(s, sample.copy) for sample in challenge.samples]
        live = all(copy is not None and copy.state != CopyState.ENDED for copy in copies)
        _holds(bool(copies) and live, "a challenge asks for live copies", account)


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
    wanting = []
    for lane in range(LANES):
        fifo = items.NeedQueue.get(s, lane)
        needs = [need for _, need in items.Needs.entries(s, lane)]
        _holds(len(needs) == fifo.tail - fifo.head, "a lane of needs is whole", lane)
        # A need may outlive its plan.
        wanting += [need.id for need in needs if need.kind == NeedKind.HOSTER and items.Plans.contains(s, need.id)]
    queued = [plan_id for plan_id, plan in items.Plans.entries(s) if plan.queued]
    _holds(sorted(wanting) == sorted(queued), "a plan knows whether it has a need in a queue", len(wanting))
    for block, count in items.OfferChanges.entries(s):
        offers = sum(isinstance(change, OFFERS) for change in items.DueChanges.get(s, block))
        # At the upgrade to version 3 those that waited were not counted.
        _holds(count <= min(offers, MAX_OFFER_CHANGES), "changes by offers are counted", block)
    reports = sorted(hash_ for _, hash_ in items.ReportAt.entries(s))
    _holds(reports == sorted(hash_ for hash_, _ in items.Reports.entries(s)), "reports are listed", len(reports))
    due = [block for block, _ in items.DueChanges.entries(s)]
    _holds(all(block > now(s) for block in due), "no change is overdue", due)
    for wait in Wait:
        queue = items.DeadlineQueues.get(s, wait)
        kept = sum(1 for _ in items.Deadlines.entries(s, wait))
        _holds(kept == queue.tail - queue.head, "a queue of deadlines is whole", wait.name)
