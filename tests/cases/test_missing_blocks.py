"""Cases of feeds that are here in part: how much is here is said, what is missing is named, and no plan is sold of it."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from service.feeds.export import ExportError, export_feed
from service.feeds.fetch import fetch_feed
from service.feeds.serving import FeedServer
from service.hypercore import Core, Corestore, KeyPair
from service.hypercore.net import PeerAddress, ReplicationError, Replicator, TcpTransport, replicator
from service.roles.sponsor.checks import UnknownBlocks, check_blocks
from service.roles.sponsor.served import Unserved, check_served
from tests.support.cli_process import datdot, done, running


def made(directory: Path, gap: tuple[int, int] | None = (5, 9)) -> str:
    """The key of a feed of 20 blocks in that directory, of which some are gone."""
    with closing(Corestore(directory)) as store:
        core = store.create()
        core.append([b"block %d" % number for number in range(20)])
        if gap is not None:
            core.clear(*gap)
        return core.key.hex()


@asynccontextmanager
async def reached(*servers: Corestore) -> AsyncIterator[TcpTransport]:
    """A transport that knows one server of each store."""
    peers, running = [], []
    for store in servers:
        pair = KeyPair.generate()
        running.append(TcpTransport(pair, on_connection=FeedServer(store).attach))
        peers.append(PeerAddress(pair.public, *await running[-1].listen("127.0.0.1", 0)))
    async with TcpTransport(KeyPair.generate(), peers) as transport:
        yield transport
    for server in running:
        await server.close()


def a_core(blocks: Sequence[bytes] = tuple(b"block %d" % number for number in range(20))) -> tuple[Corestore, Core]:
    store = Corestore()
    core = store.create()
    core.append(list(blocks))
    return store, core


@pytest.mark.case("feeds/missing-block-is-named")
async def test_the_first_missing_block_and_their_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replicator, "STALL_SECONDS", 0.2)
    store, core = a_core()
    core.clear(5, 9)
    replica = Corestore().get(core.key)
    async with reached(store) as transport:
        with pytest.raises(ReplicationError, match="block 5; 4 of 20 are missing: not to be had from"):
            await fetch_feed(replica, transport)
    assert replica.ranges() == [(0, 5), (9, 20)], "all that is to be had is kept"
    with pytest.raises(ExportError, match="block 5; 4 of 20 are missing: fetch the feed first"):
        await export_feed(replica, Path("never made"))


async def test_a_single_missing_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replicator, "STALL_SECONDS", 0.2)
    store, core = a_core()
    core.clear(19, 20)
    async with reached(store) as transport:
        with pytest.raises(ReplicationError, match=r"block 19: not to be had from"):
            await fetch_feed(Corestore().get(core.key), transport)


async def test_an_empty_feed_is_told_as_such() -> None:
    store, core = a_core()
    core.truncate(0)
    async with reached() as transport, TcpTransport(KeyPair.generate()) as server:
        pair = KeyPair.generate()
        async with TcpTransport(pair, on_connection=_serving(store, core)) as server:
            address = PeerAddress(pair.public, *await server.listen("127.0.0.1", 0))
            async with TcpTransport(KeyPair.generate(), [address]) as transport:
                with pytest.raises(ReplicationError, match="it is empty there"):
                    await fetch_feed(Corestore().get(core.key), transport)


def _serving(store: Corestore, core: Core):  # type: ignore[no-untyped-def]
    from service.hypercore.net import Replication

    return lambda connection: Replication.of(connection).serve(lambda _: core)


@pytest.mark.case("feeds/missing-block-is-named")
def test_info_verify_and_serve_say_how_much_is_here(tmp_path: Path) -> None:
    key = made(tmp_path)
    where = ("--dir", tmp_path, "--json")
    info = datdot("feed", "info", key, *where)
    assert (info.object["length"], info.object["blocks_here"]) == (20, 16)
    verified = datdot("feed", "verify", key, *where)
    assert (verified.object["blocks_verified"], verified.object["blocks_missing"]) == (16, 4)
    with running(tmp_path / "log", "feed", "serve", key, *where) as server:
        ready = server.line()
        assert (ready["length"], ready["blocks_here"]) == (20, 16)
        assert server.stop(signal.SIGINT) == 0
    for told in (info.err, verified.err, (tmp_path / "log").read_text()):
        assert "this copy of the feed is not whole: block 5; 4 of 20 are missing" in told


def test_of_a_whole_feed_nothing_is_missing(tmp_path: Path) -> None:
    key = made(tmp_path, gap=None)
    for command in ("info", "verify"):
        ran = datdot("feed", command, key, "--dir", tmp_path, "--json")
        assert (ran.code, ran.err) == (0, "")


# ---- plans


async def head_only(core: Core, transport: TcpTransport) -> Core:
    replica = Corestore().get(core.key)
    with Replicator(replica) as asking:
        asking.attach(await transport.connect(transport.known[0].key))
        await asking.update()
    return replica


@pytest.mark.case("feeds/headonly")
async def test_a_plan_of_blocks_whose_sizes_are_not_known_is_refused() -> None:
    store, core = a_core([b"x" * 1000] * 32)
    check_blocks(core, [(0, 32)])
    async with reached(store) as transport:
        replica = await head_only(core, transport)
        with pytest.raises(UnknownBlocks, match=r"the sizes of 32 of the blocks 0 to 32 are not known here.*block 0"):
            check_blocks(replica, [(0, 32)])
        with Replicator(replica) as asking:
            asking.attach(await transport.connect(transport.known[0].key))
            await asking.download(0, 8)
        check_blocks(replica, [(0, 8)])
        with pytest.raises(UnknownBlocks, match=r"of 8 of the blocks 4 to 16 .*first is block 8"):
            check_blocks(replica, [(4, 16)])


async def test_a_feed_that_a_known_peer_serves_may_be_sold() -> None:
    store, core = a_core()
    async with reached(Corestore(), store) as transport:
        await check_served(core, [(0, 20)], transport)


@pytest.mark.case("feeds/headonly")
async def test_a_plan_of_a_feed_that_nobody_serves_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replicator, "STALL_SECONDS", 0.2)
    store, core = a_core()
    async with reached() as transport:
        with pytest.raises(Unserved, match=r"nobody is known who serves feed .*--unserved"):
            await check_served(core, [(0, 20)], transport)
    async with reached(Corestore()) as transport:
        with pytest.raises(Unserved, match="does not serve that"):
            await check_served(core, [(0, 20)], transport)
    async with reached(store) as transport:
        replica = Corestore().get(core.key)
        await fetch_feed(replica, transport)
    core.append(b"one more")
    async with reached(store) as transport:
        await check_served(replica, [(0, 20)], transport)
    behind = Corestore()
    async with reached(store) as transport:
        await fetch_feed(behind.get(core.key), transport)
    core.append(b"and one more")
    async with reached(behind) as transport:
        with pytest.raises(Unserved, match="has 21 blocks of fork 0, not 22 of 0"):
            await check_served(core, [(0, 22)], transport)
    behind.get(core.key).clear(0, 2)
    async with reached(behind) as transport:
        with pytest.raises(Unserved, match="block 0: not to be had"):
            await check_served(replica, [(0, 20)], transport)


def test_the_command_asks_before_it_signs(tmp_path: Path) -> None:
    from tests.support.cli_process import running_chain

    key = made(tmp_path / "author", gap=None)
    (tmp_path / "chain").mkdir()
    with running_chain("model", tmp_path / "chain") as chain:
        now = done("chain", "status", "--chain", chain.url)["best"]
        terms = ("--replicas", 1, "--pot", 10**14, "--until", now + 2000, "--key", "//Alice", "--chain", chain.url)
        publish = ("plan", "publish", key, "--dir", tmp_path / "author", *terms, "--json")
        assert "--unserved" in datdot(*publish).failure("unserved")["message"]
        refused = datdot(*publish, "--peer", f"{'ab' * 32}@127.0.0.1:9")
        assert "127.0.0.1" in refused.failure("unserved")["message"]
        with running(tmp_path / "log", "feed", "serve", key, "--dir", tmp_path / "author", "--json") as server:
            served = datdot(*publish, "--peer", server.line()["peer"])
            assert served.code == 0, (served.out, served.err)
        node = ("node", "--dir", tmp_path / "author", "--roles", "author", "--chain", chain.url, "--json")
        with running(tmp_path / "node", *node) as peer:
            peer.line()
            assert datdot(*publish).object["plan"] == served.object["plan"] + 1, "the directory's own node serves it"
            peer.stop()
        assert datdot(*publish).failure("unserved")
        assert datdot(*publish, "--unserved").object["plan"] == served.object["plan"] + 2
