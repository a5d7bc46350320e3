"""What the watch for alerts gathers of a node that runs: its reach, and the ways by which it finds its peers."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.hypercore import Corestore
from service.operating.alerts.sending import AlertSender
from service.operating.alerts.table import AlertTable
from service.operating.alerts.watch import AlertWatch, Watched
from service.operating.facts import NodeFacts
from service.operating.objects import ReachKind, ReachState, SettingRow
from service.operating.reaching import by_address
from service.operating.words import Level
from service.roles.common.troubles import Troubles
from tests.support.followed_node import followed_node, kept_up

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
