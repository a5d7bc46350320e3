"""Long reads of the chain leave the event loop free, and come to an end: what is served and proved meanwhile does not wait."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest

from bench._network import Network
from bench.client import AT, StateRpc, client_of
from service.chain_client import ChainClient, ConnectionLost, Runtime
from service.chain_client.pallet.items import COPIES
from service.chain_client.rpc import NodeRpc
from service.chain_client.storage import SLICE

COPIES_READ = 4 * SLICE


@pytest.fixture(scope="module")
def network() -> Network:
    return Network(10, COPIES_READ)


READS: dict[str, Callable[[ChainClient], Awaitable[Any]]] = {
    "by their numbers": lambda client: client.storage.copies_of(range(COPIES_READ), AT),
    "page by page": lambda client: client.storage.all_of(COPIES, 8, AT),
}


@pytest.mark.parametrize("read", READS.values(), ids=READS)
async def test_others_have_their_turn_while_many_entries_are_read(
    network: Network, monkeypatch: pytest.MonkeyPatch, read: Callable[[ChainClient], Awaitable[Any]]
) -> None:
    """Counted are the keys that are made and the values that are decoded between two turns of a task beside them."""
    client, since, most = client_of(network.state.trie(), network), 0, 0

    def counted(method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            nonlocal since
            since += 1
            return method(*arguments)

        return call

    async def beside() -> None:
        nonlocal since, most
        while True:
            most, since = max(most, since), 0
            await asyncio.sleep(0)

    monkeypatch.setattr(Runtime, "decode_storage", counted(Runtime.decode_storage))
    monkeypatch.setattr(Runtime, "storage_key", counted(Runtime.storage_key))
    task = asyncio.create_task(beside())
    try:
        assert len(await read(client)) == COPIES_READ
    finally:
        task.cancel()
    assert 0 < max(most, since) <= SLICE + 1


class Repeating(StateRpc):
    """A node, or what stands before it, that begins at the first key whichever it is asked to go on from."""

    async def request(self, method: str, *parameters: Any) -> Any:
        if method == "state_getKeysPaged":
            prefix, count, _, *rest = parameters
            parameters = (prefix, count, prefix, *rest)
        return await super().request(method, *parameters)


async def all_numbers(client: ChainClient) -> list[int]:
    return [number async for page in client.storage.numbers_of_copies(AT) for number in page]


@pytest.mark.parametrize("read", [READS["page by page"], all_numbers])
async def test_a_node_whose_pages_do_not_go_on_is_left(
    network: Network, read: Callable[[ChainClient], Awaitable[Any]]
) -> None:
    client = client_of(network.state.trie(), network)
    rpc = client.storage._rpc = cast("NodeRpc", Repeating(network.state.trie()))
    async with asyncio.timeout(60):
        with pytest.raises(ConnectionLost, match=r"its keys after 0x.* do not come after it"):
            await read(client)
    assert cast("Repeating", rpc).requests < 10
