"""Random lives on the model alone: the state keeps its rules in every block, all closes, and nobody is paid twice."""

from __future__ import annotations

import pytest

from runtime_mock.model.datdot import events
from runtime_mock.model.datdot.records import CopyEnd
from tests.support.model_life import ModelLife, paid_once

LIVES = 24
BLOCKS = 300
# In some of these lives all this must have happened, or lives have become too quiet.
EVENTFUL = (22, 29, 46, 80)
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


def lived(number: int) -> ModelLife:
    life = ModelLife(number)
    life.live(BLOCKS)
    paid_once(life)
    return life


@pytest.mark.parametrize("number", range(LIVES))
def test_a_life(number: int) -> None:
    lived(number)


@pytest.mark.slow
def test_lives_are_eventful() -> None:
    happened = [event for number in EVENTFUL for _, event in lived(number).chain.events]
    seen = {type(event).__name__ for event in happened}
    assert [name for name in WANTED if name not in seen] == []
    reasons = {event.reason for event in happened if isinstance(event, events.CopyEnded)}
    assert reasons == set(CopyEnd) - {CopyEnd.INVALID}
