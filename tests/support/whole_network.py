"""A network of real processes that a test can watch, kill in part and start again, and what must hold of it at any time."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from service.address import ss58
from service.chain_client import Block, ChainClient, Follower
from service.chain_client.pallet import events
from service.chain_client.pallet.types import Copy, CopyState, Payment, Plan
from service.devnet.network import Devnet, NetPeer
from service.feeds.export import blocks_of
from service.feeds.fetch import fetch_feed
from service.hypercore import Core, Corestore, KeyPair
from service.hypercore.net import TcpTransport
from service.roles.common.terms import RolesConfig
from service.roles.sponsor import plans as sponsor
from service.roles.sponsor.terms import plan_terms
from service.session import chain_session
from service.units import UNIT
from service.views.plan import show_plan
from tests.support.segment_roots import root_of

T = TypeVar("T")
BLOCK = 16_384
POT = 20 * UNIT
GIB_SECTORS = 1 << 22
PATIENCE_BLOCKS = 400
PATIENCE_SECONDS = 300.0
SMALL = (("author,sponsor", 1, 2_000 * UNIT), ("hoster", 2, 20 * UNIT), ("encoder", 2, 250 * UNIT))
"""Without attesters: they are not needed to make, keep and prove copies."""
CAPS = (UNIT // 100, UNIT // 10, UNIT // 100, UNIT // 1000)


@dataclass
class Published:
    """A plan and the feed that it keeps."""

    plan: int
    core: Core
    data: bytes


@dataclass
class Network:
    """The processes, and all that the chain and they have told since they were started."""

    net: Devnet
    client: ChainClient
    blocks: list[Block] = field(default_factory=list)
    lines: list[tuple[NetPeer, dict[str, Any]]] = field(default_factory=list)
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    # ---- watching

    async def follow(self) -> None:
        """Keep every finalized block from the first on."""
        genesis = await self.client.header(await self.client.block_hash(0))
        assert genesis is not None
        follower = Follower(self.client, genesis.ref)
        running = asyncio.create_task(follower.run())
        try:
            async for block in follower.blocks():
                async with self._news:
                    self.blocks.append(block)
                    self._news.notify_all()
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    def on_line(self, peer: NetPeer, line: dict[str, Any]) -> None:
        """Keep what a peer tells of its progress."""
        self.lines.append((peer, line))

    @property
    def now(self) -> int:
        """The number of the last finalized block that was seen."""
        return self.blocks[-1].number if self.blocks else 0

    def happened(self, kind: type, **wanted: object) -> list[tuple[int, Any]]:
        """All events of a kind with these fields, with their blocks."""
        return [
            (block.number, record.event)
            for block in self.blocks
            for record in block.events
            if type(record.event) is kind and all(getattr(record.event, k) == v for k, v in wanted.items())
        ]

    async def until(self, what: str, holds: Callable[[], bool], blocks: int = PATIENCE_BLOCKS) -> None:
        """Wait until a condition on what has happened holds; fail when it does not within so many blocks."""
        last = self.now + blocks
        async with self._news:
            while not holds():
                self.net.check_running()
                assert self.now < last, f"not within {blocks} blocks: {what}\n{self.story()}"
                await asyncio.wait_for(self._news.wait(), PATIENCE_SECONDS)

    async def event(self, kind: type, after: int = 0, **wanted: object) -> Any:
        """Wait for an event in a block after ``after``, or find one that has come already."""

        def found() -> list[Any]:
            return [event for number, event in self.happened(kind, **wanted) if number > after]

        await self.until(f"{kind.__name__} {wanted}", lambda: bool(found()))
        return found()[0]

    async def until_state(self, what: str, read: Callable[[bytes], Awaitable[T | None]], *, best: bool = False) -> T:
        """Wait until the state has something, in the last finalized block or already in the best one."""
        last = self.now + PATIENCE_BLOCKS
        while True:
            at = (await self.client.best()).hash if best else self.blocks[-1].hash
            found = await read(at)
            if found is not None:
                return found
            self.net.check_running()
            assert self.now < last, f"not within {PATIENCE_BLOCKS} blocks: {what}\n{self.story()}"
            await asyncio.sleep(0.05)

    async def line(
        self, what: str, matches: Callable[[NetPeer, dict[str, Any]], bool]
    ) -> tuple[NetPeer, dict[str, Any]]:
        """Wait for a line of progress; fail when none comes for :data:`PATIENCE_BLOCKS`."""
        last = self.now + PATIENCE_BLOCKS
        seen = 0
        while True:
            for peer, told in self.lines[seen:]:
                seen += 1
                if matches(peer, told):
                    return peer, told
            self.net.check_running()
            assert self.now < last, f"nobody told within {PATIENCE_BLOCKS} blocks: {what}\n{self.story()}"
            await asyncio.sleep(0.01)

    def story(self) -> str:
        """What has happened, for a failure's message: the pallet's events, and the end of every peer's log."""
        told = [f"{block.number}: {record.event}" for block in self.blocks for record in block.events if record.event]
        for peer in self.net.peers:
            if peer.child is not None:
                told.append(f"--- {peer.directory.name}\n{peer.child.log_tail()}")
        return "\n".join(told[-200:])

    # ---- acting

    def peer(self, account: bytes) -> NetPeer:
        """The peer of an account."""
        (found,) = (peer for peer in self.net.peers if peer.keys.account == account)
        return found

    async def kill(self, peer: NetPeer) -> None:
        """kill -9; its worker processes must end by themselves."""
        assert peer.child is not None
        pid = peer.child.pid
        workers = children_of(pid)
        await peer.child.kill()
        await asyncio.to_thread(wait_until_gone, workers)

    async def kill_everything(self) -> None:
        """Power loss: the peers and the chain die at once."""
        workers = [pid for peer in self.net.peers if peer.child is not None for pid in children_of(peer.child.pid)]
        await self.net.stop(kill=True)
        await asyncio.to_thread(wait_until_gone, workers)

    async def restart(self, peer: NetPeer) -> None:
        """Start a peer that was killed or stopped, with what it has in its directory."""
        await self.net.start_peer(peer)

    async def publish(self, size: int, replicas: int = 1, seed: int = 0, eras: int = 100) -> Published:
        """A new feed of so many random bytes, and a plan for it."""
        writer = self.net.peers[0]
        store = Corestore(writer.directory)
        self._stack.callback(store.close)
        data = random.Random(seed or size).randbytes(size)
        core = store.create()
        core.append([data[at : at + BLOCK] for at in range(0, size, BLOCK)])
        return await self.publish_core(core, data, replicas, eras)

    async def publish_core(self, core: Core, data: bytes, replicas: int = 1, eras: int = 100) -> Published:
        """A plan for a feed that the author has."""
        async with chain_session(self.net.rpc, self.net.peers[0].keys) as session:
            best = await self.client.best()
            terms = plan_terms(replicas, *CAPS, best.number + eras * self.client.times.era)
            done = await sponsor.publish_plan(self.client, session.signer, core, terms, POT)
        return Published(done.plan, core, data)

    async def copies(self, plan: int) -> dict[int, Copy]:
        """All copies of a plan as they stand, ended ones included."""
        found = await self.client.storage.all_copies(self.blocks[-1].hash)
        return {number: copy for number, copy in found.items() if copy.plan == plan}

    async def only_copy(self, plan: int) -> tuple[int, Copy]:
        """The plan's one copy: none was ended and drawn again."""
        ((number, copy),) = (await self.copies(plan)).items()
        return number, copy

    async def active(self, plan: int, replicas: int = 1) -> dict[int, Copy]:
        """Wait until all copies are active."""

        def mine() -> set[int]:
            return {event.copy for _, event in self.happened(events.CopyOffered, plan=plan)}

        def count() -> int:
            numbers = mine()
            return sum(event.copy in numbers for _, event in self.happened(events.CopyActive))

        await self.until(f"{replicas} copies of plan {plan} are active", lambda: count() >= replicas)
        return {n: c for n, c in (await self.copies(plan)).items() if c.state is CopyState.ACTIVE}

    async def read(self, core: Core, peers: list[NetPeer]) -> bytes:
        """All bytes of a feed, by a fresh reader that knows these peers only. Raises ReplicationError."""
        store = Corestore(None)
        try:
            mine = store.get(core.key)
            async with TcpTransport(KeyPair.generate(), [peer.address for peer in peers]) as transport:
                async with asyncio.timeout(PATIENCE_SECONDS):
                    await fetch_feed(mine, transport)
            return b"".join(blocks_of(mine))
        finally:
            store.close()

    # ---- what must hold

    async def check_books(self) -> None:
        """Money is only minted and burned, both are counted, and nobody was paid twice for one thing."""
        # the events of the blocks up to this one: others come while the chain is asked
        paid = [event for _, event in self.happened(events.Paid)]
        at = self.blocks[-1].hash
        storage = self.client.storage
        first = await self.client.block_hash(0)
        assert first is not None
        minted, burned = await storage.minted(at), await storage.burned(at)
        assert await self.client.issuance(at) == await self.client.issuance(first) + minted - burned
        given_back = sum(event.pot for _, event in self.happened(events.Forfeited))
        assert minted == sum(event.amount for event in paid) + given_back
        proved = Counter((event.hoster, event.issued) for _, event in self.happened(events.StorageProved))
        assert all(count == 1 for count in proved.values()), proved
        confirmed = Counter(event.segment for _, event in self.happened(events.SegmentConfirmed))
        assert all(count == 1 for count in confirmed.values()), confirmed
        for number, copy in (await storage.all_copies(at)).items():
            await self._check_pay(number, copy, [event for event in paid if event.copy == number])

    async def _check_pay(self, number: int, copy: Copy, paid: list[events.Paid]) -> None:
        """A copy's hoster and encoder got what one copy's making costs, once."""
        by_kind = {kind: sorted(event.amount for event in paid if event.what is kind) for kind in Payment}
        receiving = sorted(copy.ask_receiving * part.sectors // GIB_SECTORS for part in copy.segments)
        least = self.client.times.checkpoint
        ask = RolesConfig().encoding.ask
        fees = [ask * max(part.sectors, least) // GIB_SECTORS for part in copy.segments]
        assert by_kind[Payment.RECEIVING] == receiving, (number, by_kind)
        assert by_kind[Payment.FIRST_HALF] == sorted(fee // 2 for fee in fees), (number, by_kind)
        second = sum(by_kind[Payment.SECOND_HALF]) + copy.halves  # paid, and still to be paid
        assert second == sum(fee - fee // 2 for fee in fees), (number, by_kind)

    async def check_stored(self, published: Published, segments: int = 1) -> None:
        """Each active copy lies on its hoster's disk once, encoded, as the chain's roots say, and nowhere in the clear."""
        shown = await show_plan(self.client, published.plan, self.blocks[-1].ref)
        assert shown is not None
        live = [copy for copy in shown["copies"] if copy["state"] == "Active"]
        assert live
        for copy in live:
            (peer,) = (one for one in self.net.peers if ss58(one.keys.account) == copy["hoster"])
            assert len(copy["segments"]) == segments
            check_copy(peer.directory, self.client.genesis, copy, len(published.data))
        plain = published.data[len(published.data) // 2 :][:48]
        for peer in self.net.peers:
            if peer.role == "hoster":
                for path in peer.directory.rglob("*"):
                    assert not path.is_file() or plain not in path.read_bytes(), f"{path} holds plaintext"


def check_copy(directory: Path, genesis: bytes, copy: dict[str, Any], size: int) -> None:
    """A copy's files are those of its segments, of the right sizes, and lead to the roots that the chain has."""
    folder = directory / "copies" / str(copy["copy"])
    names = {f"{one['segment']}.{kind}" for one in copy["segments"] for kind in ("sectors", "tree")}
    assert {path.name for path in folder.iterdir()} == names
    assert sum(one["bytes"] for one in copy["segments"]) == size
    for one in copy["segments"]:
        data = (folder / f"{one['segment']}.sectors").read_bytes()
        assert len(data) == 256 * one["sectors"]
        assert one["sectors"] == -(-one["bytes"] // 256)
        assert root_of(data, genesis, copy, one).hex() == one["root"]


def children_of(pid: int) -> list[int]:
    """The processes that a process has started."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
            continue
        if int(fields[1]) == pid:
            found.append(int(path.parent.name))
    return found


def wait_until_gone(pids: list[int]) -> None:
    """Until none of these processes is there."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while left := [pid for pid in pids if Path(f"/proc/{pid}").exists()]:
        assert time.monotonic() < deadline, f"processes {left} are still there"
        time.sleep(0.05)


@asynccontextmanager
async def network(
    directory: Path, chain: str, kinds: tuple[tuple[str, int, int], ...] = SMALL
) -> AsyncIterator[Network]:
    """A network whose peers have made their offers; all its processes end with the context."""
    async with Devnet(directory, chain, kinds=kinds) as net, AsyncExitStack() as stack:
        await net.start_chain()
        client = await stack.enter_async_context(await ChainClient.connect(net.rpc))
        made = Network(net, client)
        net.on_line = made.on_line
        following = asyncio.create_task(made.follow())
        try:
            await net.start()
            await net.wait_for_offers(client)
            yield made
        finally:
            await made._stack.aclose()
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)


async def plan_of(network: Network, plan: int) -> Plan:
    """A plan as it stands."""
    found = await network.client.storage.plan(plan, network.blocks[-1].hash)
    assert found is not None
    return found
