"""The encoder's end of a copy connection: read the feed, encode, send within the window, and return a receipt."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass

import structlog

from service.encoding import Frontier, PrivateKey
from service.encoding.hashes import HASH
from service.encoding.profiles import SECTOR
from service.encoding.progress import Progress
from service.hypercore.net import Channel, ChannelClosed, ReplicationError
from service.hypercore.tree import flat
from service.hypercore.tree.proof import MissingNode, ProofError, Request, UpgradeRequest
from service.hypercore.wire.messages import encode_data
from service.ports import Codec
from service.protocols.copy import messages as m
from service.protocols.copy.feeder import Feeder, TreePoint
from service.protocols.copy.job import SegmentJob, Sign, verify
from service.protocols.copy.sender import Begin, CopySender, KeepReceipt
from service.protocols.copy.stream import Position, StreamError

from ..common.feed_window import FeedReader, FeedUnreachable

log = structlog.get_logger(__name__)

MAX_RENEWED = 8
"""Blocks fetched once more for the nodes of one head's proof: each brings all nodes from it up to the roots."""
KEEP_POINT_SECTORS = 4096
"""Sectors between two durable points of the encoder's own tree (1 MiB), which bounds the work repeated after a crash."""
SILENCE_SECONDS = 120.0
"""How long a hoster may say nothing. It covers a slow disk's sync; beyond it the connection is closed and retried."""


@dataclass(frozen=True, slots=True)
class Point:
    """The durable progress of the encoder's own tree."""

    tree: TreePoint
    frontier: bytes


@dataclass(frozen=True, slots=True)
class Work:
    """What one segment's encoding needs besides its job. `keep_point` and `keep_receipt` must be durable on return.

    `on_acked` is called with the sectors that the hoster has, each time it says so. `shows_roots` says that the copy's head
    is not its plan's any longer: the chain has other roots now, and the hoster gets those of the head from us.
    """

    key: PrivateKey
    pool: Codec
    feed: FeedReader
    sign: Sign
    point: Point | None
    keep_point: Callable[[Point], None]
    keep_receipt: Callable[[m.SignedRoot], None]
    on_acked: Callable[[int], None]
    on_progress: Callable[[Progress], None]
    shows_roots: bool = False
    checkpoint_sectors: int = m.CHECKPOINT_SECTORS


async def send_copy(channel: Channel, job: SegmentJob, work: Work) -> m.SignedRoot:
    """Send the whole segment to the hoster and return its signed receipt.

    Raises PeerRefused, CopyRefused, StreamError, ChannelClosed, and what the feed raises.
    """
    sender = CopySender(job, work.sign, verify)
    async with _patience("its state"):
        begin = sender.receive_message(m.decode(*await channel.receive()))
    assert isinstance(begin, Begin)
    session = _Sending(channel, job, work, sender, begin)
    listening = asyncio.create_task(session.listen())
    sending = asyncio.create_task(session.send())
    try:
        await asyncio.wait({listening, sending}, return_when=asyncio.FIRST_COMPLETED)
        if sending.done():
            return sending.result()
        listening.result()
        raise ChannelClosed("the hoster left before its receipt")
    except (m.CopyRefused, StreamError) as error:
        with suppress(ChannelClosed):
            await channel.send(*m.encode(m.CopyRefusal(str(error)[:500])))
        raise
    finally:
        for task in (listening, sending):
            task.cancel()
        await asyncio.gather(listening, sending, return_exceptions=True)


@asynccontextmanager
async def _patience(what: str) -> AsyncIterator[None]:
    """Raise ChannelClosed if the block takes longer than SILENCE_SECONDS.

    A hoster that stays connected and says nothing must not hold its encoder for ever.
    """
    try:
        async with asyncio.timeout(SILENCE_SECONDS):
            yield
    except TimeoutError:
        raise ChannelClosed(f"the hoster has not sent {what} within {SILENCE_SECONDS:.0f} s") from None


class _Sending:
    def __init__(self, channel: Channel, job: SegmentJob, work: Work, sender: CopySender, begin: Begin) -> None:
        self._channel, self._job, self._work, self._sender, self._begin = channel, job, work, sender, begin
        point = work.point if work.point is not None else self._first_point()
        self._frontier = Frontier.from_bytes(job.ctx, point.frontier)
        self._own = point.tree
        self._feeder = Feeder(job, begin, point.tree)
        self._pending = bytearray()
        self._announced = begin.offset
        self._kept = point.tree.sectors
        self._checkpointed = begin.sectors
        self._receipt: m.SignedRoot | None = None
        self._news = asyncio.Event()

    def _first_point(self) -> Point:
        """Return an empty tree at the segment's first byte.

        That is the stream's start, or the hoster's position if it has no sectors yet.
        """
        begin = self._begin
        if self._job.first_byte == 0:
            position = self._job.stream.start
        elif begin.sectors == 0:
            position = Position(begin.block, begin.offset)
        else:
            raise m.CopyRefused(f"the hoster has {begin.sectors} sectors of a segment that this encoder never began")
        point = Point(TreePoint(0, position), Frontier(self._job.ctx).to_bytes())
        self._work.keep_point(point)
        return point

    async def listen(self) -> None:
        while True:
            event = self._sender.receive_message(m.decode(*await self._channel.receive()))
            if isinstance(event, KeepReceipt):
                self._receipt = event.receipt
                self._work.keep_receipt(event.receipt)
            self._work.on_acked(self._sender.acked)
            self._news.set()

    async def send(self) -> m.SignedRoot:
        job = self._job
        await self._send(m.HeadProof(await self._head()))
        if self._feeder.next_block is not None:
            stream = self._work.pool.encode(
                self._plain(),
                salt=job.salt,
                key=self._work.key,
                ctx=job.ctx,
                first_sector=self._feeder.first_sector,
                sectors=job.sectors,
            )
            async with aclosing(stream):
                async for run in stream:
                    fed = self._feeder.run(run.first_sector, run.data, run.leaves)
                    self._pending += fed.leaves
                    for message in fed.messages:
                        await self._send(message)
                    self._keep(fed.point)
                    self._work.on_progress(stream.progress)
                    await self._maybe_checkpoint()
        for message in self._feeder.finish():
            await self._send(message)
        self._take_leaves(job.sectors)
        await self._acknowledged(job.sectors)
        return await self._checkpoint(job.sectors)

    async def _head(self) -> bytes:
        """Return the proof of our head by way of the copy's; empty if the hoster can do without and we do not have it.

        To a hoster whose core is as long as the copy's head it is from the feed's beginning, and so begins with the roots of
        that head. Behind them are the nodes up to our head: a hoster that was shown a longer one at once lacks these.
        """
        length, there = self._job.head.length, self._begin.core_length
        if there < length:
            return await self._upgrade(there)
        try:
            return await self._upgrade(0)
        except (ProofError, ReplicationError, FeedUnreachable) as error:
            if self._work.shows_roots:
                raise
            log.info("a hoster is not shown the way from its copy's head", copy=self._job.copy, reason=str(error))
            return b""

    async def _upgrade(self, start: int) -> bytes:
        core, length = self._work.feed.core, self._job.head.length
        # up to the plan's head, so that the hoster can show the way from there to the head of today
        request = Request(upgrade=UpgradeRequest(start, length - start), manifest=True)
        for _ in range(MAX_RENEWED):
            try:
                return encode_data(1, core.prove(request))
            except MissingNode as missing:
                # Our core went past the plan's head in one step, for another plan: a block below the node brings it, and
                # with it the whole way from there to the roots of today.
                block = flat.left_span(missing.index) // 2
                await self._work.feed.renew(block, block + 1)
        return encode_data(1, core.prove(request))

    async def _plain(self) -> AsyncIterator[bytes]:
        feed = self._work.feed
        while (block := self._feeder.next_block) is not None:
            data = await feed.block(block, self._range_end(block))
            wanted = self._feeder.siblings(block)
            siblings = [feed.core.node(index) for index in wanted]
            if None in siblings:
                # it came under an earlier head of the feed, and its proof led to the roots of that
                data = await feed.renew(block, block + 1)
                siblings = [feed.core.node(index) for index in wanted]
            if None in siblings:
                raise StreamError(f"block {block}: a tree node of its proof is missing")
            plain = self._feeder.block(block, data, [node for node in siblings if node is not None])
            feed.used(block)
            if plain:
                yield plain

    def _range_end(self, block: int) -> int:
        number = self._job.stream.range_of(block)
        return block + 1 if number is None else self._job.stream.ranges[number].end

    async def _send(self, message: m.Message) -> None:
        if isinstance(message, m.Sectors):
            count = len(message.data) // SECTOR
            await self._until(lambda: self._sender.room() >= count, "an acknowledgement")
            self._sender.sent(message.first, count)
        elif isinstance(message, m.BlockPaths):
            self._announced += sum(block.length for block in message.blocks)
        await self._channel.send(*m.encode(message))

    async def _until(self, holds: Callable[[], bool], what: str) -> None:
        while not holds():
            self._news.clear()
            async with _patience(what):
                await self._news.wait()

    async def _acknowledged(self, sectors: int) -> None:
        # Wait before a checkpoint: the hoster must not be asked to sign sectors it has not stored yet.
        await self._until(lambda: self._sender.acked >= sectors, "an acknowledgement")

    # ---- the tree, and checkpoints over exactly what the hoster has stored

    def _take_leaves(self, sectors: int) -> None:
        count = (sectors - self._frontier.sectors) * HASH
        if count > 0:
            self._frontier.append_leaves(bytes(self._pending[:count]))
            del self._pending[:count]

    def _keep(self, tree: TreePoint) -> None:
        if tree.sectors < self._kept + KEEP_POINT_SECTORS:
            return
        self._kept = tree.sectors
        whole = Frontier.from_bytes(self._job.ctx, self._frontier.to_bytes())
        whole.append_leaves(bytes(self._pending))
        self._work.keep_point(Point(tree, whole.to_bytes()))

    async def _maybe_checkpoint(self) -> None:
        job = self._job
        if self._announced >= job.first_byte + job.length:
            return  # the hoster holds the whole segment, with its padded sector: only the final checkpoint fits
        stored = (self._announced - job.first_byte) // SECTOR
        if stored <= self._frontier.sectors:
            return
        self._take_leaves(min(stored, self._frontier.sectors + len(self._pending) // HASH))
        if self._frontier.sectors == stored and stored >= self._checkpointed + self._work.checkpoint_sectors:
            await self._acknowledged(stored)
            await self._checkpoint(stored)
            self._checkpointed = stored

    async def _checkpoint(self, sectors: int) -> m.SignedRoot:
        self._receipt = None
        await self._channel.send(*m.encode(self._sender.checkpoint(sectors, self._frontier.root())))
        await self._until(lambda: self._receipt is not None, "its receipt")
        assert self._receipt is not None
        return self._receipt
