"""The hosts of a simulated network: peers that run the product's node, commands that sign, and what can befall them."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from contextvars import copy_context
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from service.chain_client import ChainClient, ConnectionLost, Follower, Signer
from service.disk import DISK_ERRORS
from service.encoding.inline import InlineCodec
from service.hypercore import KeyPair
from service.hypercore.net import PeerAddress
from service.node.run import run_node
from service.node.settings import NodeSettings
from service.ports import Ports
from service.roles.common.terms import RolesConfig
from service.session import Session
from service.vault import PeerKeys, Vault
from service.vault.vaultfile import Cost

from .chain import Link, SimChain, SimRpc
from .disk import Disk, Disks, FullDisks, lost_sectors
from .loop import LIFE, Life, VirtualLoop
from .network import Network

PORT = 4000
RESTART_SECONDS = 5.0
GRAVES: list[Life] = []
"""Lives that crashed: a coroutine that is freed would run what its end must not."""


class AccountPair:
    """An ed25519 account: its signatures are the same in every run, as sr25519's are not."""

    crypto_type = 0

    def __init__(self, seed: bytes) -> None:
        self._pair = KeyPair(seed)
        self.public_key = self._pair.public

    def sign(self, data: bytes) -> bytes:
        """64 bytes."""
        return self._pair.sign(data)


def account_of(keys: PeerKeys) -> AccountPair:
    """The account of a key file, in a simulation."""
    return AccountPair(keys.account_secret)


class TimedCodec(InlineCodec):
    """Work takes the time that it takes a core, by the clock of the loop."""

    def __init__(self, sectors_per_second: float) -> None:
        super().__init__()
        self._speed = sectors_per_second

    async def work(self, sectors: int) -> None:
        """See InlineCodec."""
        await asyncio.sleep(sectors / self._speed * LIFE.get().slow)


@dataclass(slots=True, eq=False)
class SimPeer:
    """A peer: its keys, its disk, and the life that it is in."""

    name: str
    roles: tuple[str, ...]
    keys: PeerKeys
    folder: Path
    link: Link
    account: bytes
    directory: Path = Path()
    operator: PeerKeys | None = None
    """The keys that its node has, if not the account's own."""
    lives: int = 0
    life: Life | None = None
    task: asyncio.Task[Any] | None = None
    doomed: bool = False
    """It loses its power at its next fsync."""
    doomed_after: str = ""
    """It loses its power when its role tells of this event."""

    @property
    def address(self) -> str:
        """`KEY@host:port`."""
        return str(PeerAddress(self.keys.swarm_key, self.name, PORT))


@dataclass(slots=True)
class World:
    """Everything that is simulated."""

    seed: int
    loop: VirtualLoop
    network: Network
    chain: SimChain
    disks: Disks
    top: Path
    config: RolesConfig
    speed: float
    configs: dict[str, RolesConfig] = field(default_factory=dict)
    """Of peers that have other terms than the rest."""
    peers: list[SimPeer] = field(default_factory=list)
    random: Random = field(init=False)
    failures: list[str] = field(default_factory=list)
    crashes: int = 0
    full: FullDisks = field(init=False)
    closing: bool = False

    def __post_init__(self) -> None:
        self.random = Random(f"{self.seed} world")
        self.disks.on_sync = self._on_sync
        self.full = FullDisks(self.top)

    @property
    def well(self) -> bool:
        """Whether nothing is wrong yet."""
        return not self.failures and self.chain.broken is None

    def bury(self, life: Life) -> None:
        """A life ends as it stands."""
        life.alive = False
        GRAVES.append(life)

    def fail(self, why: str) -> None:
        """Something that must hold does not."""
        self.failures.append(why)

    # ---- peers

    def add_peer(self, name: str, roles: tuple[str, ...], keys: PeerKeys) -> SimPeer:
        """A peer with a directory; it does not run yet."""
        folder = self.top / name
        folder.mkdir()
        self.network.add(name, self.random.uniform(0.002, 0.06), 1_000_000)
        peer = SimPeer(name, roles, keys, folder, Link(self.random.uniform(0.002, 0.05)), account_of(keys).public_key)
        peer.directory = folder / "0"
        peer.directory.mkdir()
        _write_keys(peer.directory / "key.json", keys)
        self.peers.append(peer)
        return peer

    def operate(self, peer: SimPeer, keys: PeerKeys) -> None:
        """Give its node an operator's keys in place of those that it has. A node that runs is started anew."""
        peer.operator, runs = keys, peer.life is not None
        self.crash(peer, power=False)
        path = peer.directory / "key.json"
        path.unlink()
        Vault(keys).create(path, PASSPHRASE, Cost(8192, 1))
        if runs:
            self.start(peer)

    def start(self, peer: SimPeer) -> None:
        """Start its node, at first or again."""
        peer.lives += 1
        peer.doomed, peer.doomed_after = False, ""
        life = peer.life = Life(peer.name, peer.lives)
        self.network.hosts[peer.name].powered = True
        self.disks.of[life] = Disk(peer.directory)
        peer.task = self.spawn(life, self._run(peer, life))

    def spawn(self, life: Life, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """A task of a life."""
        context = copy_context()
        context.run(LIFE.set, life)
        return self.loop.create_task(work, context=context)

    async def _run(self, peer: SimPeer, life: Life) -> None:
        everyone = tuple(other.address for other in self.peers if other is not peer)
        settings = NodeSettings("simulation", peer.roles, peer.name, PORT, everyone)
        ports = Ports(
            rpc=lambda _, genesis: SimRpc(self.chain, peer.link, genesis),
            codec=lambda: TimedCodec(self.speed),  # type: ignore[arg-type]
            account=account_of,
        )
        ready: list[object] = []
        while True:
            try:
                config = self.configs.get(peer.name, self.config)
                told = partial(self._told, peer)
                await run_node(peer.directory, settings, ready.append, told, config, ports, lambda _: PASSPHRASE)
            except ConnectionLost:
                # as a supervisor would: without a chain at its start a node ends
                await asyncio.sleep(RESTART_SECONDS)
            except DISK_ERRORS as error:
                # and without a disk; but one that runs outlives that
                if ready or peer.folder not in self.full.full:
                    self.fail(f"{life} ended: {type(error).__name__}: {error}")
                    return
                await asyncio.sleep(RESTART_SECONDS)
            except Exception as error:  # noqa: BLE001 - whatever ends a node is a failure of the life
                self.fail(f"{life} ended: {type(error).__name__}: {error}")
                return

    def crash(self, peer: SimPeer, power: bool) -> None:
        """Its tasks are dropped; with `power` what was not synced is lost, and nobody is told that it is gone."""
        life = peer.life
        if life is None:
            return
        self.crashes += 1
        target = peer.folder / str(peer.lives)
        disk = self.disks.of.pop(life)
        if power:
            disk.after_power_loss(target, self.random)
            for lost in lost_sectors(peer.directory, target):
                self.fail(f"block {self.chain.number}: {peer.name}: {lost}")
        else:
            shutil.copytree(peer.directory, target, ignore=shutil.ignore_patterns("*-shm"))
        disk.close()
        self.bury(life)
        peer.life = peer.task = None
        peer.directory = target
        peer.link.die()
        self.network.power_off(peer.name, power)
        self.network.hosts[peer.name].powered = not power

    def _on_sync(self, life: Life, after: bool) -> None:
        peer = next((one for one in self.peers if one.life is life), None)
        if peer is not None and peer.doomed and self.random.random() < 0.5:
            self.crash(peer, power=True)

    def _told(self, peer: SimPeer, event: dict[str, object]) -> None:
        if peer.doomed_after and event["event"] == peer.doomed_after and LIFE.get() is peer.life:
            self.crash(peer, power=True)

    async def stop(self) -> None:
        """End all nodes as a signal does, and see what is left."""
        self.closing = True
        for peer in self.peers:
            if peer.task is not None:
                peer.task.cancel()
        tasks = [peer.task for peer in self.peers if peer.task is not None]
        await asyncio.gather(*tasks, return_exceptions=True)

    def leftovers(self) -> list[str]:
        """Tasks and files of nodes that were stopped."""
        found = []
        for peer in self.peers:
            if peer.life is not None:
                found += [f"{peer.life}: task {task!r:.300}" for task in peer.life.tasks if not task.done()]
        for disk in self.disks.of.values():
            disk.close()
        running = [str(peer.directory) + "/" for peer in self.peers if peer.life is not None]
        for name in sorted(os.listdir("/proc/self/fd")):
            try:
                path = os.readlink(f"/proc/self/fd/{name}")
            except OSError:
                continue
            if any(path.startswith(one) for one in running):
                found.append(f"open file {path}")
        return found

    # ---- commands

    @asynccontextmanager
    async def session(self, link: Link, keys: PeerKeys, directory: Path) -> AsyncIterator[Session]:
        """A session of a command that signs, as `service.session` makes it."""
        client = await ChainClient.connect("simulation", rpc=SimRpc(self.chain, link))
        follower = Follower(client)
        signer = Signer(client, account_of(keys), directory / "command.sqlite", follower)
        tasks = [self.loop.create_task(follower.run()), self.loop.create_task(signer.run())]
        try:
            await follower.wait_for(0)
            yield Session(client, signer, follower, keys)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            signer.close()
            await client.close()


PASSPHRASE = b"of all vaults"


def _write_keys(path: Path, keys: PeerKeys) -> None:
    seeds = {"account": keys.account_secret, "swarm": keys.swarm_seed, "statement": keys.statement_seed}
    path.write_text(json.dumps({"version": 1, **{name: seed.hex() for name, seed in seeds.items()}}))
    path.chmod(0o600)
