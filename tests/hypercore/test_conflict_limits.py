"""What an owner who signs a thousand histories costs others, and peers who show them again and again."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from service.hypercore import Conflict, Core, Corestore, Proof, UpgradeProof
from service.hypercore import conflict as conflicts
from service.hypercore import core as cores
from service.hypercore.codec import MAX_UINT
from service.hypercore.conflict import HistoryHead, PathNode
from service.hypercore.crypto import Node
from service.hypercore.manifest import MAX_LINKED, MAX_SIGNERS, MAX_USER_DATA, Manifest, ManifestSigner
from service.hypercore.net import replication
from service.hypercore.store.conflicts import COUNT, MAX_PROOFS, OUTCOME, PROOF
from service.hypercore.store.storage import CoreStorage
from service.hypercore.tree import flat
from service.hypercore.tree.proof import BlockRequest, Request, UpgradeRequest
from service.hypercore.wire import messages as m
from service.hypercore.wire.peer import MAX_HEADS_SHOWN
from tests.support.histories import OURS, THEIRS, blocks, history, owners, same_owner
from tests.support.replicated import sides
from tests.support.wire_peers import hear, side, speak, until

FORKS = 1000
MAX_CONFLICT = 101 * 1024
"""Bytes of a proof, as docs/protocol/hypercore.md section 2 says."""


def shown(core: Core) -> Proof:
    """What a peer shows who tells its whole head."""
    return core.prove(Request(upgrade=UpgradeRequest(0, core.length)))


def found() -> tuple[Core, Conflict]:
    """A core, and the conflict of its fork 0."""
    one, two = owners()
    mine = history(one, blocks(2, 6, OURS))
    conflict = mine.contradicted_by(shown(history(two, blocks(2, 6, THEIRS))))
    assert conflict is not None
    return mine, conflict


def rows(core: Core) -> dict[str, int]:
    """The bytes of all that is kept of conflicts, by kind."""
    kinds = (PROOF, OUTCOME, COUNT)
    return {kind: sum(len(value) for _, value in core._storage.settings(kind)) for kind in kinds}


def test_a_proof_of_each_of_a_thousand_forks_writes_one(monkeypatch: pytest.MonkeyPatch) -> None:
    core, conflict = found()
    commits: list[None] = []
    commit = CoreStorage.commit
    monkeypatch.setattr(CoreStorage, "commit", lambda storage: commits.append(commit(storage)))
    kept = [core.keep_conflict(replace(conflict, fork=fork)) for fork in range(FORKS)]
    assert kept == [True, *[False] * (FORKS - 1)], "nobody has been told of the first"
    assert len(commits) == 1
    assert core.conflict == conflict
    assert rows(core) == {PROOF: len(conflict.encode()), OUTCOME: 0, COUNT: 1}


def test_a_thousand_forks_of_which_each_proof_was_told_in_vain_are_told_a_few_times() -> None:
    core, conflict = found()
    store = Corestore()
    store._storage = core._storage
    told = []
    for fork in range(FORKS):
        core.keep_conflict(replace(conflict, fork=fork))
        for untold in store.untold_conflicts():
            told.append(untold.fork)
            store.settle_conflict(untold.key, "the chain refused it")
    assert told == list(range(MAX_PROOFS))
    assert core.conflict == replace(conflict, fork=MAX_PROOFS - 1)
    assert sum(rows(core).values()) < 2 * len(conflict.encode())


def test_a_store_without_a_count_counts_from_now_on(tmp_path: Path) -> None:
    one, two = owners(tmp_path)
    core = history(one, blocks(2, 6, OURS))
    conflict = core.contradicted_by(shown(history(two, blocks(2, 6, THEIRS))))
    assert conflict is not None
    assert core.keep_conflict(conflict)
    core._storage.delete_setting(COUNT + core.key.hex())
    one.settle_conflict(core.key, "the chain refused it")
    assert core.keep_conflict(replace(conflict, fork=1))
    assert rows(core)[COUNT] == 1
    one.remove(core)
    assert not any(rows(core).values()), "all of it goes with the core"
    one.close()
    two.close()


def test_the_largest_proof_is_read_again() -> None:
    signers = tuple(ManifestSigner(bytes(32), number.to_bytes(32, "big")) for number in range(MAX_SIGNERS))
    linked = tuple(number.to_bytes(32, "big") for number in range(MAX_LINKED))
    manifest = Manifest(3, MAX_SIGNERS, signers, True, (bytes(32), MAX_UINT), linked, bytes(MAX_USER_DATA))
    roots = tuple(Node(index, MAX_UINT, bytes(32)) for index in flat.full_roots(2 * MAX_UINT))
    head = HistoryHead(MAX_UINT, roots, bytes(m.MAX_SIGNATURE))
    nodes = tuple(PathNode(MAX_UINT, MAX_UINT, bytes(32), bytes(32)) for _ in range(conflicts.MAX_LEVELS))
    largest = Conflict(bytes(32), manifest.encode(), MAX_UINT, head, head, len(roots) - 1, nodes)
    data = largest.encode()
    assert MAX_CONFLICT - 1024 < len(data) <= MAX_CONFLICT
    assert Conflict.decode(data) == largest


# ---- over connections


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> list[Proof]:
    """The heads that are compared with ours."""
    seen: list[Proof] = []
    look = Core.contradicted_by

    def counted(self: Core, answer: Proof) -> Conflict | None:
        seen.append(answer)
        return look(self, answer)

    monkeypatch.setattr(Core, "contradicted_by", counted)
    return seen


async def test_one_proof_from_ever_new_peers_is_written_and_told_once(
    monkeypatch: pytest.MonkeyPatch, looked: list[Proof]
) -> None:
    monkeypatch.setattr(cores, "MAX_SHUNNED", 3)
    kept: list[str] = []
    put = CoreStorage.put_setting

    def noted(storage: CoreStorage, name: str, value: bytes) -> None:
        kept.append(name)
        put(storage, name, value)

    async with AsyncExitStack() as stack:
        honest, *peers = await sides(stack, 9)
        other = Corestore()
        same_owner(honest.store, other)
        core, forked = history(honest.store, blocks(2, 8, OURS)), history(other, blocks(2, 8, THEIRS))
        monkeypatch.setattr(CoreStorage, "put_setting", noted)
        proof = shown(forked)
        with capture_logs() as lines:
            for peer in peers:
                connection = await peer.connect(honest)
                channel = await speak(connection, core)
                await channel.send(m.DATA, m.encode_data(0, proof))
                assert m.decode_data(await hear(channel, m.DATA))[0] == 0, "it is shown ours"
                await until(lambda: honest.incoming[-1].remote_key in core._shunned)
        assert len(looked) == len(peers)
        assert kept == [PROOF + core.key.hex(), COUNT + core.key.hex()]
        assert len([line for line in lines if line["log_level"] == "error"]) == 1
        assert len(core._shunned) == 3
        assert core.shuns(honest.incoming[-1].remote_key)
        assert not core.shuns(honest.incoming[0].remote_key), "it costs one more look, if it comes again"


async def test_heads_that_are_shown_on_one_channel_after_another_are_looked_at_a_few_times(
    monkeypatch: pytest.MonkeyPatch, looked: list[Proof]
) -> None:
    monkeypatch.setattr(replication, "MAX_HEADS_JUDGED", 5 * MAX_HEADS_SHOWN)
    async with side() as one, side() as two:
        same_owner(one.store, two.store)
        core, forked = history(one.store, blocks(2, 8, OURS)), history(two.store, blocks(2, 8, THEIRS))
        true = shown(forked).upgrade
        assert true is not None
        false = Proof(0, upgrade=UpgradeProof(0, 8, true.nodes, (), bytes(68)))
        connection = await two.connect(one)
        for number in range(8):
            channel = await speak(connection, core)
            for _ in range(MAX_HEADS_SHOWN):
                await channel.send(m.DATA, m.encode_data(0, false))
            await channel.send(m.REQUEST, m.encode_request(1, 0, Request(block=BlockRequest(3, 0))))
            assert m.decode_data(await hear(channel, m.DATA))[0] == 1, "it is served all the same"
            assert len(looked) == min(5, number + 1) * MAX_HEADS_SHOWN
            channel.close()
        assert core.conflict is None
