"""A node whose key is revoked: it sends nothing that must fail, says so once, and goes on at once when its key is named again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from service.chain_client import DispatchError, frame
from service.chain_client.mandate import Mandate
from service.chain_client.pallet import calls
from service.hypercore import KeyPair
from service.hypercore.net import TcpTransport
from service.node.doctor import operates
from service.node.findings import Grade
from service.node.rekeying import SwarmKeys
from service.operating.past import read_past
from service.roles.common.registration import bind
from service.roles.common.runner import Runner, submitted
from service.vault import PeerKeys
from tests.support.chain_world import (
    ALICE,
    BOB,
    Peer,
    World,
    bounded,
    eventually,
    following_peer,
    load_runtime,
    load_spec,
)

OWN = PeerKeys.development("//Alice")
REVOKED, AGAIN = "not the account's operator any more", "is the account's operator again"


@dataclass
class Revocable:
    """The chain, Alice's own key, Bob's that makes her node's calls, and a role that wants to make one in each block."""

    world: World
    owner: Peer
    node: Peer
    runner: Runner
    follows: bool = False
    """Whether the node has looked, when a block has been followed, who its account's operator is."""
    tries: int = 0

    async def name(self, operator: bytes | None) -> None:
        """Let Alice's own key name her operator."""
        await self.owner.until(self.owner.signer.submit(calls.set_operator(operator)), self.world)
        await self.node.caught_up(self.world)
        if self.follows:
            await eventually(lambda: self.node.signer.mandate.given == (operator == BOB.public_key))

    async def blocks(self, count: int) -> None:
        """Let blocks pass, with a decision after each."""
        for _ in range(count):
            self.world.seal()
            await self.owner.caught_up(self.world)
            await self.node.caught_up(self.world)
            self.runner.apply(self.world.best.number, [("offer", self._offer)])
            await self.rounds()

    async def rounds(self) -> None:
        """Let everybody take in what the chain's node has for them: some requests, one after the other."""
        for _ in range(10):
            await self.node.client.best()

    async def _offer(self) -> int | None:
        self.tries += 1

        async def held() -> bool:
            found = await self.node.client.storage.encoder(ALICE.public_key)
            return found is not None and found.open

        return await submitted(self.node.signer, calls.offer_encoding(10**9), held)

    async def offers_within(self, count: int) -> bool:
        """Whether the call is made, and counts, before so many blocks have passed."""
        for _ in range(count):
            await self.blocks(1)
            if await self.owner.client.storage.encoder(ALICE.public_key) is not None:
                return True
        return False

    def sent(self) -> int:
        """How often anything was handed to the pool."""
        return self.world.server.asked.count("author_submitExtrinsic")


@asynccontextmanager
async def revocable(folder: Path, follow: bool = True) -> AsyncIterator[Revocable]:
    """Run it; with `follow` the node sees on the chain who its account's operator is."""
    world = World(load_runtime(), load_spec())
    await world.start()
    node_keys = OWN.of_operator()
    transport = TcpTransport(KeyPair(node_keys.swarm_seed))
    try:
        async with (
            following_peer(world.url, folder / "own") as owner,
            following_peer(world.url, folder / "node", BOB, operates=ALICE.public_key) as node,
        ):
            found = Revocable(world, owner, node, Runner("encoder"))
            await owner.until(bind(owner.client, owner.signer, OWN), world)
            await found.name(BOB.public_key)
            node.signer.mandate.look(world.best.number, BOB.public_key)  # as `register` does
            keys = SwarmKeys(node.client, node.signer, node_keys, transport)
            found.follows = follow
            tasks = [asyncio.create_task(keys.run(node.follower))] if follow else []
            yield found
            await found.runner.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    finally:
        await transport.close()
        await world.stop()


async def test_while_revoked_nothing_is_sent_and_one_line_says_it_and_then_it_goes_on_at_once(tmp_path: Path) -> None:
    async with revocable(tmp_path) as net:
        with capture_logs() as logs:
            await net.name(None)
            before = net.sent()
            await net.blocks(40)
            assert net.sent() == before, "what must fail is not sent"
            assert net.tries <= 2
            (line,) = [one for one in logs if one["log_level"] in ("warning", "error")]
            assert REVOKED in line["event"]
            assert f"datdot operator set {BOB.ss58_address} --key VAULT" in line["remedy"]
            await net.name(BOB.public_key)
            assert await net.offers_within(8), "the role went on at once"
        assert [one["event"] for one in logs if AGAIN in one["event"]] == [f"this node's key {AGAIN}"]
        assert not [one for one in logs if one["event"] == "failed"]


async def test_a_refusal_that_comes_before_the_revocation_is_seen_is_understood_too(tmp_path: Path) -> None:
    """The pool knows of it as soon as it is in a block; the node follows final ones."""
    async with revocable(tmp_path, follow=False) as net:
        await net.name(None)
        with capture_logs() as logs:
            await net.blocks(3)
            refused = net.sent()
            await net.blocks(20)
        assert net.sent() == refused
        assert (net.tries, net.node.signer.mandate.given) == (1, False)
        assert [one for one in logs if one["log_level"] in ("warning", "error")] == []
        await net.name(BOB.public_key)
        number = net.world.best.number
        net.node.signer.mandate.look(0, BOB.public_key)
        assert not net.node.signer.mandate.given, "an older block does not say that it is back"
        net.node.signer.mandate.look(number, BOB.public_key)
        assert await net.offers_within(8)


async def test_a_refusal_has_another_reason_while_the_key_is_the_operators(tmp_path: Path) -> None:
    async with revocable(tmp_path) as net:
        with pytest.raises(DispatchError):  # no hoster
            await net.node.until(net.node.signer.submit(calls.pause()), net.world)
        assert net.node.signer.mandate.given


async def test_what_the_operator_paid_is_in_the_accounts_history(tmp_path: Path) -> None:
    async with revocable(tmp_path) as net:
        client = net.owner.client
        before = await client.balance(BOB.public_key)
        await net.node.until(net.node.signer.submit(calls.offer_encoding(10**9)), net.world)
        paid = before - await client.balance(BOB.public_key)
        entries = (await read_past(client, ALICE.public_key, 1000)).entries
        (fee,) = [one for one in entries if one.by_operator]
        assert (fee.by_operator, fee.change) == (paid, 0)
        assert (fee.fields["event"], fee.fields["operator"]) == ("EncodingOffered", BOB.ss58_address)


async def test_the_doctor_says_of_an_operator_what_its_roles_need(tmp_path: Path) -> None:
    async with revocable(tmp_path, follow=False) as net:
        client, alice, bob = net.owner.client, ALICE.public_key, BOB.public_key
        nobody, little = bytes(32), frame.transfer(bytes(32), 10**10)
        for roles in (("hoster",), ("encoder", "attester"), ("author",)):
            assert (await operates(client, alice, bob, roles)).level is Grade.GOOD
        await net.name(nobody)
        await net.owner.until(net.owner.signer.submit(little), net.world)
        for roles, word in ((("hoster", "encoder"), "a proof's fee"), (("encoder",), "can pay 100 calls")):
            assert "nothing that it signs counts" in (await operates(client, alice, bob, roles)).text
            poor = await operates(client, alice, nobody, roles)
            assert (poor.level, word in poor.remedy) == (Grade.BAD, True), poor
            assert ("proof" in poor.remedy, "hoster" in poor.remedy) == (("hoster" in roles),) * 2
        assert (await operates(client, alice, bob, ("author",))).level is Grade.GOOD, "what an author sends, anyone may"


async def test_a_mandate_is_taken_to_be_there_until_the_chain_says_otherwise(tmp_path: Path) -> None:
    async with revocable(tmp_path) as net:
        mandate = Mandate(net.owner.client, ALICE.public_key, BOB.public_key)
        assert mandate.given
        mandate.look(5, None)
        assert not mandate.given
        mandate.look(6, ALICE.public_key)
        assert not mandate.given
        mandate.look(7, BOB.public_key)
        assert mandate.given
        await bounded(net.rounds())
