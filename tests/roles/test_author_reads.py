"""What an author's node reads of the chain with each block: plans whose tick is near, and no more of those that rest."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest

from service.chain_client import Block
from service.chain_client.pallet.types import Head, Plan, PlanState, Terms, Times
from service.hypercore import Corestore
from service.roles.common.context import Context
from service.roles.common.troubles import Troubles
from service.roles.sponsor import role as module
from service.roles.sponsor.role import AuthorRole
from tests.support.blank import blank
from tests.support.copy_world import digest

ERA = 64
LEAD = ERA // 8


class Plans:
    """The chain's plans, and the numbers of those that were read last."""

    def __init__(self) -> None:
        self.plans: dict[int, Plan] = {}
        self.read: list[int] = []

    def add(self, feed: bytes, next_tick: int) -> None:
        terms = blank(Terms, live=True)
        head = Head(0, 10, 1_000, b"")
        self.plans[len(self.plans)] = blank(
            Plan, feed=feed, state=PlanState.LIVE, terms=terms, head=head, bytes=1_000, next_tick=next_tick
        )

    async def next_plan(self, at: bytes) -> int:
        return len(self.plans)

    async def plans_of(self, numbers: Sequence[int], at: bytes) -> dict[int, Plan]:
        self.read += numbers
        return {number: self.plans[number] for number in numbers}


def author(plans: Plans, store: Corestore) -> AuthorRole:
    client = SimpleNamespace(storage=plans, times=blank(Times, era=ERA, seed_delay=4))
    signer = SimpleNamespace(account=digest("me"))
    return AuthorRole(cast("Context", SimpleNamespace(client=client, signer=signer, store=store, troubles=Troubles())))


async def read_in(role: AuthorRole, plans: Plans, number: int) -> tuple[list[int], set[int]]:
    """Return the plans that are read in a block, and those that a decision is made of."""
    plans.read = []
    facts: Any = await role._facts(Block(number, bytes(32), bytes(32), ()))
    return plans.read, set(facts.plans)


async def test_of_plans_that_rest_none_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_AGAIN", 1 << 30)
    plans, store = Plans(), Corestore()
    feed = store.create("feed").key
    for tick in (100, 130):
        plans.add(feed, tick)
    plans.add(digest("foreign"), 100)
    role = author(plans, store)
    assert await read_in(role, plans, 40) == ([0, 1, 2], {0, 1}), "the first look is at all"
    assert await read_in(role, plans, 41) == ([], set())
    assert await read_in(role, plans, 100 - LEAD - 1) == ([], set())
    assert await read_in(role, plans, 100 - LEAD) == ([0], {0})
    assert await read_in(role, plans, 103) == ([0], {0}), "its tick is late"
    plans.plans[0] = blank(
        Plan, **{name: getattr(plans.plans[0], name) for name in Plan.__slots__} | {"next_tick": 104 + ERA}
    )
    assert await read_in(role, plans, 104) == ([0], {0}), "its tick was made: it rests from now on"
    assert await read_in(role, plans, 105) == ([], set())
    plans.add(feed, 108)
    assert await read_in(role, plans, 106) == ([3], {3}), "a new one, and its tick is near"


async def test_a_feed_that_comes_into_the_store_has_its_plans_looked_at() -> None:
    plans, store = Plans(), Corestore()
    core = Corestore().create("feed")
    plans.add(core.key, 100)
    role = author(plans, store)
    assert await read_in(role, plans, 95) == ([0], set()), "it is not stored here"
    assert await read_in(role, plans, 96) == ([], set())
    store.get(core.key)
    assert await read_in(role, plans, 97) == ([0], {0})


async def test_a_part_of_all_plans_is_looked_at_in_turn_and_what_ended_is_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "LOOK_AGAIN", 4)
    plans, store = Plans(), Corestore()
    for _ in range(8):
        plans.add(digest("foreign"), 1_000)
    role = author(plans, store)
    await read_in(role, plans, 1)
    assert await read_in(role, plans, 6) == ([2, 6], set())
    plans.plans[6] = blank(Plan, feed=digest("foreign"), state=PlanState.ENDED, terms=blank(Terms, live=True))
    assert await read_in(role, plans, 10) == ([2, 6], set())
    assert await read_in(role, plans, 14) == ([2], set())
