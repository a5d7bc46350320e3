"""The running chain: sealing, finality, the pool's upkeep, persistence, and listeners."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from ..codec import CodecError, Reader
from .chain import Block, Chain, ExecutionError
from .pool import EXTERNAL, STALE, Pool, PoolError, Status, Validity, Watcher, refusal
from .store import Store, StoreError

log = structlog.get_logger(__name__)

INSTANT, MANUAL = "instant", "manual"
MAX_FINALITY_WAIT = 512
"""Blocks after which the watchers of an extrinsic learn that its block is still not final, as with a real node."""
SIGNED = 0x80


@dataclass(frozen=True, slots=True)
class BestChanged:
    """A new best block. `retracted` are the blocks that left the best chain, newest first."""

    block: Block
    retracted: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Finalized:
    """A newly finalized block. `ruled_out` are those that it leaves on no chain, given with the last of several."""

    block: Block
    ruled_out: tuple[Block, ...] = ()


@dataclass(frozen=True, slots=True)
class Added:
    """A newly known block, best or not."""

    block: Block


Event = BestChanged | Finalized | Added
Listener = Callable[[Event], None]


@dataclass
class _Included:
    """The watchers that wait for the finality of an extrinsic, and the number of its block."""

    number: int
    watchers: list[Watcher] = field(default_factory=list)


class Engine:
    """A chain that grows with each extrinsic (instant), every `seal` milliseconds, or by hand."""

    def __init__(self, chain: Chain, seal: str | int, store: Store | None = None) -> None:
        self.chain, self.seal_mode, self._store = chain, seal, store
        self.pool = Pool(self._validate)
        self.finality_lag: int | None = 0
        self.refused_tags: dict[bytes, int] = {}
        self._listeners: list[Listener] = []
        self._included: dict[bytes, _Included] = {}
        self._quiet: list[Event] | None = None
        self._jumping = asyncio.Lock()
        self._wanted = asyncio.Event()
        self._failed: StoreError | None = None
        if store is not None:
            store.load(chain)
            chain.archive = store

    def _validate(self, extrinsic: bytes) -> bytes:
        best = self.chain.best
        return self.chain.call(best, "TaggedTransactionQueue_validate_transaction", EXTERNAL + extrinsic + best.hash)

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` for block events. Return a function that ends this."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def _emit(self, event: Event) -> None:
        if self._quiet is not None:
            self._quiet.append(event)
            return
        for listener in list(self._listeners):
            listener(event)

    # sealing

    async def run(self) -> None:
        """Seal blocks as the mode says, for ever.

        Raises ExecutionError if no block can be built any longer, and StoreError if none can be stored.
        """
        clock = asyncio.get_running_loop().time
        due = clock()
        while True:
            mode = self.seal_mode
            if isinstance(mode, int):
                # after a delay, continue from now instead of catching up with a burst of blocks
                due = max(due + mode / 1000, clock() - 1)
                if not await self._changed(due - clock()):
                    self.seal()
                continue
            await self._changed(None)
            if self.seal_mode == INSTANT:
                await self._seal_ready()
            due = clock()

    async def _changed(self, within: float | None) -> bool:
        try:
            async with asyncio.timeout(within):
                await self._wanted.wait()
        except TimeoutError:
            return False
        self._wanted.clear()
        if self._failed is not None:
            raise self._failed
        return True

    async def _seal_ready(self) -> None:
        while self.pool.ready():
            before = len(self.pool)
            self.seal()
            if len(self.pool) >= before:
                break  # none of them can enter a block yet
            await asyncio.sleep(0)

    def set_sealing(self, mode: str | int) -> None:
        """Change the sealing mode."""
        self.seal_mode = mode
        self._wanted.set()

    def seal(self) -> Block:
        """Build and import one block from the pool."""
        ready = {one.extrinsic: one.hash for one in self.pool.ready()}
        block, refused = self.chain.build(self.chain.best, ready)
        for extrinsic, answer in refused:
            log.info("extrinsic refused", hash=ready[extrinsic].hex(), answer=answer.hex())
            self.pool.refuse(ready[extrinsic], answer)
        self.import_block(block)
        return block

    async def jump(self, count: int) -> None:
        """Seal many blocks in one go. Listeners hear of the last one only, as when a node synchronises."""
        async with self._jumping:
            quiet: list[Event] = []
            self._quiet = quiet
            try:
                for _ in range(count):
                    self.seal()
                    # let the event loop run, although listeners hear nothing until the end
                    await asyncio.sleep(0)
            finally:
                self._quiet = None
                for event in {type(event): event for event in quiet}.values():
                    self._emit(event)

    # extrinsics

    def submit(self, extrinsic: bytes, watcher: Watcher | None = None) -> bytes:
        """Add an extrinsic to the pool and return its hash. Raises PoolError."""
        _check_length(extrinsic)
        if self.refused_tags:
            self._refuse_by_hand(extrinsic)
        taken = self.pool.submit(extrinsic, self.chain.best.number, [watcher] if watcher else [])
        if self.seal_mode == INSTANT:
            self._wanted.set()
        return taken.hash

    def refuse_nonce(self, account: bytes, nonce: int, times: int) -> None:
        """Refuse the next submissions of an account's extrinsic with that nonce as outdated."""
        self.refused_tags[account + nonce.to_bytes(4, "little")] = times

    def _refuse_by_hand(self, extrinsic: bytes) -> None:
        validity: Validity = self.pool.check(extrinsic)
        for tag in validity.provides:
            left = self.refused_tags.get(tag, 0)
            if left:
                self.refused_tags[tag] = left - 1
                if left == 1:
                    del self.refused_tags[tag]
                raise refusal(0, STALE)

    def unwatch(self, watcher: Watcher) -> None:
        """Remove a watcher."""
        lists = [one.watchers for one in self._included.values()] + [one.watchers for one in self.pool.all()]
        for watchers in lists:
            if watcher in watchers:
                watchers.remove(watcher)

    # blocks

    def import_block(self, block: Block) -> None:
        """Import a block, built here or executed from elsewhere. It is durable before listeners hear of it."""
        before = self.chain.best
        is_best = self.chain.add(block)
        try:
            self._save(block)
        except StoreError:
            self.chain.withdraw(block, before)  # it must not be shown: a restart would not have it
            raise
        block.changes = {}  # its state includes them; over days they would pile up
        self._emit(Added(block))
        if is_best:
            self._became_best(before)
        self._finalize()

    def _save(self, block: Block | None = None) -> None:
        """Make the block durable.

        After a failure nothing is stored any longer: blocks on a missing one would be lost as well.
        """
        if self._store is None:
            return
        if self._failed is not None:
            raise self._failed
        try:
            self._store.save(self.chain, block)
        except StoreError as error:
            self._failed = error
            self._wanted.set()  # ends `run`, and with it the node
            raise

    def _forget(self, blocks: list[Block]) -> None:
        if self._store is not None and blocks:
            self._store.forget(blocks)

    def _became_best(self, before: Block) -> None:
        retracted = self.chain.retracted(before)
        fork = self.chain.block(retracted[-1].header.parent) if retracted else before
        fresh = [self.chain.at(number) for number in range(fork.number + 1, self.chain.best.number + 1)]
        branch = [block for block in fresh if block is not None]
        again = self._retract(retracted, {name for block in branch for name in block.extrinsic_index})
        unknown = False
        for block in branch:
            for name, index in block.extrinsic_index.items():
                unknown |= not self._include(name, block) and _is_signed(block.body[index])
        number = self.chain.best.number
        self.pool.prune(number)
        if retracted or unknown:
            self.pool.revalidate(number, only_future=not retracted)
        for extrinsic, watchers in again:
            self._return(extrinsic, watchers)
        self._tell_late(number)
        self._emit(BestChanged(self.chain.best, tuple(retracted)))

    def _include(self, name: bytes, block: Block) -> bool:
        """Move an extrinsic from the pool into a block. Return whether the pool knew it."""
        taken = self.pool.included(name)
        watched = self._included.setdefault(name, _Included(block.number))
        watched.number = block.number
        if taken is not None:
            watched.watchers.extend(taken.watchers)
        if not watched.watchers:
            del self._included[name]
        self._tell(name, {"inBlock": "0x" + block.hash.hex()})
        return taken is not None

    def _retract(self, blocks: list[Block], kept: set[bytes]) -> list[tuple[bytes, list[Watcher]]]:
        """Report retracted extrinsics. Return those that the new branch does not hold, with watchers, oldest first."""
        again = []
        for block in reversed(blocks):
            for name, index in block.extrinsic_index.items():
                self._tell(name, {"retracted": "0x" + block.hash.hex()})
                self.pool.unban(name)
                if name not in kept and _is_signed(block.body[index]):
                    watched = self._included.pop(name, None)
                    again.append((block.body[index], watched.watchers if watched else []))
        return again

    def _return(self, extrinsic: bytes, watchers: list[Watcher]) -> None:
        try:
            self.pool.submit(extrinsic, self.chain.best.number, watchers)
        except PoolError as error:
            log.info("dropping a retracted extrinsic", error=str(error))
            for watcher in watchers:
                watcher("invalid")
        if self.seal_mode == INSTANT:
            self._wanted.set()

    def _tell(self, name: bytes, status: Status) -> None:
        watched = self._included.get(name)
        if watched is not None:
            for watcher in list(watched.watchers):
                watcher(status)

    def _tell_late(self, number: int) -> None:
        late = [name for name, one in self._included.items() if one.number <= number - MAX_FINALITY_WAIT]
        for name in late:
            block = self.chain.at(self._included[name].number)
            assert block is not None
            self._tell(name, {"finalityTimeout": "0x" + block.hash.hex()})
            del self._included[name]

    # finality and forks

    def _finalize(self) -> None:
        if self.finality_lag is not None:
            self.finalize(self.chain.best.number - self.finality_lag)

    def finalize(self, number: int) -> None:
        """Finalize the best chain up to a block. What is final is durable before listeners hear of it."""
        before = self.chain.finalized_number
        fresh = list(self.chain.finalize(number))
        if fresh:
            try:
                self._save()
            except StoreError:
                self.chain.finalized_number = before
                raise
            gone = self.chain.prune(fresh[0].number)
            self._forget(gone)
        for block in fresh:
            for name in block.extrinsic_index:
                self._tell(name, {"finalized": "0x" + block.hash.hex()})
                self._included.pop(name, None)
            self._emit(Finalized(block, tuple(gone) if block is fresh[-1] else ()))

    def set_finality(self, lag: int | None) -> None:
        """Finalize `lag` blocks behind the best one; None stops finality."""
        self.finality_lag = lag
        self._finalize()

    def reorganise(self, depth: int, growth: int = 1) -> Block:
        """Replace the last `depth` blocks by a branch without their extrinsics that is `growth` blocks longer.

        Raises ValueError if that would undo a finalized block.
        """
        best = self.chain.best
        fork = self.chain.at(best.number - depth)
        if depth < 1 or growth < 1 or fork is None or fork.number < self.chain.finalized_number:
            free = best.number - self.chain.finalized_number
            raise ValueError(f"cannot undo {depth} blocks and add {growth} more: {free} blocks are not finalized")
        tip = fork
        for _ in range(depth + growth):
            tip = self._build_apart(tip)
            self.import_block(tip)
        return tip

    def _build_apart(self, parent: Block) -> Block:
        # a different time makes a different block, even if both are empty
        rivals = {one.hash for one in self.chain.children(parent)}
        for extra in range(1, 1000):
            block, _ = self.chain.build(parent, (), later_ms=extra if rivals else 0)
            if block.hash not in rivals:
                return block
        raise ExecutionError("cannot build a different block there")


def _check_length(extrinsic: bytes) -> None:
    try:
        reader = Reader(extrinsic)
        size = reader.compact()
    except CodecError as error:
        raise PoolError(1040, f"Client error: not an extrinsic: {error}") from error
    if size != reader.left:
        raise PoolError(1040, f"Client error: not an extrinsic: {size} bytes announced, but {reader.left} given")


def _is_signed(extrinsic: bytes) -> bool:
    reader = Reader(extrinsic)
    reader.compact()
    return bool(reader.uint(1) & SIGNED)
