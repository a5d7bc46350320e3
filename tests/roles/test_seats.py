"""An attester's draw by numbers: no seat is missed, few copies are read that have none, and what is known is not read again."""

from __future__ import annotations

import random
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bench._network import REPORT_PRICE, Network
from bench.client import AT, StateRpc, a_runtime, client_of
from runtime_mock.model.datdot import items, retrieval
from runtime_mock.model.datdot.types import Encoder
from service.chain_client.pallet.types import CopyState, Slot
from service.roles.attester.seats import READ_PARTIES, Draw, SeatSearch, Sieve, Weighed

ERA, START, SEATS = 7, 700, 9
COPIES = 600
ACCOUNTS = [bytes([number]) * 32 for number in range(40)]


def a_slot(chance: random.Random, account: bytes) -> Slot:
    return Slot(
        account,
        ask=chance.choice([5, 10, 20]),
        bond=1,
        taken=chance.choice([1, 2, 3, ERA - 1, ERA]),
        renewed=tuple(chance.sample([2, 4, ERA - 1, ERA], chance.randint(0, 1))),
        returned=chance.choice([None, None, None, START - 1, START + 5]),
        empty=(),
    )


def a_copy(chance: random.Random, encoders: list[bytes]) -> Any:
    """A copy under test, as far as a draw looks at it."""
    return SimpleNamespace(
        state=CopyState.ACTIVE,
        active_since=START - 1,
        hoster=chance.choice(ACCOUNTS),
        encoders=tuple(chance.sample(encoders, chance.randint(0, len(encoders)))),
        encoder=chance.choice([None, *encoders]),
    )


@pytest.mark.parametrize("seed", range(12))
def test_no_copy_with_a_seat_of_ours_is_ruled_out_whatever_is_known_of_it(seed: int) -> None:
    chance = random.Random(seed)
    accounts = ACCOUNTS[: chance.choice([3, 12, 40])]
    slots = [a_slot(chance, chance.choice(accounts)) if chance.random() < 0.8 else None for _ in range(97)]
    encoders = chance.sample(ACCOUNTS, 6)
    draw = Draw(ERA, START, chance.randbytes(32), SEATS, slots)
    copies = {
        number: (a_copy(chance, encoders), chance.choice(ACCOUNTS), chance.choice([4, 10, 50])) for number in range(400)
    }
    known = {
        number: Weighed(price, (sponsor, copy.hoster, *copy.encoders))
        for number, (copy, sponsor, price) in copies.items()
    }
    seats = 0
    for account in accounts:
        seated = {number for number, one in copies.items() if draw.has(account, number, *one)}
        sieve = Sieve(draw, account, encoders)
        assert seated <= set(sieve.left(copies, {}))
        assert seated <= set(sieve.left(copies, known))
        seats += len(seated)
    assert seats > 400, "there were seats to be missed"


@pytest.fixture(scope="module")
def network() -> Network:
    return Network(300, COPIES)


def counted(network: Network) -> tuple[SeatSearch, StateRpc]:
    client = client_of(network.state.trie(), network)
    return SeatSearch(client, network.attesting[0].id), cast("StateRpc", client.storage._rpc)


def read_of(rpc: StateRpc, item: str) -> int:
    """How many entries of an item were read."""
    prefix = "0x" + a_runtime().storage_key("DatDot", item).hex()
    return sum(key.startswith(prefix) for asked in rpc.asked if asked[0] == "state_queryStorageAt" for key in asked[1])


def seats_of(network: Network, era: int) -> set[int]:
    own = network.attesting[0].id
    return {number for number in range(network.copies) if own in {one.id for one in network.committee(era, number)}}


async def test_few_copies_are_read_that_have_no_seat_for_us(network: Network) -> None:
    search, rpc = counted(network)
    found = await search.find(network.era, AT)
    assert set(found) == seats_of(network, network.era)
    read = read_of(rpc, "Copies")
    assert len(found) <= read < 1.6 * len(found), "the sponsor and the hoster may be among those that were drawn"
    assert read < COPIES / 1.8


async def test_of_what_was_read_before_the_draw_knows_the_price(network: Network) -> None:
    """Attesters that ask more than the plan pays, and than we do, take no seat: of copies that were read this is known."""
    state = network.state
    state.begin()
    try:
        for place, slot in list(items.Slots.entries(state)):
            if slot.account not in {party.id for party in network.attesting[:20]}:
                items.Slots.put(state, place, replace(slot, ask=REPORT_PRICE // 2))
        search, rpc = counted(network)
        first = await search.find(network.era, AT)
        reads = [read_of(rpc, "Copies")]
        rpc.asked.clear()
        assert set(await search.find(network.era, AT)) == set(first)
        reads.append(read_of(rpc, "Copies"))
        assert reads[1] <= reads[0]
        assert reads[1] < (1 + READ_PARTIES / SEATS) * len(first) * 1.2
    finally:
        state.rollback()


async def test_attesters_that_encode_may_be_parties_and_no_seat_is_missed(network: Network) -> None:
    state = network.state
    state.begin()
    try:
        encoding = [party.id for party in network.attesting[1:]]
        for account in encoding:
            items.Encoders.put(state, account, Encoder(open=True, ask=1, confirmed=0))
        for number, copy in list(items.Copies.entries(state)):
            items.Copies.put(state, number, replace(copy, encoders=encoding[number % 5 :: 7]))
        search, rpc = counted(network)
        found = await search.find(network.era, AT)
        want = {number for number, copy in items.Copies.entries(state) if _sits(network, number, copy)}
        assert set(found) == want
        rpc.asked.clear()
        assert set(await search.find(network.era, AT)) == want
        assert read_of(rpc, "Copies") < COPIES, "of those that were read the parties are known"
    finally:
        state.rollback()


def _sits(network: Network, number: int, copy: Any) -> bool:
    """Whether the first attester sits for a copy, by the model."""
    own = network.attesting[0].id
    return own in {seat.account for seat in retrieval._committee(network.state, network.era, number, copy)[0]}
