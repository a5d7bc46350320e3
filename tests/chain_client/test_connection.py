"""The connection: refused, cut, hung, half open, of another chain; requests and subscriptions that are cancelled."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from service.chain_client import ChainClient, ConnectionLost, RpcError, WrongChain
from service.chain_client import rpc as rpc_module
from service.chain_client.rpc import MAX_UNREAD, Rpc, Subscription
from tests.support.chain_world import World, bounded, eventually
from tests.support.needs import free_port

HEADS = "chain_subscribeFinalizedHeads", "chain_unsubscribeFinalizedHeads"


@pytest.fixture
async def rpc(world: World) -> AsyncIterator[Rpc]:
    rpc = Rpc(world.url)
    await rpc.start()
    try:
        yield rpc
    finally:
        await rpc.close()


async def read_all(subscription: Subscription) -> None:
    while True:
        await bounded(subscription.next())


# addresses


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("ws://127.0.0.1:{port}", "Connection refused"),
        ("http//:", "."),
        ("ftp://127.0.0.1", "."),
        ("ws://127.0.0.1:99999", "."),
        ("", "."),
    ],
)
async def test_an_address_where_nobody_answers_is_named(url: str, why: str) -> None:
    url = url.format(port=free_port())
    with pytest.raises(ConnectionLost, match=f"^{re.escape(url)}: cannot connect: {why}"):
        await bounded(ChainClient.connect(url))


async def test_a_name_that_nobody_knows_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(host: object, *_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, f"{host}: Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)  # a test asks no name server
    with pytest.raises(ConnectionLost, match=r"^ws://nowhere\.invalid:1: cannot connect: .*not known"):
        await bounded(ChainClient.connect("ws://nowhere.invalid:1"))


async def test_a_server_that_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rpc_module, "CONNECT_SECONDS", 0.5)

    async def handle(peer: web.WebSocketResponse) -> None:
        async for _ in peer:
            pass

    async with serving(handle) as url:
        with pytest.raises(ConnectionLost, match=r"cannot connect: no answer within 0.5 s"):
            await bounded(Rpc(url).start())


async def test_the_first_refusal_is_told_without_another_try(monkeypatch: pytest.MonkeyPatch) -> None:
    tries = 0
    connect = aiohttp.ClientSession.ws_connect

    def counted(*arguments: Any, **options: Any) -> Any:
        nonlocal tries
        tries += 1
        return connect(*arguments, **options)

    monkeypatch.setattr(aiohttp.ClientSession, "ws_connect", counted)
    with pytest.raises(ConnectionLost):
        await ChainClient.connect(f"ws://127.0.0.1:{free_port()}")
    assert tries == 1


@asynccontextmanager
async def serving(handle: Callable[[web.WebSocketResponse], Awaitable[None]]) -> AsyncIterator[str]:
    """A WebSocket server of another kind."""

    async def accept(request: web.Request) -> web.StreamResponse:
        answer = web.WebSocketResponse()
        await answer.prepare(request)
        await handle(answer)
        return answer

    application = web.Application()
    application.router.add_get("/", accept)
    runner = web.AppRunner(application, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"ws://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(
    "answer",
    ["[]", "{}", "rubbish", '{"result": 7}', '{"result": "0xzz"}', '{"error": {"code": 1}}', "[" * 100_000, None],
)
async def test_a_server_that_is_no_node(answer: str | None) -> None:
    async def handle(peer: web.WebSocketResponse) -> None:
        await peer.receive()
        if answer is not None:
            await peer.send_str(answer)
        await peer.close()

    async with serving(handle) as url:
        with pytest.raises(ConnectionLost, match="cannot connect"):
            await bounded(Rpc(url).start())


async def test_a_connection_to_no_node_is_closed() -> None:
    closed = asyncio.Event()

    async def handle(peer: web.WebSocketResponse) -> None:
        await peer.receive()
        await peer.send_str("{}")
        async for _ in peer:
            pass
        closed.set()

    async with serving(handle) as url:
        with pytest.raises(ConnectionLost):
            await bounded(Rpc(url).start())
        await bounded(closed.wait())


async def test_an_http_server_is_no_node() -> None:
    application = web.Application()
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        with pytest.raises(ConnectionLost, match="404"):
            await Rpc(f"ws://127.0.0.1:{runner.addresses[0][1]}").start()
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(
    "junk",
    [
        "rubbish",
        "[]",
        "7",
        '{"id": "x"}',
        '{"id": 1, "error": "no"}',
        '{"id": 1, "error": {"code": "x"}}',
        "[" * 99_999,
    ],
)
async def test_rubbish_in_place_of_an_answer_breaks_the_request_not_the_client(junk: str) -> None:
    requests = 0

    async def handle(peer: web.WebSocketResponse) -> None:
        nonlocal requests
        async for message in peer:
            request = json.loads(message.data)
            if request["method"] == "chain_getBlockHash":
                await peer.send_json({"id": request["id"], "result": "0x" + "01" * 32})
                continue
            requests += 1
            await peer.send_str(junk if requests == 1 else json.dumps({"id": request["id"], "result": "sound"}))
            if requests == 1 and junk.startswith('{"id": "x"'):
                await peer.close()

    async with serving(handle) as url:
        rpc = Rpc(url)
        await rpc.start()
        with pytest.raises(ConnectionLost):
            await bounded(rpc.request("system_chain"))
        found = None
        while found is None:
            try:
                found = await bounded(rpc.request("system_chain"))
            except ConnectionLost:
                await asyncio.sleep(0.01)
        assert found == "sound"
        await rpc.close()


async def test_a_wrong_genesis_is_refused(world: World) -> None:
    with pytest.raises(WrongChain, match=f"is on chain {world.genesis.hex()}, not {bytes(32).hex()}"):
        await ChainClient.connect(world.url, bytes(32))
    async with await ChainClient.connect(world.url, world.genesis) as client:
        assert client.genesis == world.genesis


async def test_another_chain_behind_the_same_address_is_refused_after_a_reconnect(world: World, rpc: Rpc) -> None:
    real = world.node.engine.chain
    world.server.before["chain_getBlockHash"] = lambda: setattr(world.node, "chain", Pretender())
    world.drop()
    with pytest.raises(WrongChain, match="ee" * 32):
        await bounded(_until_answer(rpc))
    world.node.chain = real
    await bounded(_until_answer(rpc, WrongChain))


class Pretender:
    """A chain of one block."""

    class _Block:
        hash = b"\xee" * 32

    def at(self, number: int) -> Any:
        return self._Block()

    best = finalized = genesis = _Block()


async def _until_answer(rpc: Rpc, *outlived: type[Exception]) -> Any:
    while True:
        try:
            return await rpc.request("system_chain")
        except (ConnectionLost, *outlived):
            await asyncio.sleep(0.01)


# faults


async def test_errors_of_the_node_have_their_code(rpc: Rpc) -> None:
    with pytest.raises(RpcError, match="Method not found") as caught:
        await rpc.request("chain_getMoney")
    assert caught.value.code == -32601


async def test_a_cut_connection_is_rebuilt(world: World, rpc: Rpc) -> None:
    world.server.before["system_chain"] = world.drop
    with pytest.raises(ConnectionLost, match=world.url):
        await bounded(rpc.request("system_chain"))
    assert await bounded(rpc.request("system_chain")) == "datdot"


async def test_reads_are_asked_again_and_submissions_are_not(world: World) -> None:
    async with await ChainClient.connect(world.url) as client:
        world.server.before["system_chain"] = world.drop
        assert await bounded(client.rpc.request("system_chain")) == "datdot"
        world.server.before["author_submitExtrinsic"] = world.drop
        with pytest.raises(ConnectionLost):
            await bounded(client.rpc.request("author_submitExtrinsic", "0x00"))
        assert world.server.asked.count("author_submitExtrinsic") == 1


async def test_a_hung_connection_is_given_up_and_rebuilt(world: World) -> None:
    rpc = Rpc(world.url, request_seconds=1.0)
    await rpc.start()
    first = next(iter(world.node.faults.transports))
    world.hang()
    with pytest.raises(ConnectionLost, match="no answer to system_chain within 1 s"):
        await bounded(rpc.request("system_chain"))
    world.go_on()
    assert await bounded(_until_answer(rpc)) == "datdot"
    await eventually(lambda: first not in world.node.faults.transports)
    await rpc.close()


async def test_a_node_that_goes_away_and_comes_back(world: World, rpc: Rpc) -> None:
    await world.stop()
    with pytest.raises(ConnectionLost):
        await bounded(Rpc(world.url).start())
    await world.start()
    assert await bounded(_until_answer(rpc)) == "datdot"


async def test_a_message_of_many_answers_at_once(rpc: Rpc) -> None:
    found = await bounded(asyncio.gather(*(rpc.request("chain_getBlockHash", 0) for _ in range(200))))
    assert len(set(found)) == 1


# cancellation


async def test_a_cancelled_request_leaves_nothing_behind(world: World, rpc: Rpc) -> None:
    held = asyncio.Event()
    world.server.before["system_name"] = held.wait
    request = asyncio.create_task(rpc.request("system_name"))
    await eventually(lambda: "system_name" in world.server.asked)
    request.cancel()
    await asyncio.gather(request, return_exceptions=True)
    held.set()
    assert await bounded(rpc.request("system_chain")) == "datdot"
    assert not rpc._pending


async def test_a_subscription_that_was_cancelled_on_its_way_is_ended_at_the_node(world: World, rpc: Rpc) -> None:
    held = asyncio.Event()
    world.server.before[HEADS[0]] = held.wait
    entered = asyncio.create_task(rpc.subscribe(*HEADS).__aenter__())
    await eventually(lambda: HEADS[0] in world.server.asked)
    entered.cancel()
    await asyncio.gather(entered, return_exceptions=True)
    assert HEADS[1] not in world.server.asked
    held.set()
    await eventually(lambda: HEADS[1] in world.server.asked)
    await eventually(lambda: not rpc._parting)
    assert not rpc._pending
    assert not rpc._subscriptions


async def test_a_subscription_is_ended_at_the_node_with_its_context(world: World, rpc: Rpc) -> None:
    async with rpc.subscribe(*HEADS) as heads:
        world.seal()
        assert (await bounded(heads.next()))["number"] in ("0x0", "0x1")
        assert rpc._subscriptions
    assert not rpc._subscriptions
    await eventually(lambda: HEADS[1] in world.server.asked)


@pytest.mark.parametrize("steps", range(12))
async def test_a_start_that_is_cancelled_leaves_no_connection(world: World, steps: int) -> None:
    starting = asyncio.create_task(ChainClient.connect(world.url))
    for _ in range(steps * 3):
        await asyncio.sleep(0)
    starting.cancel()
    (result,) = await asyncio.gather(starting, return_exceptions=True)
    if isinstance(result, ChainClient):
        await result.close()
    await eventually(lambda: not world.node.faults.transports)
    own = [one for one in asyncio.all_tasks() if "chain_client/rpc.py" in repr(one)]
    assert not own


async def test_closing_ends_those_who_wait(world: World, rpc: Rpc) -> None:
    held = asyncio.Event()
    world.server.before["system_name"] = held.wait
    async with rpc.subscribe(*HEADS) as heads:
        waiting = asyncio.create_task(rpc.request("system_name"))
        await eventually(lambda: "system_name" in world.server.asked)
        await rpc.close()
        with pytest.raises(ConnectionLost, match="closed"):
            await bounded(waiting)
        with pytest.raises(ConnectionLost):
            await read_all(heads)
    with pytest.raises(ConnectionLost, match="closed"):
        await bounded(rpc.request("system_chain"))
    held.set()


async def test_closing_ends_those_who_wait_for_a_connection(world: World, rpc: Rpc) -> None:
    await world.stop()
    await eventually(lambda: rpc._socket is None)
    waiting = asyncio.create_task(rpc.request("system_chain"))
    await asyncio.sleep(0)
    await rpc.close()
    with pytest.raises(ConnectionLost, match="closed"):
        await bounded(waiting)


# subscriptions


async def test_a_subscription_ends_with_its_connection(world: World, rpc: Rpc) -> None:
    async with rpc.subscribe(*HEADS) as heads:
        world.drop()
        with pytest.raises(ConnectionLost):
            await read_all(heads)
    async with rpc.subscribe(*HEADS) as heads:
        world.seal()
        await bounded(heads.next())


async def test_nothing_is_left_out_for_a_reader_who_falls_behind() -> None:
    subscription = Subscription()
    for number in range(MAX_UNREAD + 10):
        subscription.put(number)
    assert [await subscription.next() for _ in range(MAX_UNREAD)] == list(range(MAX_UNREAD))
    with pytest.raises(ConnectionLost):
        await subscription.next()


async def test_a_reader_learns_at_once_that_the_connection_is_gone() -> None:
    subscription = Subscription()
    reading = asyncio.create_task(subscription.next())
    await asyncio.sleep(0)
    subscription.lose()
    with pytest.raises(ConnectionLost):
        await bounded(reading)
    with pytest.raises(ConnectionLost):
        await bounded(subscription.next())
