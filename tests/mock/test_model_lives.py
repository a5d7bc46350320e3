"""Random lives on the model alone: the state keeps its rules in every block, all closes, and nobody is paid twice."""

from __future__ import annotations

from collections import Counter, defaultdict

import pytest

from runtime_mock.model.datdot import events
from runtime_mock.model.datdot.records import CopyEnd
from runtime_mock.model.datdot.types import Payment
from tests.support.model_life import ModelLife

LIVES = 24
BLOCKS = 300
# In some of these lives all this must have happened, or lives have become too quiet.
EVENTFUL = (26, 29, 32, 34, 38, 43, 45, 47, 55)
WANTED = (
    "CopyActive",
    "CopyLeaving",
    "FeedIsFrozen",
    "Forfeited",
    "GrowthBegun",
    "GrowthLeft",
    "HosterCleared",
    "HosterEvicted",
    "HosterOverdue",
    "HosterPaused",
    "JobDeclined",
    "NeedSleeps",
    "PlanAmended",
    "PlanWaits",
    "Stalled",
    "Surcharged",
)


def paid_once(life: ModelLife) -> None:
    """No half of a fee, no receiving and no report was paid twice."""
    paid: Counter[tuple[int, bytes, Payment]] = Counter()
    most: dict[tuple[int, bytes, Payment], int] = defaultdict(int)
    encoders: dict[int, bytes] = {}
    hosters: dict[int, bytes] = {}
    for _, event in life.chain.events:
        if isinstance(event, events.Paid):
            paid[event.copy, event.account, event.what] += 1
        elif isinstance(event, events.CopyOffered):
            hosters[event.copy] = event.hoster
        elif isinstance(event, events.SegmentBegun):
            encoders[event.segment] = event.encoder
        elif isinstance(event, events.SegmentConfirmed):
            for what in (Payment.FIRST_HALF, Payment.SECOND_HALF):
                most[event.copy, encoders[event.segment], what] += 1
            most[event.copy, hosters[event.copy], Payment.RECEIVING] += 1
        elif isinstance(event, events.RetrievalRevealed):
            most[event.copy, event.account, Payment.REPORT] += event.report.served
    for key, count in paid.items():
        if key[2] != Payment.STORAGE:
            assert count <= most[key], key


def lived(number: int) -> ModelLife:
    life = ModelLife(number)
    life.live(BLOCKS)
    paid_once(life)
    return life


@pytest.mark.parametrize("number", range(LIVES))
def test_a_life(number: int) -> None:
    lived(number)


def test_lives_are_eventful() -> None:
    happened = [event for number in EVENTFUL for _, event in lived(number).chain.events]
    seen = {type(event).__name__ for event in happened}
    assert [name for name in WANTED if name not in seen] == []
    reasons = {event.reason for event in happened if isinstance(event, events.CopyEnded)}
    assert reasons == set(CopyEnd) - {CopyEnd.INVALID}
