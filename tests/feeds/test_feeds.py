"""Author and reader over TCP: import, serve, fetch from several peers, resume, verify, export; damage and absence named."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from service.feeds.archive import BLOCK_SIZE, ArchiveError
from service.feeds.export import ExportError, export_feed
from service.feeds.fetch import fetch_feed
from service.feeds.imports import ImportInterrupted, import_path
from service.feeds.serving import FeedServer
from service.feeds.verify import VerifyError, verify_feed
from service.hypercore.core import Core
from service.hypercore.corestore import Corestore
from service.hypercore.crypto import KeyPair
from service.hypercore.net import PeerAddress, ReplicationError, TcpTransport


def make_folder(root: Path, size: int = 700_000) -> Path:
    (root / "in" / "sub").mkdir(parents=True)
    (root / "in" / "empty").mkdir()
    (root / "in" / "big").write_bytes(os.urandom(size))
    (root / "in" / "sub" / "small").write_text("hello")
    return root / "in"


@asynccontextmanager
async def serving(*stores: Corestore) -> AsyncIterator[tuple[TcpTransport, list[TcpTransport]]]:
    """A reader's transport that knows one author for each store."""
    servers, peers = [], []
    for store in stores:
        role, pair = FeedServer(store), KeyPair.generate()
        server = TcpTransport(pair, on_connection=role.attach)
        peers.append(PeerAddress(pair.public, *await server.listen("127.0.0.1", 0)))
        servers.append(server)
    transport = TcpTransport(KeyPair.generate(), peers)
    try:
        yield transport, servers
    finally:
        await transport.close()
        for server in servers:
            await server.close()


async def imported(path: Path, **options: int) -> tuple[Corestore, Core]:
    store = Corestore()
    return store, await import_path(store, path, **options)  # type: ignore[arg-type]


def same(one: Path, other: Path) -> None:
    left, right = ({p.relative_to(r): p.is_file() and p.read_bytes() for p in r.rglob("*")} for r in (one, other))
    assert left == right


async def test_a_folder_travels(tmp_path: Path) -> None:
    path, seen = make_folder(tmp_path), []
    store = Corestore()
    core = await import_path(store, path, lambda done, total: seen.append((done, total)))
    assert seen[-1] == (core.byte_length, core.byte_length)
    replica, told = Corestore(tmp_path / "replica").get(core.key), []
    async with serving(store) as (transport, _):
        await fetch_feed(replica, transport, None, lambda done, total: told.append((done, total)))
    assert told[-1] == (core.byte_length, core.byte_length)
    assert (await verify_feed(replica)).blocks == core.length
    await export_feed(replica, tmp_path / "out", lambda done, total: told.append((done, total)))
    same(path, tmp_path / "out")
    again = Corestore(tmp_path / "replica").get(core.key)
    assert again.contiguous_length == core.length, "durable"


async def test_one_file_and_any_other_feed(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(b"x" * 100_000)
    _, core = await imported(tmp_path / "one")
    await export_feed(core, tmp_path / "two")
    assert (tmp_path / "two").read_bytes() == b"x" * 100_000
    plain = Corestore().create()
    plain.append([b"some ", b"", b"blocks", b""])
    await export_feed(plain, tmp_path / "three")
    assert (tmp_path / "three").read_bytes() == b"some blocks"
    empty = Corestore().create()
    empty.append([b"", b""])
    await export_feed(empty, tmp_path / "four")
    assert (tmp_path / "four").read_bytes() == b""


async def test_an_import_goes_on(tmp_path: Path) -> None:
    path, store = make_folder(tmp_path, 6_000_000), Corestore()

    class Cut(Exception):
        pass

    def stop(done: int, total: int) -> None:
        raise Cut

    with pytest.raises(Cut):
        await import_path(store, path, stop, name="films")
    begun = store.named("films")
    assert 0 < begun.length < 6_000_000 // BLOCK_SIZE
    done = await import_path(store, path, name="films")
    assert done.key == begun.key
    await export_feed(done, tmp_path / "out")
    same(path, tmp_path / "out")
    length = done.length
    assert (await import_path(store, path, name="films")).length == length, "nothing is appended twice"
    (path / "big").write_bytes(b"other")
    with pytest.raises(ImportInterrupted):
        await import_path(store, path, name="films")
    with pytest.raises(Cut):
        await import_path(store, path, stop)
    assert [core.key for core in store.cores()] == [done.key], "a failed import leaves no feed"


async def test_what_cannot_be_packed_leaves_nothing(tmp_path: Path) -> None:
    path, store = make_folder(tmp_path), Corestore()
    (path / "link").symlink_to(path / "big")
    with pytest.raises(ArchiveError, match="link"):
        await import_path(store, path)
    assert store.cores() == []


async def test_several_peers_none_complete(tmp_path: Path) -> None:
    store, core = await imported(make_folder(tmp_path), block_size=4096)
    halves = [Corestore(), Corestore()]
    async with serving(store) as (transport, _):
        for half in halves:
            await fetch_feed(half.get(core.key), transport)
    middle = core.length // 2
    halves[0].get(core.key).clear(0, middle)
    halves[1].get(core.key).clear(middle, core.length)
    replica = Corestore().get(core.key)
    async with serving(*halves) as (transport, _):
        await fetch_feed(replica, transport)
    assert (await verify_feed(replica)).blocks == core.length


async def test_a_dead_peer_does_not_matter_if_another_lives(tmp_path: Path) -> None:
    store, core = await imported(make_folder(tmp_path))
    async with serving(store, store) as (transport, servers):
        await servers[0].close()
        replica = Corestore().get(core.key)
        await fetch_feed(replica, transport)
        assert replica.contiguous_length == core.length
        await servers[1].close()
        with pytest.raises(ReplicationError, match="cannot reach any peer"):
            await fetch_feed(Corestore().get(core.key), transport)


async def test_nobody_has_it(tmp_path: Path) -> None:
    _, core = await imported(make_folder(tmp_path))
    async with TcpTransport(KeyPair.generate()) as alone:
        with pytest.raises(ReplicationError, match="no peer to fetch it from"):
            await fetch_feed(Corestore().get(core.key), alone)
    async with serving(Corestore()) as (transport, _):
        with pytest.raises(ReplicationError):
            await fetch_feed(Corestore().get(core.key), transport)


async def test_a_feed_is_found_by_its_discovery_key(tmp_path: Path) -> None:
    store, core = await imported(make_folder(tmp_path))
    role = FeedServer(store)
    assert role.find(core.discovery_key) is core
    assert FeedServer(store).find(bytes(32)) is None


async def test_export_refuses(tmp_path: Path) -> None:
    store, core = await imported(make_folder(tmp_path))
    (tmp_path / "there").write_text("mine")
    with pytest.raises(ArchiveError, match="already exists"):
        await export_feed(core, tmp_path / "there")
    with pytest.raises(ExportError, match="empty"):
        await export_feed(Corestore().get(core.key), tmp_path / "out")
    core.clear(3, 4)
    with pytest.raises(ExportError, match="block 3"):
        await export_feed(core, tmp_path / "out")
    assert sorted(os.listdir(tmp_path)) == ["in", "there"]
    assert store.cores() == [core]


async def test_verify_names_the_damage(tmp_path: Path) -> None:
    import sqlite3

    store = Corestore(tmp_path / "store")
    core = await import_path(store, make_folder(tmp_path))
    key = core.key
    store.close()
    db = sqlite3.connect(tmp_path / "store" / "corestore.sqlite")
    table = "block"
    columns = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
    db.execute(f"UPDATE {table} SET {columns[-1]} = zeroblob(65536) WHERE {columns[1]} = 5")
    db.commit()
    db.close()
    with pytest.raises(VerifyError, match="block 5"):
        await verify_feed(Corestore(tmp_path / "store").get(key))
