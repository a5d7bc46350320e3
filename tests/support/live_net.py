"""Peers of one role each, as the node composes them, on real disks and real sockets, on the chain in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from service.chain_client.pallet.types import CopyState
from service.encoding import SectorDecoder
from service.encoding.pool import CodecPool
from service.encoding.profiles import SECTOR
from service.feeds.fetch import fetch_feed
from service.feeds.serving import FeedServer
from service.hypercore import Core, Corestore, KeyPair
from service.hypercore.net import Connection, PeerAddress, TcpTransport
from service.roles.attester.role import AttesterRole
from service.roles.common.context import Context
from service.roles.common.database import Database
from service.roles.common.terms import RolesConfig
from service.roles.encoder.role import EncoderRole
from service.roles.hoster.role import HosterRole
from service.roles.hoster.sectors import segment_path
from service.vault.keyfile import KeyFile
from tests.support.copy_world import digest
from tests.support.fake_chain import FakeChain

SIZES = [700, 65_536, 0, 20_000, 300, 30_000, 17]


class Net:
    """Peers of one chain, who all know each other."""

    def __init__(self, chain: FakeChain, pool: CodecPool, directory: Path) -> None:
        self.chain, self.pool, self.directory = chain, pool, directory
        self.peers: dict[str, LivePeer] = {}
        self.addresses: dict[bytes, PeerAddress] = {}

    async def start(self, name: str, role: Any = None, config: RolesConfig | None = None) -> LivePeer:
        peer = LivePeer(self, name, role, config or RolesConfig(confirm_grace=1000, checkpoint_sectors=128))
        await peer.start()
        self.peers[name] = peer
        return peer

    def announce(self, peer: PeerAddress) -> None:
        self.addresses[peer.key] = peer
        for one in self.peers.values():
            one.transport.add_peer(peer)


class LivePeer:
    """A node of one role, as the node composes it; `crash` leaves its disk as a killed process would."""

    def __init__(self, net: Net, name: str, role: Any, config: RolesConfig) -> None:
        self.net, self.name, self._role, self._config = net, name, role, config
        self.keys = KeyFile.load(f"//{name}")
        self.account = self.keys.account
        self.directory = net.directory / name
        self.directory.mkdir(exist_ok=True)
        self.connections: list[Connection] = []
        self.told: list[dict[str, object]] = []
        self.on_told: Callable[[dict[str, object]], None] = lambda event: None

    async def start(self) -> None:
        chain = self.net.chain
        chain.register(self.keys)
        self.store = Corestore(self.directory)
        self.database = Database(self.directory / "roles.sqlite")
        known = list(self.net.addresses.values())
        self.transport = TcpTransport(KeyPair(self.keys.swarm_seed), known, self._accept)
        host, port = await self.transport.listen("127.0.0.1", 0)
        self.net.announce(PeerAddress(self.keys.swarm_key, host, port))
        self.author = FeedServer(self.store)
        self.task: asyncio.Task[None] | None = None
        if self._role is not None:
            self.signer = chain.signer(self.account)
            context = Context(
                client=chain, signer=self.signer, keys=self.keys, follower=chain,
                transport=self.transport, store=self.store, database=self.database, pool=self.net.pool,
                directory=self.directory, config=self._config, on_progress=self._tell,
            )  # fmt: skip
            self.role = self._role(context)
            self.task = asyncio.create_task(self.role.run())
            if isinstance(self.role, AttesterRole):
                chain.busy[self.name] = self._busy

    def _busy(self) -> bool:
        """Whether it has not looked at the last block yet, or does something that does not wait for the next."""
        runner = self.role._runner
        running = sum(entry.task is not None for entry in runner._entries.values())
        return runner._now < self.net.chain.number or running > self.signer.waiting

    def _accept(self, connection: Connection) -> None:
        self.connections.append(connection)
        self.author.attach(connection)
        if self._role is not None:
            self.role.attach(connection)

    def _tell(self, event: dict[str, object]) -> None:
        self.told.append(event)
        self.on_told(event)

    def drop_connections(self) -> None:
        for connection in self.connections:
            if not connection.is_closed:
                connection.fail("the network is down")
        self.connections.clear()

    async def stop(self, crash: bool = False) -> None:
        self.net.chain.busy.pop(self.name, None)
        if self.task is not None:
            self.task.cancel()
            with suppress(asyncio.CancelledError):
                await self.task
        self.drop_connections()
        await self.transport.close()
        if crash:
            self.store._storage.close()  # what no transaction holds is lost
        else:
            self.store.close()
        self.database.close()

    async def restart(self) -> None:
        await self.stop(crash=True)
        await self.start()

    def stored(self) -> list[int]:
        return [int(str(event["sectors"])) for event in self.told if event["event"] == "stored"]


async def author(net: Net, sizes: list[int] = SIZES) -> tuple[LivePeer, Core]:
    peer = await net.start("Author")
    core = peer.store.create("feed")
    core.append([(digest("block", i) * (size // 32 + 1))[:size] for i, size in enumerate(sizes)])
    return peer, core


def blocks(core: Core) -> list[bytes]:
    return [core.get(index) or b"" for index in range(core.length)]


@asynccontextmanager
async def copied(net: Net, sizes: list[int] = SIZES) -> AsyncIterator[tuple[LivePeer, LivePeer, LivePeer, Core, int]]:
    """Author, encoder, hoster, the feed and a copy that has just been assigned."""
    writer, core = await author(net, sizes)
    hoster = await net.start("Hoster", HosterRole)
    encoder = await net.start("Encoder", EncoderRole)
    copy = net.chain.assign(net.chain.publish(core), hoster.account, encoder.account)
    yield writer, encoder, hoster, core, copy


def is_active(net: Net, copy: int) -> Callable[[], bool]:
    return lambda: net.chain.state.copies[copy].state is CopyState.ACTIVE


def check_copy(net: Net, hoster: LivePeer, core: Core, copy: int) -> None:
    """The sectors on the hoster's disk decode to the feed, and were paid for once."""
    (part,) = net.chain.state.copies[copy].segments
    data = segment_path(hoster.directory, copy, part.segment).read_bytes()
    assert len(data) == part.sectors * SECTOR
    job = net.chain.jobs[part.segment]
    plain = SectorDecoder(job.salt, job.modulus).decode(0, data)
    whole = b"".join(blocks(core))
    assert plain == whole.ljust(len(data), b"\0")
    assert net.chain.paid == {part.segment: 1}
    assert net.chain.begun == [copy]


async def read_back(net: Net, name: str, core: Core, hoster: LivePeer) -> list[bytes]:
    reader = await net.start(name)
    replica = reader.store.get(core.key)
    await fetch_feed(replica, reader.transport, [hoster.keys.swarm_key])
    return blocks(replica)
