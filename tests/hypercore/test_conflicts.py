"""Owners who sign two histories: what proves it, that it is kept, and what comes of peers who have the other one."""

from __future__ import annotations

import asyncio
import re
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from runtime_mock.model.datdot import fraud, records
from service.hypercore import (
    CodecError,
    Conflict,
    Core,
    Corestore,
    Proof,
    ProofError,
    Request,
    StorageError,
    UpgradeProof,
    UpgradeRequest,
)
from service.hypercore.net import ReplicationError, Replicator
from service.hypercore.store.conflicts import PROOF
from service.hypercore.wire import messages as m
from service.hypercore.wire.peer import DOUBT_SECONDS, MAX_HEADS_SHOWN
from tests.support.histories import NAME, OURS, THEIRS, blocks, history, owners, same_owner
from tests.support.replicated import content, sides
from tests.support.wire_peers import SECONDS, Impostor, Side, closed, hear, side, speak, until

FIXTURE = Path(__file__).parents[1] / "fixtures" / "conflict-1.hex"


def shown(core: Core, length: int) -> Proof:
    """What a peer shows who is asked for its whole head."""
    return core.prove(Request(upgrade=UpgradeRequest(0, length)))


def chain_takes(conflict: Conflict) -> bool:
    """Whether the chain's own rule says that the heads contradict each other, and the signatures hold."""
    first, second = (
        records.SignedHead(
            head.key,
            head.manifest or b"",
            head.fork,
            head.length,
            [records.Root(root.hash, root.size) for root in head.roots],
            head.raw_signature,
        )
        for head in conflict.heads()
    )
    nodes = [records.OpenedNode(one.index, one.size, one.left, one.right) for one in conflict.nodes]
    fraud.heads.check(first)
    fraud.heads.check(second)
    return first.length <= second.length and fraud._contradicts(first, second, conflict.root, nodes)


@pytest.mark.parametrize(("compat", "most", "contradict"), [(False, 7, 140), (True, 4, 30)])
def test_the_chain_takes_what_is_found_whatever_the_lengths(compat: bool, most: int, contradict: int) -> None:
    found = 0
    for ours in range(1, most + 1):
        for theirs in range(1, most + 1):
            for prefix in range(min(ours, theirs) + 1):
                one, two = owners()
                mine = history(one, blocks(prefix, ours, OURS), compat=compat)
                other = history(two, blocks(prefix, theirs, THEIRS), compat=compat)
                conflict = mine.contradicted_by(shown(other, min(ours, theirs)))
                if prefix == min(ours, theirs):
                    assert conflict is None, "the longer one extends the shorter"
                    continue
                assert conflict is not None, (ours, theirs, prefix)
                assert chain_takes(conflict), (ours, theirs, prefix)
                assert Conflict.decode(conflict.encode()) == conflict
                found += 1
    assert found == contradict


def test_a_sparse_replica_says_nothing_that_it_cannot_show() -> None:
    one, two = owners()
    mine, other = history(one, blocks(2, 8, OURS)), history(two, blocks(2, 5, THEIRS))
    with Corestore_() as store:
        replica = store.get(mine.key)
        replica.apply(mine.prove(Request(upgrade=UpgradeRequest(0, 8), manifest=True)))
        assert replica.contradicted_by(shown(other, 5)) is None, "it has the root of all 8 blocks alone"
        replica.apply(mine.prove(Request(block=m.BlockRequest(3, replica.missing_nodes(6)))))
        conflict = replica.contradicted_by(shown(other, 5))
        assert conflict is not None
        assert chain_takes(conflict)
    assert one.named(NAME).contradicted_by(Proof(0)) is None


class Corestore_(Corestore):
    """A store that is closed at the end."""

    def __enter__(self) -> Corestore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def test_a_forged_head_and_another_fork_are_no_conflict() -> None:
    one, two = owners()
    mine, other = history(one, blocks(3, 6, OURS)), history(two, blocks(3, 6, THEIRS))
    true = shown(other, 6)
    assert true.upgrade is not None
    for upgrade in (
        replace(true.upgrade, signature=mine.head().signature),
        replace(true.upgrade, signature=b"\1\0" + bytes(64) + b"\0\0"),
        replace(true.upgrade, nodes=shown(other, 6).upgrade.nodes[:-1]),  # type: ignore[union-attr]
    ):
        with pytest.raises(ProofError):
            mine.contradicted_by(Proof(0, upgrade=upgrade))
    other.truncate(2)
    other.append([b"new"] * 4)
    assert other.fork == 1
    assert mine.contradicted_by(shown(other, 6)) is None, "who truncates says so"


def test_one_proof_of_a_feed_is_kept_on_disk_and_goes_with_it(tmp_path: Path) -> None:
    one, two = owners(tmp_path)
    mine, other = history(one, blocks(3, 6, OURS)), history(two, blocks(3, 6, THEIRS))
    conflict = mine.contradicted_by(shown(other, 6))
    assert conflict is not None
    assert mine.conflict is None
    assert mine.keep_conflict(conflict)
    assert not mine.keep_conflict(replace(conflict, root=1)), "the first one stays"
    one.close()
    again = Corestore(tmp_path / "one")
    assert again.named(NAME).conflict == conflict
    assert again.untold_conflicts() == [conflict]
    again.settle_conflict(conflict.key, "it is told")
    again.close()
    again = Corestore(tmp_path / "one")
    assert again.untold_conflicts() == []
    assert again.conflict_outcome(conflict.key) == "it is told"
    later = replace(conflict, fork=1)
    assert again.named(NAME).keep_conflict(later), "of a later fork"
    assert again.untold_conflicts() == [later]
    assert again.conflict_outcome(conflict.key) is None
    again.remove(again.named(NAME))
    assert again.untold_conflicts() == []
    again._storage.put_setting(PROOF + conflict.key.hex(), b"\7")
    with pytest.raises(
        StorageError, match=f"the conflict of feed {conflict.key.hex()} is damaged: a conflict of version 7"
    ):
        again.untold_conflicts()
    again.close()
    two.close()


def fixed() -> Conflict:
    """The conflict whose bytes are in the fixture."""
    one, two = owners()
    conflict = history(one, blocks(2, 3, OURS)).contradicted_by(shown(history(two, blocks(1, 7, THEIRS)), 3))
    assert conflict is not None
    return conflict


def test_the_bytes_of_version_1() -> None:
    frozen = bytes.fromhex(FIXTURE.read_text())
    assert Conflict.decode(frozen) == fixed()
    assert fixed().encode() == frozen
    for end in range(len(frozen)):
        with pytest.raises(CodecError):
            Conflict.decode(frozen[:end])
    with pytest.raises(CodecError):
        Conflict.decode(frozen + b"\0")


# ---- over connections


async def met(reader: Side, honest: Side, other: Side, ours: int, theirs: int) -> tuple[Core, Core, Core]:
    """Return one history, the other, and a replica that has the first one's head and no blocks."""
    same_owner(honest.store, other.store)
    core, forked = history(honest.store, blocks(2, ours, OURS)), history(other.store, blocks(2, theirs, THEIRS))
    replica = reader.store.get(core.key)
    with Replicator(replica) as replicator:
        replicator.attach(await reader.connect(honest))
        await replicator.update()
        if ours > theirs:
            await replicator.download(3, 5)  # the tree over the shorter one's end
    return core, forked, replica


@pytest.mark.parametrize(("ours", "theirs"), [(8, 8), (6, 8), (8, 5)], ids=["as long", "longer", "shorter"])
async def test_who_has_the_other_history_is_found_out_and_the_rest_goes_on(ours: int, theirs: int) -> None:
    async with AsyncExitStack() as stack:
        honest, other, reader = await sides(stack, 3)
        core, forked, replica = await met(reader, honest, other, ours, theirs)
        connection = await reader.connect(other)
        with capture_logs() as lines, Replicator(replica) as replicator:
            peer = replicator.attach(connection)
            wanted = replicator.update(theirs) if theirs > ours else replicator.download()
            with pytest.raises(ReplicationError, match="the feed's owner signed two histories of fork 0"):
                await wanted
            assert peer.closed
            assert not connection.is_closed, "it may have other feeds"
            conflict = replica.conflict
            assert conflict is not None
            assert chain_takes(conflict)
            assert {conflict.first.length, conflict.second.length} == {ours, theirs}
            with pytest.raises(ReplicationError, match="has another history of it"):
                replicator.attach(connection)
            with pytest.raises(ReplicationError, match="has another history of it"):
                replicator.attach(await reader.connect(other))
            replicator.attach(await reader.connect(honest))
            await replicator.download()
        assert content(replica) == content(core)
        await until(lambda: forked.conflict is not None)  # it is shown ours, so that it knows, too
        said = [line for line in lines if line["log_level"] == "error"]
        assert [line["core"] for line in said] == [core.key.hex()] * 2
        assert said[0]["event"] == str(conflict)
        theirs_found = forked.conflict
        assert theirs_found is not None
        assert chain_takes(theirs_found)


async def test_a_truncation_is_followed_and_no_conflict() -> None:
    async with AsyncExitStack() as stack:
        honest, other, reader = await sides(stack, 3)
        _, forked, replica = await met(reader, honest, other, 8, 8)
        forked.truncate(3)
        forked.append([b"new"] * 2)
        with Replicator(replica) as replicator:
            replicator.attach(await reader.connect(other))
            await replicator.update()
            await replicator.download()
        assert content(replica) == content(forked)
        assert replica.conflict is None


async def test_a_forger_is_no_conflict_and_loses_its_connection() -> None:
    async with AsyncExitStack() as stack:
        honest, forger, reader = await sides(stack, 3)
        core, forked, replica = await met(reader, honest, forger, 8, 8)
        upgrades: list[Request] = []

        def answer(number: int, fork: int, request: Request) -> tuple[int, bytes]:
            proof = forked.prove(request)
            if request.upgrade is not None:
                upgrades.append(request)
                assert proof.upgrade is not None
                proof = Proof(0, upgrade=replace(proof.upgrade, signature=core.head().signature))
            return m.DATA, m.encode_data(number, proof)

        Impostor(forger, forked, answer)
        connection = await reader.connect(forger)
        with Replicator(replica) as replicator:
            replicator.attach(connection)
            with pytest.raises(ReplicationError, match=r"block \d+: the path does not lead to tree node"):
                await replicator.download()
        assert "the path does not lead to tree node" in await closed(connection)
        assert [one.upgrade for one in upgrades] == [UpgradeRequest(0, 8)], "it was asked once"
        assert replica.conflict is None
        assert not replica.shuns(connection.remote_key), "what was not signed says nothing about the feed"


async def test_who_does_not_say_what_head_it_has_is_not_waited_for() -> None:
    async with AsyncExitStack() as stack:
        honest, mute, reader = await sides(stack, 3)
        _, forked, replica = await met(reader, honest, mute, 8, 8)

        def answer(number: int, fork: int, request: Request) -> tuple[int, bytes] | None:
            return None if request.upgrade else (m.DATA, m.encode_data(number, forked.prove(request)))

        Impostor(mute, forked, answer)
        connection = await reader.connect(mute)
        loop = asyncio.get_running_loop()
        with Replicator(replica) as replicator:
            replicator.attach(connection)
            begun = loop.time()
            with pytest.raises(ReplicationError, match=f"no answer to 1 requests within {DOUBT_SECONDS:.0f} s"):
                await replicator.download()
        assert DOUBT_SECONDS <= loop.time() - begun < DOUBT_SECONDS + 1
        assert replica.conflict is None


async def test_a_head_that_is_shown_unasked_is_looked_at_a_few_times(monkeypatch: pytest.MonkeyPatch) -> None:
    async with side() as one, side() as two:
        same_owner(one.store, two.store)
        core, forked = history(one.store, blocks(2, 8, OURS)), history(two.store, blocks(2, 8, THEIRS))
        looked: list[Proof] = []
        look = Core.contradicted_by

        def counted(self: Core, answer: Proof) -> Conflict | None:
            looked.append(answer)
            return look(self, answer)

        monkeypatch.setattr(Core, "contradicted_by", counted)
        true = shown(forked, 8)
        assert true.upgrade is not None
        false = Proof(0, upgrade=UpgradeProof(0, 8, true.upgrade.nodes, (), bytes(68)))
        connection = await two.connect(one)
        channel = await speak(connection, core)
        for _ in range(3 * MAX_HEADS_SHOWN):
            await channel.send(m.DATA, m.encode_data(0, false))
        await channel.send(m.REQUEST, m.encode_request(1, 0, Request(block=m.BlockRequest(3, 0))))
        assert m.decode_data(await hear(channel, m.DATA))[0] == 1, "it is served all the same"
        assert len(looked) == MAX_HEADS_SHOWN
        assert core.conflict is None
        channel = await speak(await two.connect(one), core)
        await channel.send(m.DATA, m.encode_data(0, true))
        number, answer = m.decode_data(await hear(channel, m.DATA))
        assert number == 0
        assert forked.contradicted_by(answer) is not None, "it shows its own"
        assert core.conflict is not None
        assert re.search("two histories", str(core.conflict))


async def test_a_disk_that_is_full_does_not_let_the_other_history_in(monkeypatch: pytest.MonkeyPatch) -> None:
    async with AsyncExitStack() as stack:
        honest, other, reader = await sides(stack, 3)
        _, _, replica = await met(reader, honest, other, 8, 8)

        def full(conflict: Conflict) -> bool:
            raise StorageError("the disk is full")

        monkeypatch.setattr(replica, "keep_conflict", full)
        with Replicator(replica) as replicator:
            replicator.attach(await reader.connect(other))
            with pytest.raises(ReplicationError, match="two histories"):
                async with asyncio.timeout(SECONDS):
                    await replicator.download()
        assert replica.ranges() == []
        assert replica.conflict is None
