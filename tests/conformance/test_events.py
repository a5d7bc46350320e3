"""The events of chainHead_v1 and archive_v1: each backend tells them as the real node does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import websocket

from tests.support.chains import RunningChain

CODE = "0x3a636f6465"
NUMBER = "0x26aa394eea5630e07c48ae0c9558cef702a5c1b19ab7a04f536c519aca4983ac"
UNKNOWN = "0x" + "11" * 32


class Told:
    """A connection that sorts answers from events."""

    def __init__(self, url: str) -> None:
        self.socket = websocket.create_connection(url, timeout=60)
        self.events: dict[str, list[Any]] = {}

    def _receive(self) -> Any:
        got = json.loads(self.socket.recv())
        if "params" in got:
            self.events.setdefault(got["params"]["subscription"], []).append(got["params"]["result"])
        return got

    def ask(self, name: str, *parameters: Any) -> Any:
        self.socket.send(json.dumps({"jsonrpc": "2.0", "id": 5, "method": name, "params": list(parameters)}))
        while (got := self._receive()).get("id") != 5:
            pass
        return got.get("result", got.get("error"))

    def until(self, subscription: str, *kinds: str) -> list[Any]:
        """The events of a subscription up to one of these kinds."""
        found: list[Any] = []
        while not found or found[-1]["event"] not in kinds:
            while not self.events.get(subscription):
                self._receive()
            found.append(self.events[subscription].pop(0))
        return found


@pytest.fixture
def told(chain: RunningChain) -> Iterator[Told]:
    found = Told(chain.url)
    following = found.ask("chainHead_v1_follow", False)
    found.until(following, "finalized")  # block 1, or a later one: genesis has no number yet
    found.ask("chainHead_v1_unfollow", following)
    yield found
    found.socket.close()


def test_the_events_of_a_follower(told: Told) -> None:
    own = told.ask("chainHead_v1_follow", True)
    first = told.until(own, "initialized")[0]
    assert set(first) == {"event", "finalizedBlockHashes", "finalizedBlockRuntime"}
    runtime = first["finalizedBlockRuntime"]
    assert set(runtime) == {"type", "spec"}
    assert set(runtime["spec"]) == {"specName", "implName", "specVersion", "implVersion", "apis", "transactionVersion"}
    assert runtime["spec"]["apis"]["0xdf6acb689907609b"] == 5
    told.ask("chainHead_v1_call", own, first["finalizedBlockHashes"][-1], "Nope", "")
    failed = told.until(own, "operationError")[-1]
    assert failed["error"] == "Execution failed: Other: Exported method Nope is not found"
    block = told.until(own, "newBlock")[-1]
    assert set(block) == {"event", "blockHash", "parentBlockHash", "newRuntime"}
    best, final = told.until(own, "finalized")[-2:]
    assert best == {"event": "bestBlockChanged", "bestBlockHash": block["blockHash"]}
    assert final == {"event": "finalized", "finalizedBlockHashes": [block["blockHash"]], "prunedBlockHashes": []}


def test_the_answers_to_a_follower(told: Told) -> None:
    own = told.ask("chainHead_v1_follow", False)
    at = told.until(own, "initialized")[0]["finalizedBlockHashes"][-1]
    asked = [{"key": CODE, "type": "hash"}, {"key": CODE, "type": "closestDescendantMerkleValue"}]
    asked += [{"key": "0x00", "type": "value"}, {"key": NUMBER, "type": "descendantsValues"}]
    assert told.ask("chainHead_v1_storage", own, at, asked, None)["discardedItems"] == 0
    found = told.until(own, "operationStorageDone")
    items = [item for event in found for item in event.get("items", [])]
    assert [set(item) - {"key"} for item in items] == [{"hash"}, {"closestDescendantMerkleValue"}, {"value"}]
    assert items[2]["key"] == NUMBER
    assert set(told.ask("chainHead_v1_body", own, at)) == {"result", "operationId"}
    assert set(told.until(own, "operationBodyDone")[-1]) == {"event", "operationId", "value"}
    refused = "The `chainHead_follow` subscription was started with `withRuntime` set to `false`"
    assert told.ask("chainHead_v1_call", own, at, "Nope", "") == {"code": -32802, "message": refused}
    assert told.ask("chainHead_v1_header", own, UNKNOWN) == {"code": -32801, "message": "Invalid block hash"}
    assert told.ask("chainHead_v1_unpin", own, [at, at])["code"] == -32804
    assert told.ask("chainHead_v1_unpin", own, at) is None
    assert told.ask("chainHead_v1_header", own, at)["code"] == -32801
    assert told.ask("chainHead_v1_unfollow", own) is True


def test_the_events_of_the_archive(told: Told) -> None:
    genesis = told.ask("archive_v1_genesisHash")
    asked = [{"key": CODE, "type": "hash"}, {"key": CODE, "type": "closestDescendantMerkleValue"}]
    own = told.ask("archive_v1_storage", genesis, [*asked, {"key": "0x00", "type": "value"}], None)
    first, second, done = told.until(own, "storageDone")
    assert set(first) == {"event", "key", "hash"}
    assert set(second) == {"event", "key", "closestDescendantMerkleValue"}
    assert len(second["closestDescendantMerkleValue"]) == 66
    assert done == {"event": "storageDone"}
    own = told.ask("archive_v1_storage", UNKNOWN, asked, None)
    assert "UnknownBlock" in told.until(own, "storageError")[0]["error"]
    (first_block,) = told.ask("archive_v1_hashByHeight", 1)
    own = told.ask("archive_v1_storageDiff", first_block, [{"key": NUMBER, "returnType": "value"}], None)
    difference, done = told.until(own, "storageDiffDone", "storageDiffError")
    assert done == {"event": "storageDiffDone"}
    assert {name: difference[name] for name in ("event", "key", "type")} == {
        "event": "storageDiff",
        "key": NUMBER,
        "type": "added",
    }
    assert difference["value"] == "0x01000000"
