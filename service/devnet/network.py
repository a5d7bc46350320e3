"""A development network on this machine: a chain and one process per peer, with money, addresses and directories."""

from __future__ import annotations

import asyncio
import json
import os
import random
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from service import durable
from service.chain_client import ChainClient, frame
from service.hypercore.net import PeerAddress
from service.session import chain_session
from service.vault.keyfile import KeyFile

from .processes import Child, module, stop_all

log = structlog.get_logger(__name__)

UNIT = 10**12
BLOCK_MS = 500
PEERS = (
    ("author,sponsor", 1, 2_000 * UNIT),
    ("hoster", 4, 20 * UNIT),
    ("encoder", 4, 250 * UNIT),
    ("attester", 3, 100 * UNIT),
)
"""Roles, how many peers of them, and the money that each is given."""
BACKENDS = ("model", "wasm")
"""Of the mock chain."""
FILE = "devnet.json"
PORTS = range(20_000, 32_000)
OnLine = Callable[["NetPeer", dict[str, Any]], None]


class DevnetError(Exception):
    """A development network that cannot be; says why."""


@dataclass(slots=True)
class NetPeer:
    """One peer of the network."""

    role: str
    directory: Path
    keys: KeyFile
    port: int
    child: Child | None = None
    money: int = 0

    @property
    def address(self) -> PeerAddress:
        """Where it listens."""
        return PeerAddress(self.keys.swarm_key, "127.0.0.1", self.port)

    @property
    def key_path(self) -> Path:
        """Its key file."""
        return self.directory / "key.json"

    def describe(self) -> dict[str, Any]:
        """The peer as the ready line names it."""
        return {
            "role": self.role,
            "account": self.keys.address,
            "swarm_key": self.keys.swarm_key.hex(),
            "address": f"127.0.0.1:{self.port}",
            "dir": str(self.directory),
            "key": str(self.key_path),
            "pid": self.child.pid if self.child is not None else 0,
        }


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now.

    They lie below those that systems give to outgoing connections: a peer that is started again finds its own still free.
    """
    found: list[int] = []
    for port in random.sample(PORTS, len(PORTS)):
        if len(found) == count:
            return found
        with socket.socket() as one, suppress(OSError):
            one.bind(("127.0.0.1", port))
            found.append(port)
    raise DevnetError(f"there are no {count} free ports from {PORTS.start} to {PORTS.stop - 1}")


def kept_ports(path: Path, count: int) -> list[int]:
    """The ports of the last run, kept in a file; free ones at the first. Raises :class:`DevnetError`."""
    if path.exists():
        try:
            ports = json.loads(path.read_text())["ports"]
            if len(ports) == count and all(type(port) is int and 0 < port < 65536 for port in ports):
                return list(ports)
        except (ValueError, LookupError, TypeError):
            pass
        raise DevnetError(f"{path} does not hold the ports of {count} peers: remove it to pick new ones")
    ports = free_ports(count)
    durable.replace(path, (json.dumps({"ports": ports}) + "\n").encode(), mode=0o644)
    return ports


@dataclass(slots=True)
class Devnet:
    """Use as a context: what it started ends with it."""

    directory: Path
    chain: str = "model"
    extra_peers: tuple[str, ...] = ()
    on_line: OnLine | None = None
    kinds: tuple[tuple[str, int, int], ...] = PEERS
    rpc: str = ""
    peers: list[NetPeer] = field(default_factory=list)
    _chain_child: Child | None = None

    async def __aenter__(self) -> Devnet:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start_chain(self) -> None:
        """Start the mock, or take the chain that was named. Raises :class:`ProcessFailed`, :class:`DevnetError`."""
        self.directory.mkdir(parents=True, exist_ok=True)
        if self.chain.startswith(("ws://", "wss://")):
            self.rpc = self.chain
        elif self.chain in BACKENDS:
            command = module("runtime_mock", "--backend", self.chain, "--port", "0", "--seal", str(BLOCK_MS))
            command += ["--state", str(self.directory / "chain.sqlite")]
            self._chain_child = Child("the mock chain", command, self.directory / "chain.log")
            self.rpc = (await self._chain_child.start())["rpc"]
        else:
            raise DevnetError(f"chain {self.chain!r} is not model, wasm or an address such as ws://127.0.0.1:9944")
        self._prepare_peers()

    def _prepare_peers(self) -> None:
        """Directories, keys and ports, those of the last run if there was one."""
        names = [(role, f"{role.split(',')[0]}-{i}", money) for role, n, money in self.kinds for i in range(1, n + 1)]
        ports = kept_ports(self.directory / FILE, len(names))
        for (role, name, money), port in zip(names, ports, strict=True):
            directory = self.directory / name
            directory.mkdir(exist_ok=True)
            key = directory / "key.json"
            keys = KeyFile.load(key) if key.exists() else KeyFile.create(key)
            self.peers.append(NetPeer(role, directory, keys, port, money=money))

    async def fund(self) -> None:
        """Give every peer that has less than half of its money some from //Alice. Raises ChainError."""
        async with chain_session(self.rpc, "//Alice") as session:
            balances = [await session.client.balance(peer.keys.account) for peer in self.peers]
            poor = [peer for peer, has in zip(self.peers, balances, strict=True) if has < peer.money // 2]
            await asyncio.gather(
                *(session.signer.submit(frame.transfer(peer.keys.account, peer.money)) for peer in poor)
            )

    async def start_peers(self) -> None:
        """Start every peer's process. Raises :class:`ProcessFailed`."""
        # whoever has begun to start has done so, or is gone, before anybody is stopped
        results = await asyncio.gather(*(self.start_peer(peer) for peer in self.peers), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def start_peer(self, peer: NetPeer) -> None:
        """Start one peer's process, at first or again with what it has stored. Raises :class:`ProcessFailed`."""
        everyone = [str(other.address) for other in self.peers] + list(self.extra_peers)
        command = module("service.cli", "node", "--json", "--dir", str(peer.directory), "--chain", self.rpc)
        command += ["--roles", peer.role, "--listen", f"127.0.0.1:{peer.port}"]
        for other in everyone:
            if other != str(peer.address):
                command += ["--peer", other]
        on_line = self.on_line
        listener = None if on_line is None else lambda line: on_line(peer, line)
        peer.child = Child(peer.directory.name, command, peer.directory / "node.log", listener)
        await peer.child.start()

    async def wait_for_offers(self, client: ChainClient) -> None:
        """Until every hoster, encoder and attester has its offer on the chain."""
        waiting = list(self.peers)
        while waiting:
            self.check_running()
            waiting = [peer for peer in waiting if not await _offers(client, peer)]
            if waiting:
                await asyncio.sleep(0.25)

    def check_running(self) -> None:
        """Raises DevnetError when the chain or a peer has ended by itself."""
        children = [self._chain_child, *(peer.child for peer in self.peers)]
        for child in children:
            if child is not None and child.ended:
                raise DevnetError(f"{child.name} ended: {child.log_tail()}")

    async def chain_ended(self) -> None:
        """Wait for the end of the chain that was started here. Raises :class:`DevnetError`."""
        if self._chain_child is None:
            await asyncio.Event().wait()
            return
        await self._chain_child.wait()
        raise DevnetError(f"{self._chain_child.name} ended: {self._chain_child.log_tail()}")

    async def stop(self, kill: bool = False) -> None:
        """Stop peers, then the chain; ``kill``: at once, where nothing that they stored is kept."""
        await stop_all([peer.child for peer in self.peers if peer.child is not None], kill)
        if self._chain_child is not None:
            await stop_all([self._chain_child], kill)

    def describe(self) -> dict[str, Any]:
        """The ready line."""
        return {"rpc": self.rpc, "peers": [peer.describe() for peer in self.peers]}


async def _offers(client: ChainClient, peer: NetPeer) -> bool:
    """Whether the peer's offers stand, one for each of its roles that has any."""
    storage, account, roles = client.storage, peer.keys.account, peer.role.split(",")
    hoster = await storage.hoster(account) if "hoster" in roles else None
    encoder = await storage.encoder(account) if "encoder" in roles else None
    attester = await storage.attester(account) if "attester" in roles else None
    return (
        ("hoster" not in roles or (hoster is not None and hoster.open))
        and ("encoder" not in roles or (encoder is not None and encoder.open))
        and ("attester" not in roles or (attester is not None and bool(attester.slots)))
    )


async def run_devnet(net: Devnet, on_ready: Callable[[dict[str, Any]], None]) -> None:
    """Run a network until cancelled; a peer that is killed from outside is left as it is. Raises :class:`DevnetError`."""
    async with net:
        await net.start_chain()
        async with await ChainClient.connect(net.rpc) as client:
            await net.fund()
            await net.start_peers()
            await net.wait_for_offers(client)
        on_ready(net.describe())
        log.info("devnet ready", rpc=net.rpc, peers=len(net.peers), pid=os.getpid())
        await net.chain_ended()
