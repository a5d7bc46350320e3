"""A stage in the simulated network: real nodes of this process, virtual time, the model or the wasm runtime as the chain."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from random import Random
from unittest.mock import patch

from service.chain_client import ChainClient, Follower
from service.chain_client.pallet.types import SignedHead
from service.feeds.export import blocks_of
from service.feeds.fetch import fetch_feed
from service.hypercore import Corestore, KeyPair
from service.hypercore.core import Core
from service.hypercore.net import PeerAddress, TcpTransport
from service.node import run as node
from service.roles.common.context import Context
from service.roles.common.terms import RolesConfig
from service.roles.sponsor.checks import check_head
from service.session import Session
from service.vault import PeerKeys
from tests.simulation.chain import Link, Setting, SimChain, SimRpc
from tests.simulation.disk import Disks
from tests.simulation.life import drawn_randomness, memory
from tests.simulation.loop import LIFE, Life, VirtualLoop
from tests.simulation.network import Network
from tests.simulation.people import Feeds
from tests.simulation.witness import Witness
from tests.simulation.world import SimPeer, World, account_of

from .catalogue import Act, Cast
from .cheaters import CHEATERS
from .stage import Peer, Stage

ROOT = "root"
RICH = 1_000_000 * 10**12
READER = "reader"
BLOCK = 4_096
OFFER_BLOCKS = 200


class SimStage(Stage):
    """A network of one process."""

    def __init__(self, act: Act, backend: str, world: World, keys: dict[str, PeerKeys]) -> None:
        super().__init__(act.cast.config)
        self.world, self._keys = world, keys
        self._random = Random(f"{act.name} feeds")
        self._feeds = Feeds(self._random)
        self._sessions = 0

    def peers(self, role: str) -> Sequence[SimPeer]:
        """See Stage."""
        return [one for one in self.world.peers if role in one.roles]

    def peer(self, name: str) -> SimPeer:
        """A peer by its name."""
        return next(one for one in self.world.peers if one.name == name)

    async def kill(self, peer: Peer) -> None:
        """See Stage."""
        self.world.crash(self.peer(peer.name), power=False)

    async def start(self, peer: Peer, config: RolesConfig | None = None) -> None:
        """See Stage."""
        if config is not None:
            self.world.configs[peer.name] = config
        self.world.start(self.peer(peer.name))

    def check_running(self) -> None:
        """See Stage."""
        assert self.world.well, self.world.failures or self.world.chain.broken

    @asynccontextmanager
    async def session(self, name: str) -> AsyncIterator[Session]:
        """See Stage."""
        self._sessions += 1
        folder = self.world.top / f"command-{self._sessions}"
        folder.mkdir()
        async with self.world.session(Link(0.02), self._keys[name], folder) as session:
            yield session

    def account(self, name: str) -> bytes:
        """The account of a peer or a sponsor."""
        return account_of(self._keys[name]).public_key

    # ---- feeds and disks

    def _blocks(self, size: int) -> list[bytes]:
        data = self._random.randbytes(size)
        return [data[at : at + BLOCK] for at in range(0, size, BLOCK)]

    def create(self, size: int) -> Core:
        """See Stage."""
        key = self._feeds.create(self.peers("author")[0].directory, self._blocks(size))
        return self._feeds.get(key)

    def append(self, core: Core, size: int) -> None:
        """See Stage."""
        self._feeds.append(self.peers("author")[0].directory, core.key, self._blocks(size))

    def fork(self, core: Core) -> SignedHead:
        """Let the author cut off the last block and write another; the head of the new fork."""
        store = Corestore(self.peers("author")[0].directory)
        mine = store.get(core.key)
        mine.truncate(mine.length - 1)
        mine.append(self._blocks(BLOCK))
        mine.flush()
        head = check_head(mine.head())
        store.close()
        return head

    async def read(self, core: Core, peers: Sequence[Peer]) -> bytes:
        """See Stage."""
        store = Corestore(None)
        try:
            mine = store.get(core.key)
            addresses = [PeerAddress.parse(self.peer(one.name).address) for one in peers]
            async with TcpTransport(KeyPair.generate(), addresses) as transport, asyncio.timeout(300):
                await fetch_feed(mine, transport)
            return b"".join(blocks_of(mine))
        finally:
            store.close()

    def directory(self, peer: Peer) -> Path:
        """See Stage."""
        return self.peer(peer.name).directory

    # ---- its life

    async def offered(self) -> None:
        """Wait until every peer has made its offer."""

        async def read(at: bytes) -> bool | None:
            storage = self.client.storage
            for peer in self.world.peers:
                hoster = await storage.hoster(peer.account, at) if "hoster" in peer.roles else None
                encoder = await storage.encoder(peer.account, at) if "encoder" in peer.roles else None
                attester = await storage.attester(peer.account, at) if "attester" in peer.roles else None
                if ("author" not in peer.roles) and not (hoster or encoder or attester):
                    return None
            return True

        await self.until_state("every peer offers", read, OFFER_BLOCKS)

    async def follow(self, follower: Follower) -> None:
        """Note every block."""
        async for block in follower.blocks():
            await self.see(block)


def _keys(act: Act) -> dict[str, PeerKeys]:
    cast, random = act.cast, Random(f"{act.name} keys")
    names = [ROOT, *(f"sponsor-{i + 1}" for i in range(cast.sponsors)), "author-1"]
    for role, count in (("hoster", cast.hosters), ("encoder", cast.encoders), ("attester", cast.attesters)):
        names += [f"{role}-{i + 1}" for i in range(count)]
    return {name: PeerKeys(random.randbytes(32), random.randbytes(32), random.randbytes(32)) for name in names}


def _world(act: Act, backend: str, loop: VirtualLoop, disks: Disks, top: Path) -> tuple[World, dict[str, PeerKeys]]:
    cast, keys = act.cast, _keys(act)
    poor = {account_of(found).public_key: cast.money for found in keys.values()}
    rich = {account_of(keys[name]).public_key: RICH for name in keys if name.startswith(("root", "sponsor"))}
    setting = Setting(backend, cast.preset, cast.times, cast.amounts)
    chain = SimChain(0, cast.block_seconds, account_of(keys[ROOT]).public_key, poor | rich, setting)
    world = World(
        0, loop, Network(loop, 0), chain, disks, top, cast.config, cast.sectors_per_second, dict(cast.configs)
    )
    for name, found in keys.items():
        role = name.rpartition("-")[0]
        if role in ("author", "hoster", "encoder", "attester"):
            world.add_peer(name, (role,), found)
    world.network.add(READER, 0.01, 1_000_000)
    return world, keys


def _modified(cast: Cast) -> dict[str, object]:
    """The roles of the node, of which some peers' are others."""

    def make(role: str) -> object:
        honest = node.ON_CHAIN[role]

        def made(context: Context) -> node.NodeRole:
            name = cast.cheats.get(LIFE.get().host)
            return honest(context) if name is None else CHEATERS[name](context)

        return made

    return {role: make(role) for role in node.ON_CHAIN}


async def _play(act: Act, backend: str, world: World, keys: dict[str, PeerKeys]) -> tuple[SimStage, int | None]:
    stage = SimStage(act, backend, world, keys)
    sealing = world.spawn(Life("chain"), world.chain.run())
    for peer in world.peers:
        world.start(peer)
    gain = None
    async with await ChainClient.connect("simulation", rpc=SimRpc(world.chain, Link(0.01))) as client:
        stage.client = client
        first = await client.header(await client.block_hash(0))
        assert first is not None
        follower = Follower(client, first.ref)
        loop = asyncio.get_running_loop()
        tasks = [loop.create_task(follower.run()), loop.create_task(stage.follow(follower))]
        try:
            await stage.until("the first block", lambda: stage.now > 0)
            await stage.offered()
            gain = await act.play(stage)
            await stage.check_books()
        except AssertionError as error:
            world.fail(str(error) or repr(error))
        except Exception as error:  # noqa: BLE001 - whatever ends a play is its failure
            world.fail(f"{type(error).__name__}: {error}")
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    sealing.cancel()
    await world.stop()
    return stage, gain


def simulate(act: Act, backend: str, show: bool) -> tuple[SimStage, int | None, list[str]]:
    """Play in a simulated network; what went wrong comes last. Not to be called twice in a process."""
    loop = VirtualLoop(0)
    asyncio.set_event_loop(loop)
    disks = Disks()
    Witness(loop, show).install()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="datdot-play-", dir=memory())))
        stack.enter_context(drawn_randomness(0))
        stack.enter_context(patch.dict(node.ON_CHAIN, _modified(act.cast)))
        world, keys = _world(act, backend, loop, disks, folder)
        disks.install()
        try:
            stage, gain = loop.run_until_complete(world.spawn(Life(READER), _play(act, backend, world, keys)))
        finally:
            disks.remove()
        if world.chain.broken is not None:
            world.failures.insert(0, world.chain.broken)
        world.failures += [f"nobody was told: {fault}" for fault in loop.faults]
        world.failures += [f"left over: {left}" for left in world.leftovers()]
    return stage, gain, world.failures
