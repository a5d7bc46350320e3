"""The simulated chain as tests of roles see it: its state, what it heard, its events, and accounts that send it calls."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from runtime_mock.model.datdot import items
from runtime_mock.model.datdot.records import Copy, Plan, Segment
from runtime_mock.model.datdot.types import Attester, Peer
from runtime_mock.model.frame import extrinsic
from runtime_mock.node.chain import Block
from runtime_mock.node.engine import Event, Finalized
from runtime_mock.state.overlay import Overlay
from service.chain_client import ChainClient, Follower, Signer
from service.chain_client.pallet import events
from service.chain_client.runtime.events import EventRecord
from service.chain_client.runtime.metadata import Runtime
from service.vault import PeerKeys
from tests.simulation.chain import Link, SimChain, SimRpc
from tests.simulation.world import account_of
from tests.support.copy_world import digest

BLOCK_SECONDS = 6.0
LATENCY = 0.001
PATIENCE_BLOCKS = 600
"""More than a lease and the removal of a copy's records take."""
UNIT = 10**12
MONEY = 2_000 * UNIT

E = TypeVar("E")


def keys_of(name: str) -> PeerKeys:
    """Return the keys of a name."""
    return PeerKeys(digest(name, "account"), digest(name, "swarm"), digest(name, "statement"))


def account(name: str) -> bytes:
    """Return the account of a name."""
    return account_of(keys_of(name)).public_key


@dataclass(frozen=True, slots=True)
class Heard:
    """A call that reached the node: its name, and its arguments in order."""

    name: str
    arguments: tuple[Any, ...]


class SmallChain:
    """The model in the mock's engine, a block each 6 s of the virtual clock."""

    def __init__(self, money: dict[bytes, int]) -> None:
        self.sim = SimChain(0, BLOCK_SECONDS, account("Root"), money)
        self.deaf: set[str] = set()
        """Names of calls that the node takes and forgets."""
        self.heard: list[Heard] = []
        self.records: list[EventRecord] = []
        """All events, but those of the blocks before `start`."""
        self.client: ChainClient
        self._runtime: Runtime
        self._changed = asyncio.Event()

    async def start(self) -> None:
        """Connect `client`, by which tests read, and listen to the chain."""
        self.client = await ChainClient.connect("simulation", rpc=self.connect())
        self._runtime = await self.client.runtime_at(self.genesis)
        self.sim.engine.listen(self._on_event)

    def connect(self) -> SimRpc:
        """Return a connection to the node."""
        return _HearingRpc(self, Link(LATENCY))

    def _on_event(self, event: Event) -> None:
        if not isinstance(event, Finalized):
            return
        assert event.block.state is not None
        raw = event.block.state.get(self._runtime.storage_key("System", "Events"))
        self.records += self._runtime.decode_events(raw) if raw is not None else ()
        self.poke()

    def poke(self) -> None:
        """Let those who wait for a state look again."""
        self._changed.set()
        self._changed = asyncio.Event()

    # ---- what it is

    @property
    def genesis(self) -> bytes:
        """The hash of block 0."""
        return self.sim.chain.genesis.hash

    @property
    def latest(self) -> Block:
        """The last block, which is final."""
        return self.sim.chain.finalized

    @property
    def number(self) -> int:
        """Its number."""
        return self.latest.number

    @property
    def era(self) -> int:
        """Its era."""
        return self.number // self.client.times.era

    @property
    def state(self) -> Overlay:
        """Its state."""
        return Overlay(self.sim.chain.state(self.latest))

    def copy(self, number: int) -> Copy:
        """Return a copy that is on the chain."""
        return items.Copies.at(self.state, number)

    def knows(self, copy: int) -> bool:
        """Return whether a copy's records are on the chain."""
        return items.Copies.contains(self.state, copy)

    def plan(self, number: int) -> Plan:
        """Return a plan that is on the chain."""
        return items.Plans.at(self.state, number)

    def segment(self, number: int) -> Segment:
        """Return a segment that is on the chain."""
        return items.Segments.at(self.state, number)

    def modulus(self, segment: int) -> bytes:
        """Return a segment's modulus."""
        return items.Moduli.at(self.state, segment)

    def attester(self, who: bytes) -> Attester:
        """Return an account's offer of attesting."""
        return items.Attesters.at(self.state, who)

    def offers_stand(self, hoster: bytes, encoder: bytes) -> bool:
        """Return whether a hoster and an encoder can be drawn."""
        hosting, encoding = items.HosterDraws.get(self.state, hoster), items.EncoderDraws.get(self.state, encoder)
        return hosting is not None and hosting.open and encoding is not None and encoding.open

    def peer(self, who: bytes) -> Peer | None:
        """Return an account's keys."""
        return items.Peers.get(self.state, who)

    # ---- what became of calls

    def events(self, kind: type[E]) -> list[E]:
        """Return the pallet's events of a kind."""
        return [record.event for record in self.records if isinstance(record.event, kind)]

    @property
    def refused(self) -> list[Any]:
        """Why calls failed."""
        return [record.fields for record in self.records if record.name == "ExtrinsicFailed"]

    @property
    def begun(self) -> list[int]:
        """The copies of the segments that were begun."""
        return [event.copy for event in self.events(events.SegmentBegun)]

    @property
    def paid(self) -> Counter[int]:
        """How often each segment was confirmed."""
        return Counter(event.segment for event in self.events(events.SegmentConfirmed))

    def proved(self, hoster: bytes) -> list[int]:
        """Return the blocks of the challenges that a hoster has answered."""
        return [event.issued for event in self.events(events.StorageProved) if event.hoster == hoster]

    # ---- waiting

    async def wait_for(self, number: int) -> None:
        """Wait for a block."""
        while self.number < number:
            await self._changed.wait()

    async def until(self, holds: Callable[[], object]) -> None:
        """Wait for a state; where it does not come, say what everybody waits for instead."""
        last = self.number + PATIENCE_BLOCKS
        while not holds():
            if self.number > last:
                for task in asyncio.all_tasks():
                    task.print_stack(limit=8)
                raise AssertionError(f"it is not so after {PATIENCE_BLOCKS} blocks")
            await self._changed.wait()


class _HearingRpc(SimRpc):
    """Notes the calls that are handed to the node."""

    def __init__(self, chain: SmallChain, link: Link) -> None:
        super().__init__(chain.sim, link)
        self._small = chain

    async def request(self, method: str, *parameters: Any) -> Any:
        """See SimRpc."""
        if method == "author_submitExtrinsic":
            found, _ = extrinsic.decode(bytes.fromhex(parameters[0][2:]))
            self._small.heard.append(Heard(found.call.spec.name, found.call.args))
            self._small.poke()
            if found.call.spec.name in self._small.deaf:
                return "0x" + bytes(32).hex()
        return await super().request(method, *parameters)


@asynccontextmanager
async def running_chain(money: dict[bytes, int]) -> AsyncIterator[SmallChain]:
    """Run a chain on which accounts have money; at its end it must be whole."""
    chain = SmallChain(money)
    await chain.start()
    sealing = asyncio.create_task(chain.sim.run())
    try:
        yield chain
    finally:
        sealing.cancel()
        await asyncio.gather(sealing, return_exceptions=True)
        await chain.client.close()
    assert chain.sim.broken is None


class Line:
    """An account's way to the chain: client, follower and signer, which run until it is closed."""

    def __init__(self, client: ChainClient, keys: PeerKeys, directory: Path) -> None:
        self.client, self.keys = client, keys
        self.follower = Follower(client)
        self.signer = Signer(client, account_of(keys), directory / "signer.sqlite", self.follower)
        self._tasks = [asyncio.create_task(one.run()) for one in (self.follower, self.signer)]

    @classmethod
    async def open(cls, chain: SmallChain, keys: PeerKeys, directory: Path) -> Line:
        """Connect, and wait for the first block."""
        line = cls(await ChainClient.connect("simulation", rpc=chain.connect()), keys, directory)
        await line.follower.wait_for(0)
        return line

    async def close(self) -> None:
        """End."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.signer.close()
        await self.client.close()
