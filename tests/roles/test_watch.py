"""The copies of a peer, kept in memory: what is read again, what is never read, and that it is what the chain has."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

import pytest

from service.chain_client import ConnectionLost, StateDiscarded
from service.chain_client.call import PALLET
from service.chain_client.pallet import events
from service.chain_client.pallet.types import CopyState
from service.roles.common.watch import MOST_MISSED, READ_AGAIN, CopyWatch

ME, OTHER = b"me".ljust(32), b"other".ljust(32)


class Chain:
    """A chain of which this watch is the only reader: it counts what is read."""

    def __init__(self) -> None:
        self.copies: dict[int, Any] = {}
        self.happened: dict[int, list[Any]] = {}
        self.read: list[int] = []
        self.plans_read: list[int] = []
        self.scans = self.number = 0
        self.discarded = self.broken = False
        self.storage: Any = self

    def put(self, number: int, hoster: bytes = ME, state: CopyState = CopyState.ACTIVE, **other: Any) -> None:
        self.copies[number] = SimpleNamespace(plan=number // 10, hoster=hoster, state=state, encoder=None, **other)

    def block(self, *happened: Any, passed: int = 1) -> Any:
        self.number += passed
        self.happened[self.number] = [SimpleNamespace(event=one) for one in happened]
        return SimpleNamespace(number=self.number, hash=b"%d" % self.number, events=self.happened[self.number])

    async def find(self, at: bytes) -> dict[int, Any]:
        """Return what is ours, as the role finds it."""
        self.scans += 1
        return {number: copy for number, copy in self.copies.items() if copy.hoster == ME}

    async def copies_of(self, numbers: Iterable[int], at: bytes) -> dict[int, Any]:
        if self.broken:
            raise ConnectionLost("the node is gone")
        self.read += numbers
        return {number: self.copies[number] for number in numbers if number in self.copies}

    async def plans_of(self, numbers: Iterable[int], at: bytes) -> dict[int, Any]:
        self.plans_read += numbers
        return {number: SimpleNamespace(number=number, at=at) for number in numbers}

    async def next_copy(self, at: bytes) -> int:
        return max(self.copies, default=-1) + 1

    async def block_hash(self, number: int) -> bytes:
        return b"%d" % number

    async def events(self, block: bytes) -> list[Any]:
        if self.discarded:
            raise StateDiscarded(0, "pruned")
        return self.happened.get(int(block), [])


@pytest.fixture
def chain() -> Chain:
    return Chain()


@pytest.fixture
def watch(chain: Chain) -> CopyWatch:
    client: Any = chain
    return CopyWatch(client, ME, lambda copy: copy.hoster == ME, chain.find)


async def test_copies_that_rest_are_read_once_in_sixteen_blocks_and_those_of_others_never(
    chain: Chain, watch: CopyWatch
) -> None:
    for number in range(100):
        chain.put(number, ME if number < 40 else OTHER, CopyState.ENCODING if number > 80 else CopyState.ACTIVE)
    await watch.look(chain.block())
    assert set(watch.copies) == set(range(40))
    assert set(watch.plans) == set(range(4))
    for _ in range(READ_AGAIN):
        await watch.look(chain.block())
    assert sorted(chain.read) == list(range(40))
    assert chain.scans == 1
    assert watch.next == 100


async def test_what_is_kept_is_found_with_the_own_copies_and_not_read_a_second_time(chain: Chain) -> None:
    chain.put(3)
    chain.put(4, OTHER)

    async def find(at: bytes) -> dict[int, Any]:
        return dict(chain.copies)

    client: Any = chain
    watch = CopyWatch(client, ME, lambda copy: copy.hoster == ME, find, lambda: {4})
    await watch.look(chain.block())
    assert set(watch.copies) == {3, 4}
    assert chain.read == []


def unread(fields: Any, pallet: str = PALLET) -> Any:
    """A record of an event that a newer runtime tells in a form of its own."""
    return SimpleNamespace(pallet=pallet, name="CopyHandedOver", event=None, fields=fields)


@pytest.mark.parametrize(
    "fields",
    [
        {"copy": 7, "to": "0x" + ME.hex()},
        {"what": {"Handed": [(7, 0), {"who": "0x" + ME.hex()}]}},
        ["0x" + ME.hex()],
        {"copy": 3, "until": 90},
        {"plan": 0},
    ],
)
@pytest.mark.parametrize("missed", [0, 2])
async def test_what_an_event_of_another_form_may_name_is_looked_for(
    chain: Chain, watch: CopyWatch, fields: Any, missed: int
) -> None:
    """After an upgrade such an event is not typed: what it makes ours would stay unseen until the node starts again."""
    chain.put(3)
    await watch.look(chain.block())
    chain.put(7)
    block = chain.block()
    chain.happened[block.number] = block.events[:] = [unread(fields)]
    for _ in range(missed):
        block = chain.block()
    await watch.look(block)
    assert set(watch.copies) == {3, 7}
    assert chain.scans == 2
    await watch.look(chain.block())
    assert chain.scans == 2


async def test_events_of_another_form_that_name_others_cost_nothing(chain: Chain, watch: CopyWatch) -> None:
    chain.put(3)
    await watch.look(chain.block())
    block = chain.block()
    block.events[:] = [
        unread({"copy": 8, "to": "0x" + OTHER.hex()}),
        unread(None),
        unread({"flag": True, "text": "me"}),
        unread(["0x" + ME.hex()], "Balances"),
    ]
    await watch.look(block)
    assert chain.scans == 1


async def test_an_event_that_cannot_be_read_may_name_anything(chain: Chain, watch: CopyWatch) -> None:
    class Unreadable(SimpleNamespace):
        @property
        def fields(self) -> Any:
            raise ValueError("a bool is 2")

    chain.put(3)
    await watch.look(chain.block())
    block = chain.block()
    block.events[:] = [Unreadable(pallet=PALLET, name="CopyHandedOver", event=None)]
    await watch.look(block)
    assert chain.scans == 2


async def test_what_an_event_names_is_read_at_once(chain: Chain, watch: CopyWatch) -> None:
    chain.put(3)
    chain.put(4)
    await watch.look(chain.block())
    chain.read.clear()
    chain.put(3, leaving=2)
    chain.put(7)
    happened = (
        events.CopyLeaving(3, 99), events.CopyOffered(7, 0, ME), events.CopyOffered(8, 0, OTHER), events.CopyActive(9),
    )  # fmt: skip
    await watch.look(chain.block(*happened))
    assert {3, 7} <= set(chain.read)
    assert not {8, 9} & set(chain.read)
    assert set(watch.copies) == {3, 4, 7}
    assert watch.copies[3].leaving == 2


async def test_copies_in_the_making_are_read_with_each_block(chain: Chain, watch: CopyWatch) -> None:
    chain.put(3, state=CopyState.ENCODING)
    await watch.look(chain.block())
    for _ in range(3):
        await watch.look(chain.block())
    assert chain.read == [3, 3, 3]
    assert chain.plans_read == [0, 0, 0, 0]


async def test_what_happens_to_a_plan_reads_it_and_its_copies(chain: Chain, watch: CopyWatch) -> None:
    chain.put(63)
    chain.put(73)
    await watch.look(chain.block())
    chain.read.clear()
    chain.plans_read.clear()
    await watch.look(chain.block(events.PlanClosed(6)))
    assert chain.read == [63]
    assert chain.plans_read == [6]


async def test_a_copy_that_ends_being_ours_is_forgotten(chain: Chain, watch: CopyWatch) -> None:
    chain.put(3)
    chain.put(4)
    await watch.look(chain.block())
    del chain.copies[3]
    chain.put(4, OTHER)
    await watch.look(chain.block(events.CopyRemoved(3), events.CopyActive(4)))
    assert watch.copies == {}
    assert watch.plans == {}


async def test_the_events_of_blocks_that_were_passed_over_count(chain: Chain, watch: CopyWatch) -> None:
    chain.put(3)
    await watch.look(chain.block())
    chain.put(5)
    chain.block(events.CopyOffered(5, 0, ME))
    await watch.look(chain.block())
    assert set(watch.copies) == {3, 5}
    assert chain.scans == 1


@pytest.mark.parametrize("why", ["too long", "discarded", "cut short"])
async def test_if_the_events_cannot_be_had_all_is_read_anew(chain: Chain, watch: CopyWatch, why: str) -> None:
    chain.put(3)
    await watch.look(chain.block())
    chain.put(5)
    if why == "cut short":
        chain.broken = True
        with pytest.raises(ConnectionLost):
            await watch.look(chain.block(events.CopyOffered(5, 0, ME)))
        chain.broken = False
        await watch.look(chain.block())
    else:
        chain.discarded = why == "discarded"
        await watch.look(chain.block(passed=2 if chain.discarded else MOST_MISSED + 1))
    assert set(watch.copies) == {3, 5}
    assert chain.scans == 2


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 4])
def test_what_is_kept_is_what_the_chain_has(seed: int) -> None:
    """In a life of a whole network, at each look of each peer."""
    command = [sys.executable, "-m", "tests.support.watched_life", str(seed)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["failures"] == found["wrong"] == []
    assert found["looked"] > 1000
