"""People at their commands: an author who appends, sponsors who publish, donate and end plans, root who upgrades."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from service.chain_client import ChainError
from service.chain_client.call import Call
from service.chain_client.frame import sudo
from service.chain_client.pallet.types import PlanState
from service.hypercore import Corestore
from service.hypercore.core import Core
from service.hypercore.tree.proof import BlockRequest, Request, UpgradeRequest
from service.roles.sponsor import plans
from service.roles.sponsor.terms import plan_terms
from service.session import Session
from service.vault import PeerKeys

from .chain import Link, code
from .loop import Life
from .world import World

UNIT = 10**12
PRICES = (10**10, 10**11, 10**10, 10**9)
POT = 100 * UNIT
Command = Callable[[Session], Awaitable[Any]]


@dataclass(slots=True)
class Person:
    """An account that signs commands, one at a time; each may be killed on its way, and is then typed again."""

    world: World
    name: str
    keys: PeerKeys
    random: Random
    link: Link = field(default_factory=lambda: Link(0.02))
    lives: int = 0
    killed: int = 0
    complaint: str = ""
    """Why its last try failed."""

    async def types(self, command: Command, clumsy: bool) -> Any:
        """Do it until it is done, whatever comes between."""
        while True:
            life = Life(self.name, self.lives)
            task = self.world.spawn(life, self._try(command))
            seconds = self.random.expovariate(1 / 30) if clumsy and self.random.random() < 0.4 else None
            await asyncio.wait({task}, timeout=seconds)
            if not task.done():
                self._kill(life)
                continue
            try:
                return task.result()
            except ChainError as error:
                self.complaint = f"{type(error).__name__}: {error}"
                await asyncio.sleep(5.0)

    def _kill(self, life: Life) -> None:
        """As `kill -9` does: what it noted of what it sent stays."""
        self.killed += 1
        before = self._directory
        self.lives += 1
        shutil.copytree(before, self._directory, ignore=shutil.ignore_patterns("*-shm"))
        self.link.die()
        self.world.bury(life)

    @property
    def _directory(self) -> Path:
        return self.world.top / self.name / str(self.lives)

    async def _try(self, command: Command) -> Any:
        self._directory.mkdir(parents=True, exist_ok=True)
        async with self.world.session(self.link, self.keys, self._directory) as session:
            return await command(session)


@dataclass(slots=True)
class Feeds:
    """The author's feeds, and a copy of each for those who publish them."""

    random: Random
    here: Corestore = field(default_factory=lambda: Corestore(None))
    keys: list[bytes] = field(default_factory=list)

    def create(self, directory: Path, blocks: list[bytes] | None = None) -> bytes:
        """One more in the author's directory, of some blocks or these; its key."""
        store = Corestore(directory)
        core = store.create()
        core.append(blocks or self._blocks())
        core.flush()
        self._learn(core)
        store.close()
        self.keys.append(core.key)
        return core.key

    def append(self, directory: Path, key: bytes, blocks: list[bytes] | None = None) -> None:
        """Some more blocks, or these, by another process than the author's node."""
        store = Corestore(directory)
        core = store.get(key)
        core.append(blocks or self._blocks()[:5])
        core.flush()
        self._learn(core)
        store.close()

    def _blocks(self) -> list[bytes]:
        """A few of some KiB, or many that are small or empty."""
        most, count = self.random.choice(((3_000, 24), (200, 150), (12_000, 5)))
        return [self.random.randbytes(self.random.randint(0, most)) for _ in range(self.random.randint(1, count))]

    def get(self, key: bytes) -> Core:
        """A whole feed."""
        return self.here.get(key)

    def snapshot(self, key: bytes) -> Core:
        """A feed as it is now, which stays so whatever the author appends."""
        store = Corestore(None)
        self._learn(self.get(key), store)
        return store.get(key)

    def _learn(self, source: Core, store: Corestore | None = None) -> None:
        target = (store or self.here).get(source.key)
        upgrade = UpgradeRequest(target.length, source.length - target.length)
        first = target.length
        target.apply(source.prove(Request(upgrade=upgrade, manifest=first == 0)))
        for block in range(first, source.length):
            target.apply(source.prove(Request(block=BlockRequest(block, target.missing_nodes(2 * block)))))
        target.flush()


class Sponsor:
    """Publishes plans, now and then donates to one or ends one."""

    def __init__(self, person: Person, feeds: Feeds, most_plans: int) -> None:
        self.person, self.feeds, self.random = person, feeds, person.random
        self.published: list[int] = []
        self.ended: list[int] = []
        self._most = most_plans

    async def run(self, seconds: float) -> None:
        """Live for so long."""
        loop = self.person.world.loop
        end = loop.time() + seconds
        while loop.time() < end:
            await asyncio.sleep(min(self.random.expovariate(1 / 120), end - loop.time()))
            choice = self.random.random()
            if len(self.published) < self._most and (choice < 0.6 or not self.published):
                await self.publish(clumsy=True)
            elif choice < 0.9 and self.published:
                amount = self.random.randint(1, 5) * UNIT
                await self._donate(self.random.choice(self.published), amount)
            elif len(self.published) > 1 and not self.ended:
                await self._end(self.published[0])

    async def publish(self, clumsy: bool) -> int:
        """A plan for a feed as it is now; its number."""
        core = self.feeds.snapshot(self.random.choice(self.feeds.keys))
        world = self.person.world
        hosters = sum("hoster" in peer.roles for peer in world.peers)
        # the same at each try: so it is the same call
        until = world.chain.number + 2_000
        terms = plan_terms(self.random.randint(1, min(3, hosters - 1)), *PRICES, until)
        head = core.length
        whole = head < 8 or self.random.random() < 0.5
        ranges = [(0, head)] if whole else [(0, head // 3 & ~1), (head // 2 & ~1, head)]

        async def command(session: Session) -> plans.Published:
            return await plans.publish_plan(session.client, session.signer, core, terms, POT, ranges)

        done: plans.Published = await self.person.types(command, clumsy)
        self.published.append(done.plan)
        return done.plan

    async def _donate(self, plan: int, amount: int) -> None:
        await self._refusable(lambda session: plans.donate(session.client, session.signer, plan, amount))

    async def _end(self, plan: int) -> None:
        await self._refusable(lambda session: plans.end_plan(session.client, session.signer, plan))
        self.ended.append(plan)

    async def _refusable(self, command: Command) -> None:
        """A plan may have ended meanwhile; what was sent by a try before counts."""
        try:
            await self.person.types(command, clumsy=True)
        except plans.PlanRefused:
            pass


async def upgrade(root: Person, version: int) -> None:
    """Exchange the runtime."""
    change = Call("System", "set_code_without_checks", {"code": code(version)})
    await root.types(lambda session: session.signer.submit(sudo(change)), clumsy=False)


async def live_plans(session: Session) -> dict[int, Any]:
    """The plans that go on and are not being ended."""
    found = await session.client.storage.all_plans()
    return {number: plan for number, plan in found.items() if plan.state is PlanState.LIVE and not plan.ending}
