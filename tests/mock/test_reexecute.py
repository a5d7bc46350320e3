"""A real node's blocks, executed again by the real runtime in this process and by the model: every state root is the same."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from substrateinterface import Keypair

from runtime_mock.__main__ import make_runtime
from runtime_mock.chainspec import ChainSpec
from runtime_mock.codec import Reader, prefixed
from runtime_mock.node.chain import Chain, ExecutionError, Header
from tests.support.chains import running_chain
from tests.support.differential.acts_plans import TARGETS
from tests.support.differential.driver import UNIT, Account
from tests.support.differential.parties import Party
from tests.support.differential.small_feeds import Feed
from tests.support.rpc_client import Rpc, Secp256k1, account_of

pytestmark = pytest.mark.substrate
ALICE = Keypair.create_from_uri("//Alice")
SECP = Secp256k1(0x1717)
MORE_BLOCKS = 14

Foreign = list[tuple[Header, list[bytes]]]


def raw(text: str) -> bytes:
    return bytes.fromhex(text[2:])


def busy(rpc: Rpc) -> None:
    """Calls of all kinds: each signature, the pallet's right and wrong ones, and the money that they move."""
    parties = [Party(Account.of(f"node {number}"), rpc.genesis) for number in range(3)]
    funded = [*(party.id for party in parties), account_of(SECP)]
    for nonce, account in enumerate(funded):
        transfer = {"dest": ("Id", account), "value": 500 * UNIT}
        rpc.submit(ALICE, "Balances", "transfer_keep_alive", transfer, nonce)
    rpc.until(lambda: rpc.nonce(account_of(ALICE)) == len(funded), "the money")
    rpc.submit(SECP, "System", "remark_with_event", {"remark": b"signed with secp256k1"}, 0)
    for party in parties:
        rpc.submit(party.account, "DatDot", "register_peer", party.bind(), 0)
        rpc.submit(party.account, "DatDot", "collect", {"copy": 7}, 1)
    hosting = {"capacity": 1 << 30, "ask_disk": UNIT, "ask_receiving": UNIT // 200, "region": b"u33"}
    rpc.submit(parties[0].account, "DatDot", "offer_hosting", hosting, 2)
    rpc.submit(parties[1].account, "DatDot", "offer_encoding", {"ask": UNIT}, 2)
    rpc.submit(parties[2].account, "DatDot", "publish_plan", publication(), 2)
    seed: Any = ("DatDot", ("set_seed", {"value": bytes(range(32))}))
    rpc.submit(ALICE, "Sudo", "sudo", {"call": seed}, len(funded))
    entries: Any = [(b"raw " + bytes([number]), b"v") for number in range(5)]
    prefix: Any = {"prefix": b"raw ", "subkeys": 2}
    raw_calls: list[Any] = [
        ("set_storage", {"items": entries[:4]}),
        ("kill_prefix", prefix),
        ("set_storage", {"items": entries}),
    ]
    for nonce, call in enumerate(raw_calls, len(funded) + 1):
        rpc.submit(ALICE, "Sudo", "sudo", {"call": ("System", call)}, nonce)
    rpc.until(lambda: rpc.nonce(account_of(ALICE)) == len(funded) + 4, "raw storage")
    for nonce, call in enumerate([("set_storage", {"items": entries[1:2]}), ("kill_prefix", prefix)], len(funded) + 4):
        rpc.submit(ALICE, "Sudo", "sudo", {"call": ("System", call)}, nonce)
    rpc.until(lambda: all(rpc.nonce(party.id) == 3 for party in parties), "the pallet's calls")


def publication() -> dict[str, Any]:
    feed = Feed("node", "v1", [300, 200, 1, 70_000])
    terms = {"replicas": 1, "report_price": 10**9, "until": 200, **TARGETS[1]}
    caps = dict.fromkeys(("max_ask_disk", "max_ask_encoding", "max_ask_receiving"), UNIT)
    ranges = [(0, feed.length)]
    return {
        "head": feed.head(),
        "ranges": [{"start": 0, "end": feed.length}],
        "nodes": feed.open(ranges),
        "terms": {**terms, **caps},
        "pot": 10 * UNIT,
    }


@pytest.fixture(scope="module")
def blocks(tmp_path_factory: Any) -> Iterator[Foreign]:
    """What the node made, from block 1 on."""
    with running_chain("node", tmp_path_factory.mktemp("node")) as running:
        rpc = Rpc(running)
        busy(rpc)
        last = rpc.height() + MORE_BLOCKS
        rpc.until(lambda: rpc.height() >= last, f"block {last}")
        found = []
        for number in range(1, last + 1):
            block = rpc("chain_getBlock", rpc("chain_getBlockHash", number))["block"]
            head = block["header"]
            logs = tuple(raw(one) for one in head["digest"]["logs"])
            roots = raw(head["stateRoot"]), raw(head["extrinsicsRoot"])
            header = Header(raw(head["parentHash"]), int(head["number"], 16), *roots, logs)
            found.append((header, [raw(one) for one in block["extrinsics"]]))
        yield found


@pytest.mark.parametrize("backend", ["model", "wasm"])
def test_every_state_root_is_the_nodes(backend: str, spec: ChainSpec, blocks: Foreign) -> None:
    chain = Chain(make_runtime(backend, spec), spec.genesis)
    for header, body in blocks:
        assert header.parent == chain.best.hash
        made = chain.execute(header, body)
        assert made.hash == header.hash
        chain.add(made)
    calls = sum(len(body) - 1 for _, body in blocks)
    assert calls >= 15
    assert chain.best.number == len(blocks)


@pytest.mark.parametrize("backend", ["model", "wasm"])
def test_a_forged_block_is_refused(backend: str, spec: ChainSpec, blocks: Foreign) -> None:
    chain = Chain(make_runtime(backend, spec), spec.genesis)
    header, body = blocks[0]
    with pytest.raises(ExecutionError):
        chain.execute(Header(header.parent, 1, bytes(32), header.extrinsics_root, header.digest), body)
    with pytest.raises(ExecutionError):
        chain.execute(header, [*body, body[0]])
    with pytest.raises(ExecutionError):
        chain.execute(header, [])
    reader = Reader(body[0])
    inherent = bytearray(reader.bytes())
    inherent[-1] ^= 1
    with pytest.raises(ExecutionError):
        chain.execute(header, [prefixed(bytes(inherent))])
    assert chain.execute(header, body).hash == header.hash
