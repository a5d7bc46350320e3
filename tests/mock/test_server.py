"""The server among strangers: limits, absurd parameters, clients that do not read; and the faults that tests order."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import WSMsgType

from runtime_mock.chainspec import ChainSpec
from runtime_mock.node.chain import Chain
from runtime_mock.node.engine import MANUAL, Engine
from runtime_mock.rpc import outbox, subscriptions
from runtime_mock.rpc import server as module
from runtime_mock.rpc.methods import METHODS, Node
from runtime_mock.rpc.server import MAX_BATCH, MAX_REQUEST_BYTES, Server
from tests.support.mock_server import JSON, Served, alive, ask, serving

ALICE = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY"
ABSURD = [
    *(None, True, -1, 0, 1.5, 2**31, 2**64, 10**30, "", "0x", "0xzz", "0x0", "x" * 10_000, "\u0000", "0x" + "00" * 31),
    *("0x" + "00" * 32, "0x" + "ff" * 32, "0x" + "00" * 100_000, [], {}, [[]], [None] * 2_000, [["0x"]], {"a": 1}),
    *([["0x" + "00" * 32]] * 3, ALICE, "0x28050100", "1e999", ["0x"] * 100),
]


@pytest.fixture
async def served(chain: Chain, spec: ChainSpec) -> AsyncIterator[Served]:
    async with serving(Node(Engine(chain, MANUAL), spec)) as served:
        yield served


@pytest.mark.parametrize("name", sorted(set(METHODS) - {"mock_jump", "mock_seal", "mock_hangSockets"}))
async def test_absurd_parameters_are_answered(served: Served, name: str) -> None:
    for one in ABSURD:
        for parameters in ([one], [one, one], [None, one], ["0x", one], [one, one, one, one]):
            answer = await served.call(name, *parameters)
            assert isinstance(answer, dict), answer
            assert answer["id"] == 1
            assert ("result" in answer) != ("error" in answer)
            if "error" in answer:
                assert answer["error"]["code"] != -32603, (name, str(parameters)[:100], answer)
    await alive(served)


@pytest.mark.parametrize("name", sorted(subscriptions.SUBSCRIBE | subscriptions.UNSUBSCRIBE))
async def test_absurd_subscriptions_are_answered(served: Served, name: str) -> None:
    async with served.socket() as socket:
        for one in ABSURD:
            answer = await ask(socket, name, one)
            assert ("result" in answer) != ("error" in answer)
            assert answer.get("error", {}).get("code") != -32603, (name, str(one)[:100], answer)
    await alive(served)


@pytest.mark.parametrize("parameters", [{"a": 1}, "x", 3, True], ids=["by name", "text", "number", "bool"])
async def test_parameters_that_are_no_list(served: Served, parameters: Any) -> None:
    answer = await served.post({"jsonrpc": "2.0", "id": 1, "method": "chain_getHeader", "params": parameters})
    assert answer["error"]["code"] == -32602


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"\xff\xfe", b"nul", b"[" * 100_000, b'{"a":' * 50_000, b"9" * 10_000, b'"' + b"x" * 100_000),
        *(b"{}", b"null", b"[[]]", b"[null]"),
    ],
    ids=lambda body: body[:12].hex() or "empty",
)
async def test_bodies_that_are_no_requests(served: Served, body: bytes) -> None:
    answer = await served.post(body)
    answer = answer[0] if isinstance(answer, list) else answer
    assert answer["error"]["code"] in (-32700, -32600)
    async with served.socket() as socket:
        await socket.send_str(body.decode(errors="replace"))
        assert (await socket.receive(60)).type == WSMsgType.TEXT
        assert (await ask(socket, "system_chainType"))["result"] == "Development"


@pytest.mark.parametrize("identifier", [[], {}, True, 1.5], ids=str)
async def test_ids_that_are_none(served: Served, identifier: Any) -> None:
    answer = await served.post({"jsonrpc": "2.0", "id": identifier, "method": "system_chain"})
    assert (answer["id"], answer["error"]["code"]) == (None, -32600)


@pytest.mark.parametrize(
    ("head", "body"),
    [
        ("content-length: 9\r\ncontent-encoding: gzip", b"not gzip!"),
        ("transfer-encoding: chunked", b"xyz\r\n"),
        ("host: localhost\r\ncontent-length: 0", b""),
    ],
    ids=["gzip", "chunked", "two hosts"],
)
async def test_requests_that_do_not_decode(
    served: Served, head: str, body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    start = f"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n{head}\r\n\r\n"
    writer.write(start.encode() + body)
    assert b" 400 " in await asyncio.wait_for(reader.readline(), 60)
    writer.close()
    await alive(served)
    assert not [record for record in caplog.records if record.exc_info], "no traceback for what a client may send"


@pytest.mark.case("feeds/oversized-request")
async def test_oversized_requests(served: Served) -> None:
    refusal = {"code": -32007, "message": "Request is too big", "data": f"Exceeded max limit of {MAX_REQUEST_BYTES}"}
    for body in (
        io.BytesIO(b" " * (MAX_REQUEST_BYTES + 1)),
        parts(MAX_REQUEST_BYTES + 1),
    ):  # with a length, and without
        async with served.session.post(served.http, data=body, headers=JSON) as answer:
            assert answer.status == 413
            assert await answer.json() == {"jsonrpc": "2.0", "id": None, "error": refusal}
    async with served.socket() as socket:
        for size in (MAX_REQUEST_BYTES + 1, 3 * MAX_REQUEST_BYTES):
            await socket.send_str(" " * size)
            assert await socket.receive_json(timeout=60) == {"jsonrpc": "2.0", "id": None, "error": refusal}
        assert (await ask(socket, "system_chainType"))["result"] == "Development"
        wide = json.dumps({"jsonrpc": "2.0", "id": 9, "method": "system_chain", "params": ["x" * 10_000_000]})
        await socket.send_str(wide)
        assert "result" in await socket.receive_json(timeout=60)
    await alive(served)


async def parts(size: int) -> AsyncIterator[bytes]:
    for _ in range(0, size, 2**20):
        yield b" " * 2**20


async def test_batches(served: Served) -> None:
    one = {"jsonrpc": "2.0", "id": 1, "method": "system_chainType"}
    assert len(await served.post([one] * MAX_BATCH)) == MAX_BATCH
    assert (await served.post([one] * (MAX_BATCH + 1)))["error"]["code"] == -32010
    big = {"jsonrpc": "2.0", "id": 1, "method": "state_getStorage", "params": ["0x3a636f6465"]}
    assert (await served.post([big] * MAX_BATCH))["error"]["code"] == -32008
    async with served.socket() as socket:
        await socket.send_json([{**one, "id": n, "method": "chain_subscribeNewHeads"} for n in range(3)])
        answers = await socket.receive_json(timeout=60)
        early = [await socket.receive_json(timeout=60) for _ in range(3)]
        assert [answer["id"] for answer in answers] == [0, 1, 2]
        assert {one["params"]["subscription"] for one in early} == {answer["result"] for answer in answers}


async def test_a_long_batch_lets_others_have_their_turns(served: Served) -> None:
    batch = [{"jsonrpc": "2.0", "id": 1, "method": "chain_getHeader"}] * 100
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    server = Server(served.node)
    answers, _ = await server._handle(json.dumps(batch), None, server._room.lease())
    task.cancel()
    assert answers is not None
    assert len(json.loads(answers)) == len(batch)
    assert turns >= len(batch)


async def test_too_many_connections(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_SOCKETS", 3)
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(3):
            await ask(await stack.enter_async_context(served.socket()), "chain_subscribeNewHeads")
        with pytest.raises(aiohttp.WSServerHandshakeError) as raised:
            async with served.socket():
                pass
        assert raised.value.status == 429
        await alive(served)
    async with asyncio.timeout(60), served.socket() as socket:  # those that left made room
        assert (await ask(socket, "system_chainType"))["result"] == "Development"


async def test_too_many_subscriptions(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscriptions, "MAX_SUBSCRIPTIONS", 2)
    async with served.socket() as socket, served.socket() as other:
        held = [(await ask(socket, "chain_subscribeNewHeads"))["result"] for _ in range(2)]
        assert (await ask(socket, "chain_subscribeNewHeads"))["error"]["code"] == -32006
        assert "result" in await ask(other, "chain_subscribeNewHeads")
        assert (await ask(socket, "chain_unsubscribeNewHeads", held[0]))["result"] is True
        assert (await ask(socket, "chain_unsubscribeNewHeads", held[0]))["result"] is False
        assert (await ask(other, "chain_unsubscribeNewHeads", held[1]))["result"] is False
        assert "result" in await ask(socket, "chain_subscribeNewHeads")


async def test_a_client_that_does_not_read_is_cut_off(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "MAX_UNREAD_BYTES", 200_000)
    async with served.socket() as socket:
        await ask(socket, "chain_subscribeNewHeads")
        await served.call("mock_hangSockets", 60_000)
        for _ in range(1_000):
            served.node.engine.seal()
            if not served.node.faults.transports:
                break
            await asyncio.sleep(0)
        await served.call("mock_hangSockets", 0)
        while (message := await socket.receive(60)).type == WSMsgType.TEXT:
            pass
        assert message.type in (WSMsgType.CLOSED, WSMsgType.ERROR, WSMsgType.CLOSE)
    await alive(served)


async def test_a_client_that_does_not_read_but_asks_is_let_go_of(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its last request waits until less is unread, which never comes: the end of the connection must end that, too."""
    monkeypatch.setattr(outbox, "SLOW_BYTES", 1_000)
    monkeypatch.setattr(outbox, "MAX_UNREAD_BYTES", 200_000)
    async with served.socket() as cut, served.socket() as gone:
        for socket in (cut, gone):
            await ask(socket, "chain_subscribeNewHeads")
        await served.call("mock_hangSockets", 60_000)
        for _ in range(20):
            served.node.engine.seal()
        for socket in (cut, gone):
            await socket.send_json({"jsonrpc": "2.0", "id": 9, "method": "system_chain"})
        await alive(served)  # the requests were read
        transport = gone._response.connection.transport  # type: ignore[union-attr]
        transport.abort()
        while served.node.faults.transports and served.node.chain.best.number < 2_000:
            served.node.engine.seal()
            await asyncio.sleep(0)
        await served.call("mock_hangSockets", 0)
        async with asyncio.timeout(60):
            while served.node.engine._listeners:  # noqa: ASYNC110 - what is waited for has no event
                await asyncio.sleep(0.01)
    await alive(served)


async def test_a_client_that_does_not_read_does_not_hold_up_the_end(chain: Chain, spec: ChainSpec) -> None:
    node = Node(Engine(chain, MANUAL), spec)
    server = Server(node)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.open("127.0.0.1", 0))
    writer.write(
        b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    assert b"101" in await reader.readuntil(b"\r\n\r\n")
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    (transport,) = node.faults.transports
    writer.write(_masked("state_getPairs", "0x") * 20)
    async with asyncio.timeout(60):
        while not transport.get_write_buffer_size():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.01)
    async with asyncio.timeout(30):
        await server.close()
    writer.transport.abort()


def _masked(name: str, *parameters: Any) -> bytes:
    """A request as a WebSocket frame, masked with zeros."""
    data = json.dumps({"jsonrpc": "2.0", "id": 9, "method": name, "params": list(parameters)}).encode()
    return b"\x81" + bytes([0x80 | len(data)]) + bytes(4) + data


async def test_answers_have_a_most(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    code, many = "0x3a636f6465", ["0x3a636f6465" + f"{number:04x}" for number in range(10_000)]
    (once,) = (await served.call("state_queryStorageAt", [code] * 10_000))["result"]
    assert [key for key, _ in once["changes"]] == [code]
    async with asyncio.timeout(30):  # each key's path leads through the runtime's code
        assert "result" in await served.call("state_getReadProof", [code] * 5_000)
        assert "result" in await served.call("state_getReadProof", many)
    monkeypatch.setattr("runtime_mock.rpc.methods.MAX_ANSWER_BYTES", 500_000)
    genesis = "0x" + served.node.chain.genesis.hash.hex()
    for name, parameters in (("state_queryStorageAt", [[code]]), ("state_queryStorage", [[code], genesis])):
        assert (await served.call(name, *parameters))["error"]["code"] == -32008


async def test_the_faults(served: Served) -> None:
    async with served.socket() as socket:
        assert (await served.call("mock_refuse", "system_chain", {"code": -7, "message": "no"}, 1))["result"] is True
        assert (await ask(socket, "system_chain"))["error"] == {"code": -7, "message": "no"}
        assert "result" in await ask(socket, "system_chain")
        await served.call("mock_hangSockets", 60_000)
        await socket.send_json({"jsonrpc": "2.0", "id": 9, "method": "system_chain"})
        with pytest.raises(asyncio.TimeoutError):
            await socket.receive(0.2)
        await served.call("mock_hangSockets", 0)
    async with served.socket() as socket:
        await ask(socket, "system_chain")
        assert (await served.call("mock_dropSockets"))["result"] == 1
        assert (await socket.receive(60)).type in (WSMsgType.CLOSED, WSMsgType.ERROR, WSMsgType.CLOSE)


async def test_control_in_bounds(served: Served) -> None:
    for name, wrong in (("mock_seal", -1), ("mock_seal", 10**9), ("mock_jump", "x"), ("mock_setSealing", 0)):
        assert (await served.call(name, wrong))["error"]["code"] == -32602, (name, wrong)
    await served.call("mock_seal", 3)
    await served.call("mock_jump", 5)
    assert served.node.chain.best.number == 8
    assert (await served.call("mock_reorganise", 1))["error"]["code"] == -32602
    await served.call("mock_setFinality", None)
    await served.call("mock_seal", 2)
    assert "result" in await served.call("mock_reorganise", 2, 2)
    assert served.node.chain.best.number == 12


async def test_a_browser_is_told_what_this_is(served: Served) -> None:
    async with served.session.get(served.http) as answer:
        assert answer.status == 200
        assert "JSON-RPC" in await answer.text()
