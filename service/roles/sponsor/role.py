"""What an author's or a sponsor's node does by itself: it brings newer heads of its feeds to their live plans."""

from __future__ import annotations

from functools import partial

import structlog

from service.chain_client import Block, DispatchError
from service.chain_client.pallet import calls
from service.chain_client.pallet.types import Plan
from service.chain_client.storage import PAGE
from service.hypercore import CoreError
from service.hypercore.net import Connection

from ..common.context import Context
from ..common.runner import Runner, submitted
from ..common.watch import each_block
from .checks import PublicationError, check_head
from .heads import HeadFacts, ShowHead, StoredHead, decide, extension, follows, lead

log = structlog.get_logger(__name__)

LOOK_AGAIN = 1_024
"""Blocks within which a plan that rests is looked at again: it is forgotten once it has ended."""


class AuthorRole:
    """One account's node that follows the feeds in its store. `run` it until it is cancelled."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._runner = Runner("author", troubles=context.troubles)
        self._live: dict[int, tuple[bytes, int]] = {}
        """Feed and next tick of live plans, everybody's, by the plan's number: a feed may come into the store later."""
        self._next: int | None = None
        self._refused: set[tuple[int, int]] = set()
        self._brought: tuple[int, set[int]] = (-1, set())
        self._poor = False

    def attach(self, connection: Connection) -> None:
        """Do nothing: feeds are served from the node's store."""

    async def run(self) -> None:
        """Follow until cancelled."""
        try:
            await each_block(self._context.follower, self._step, self._context.troubles, "author")
        finally:
            await self._runner.close()

    async def _step(self, block: Block) -> None:
        self._runner.look(block.number)
        facts = await self._facts(block)
        due = decide(facts)
        if due and not await self._can_pay(block):
            due = []
        shown = [(("head", one.plan, one.tick), partial(self._show, one, facts.plans[one.plan])) for one in due]
        self._runner.apply(block.number, shown)

    async def _facts(self, block: Block) -> HeadFacts:
        client = self._context.client
        plans = await self._plans(block)
        era = block.number // client.times.era
        if self._brought[0] != era:
            self._brought = era, set()
        heads = {plan.feed: head for plan in plans.values() if (head := self._head(plan.feed)) is not None}
        self._refused = {one for one in self._refused if one[0] in plans and plans[one[0]].next_tick == one[1]}
        return HeadFacts(
            now=block.number,
            account=self._context.signer.account,
            times=client.times,
            plans=plans,
            heads=heads,
            refused=frozenset(self._refused),
            brought=len(self._brought[1]),
        )

    async def _plans(self, block: Block) -> dict[int, Plan]:
        """Return the live plans of stored feeds that may want a head now. One rests until its tick is near: ticks only get later.

        New plans are read, those of stored feeds that do not rest, and a part of all others.
        """
        storage, now = self._context.client.storage, block.number
        following = await storage.next_plan(block.hash)
        stored, awake = self._context.store.keys(), now + lead(self._context.client.times)
        near = {number for number, (feed, tick) in self._live.items() if tick <= awake and feed in stored}
        turn = {number for number in self._live if number % LOOK_AGAIN == now % LOOK_AGAIN}
        numbers = sorted(near | turn | set(range(self._next or 0, following)))
        followed: dict[int, Plan] = {}
        for first in range(0, len(numbers), PAGE):
            part = numbers[first : first + PAGE]
            found = await storage.plans_of(part, block.hash)
            live = {number: plan for number, plan in found.items() if follows(plan)}
            for over in set(part) - live.keys():
                self._live.pop(over, None)
            self._live |= {number: (plan.feed, plan.next_tick) for number, plan in live.items()}
            followed |= {number: plan for number, plan in live.items() if plan.feed in stored}
        self._next = following
        return followed

    def _head(self, feed: bytes) -> StoredHead | None:
        core = self._context.store.known(feed)
        if core is None or core.length == 0:
            return None
        return StoredHead(core.writable, core.fork, core.length, core.byte_length)

    async def _can_pay(self, block: Block) -> bool:
        """Return whether the account has any money. That it has none is told once: not every author pays for plans."""
        poor = await self._context.client.balance(self._context.signer.payer, block.hash) == 0
        if poor and not self._poor:
            log.warning(
                "a live plan of a feed of this node waits for its newer head, and this account has no money for it"
            )
        self._poor = poor
        return not poor

    async def _show(self, action: ShowHead, plan: Plan) -> int | None:
        context = self._context
        core = context.store.get(plan.feed)
        length = core.length
        try:
            call = calls.update_head(action.plan, check_head(core.head()), extension(core, plan.head.length))
        except (PublicationError, CoreError) as error:
            self._refuse(action, str(error))
            return None

        async def held() -> bool:
            found = await context.client.storage.plan(action.plan)
            frozen = await context.client.storage.frozen(plan.feed)
            return found is None or not follows(found) or found.head.length >= length or frozen is not None

        try:
            block = await submitted(context.signer, call, held)
        except DispatchError as error:
            self._refuse(action, str(error))
            return None
        self._brought[1].add(action.plan)
        log.info("head brought to a live plan", plan=action.plan, feed=plan.feed.hex(), length=length)
        context.on_progress({"role": "author", "event": "head", "plan": action.plan, "length": length})
        return block

    def _refuse(self, action: ShowHead, why: str) -> None:
        """Do not try again before the next tick: each refused call is paid for."""
        self._refused.add((action.plan, action.tick))
        log.error(
            "cannot bring a feed's head to its plan; trying again before its next tick", plan=action.plan, error=why
        )
