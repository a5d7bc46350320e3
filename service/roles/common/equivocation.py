"""Feeds whose owner signed two histories, told to the chain: found by replication, shown once, settled by what it says.

    found ─ a live plan is there, and it is our turn ─ TellConflict ─▶ the feed is frozen ─ SettleConflict ─▶ told no more

The proof is kept in the corestore, by whoever replicates there. Anybody may show it, pays a fee, and gets nothing for it; so
those who found it take turns, and the first that the chain takes is enough.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import structlog

from service.chain_client import Block, Call, DispatchError
from service.chain_client.pallet import calls
from service.chain_client.pallet.types import OpenedNode, Plan, PlanState, Root, SignedHead
from service.hypercore import CodecError, Conflict, CoreHead, ManifestError
from service.hypercore.net import Connection

from .context import Context
from .runner import Runner, submitted
from .watch import each_block

log = structlog.get_logger(__name__)

TURNS = 8
"""Blocks over which those who found a conflict are spread."""
LATER = ("NoSuchPlan", "PlanNotLive")
"""Refusals after which another plan of the feed may take it."""


@dataclass(frozen=True, slots=True)
class TellConflict:
    """Show the chain both heads of a feed, by a live plan of it."""

    feed: bytes
    plan: int


@dataclass(frozen=True, slots=True)
class SettleConflict:
    """Note that the chain knows of a feed's two histories, since the block that is named."""

    feed: bytes
    block: int


def decide(
    now: int,
    account: bytes,
    found: Mapping[bytes, int],
    frozen: Mapping[bytes, int],
    plans: Mapping[int, Plan],
) -> list[TellConflict | SettleConflict]:
    """Return what to do about the feeds of which a conflict was found, with the block in which this was first seen here."""
    actions: list[TellConflict | SettleConflict] = []
    for feed, since in sorted(found.items()):
        if feed in frozen:
            actions.append(SettleConflict(feed, frozen[feed]))
            continue
        live = [number for number, plan in plans.items() if plan.feed == feed and plan.state is PlanState.LIVE]
        if live and now >= since + turn(account, feed):
            actions.append(TellConflict(feed, min(live)))
    return actions


def turn(account: bytes, feed: bytes) -> int:
    """Return after how many blocks it is an account's turn to tell of a feed."""
    return hashlib.blake2b(account + feed, digest_size=1).digest()[0] % TURNS


def call_of(conflict: Conflict, plan: int) -> Call:
    """Return the call that shows a conflict. Raises ManifestError or CodecError if the chain takes no such feed."""
    first, second = (_signed(head) for head in conflict.heads())
    nodes = tuple(OpenedNode(one.index, one.size, one.left, one.right) for one in conflict.nodes)
    return calls.report_equivocation(plan, first, second, conflict.root, nodes)


def _signed(head: CoreHead) -> SignedHead:
    roots = tuple(Root(root.hash, root.size) for root in head.roots)
    return SignedHead(head.key, head.manifest or b"", head.fork, head.length, roots, head.raw_signature)


class ConflictTeller:
    """One account's teller of the conflicts in its store. `run` it until it is cancelled."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._runner = Runner("teller", troubles=context.troubles)
        self._found: dict[bytes, int] = {}
        """The conflicts that are untold, and the block in which each was first seen here."""
        self._plans: set[int] = set()
        self._next: int | None = None
        """The first plan that was not looked at; None: all of them are."""
        self._poor = False

    def attach(self, connection: Connection) -> None:
        """Do nothing: replication finds conflicts by itself."""

    async def run(self) -> None:
        """Tell until cancelled."""
        try:
            await each_block(self._context.follower, self._step, self._context.troubles, "teller")
        finally:
            await self._runner.close()

    async def _step(self, block: Block) -> None:
        self._runner.look(block.number)
        context, storage = self._context, self._context.client.storage
        untold = {conflict.key: conflict for conflict in context.store.untold_conflicts()}
        if untold.keys() - self._found.keys():
            self._next = None
        self._found = {feed: self._found.get(feed, block.number) for feed in untold}
        if not untold:
            self._runner.apply(block.number, [])
            return
        frozen = {feed: since for feed in untold if (since := await storage.frozen(feed, block.hash)) is not None}
        plans = await self._live_plans(block)
        actions = decide(block.number, context.signer.account, self._found, frozen, plans)
        if any(isinstance(one, TellConflict) for one in actions) and not await self._can_pay(block):
            actions = [one for one in actions if isinstance(one, SettleConflict)]
        self._runner.apply(block.number, [(one, partial(self._perform, one, untold[one.feed])) for one in actions])

    async def _live_plans(self, block: Block) -> dict[int, Plan]:
        """Return the live plans of these feeds: all plans are read once for a new conflict, then only new ones and those."""
        storage, at = self._context.client.storage, block.hash
        following = await storage.next_plan(at)
        if self._next is None:
            plans: dict[int, Plan] = {}
            async for page in storage.pages_of_plans(at):
                plans |= self._of_ours(page)
        else:
            fresh = sorted(self._plans | set(range(self._next, following)))
            plans = self._of_ours(await storage.plans_of(fresh, at))
        self._plans, self._next = set(plans), following
        return plans

    def _of_ours(self, plans: dict[int, Plan]) -> dict[int, Plan]:
        return {
            number: plan for number, plan in plans.items() if plan.feed in self._found and plan.state is PlanState.LIVE
        }

    async def _can_pay(self, block: Block) -> bool:
        """Return whether the account has any money for the fee. That it has none is told once."""
        poor = await self._context.client.balance(self._context.signer.payer, block.hash) == 0
        if poor and not self._poor:
            log.warning("a feed's owner signed two histories, and this account has no money to tell the chain")
        self._poor = poor
        return not poor

    async def _perform(self, action: TellConflict | SettleConflict, conflict: Conflict) -> int | None:
        if isinstance(action, SettleConflict):
            self._settle(action.feed, f"the chain knows since block {action.block}")
            return None
        return await self._tell(action, conflict)

    async def _tell(self, action: TellConflict, conflict: Conflict) -> int | None:
        context, feed = self._context, action.feed

        async def held() -> bool:
            return await context.client.storage.frozen(feed) is not None

        try:
            block = await submitted(context.signer, call_of(conflict, action.plan), held)
        except (ManifestError, CodecError) as error:
            self._settle(feed, f"the chain takes no such feed: {error}")
            return None
        except DispatchError as error:
            if error.name in LATER:
                log.info("a plan ended before its feed's two histories were told", plan=action.plan, outcome=str(error))
                return None
            self._settle(feed, f"the chain refused it: {error}")
            return None
        if block is not None:
            log.warning("told the chain that a feed's owner signed two histories", plan=action.plan, feed=feed.hex())
            context.on_progress({"role": "teller", "event": "frozen", "plan": action.plan, "feed": feed.hex()})
        return block

    def _settle(self, feed: bytes, outcome: str) -> None:
        self._context.store.settle_conflict(feed, outcome)
        log.info("two histories of a feed are told no more", feed=feed.hex(), outcome=outcome)
