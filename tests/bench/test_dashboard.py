"""The measurement of the dashboard: a small crowd is served by both, and the stream after the last is refused."""

from __future__ import annotations

import pytest

from bench import dashboard


def test_a_small_crowd(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"HOSTERS": 3, "COPIES": 9, "CLIENTS": 5, "ROUNDS": 2, "PER_ROUND": 2}.items():
        monkeypatch.setattr(dashboard, name, value)
    monkeypatch.setattr(dashboard, "_KNOWN", {})
    ours, peer = dashboard.measured(lambda _: None)
    for one in (ours, peer):
        assert {path: len(taken) for path, taken in one.taken.items()} == {"/": 4, "/api/status": 4}
        assert one.after > 0
        assert one.percentile("/", 50) <= one.percentile("/", 99)


def test_the_bodies_of_chunks() -> None:
    assert dashboard.chunks(b"3\r\nabc\r\n1\r\nd\r\n5\r\nx") == b"abcd"
    told = [b'event: figures\r\ndata: {"block": "%d"}\r\n\r\n' % block for block in (1, 2, 3)]
    told.insert(2, b"event: say\r\ndata: a\r\n\r\n")
    assert dashboard.brought(b"".join(told), 2, 3) == (told[0], told[1] + told[2])
