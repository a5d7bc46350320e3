"""The client: states, runtimes and metadata, balances and whole maps."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from service.chain_client import (
    ChainClient,
    ChainError,
    UnknownRuntime,
)
from service.chain_client.client import parse_header
from tests.support.chain_world import World


class Versions:
    """A chain of five blocks whose third replaces the runtime, as a node would show it."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.headers: list[dict[str, Any]] = []
        parent = "0x" + "00" * 32
        for number in range(6):
            logs = ["0x08"] if number == 3 else []
            root = "0x" + "11" * 32
            header = {"parentHash": parent, "number": hex(number), "stateRoot": root, "extrinsicsRoot": root}
            self.headers.append({**header, "digest": {"logs": logs}})
            parent = "0x" + self.hash(number).hex()

    def hash(self, number: int) -> bytes:
        return parse_header(self.headers[number]).hash

    async def request(self, method: str, *parameters: Any) -> Any:
        self.asked.append(method)
        numbers = {"0x" + self.hash(number).hex(): number for number in range(6)}
        number = numbers.get(parameters[0]) if parameters else 5
        if method == "chain_getHeader":
            return None if number is None else self.headers[number]
        assert method == "state_getRuntimeVersion"
        assert number is not None
        return {"specVersion": 2 if number >= 3 else 1, "transactionVersion": 1}


async def test_a_blocks_state_is_read_by_the_runtime_that_wrote_it() -> None:
    client = ChainClient("ws://127.0.0.1:1")
    node = Versions()
    client.rpc = node  # type: ignore[assignment]
    found = [(await client._version(node.hash(number)))[0][0] for number in range(6)]
    # block 3 replaces the code, and was itself executed by the old one
    assert found == [1, 1, 1, 1, 2, 2]
    # it is asked for once a runtime, not once a block
    assert node.asked.count("state_getRuntimeVersion") == 2
    client._versions.clear()
    client._headers.clear()
    found = [(await client._version(node.hash(number)))[0][0] for number in reversed(range(6))]
    assert found == [2, 2, 1, 1, 1, 1]


async def test_metadata_is_decoded_once_a_version(world: World, client: ChainClient) -> None:
    world.seal(2)
    first = await client.runtime_at()
    found = await asyncio.gather(*(client.runtime_at(world.best.hash) for _ in range(5)))
    assert all(one is first for one in found)
    assert world.server.asked.count("state_getMetadata") == 1


async def test_a_runtime_that_is_replaced_between_the_questions_for_its_version_and_its_metadata(
    client: ChainClient,
) -> None:
    request, real, first = client.rpc.request, await client.spec_version(), True

    async def upgraded(method: str, *parameters: Any) -> Any:
        nonlocal first
        answer = await request(method, *parameters)
        if method == "state_getRuntimeVersion" and first:
            first = False
            return {**answer, "specVersion": real - 1}
        return answer

    client._runtimes.clear()
    client.rpc.request = upgraded  # type: ignore[method-assign]
    runtime = await client.runtime_at()
    assert not first
    assert runtime.spec_version == real, "its metadata are the new runtime's"
    assert [spec for spec, _ in client._runtimes] == [real]


async def test_metadata_that_cannot_be_read_is_told(world: World) -> None:
    client = ChainClient(world.url)
    await client.rpc.start()
    try:
        request = client.rpc.request

        async def damaged(method: str, *parameters: Any) -> Any:
            answer = await request(method, *parameters)
            return answer[:200] if method == "state_getMetadata" else answer

        client.rpc.request = damaged  # type: ignore[method-assign]
        with pytest.raises(UnknownRuntime, match="the metadata of runtime"):
            await client.runtime_at()
        assert not client._loading.locked()
        assert isinstance(UnknownRuntime("x"), ChainError)
    finally:
        await client.close()


async def test_balances_issuance_and_whole_maps(world: World, client: ChainClient) -> None:
    world.seal()
    at = world.best.hash
    assert await client.issuance(at) > 0
    assert await client.balance(b"\x99" * 32, at) == 0
    assert await client.nonce(b"\x99" * 32) == 0
    assert await client.storage.all_plans(at) == {}
    assert (await client.storage.amounts(at)).peer_fee > 0
    assert client.times == await client.storage.times(at)
    assert (await client.storage.seed(1, at)) is not None
    assert await client.extrinsics(at)
