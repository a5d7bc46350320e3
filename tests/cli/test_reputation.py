"""Why a reputation last changed: which block is found, what its events mean, and what is said where states are gone."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from service.chain_client.pallet import events
from service.chain_client.pallet.types import Verdict
from service.views.reputation import ReputationChange, find_change, reasons

ME, OTHER = bytes([1]) * 32, bytes([2]) * 32


async def found(history: Sequence[int | None]) -> tuple[ReputationChange, int]:
    """The change in the history of a reputation, block after block, and how many blocks were looked at."""
    looks = 0

    async def look(number: int) -> int | None:
        nonlocal looks
        looks += 1
        return history[number]

    return await find_change(look, len(history) - 1), looks


async def test_the_last_change_is_found_wherever_it_is() -> None:
    for size in range(1, 70):
        for place in range(size):
            change, _ = await found([5] * place + [7] * (size - place))
            assert change == ReputationChange(place, 5 if place else None)
    change, looks = await found([5] * 700_000 + [7] * 300_000)
    assert change == ReputationChange(700_000, 5)
    assert looks < 50


async def test_what_is_found_is_a_change_to_what_it_is_now() -> None:
    source = random.Random(3)
    for _ in range(300):
        history: list[int | None] = [500]
        for _ in range(source.randint(0, 400)):
            last = history[-1] or 0
            history.append(last + (source.randint(-3, 9) if source.random() < 0.03 else 0))
        change, _ = await found(history)
        assert history[change.block] == history[-1]
        if change.block:
            assert history[change.block - 1] == change.before != history[-1]


async def test_states_that_are_gone_are_where_it_ends() -> None:
    for gone in range(1, 80):
        change, _ = await found([None] * gone + [5] * (100 - gone))
        assert change == ReputationChange(gone, None), "the oldest that can be read"
    assert (await found([None] * 20 + [5] * 30 + [6] * 50))[0] == ReputationChange(50, 5)


@pytest.mark.parametrize(
    ("event", "says"),
    [
        (events.PeerRegistered(ME, b"", b""), "registered"),
        (events.StorageProved(ME, 7, 9), "challenge of block 7 was answered"),
        (events.StorageMissed(ME, 7, 9), "block 7 was not answered in time"),
        (events.HosterOverdue(ME, 7, 2, 99), "by its second deadline either"),
        (events.RetrievalSettled(4, 3, Verdict.FAILED, 9, 9, 0, 0), "copy 3 not served in era 4"),
        (events.EncodingReported(3, 8, OTHER, 1, 1), "copy 3 was shown not to decode"),
        (events.EncodingReported(5, 6, OTHER, 1, 1), "copy 5 was shown not to decode"),
    ],
)
def test_each_event_that_moves_a_reputation_is_a_reason(event: events.Event, says: str) -> None:
    (reason,) = reasons([event], ME, frozenset({3}), frozenset({6}))
    assert says in reason
    assert reasons([event], OTHER, frozenset(), frozenset()) == []


def test_what_moves_none_is_no_reason() -> None:
    others = (
        events.HosterOverdue(ME, 7, 1, 99),  # at the first step StorageMissed says it
        events.RetrievalSettled(4, 3, Verdict.PASSED, 9, 0, 1, 1),
        events.HosterCleared(ME),
        events.HosterEvicted(ME),
    )
    assert reasons(others, ME, frozenset({3}), frozenset()) == []
    both = [events.StorageProved(ME, 7, 9), events.RetrievalSettled(4, 3, Verdict.FAILED, 9, 9, 0, 0)]
    assert len(reasons(both, ME, frozenset({3}), frozenset())) == 2  # type: ignore[arg-type]
