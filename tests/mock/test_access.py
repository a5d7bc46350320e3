"""Beside a browser: what pages of other machines may send to a mock, and how much one client may make it do."""

from __future__ import annotations

import asyncio
import json
import socket
import tracemalloc
import urllib.request
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from runtime_mock.__main__ import access, options
from runtime_mock.chainspec import ChainSpec
from runtime_mock.node.chain import Chain
from runtime_mock.node.engine import MANUAL, Engine
from runtime_mock.rpc import subscriptions
from runtime_mock.rpc.access import Access, named
from runtime_mock.rpc.methods import METHODS, Node
from tests.support.mock_process import running_mock
from tests.support.mock_server import Served, alive, ask, serving
from tests.support.needs import missing

SEAL = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "mock_seal", "params": [3]}).encode()
EVIL = "http://evil.example"


@pytest.fixture
def node(chain: Chain, spec: ChainSpec) -> Node:
    return Node(Engine(chain, MANUAL), spec)


@pytest.fixture
async def served(node: Node) -> AsyncIterator[Served]:
    async with serving(node) as served:
        yield served


async def status(served: Served, **headers: str) -> int:
    wanted = {"Content-Type": "application/json", **{name.replace("_", "-"): text for name, text in headers.items()}}
    async with served.session.post(served.http, data=SEAL, headers=wanted) as answer:
        await answer.read()
        return answer.status


@pytest.mark.case("network/rpc_attack")
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": EVIL},
        {"Origin": "null"},
        {"Origin": "http://localhost.evil.example"},
        {"Origin": "http://localhost@evil.example"},
        {"Origin": "file://localhost"},
        {"Origin": "http://127.0.0.1:x"},
        {"Origin": ""},
        {"Host": "evil.example:9944"},
        {"Host": "localhost.evil.example"},
        {"Host": "localhost@evil.example"},
        {"Host": "192.168.1.2:9944"},
        {"Host": "localhost:x"},
        {"Host": ""},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": ""},
    ],
    ids=str,
)
async def test_a_page_of_another_machine_commands_nothing(served: Served, headers: dict[str, str]) -> None:
    assert await status(served, **headers) == (415 if "Content-Type" in headers else 403)
    if "Content-Type" not in headers:
        with pytest.raises(aiohttp.WSServerHandshakeError) as raised:
            await served.session.ws_connect(served.ws, headers=headers)
        assert raised.value.status == 403
    assert served.node.chain.best.number == 0


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Host": "localhost:1"},
        {"Host": "LocalHost"},
        {"Host": "[::1]:9944"},
        {"Origin": "http://localhost:3000"},
        {"Origin": "https://127.0.0.1"},
        {"Origin": "http://[::1]:8080"},
        {"Content-Type": "application/json; charset=utf-8"},
    ],
    ids=str,
)
async def test_programs_and_pages_of_this_machine_do(served: Served, headers: dict[str, str]) -> None:
    assert await status(served, **headers) == 200
    async with served.session.ws_connect(served.ws, headers=headers) as socket_:
        assert "result" in await ask(socket_, "system_chain")
    assert served.node.chain.best.number == 3


async def test_named_pages_and_hosts_do(node: Node) -> None:
    let_in = Access(named(["Chain, other.example"]), named([EVIL]), control=True)
    async with serving(node, let_in) as served:
        assert await status(served, Host="chain:9944", Origin=EVIL) == 200
        assert await status(served, Origin=EVIL + ":81") == 403
        asked = {"Origin": EVIL, "Access-Control-Request-Method": "POST"}
        async with served.session.options(served.http, headers=asked) as answer:
            assert answer.status == 200
            assert answer.headers["Access-Control-Allow-Origin"] == EVIL
            assert answer.headers["Access-Control-Allow-Headers"] == "content-type"
    async with serving(node, Access(frozenset({"all"}), frozenset({"all"}))) as served:
        assert await status(served, Host="whatever", Origin="null") == 200


def test_the_options(monkeypatch: pytest.MonkeyPatch) -> None:
    given = [
        "--host",
        "10.0.0.1",
        "--rpc-cors",
        "https://a,https://b",
        "--rpc-cors",
        "https://c",
        "--rpc-hosts",
        "chain",
    ]
    monkeypatch.setattr("sys.argv", ["mock", *given])
    found = access(options())
    assert found == Access(frozenset({"10.0.0.1", "chain"}), frozenset({"https://a", "https://b", "https://c"}))
    monkeypatch.setattr("sys.argv", ["mock", "--host", "0.0.0.0", "--control"])
    assert access(options()) == Access(control=True)


def test_an_ipv6_address_is_shown_in_brackets_and_answers() -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        missing("this machine has no IPv6")
    with running_mock("--host", "::1") as mock:
        address = mock.ready["rpc"]
        assert address.startswith("ws://[::1]:")
        request = urllib.request.Request(address.replace("ws", "http"), SEAL, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            assert "result" in json.load(answer)


async def test_control_methods_are_there_on_demand_only(node: Node) -> None:
    control = {name for name in METHODS if name.startswith("mock_")}
    assert "mock_seal" in control
    async with serving(node, Access()) as served:
        for name in control:
            assert (await served.call(name))["error"]["code"] == -32601
        assert "--control" in (await served.call("mock_seal"))["error"]["data"]
        assert control.isdisjoint((await served.call("rpc_methods"))["result"]["methods"])
    async with serving(node) as served:
        assert control <= set((await served.call("rpc_methods"))["result"]["methods"])


@pytest.mark.case("network/rpc_attack")
@pytest.mark.parametrize("way", ["http", "websocket"])
async def test_work_ends_with_its_client(served: Served, way: str) -> None:
    chain, begun = served.node.chain, asyncio.Event()
    served.node.engine.listen(lambda event: begun.set() if chain.best.number > 3 else None)
    request = {"jsonrpc": "2.0", "id": 9, "method": "mock_seal", "params": [100_000]}
    if way == "http":
        task = asyncio.create_task(served.post(request))
        await asyncio.wait_for(begun.wait(), 60)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    else:
        async with served.socket() as socket_:
            await socket_.send_json(request)
            await asyncio.wait_for(begun.wait(), 60)
            socket_._response.close()
    async with asyncio.timeout(60):
        while len(served.server._door):  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0)
    sealed = chain.best.number
    for _ in range(20):
        await alive(served)
    assert chain.best.number == sealed < 100_000


async def test_the_work_of_many_clients_lets_blocks_in_between(served: Served) -> None:
    """Each turn of the event loop does one call of one client, so that blocks and timers wait for one at most."""
    calls, turns = 0, 0
    whole = served.node.metadata

    def metadata(block: Any) -> str:
        nonlocal calls
        calls += 1
        return whole(block)

    served.node.metadata = metadata  # type: ignore[method-assign]
    batch = [{"jsonrpc": "2.0", "id": 1, "method": "state_getMetadata", "params": []}] * 10

    async def count() -> None:
        nonlocal turns
        while True:
            done = calls
            turns += 1
            await asyncio.sleep(0)
            assert calls <= done + 1

    counting = asyncio.create_task(count())
    answers = await asyncio.gather(*(served.post(batch) for _ in range(20)))
    assert all(len(answer) == 10 for answer in answers)
    assert not counting.done()
    counting.cancel()
    assert turns > calls == 200


async def test_huge_keys_cost_little_more_than_their_own_size(served: Served) -> None:
    size = 3_000_000
    key = "0x" + "ab" * size
    tracemalloc.start()
    try:
        for name, parameters in (
            ("state_getStorage", [key]),
            ("state_getStorageHash", [key]),
            ("state_getKeysPaged", [key, 10]),
            ("state_getKeysPaged", ["0x", 10, key]),
            ("state_getReadProof", [[key]]),
            ("state_queryStorageAt", [[key]]),
        ):
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            assert "result" in await served.call(name, *parameters), name
            assert tracemalloc.get_traced_memory()[1] - before < 25 * size, name
    finally:
        tracemalloc.stop()


async def test_many_keys_in_many_blocks_cost_what_changed(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    await served.call("mock_seal", 200)
    first = (await served.call("chain_getBlockHash", 1))["result"]
    number = "0x26aa394eea5630e07c48ae0c9558cef702a5c1b19ab7a04f536c519aca4983ac"
    looked_up = 0
    get = type(served.node.state(None)).get

    def counted(trie: Any, key: bytes) -> bytes | None:
        nonlocal looked_up
        looked_up += 1
        return get(trie, key)

    monkeypatch.setattr("runtime_mock.state.trie.Trie.get", counted)
    keys = [f"0x{one:08x}" for one in range(9_999)]
    found = (await served.call("state_queryStorage", [*keys, number], first))["result"]
    assert len(found) == 200
    assert len(found[0]["changes"]) == 10_000
    assert found[7]["changes"] == [[number, "0x08000000"]]
    assert looked_up < 11_000


async def test_storage_subscriptions_cost_what_changed(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscriptions, "MAX_WATCHED_KEYS", 2_500)
    number = "0x26aa394eea5630e07c48ae0c9558cef702a5c1b19ab7a04f536c519aca4983ac"
    keys = [f"0x{one:08x}" for one in range(999)]
    async with served.socket() as socket_, served.socket() as other:
        held = (await ask(socket_, "state_subscribeStorage", [*keys, number]))["result"]
        await ask(socket_, "state_subscribeStorage", keys)
        refused = await ask(socket_, "state_subscribeStorage", keys)
        assert refused["error"]["code"] == -32006
        assert "result" in await ask(other, "state_subscribeStorage", [number, number])
        watched = served.server._watched
        assert len(watched) == 1_000 + 999 + 1
        await served.call("mock_seal", 1)
        for one in (socket_, other):
            changes = None
            while changes != [[number, "0x01000000"]]:
                changes = (await one.receive_json(timeout=60))["params"]["result"]["changes"]
        assert (await ask(socket_, "state_unsubscribeStorage", held))["result"] is True
        assert len(watched) == 1_000
        assert "result" in await ask(socket_, "state_subscribeStorage", keys)
    async with asyncio.timeout(60):
        while len(watched):  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.01)
    assert not served.node.engine._listeners
