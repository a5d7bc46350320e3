"""JSON-RPC itself, at its edges: each backend answers as the real node does."""

from __future__ import annotations

import json
from typing import Any

import pytest
import websocket

from tests.support.chains import RunningChain

UNKNOWN = "0x" + "11" * 32
ALICE = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY"
PARSE = {"jsonrpc": "2.0", "id": None, "error": {"code": -32700, "message": "Parse error"}}
INVALID = {"jsonrpc": "2.0", "id": None, "error": {"code": -32600, "message": "Invalid request"}}


def call(chain: RunningChain, name: str, *parameters: Any) -> Any:
    body = {"jsonrpc": "2.0", "id": 7, "method": name, "params": list(parameters)}
    answer = json.loads(chain.raw(json.dumps(body).encode()))
    assert answer["id"] == 7
    return answer


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        (b"{", PARSE),
        (b"[]", INVALID),
        (b"[1]", [INVALID]),
        (b'{"jsonrpc":"2.0","id":1}', {**INVALID, "id": 1}),
        (b'{"method":"system_chain","id":1}', {**INVALID, "id": 1}),
        (b'{"jsonrpc":"2.0","method":"system_chainType","params":[]}', None),
    ],
)
def test_malformed_requests(chain: RunningChain, body: bytes, answer: Any) -> None:
    found = chain.raw(body)
    assert (json.loads(found) if found else None) == answer


def test_a_batch_answers_each_but_notifications(chain: RunningChain) -> None:
    call = {"jsonrpc": "2.0", "method": "system_chainType"}
    found = json.loads(chain.raw(json.dumps([{**call, "id": 1}, 1, call, {**call, "id": "two"}]).encode()))
    sound = {"jsonrpc": "2.0", "result": "Development"}
    assert found == [{**sound, "id": 1}, INVALID, {**sound, "id": "two"}]


@pytest.mark.parametrize(
    ("name", "parameters", "code"),
    [
        ("nope", [], -32601),
        ("state_getStorage", [], -32602),
        ("state_getStorage", ["zz"], -32602),
        ("state_getStorage", [3], -32602),
        ("state_getStorage", ["0x00", UNKNOWN], 4003),
        ("state_getStorage", ["0x00", "0x11"], -32602),
        ("state_call", ["Nope_nope", "0x"], 4003),
        ("state_call", ["AccountNonceApi_account_nonce", "0x00"], 4003),
        ("state_getMetadata", [UNKNOWN], 4003),
        ("state_getKeysPaged", ["0x", 2000], 4002),
        ("state_queryStorageAt", ["0x00"], -32602),
        ("state_queryStorageAt", [["0x00"], UNKNOWN], 4001),
        ("state_queryStorage", [["0x00"], UNKNOWN], 4001),
        ("system_accountNextIndex", ["abc"], -32602),
        ("system_accountNextIndex", [ALICE[:-1] + "Z"], -32602),
        ("author_submitExtrinsic", ["0x"], 1040),
        ("author_submitExtrinsic", ["0x280502000b80"], 1040),
        ("author_submitExtrinsic", ["0x0400"], 1002),
        ("payment_queryInfo", ["0x00"], 1),
        ("payment_queryInfo", ["0x"], 2),
        ("payment_queryFeeDetails", ["0x00"], 1),
        ("payment_queryFeeDetails", ["0x04"], 2),
        ("chain_subscribeNewHeads", [], -32603),
        ("system_dryRun", ["0x00"], 1),
        ("system_dryRun", ["0x280502000b80"], 2),
        ("system_dryRun", ["zz"], -32602),
        ("archive_v1_header", ["0x00"], -32602),
        ("archive_v1_hashByHeight", ["0x0"], -32602),
        ("transaction_v1_broadcast", ["zz"], -32602),
        ("transaction_v1_stop", ["nope"], -32602),
    ],
)
def test_errors_have_the_nodes_codes(chain: RunningChain, name: str, parameters: list[Any], code: int) -> None:
    assert call(chain, name, *parameters)["error"]["code"] == code


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("chain_getHeader", [UNKNOWN]),
        ("chain_getBlock", [UNKNOWN]),
        ("chain_getBlockHash", [99_999]),
        ("state_getStorage", ["0x00"]),
        ("state_getStorage", ["0x00", None, "too many"]),
        ("state_getStorageHash", ["0x00"]),
    ],
)
def test_what_is_not_there_is_null(chain: RunningChain, name: str, parameters: list[Any]) -> None:
    assert call(chain, name, *parameters)["result"] is None


def test_a_key_that_is_asked_for_twice_is_answered_once(chain: RunningChain) -> None:
    (found,) = call(chain, "state_queryStorageAt", ["0x00", "0x01", "0x00"])["result"]
    assert found["changes"] == [["0x00", None], ["0x01", None]]
    assert call(chain, "state_queryStorageAt", [])["result"] == []


def test_the_same_genesis_state(chain: RunningChain) -> None:
    genesis = call(chain, "chain_getBlockHash", 0)["result"]
    assert call(chain, "chain_getBlockHash", [0, 99_999])["result"] == [genesis, None]
    assert call(chain, "chainSpec_v1_genesisHash")["result"] == genesis
    keys = call(chain, "state_getKeysPaged", "0x", 1000, None, genesis)["result"]
    assert keys == sorted(keys)
    halves = call(chain, "state_getKeysPaged", None, 10, None, genesis)["result"]
    halves += call(chain, "state_getKeysPaged", "0x", 1000, halves[-1], genesis)["result"]
    assert halves == keys
    assert call(chain, "state_getStorageSize", "0x3a636f6465", genesis)["result"] > 100_000
    proof = call(chain, "state_getReadProof", [keys[0], "0x00"], genesis)["result"]
    assert proof["at"] == genesis
    assert len(proof["proof"]) > 1


def test_shapes_of_the_plain_methods(chain: RunningChain) -> None:
    assert call(chain, "system_health")["result"] == {"peers": 0, "isSyncing": False, "shouldHavePeers": False}
    assert call(chain, "system_chainType")["result"] == "Development"
    assert call(chain, "system_nodeRoles")["result"] == ["Authority"]
    header = call(chain, "chain_getHeader")["result"]
    assert set(header) == {"parentHash", "number", "stateRoot", "extrinsicsRoot", "digest"}
    version = call(chain, "state_getRuntimeVersion")["result"]
    assert version["specName"] == "datdot"
    assert {"systemVersion", "stateVersion", "transactionVersion"} <= set(version)
    listed = call(chain, "rpc_methods")["result"]["methods"]
    assert listed == sorted(listed)
    assert {"chain_getHead", "state_getStorageAt", "account_nextIndex", "author_submitAndWatchExtrinsic"} <= set(listed)


def test_names_are_those_of_the_node(chain: RunningChain) -> None:
    listed = set(call(chain, "rpc_methods")["result"]["methods"])
    groups = ("chainHead_v1_", "transaction_v1_", "archive_v1_", "chainSpec_v1_")
    assert {name for name in listed if name.startswith(groups)} == {
        *(f"chainHead_v1_{one}" for one in ("body", "call", "continue", "follow", "header", "stopOperation")),
        *(f"chainHead_v1_{one}" for one in ("storage", "unfollow", "unpin")),
        *("transaction_v1_broadcast", "transaction_v1_stop"),
        *(f"archive_v1_{one}" for one in ("body", "call", "finalizedHeight", "genesisHash", "hashByHeight", "header")),
        *(f"archive_v1_{one}" for one in ("stopStorage", "storage", "storageDiff", "storageDiff_stopStorageDiff")),
        *(f"chainSpec_v1_{one}" for one in ("chainName", "genesisHash", "properties")),
    }
    assert {"system_dryRun", "system_dryRunAt", "system_localPeerId", "system_localListenAddresses"} <= listed


def test_the_archive(chain: RunningChain) -> None:
    genesis = call(chain, "archive_v1_genesisHash")["result"]
    assert call(chain, "archive_v1_hashByHeight", 0)["result"] == [genesis]
    assert call(chain, "archive_v1_hashByHeight", 99_999)["result"] == []
    assert isinstance(call(chain, "archive_v1_finalizedHeight")["result"], int)
    assert call(chain, "archive_v1_body", genesis)["result"] == []
    assert call(chain, "archive_v1_header", genesis)["result"].startswith("0x" + "00" * 33)
    for name in ("archive_v1_header", "archive_v1_body"):
        assert call(chain, name, UNKNOWN)["result"] is None
    version = call(chain, "archive_v1_call", genesis, "Core_version", "0x")["result"]
    assert version["success"] is True
    assert version["value"].startswith("0x18646174646f74")
    failed = call(chain, "archive_v1_call", genesis, "Nope", "0x")["result"]
    assert failed == {"success": False, "error": "Execution failed: Other: Exported method Nope is not found"}
    assert call(chain, "archive_v1_call", UNKNOWN, "Core_version", "0x")["result"]["success"] is False


def test_without_a_connection_nothing_is_followed(chain: RunningChain) -> None:
    assert call(chain, "chainHead_v1_header", "nope", UNKNOWN)["result"] is None
    for name, parameters in (("body", []), ("call", ["Core_version", "0x"]), ("storage", [[]])):
        assert call(chain, f"chainHead_v1_{name}", "nope", UNKNOWN, *parameters)["result"] == {"result": "limitReached"}
    assert call(chain, "chainHead_v1_unpin", "nope", UNKNOWN)["result"] is None


def test_the_name_of_the_peer(chain: RunningChain) -> None:
    assert call(chain, "system_localPeerId")["result"].startswith("12D3KooW")


@pytest.mark.case("feeds/oversized-request")
def test_a_request_too_large_keeps_the_connection(chain: RunningChain) -> None:
    data = "Exceeded max limit of 15728640"
    refusal = {"code": -32007, "message": "Request is too big", "data": data}
    socket = websocket.create_connection(chain.url, timeout=60)
    for size in (16 << 20, 40 << 20):
        socket.send(" " * size)
        assert json.loads(socket.recv()) == {"jsonrpc": "2.0", "id": None, "error": refusal}
        socket.send('{"jsonrpc":"2.0","id":1,"method":"system_chainType"}')
        assert json.loads(socket.recv())["result"] == "Development"
    socket.close()
