"""The attester as a pure machine: which probes are due, and when to commit, reveal and settle their results.

seat of (era r, copy):  Probe j at its block of r, repeated until the commit ─ Commit in [ProbeBlocks, Era) of r
                        ─ Reveal in [RevealFrom, SettleFrom) after the start of r + 1 ─ Settle from SettleFrom on, by anyone
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from service.chain_client.pallet.constants import MAX_LINKS, PROBES
from service.chain_client.pallet.types import Attester, Copy, Retrieval, Times

from ..common.terms import AttesterTerms
from .rules import probes

ENOUGH = 3
"""Answered probes (probe 0 among them) from which on a report says "served"."""
SETTLE_STEP = 2
"""Blocks between the turns of two ranks to settle the same verdict."""


@dataclass(frozen=True, slots=True)
class OwnSeat:
    """A seat of ours in the current era: the copy, its number of sectors, and our link of that era."""

    copy: int
    sectors: int
    link: bytes


@dataclass(frozen=True, slots=True)
class AttesterFacts:
    """Everything a decision rests on, at one finalized block.

    `answered` are the (era, copy, probe) answered in full, `reported` the (era, copy) whose report is fixed and
    durable, `retrievals` the chain's records of recent eras.
    """

    now: int
    account: bytes
    times: Times
    terms: AttesterTerms
    offer: Attester | None
    chain_fits: bool
    seats: tuple[OwnSeat, ...] = ()
    answered: frozenset[tuple[int, int, int]] = frozenset()
    reported: frozenset[tuple[int, int]] = frozenset()
    retrievals: Mapping[tuple[int, int], Retrieval] = field(default_factory=dict)
    copies: Mapping[int, Copy] = field(default_factory=dict)

    @property
    def era(self) -> int:
        """The era of the block."""
        return self.now // self.times.era


@dataclass(frozen=True, slots=True)
class OfferAttesting:
    """Take slots. With `renew`, offer a new anchor, because the links of the old one are used up or lost."""

    ask: int
    slots: int
    renew: bool


@dataclass(frozen=True, slots=True)
class MakeProbe:
    """Fetch blocks from this sector of the copy on, as a reader would, then ask for the encoded sector."""

    era: int
    copy: int
    number: int
    sector: int


@dataclass(frozen=True, slots=True)
class CommitReport:
    """Fix the report and put its hash on the chain."""

    era: int
    copy: int
    link: bytes


@dataclass(frozen=True, slots=True)
class RevealReport:
    """Open the commit."""

    era: int
    copy: int


@dataclass(frozen=True, slots=True)
class Settle:
    """Ask the chain for the verdict."""

    era: int
    copy: int


AttesterAction = OfferAttesting | MakeProbe | CommitReport | RevealReport | Settle


def decide(facts: AttesterFacts) -> list[AttesterAction]:
    """Return what an attester must do now, actions with a deadline first."""
    actions: list[AttesterAction] = []
    for (era, copy), record in sorted(facts.retrievals.items()):
        if record.settled:
            continue
        if _reveal_due(facts, era, copy, record):
            actions.append(RevealReport(era, copy))
        elif settle_due(facts.now, facts.times, era, facts.copies.get(copy), _rank(record, facts.account)):
            actions.append(Settle(era, copy))
    actions += _gathered(facts, [action for seat in facts.seats for action in _seat(facts, seat)])
    offer = _offer(facts)
    return actions if offer is None else [*actions, offer]


def _offer(facts: AttesterFacts) -> OfferAttesting | None:
    if facts.offer is None:
        return OfferAttesting(facts.terms.ask, facts.terms.slots, True)
    missing = max(0, facts.terms.slots - len(facts.offer.slots))
    stale = not facts.chain_fits or facts.era + 1 - facts.offer.link_era > MAX_LINKS
    if missing or stale:
        return OfferAttesting(facts.terms.ask, missing, stale)
    return None


def _reveal_due(facts: AttesterFacts, era: int, copy: int, record: Retrieval) -> bool:
    start = (era + 1) * facts.times.era
    if not start + facts.times.reveal_from - 1 <= facts.now < start + facts.times.settle_from - 1:
        return False
    return (era, copy) in facts.reported and any(
        seat.account == facts.account and seat.commit is not None and seat.report is None for seat in record.seats
    )


def _rank(record: Retrieval, account: bytes) -> int:
    for rank, seat in enumerate(record.seats):
        if seat.account == account:
            return rank
    return len(record.seats)


def settle_due(now: int, times: Times, era: int, copy: Copy | None, rank: int) -> bool:
    """Return whether to settle now.

    Ranks take turns, SETTLE_STEP blocks apart, so that not every attester of the seat pays for the same call.
    """
    start = (era + 1) * times.era
    first = start + times.settle_from + SETTLE_STEP * rank
    last = start + times.settle_to - 2
    if copy is None or (copy.ended is not None and copy.ended < start):
        return False
    return min(first, last) <= now <= last


def gather_until(times: Times, era: int) -> int:
    """Return the block until which commits wait for those of other seats, to go with them in one call."""
    return era * times.era + times.probe_blocks - 1 + max(2, (times.era - times.probe_blocks) // 8)


def _gathered(facts: AttesterFacts, actions: list[AttesterAction]) -> list[AttesterAction]:
    """Hold back the commits of a window that has just opened while other seats are still probed; not what is fixed."""
    probing = any(isinstance(action, MakeProbe) for action in actions)
    if not probing or facts.now >= gather_until(facts.times, facts.era):
        return actions
    return [
        action
        for action in actions
        if not isinstance(action, CommitReport) or (action.era, action.copy) in facts.reported
    ]


def commit_latest(times: Times, era: int, served: bool) -> int:
    """Return the block from which an incomplete report is committed instead of being tried further.

    A report that already says "served" waits for its last probe until the middle of the window. One that would say "not
    served" keeps trying for as long as the commit can still be in time.
    """
    window = times.era - times.probe_blocks
    return (era + 1) * times.era - ((window + 1) // 2 if served else max(3, window // 3))


def _seat(facts: AttesterFacts, seat: OwnSeat) -> list[AttesterAction]:
    era, times = facts.era, facts.times
    start = era * times.era
    record = facts.retrievals.get((era, seat.copy))
    if record is not None and any(s.account == facts.account and s.commit is not None for s in record.seats):
        return []
    fixed = (era, seat.copy) in facts.reported
    answered = sum((era, seat.copy, number) in facts.answered for number in range(PROBES))
    actions: list[AttesterAction] = []
    if not fixed:
        for probe in probes(seat.link, seat.copy, era, seat.sectors, times.probe_blocks):
            if facts.now >= start + probe.offset and (era, seat.copy, probe.number) not in facts.answered:
                actions.append(MakeProbe(era, seat.copy, probe.number, probe.sector))
    served = (era, seat.copy, 0) in facts.answered and answered >= ENOUGH
    ready = fixed or answered == PROBES or facts.now >= commit_latest(times, era, served)
    if ready and facts.now >= start + times.probe_blocks - 1:
        actions = [CommitReport(era, seat.copy, seat.link)]
    return actions
