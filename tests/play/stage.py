"""The stage of a scenario: what it may do to a network and see of it, whether peers are simulated or processes."""

from __future__ import annotations

import asyncio
import shutil
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from service.chain_client import Block, ChainClient
from service.chain_client.pallet import events
from service.chain_client.pallet.types import Copy, CopyState, Plan, Role, SignedHead, Terms
from service.encoding.profiles import SECTOR
from service.hypercore.core import Core
from service.roles.common.terms import RolesConfig
from service.roles.sponsor import plans
from service.roles.sponsor.terms import plan_terms
from service.session import Session
from service.units import UNIT

T = TypeVar("T")
PATIENCE_BLOCKS = 400
PATIENCE_SECONDS = 300.0
"""For one block; a chain that makes none for so long is at its end."""
POT = 100 * UNIT
HELD = (Role.HOSTING, Role.ENCODING, Role.ATTESTING)


class Peer(Protocol):
    """A peer of the network."""

    @property
    def name(self) -> str:
        """As `hoster-1`."""
        ...

    @property
    def account(self) -> bytes:
        """Its account."""
        ...


@dataclass(slots=True)
class Published:
    """A plan, and the author's feed that it keeps."""

    plan: int
    core: Core

    @property
    def bytes(self) -> int:
        """Of the feed as it is now."""
        return self.core.byte_length


class Stage(ABC):
    """A running network. What it has told lies in `blocks`, every finalized block from the first on."""

    client: ChainClient

    def __init__(self, config: RolesConfig) -> None:
        """`config`: the terms on which peers offer; a plan's caps are a few times as high."""
        self.config = config
        self.notes: list[str] = []
        """Figures that are shown with the result."""
        self.blocks: list[Block] = []
        self._news = asyncio.Condition()

    # ---- what differs between a simulated network and one of processes

    @abstractmethod
    def peers(self, role: str) -> Sequence[Peer]:
        """All peers of a role, in their order."""

    @abstractmethod
    async def kill(self, peer: Peer) -> None:
        """End it at once, as kill -9 does."""

    @abstractmethod
    async def start(self, peer: Peer, config: RolesConfig | None = None) -> None:
        """Start a peer that was killed, with what is on its disk, and with other terms if they are given."""

    @abstractmethod
    def session(self, name: str) -> AbstractAsyncContextManager[Session]:
        """A command that signs for a peer's account, or for `sponsor-1` and its like."""

    @abstractmethod
    def create(self, size: int) -> Core:
        """A new feed of the author, of so many random bytes."""

    @abstractmethod
    def append(self, core: Core, size: int) -> None:
        """Let the author append so many random bytes."""

    @abstractmethod
    def fork(self, core: Core) -> SignedHead:
        """Let the author cut off the last block and write another; the head of the new fork."""

    @abstractmethod
    async def read(self, core: Core, peers: Sequence[Peer]) -> bytes:
        """All bytes of a feed, by a fresh reader that knows these peers only. Raises ReplicationError."""

    @abstractmethod
    def directory(self, peer: Peer) -> Path:
        """Where a peer keeps its files now."""

    def stored(self, peer: Peer, copy: int) -> int:
        """How many sectors of a copy are in a hoster's files."""
        return sum(path.stat().st_size for path in self.directory(peer).glob(f"copies/{copy}/*.sectors")) // SECTOR

    def damage(self, peer: Peer, copy: int) -> None:
        """Take the sectors of a copy from a peer's disk."""
        shutil.rmtree(self.directory(peer) / "copies" / str(copy))

    @abstractmethod
    def check_running(self) -> None:
        """Fail if the network itself is broken."""

    # ---- watching

    async def see(self, block: Block) -> None:
        """Note a finalized block."""
        async with self._news:
            self.blocks.append(block)
            self._news.notify_all()

    @property
    def now(self) -> int:
        """The number of the last finalized block."""
        return self.blocks[-1].number if self.blocks else 0

    def happened(self, kind: type, after: int = 0, **wanted: object) -> list[tuple[int, Any]]:
        """All events of a kind with these fields in blocks after `after`, with their blocks."""
        return [
            (block.number, record.event)
            for block in self.blocks
            if block.number > after
            for record in block.events
            if type(record.event) is kind and all(getattr(record.event, k) == v for k, v in wanted.items())
        ]

    async def until(self, what: str, holds: Callable[[], bool], blocks: int = PATIENCE_BLOCKS) -> int:
        """Wait until something holds of what has happened, and return the block. Raises AssertionError if it never does."""
        last = self.now + blocks
        async with self._news:
            while not holds():
                self.check_running()
                assert self.now < last, f"not within {blocks} blocks: {what}"
                await asyncio.wait_for(self._news.wait(), PATIENCE_SECONDS)
        return self.now

    async def event(self, kind: type, after: int = 0, blocks: int = PATIENCE_BLOCKS, **wanted: object) -> Any:
        """Wait for an event in a block after `after`, or find one that has come already."""
        named = f"{kind.__name__} {wanted}" if wanted else kind.__name__
        await self.until(named, lambda: bool(self.happened(kind, after, **wanted)), blocks)
        return self.happened(kind, after, **wanted)[0][1]

    async def until_state(
        self, what: str, read: Callable[[bytes], Awaitable[T | None]], blocks: int = PATIENCE_BLOCKS
    ) -> T:
        """Wait until the state of a finalized block has something."""
        last = self.now + blocks
        while True:
            found = await read(self.blocks[-1].hash)
            if found is not None:
                return found
            assert self.now < last, f"not within {blocks} blocks: {what}"
            await self.passed(1)

    async def passed(self, blocks: int) -> None:
        """Wait until so many more blocks are final."""
        last = self.now + blocks
        await self.until(f"block {last}", lambda: self.now >= last, blocks + 1)

    # ---- reading

    async def copies(self, plan: int) -> dict[int, Copy]:
        """All copies of a plan as they stand, ended ones included."""
        found = await self.client.storage.all_copies(self.blocks[-1].hash)
        return {number: copy for number, copy in found.items() if copy.plan == plan}

    async def plan(self, number: int) -> Plan:
        """A plan as it stands."""
        found = await self.client.storage.plan(number, self.blocks[-1].hash)
        assert found is not None, f"there is no plan {number}"
        return found

    async def active(self, plan: int, replicas: int, blocks: int = PATIENCE_BLOCKS) -> dict[int, Copy]:
        """Wait until a plan has so many whole copies."""

        async def read(at: bytes) -> dict[int, Copy] | None:
            copies = await self.client.storage.all_copies(at)
            found = {n: c for n, c in copies.items() if c.plan == plan and c.state is CopyState.ACTIVE}
            return found if len(found) >= replicas else None

        return await self.until_state(f"{replicas} copies of plan {plan} are active", read, blocks)

    def peer_of(self, account: bytes) -> Peer:
        """The hoster, encoder or attester of an account."""
        everyone = [one for role in ("hoster", "encoder", "attester", "author") for one in self.peers(role)]
        return next(one for one in everyone if one.account == account)

    async def wealth(self, account: bytes, at: bytes | None = None) -> int:
        """What an account has, its holds included, in the smallest unit."""
        at = at or self.blocks[-1].hash
        free = await self.client.balance(account, at)
        return free + sum([await self.client.held(account, role, at) for role in HELD])

    async def wealth_of(self, peers: Sequence[Peer]) -> dict[str, int]:
        """What each peer has at the last finalized block."""
        at = self.blocks[-1].hash
        return {one.name: await self.wealth(one.account, at) for one in peers}

    # ---- acting

    def terms(self, replicas: int, **changed: Any) -> Terms:
        """Terms with caps that the usual asks are within."""
        hosting, far = self.config.hosting, self.now + self.client.times.plan_eras // 2 * self.client.times.era
        asks = {
            "max_ask_disk": hosting.ask_disk,
            "max_ask_encoding": self.config.encoding.ask,
            "max_ask_receiving": hosting.ask_receiving,
        }
        # a sponsor that is no peer pays 2.1 times an ask
        named = {name: 3 * ask for name, ask in asks.items()}
        named |= {"report_price": self.config.attesting.ask, "until": far}
        return plan_terms(**{"replicas": replicas, **named, **changed})

    async def publish(
        self, size: int, replicas: int = 1, *, by: str = "sponsor-1", pot: int = POT, **changed: Any
    ) -> Published:
        """A new feed of so many random bytes, and a plan for it."""
        return await self.publish_core(self.create(size), replicas, by=by, pot=pot, **changed)

    async def publish_core(
        self, core: Core, replicas: int = 1, *, by: str = "sponsor-1", pot: int = POT, **changed: Any
    ) -> Published:
        """A plan for a feed of the author's."""
        async with self.session(by) as session:
            done = await plans.publish_plan(session.client, session.signer, core, self.terms(replicas, **changed), pot)
        return Published(done.plan, core)

    # ---- what must hold of every play

    async def check_books(self) -> None:
        """Fail unless money is only minted and burned, both are counted, and nobody was paid twice for one thing."""
        at, storage = self.blocks[-1].hash, self.client.storage
        paid = [event for _, event in self.happened(events.Paid)]
        given_back = sum(event.pot for _, event in self.happened(events.Forfeited))
        rewards = sum(event.reward for _, event in self.happened(events.EncodingReported))
        first = await self.client.block_hash(0)
        assert first is not None
        minted, burned = await storage.minted(at), await storage.burned(at)
        assert await self.client.issuance(at) == await self.client.issuance(first) + minted - burned
        assert minted == sum(event.amount for event in paid) + given_back + rewards, "what was minted was paid"
        proved = Counter((event.hoster, event.issued) for _, event in self.happened(events.StorageProved))
        confirmed = Counter(event.segment for _, event in self.happened(events.SegmentConfirmed))
        settled = Counter((event.era, event.copy) for _, event in self.happened(events.RetrievalSettled))
        for counts in (proved, confirmed, settled):
            assert all(count == 1 for count in counts.values()), f"paid twice: {counts.most_common(1)}"
