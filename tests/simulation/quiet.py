"""The end of a life, when faults have stopped: all becomes well within a bound, stays well, and a new plan goes smoothly."""

from __future__ import annotations

from service.chain_client import ChainClient
from service.chain_client.follower import BlockStream
from service.chain_client.pallet.types import CopyState
from service.encoding import SECTOR
from service.session import Session

from .ends import check_copies
from .ledger import Ledger
from .people import Feeds, Sponsor, live_plans
from .witness import Witness
from .world import World

HEAL_BLOCKS = 520
"""Within so many blocks after the last fault every copy is active: a lease of 240, the waits, and the encoding, twice, since
the other copies of a plan are drawn when something of the first is confirmed; and an era for a need that sleeps."""
GRACE_BLOCKS = 40
"""After so many blocks without a fault nothing may fail any more."""
FRESH_BLOCKS = 104
"""Within so many blocks, and the time that encoding takes, a plan that is published in quiet has its copies active: the
first in 40, the others in 40 more, and an era for a need that sleeps."""
WATCHED_ERAS = 2


class Quiet:
    """What must hold once the last fault is mended."""

    def __init__(self, world: World, witness: Witness, feeds: Feeds, sponsor: Sponsor) -> None:
        self._world, self._witness, self._feeds, self._sponsor = world, witness, feeds, sponsor
        self._ledger = Ledger()
        self.copies = 0
        self.fresh_took = 0

    async def observe(self, session: Session, sponsors: list[Sponsor]) -> None:
        """Wait and look; failures go to the world."""
        world, client = self._world, session.client
        since = world.chain.number
        self._witness.quiet_from = world.loop.time() + GRACE_BLOCKS * world.chain.block_seconds
        blocks = session.follower.blocks()
        await self._all_active(session, blocks, since + HEAL_BLOCKS, "the faults")
        await self._until(blocks, since + GRACE_BLOCKS)
        if world.well:
            published = world.chain.number
            number = await self._sponsor.publish(clumsy=False)
            plan = (await live_plans(session))[number]
            seconds = sum(span.bytes for span in plan.ranges) * plan.terms.replicas / SECTOR / world.speed
            encoding = int(2 * seconds / world.chain.block_seconds)  # one encoder may be drawn for all copies
            await self._all_active(session, blocks, published + FRESH_BLOCKS + encoding, "a new plan")
            self.fresh_took = world.chain.number - published
        await self._until(blocks, world.chain.number + WATCHED_ERAS * client.times.era)
        await self._ledger.read(client, world.chain, since + GRACE_BLOCKS)
        world.failures += self._ledger.failures + self._witness.failed
        await self._plans_once(client, sponsors)
        self.copies = await check_copies(world, client, self._feeds)

    async def _all_active(self, session: Session, blocks: BlockStream, deadline: int, after: str) -> None:
        storage = session.client.storage
        while self._world.well:
            missing = []
            for number, plan in (await live_plans(session)).items():
                copies = await storage.copies_of(plan.live)
                active = sum(copy.state is CopyState.ACTIVE for copy in copies.values())
                if active < plan.terms.replicas:
                    states = {copy: found.state.value for copy, found in copies.items()}
                    missing.append(f"plan {number}: {active} of {plan.terms.replicas} copies are active, {states}")
            if not missing:
                return
            if self._world.chain.number > deadline:
                self._world.fail(f"block {self._world.chain.number}, too long after {after}: {'; '.join(missing)}")
                return
            await anext(blocks)

    async def _until(self, blocks: BlockStream, number: int) -> None:
        while self._world.chain.number < number and self._world.well:
            await anext(blocks)

    async def _plans_once(self, client: ChainClient, sponsors: list[Sponsor]) -> None:
        """A command that was killed and typed again has published one plan."""
        wanted = sum(len(sponsor.published) for sponsor in sponsors)
        found = await client.storage.next_plan()
        if wanted != found:
            self._world.fail(f"{wanted} plans were asked for, {found} are on the chain")
