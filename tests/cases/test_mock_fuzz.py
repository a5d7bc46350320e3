"""The mock's RPC server under mutated requests and extrinsics, on both backends: always an answer, never an internal error."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runtime_mock.chainspec import ChainSpec, artifacts
from runtime_mock.codec import prefixed
from runtime_mock.node.engine import MANUAL, Engine
from runtime_mock.rpc.access import Access
from runtime_mock.rpc.connected import CONNECTED
from runtime_mock.rpc.methods import METHODS, Node
from runtime_mock.rpc.server import Server
from runtime_mock.rpc.subscriptions import SUBSCRIBE, UNSUBSCRIBE, Subscriptions
from tests.support.differential.driver import UNIT, Account, Pair

INTERNAL = -32603
SLOW = {"mock_jump", "mock_seal", "mock_reorganise", "mock_hangSockets"}
BOUNDED = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


class Fuzzed:
    """Both backends with the same genesis, each behind a server."""

    def __init__(self) -> None:
        self.pair = Pair(accounts=3)
        spec = ChainSpec.load(artifacts() / "chain-spec.json")
        self.nodes = [Node(Engine(chain, MANUAL), spec) for chain in (self.pair.model, self.pair.wasm)]
        self.servers = [Server(node, Access(control=True)) for node in self.nodes]

    async def answers(self, body: bytes) -> list[Any]:
        found = []
        for node, server in zip(self.nodes, self.servers, strict=True):
            told: list[bytes] = []
            subscriptions = Subscriptions(node, told.append, server._watched)
            followed, _ = subscriptions.subscribe("chainHead_v1_follow", [True])
            answer, after = await server._handle(
                body.replace(b"FOLLOWED", followed.encode()), subscriptions, server._room.lease()
            )
            for one in after:
                one()
            await asyncio.sleep(0)
            subscriptions.close()
            found.append(None if answer is None else json.loads(answer))
            for notification in told:
                json.loads(notification)
        return found

    async def call(self, name: str, *parameters: Any) -> list[Any]:
        return await self.answers(request(name, *parameters))

    def seal(self) -> None:
        """A block on both, which must be the same one."""
        ours, theirs = (node.engine.seal() for node in self.nodes)
        assert ours.hash == theirs.hash


def request(name: str, *parameters: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": name, "params": list(parameters)}).encode()


@cache
def fuzzed() -> Fuzzed:
    return Fuzzed()


def codes(answers: list[Any]) -> Iterator[int | None]:
    for answer in answers:
        for one in answer if isinstance(answer, list) else [answer]:
            if one is not None:
                assert ("result" in one) != ("error" in one)
                yield one.get("error", {}).get("code")


KEY = "0x26aa394eea5630e07c48ae0c9558cef702a5c1b19ab7a04f536c519aca4983ac"
parameters = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 2**70),
    st.sampled_from(["0x", "0x00", KEY, KEY[:34], "Core_version", "Metadata_metadata", "best", "\ud800", "\0"]),
    st.binary(max_size=70).map(lambda data: "0x" + data.hex()),
    st.text(max_size=20),
    st.lists(st.sampled_from([KEY, "0x", "zz", 3, None]), max_size=4),
    st.dictionaries(
        st.sampled_from(["key", "type", "code", "message"]), st.text(max_size=5) | st.integers(), max_size=3
    ),
    st.just("genesis"),
    st.just("FOLLOWED"),
    st.lists(
        st.fixed_dictionaries(
            {"key": st.sampled_from([KEY, "0x", "zz"]), "type": st.sampled_from(["value", "descendantsHashes", "bad"])}
        ),
        max_size=3,
    ),
)


@pytest.mark.case("network/xt_fuzz")
@BOUNDED
@given(
    st.sampled_from(sorted({*METHODS, *CONNECTED, *SUBSCRIBE, *UNSUBSCRIBE} - SLOW)),
    st.lists(parameters, max_size=5),
    st.lists(st.tuples(st.integers(0, 300), st.binary(min_size=1, max_size=3)), max_size=3),
    st.booleans(),
)
async def test_mutated_requests(name: str, given_: list[Any], cuts: list[tuple[int, bytes]], batch: bool) -> None:
    world = fuzzed()
    genesis = "0x" + world.pair.genesis.hex()
    body = request(name, *[genesis if one == "genesis" else one for one in given_])
    for place, bytes_ in cuts:
        body = body[: place % len(body)] + bytes_ + body[place % len(body) + 1 :]
    if batch:
        body = b"[" + body + b"," + request("system_chainType") + b"]"
    ours, theirs = await world.answers(body)
    assert INTERNAL not in list(codes([ours, theirs])), (body, ours, theirs)
    assert (await world.call("system_chainType"))[1]["result"] == "Development"


def mutated(data: bytes, chance: random.Random) -> bytes:
    """The bytes with one kind of damage."""
    found = bytearray(data)
    kind = chance.randrange(5)
    if kind == 0:
        for _ in range(chance.randrange(1, 4)):
            found[chance.randrange(len(found))] ^= 1 << chance.randrange(8)
    elif kind == 1:
        del found[chance.randrange(1, len(found)) :]
    elif kind == 2:
        found += chance.randbytes(chance.randrange(1, 2000))
    elif kind == 3:
        place = chance.randrange(len(found))
        huge = (b"\xff" * 8, b"\x03" + b"\xff" * 4, b"\x13" + b"\xff" * 8, b"", bytes(20))
        found[place : place + chance.randrange(8)] = chance.choice(huge)
    else:
        found = bytearray(chance.randbytes(chance.randrange(1, 400)))
    return bytes(found)


SOUND = 5


def calls(pair: Pair) -> list[bytes]:
    """Some sound calls, and the index of every other with rubbish behind it."""
    other = pair.accounts[2].id
    return [
        pair.call("Balances", "transfer_keep_alive", {"dest": ("Id", other), "value": 5}),
        pair.call("System", "remark_with_event", {"remark": b"\1\2"}),
        pair.call(
            "DatDot",
            "offer_hosting",
            {"capacity": 1 << 30, "ask_disk": UNIT, "ask_receiving": UNIT // 200, "region": b"u33"},
        ),
        pair.call("DatDot", "offer_encoding", {"ask": UNIT}),
        pair.call("DatDot", "collect", {"copy": 7}),
        *(bytes([index]) + bytes([number]) + bytes(40) for index in range(12) for number in range(0, 30, 7)),
    ]


async def told(world: Fuzzed, extrinsic: bytes) -> None:
    """Hand an extrinsic to all that take one, on both backends: the same code of both, and no internal error."""
    data = "0x" + extrinsic.hex()
    for name in ("payment_queryInfo", "payment_queryFeeDetails", "system_dryRun", "author_submitExtrinsic"):
        ours, theirs = codes(await world.call(name, data))
        assert ours == theirs != INTERNAL, (name, data)


@pytest.mark.case("network/xt_fuzz")
async def test_mutated_extrinsics() -> None:
    world, chance = Fuzzed(), random.Random(5)
    pair = world.pair
    sound = [pair.sign(pair.accounts[0], call)[2:] for call in calls(pair)]
    for number in range(120):
        body = mutated(chance.choice(sound), chance)
        await told(world, body if chance.random() < 0.1 else prefixed(body))
        if number % 20 == 19:
            world.seal()
    assert world.nodes[0].chain.best.number == 6


@pytest.mark.case("network/xt_fuzz")
async def test_rightly_signed_mutated_calls_and_nonces_of_the_future() -> None:
    world, chance = Fuzzed(), random.Random(6)
    pair = world.pair
    nonces = dict.fromkeys(pair.accounts, 0)
    for number in range(120):
        account = chance.choice(pair.accounts)
        call = chance.choice(calls(pair)[: chance.choice((SOUND, None))])
        if chance.random() < 0.6:
            call = mutated(call, chance)
        future = chance.choice((0, 0, 0, 1, 2, 1_000, 2**32 - 1 - nonces[account]))
        extrinsic = pair.sign(account, call, nonce=nonces[account] + future, tip=chance.choice((0, 1, UNIT)))
        await told(world, extrinsic)
        if number % 10 == 9:
            world.seal()
            nonces = {one: nonce_of(world, one) for one in pair.accounts}
    assert sum(nonces.values()) > 10
    assert world.nodes[0].chain.best.number == 12


def nonce_of(world: Fuzzed, account: Account) -> int:
    chain = world.nodes[1].chain
    answer = chain.call(chain.best, "AccountNonceApi_account_nonce", account.id)
    return int.from_bytes(answer, "little")
