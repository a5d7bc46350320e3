"""Sessions, the tokens of their forms, and the waits after wrong passphrases: bounded, with an end, each token good once."""

from __future__ import annotations

from service.ui.sessions import (
    LONGEST_WAIT,
    MOST_ADDRESSES,
    MOST_SESSIONS,
    MOST_TOKENS,
    SessionBook,
    UnlockedSession,
    WrongPassphrases,
)


def test_a_session_ends_with_its_time_or_by_hand() -> None:
    book = SessionBook()
    one, two = book.begin(900, 100), book.begin(3600, 100)
    assert book.find(one, 999.9) is not None
    assert book.find(one, 1000) is None
    assert book.find(one, 100) is None
    assert book.find(two, 1000) is not None
    book.end(two)
    assert book.find(two, 1000) is None
    assert book.find(None, 0) is None
    assert book.find("", 0) is None


def test_there_are_only_so_many_sessions() -> None:
    book = SessionBook()
    keys = [book.begin(900, 0) for _ in range(MOST_SESSIONS + 1)]
    assert [book.find(key, 1) is None for key in keys] == [True] + [False] * MOST_SESSIONS
    assert all(key not in repr(book.__dict__) for key in keys)


def test_a_token_is_good_once_and_for_its_purpose() -> None:
    session = UnlockedSession(1)
    token = session.issue("donate 1")
    assert not session.take(token, "donate 2")
    assert not session.take(token, "donate 1")
    token = session.issue("donate 1")
    assert session.take(token, "donate 1")
    assert not session.take(token, "donate 1")
    assert not session.take("", "")
    tokens = [session.issue("x") for _ in range(MOST_TOKENS + 1)]
    assert [session.take(one, "x") for one in tokens] == [False] + [True] * MOST_TOKENS


def test_each_wrong_passphrase_doubles_the_wait_of_its_address() -> None:
    wrong, waits = WrongPassphrases(), []
    for _ in range(12):
        wrong.note("a", False, 0)
        waits.append(wrong.wait("a", 0))
    assert waits == [2, 4, 8, 16, 32, 64, 128, 256, *[LONGEST_WAIT] * 4]
    assert wrong.wait("b", 0) == 0
    assert wrong.wait("a", LONGEST_WAIT) == 0
    wrong.note("a", True, 0)
    assert wrong.wait("a", 0) == 0
    for number in range(MOST_ADDRESSES + 5):
        wrong.note(str(number), False, 0)
    assert wrong.wait("4", 0) == 0
    assert wrong.wait("5", 0) == 2
