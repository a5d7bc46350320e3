"""What a peer of a core is told and asked, and when its silence is too long: the pure machine, under a clock of its own."""

from __future__ import annotations

from typing import Any

import pytest

from service.hypercore import Core, Corestore
from service.hypercore.heads import Appended, Available
from service.hypercore.tree.proof import BlockRequest, Request
from service.hypercore.wire import messages as m
from service.hypercore.wire.peer import (
    ANSWER_SECONDS,
    CHECK_SECONDS,
    MAX_NEWS,
    OPEN_SECONDS,
    Answered,
    Changed,
    PeerState,
)

ASK = Request(block=BlockRequest(3, 0))


def core_of(blocks: int) -> Core:
    core = Corestore().create()
    if blocks:
        core.append([bytes([number % 256]) for number in range(blocks)])
    return core


def opened(core: Core, now: float = 0.0) -> PeerState:
    state = PeerState(core, now)
    state.open()
    state.outbox.clear()
    return state


def sync(length: int, fork: int = 0) -> bytes:
    return m.encode_sync(m.Sync(m.CAN_UPGRADE | m.UPLOADING, fork, length, 0))


def sent(state: PeerState) -> list[int]:
    kinds = [kind for kind, _ in state.outbox]
    state.outbox.clear()
    return kinds


def test_an_opened_channel_tells_the_head_and_the_blocks() -> None:
    state = PeerState(core_of(5), 0.0)
    assert not state.outbox
    state.open()
    assert sent(state) == [m.SYNC, m.RANGE]
    empty = PeerState(core_of(0), 0.0)
    empty.open()
    assert sent(empty) == [m.SYNC]


def test_a_sync_is_never_answered_by_the_same_again() -> None:
    state = opened(core_of(5))
    assert state.take(m.SYNC, sync(0), 1.0) == Changed(None)
    assert sent(state) == []
    state.take(m.SYNC, sync(7), 1.0)  # it has more: now we know of a longer one, and say so, once
    assert sent(state) == [m.SYNC]
    state.take(m.SYNC, sync(7), 1.0)
    assert sent(state) == []


def test_who_does_not_tell_its_length_is_given_up() -> None:
    state = opened(core_of(0), 100.0)
    state.start_asking(100.0)
    assert state.deadline == 100.0 + OPEN_SECONDS
    silence = state.expire(100.0 + OPEN_SECONDS, 0.0)
    assert silence is not None
    assert not silence.fatal
    assert "did not announce its length" in silence.reason


def test_a_head_is_waited_for_while_it_is_read() -> None:
    state = opened(core_of(0), 0.0)
    state.start_asking(0.0)
    assert state.expire(OPEN_SECONDS, OPEN_SECONDS - 1) is None, "what it says waited behind another channel"
    assert state.deadline == 2 * OPEN_SECONDS - 1
    assert state.expire(2 * OPEN_SECONDS - 1, OPEN_SECONDS - 1) is not None


def test_pauses_of_reading_stop_the_clock_and_do_not_begin_it_anew() -> None:
    """Else a peer that fills another channel now and then is never found silent."""
    state = opened(core_of(0), 0.0)
    state.start_asking(0.0)
    state.take(m.SYNC, sync(9), 0.0)
    state.ask(ASK, 0, 0.0)
    now = paused = 0.0
    while (silence := state.expire(now, paused)) is None:
        assert state.deadline is not None
        assert state.deadline >= now + CHECK_SECONDS
        now, paused = now + 2.0, paused + 1.0
    assert silence.fatal
    assert now - paused == ANSWER_SECONDS


def test_who_does_not_answer_loses_the_connection() -> None:
    state = opened(core_of(0), 0.0)
    state.start_asking(0.0)
    state.take(m.SYNC, sync(9), 1.0)
    assert state.expire(OPEN_SECONDS, 0.0) is None
    assert state.deadline is None, "nothing is waited for"
    number = state.ask(ASK, 0, 50.0)
    assert state.deadline == 50.0 + ANSWER_SECONDS
    assert state.take(m.NO_DATA, m.encode_no_data(number, m.NOT_AVAILABLE), 60.0) == Answered(number, ASK, None)
    state.ask(ASK, 0, 70.0)
    assert state.expire(50.0 + ANSWER_SECONDS, 0.0) is None, "the second was asked later"
    assert state.deadline == 70.0 + ANSWER_SECONDS
    silence = state.expire(70.0 + ANSWER_SECONDS, 0.0)
    assert silence is not None
    assert silence.fatal
    assert "no answer to 1 requests" in silence.reason


def test_answers_to_nothing_are_no_answers() -> None:
    """A peer that sends them is as silent as one that sends nothing. One to a request that was taken back shows work."""
    state = opened(core_of(0), 0.0)
    state.start_asking(0.0)
    state.take(m.SYNC, sync(9), 0.0)
    back, number = state.ask(ASK, 0, 10.0), state.ask(ASK, 0, 10.0)
    for bogus in (0, number + 1, 1000):
        assert state.take(m.NO_DATA, m.encode_no_data(bogus, m.NOT_AVAILABLE), 50.0) is None
    assert state.heard == 10.0
    state.cancel(back)
    for now in (51.0, 52.0):
        assert state.take(m.NO_DATA, m.encode_no_data(back, m.NOT_AVAILABLE), now) is None
    assert state.heard == 51.0, "once"
    assert state.expire(51.0 + ANSWER_SECONDS, 0.0) is not None


def test_what_was_taken_back_is_no_answer() -> None:
    state = opened(core_of(0))
    state.start_asking(0.0)
    number = state.ask(ASK, 0, 0.0)
    state.cancel(number)
    assert state.take(m.NO_DATA, m.encode_no_data(number, m.NOT_AVAILABLE), 1.0) is None
    number = state.ask(ASK, 0, 0.0)
    sent(state)
    state.stop_asking()
    assert sent(state) == [m.CANCEL, m.SYNC]
    assert state.expire(10 * ANSWER_SECONDS, 0.0) is None


def test_ranges_tell_only_what_is_new() -> None:
    state = opened(core_of(0))
    assert state.take(m.RANGE, m.encode_range(10, 5), 0.0) == Changed(10)
    assert state.take(m.RANGE, m.encode_range(10, 5), 0.0) is None
    assert state.take(m.RANGE, m.encode_range(8, 9), 0.0) == Changed(8)
    assert state.take(m.RANGE, m.encode_range(9, 2, drop=True), 0.0) is None
    assert [block for block in range(20) if block in state.has] == [8, 11, 12, 13, 14, 15, 16]


def test_another_fork_makes_all_it_told_void() -> None:
    state = opened(core_of(5))
    state.take(m.SYNC, sync(5, fork=1), 0.0)
    state.take(m.RANGE, m.encode_range(0, 5), 0.0)
    state.want(0)
    sent(state)
    assert state.take(m.SYNC, sync(5, fork=0), 0.0) == Changed(0)
    assert 0 not in state.has
    assert m.RANGE in sent(state), "what it was told at the other fork it may have ignored"
    state.want(0)
    assert sent(state) == [m.WANT]


@pytest.mark.parametrize("runs", [3, MAX_NEWS + 1])
def test_news_are_kept_in_bounded_memory(runs: int) -> None:
    class Sparse:
        fork, length, contiguous_length, manifest = 0, 10_000, 0, None

    core: Any = Sparse()
    state = opened(core)
    for number in range(runs):
        state.core_changed(Available(2 * number, 2 * number + 1))
    state.core_changed(Appended(10_000))
    assert state.tell() is (runs > MAX_NEWS), "then the shell tells of all blocks"
    assert len([kind for kind in sent(state) if kind == m.RANGE]) == (0 if runs > MAX_NEWS else runs)
    assert state.tell() is False


def test_nothing_is_said_after_the_end() -> None:
    state = opened(core_of(3))
    state.start_asking(0.0)
    sent(state)
    state.close()
    state.want(0)
    state.ask(ASK, 0, 0.0)
    assert sent(state) == []
    assert state.expire(10 * ANSWER_SECONDS, 0.0) is None
