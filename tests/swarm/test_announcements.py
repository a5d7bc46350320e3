"""What a peer wants to be found under is announced, again and again, and withdrawn: in virtual time."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from service.hypercore.swarm import DhtError
from service.hypercore.swarm.announcements import MAX_AT_ONCE, MAX_TOPICS, WITHDRAW_SECONDS, Announcements
from service.hypercore.swarm.discovery import REFRESH_SECONDS, RETRY_SECONDS, SPREAD_SECONDS

A, B, C = (bytes([one]) * 32 for one in range(3))


class Dht:
    """Counts what it is told, and answers after a while, or never."""

    def __init__(self) -> None:
        self.told: Counter[bytes] = Counter()
        self.withdrawn: Counter[bytes] = Counter()
        self.failures = self.running = self.most = 0
        self.seconds = 0.1

    async def _answer(self) -> None:
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await asyncio.sleep(self.seconds)
        finally:
            self.running -= 1

    async def announce(self, topic: bytes) -> None:
        self.told[topic] += 1
        await self._answer()
        if self.failures:
            self.failures -= 1
            raise DhtError("nobody answers")

    async def withdraw(self, topic: bytes) -> None:
        self.withdrawn[topic] += 1
        await self._answer()


def made(dht: Dht) -> Announcements:
    return Announcements(dht.announce, dht.withdraw, asyncio.get_running_loop().time)


async def test_topics_are_announced_and_announced_again() -> None:
    dht = Dht()
    announcements = made(dht)
    assert announcements.want([A, B, A]) == 0
    assert await announcements.settled()
    assert dht.told == {A: 1, B: 1}
    announcements.want([B, A])
    await asyncio.sleep(REFRESH_SECONDS - 1)
    assert dht.told == {A: 1, B: 1}, "what is wanted already is not announced anew"
    await asyncio.sleep(SPREAD_SECONDS + 2)
    assert dht.told == {A: 2, B: 2}
    announcements.hurry()
    assert await announcements.settled()
    assert dht.told == {A: 3, B: 3}
    await announcements.close()


async def test_what_is_no_longer_wanted_is_withdrawn_and_forgotten() -> None:
    dht = Dht()
    announcements = made(dht)
    announcements.want([A, B])
    await announcements.settled()
    announcements.want([B, C])
    await announcements.settled()
    await asyncio.sleep(1)
    assert dht.withdrawn == {A: 1}
    assert set(announcements._topics) == {B, C}
    announcements.want([A, B, C])  # wanted again
    await announcements.settled()
    assert dht.told == {A: 2, B: 1, C: 1}
    await announcements.close()
    assert dht.withdrawn == {A: 2, B: 1, C: 1}


async def test_a_failure_is_repeated_soon() -> None:
    dht = Dht()
    dht.failures = 2
    announcements = made(dht)
    announcements.want([A])
    assert not await announcements.settled()
    await asyncio.sleep(2 * (RETRY_SECONDS + 2 * RETRY_SECONDS) + 1)
    assert dht.told[A] == 3
    assert await announcements.settled()
    await announcements.close()


@pytest.mark.no_cover  # thousands of announcements in pure Python
async def test_few_are_announced_at_once_and_not_more_than_a_dht_should_bear() -> None:
    dht = Dht()
    announcements = made(dht)
    topics = [number.to_bytes(32, "big") for number in range(MAX_TOPICS + 5)]
    assert announcements.want(topics) == 5
    assert await announcements.settled()
    assert (dht.told.total(), dht.most) == (MAX_TOPICS, MAX_AT_ONCE)
    dht.seconds = 1e6
    before = asyncio.get_running_loop().time()
    await announcements.close()  # nobody answers: it does not wait for that
    assert asyncio.get_running_loop().time() - before == pytest.approx(WITHDRAW_SECONDS, abs=0.1)
    assert dht.running == 0


async def test_nothing_is_announced_after_the_end() -> None:
    dht = Dht()
    announcements = made(dht)
    announcements.want([A])
    await announcements.close()
    announcements.hurry()
    await asyncio.sleep(2 * REFRESH_SECONDS)
    assert dht.told[A] <= 1
