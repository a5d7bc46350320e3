"""One owner, two histories: npm hypercore has one and we the other. Each finds out, and everything else goes on."""

from __future__ import annotations

import pytest

from service.hypercore import Core
from service.hypercore.net import Connection, ReplicationError, Replicator
from tests.support.histories import NAME, OURS, THEIRS, blocks
from tests.support.npm_peer import Here, NodePeer, PeerError
from tests.support.wire_peers import until

pytestmark = pytest.mark.node

KINDS = pytest.mark.parametrize("compat", [False, True], ids=["manifest", "compat"])
LENGTHS = pytest.mark.parametrize(("ours", "theirs"), [(8, 8), (5, 8), (8, 5)], ids=["as long", "longer", "shorter"])


async def met(here: Here, node: NodePeer, ours: int, theirs: int, compat: bool) -> tuple[Core, Core, Connection]:
    """Return a replica of ours with our history, the core itself, and a connection to npm, which has the other one."""
    async with Here.alone() as owner:
        core = owner.store.create(NAME, compat=compat)
        core.append(blocks(2, ours, OURS))
        made = await node("core", name="a", seed=owner.store._seed(NAME).hex(), compat=compat)
        assert made["key"] == core.key.hex(), "one owner"
        await node("append", core="a", blocks=[block.hex() for block in blocks(2, theirs, THEIRS)])
        replica = here.store.get(core.key)
        with Replicator(replica) as replicator:
            replicator.attach(await here.dial_here(owner))
            await replicator.update()
            if ours > theirs:
                await replicator.download(2, 5)
    return replica, core, await here.dial(node)


@KINDS
@LENGTHS
async def test_we_find_npm_out_and_go_on(here: Here, node: NodePeer, ours: int, theirs: int, compat: bool) -> None:
    replica, _, connection = await met(here, node, ours, theirs, compat)
    with Replicator(replica) as replicator:
        replicator.attach(connection)
        wanted = replicator.update(theirs) if theirs > ours else replicator.download()
        with pytest.raises(ReplicationError, match="the feed's owner signed two histories of fork 0"):
            await wanted
    conflict = replica.conflict
    assert conflict is not None
    assert (conflict.first.length, conflict.second.length) == (min(ours, theirs), max(ours, theirs))
    assert len(conflict.heads()) == 2
    assert not connection.is_closed
    if theirs <= ours:
        # npm looks at a proof of as many blocks as it has, or fewer: we showed it ours
        assert (await node.event("conflict"))["fork"] == 0
    other = await node("core", name="b")
    await node("append", core="b", blocks=[b"other".hex()])
    with Replicator(here.store.get(bytes.fromhex(other["key"]))) as replicator:
        replicator.attach(connection)
        await replicator.update()
        assert await replicator.get(0) == b"other"


async def test_npm_shows_us_what_it_found(here: Here, node11: NodePeer) -> None:
    """We only serve: it is npm that asks, and that shows its head when ours does not fit."""
    node = node11
    core = here.store.create(NAME)
    core.append(blocks(2, 8, OURS))
    made = await node("core", name="a", seed=here.store._seed(NAME).hex(), compat=False)
    assert made["key"] == core.key.hex()
    await node("append", core="a", blocks=[block.hex() for block in blocks(2, 8, THEIRS)])
    await node("clear", core="a", start=6, end=7)
    await here.dial(node)
    asked = node.begin("get", core="a", index=6, options={"timeout": 2000})
    await until(lambda: core.conflict is not None)
    with pytest.raises(PeerError):  # npm freezes the core
        await asked
    conflict = core.conflict
    assert conflict is not None
    assert conflict.first.length == conflict.second.length == 8
