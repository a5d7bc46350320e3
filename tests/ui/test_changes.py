"""What a page is told live: figures that changed, regions not too often, sentences, and no more than a slow client needs."""

from __future__ import annotations

import json

from service.ui.changes import MOST_SAID, LiveChange, LiveChanges, LiveView, Mailbox


def test_the_first_view_is_told_whole_and_then_only_what_changed() -> None:
    changes = LiveChanges()
    first = changes.take(LiveView({"block": "1", "era": "0"}, {"log": 1}, "All is well"), 0)
    assert first == LiveChange({"block": "1", "era": "0"})
    second = changes.take(LiveView({"block": "2", "era": "0"}, {"log": 1}, "All is well"), 1)
    assert second == LiveChange({"block": "2"})
    third = changes.take(LiveView({"block": "2", "era": "0"}, {"log": 2}, "The disk is full"), 2)
    assert third == LiveChange({}, frozenset({"log"}), "The disk is full")


def test_a_region_that_was_told_just_before_is_told_later() -> None:
    changes = LiveChanges()
    told = [
        changes.take(LiveView({}, {"peers": mark}, ""), now).regions
        for now, mark in enumerate(["a", "b", "c", "c", "c", "c", "c", "c", "c"])
    ]
    assert told == [frozenset(), {"peers"}, *[frozenset()] * 4, {"peers"}, *[frozenset()] * 2]


def test_a_slow_client_gets_the_newest_of_each() -> None:
    box = Mailbox()
    for number in range(10_000):
        box.put(LiveChange({"block": str(number)}, frozenset({"log", "peers"}), f"sentence {number}"))
    found = box.take()
    assert found[:3] == [("figures", json.dumps({"block": "9999"})), ("region", "log"), ("region", "peers")]
    assert found[3:] == [("say", f"sentence {number}") for number in range(10_000 - MOST_SAID, 10_000)]
    assert box.take() == []
