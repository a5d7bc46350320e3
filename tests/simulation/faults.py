"""What befalls a network in a life: drawn one after another, until it is told to stop; then all is mended."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from random import Random

from .chain import Link
from .world import SimPeer, World

Befall = Callable[[], Awaitable[None]]


class Faults:
    """Draws faults; each ends by itself after a while."""

    def __init__(self, world: World, random: Random, links: list[Link]) -> None:
        """`links`: ways to the chain of others than the peers."""
        self.world, self.random, self._links = world, random, links
        self.told: list[str] = []
        self.stopped = False
        self._kinds: list[tuple[int, Befall]] = [
            (6, self._crash),
            (3, self._power_loss),
            (3, self._power_loss_at_sync),
            (3, self._power_loss_after_promise),
            (3, self._partition),
            (3, self._cut_rpc),
            (2, self._hang_rpc),
            (2, self._slow),
            (2, self._lossy),
            (1, self._reset),
            (1, self._stall),
            (2, self._reorganise),
        ]

    async def run(self, end: float) -> None:
        """Until `end`, on the loop's clock."""
        loop = self.world.loop
        await asyncio.sleep(30 + self.random.random() * 120)
        weights = [weight for weight, _ in self._kinds]
        while loop.time() < end and not self.stopped:
            _, befall = self.random.choices(self._kinds, weights)[0]
            self.world.spawn(self.world.loop.outside, befall())  # type: ignore[arg-type]
            await asyncio.sleep(self.random.expovariate(1 / 45))

    def tell(self, what: str) -> None:
        """Note what happens."""
        self.told.append(f"{self.world.loop.time():8.1f} block {self.world.chain.number:4} {what}")

    async def _some_time(self, mean: float) -> None:
        await asyncio.sleep(min(self.random.expovariate(1 / mean), 4 * mean))

    def _peer(self) -> SimPeer | None:
        running = [peer for peer in self.world.peers if peer.life is not None]
        return self.random.choice(running) if len(running) > 1 else None

    def stop(self) -> None:
        """Mend everything."""
        self.stopped = True
        world = self.world
        self.tell("faults end")
        world.chain.stalled = False
        for peer in world.peers:
            peer.doomed, peer.doomed_after = False, ""
            peer.link.set(up=True)
            if peer.life is None:
                world.start(peer)
            else:
                peer.life.slow = 1.0
            world.full.full.discard(peer.folder)
            host = world.network.hosts[peer.name]
            host.island, host.loss, host.powered = 0, 0.0, True
        for link in self._links:
            link.set(up=True)
        world.network.heal()

    # ---- one host

    async def _dead_for_a_while(self, peer: SimPeer) -> None:
        await self._some_time(40)
        if peer.life is None and not self.stopped:
            self.tell(f"{peer.name} starts again")
            self.world.start(peer)

    async def _crash(self) -> None:
        peer = self._peer()
        if peer is not None:
            self.tell(f"{peer.name} is killed")
            self.world.crash(peer, power=False)
            await self._dead_for_a_while(peer)

    async def _power_loss(self) -> None:
        peer = self._peer()
        if peer is not None:
            self.tell(f"{peer.name} loses its power")
            self.world.crash(peer, power=True)
            await self._dead_for_a_while(peer)

    async def _power_loss_at_sync(self) -> None:
        peer = self._peer()
        if peer is None:
            return
        peer.doomed = True
        self.tell(f"{peer.name} will lose its power at an fsync")
        await self._until_dead(peer)

    async def _power_loss_after_promise(self) -> None:
        """A hoster has just said that it stores a run, or has confirmed a segment."""
        hosters = [one for one in self.world.peers if one.life is not None and "hoster" in one.roles]
        if not hosters:
            return
        peer = self.random.choice(hosters)
        peer.doomed_after = self.random.choice(("stored", "confirmed"))
        self.tell(f"{peer.name} will lose its power when it has {peer.doomed_after} something")
        await self._until_dead(peer)

    def break_promises(self) -> None:
        """Let every hoster lose its power right after the first run of sectors that it says it stores."""
        for peer in self.world.peers:
            if "hoster" in peer.roles:
                peer.doomed_after = "stored"
                self.world.spawn(self.world.loop.outside, self._until_dead(peer, 1200))

    def fill_disks(self, random: Random) -> None:
        """Let every peer's disk be full for a while, again and again, at moments of its own."""
        for peer in self.world.peers:
            self.world.spawn(self.world.loop.outside, self._fill(peer, Random(random.random())))

    async def _fill(self, peer: SimPeer, random: Random) -> None:
        full = self.world.full.full
        while not self.stopped:
            await asyncio.sleep(random.expovariate(1 / 240))
            if self.stopped:
                return
            self.tell(f"{peer.name}'s disk is full")
            full.add(peer.folder)
            await asyncio.sleep(min(random.expovariate(1 / 40), 160))
            full.discard(peer.folder)

    async def _until_dead(self, peer: SimPeer, seconds: int = 120) -> None:
        life = peer.life
        for _ in range(seconds):
            await asyncio.sleep(1.0)
            if peer.life is not life:
                await self._dead_for_a_while(peer)
                return
        peer.doomed, peer.doomed_after = False, ""

    async def _slow(self) -> None:
        peer = self._peer()
        if peer is not None and peer.life is not None:
            life = peer.life
            life.slow = self.random.uniform(2, 30)
            self.tell(f"{peer.name} is slow")
            await self._some_time(120)
            life.slow = 1.0

    # ---- the network

    async def _partition(self) -> None:
        hosts = [peer.name for peer in self.world.peers]
        island = self.random.sample(hosts, self.random.randint(1, len(hosts) // 2))
        number = self.random.randint(1, 1 << 30)
        self.tell(f"{', '.join(island)} are cut off from the rest")
        for name in island:
            self.world.network.hosts[name].island = number
        await self._some_time(60)
        for name in island:
            host = self.world.network.hosts[name]
            host.island = 0 if host.island == number else host.island
        self.world.network.heal()

    async def _lossy(self) -> None:
        peer = self._peer()
        if peer is not None:
            host = self.world.network.hosts[peer.name]
            host.loss = self.random.uniform(0.02, 0.3)
            self.tell(f"{peer.name} loses packets")
            await self._some_time(120)
            host.loss = 0.0

    async def _reset(self) -> None:
        streams = list(self.world.network.streams)
        if streams:
            stream = self.random.choice(streams)
            self.tell(f"a connection of {' and '.join(stream.hosts)} is reset")
            stream.cut(self.world.network.delay(*stream.hosts))

    # ---- the chain

    def _link(self) -> tuple[str, Link]:
        links = [(peer.name, peer.link) for peer in self.world.peers] + [("a command", one) for one in self._links]
        return self.random.choice(links)

    async def _cut_rpc(self) -> None:
        name, link = self._link()
        self.tell(f"{name} is cut off from the chain")
        link.set(up=False)
        await self._some_time(50)
        link.set(up=True)

    async def _hang_rpc(self) -> None:
        name, link = self._link()
        self.tell(f"{name}'s way to the chain hangs")
        link.set(up=True, answering=False)
        await self._some_time(40)
        link.set(up=True)

    async def _stall(self) -> None:
        self.tell("the chain stands still")
        self.world.chain.stalled = True
        await self._some_time(60)
        self.world.chain.stalled = False

    async def _reorganise(self) -> None:
        engine = self.world.chain.engine
        depth = self.random.randint(1, 4)
        engine.set_finality(depth)
        self.tell(f"the chain will be reorganised {depth} deep")
        await asyncio.sleep(self.world.chain.block_seconds * (depth + 1))
        free = self.world.chain.number - engine.chain.finalized_number
        if free >= 1 and engine.finality_lag is not None:
            engine.reorganise(min(depth, free))
        engine.set_finality(0)
