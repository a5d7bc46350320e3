"""chainHead_v1, transaction_v1 and archive_v1 at their edges: order, pinning, limits, and operations that end with their client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from runtime_mock.chainspec import ChainSpec
from runtime_mock.codec import blake2_256
from runtime_mock.node.chain import Chain
from runtime_mock.node.engine import MANUAL, Engine
from runtime_mock.rpc import broadcast, follow
from runtime_mock.rpc.access import Access
from runtime_mock.rpc.methods import Node
from runtime_mock.state.trie import Trie
from tests.support.mock_server import Served, serving

CODE = "0x3a636f6465"
NUMBER = "0x26aa394eea5630e07c48ae0c9558cef702a5c1b19ab7a04f536c519aca4983ac"
NOWHERE = "0x" + "11" * 32


class Head:
    """A connection that sorts answers from events."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.events: list[dict[str, Any]] = []

    async def ask(self, name: str, *parameters: Any) -> Any:
        await self.socket.send_json({"jsonrpc": "2.0", "id": 1, "method": name, "params": list(parameters)})
        while "id" not in (got := await self.socket.receive_json(timeout=60)):
            self.events.append(got["params"]["result"])
        return got.get("result", got.get("error"))

    async def event(self) -> dict[str, Any]:
        """The next event."""
        while not self.events:
            self.events.append((await self.socket.receive_json(timeout=60))["params"]["result"])
        return self.events.pop(0)

    async def until(self, kind: str) -> list[dict[str, Any]]:
        """Events up to one of that kind."""
        found = [await self.event()]
        while found[-1]["event"] != kind:
            found.append(await self.event())
        return found

    async def answer(self, name: str, *parameters: Any) -> list[dict[str, Any]]:
        """Those of an operation, from its start to its end."""
        started = await self.ask(name, *parameters)
        assert started["result"] == "started", started
        found: list[dict[str, Any]] = []
        while not found or not found[-1]["event"].endswith(("Done", "Error", "Inaccessible", "WaitingForContinue")):
            event = await self.event()
            if event.get("operationId") == started["operationId"]:
                found.append(event)
        return found


@pytest.fixture
def node(chain: Chain, spec: ChainSpec) -> Node:
    return Node(Engine(chain, MANUAL), spec)


@pytest.fixture
async def served(node: Node) -> AsyncIterator[Served]:
    async with serving(node) as served:
        yield served


@pytest.fixture
async def head(served: Served) -> AsyncIterator[Head]:
    async with served.socket() as socket:
        yield Head(socket)


def name(block: Any) -> str:
    return "0x" + block.hash.hex()


async def test_a_follower_is_told_of_everything_in_order(served: Served, head: Head) -> None:
    engine, chain = served.node.engine, served.node.chain
    for _ in range(20):
        engine.seal()
    engine.set_finality(None)
    waiting = [engine.seal() for _ in range(2)]
    await head.ask("chainHead_v1_follow", True)
    first = await head.event()
    assert first["event"] == "initialized"
    assert first["finalizedBlockHashes"] == [name(chain.at(number)) for number in range(5, 21)]
    assert first["finalizedBlockRuntime"]["spec"]["specName"] == "datdot"
    assert [one["blockHash"] for one in (await head.until("bestBlockChanged"))[:-1]] == [name(one) for one in waiting]
    engine.reorganise(2)
    fresh = [chain.at(number) for number in (21, 22, 23)]
    told = [await head.event() for _ in range(4)]
    assert [one["event"] for one in told] == ["newBlock"] * 3 + ["bestBlockChanged"]
    assert [one["blockHash"] for one in told[:3]] == [name(one) for one in fresh]
    assert told[3]["bestBlockHash"] == name(fresh[2])
    assert all(one["newRuntime"] is None for one in told[:3])
    engine.finalize(22)
    for number, gone in ((21, []), (22, [name(one) for one in waiting])):
        final = await head.event()
        assert final["finalizedBlockHashes"] == [name(chain.at(number))]
        assert final["prunedBlockHashes"] == gone


async def test_what_a_follower_asks_of_its_blocks(served: Served, head: Head) -> None:
    chain = served.node.chain
    block = served.node.engine.seal()
    own = await head.ask("chainHead_v1_follow", True)
    assert await head.ask("chainHead_v1_header", own, name(block)) == "0x" + block.header.encoded.hex()
    (body,) = await head.answer("chainHead_v1_body", own, name(block))
    assert body["value"] == ["0x" + one.hex() for one in block.body]
    (called,) = await head.answer("chainHead_v1_call", own, name(block), "Core_version", "")
    assert called["output"].startswith("0x18")
    (failed,) = await head.answer("chainHead_v1_call", own, name(block), "Nope", "0x")
    assert failed["event"] == "operationError"
    assert "Nope" in failed["error"]
    asked = [{"key": NUMBER, "type": "value"}, {"key": CODE, "type": "hash"}, {"key": "0x00", "type": "value"}]
    found = await head.answer("chainHead_v1_storage", own, name(block), asked, None)
    code = chain.state(block).get(bytes.fromhex(CODE[2:]))
    assert code is not None
    assert [one["items"] for one in found[:-1]] == [
        [{"key": NUMBER, "value": "0x01000000"}],
        [{"key": CODE, "hash": "0x" + blake2_256(code).hex()}],
    ]
    everything = await head.answer(
        "chainHead_v1_storage", own, name(block), [{"key": "0x", "type": "descendantsValues"}]
    )
    items = {one["key"]: one["value"] for event in everything[:-1] for one in event["items"]}
    assert items == {"0x" + key.hex(): "0x" + value.hex() for key, value in chain.state(block).items()}
    root = {"key": "0x", "type": "closestDescendantMerkleValue"}
    closest = await head.answer("chainHead_v1_storage", own, name(block), [root])
    assert closest[0]["items"] == [{"key": "0x", root["type"]: "0x" + block.header.state_root.hex()}]


async def test_pinning(served: Served, head: Head) -> None:
    engine = served.node.engine
    own = await head.ask("chainHead_v1_follow", True)
    old = engine.seal()
    for _ in range(3):
        engine.seal()
    old.state = None  # as when it is pruned
    (body,) = await head.answer("chainHead_v1_call", own, name(old), "Core_version", "")
    assert body["event"] == "operationCallDone"
    for wrong in (NOWHERE, [name(old), NOWHERE]):
        assert (await head.ask("chainHead_v1_unpin", own, wrong))["code"] == -32801
    assert (await head.ask("chainHead_v1_unpin", own, [name(old)] * 2))["code"] == -32804
    assert isinstance(await head.ask("chainHead_v1_header", own, name(old)), str)
    assert await head.ask("chainHead_v1_unpin", own, [name(old)]) is None
    for asked in ("header", "body"):
        assert (await head.ask(f"chainHead_v1_{asked}", own, name(old)))["code"] == -32801
    assert await head.ask("chainHead_v1_unfollow", own) is True
    assert await head.ask("chainHead_v1_header", own, name(old)) is None
    assert await head.ask("chainHead_v1_body", own, name(old)) == {"result": "limitReached"}
    assert await head.ask("chainHead_v1_unfollow", own) is False


async def test_a_follower_that_unpins_nothing_begins_anew(
    served: Served, head: Head, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow, "MAX_PINNED", 10)
    own = await head.ask("chainHead_v1_follow", False)
    for _ in range(12):
        served.node.engine.seal()
    assert len(await head.until("stop")) > 10
    assert await head.ask("chainHead_v1_unfollow", own) is False
    assert not served.node.engine._listeners[1:]


async def test_a_follower_that_missed_blocks_begins_anew(served: Served, head: Head) -> None:
    await head.ask("chainHead_v1_follow", False)
    assert "finalizedBlockRuntime" not in (await head.until("bestBlockChanged"))[0]
    await served.node.engine.jump(3)
    assert (await head.event())["event"] == "stop"


async def test_limits_of_a_connection(served: Served, head: Head, monkeypatch: pytest.MonkeyPatch) -> None:
    block = name(served.node.engine.seal())
    follows = [await head.ask("chainHead_v1_follow", False) for _ in range(4)]
    assert (await head.ask("chainHead_v1_follow", False))["code"] == -32800
    assert await head.ask("chainHead_v1_unfollow", follows.pop()) is True
    assert isinstance(await head.ask("chainHead_v1_follow", False), str)
    monkeypatch.setattr(follow, "MAX_OPERATIONS", 1)
    monkeypatch.setattr(follow, "PAGE_ENTRIES", 1)
    asked = [follows[0], block, [{"key": "0x", "type": "descendantsHashes"}, {"key": NUMBER, "type": "value"}]]
    waiting = await head.answer("chainHead_v1_storage", *asked)
    assert waiting[-1]["event"] == "operationWaitingForContinue"
    assert await head.ask("chainHead_v1_storage", *asked) == {"result": "limitReached"}
    operation = waiting[-1]["operationId"]
    await head.ask("chainHead_v1_continue", follows[0], operation)
    assert (await head.until("operationWaitingForContinue"))[-2]["items"][0]["key"] == NUMBER
    await head.ask("chainHead_v1_stopOperation", follows[0], operation)
    assert (await head.answer("chainHead_v1_body", follows[0], block))[-1]["event"] == "operationBodyDone"


async def test_followers_and_their_work_end_with_the_connection(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow, "PAGE_ENTRIES", 1)
    async with served.socket() as socket:
        head = Head(socket)
        own = await head.ask("chainHead_v1_follow", True)
        block = name(served.node.engine.seal())
        await head.answer("chainHead_v1_storage", own, block, [{"key": "0x", "type": "descendantsValues"}])
        working = [task for task in asyncio.all_tasks() if "Follow._run" in repr(task)]
        assert working
    async with asyncio.timeout(60):
        await asyncio.wait(working)
        while served.node.engine._listeners:  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.01)


async def test_broadcasts(served: Served, head: Head, monkeypatch: pytest.MonkeyPatch) -> None:
    pool = served.node.engine.pool
    bad = await head.ask("transaction_v1_broadcast", "0x00")
    assert isinstance(bad, str)
    assert await head.ask("transaction_v1_stop", bad) is None
    assert await head.ask("transaction_v1_stop", bad) == {"code": -32602, "message": "Invalid operation id"}
    tries = []

    def full(extrinsic: bytes, *rest: Any) -> Any:
        tries.append(extrinsic)
        raise broadcast.PoolError(broadcast.FULL, "full")

    monkeypatch.setattr(pool, "submit", full)
    names = [await head.ask("transaction_v1_broadcast", "0x0400") for _ in range(broadcast.MAX_BROADCASTS)]
    assert len(set(names)) == broadcast.MAX_BROADCASTS
    assert await head.ask("transaction_v1_broadcast", "0x0400") is None
    for one in names[1:]:
        assert await head.ask("transaction_v1_stop", one) is None
    tries.clear()
    served.node.engine.seal()
    served.node.engine.seal()
    assert tries == [b"\4\0"] * 2
    await head.ask("transaction_v1_stop", names[0])
    served.node.engine.seal()
    assert len(tries) == 2


async def test_archive_events(served: Served, head: Head) -> None:
    engine = served.node.engine
    blocks = [engine.seal() for _ in range(2)]
    await head.ask("archive_v1_storageDiff", name(blocks[1]), [{"key": NUMBER, "returnType": "value"}])
    assert await head.until("storageDiffDone") == [
        {"event": "storageDiff", "key": NUMBER, "value": "0x02000000", "type": "modified"},
        {"event": "storageDiffDone"},
    ]
    await head.ask("archive_v1_storageDiff", name(blocks[1]), [], name(engine.chain.genesis))
    changed = await head.until("storageDiffDone")
    state, genesis = engine.chain.state(blocks[1]), engine.chain.state(engine.chain.genesis)
    assert {one["key"] for one in changed[:-1]} == {"0x" + key.hex() for key in state.differing(genesis)}
    assert {"added", "modified"} <= {one.get("type") for one in changed}
    await head.ask("archive_v1_storageDiff", NOWHERE, [])
    assert (await head.event())["event"] == "storageDiffError"
    many = [{"key": "0x", "type": "descendantsValues"}] * 50
    endless = await head.ask("archive_v1_storage", name(blocks[0]), many)
    assert await head.ask("archive_v1_stopStorage", endless) is True


async def test_sealing_as_a_node_that_seals_by_hand(node: Node) -> None:
    async with serving(node, Access()) as served:
        made = (await served.call("engine_createBlock", True, False))["result"]
        assert made["hash"] == name(node.chain.best)
        assert made["aux"]["is_new_best"] is True
        assert (await served.call("engine_createBlock", False, False))["error"]["code"] == 12_000
        assert (await served.call("engine_createBlock", True, True, NOWHERE))["error"]["code"] == 13_000
        assert (await served.call("engine_finalizeBlock", made["hash"]))["result"] is True
        assert (await served.call("system_localPeerId"))["result"].startswith("12D3KooW")
    node.engine.seal_mode = 1_000
    async with serving(node, Access()) as served:
        assert (await served.call("engine_createBlock", True, False))["error"]["code"] == -32601


def test_the_closest_below_a_key() -> None:
    trie = Trie.of([(b"\x12\x34" + bytes([one]), bytes([one]) * 40) for one in range(3)])
    assert trie.closest(b"") == trie.closest(b"\x12") == trie.root()
    assert trie.closest(b"\x13") is trie.closest(b"\x12\x34\0\0") is trie.closest(b"\x12\x34\7") is None
    leaf = trie.closest(b"\x12\x34\1")
    assert leaf is not None
    assert len(leaf) == 32
    short = Trie.of([(b"\x12\x34", b"a"), (b"\x15", b"b")])
    assert short.closest(b"\x15") not in (None, short.root())
    assert len(short.closest(b"\x15") or b"") < 32


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("chainHead_v1_header", []),
        ("chainHead_v1_header", ["x", "0x"]),
        ("transaction_v1_stop", ["broadcast1"]),
        ("transaction_v1_broadcast", ["0x00"]),
        ("chainHead_v1_unpin", ["x", [NOWHERE]]),
    ],
)
async def test_without_a_connection_nothing_stays_behind(served: Served, name: str, parameters: list[Any]) -> None:
    before = len(served.node.engine._listeners)
    for _ in range(3):
        await served.call(name, *parameters)
    assert len(served.node.engine._listeners) == before
