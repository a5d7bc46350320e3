"""What is shown of a plan and of a hoster costs as many requests in a network of 9,000 copies as in a small one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest

from bench._network import Network
from bench.client import AT, StateRpc, client_of
from runtime_mock.model.datdot import items
from runtime_mock.model.datdot.records import CopyState
from runtime_mock.model.datdot.types import Deadline, Wait
from service.chain_client.own_copies import own_hosted, own_jobs, read_hosted, unpaid_work
from service.chain_client.pallet.types import CopyState as State
from service.operating.following import read_followed

HOSTERS, COPIES = 30, 9_000


class Counted(StateRpc):
    """A node that notes for which items it was asked."""

    def __init__(self, of: StateRpc) -> None:
        super().__init__(of.state)
        self.keys = 0

    async def request(self, method: str, *parameters: Any) -> Any:
        """Count what is read."""
        found = await super().request(method, *parameters)
        self.keys += len(parameters[0]) if method == "state_queryStorageAt" else len(found)
        return found


@pytest.fixture(scope="module")
def network() -> Network:
    return Network(HOSTERS, COPIES)


def counting(network: Network) -> tuple[Any, Counted]:
    client = client_of(network.state.trie(), network)
    storage = cast("Any", client.storage)
    storage._rpc = Counted(storage._rpc)
    return client, storage._rpc


async def test_a_hosters_copies_are_found_by_its_slots(network: Network) -> None:
    client, rpc = counting(network)
    account, own = network.hosting[1].id, set(network.copies_of(1))
    found = await read_hosted(client.storage, account, len(own), AT)
    assert set(found) == own
    assert rpc.keys <= 3 * len(own), "each slot's key, each slot, each copy"


async def test_copies_that_stand_in_no_slot_are_found_among_the_newest(network: Network) -> None:
    account, own = network.hosting[2].id, sorted(network.copies_of(2))
    newest, ended = own[-1], own[-2]
    state = network.state
    state.begin()
    try:
        for number, kind in ((newest, CopyState.OFFERED), (ended, CopyState.ENDED)):
            copy = items.Copies.get(state, number)
            assert copy is not None
            items.CopySlots.remove(state, account, own.index(number))
            items.Copies.put(state, number, replace(copy, state=kind, slot=None, tabled=0))
        client, rpc = counting(network)
        live = await read_hosted(client.storage, account, len(own) - 1, AT)
        assert set(live) == set(own) - {ended}
        assert live[newest].state is State.OFFERED
        assert rpc.keys <= 3 * len(own) + 501, "one page of the newest is enough"
        every = await read_hosted(client.storage, account, len(own), AT, with_ended=True)
        assert set(every) == set(own)
        # a count that nothing answers to ends at the bound
        few = await read_hosted(client.storage, account, 10**6, AT)
        assert set(few) == set(live)
        assert rpc.keys < 3 * (3 * len(own) + 502), "nothing older was read for it"
    finally:
        state.rollback()


async def test_a_role_finds_its_own_copies_and_looks_no_further_than_it_must(network: Network) -> None:
    account, own = network.hosting[4].id, sorted(network.copies_of(4))
    newest, ended, forgotten = own[-1], own[0], own[1]
    encoder, job = network.encoding[1].id, own[-2]
    state = network.state
    state.begin()
    try:
        for number, kind in ((newest, CopyState.OFFERED), (ended, CopyState.ENDED), (forgotten, CopyState.ENDED)):
            copy = items.Copies.get(state, number)
            assert copy is not None
            items.CopySlots.remove(state, account, own.index(number))
            items.Copies.put(state, number, replace(copy, state=kind, slot=None, tabled=0))
        copy, offer = items.Copies.get(state, job), items.Encoders.get(state, encoder)
        hoster = items.Hosters.get(state, account)
        assert copy is not None
        assert offer is not None
        assert hoster is not None
        items.Copies.put(state, job, replace(copy, encoder=encoder))
        items.Encoders.put(state, encoder, replace(offer, jobs=1))
        items.Hosters.put(state, account, replace(hoster, copies=len(own) - 2))
        client, rpc = counting(network)
        found = await own_hosted(client.storage, account, [ended], AT)
        assert set(found) == set(own) - {forgotten}
        assert rpc.keys <= 3 * len(own) + 502, "one page of the newest is enough"
        client, rpc = counting(network)
        assert set(await own_jobs(client.storage, encoder, (), AT)) == {job}
        assert rpc.keys <= 502
        client, rpc = counting(network)
        kept = set(await own_jobs(client.storage, encoder, [job, newest], AT))
        assert kept == {job, newest}, "what is kept is read once, whoever makes it"
        client, rpc = counting(network)
        assert set(await own_jobs(client.storage, encoder, [job], AT)) == {job}
        assert rpc.keys <= 3, "what it has a key for is looked at first"
    finally:
        state.rollback()


def arm(state: Any, wait: Wait, *entries: tuple[int, int]) -> None:
    for place, (number, tag) in enumerate(entries, 70):
        items.Deadlines.put(state, wait, place, Deadline(due=10**6, id=number, tag=tag))


@pytest.mark.parametrize("wait", [Wait.BEGIN, Wait.LEASE])
async def test_an_encoder_without_a_key_finds_an_old_copy_by_its_wait(network: Network, wait: Wait) -> None:
    encoder, job, state = network.encoding[1].id, 5, network.state
    state.begin()
    try:
        copy, offer = items.Copies.get(state, job), items.Encoders.get(state, encoder)
        assert copy is not None
        assert offer is not None
        items.Copies.put(state, job, replace(copy, encoder=encoder))
        items.Encoders.put(state, encoder, replace(offer, jobs=1))
        arm(state, wait, (7, 1), (job, 1), (9, 1))
        client, rpc = counting(network)
        assert set(await own_jobs(client.storage, encoder, (), AT)) == {job}
        assert rpc.keys <= 502 + 3 * 3, "a page of the newest, and those that are being made"
        items.Encoders.put(state, encoder, replace(offer, jobs=10**6))
        client, rpc = counting(network)
        assert set(await own_jobs(client.storage, encoder, (), AT)) == {job}
        assert rpc.keys <= 502 + 3 * 3, "a count that nothing answers to changes nothing"
    finally:
        state.rollback()


async def test_a_hoster_finds_an_old_copy_that_stands_in_no_slot_by_its_wait(network: Network) -> None:
    account, own = network.hosting[5].id, sorted(network.copies_of(5))
    offered, ended, state = own[0], own[1], network.state
    state.begin()
    try:
        for number, kind in ((offered, CopyState.OFFERED), (ended, CopyState.ENDED)):
            copy = items.Copies.get(state, number)
            assert copy is not None
            items.CopySlots.remove(state, account, own.index(number))
            items.Copies.put(state, number, replace(copy, state=kind, slot=None, tabled=0))
        hoster = items.Hosters.get(state, account)
        assert hoster is not None
        items.Hosters.put(state, account, replace(hoster, copies=len(own) - 1))
        arm(state, Wait.DECLINE, (3, 0), (offered, 0))
        arm(state, Wait.RECORDS, (4, 1), (ended, 0))
        client, rpc = counting(network)
        assert set(await own_hosted(client.storage, account, (), AT)) == set(own) - {ended}
        assert rpc.keys <= 3 * len(own) + 502 + 3 * 2
        every = await read_hosted(client.storage, account, len(own), AT, with_ended=True)
        assert set(every) == set(own)
    finally:
        state.rollback()


async def test_a_hoster_that_saw_no_block_learns_its_copies_and_no_others(network: Network) -> None:
    client, rpc = counting(network)
    account = network.hosting[3].id
    found = await read_followed(client, account, AT)
    assert found.hosted == set(network.copies_of(3))
    assert not found.encoded
    plans = COPIES // 3
    assert rpc.keys < 3 * len(found.hosted) + plans + 100, (
        "its copies, and shares of plans, but neither plans nor all copies"
    )


async def test_an_encoder_that_saw_no_block_learns_for_what_it_is_owed_and_reads_no_older_copies(
    network: Network,
) -> None:
    """Its jobs, and copies with a second half of its: the chain counts both, so it is known when all are found."""
    account, state = network.encoding[0].id, network.state
    job, made, grown, foreign = COPIES - 3, COPIES - 700, COPIES - 900, COPIES - 5
    state.begin()
    try:
        for number in (job, made, grown, foreign):
            copy, segment = items.Copies.get(state, number), items.Segments.get(state, number)
            assert copy is not None
            assert segment is not None
            assert copy.active_since is not None
            maker = network.encoding[1].id if number == foreign else account
            since = copy.active_since + (number == grown)
            by_others = replace(copy, encoders=[network.encoding[1].id], halves=7)
            owing = {
                job: replace(by_others, encoder=account, halves=0),
                grown: replace(by_others, segments=[replace(copy.segments[0], since=since)]),
            }
            items.Copies.put(state, number, owing.get(number, replace(copy, encoders=[maker], halves=7)))
            items.Segments.put(state, number, replace(segment, encoder=maker, half=0 if number == job else 7))
        offer = items.Encoders.get(state, account)
        assert offer is not None
        items.Encoders.put(state, account, replace(offer, jobs=1, halves=2))
        arm(state, Wait.HALF, *((number, 0) for number in (made, grown, foreign, 11, 12)))
        client, rpc = counting(network)
        assert await unpaid_work(client.storage, account, AT) == {job, made, grown}
        assert rpc.keys <= 502 + 3 * 5, "a page of the newest, and segments that owe anybody anything"
        items.Encoders.put(state, account, replace(offer, jobs=0, halves=0))
        client, rpc = counting(network)
        assert await unpaid_work(client.storage, account, AT) == set()
        assert rpc.keys == 1, "an encoder that is owed nothing reads no copy"
    finally:
        state.rollback()
