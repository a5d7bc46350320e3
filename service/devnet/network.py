"""A development network on this machine: a chain and one process per peer, with money, addresses and directories."""

from __future__ import annotations

import asyncio
import json
import os
import random
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from service import durable
from service.chain_client import ChainClient, frame
from service.hypercore.net import PeerAddress
from service.hypercore.swarm import DHT
from service.hypercore.swarm.dht.address import Address
from service.operating.alerts.book import AlertBook
from service.operating.alerts.rules import peers_gone
from service.session import chain_session
from service.units import UNIT
from service.vault import PeerKeys, create_key_file, load_keys

from .forked import Forked, fork_all
from .processes import Child, module, stop_all

log = structlog.get_logger(__name__)

BLOCK_MS = 500
"""Time between blocks of the mock chain: short, because everybody waits for blocks, and long enough to be idle between them."""
PEERS = (
    ("author,sponsor", 1, 2_000 * UNIT),
    ("hoster", 4, 20 * UNIT),
    ("encoder", 4, 250 * UNIT),
    ("attester", 3, 100 * UNIT),
)
"""Roles, how many peers have them, and the money each of these peers receives."""
BACKENDS = ("model", "wasm")
"""Backends of the mock chain."""
FILE = "devnet.json"
WATCH_SECONDS = 1.0
"""Between two looks at the peers' processes."""
STARTING = 4
"""Peers that start at once, at least: on a busy machine a chain that a dozen ask for its metadata answers none of them in time."""
PORTS = range(20_000, 32_000)
"""Ports for peers, below the range from which systems pick ports for outgoing connections."""
OnLine = Callable[["NetPeer", dict[str, Any]], None]


class DevnetError(Exception):
    """A development network cannot run. The message says why."""


@dataclass(slots=True)
class NetPeer:
    """One peer of the network."""

    role: str
    directory: Path
    keys: PeerKeys
    port: int
    child: Child | None = None
    money: int = 0

    @property
    def address(self) -> PeerAddress:
        """The peer's swarm key and listening address."""
        return PeerAddress(self.keys.swarm_key, "127.0.0.1", self.port)

    @property
    def key_path(self) -> Path:
        """Path of the peer's key file."""
        return self.directory / "key.json"

    def describe(self) -> dict[str, Any]:
        """Return the peer as the ready line shows it."""
        return {
            "role": self.role,
            "account": self.keys.address,
            "swarm_key": self.keys.swarm_key.hex(),
            "address": f"127.0.0.1:{self.port}",
            "dir": str(self.directory),
            "key": str(self.key_path),
            "pid": self.child.pid if self.child is not None else 0,
        }


def fork_peers(run: Callable[[list[str]], None]) -> list[Forked]:
    """Fork a process for each peer of a network, to be called before there is a loop. `run` runs `datdot` with arguments."""
    return fork_all(sum(count for _, count, _ in PEERS), run)


def free_ports(count: int) -> list[int]:
    """Return ports on which nobody listens at the moment.

    They are below the range for outgoing connections, so that a restarted peer finds its port still free.
    """
    found: list[int] = []
    for port in random.sample(PORTS, len(PORTS)):
        if len(found) == count:
            return found
        with socket.socket() as one, suppress(OSError):
            one.bind(("127.0.0.1", port))
            found.append(port)
    raise DevnetError(f"fewer than {count} ports are free from {PORTS.start} to {PORTS.stop - 1}: stop what uses them")


def kept_ports(path: Path, count: int) -> list[int]:
    """Return the ports of the last run, kept in a file, or free ones at the first. Raises DevnetError."""
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
    """A network, used as a context: whatever it started stops at the end of the context."""

    directory: Path
    chain: str = "model"
    extra_peers: tuple[str, ...] = ()
    on_line: OnLine | None = None
    kinds: tuple[tuple[str, int, int], ...] = PEERS
    block_ms: int = BLOCK_MS
    """Time between blocks of the mock chain, in milliseconds."""
    forked: list[Forked] = field(default_factory=list)
    """Processes that wait to be peers. Without one left, a peer is a process of its own from the start."""
    rpc: str = ""
    bootstrap: tuple[str, ...] = ()
    """The node of the DHT by which the peers find each other. It runs in this process."""
    peers: list[NetPeer] = field(default_factory=list)
    _chain_child: Child | None = None
    _waits: bool = False
    """Whether the chain seals no block before the peers run: it goes on from an earlier run, and they have duties on it."""
    _dht: DHT | None = None

    async def __aenter__(self) -> Devnet:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start_chain(self) -> None:
        """Start the mock chain, or use the chain at the given address. Raises ProcessFailed and DevnetError."""
        self.directory.mkdir(parents=True, exist_ok=True)
        if self.chain.startswith(("ws://", "wss://")):
            self.rpc = self.chain
        elif self.chain in BACKENDS:
            state = self.directory / "chain.sqlite"
            self._waits = state.exists()
            seal = "manual" if self._waits else str(self.block_ms)
            command = module("runtime_mock", "--backend", self.chain, "--port", "0", "--control", "--seal", seal)
            command += ["--state", str(state)]
            self._chain_child = Child("the mock chain", command, self.directory / "chain.log")
            self.rpc = (await self._chain_child.start())["rpc"]
        else:
            raise DevnetError(
                f"chain {self.chain!r} is neither model nor wasm nor an address such as ws://127.0.0.1:9944"
            )
        await self._start_dht()
        self._prepare_peers()

    async def _start_dht(self) -> None:
        here = Address("127.0.0.1", 0)
        self._dht = await DHT(here, (), here).__aenter__()
        self.bootstrap = (str(self._dht.address),)

    def _prepare_peers(self) -> None:
        """Prepare directories, keys and ports, reusing those of the last run."""
        names = [(role, f"{role.split(',')[0]}-{i}", money) for role, n, money in self.kinds for i in range(1, n + 1)]
        ports = kept_ports(self.directory / FILE, len(names))
        for (role, name, money), port in zip(names, ports, strict=True):
            directory = self.directory / name
            directory.mkdir(exist_ok=True)
            key = directory / "key.json"
            keys = load_keys(key) if key.exists() else create_key_file(key)
            self.peers.append(NetPeer(role, directory, keys, port, money=money))

    async def fund(self) -> None:
        """Give every peer with less than half of its money a transfer from //Alice. Raises ChainError."""
        async with chain_session(self.rpc, load_keys("//Alice")) as session:
            balances = [await session.client.balance(peer.keys.account) for peer in self.peers]
            poor = [peer for peer, has in zip(self.peers, balances, strict=True) if has < peer.money // 2]
            await asyncio.gather(
                *(session.signer.submit(frame.transfer(peer.keys.account, peer.money)) for peer in poor)
            )

    async def start(self) -> None:
        """Fund and start the peers at the same time: they wait for their money by themselves. Raises what both raise."""
        funding = asyncio.create_task(self.fund())
        try:
            await self._start_peers()
            await funding
        finally:
            funding.cancel()
            await asyncio.gather(funding, return_exceptions=True)

    async def _start_peers(self) -> None:
        """Start every peer's process, then let a chain that waits for them go on. Raises ProcessFailed."""
        turns = asyncio.Semaphore(max(STARTING, os.cpu_count() or 1))

        async def start(peer: NetPeer) -> None:
            async with turns:
                await self.start_peer(peer)

        # gather with return_exceptions: every start has ended, well or badly, before anything is stopped
        results = await asyncio.gather(*map(start, self.peers), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result
        if self._waits:
            async with await ChainClient.connect(self.rpc) as client:
                await client.rpc.request("mock_setSealing", self.block_ms)

    def command_of(self, peer: NetPeer) -> list[str]:
        """Return the command that runs one peer."""
        command = module("service.cli", "node", "--json", "--dir", str(peer.directory), "--chain", self.rpc)
        command += ["--roles", peer.role, "--listen", f"127.0.0.1:{peer.port}"]
        for node in self.bootstrap:
            command += ["--bootstrap", node]
        for other in self.extra_peers:
            command += ["--peer", other]
        return command

    async def start_peer(self, peer: NetPeer) -> None:
        """Start one peer's process, for the first time or again with what it has stored. Raises ProcessFailed."""
        on_line = self.on_line
        listener = None if on_line is None else lambda line: on_line(peer, line)
        forked = self.forked.pop() if self.forked else None
        peer.child = Child(peer.directory.name, self.command_of(peer), peer.directory / "node.log", listener, forked)
        await peer.child.start()

    async def wait_for_offers(self, client: ChainClient) -> None:
        """Wait until every hoster, encoder and attester has its offer on the chain."""
        waiting = list(self.peers)
        while waiting:
            self.check_running()
            waiting = [peer for peer in waiting if not await _offers(client, peer)]
            if waiting:
                await asyncio.sleep(0.25)  # half a block

    def check_running(self) -> None:
        """Raise DevnetError if the chain or a peer has ended by itself."""
        children = [self._chain_child, *(peer.child for peer in self.peers)]
        for child in children:
            if child is not None and child.ended:
                raise DevnetError(f"{child.name} ended: {child.log_tail()}")

    async def chain_ended(self) -> None:
        """Wait until the chain that was started here ends, then raise DevnetError. Wait for ever for another chain."""
        if self._chain_child is None:
            await asyncio.Event().wait()
            return
        await self._chain_child.wait()
        raise DevnetError(f"{self._chain_child.name} ended: {self._chain_child.log_tail()}")

    async def stop(self, kill: bool = False) -> None:
        """Stop the peers, then the chain.

        With `kill`, end them at once, for when nothing they stored is kept.
        """
        await stop_all([peer.child for peer in self.peers if peer.child is not None], kill)
        if self._chain_child is not None:
            await stop_all([self._chain_child], kill)
        if self._dht is not None:
            self._dht.close()

    def describe(self) -> dict[str, Any]:
        """Return the ready line."""
        return {"rpc": self.rpc, "bootstrap": list(self.bootstrap), "peers": [peer.describe() for peer in self.peers]}


async def _offers(client: ChainClient, peer: NetPeer) -> bool:
    """Return whether the peer's offers stand, one for each of its roles that makes offers."""
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
    """Run a network until cancelled. A peer killed from outside is not restarted. Raises DevnetError."""
    async with net:
        await net.start_chain()
        async with await ChainClient.connect(net.rpc) as client:
            await net.start()
            await net.wait_for_offers(client)
        on_ready(net.describe())
        log.info("devnet ready", rpc=net.rpc, peers=len(net.peers), pid=os.getpid())
        watching = asyncio.create_task(watch_peers(net))
        try:
            await net.chain_ended()
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)


async def watch_peers(net: Devnet) -> None:
    """Tell of each peer whose process ended, once, until cancelled."""
    book, turn, tails = AlertBook(), 0, dict[str, str]()
    while True:
        ended = {peer.directory.name: peer.child for peer in net.peers if peer.child is not None and peer.child.ended}
        tails = {name: tails.get(name) or child.log_tail() for name, child in ended.items()}
        for alert in book.step({"peers_gone": peers_gone(tails.items())}, turn, time.time()):
            if alert.closed is None:
                log.error("alert", severity=alert.severity.value, about=alert.text, why=alert.why, remedy=alert.remedy)
            else:
                log.info("alert is over", about=alert.text)
        turn += 1
        await asyncio.sleep(WATCH_SECONDS)  # a poll: what reaps a process tells nobody else
