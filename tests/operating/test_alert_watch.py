"""What the watch for alerts gathers of a node that runs: its reach, and the ways by which it finds its peers."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from service.chain_client.pallet import calls
from service.hypercore import Corestore
from service.operating.alerts.sending import AlertSender
from service.operating.alerts.table import AlertTable
from service.operating.alerts.targets import open_targets
from service.operating.alerts.watch import AlertWatch, Watched
from service.operating.facts import NodeFacts
from service.operating.objects import ReachKind, ReachState, SettingRow
from service.operating.reaching import by_address
from service.operating.words import Level
from service.roles.common.registration import bind
from service.roles.common.troubles import Troubles
from service.vault import PeerKeys
from service.web.metrics import metrics
from tests.support.chain_world import BOB, bounded
from tests.support.followed_node import FollowedNode, followed_node, kept_up
from tests.support.webhook import webhook

CLOSED = ReachState(ReachKind.CLOSED, Level.WARNING, "not open", "forward UDP port 5", None)
ROWS = (
    SettingRow("bootstrap", "--bootstrap", "DATDOT_BOOTSTRAP", "192.0.2.9:1, 192.0.2.8:1", "none", "nodes", False),
    SettingRow("peers", "--peer", "DATDOT_PEER", "", "none", "peers", False),
)


@pytest.mark.parametrize(
    ("chain", "reach", "known"),
    [
        ("Development", by_address("127.0.0.1:5"), False),  # all its peers may be on this machine
        ("Live", by_address("127.0.0.1:5"), True),
        ("Development", CLOSED, True),
    ],
)
async def test_a_node_that_listens_on_its_machine_alone_is_out_of_reach_unless_the_chain_is_one_of_development(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chain: str, reach: ReachState, known: bool
) -> None:
    store = Corestore()
    async with followed_node(tmp_path, store, lambda: ROWS) as node:
        node.sources.reach = lambda: reach
        facts = NodeFacts(node.sources)

        async def chain_type() -> str:
            return chain

        monkeypatch.setattr(node.peer.client, "chain_type", chain_type)
        async with kept_up(facts):
            watched = Watched(
                node.peer.client, node.peer.follower, facts, Troubles(), ("hoster",), lambda: None, serves=True
            )
            watch = AlertWatch(watched, AlertTable(node.database), AlertSender((), facts.address, lambda _: None))
            found = await watch._gather(await node.peer.follower.wait_for(0))
    assert found.reach == (reach if known else None)
    assert found.ways == ("--bootstrap 192.0.2.9:1", "--bootstrap 192.0.2.8:1")
    store.close()


async def named(node: FollowedNode, operator: bytes | None) -> None:
    """Let the account's own key name its operator, and some blocks pass."""
    await node.peer.until(node.peer.signer.submit(calls.set_operator(operator)), node.world)
    for _ in range(4):
        node.world.seal()
        await node.peer.caught_up(node.world)


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")  # apprise on Python 3.11 and 3.12
async def test_a_key_that_is_revoked_is_told_at_the_webhook_until_it_is_named_again(tmp_path: Path) -> None:
    """Bob's key is the operator of Alice's account, whose node this is."""
    keys, told = PeerKeys.development("//Alice"), asyncio.Event()
    async with followed_node(tmp_path) as node:
        node.sources.payer = BOB.public_key
        client, signer, facts = node.peer.client, node.peer.signer, NodeFacts(node.sources)
        await node.peer.until(bind(client, signer, keys), node.world)
        await named(node, BOB.public_key)
        with webhook() as hook:
            sender = AlertSender(open_targets([hook.url]), facts.address, lambda _: told.set())
            sending = asyncio.create_task(sender.run())
            watched = Watched(client, node.peer.follower, facts, Troubles(), facts.roles, lambda: None, serves=False)
            watch = AlertWatch(watched, AlertTable(node.database), sender)
            for operator, title in ((BOB, None), (None, "critical: operator"), (BOB, "over: operator")):
                await named(node, None if operator is None else operator.public_key)
                told.clear()
                for _ in range(12):
                    await watch.look()
                    node.world.seal()
                    await node.peer.caught_up(node.world)
                assert f"\ndatdot_operator {int(operator is not None)}\n" in metrics(await facts.figures())
                hosting = next(one for one in (await facts.readiness()).roles if one.role == "hoster")
                assert ("is not the account's operator" in hosting.why) == (operator is None)
                if title is not None:
                    await bounded(told.wait())
                    came = hook.next(1)
                    assert came["title"] == f"datdot: {title}"
                    command = f"datdot operator set {BOB.ss58_address} --key VAULT --chain ws://"
                    assert (command in came["message"]) == (operator is None)
            assert hook.came.empty()
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
