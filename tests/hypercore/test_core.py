"""A core by itself: append, read, truncate, encrypt, clear; replicas, forks; several in a corestore, several processes."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.hypercore import (
    Appended,
    Available,
    BlockRequest,
    Change,
    Core,
    CoreError,
    Corestore,
    CryptoError,
    Dropped,
    KeyPair,
    Proof,
    ProofError,
    Request,
    StorageError,
    Truncated,
    UpgradeProof,
    UpgradeRequest,
    parse_key,
    to_z32,
)
from service.hypercore.core import MAX_BLOCK_BYTES
from service.hypercore.store.bitfield import Bitfield

BLOCKS = [b"block %d" % number for number in range(23)]


@pytest.fixture
def store() -> Corestore:
    return Corestore()


def changes_of(core: Core) -> list[Change]:
    heard: list[Change] = []
    core.on_change(heard.append)
    return heard


def copy_all(source: Core, target: Core) -> None:
    if source.length > target.length:
        upgrade = UpgradeRequest(target.length, source.length - target.length)
        target.apply(source.prove(Request(upgrade=upgrade, manifest=not target.knows_signers)))
    for index in range(source.length):
        if not target.has(index):
            target.apply(source.prove(Request(block=BlockRequest(index, target.missing_nodes(2 * index)))))
    target.flush()


def test_append_and_read(store: Corestore) -> None:
    core = store.create("feed")
    heard = changes_of(core)
    assert core.append(BLOCKS[:3]) == 3
    assert core.append(b"one") == 4
    assert core.append([]) == 4
    assert [core.get(index) for index in range(5)] == [*BLOCKS[:3], b"one", None]
    assert heard == [Appended(3), Available(0, 3), Appended(4), Available(3, 4)]
    assert core.head_is_signed()
    assert core.byte_range(1) == (7, 7)
    assert core.head().byte_length == core.byte_length == 24


def test_an_empty_block_is_a_block(store: Corestore) -> None:
    core = store.create()
    core.append([b"", b"x", b""])
    assert [core.get(index) for index in range(3)] == [b"", b"x", b""]
    assert core.byte_length == 1


def test_too_large_a_block_leaves_nothing_behind(store: Corestore) -> None:
    core = store.create()
    core.append(b"first")
    with pytest.raises(CoreError, match=rf"block 2 has {MAX_BLOCK_BYTES + 1} bytes"):
        core.append([b"fine", bytes(MAX_BLOCK_BYTES + 1)])
    assert (core.length, core.get(1)) == (1, None)
    assert core.append(b"second") == 2
    assert core.head_is_signed()


def test_a_replica_is_not_ours_to_write(store: Corestore) -> None:
    core = Corestore().get(store.create().key)
    for write in (lambda: core.append(b"x"), lambda: core.truncate(0)):
        with pytest.raises(CoreError, match="is read-only here"):
            write()
    with pytest.raises(CoreError, match="an empty core has no signed head"):
        core.head()


@pytest.mark.parametrize("length", [0, 1, 8, 22])
def test_truncate(store: Corestore, length: int) -> None:
    core = store.create()
    core.append(BLOCKS)
    heard = changes_of(core)
    core.truncate(length)
    assert (core.length, core.fork, core.contiguous_length) == (length, 1, length)
    assert core.get(length) is None
    core.append(b"new")
    assert core.head_is_signed()
    fresh = Corestore().create()
    fresh.append([*BLOCKS[:length], b"new"])
    assert core.tree_hash() == fresh.tree_hash()
    assert heard[0] == Truncated(length, 1)


@pytest.mark.parametrize(("length", "fork"), [(24, None), (-1, None), (3, 0), (3, 2**53)])
def test_what_cannot_be_truncated(store: Corestore, length: int, fork: int | None) -> None:
    core = store.create()
    core.append(BLOCKS)
    with pytest.raises(CoreError, match="cannot cut"):
        core.truncate(length, fork)
    assert (core.length, core.fork) == (23, 0)


def test_clear_keeps_the_tree(store: Corestore) -> None:
    core = store.create()
    core.append(BLOCKS)
    heard = changes_of(core)
    core.clear(2, 5)
    assert core.ranges() == [(0, 2), (5, 23)]
    assert (core.get(3), core.contiguous_length, core.length) == (None, 2, 23)
    assert heard == [Dropped(2, 5)]
    with pytest.raises(ProofError, match="block 3 is not here"):
        core.prove(Request(block=BlockRequest(3, 0)))


@pytest.mark.parametrize("length", [1, 5, 16, 22])
def test_a_replica_takes_over_a_fork(store: Corestore, length: int) -> None:
    core = store.create()
    copy = Corestore().get(core.key)
    core.append(BLOCKS)
    copy_all(core, copy)
    core.truncate(length)
    core.append([b"new", b"newer"])
    answer = core.prove(Request(upgrade=UpgradeRequest(0, core.length)))
    heard = changes_of(copy)
    copy.adopt_fork(answer)
    assert (copy.fork, copy.length, copy.tree_hash()) == (1, length + 2, core.tree_hash())
    assert isinstance(heard[0], Truncated)
    assert heard[0].length <= length
    copy_all(core, copy)
    assert [copy.get(index) for index in range(copy.length)] == [*BLOCKS[:length], b"new", b"newer"]


@pytest.mark.parametrize("step", ["delete_nodes_beyond", "put_head", "commit"])
def test_a_fork_that_cannot_be_written_leaves_all_as_it_was(
    tmp_path: Path, store: Corestore, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    core = store.create()
    there = Corestore(tmp_path)
    copy, other = there.get(core.key), there.create()
    core.append(BLOCKS)
    copy_all(core, copy)
    core.truncate(5)
    core.append(b"new")
    answer = core.prove(Request(upgrade=UpgradeRequest(0, 6)))

    def full(*_: object) -> None:
        raise StorageError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(there._storage, step, full)
        with pytest.raises(StorageError, match="disk is full"):
            copy.adopt_fork(answer)
    other.append(b"x")  # a commit of another core must not bring half of it
    for found in (copy, Corestore(tmp_path).get(core.key)):
        assert (found.fork, found.length, found.contiguous_length) == (0, 23, 23)
        assert [found.get(index) for index in range(23)] == BLOCKS
        assert found.head_is_signed()
    copy.adopt_fork(answer)
    assert (copy.fork, copy.length) == (1, 6)


def test_a_head_that_cannot_be_written_is_not_here(store: Corestore, monkeypatch: pytest.MonkeyPatch) -> None:
    core = store.create()
    core.append(BLOCKS)
    there = Corestore()
    copy = there.get(core.key)

    def full(*_: object) -> None:
        raise StorageError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(there._storage, "put_head", full)
        with pytest.raises(StorageError, match="disk is full"):
            copy.apply(core.prove(Request(upgrade=UpgradeRequest(0, 23), manifest=True)))
    assert (copy.length, copy.roots(), copy.knows_signers) == (0, (), False)
    copy_all(core, copy)
    assert [copy.get(index) for index in range(23)] == BLOCKS


def test_no_fork_without_a_newer_signed_head(store: Corestore) -> None:
    core = store.create()
    copy = Corestore().get(core.key)
    core.append(BLOCKS)
    copy_all(core, copy)
    same = core.prove(Request(upgrade=UpgradeRequest(0, 23)))
    with pytest.raises(ProofError, match="newer than 0"):
        copy.adopt_fork(same)
    assert same.upgrade is not None
    with pytest.raises(ProofError, match="the signature of the head of 23 blocks at fork 1 is wrong"):
        copy.adopt_fork(Proof(1, upgrade=same.upgrade))
    with pytest.raises(ProofError, match="newer than 0"):
        copy.adopt_fork(Proof(1, upgrade=UpgradeProof(1, 22, (), (), b"")))
    assert (copy.fork, copy.length) == (0, 23)
    assert [copy.get(index) for index in range(23)] == BLOCKS


def test_a_wrong_feed_key_is_refused(store: Corestore) -> None:
    core = store.create()
    core.append(BLOCKS)
    other = Corestore().get(KeyPair.generate().public)
    with pytest.raises(ProofError, match="the manifest's hash is"):
        other.apply(core.prove(Request(upgrade=UpgradeRequest(0, 23), manifest=True)))
    with pytest.raises(ProofError, match="the signature of the head"):
        other.apply(core.prove(Request(upgrade=UpgradeRequest(0, 23))))
    with pytest.raises(CoreError, match="a core's key has 32 bytes, not 5"):
        store.get(b"short")


def test_a_small_order_key_signs_nothing() -> None:
    """The identity as key and as R, s = 0: valid for any message in some libraries."""
    identity = (1).to_bytes(32, "little")
    core = Corestore().get(identity)
    source = Corestore().create(compat=True)
    source.append(BLOCKS)
    honest = source.prove(Request(upgrade=UpgradeRequest(0, 23)))
    assert honest.upgrade is not None
    forged = UpgradeProof(0, 23, honest.upgrade.nodes, (), identity + bytes(32))
    with pytest.raises(ProofError, match="the signature of the head"):
        core.apply(Proof(0, upgrade=forged))


def test_encrypted_without_the_key(store: Corestore) -> None:
    core = store.create(encryption_key=bytes(32))
    core.append(BLOCKS)
    copy, blind = Corestore().get(core.key, encryption_key=bytes(32)), Corestore().get(core.key)
    copy_all(core, copy)
    copy_all(core, blind)
    assert [copy.get(index) for index in range(23)] == BLOCKS
    assert copy.byte_length == core.byte_length == sum(map(len, BLOCKS))
    assert blind.byte_length == core.byte_length + 8 * 23
    assert BLOCKS[3] not in (blind.get(3) or b"")
    with pytest.raises(CryptoError, match="an encryption key has 32 bytes, not 5"):
        store.create(encryption_key=b"short")


def test_an_encryption_key_that_comes_later(tmp_path: Path, store: Corestore) -> None:
    core = store.create(encryption_key=bytes(32))
    core.append(BLOCKS)
    blind = Corestore(tmp_path)
    copy = blind.get(core.key)
    copy_all(core, copy)
    assert copy.get(3) != BLOCKS[3]
    assert blind.get(core.key, encryption_key=bytes(32)).get(3) == BLOCKS[3]
    with pytest.raises(CoreError, match="has another encryption key"):
        blind.get(core.key, encryption_key=bytes([1] * 32))
    plain = store.create()
    with pytest.raises(CoreError, match="has no encryption key"):
        store.get(plain.key, encryption_key=bytes(32))
    again = Corestore(tmp_path).known(core.key)
    assert again is not None
    assert again.get(3) == BLOCKS[3]


def test_named_cores_come_back(tmp_path: Path) -> None:
    store = Corestore(tmp_path)
    named, unnamed = store.named("a"), store.create()
    named.append(BLOCKS)
    unnamed.append(b"x")
    assert store.named("a") is named
    with pytest.raises(CoreError, match="core a already exists"):
        store.create("a")
    store.close()
    again = Corestore(tmp_path)
    assert {core.key for core in again.cores()} == {named.key, unnamed.key}
    core = again.named("a")
    assert (core.key, core.length, core.get(5), core.name) == (named.key, 23, BLOCKS[5], "a")
    assert core.writable
    assert core.append(b"more") == 24
    assert again.find(unnamed.discovery_key) is again.known(unnamed.key)
    again.remove(core)
    assert again.known(named.key) is None
    again.close()


def test_two_processes_append_to_one_core(tmp_path: Path) -> None:
    """Each through its own connection to the file: nobody signs a length twice."""
    one, two = Corestore(tmp_path), Corestore(tmp_path)
    first = one.create("a")
    second = two.get(first.key)
    first.append([b"0", b"1"])
    assert second.append(b"2") == 3
    assert first.append(b"3") == 4
    one.refresh()
    two.refresh()
    for core in (first, second):
        assert [core.get(index) for index in range(4)] == [b"0", b"1", b"2", b"3"]
        assert core.head_is_signed()
    first.truncate(1)
    assert second.append(b"x") == 2
    assert (second.fork, second.get(1)) == (1, b"x")
    one.close()
    two.close()


def test_blocks_that_another_process_fetched_are_seen(tmp_path: Path) -> None:
    source = Corestore().create()
    source.append(BLOCKS)
    one, two = Corestore(tmp_path), Corestore(tmp_path)
    fetching, serving = one.get(source.key), two.get(source.key)
    heard = changes_of(serving)
    fetching.apply(source.prove(Request(upgrade=UpgradeRequest(0, 23), manifest=True)))
    fetching.apply(source.prove(Request(block=BlockRequest(4, fetching.missing_nodes(8)))))
    fetching.flush()
    two.refresh()
    assert (serving.length, serving.get(4)) == (23, BLOCKS[4])
    assert heard == [Appended(23), Available(4, 5)]
    fetching.apply(source.prove(Request(block=BlockRequest(9, fetching.missing_nodes(18)))))
    fetching.flush()
    two.refresh()
    assert serving.get(9) == BLOCKS[9]
    one.close()
    two.close()


def test_a_write_that_fails_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Corestore(tmp_path)
    core = store.create("a")
    core.append(BLOCKS[:3])

    def full(*_: object) -> None:
        raise StorageError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(store._storage, "put_head", full)
        with pytest.raises(StorageError, match="disk is full"):
            core.append(BLOCKS[3:9])
    assert (core.length, core.contiguous_length, core.get(3)) == (3, 3, None)
    assert core.append(BLOCKS[3:]) == 23
    store.close()
    again = Corestore(tmp_path).known(core.key)
    assert again is not None
    assert [again.get(index) for index in range(23)] == BLOCKS
    assert again.head_is_signed()


def test_only_what_is_news_is_told(tmp_path: Path, store: Corestore) -> None:
    """Who counts what is still to come would count twice what is told twice."""
    source = store.create()
    source.append(BLOCKS)
    one, two = Corestore(tmp_path), Corestore(tmp_path)
    copy, other = one.get(source.key), two.get(source.key)
    copy_all(source, copy)
    copy.unmark(5, 9)
    copy.flush()
    heard = changes_of(copy)
    copy.mark(4, 7)
    copy.mark(6, 12)
    copy.flush()
    assert heard == [Available(5, 7), Available(7, 9)]
    two.refresh()
    other.clear(20, 22)
    one.refresh()
    assert heard[2:] == [Dropped(20, 22)]
    source.truncate(10)
    source.append([b"new"] * 5)
    other.adopt_fork(source.prove(Request(upgrade=UpgradeRequest(0, 15))))
    copy_all(source, other)
    one.refresh()
    assert isinstance(heard[3], Truncated)
    assert heard[4:] == [Appended(15), Available(0, 15)]


def test_marking_a_block_does_not_walk_through_a_page(store: Corestore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hoster marks each block that it stores, on the event loop."""
    core = store.create()
    core.append([b"block"])

    def walk(*_: object) -> None:
        raise AssertionError("32,768 bits for a block")

    for name in ("ranges", "beyond"):
        monkeypatch.setattr(Bitfield, name, walk)
    heard = changes_of(core)
    core.mark(7, 8)
    assert heard == [Available(7, 8)]


def test_an_append_that_is_refused_loses_nothing_of_others(store: Corestore) -> None:
    source = Corestore().create()
    source.append(BLOCKS)
    copy, ours = store.get(source.key), store.create()
    copy_all(source, copy)
    copy.unmark(3, 8)
    copy.flush()
    heard = changes_of(copy)
    for index in (4, 5):
        copy.apply(source.prove(Request(block=BlockRequest(index, copy.missing_nodes(2 * index)))))
    with pytest.raises(CoreError, match="over the limit"):
        ours.append(bytes(MAX_BLOCK_BYTES + 1))
    assert (copy.has(4), ours.length) == (True, 0)
    assert heard == [Available(4, 5), Available(5, 6)]


def test_keys_as_text() -> None:
    key = bytes(range(32))
    assert parse_key(key.hex()) == parse_key(to_z32(key)) == parse_key(f" {key.hex().upper()}\n") == key
    assert len(to_z32(key)) == 52
    for text in ("", "ab", "z" * 64, to_z32(key)[:-1] + "9", key.hex()[:-1]):
        with pytest.raises(CryptoError, match="is not a key"):
            parse_key(text)
