"""JSON-RPC itself, at its edges: each backend answers as the real node does."""

from __future__ import annotations

import json
from typing import Any

import pytest

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
