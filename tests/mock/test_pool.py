"""The transaction pool: order, gaps in nonces, replacement, bans, ends and limits, as a node has them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from runtime_mock.codec import blake2_256, compact, prefixed
from runtime_mock.node import pool as module
from runtime_mock.node.pool import Pool, PoolError, refusal

Status = Any


def valid(priority: int, requires: list[bytes], provides: list[bytes], longevity: int = 64) -> bytes:
    tags = [compact(len(of)) + b"".join(map(prefixed, of)) for of in (requires, provides)]
    return b"\0" + priority.to_bytes(8, "little") + b"".join(tags) + longevity.to_bytes(8, "little") + b"\1"


class Accounts:
    """A runtime's answers: an extrinsic is `account nonce priority`, the chain knows each account's next nonce."""

    def __init__(self) -> None:
        self.next: dict[str, int] = {}
        self.longevity = 64

    def __call__(self, extrinsic: bytes) -> bytes:
        account, nonce_, priority = extrinsic.decode().split()
        nonce, due = int(nonce_), self.next.get(account, 0)
        if nonce < due:
            return b"\1\0\3"
        before = [f"{account}{nonce - 1}".encode()] if nonce > due else []
        return valid(int(priority), before, [f"{account}{nonce}".encode()], self.longevity)


@pytest.fixture
def accounts() -> Accounts:
    return Accounts()


@pytest.fixture
def pool(accounts: Accounts) -> Pool:
    return Pool(accounts)


def watched(pool: Pool, text: str) -> list[Status]:
    seen: list[Status] = []
    pool.submit(text.encode(), 0, [seen.append])
    return seen


def ready(pool: Pool) -> list[str]:
    return [one.extrinsic.decode() for one in pool.ready()]


def code(do: Callable[[], Any]) -> int:
    with pytest.raises(PoolError) as raised:
        do()
    return raised.value.code


def test_priority_first_but_each_after_what_it_needs(pool: Pool) -> None:
    for text in ("a 0 1", "a 1 9", "b 0 5", "c 0 5"):
        watched(pool, text)
    assert ready(pool) == ["b 0 5", "c 0 5", "a 0 1", "a 1 9"]


def test_a_gap_is_future_until_it_is_filled(pool: Pool) -> None:
    late, later = watched(pool, "a 1 1"), watched(pool, "a 2 1")
    assert late == later == ["future"]
    assert ready(pool) == []
    assert watched(pool, "a 0 1") == ["ready"]
    assert late == later == ["future", "ready"]
    assert ready(pool) == ["a 0 1", "a 1 1", "a 2 1"]


def test_a_better_one_usurps(pool: Pool) -> None:
    first, second = watched(pool, "a 0 5"), watched(pool, "a 1 5")
    assert code(lambda: watched(pool, "a 0 5\t")) == 1014
    assert code(lambda: watched(pool, "a 0 4")) == 1014
    winner = watched(pool, "a 0 6")
    assert first == ["ready", {"usurped": "0x" + blake2_256(b"a 0 6").hex()}]
    assert winner == ["ready"]
    assert second == ["ready"]
    assert ready(pool) == ["a 0 6", "a 1 5"]


def test_twice_the_same(pool: Pool) -> None:
    watched(pool, "a 0 1")
    assert code(lambda: watched(pool, "a 0 1")) == 1013
    watched(pool, "b 7 1")
    assert code(lambda: watched(pool, "b 7 1")) == 1013


def test_what_a_block_holds_is_banned_until_the_block_is_gone(pool: Pool, accounts: Accounts) -> None:
    watched(pool, "a 0 1")
    name = blake2_256(b"a 0 1")
    assert pool.included(name) is not None
    assert len(pool) == 0
    accounts.next["a"] = 1
    assert code(lambda: watched(pool, "a 0 1")) == 1012
    pool.unban(name)
    assert code(lambda: watched(pool, "a 0 1")) == 1010
    accounts.next["a"] = 0
    watched(pool, "a 0 1")


def test_inclusion_makes_what_waited_ready(pool: Pool) -> None:
    waiting = watched(pool, "a 1 1")
    pool.submit(b"a 0 1", 0)
    pool.included(blake2_256(b"a 0 1"))
    assert waiting == ["future", "ready"]
    assert ready(pool) == ["a 1 1"]


def test_a_refused_one_takes_its_followers_along(pool: Pool) -> None:
    first, second = watched(pool, "a 0 1"), watched(pool, "a 1 1")
    pool.refuse(blake2_256(b"a 0 1"), b"\1\0\6")
    assert ready(pool) == ["a 0 1", "a 1 1"], "an exhausted block is no fault of theirs"
    pool.refuse(blake2_256(b"a 0 1"), b"\1\0\1")
    assert first == second == ["ready", "invalid"]
    assert code(lambda: watched(pool, "a 0 1")) == 1012


def test_mortals_die(pool: Pool, accounts: Accounts) -> None:
    accounts.longevity = 5
    seen = watched(pool, "a 0 1")
    pool.prune(4)
    assert ready(pool) == ["a 0 1"]
    pool.prune(5)
    assert seen == ["ready", "invalid"]
    assert len(pool) == 0


def test_asked_again_after_other_blocks(pool: Pool, accounts: Accounts) -> None:
    stale, gap = watched(pool, "a 0 1"), watched(pool, "b 2 1")
    accounts.next.update(a=1, b=2)
    pool.revalidate(1)
    assert stale == ["ready", "invalid"]
    assert gap == ["future", "ready"]
    accounts.next["b"] = 0
    pool.revalidate(2)
    assert gap == ["future", "ready", "future"]


def test_limits(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_READY", 2)
    monkeypatch.setattr(module, "MAX_FUTURE", 1)
    monkeypatch.setattr(module, "MAX_BANNED", 2)
    watched(pool, "a 0 1")
    watched(pool, "b 0 1")
    assert code(lambda: watched(pool, "c 0 1")) == 1016
    watched(pool, "d 5 1")
    assert code(lambda: watched(pool, "e 5 1")) == 1016
    monkeypatch.setattr(module, "MAX_READY", 9)
    monkeypatch.setattr(module, "MAX_BYTES", 20)
    assert code(lambda: watched(pool, "c 0 1000000")) == 1016
    for text in ("a 0 1", "b 0 1"):
        pool.included(blake2_256(text.encode()))
    watched(pool, "c 0 1")
    pool.included(blake2_256(b"c 0 1"))
    watched(pool, "a 0 1")  # the oldest ban is forgotten


@pytest.mark.parametrize(
    ("kind", "number", "custom", "wanted"),
    [
        (0, 3, 0, (1010, "Invalid Transaction", "Transaction is outdated")),
        (0, 4, 0, (1010, "Invalid Transaction", "Transaction has a bad signature")),
        (0, 7, 9, (1010, "Invalid Transaction", "Custom error: 9")),
        (0, 99, 0, (1010, "Invalid Transaction", "invalid transaction 99")),
        (1, 1, 0, (1011, "Unknown Transaction Validity", "Could not find an unsigned validator")),
        (1, 2, 5, (1011, "Unknown Transaction Validity", "custom 5")),
    ],
)
def test_refusals_are_worded_as_a_nodes(kind: int, number: int, custom: int, wanted: Any) -> None:
    error = refusal(kind, number, custom)
    assert (error.code, error.message, error.data) == wanted


def test_a_runtime_that_answers_rubbish() -> None:
    assert code(lambda: Pool(lambda _: b"\0\1").submit(b"x", 0)) == 1002
