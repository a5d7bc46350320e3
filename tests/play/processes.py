"""A stage of processes: the real node as the chain, and one `datdot node` for each peer."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

from service.chain_client import ChainClient, Follower, frame
from service.chain_client.pallet import calls
from service.chain_client.pallet.types import SignedHead
from service.devnet.network import Devnet, NetPeer
from service.devnet.processes import module
from service.feeds.export import blocks_of
from service.feeds.fetch import fetch_feed
from service.hypercore import Corestore, KeyPair
from service.hypercore.core import Core
from service.hypercore.net import TcpTransport
from service.roles.common.terms import RolesConfig
from service.roles.sponsor.checks import check_head
from service.session import Session, chain_session
from service.units import UNIT
from service.vault import load_keys
from tests.support.chains import running_chain

from .catalogue import Act
from .stage import Peer, Stage

BLOCK = 4_096
BLOCK_MS = 600
AUTHOR_MONEY = 20_000 * UNIT
READ_SECONDS = 120.0
OFFER_SECONDS = 300.0
"""Within which all peers have made their offers, or never will."""


class PlayNet(Devnet):
    """A development network whose peers are those of a play."""

    kind: str
    act: Act

    def command_of(self, peer: NetPeer) -> list[str]:
        """See Devnet: the same arguments for another program."""
        arguments = super().command_of(peer)
        after = arguments[arguments.index("service.cli") + 1 :]
        return module("tests.play.modified", self.kind, self.act.name, peer.directory.name, *after)


@dataclass(frozen=True, slots=True)
class RealPeer:
    """A process of the network."""

    net: NetPeer

    @property
    def name(self) -> str:
        """See Peer."""
        return self.net.directory.name

    @property
    def account(self) -> bytes:
        """See Peer."""
        return self.net.keys.account


class RealStage(Stage):
    """A network of processes. The sponsor is the author's account."""

    def __init__(self, act: Act, net: PlayNet, client: ChainClient) -> None:
        super().__init__(act.cast.config)
        self.client, self._net = client, net
        self._random = Random(f"{act.name} feeds")

    def peers(self, role: str) -> Sequence[RealPeer]:
        """See Stage."""
        return [RealPeer(one) for one in self._net.peers if role in one.role.split(",")]

    def _peer(self, peer: Peer) -> NetPeer:
        return next(one for one in self._net.peers if one.directory.name == peer.name)

    async def kill(self, peer: Peer) -> None:
        """See Stage."""
        child = self._peer(peer).child
        assert child is not None
        await child.kill()

    async def start(self, peer: Peer, config: RolesConfig | None = None) -> None:
        """See Stage. The terms of a process are those of its cast."""
        assert config is None, "a play in which terms change is one for the simulated network"
        await self._net.start_peer(self._peer(peer))

    def check_running(self) -> None:
        """See Stage."""
        self._net.check_running()

    @asynccontextmanager
    async def session(self, name: str) -> AsyncIterator[Session]:
        """See Stage."""
        found = [one for one in self._net.peers if one.directory.name == name]
        keys = (found or self._net.peers)[0].keys
        async with chain_session(self._net.rpc, keys) as session:
            yield session

    # ---- feeds and disks

    def _blocks(self, size: int) -> list[bytes]:
        data = self._random.randbytes(size)
        return [data[at : at + BLOCK] for at in range(0, size, BLOCK)]

    def _store(self) -> Corestore:
        return Corestore(self._net.peers[0].directory)

    def create(self, size: int) -> Core:
        """See Stage."""
        core = self._store().create()
        core.append(self._blocks(size))
        core.flush()
        return core

    def append(self, core: Core, size: int) -> None:
        """See Stage."""
        core.append(self._blocks(size))
        core.flush()

    def fork(self, core: Core) -> SignedHead:
        """See Stage."""
        core.truncate(core.length - 1)
        core.append(self._blocks(BLOCK))
        core.flush()
        return check_head(core.head())

    async def read(self, core: Core, peers: Sequence[Peer]) -> bytes:
        """See Stage."""
        store = Corestore(None)
        try:
            mine = store.get(core.key)
            addresses = [self._peer(one).address for one in peers]
            async with TcpTransport(KeyPair.generate(), addresses) as transport, asyncio.timeout(READ_SECONDS):
                await fetch_feed(mine, transport)
            return b"".join(blocks_of(mine))
        finally:
            store.close()

    def directory(self, peer: Peer) -> Path:
        """See Stage."""
        return self._peer(peer).directory

    # ---- its life

    async def follow(self) -> None:
        """Note every block."""
        first = await self.client.header(await self.client.block_hash(0))
        assert first is not None
        follower = Follower(self.client, first.ref)
        running = asyncio.create_task(follower.run())
        try:
            async for block in follower.blocks():
                await self.see(block)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


async def _set_amounts(stage: RealStage, rpc: str, act: Act) -> None:
    """Set the play's amounts, as root."""
    amounts = replace(await stage.client.storage.amounts(), **act.cast.amounts)
    async with chain_session(rpc, load_keys("//Alice")) as session:
        await session.signer.submit(frame.sudo(calls.set_parameters(amounts)))


async def _play(kind: str, act: Act, url: str, folder: Path) -> tuple[RealStage, int | None, list[str]]:
    cast = act.cast
    assert not cast.times, f"{act.name}: the times of the real node's chain are those of its preset"
    assert cast.preset == "development", f"{act.name}: the real node's chain has the development preset"
    kinds = [("author,sponsor", 1, AUTHOR_MONEY)]
    for role, count in (("hoster", cast.hosters), ("encoder", cast.encoders), ("attester", cast.attesters)):
        kinds += [(role, count, cast.money)] if count else []
    net = PlayNet(folder, url, kinds=tuple(kinds))
    net.kind, net.act = kind, act
    gain, failures = None, []
    async with net:
        await net.start_chain()
        async with await ChainClient.connect(net.rpc) as client:
            stage = RealStage(act, net, client)
            following = asyncio.create_task(stage.follow())
            try:
                await _set_amounts(stage, net.rpc, act)
                await net.start()
                async with asyncio.timeout(OFFER_SECONDS):
                    await net.wait_for_offers(client)
                await stage.until("the first block", lambda: stage.now > 0)
                gain = await act.play(stage)
                await stage.check_books()
            except AssertionError as error:
                failures.append(str(error) or repr(error))
            except Exception as error:  # noqa: BLE001 - whatever ends a play is its failure
                failures.append(f"{type(error).__name__}: {error}")
            finally:
                following.cancel()
                await asyncio.gather(following, return_exceptions=True)
    return stage, gain, failures


def play_with_processes(kind: str, act: Act) -> tuple[RealStage, int | None, list[str]]:
    """Play on the real node; what went wrong comes last."""
    with tempfile.TemporaryDirectory(prefix="datdot-play-") as folder:
        base = Path(folder) / "chain"
        base.mkdir()
        with running_chain("node", base, BLOCK_MS) as chain:
            return asyncio.run(_play(kind, act, chain.url, Path(folder) / "net"))
