"""Peers of one role each, as the node composes them, on real disks, in a simulated network and on the simulated chain."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from runtime_mock.model.datdot.records import CopyState
from service.chain_client.pallet import calls
from service.encoding import SectorDecoder
from service.encoding.inline import InlineCodec
from service.encoding.profiles import SECTOR
from service.feeds.fetch import fetch_feed
from service.feeds.serving import FeedServer
from service.hypercore import Core, Corestore, KeyPair
from service.hypercore.net import Connection, PeerAddress, TcpTransport
from service.roles.common.context import Context
from service.roles.common.database import Database
from service.roles.common.registration import register
from service.roles.common.terms import RolesConfig
from service.roles.encoder.role import EncoderRole
from service.roles.hoster.role import HosterRole
from service.roles.hoster.sectors import segment_path
from service.roles.sponsor import plans
from service.roles.sponsor.checks import open_nodes
from service.roles.sponsor.terms import plan_terms
from tests.simulation.life import drawn_randomness, memory
from tests.simulation.loop import VirtualLoop
from tests.support.copy_world import digest
from tests.support.small_chain import MONEY, UNIT, Line, SmallChain, account, keys_of, running_chain

SIZES = [700, 65_536, 0, 20_000, 300, 30_000, 17]
NAMES = ("Root", "Sponsor", "Hoster", "Encoder", "Idle hoster", "Idle encoder", "One", "Two", "Reader")
PRICES = (10**10, 10**11, 10**10, 10**9)
POT = 100 * UNIT
SECTORS_PER_SECOND = 1_400.0
"""What a core encodes."""
THREAD_SECONDS = 0.01
"""After so long a thread of the virtual loop has ended."""


class SlowCodec(InlineCodec):
    """Work takes the time that it takes a core, by the clock of the loop."""

    async def __aenter__(self) -> SlowCodec:
        return self

    async def work(self, sectors: int) -> None:
        """See InlineCodec."""
        await asyncio.sleep(sectors / SECTORS_PER_SECOND)


class Net:
    """Peers of one chain, who all know each other."""

    def __init__(self, chain: SmallChain, sponsor: Line, directory: Path) -> None:
        self.chain, self.sponsor, self.directory = chain, sponsor, directory
        self.peers: dict[str, LivePeer] = {}
        self.addresses: dict[bytes, PeerAddress] = {}
        self.lines: list[Line] = []

    async def start(self, name: str, role: Any = None, config: RolesConfig | None = None) -> LivePeer:
        """Start a peer of a role; without one it only has a store and connections."""
        peer = LivePeer(self, name, role, config or RolesConfig(confirm_grace=1000, checkpoint_sectors=128))
        await peer.start()
        self.peers[name] = peer
        return peer

    def announce(self, peer: PeerAddress) -> None:
        """Let everybody know an address."""
        self.addresses[peer.key] = peer
        for one in self.peers.values():
            one.transport.add_peer(peer)

    async def leave(self, peer: LivePeer) -> None:
        """Stop a peer for good."""
        await peer.stop()
        del self.peers[peer.name]

    async def idle(self, name: str, offer: Any) -> bytes:
        """Return an account that registers, makes an offer, and does nothing of what it is drawn for."""
        directory = self.directory / name
        directory.mkdir()
        line = await Line.open(self.chain, keys_of(name), directory)
        self.lines.append(line)
        await register(line.client, line.signer, line.follower, line.keys)
        await line.signer.submit(offer)
        return line.signer.account

    async def idle_hoster(self) -> bytes:
        """Return a hoster that does nothing."""
        return await self.idle("Idle hoster", calls.offer_hosting(1 << 30, 10**9, 10**9, b""))

    async def idle_encoder(self) -> bytes:
        """Return an encoder that does nothing."""
        return await self.idle("Idle encoder", calls.offer_encoding(10**10))

    # ---- plans

    async def publish(
        self, core: Core, ranges: Sequence[tuple[int, int]] | None = None, live: bool = False, replicas: int = 1
    ) -> int:
        """Publish a plan of one copy; its number."""
        wanted = [(0, core.length)] if ranges is None else list(ranges)
        terms = plan_terms(replicas, *PRICES, self.chain.number + 2_000, live=live)
        # not by `publish_plan`, which refuses what some tests are about
        published = await plans.publish_head(
            self.sponsor.client, self.sponsor.signer, core.head(), wanted, open_nodes(core, wanted), terms, POT
        )
        return published.plan

    async def place(self, core: Core, ranges: Sequence[tuple[int, int]] | None = None, live: bool = False) -> int:
        """Publish a plan of one copy, and wait until the copy has a hoster and an encoder; the copy's number."""
        plan = await self.publish(core, ranges, live)
        await self.chain.until(lambda: self._encoder_drawn(plan))
        (copy,) = self.chain.plan(plan).live
        return copy

    def _encoder_drawn(self, plan: int) -> bool:
        return any(self.chain.copy(copy).encoder is not None for copy in self.chain.plan(plan).live)

    async def end(self, copy: int) -> None:
        """End the plan of a copy, and wait until the chain knows the copy no more."""
        await plans.end_plan(self.sponsor.client, self.sponsor.signer, self.chain.copy(copy).plan)
        await self.chain.until(lambda: not self.chain.knows(copy))


class LivePeer:
    """A node of one role, as the node composes it; `restart` leaves its disk as a killed process would."""

    def __init__(self, net: Net, name: str, role: Any, config: RolesConfig) -> None:
        self.net, self.name, self._role, self._config = net, name, role, config
        self.keys = keys_of(name)
        self.account = account(name)
        self.directory = net.directory / name
        self.directory.mkdir(exist_ok=True)
        self.connections: list[Connection] = []
        self.told: list[dict[str, object]] = []
        self.on_told: Callable[[dict[str, object]], None] = lambda event: None

    async def start(self) -> None:
        """Open its disk, listen, and run its role once the account is registered."""
        self.store = Corestore(self.directory)
        self.database = Database(self.directory / "roles.sqlite")
        known = list(self.net.addresses.values())
        self.transport = TcpTransport(KeyPair(self.keys.swarm_seed), known, self._accept)
        self.author = FeedServer(self.store)
        self.task: asyncio.Task[None] | None = None
        self.line: Line | None = None
        self.role: Any = None
        if self._role is not None:
            self.line = await Line.open(self.net.chain, self.keys, self.directory)
            context = Context(
                client=self.line.client, signer=self.line.signer, keys=self.keys, follower=self.line.follower,
                transport=self.transport, store=self.store, database=self.database, pool=SlowCodec(),
                directory=self.directory, config=self._config, on_progress=self._tell,
            )  # fmt: skip
            self.role = self._role(context)
        host, port = await self.transport.listen("127.0.0.1", 0)
        self.net.announce(PeerAddress(self.keys.swarm_key, host, port))
        if self.line is not None:
            await register(self.line.client, self.line.signer, self.line.follower, self.keys)
            self.task = asyncio.create_task(self.role.run())

    def _accept(self, connection: Connection) -> None:
        self.connections.append(connection)
        self.author.attach(connection)
        if self.role is not None:
            self.role.attach(connection)

    def _tell(self, event: dict[str, object]) -> None:
        self.told.append(event)
        self.on_told(event)
        self.net.chain.poke()

    def drop_connections(self) -> None:
        """Break all connections that others made to it."""
        for connection in self.connections:
            if not connection.is_closed:
                connection.fail("the network is down")
        self.connections.clear()

    async def stop(self, crash: bool = False) -> None:
        """End it as a signal does, or as a crash."""
        if self.task is not None:
            self.task.cancel()
            with suppress(asyncio.CancelledError):
                await self.task
        self.drop_connections()
        await self.transport.close()
        await asyncio.sleep(THREAD_SECONDS)  # threads end by themselves, and may write until then
        if self.line is not None:
            await self.line.close()
        if crash:
            self.store._storage.close()  # what no transaction holds is lost
        else:
            self.store.close()
        self.database.close()

    async def restart(self) -> None:
        """Kill it and start it again."""
        await self.stop(crash=True)
        await self.start()

    def become(self, role: Any) -> None:
        """Be of another role from the next start on."""
        self._role = role

    def stored(self) -> list[int]:
        """Return the counts of durable sectors of which it told."""
        return [int(str(event["sectors"])) for event in self.told if event["event"] == "stored"]


@asynccontextmanager
async def small_net(directory: Path) -> AsyncIterator[Net]:
    """Run a chain and a sponsor; the peers that a test starts are stopped at the end."""
    async with AsyncExitStack() as stack:
        chain = await stack.enter_async_context(running_chain({account(name): MONEY for name in NAMES}))
        sponsor = await Line.open(chain, keys_of("Sponsor"), directory)
        stack.push_async_callback(sponsor.close)
        net = Net(chain, sponsor, directory)
        yield net
        for peer in net.peers.values():
            await peer.stop()
        for line in net.lines:
            await line.close()


@asynccontextmanager
async def drawn_net() -> AsyncIterator[Net]:
    """A network in memory whose keys, salts and draws are the same in each run, under the virtual clock."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    with tempfile.TemporaryDirectory(prefix="datdot-roles-", dir=memory()) as folder, drawn_randomness(0):
        async with small_net(Path(folder)) as net:
            yield net
    assert loop.faults == []


async def author(net: Net, sizes: list[int] = SIZES) -> tuple[LivePeer, Core]:
    """Return a peer without a role, and its feed of blocks of these sizes."""
    peer = await net.start("Author")
    core = peer.store.create("feed")
    core.append([(digest("block", i) * (size // 32 + 1))[:size] for i, size in enumerate(sizes)])
    return peer, core


def blocks(core: Core) -> list[bytes]:
    """Return all blocks of a feed."""
    return [core.get(index) or b"" for index in range(core.length)]


@asynccontextmanager
async def copied(net: Net, sizes: list[int] = SIZES) -> AsyncIterator[tuple[LivePeer, LivePeer, LivePeer, Core, int]]:
    """Author, encoder, hoster, the feed and a copy that has just been assigned."""
    writer, core = await author(net, sizes)
    hoster = await net.start("Hoster", HosterRole)
    encoder = await net.start("Encoder", EncoderRole)
    yield writer, encoder, hoster, core, await net.place(core)


def is_active(net: Net, copy: int) -> Callable[[], bool]:
    """Return a condition: the copy is active."""
    return lambda: net.chain.copy(copy).state == CopyState.ACTIVE


def check_copy(net: Net, hoster: LivePeer, core: Core, copy: int) -> None:
    """Check that the sectors on the hoster's disk decode to the feed, and were paid for once."""
    (part,) = net.chain.copy(copy).segments
    data = segment_path(hoster.directory, copy, part.segment).read_bytes()
    assert len(data) == part.sectors * SECTOR
    salt = net.chain.segment(part.segment).salt
    assert salt is not None
    plain = SectorDecoder(salt, net.chain.modulus(part.segment)).decode(0, data)
    whole = b"".join(blocks(core))
    assert plain == whole.ljust(len(data), b"\0")
    assert net.chain.paid == {part.segment: 1}
    assert net.chain.begun == [copy]


async def read_back(net: Net, name: str, core: Core, hoster: LivePeer) -> list[bytes]:
    """Read the feed from the hoster alone."""
    reader = await net.start(name)
    replica = reader.store.get(core.key)
    await fetch_feed(replica, reader.transport, [hoster.keys.swarm_key])
    return blocks(replica)
