"""Crowds: connections that say nothing, more of them than there are places or file descriptors, and slow ones."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import resource
import socket
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import structlog
from aiohttp import WSMsgType

from runtime_mock.chainspec import ChainSpec
from runtime_mock.node.chain import Chain
from runtime_mock.node.engine import MANUAL, Engine
from runtime_mock.rpc import door, outbox, room, server
from runtime_mock.rpc.methods import Node
from tests.support.mock_server import Served, alive, ask, serving

HALF = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Le"


@pytest.fixture
def node(chain: Chain, spec: ChainSpec) -> Node:
    return Node(Engine(chain, MANUAL), spec)


@contextlib.asynccontextmanager
async def half(served: Served, sent: bytes = HALF) -> AsyncIterator[asyncio.StreamReader]:
    """A connection that has sent part of a request."""
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(sent)
    await writer.drain()
    yield reader
    writer.transport.abort()


async def ended(reader: asyncio.StreamReader) -> bytes:
    with contextlib.suppress(ConnectionError):
        return await asyncio.wait_for(reader.read(), 60)
    return b""


@pytest.mark.case("network/rpc_attack")
async def test_half_a_head_is_waited_for_only_so_long(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "HEAD_SECONDS", 0.05)
    async with serving(node) as served, half(served) as one, half(served, b"") as two:
        assert await ended(one) == await ended(two) == b""
        await alive(served)


async def test_half_a_body_is_waited_for_only_so_long(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "BODY_SECONDS", 0.05)
    head = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n[["
    async with serving(node) as served, half(served, head) as one:
        assert b" 408 " in await asyncio.wait_for(one.readline(), 60)


async def test_an_answer_that_is_not_taken_is_dropped(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "ANSWER_SECONDS", 0.05)
    body = json.dumps(
        [{"jsonrpc": "2.0", "id": 1, "method": "state_getStorage", "params": ["0x3a636f6465"]}] * 14
    ).encode()
    head = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(
        body
    )
    async with serving(node) as served:
        client = socket.create_connection(("127.0.0.1", served.port))
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.sendall(head + body)
        async with asyncio.timeout(60):
            while not len(served.server._door):  # noqa: ASYNC110 - what is waited for has no event
                await asyncio.sleep(0.01)
            while len(served.server._door):  # noqa: ASYNC110 - what is waited for has no event
                await asyncio.sleep(0.01)
        client.close()


async def test_what_all_leave_unread_is_bounded(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who leaves most unread is cut off, and an answer for which no room can be made is an error."""
    code = {"jsonrpc": "2.0", "id": 9, "method": "state_getStorage", "params": ["0x3a636f6465"]}
    async with serving(node) as served, contextlib.AsyncExitStack() as stack:
        greedy, *others = [await stack.enter_async_context(served.socket()) for _ in range(4)]
        size = len(json.dumps(await ask(greedy, "state_getStorage", "0x3a636f6465")))
        most = int(3.5 * size)
        monkeypatch.setattr(room, "MAX_HELD_BYTES", most)
        monkeypatch.setattr(outbox, "SLOW_BYTES", most)
        await served.call("mock_hangSockets", 60_000)
        for _ in range(2):
            await greedy.send_json(code)
        await until(lambda: served.server._room.held > 2 * size - 100)
        for one in others:
            await one.send_json(code)
        await until(lambda: len(served.server._clients) == 3)
        await until(lambda: served.server._room.held > 3 * size - 100)
        assert served.server._room.held <= most
        await served.call("mock_hangSockets", 0)
        for one in others:
            assert "result" in await one.receive_json(timeout=60)
        while (message := await greedy.receive(60)).type == WSMsgType.TEXT:
            pass
        assert message.type in (WSMsgType.CLOSED, WSMsgType.ERROR)
        monkeypatch.setattr(room, "MAX_HELD_BYTES", int(1.5 * size))
        fits, refused = await served.post([code, code])
        assert "result" in fits
        assert "ask again later" in refused["error"]["data"]
        assert await served.post(b" " * (2 * size)) == 503
        await until(lambda: not served.server._room.held)


async def until(is_so: Callable[[], bool]) -> None:
    """Wait for what has no event of its own."""
    async with asyncio.timeout(60):
        while not is_so():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_a_connection_rests_only_so_long_between_requests(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "REST_SECONDS", 0.05)
    head = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n[]"
    async with serving(node) as served, half(served, head) as one:
        assert b"Invalid request" in await ended(one)


async def test_the_longest_silent_one_makes_room(node: Node) -> None:
    async with serving(node, most=3) as served, contextlib.AsyncExitStack() as stack:
        first, second, third = [await stack.enter_async_context(half(served)) for _ in range(3)]
        async with asyncio.timeout(60):
            while len(served.server._door) < 3:  # noqa: ASYNC110 - what is waited for has no event
                await asyncio.sleep(0)
        await alive(served)
        assert await ended(first) == b""
        assert not second.at_eof()
        assert not third.at_eof()


async def test_the_idlest_websocket_makes_room(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that follows something only listens, as it should; one that asks now and then is not the idlest."""
    monkeypatch.setattr(server, "MAX_SOCKETS", 3)
    async with serving(node) as served, served.socket() as follows, served.socket() as idle, served.socket() as asks:
        await ask(follows, "chain_subscribeNewHeads")
        for one in (idle, asks):
            await ask(one, "system_chain")
        async with served.socket() as newcomer:
            assert "result" in await ask(newcomer, "chain_subscribeNewHeads")
            assert (await idle.receive(60)).type in (WSMsgType.CLOSED, WSMsgType.ERROR)
            for one in (follows, asks):
                assert "result" in await ask(one, "chain_subscribeNewHeads")


async def test_when_all_are_at_work_a_newcomer_waits(node: Node) -> None:
    async with serving(node, most=2) as served, served.socket() as one:
        async with served.socket() as two:
            waiting = asyncio.create_task(served.call("system_chainType"))
            for socket_ in (one, two) * 5:
                assert "result" in await ask(socket_, "system_chain")
            assert not waiting.done()
        assert (await waiting)["result"] == "Development"


async def test_without_descriptors_it_waits_and_says_so_once(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "RETRY_SECONDS", 0.001)
    loop = asyncio.get_running_loop()
    accept, left = loop.sock_accept, 50

    async def short(listening: socket.socket) -> Any:
        nonlocal left
        if left:
            left -= 1
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return await accept(listening)

    monkeypatch.setattr(loop, "sock_accept", short)
    with structlog.testing.capture_logs() as logs:
        async with serving(node) as served:
            await alive(served)
            await alive(served)
    assert left == 0
    assert [one["event"] for one in logs] == [
        "no connection can be accepted for now: no file descriptors",
        "connections are accepted again",
    ]


@pytest.mark.case("network/mock_fds")
def test_more_connections_than_it_may_open_files() -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    most = 200
    command = f"ulimit -n {most} && exec {sys.executable} -m runtime_mock --port 0 --seal manual"
    process = subprocess.Popen(["sh", "-c", command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    crowd: list[socket.socket] = []
    try:
        assert process.stdout is not None
        port = int(json.loads(process.stdout.readline())["rpc"].rpartition(":")[2])
        for _ in range(most + 100):
            one = socket.socket()
            crowd.append(one)
            one.setblocking(False)
            assert one.connect_ex(("127.0.0.1", port)) == errno.EINPROGRESS
        body = b'{"jsonrpc":"2.0","id":1,"method":"chain_getHeader","params":[]}'
        request = urllib.request.Request(f"http://127.0.0.1:{port}", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            assert json.load(answer)["result"]["number"] == "0x0"
        assert len(os.listdir(f"/proc/{process.pid}/fd")) < most
    finally:
        for one in crowd:
            one.close()
        process.terminate()
        errors = process.communicate(timeout=60)[1]
    assert process.returncode == 0
    assert len(errors.splitlines()) < 10, errors
    assert hard == resource.RLIM_INFINITY or hard >= most


def test_the_limit_of_files_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    limits, told = (1024, 1_000_000), []
    monkeypatch.setattr(resource, "getrlimit", lambda kind: limits)
    monkeypatch.setattr(resource, "setrlimit", lambda kind, wanted: told.append(wanted))
    assert door.raise_file_limit() == door.WANTED_FILES
    limits = (1024, 2048)
    assert door.raise_file_limit() == 2048
    limits = (256, 256)
    assert door.raise_file_limit() == 256
    limits = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    assert door.raise_file_limit() == door.WANTED_FILES
    assert told == [(door.WANTED_FILES, 1_000_000), (2048, 2048)]
    assert door.room(256) == 256 - door.RESERVED_FILES
    assert door.room(10) == 1
    assert door.room(door.WANTED_FILES) == door.MAX_CONNECTIONS
