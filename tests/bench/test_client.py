"""What the measurements of the client do is what the service does: the seats that are found are those that the chain draws."""

from __future__ import annotations

import pytest

from bench import client
from bench._network import Network
from service.roles.attester.seats import SeatSearch


@pytest.fixture(scope="module")
def network() -> Network:
    return Network(50, 500)


async def test_each_attester_finds_its_seats_and_no_others(network: Network) -> None:
    read = client.client_of(network.state.trie(), network)
    drawn = {copy: {party.id for party in network.committee(network.era, copy)} for copy in range(network.copies)}
    seats = 0
    for party in network.attesting:
        found = await SeatSearch(read, party.id).find(network.era, client.AT)
        assert set(found) == {copy for copy, members in drawn.items() if party.id in members}
        seats += len(found)
    assert seats == network.times.seats * network.copies


@pytest.mark.parametrize("name", [("Balances", "Transfer"), ("DatDot", "StorageProved")])
def test_the_events_that_are_measured_are_events(name: tuple[str, str]) -> None:
    runtime = client.a_runtime()
    found = runtime.decode_events(client.events_of(runtime, *name))
    assert len(found) == client.EVENTS
    assert {(one.pallet, one.name) for one in found} == {name}
    assert (found[0].event is not None) == (name[0] == "DatDot")
