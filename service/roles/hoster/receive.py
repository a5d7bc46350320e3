"""The hoster's end of a copy connection: perform the receiving machine's actions on a real channel and a real disk."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import structlog

from service.disk import DISK_ERRORS
from service.encoding import PoolClosed
from service.encoding.profiles import SECTOR
from service.encoding.treefile import TreeFile
from service.hypercore import CodecError, Core, CoreError, ProofError
from service.hypercore.crypto import Node
from service.hypercore.net import Channel, ChannelClosed, ConnectionClosed
from service.hypercore.tree.proof import Proof
from service.hypercore.wire.messages import decode_data
from service.ports import Codec
from service.protocols.copy import messages as m
from service.protocols.copy.job import SegmentJob, Sign, verify
from service.protocols.copy.receiver import (
    Action,
    CompareRoot,
    CopyReceiver,
    Decode,
    InstallHead,
    KeepCheckpoint,
    Send,
    Store,
    refusal,
)
from service.protocols.copy.stream import PlanHead, StreamError

from .joining import OnHead
from .store import HostedCopies, HostedSegment

log = structlog.get_logger(__name__)

OnStored = Callable[[SegmentJob, int], None]
"""A function called with the job and the number of durable sectors."""


@dataclass(frozen=True, slots=True)
class Shelf:
    """Where a received segment goes: store, core, codec and signing key, and who is told of it."""

    hosted: HostedCopies
    core: Core
    pool: Codec
    sign: Sign
    on_stored: OnStored
    on_head: OnHead


async def receive_copy(channel: Channel, job: SegmentJob, shelf: Shelf) -> None:
    """Receive one segment until the channel ends. A breach of the protocol is reported to the peer and logged.

    Raises OSError and DiskError if it cannot be stored. What was counted before stays, and the next connection goes on.
    """
    segment = await asyncio.to_thread(shelf.hosted.begin, job)
    job = replace(job, most=segment.job.most)  # one that was begun by an older rule ends where it was to end
    tree = await asyncio.to_thread(shelf.hosted.tree, segment)
    bound = log.bind(peer=str(channel.connection), copy=job.copy, segment=job.segment)
    try:
        session = _Session(channel, job, shelf, tree, await _receiver(job, shelf, segment))
        await session.run()
    except m.CopyRefused as error:
        bound.warning("copy refused", reason=str(error))
        await channel.send(*m.encode(refusal(error)))
    except DISK_ERRORS:
        with suppress(ChannelClosed):
            await channel.send(*m.encode(refusal(m.CopyRefused("sectors cannot be stored here now: try again later"))))
        raise
    finally:
        tree.close()
        channel.close()


async def _receiver(job: SegmentJob, shelf: Shelf, segment: HostedSegment) -> CopyReceiver:
    progress = segment.progress
    start = job.first_byte + min(progress.sectors * SECTOR, job.length)
    prefix = b""
    if progress.position.offset < start:
        prefix = await asyncio.to_thread(shelf.hosted.plain, job.copy, progress.position.offset, start)
    return CopyReceiver(job, progress, prefix, shelf.sign, verify, shelf.core.length)


class _Session:
    def __init__(self, channel: Channel, job: SegmentJob, shelf: Shelf, tree: TreeFile, receiver: CopyReceiver) -> None:
        self._channel, self._job, self._shelf, self._tree, self._receiver = channel, job, shelf, tree, receiver

    async def run(self) -> None:
        await self._perform(self._receiver.open())
        while True:
            message = m.decode(*await self._channel.receive())
            if isinstance(message, m.CopyRefusal):
                log.warning("the encoder cancelled the copy", peer=str(self._channel.connection), reason=message.reason)
                return
            await self._perform(self._receiver.receive_message(message))

    async def _perform(self, actions: list[Action]) -> None:
        for action in actions:
            if isinstance(action, Send):
                await self._channel.send(*m.encode(action.message))
            elif isinstance(action, InstallHead):
                self._receiver.installed(await self._install(action.proof))
            elif isinstance(action, Decode):
                await self._perform(self._receiver.decoded(await self._decode(action)))
            elif isinstance(action, Store):
                await self._store(action)
            elif isinstance(action, CompareRoot):
                await self._perform(self._receiver.own_root(await asyncio.to_thread(self._tree.root)))
            elif isinstance(action, KeepCheckpoint):
                await asyncio.to_thread(self._shelf.hosted.keep_checkpoint, self._job, action.checkpoint)

    async def _decode(self, action: Decode) -> bytes:
        job = self._job
        try:
            return await self._shelf.pool.decode_run(action.first, action.data, salt=job.salt, modulus=job.modulus)
        except PoolClosed as error:
            raise ConnectionClosed("this node stops") from error  # a wanted end, as when the other node stops

    async def _install(self, body: bytes) -> tuple[Node, ...]:
        """Give the core the head shown, and return the roots of the copy's head: the chain's, the core's or those shown."""
        shelf, head = self._shelf, self._job.head
        core = shelf.core
        try:
            proof = decode_data(body)[1] if body else None
            if proof is not None and core.length < head.length:  # another copy's encoder may have shown it first
                core.apply(proof, keep=False)
            if core.length < head.length or core.fork != head.fork:
                raise m.CopyRefused(
                    f"the head shown has {core.length} blocks at fork {core.fork}; "
                    f"the copy's head has {head.length} at fork {head.fork}"
                )
            roots = self._job.roots or head_roots(core, head, proof)
            for root in roots:
                known = core.node(root.index)
                if known is not None and known != root:
                    raise m.CopyRefused(f"tree node {root.index} of the head shown differs from the copy's")
            core.keep_nodes(roots)
            self._join(core, proof)
            core.flush()
        except (ProofError, CodecError, CoreError) as error:
            raise m.CopyRefused(f"head: {error}") from error
        if not self._job.roots:
            self._job = replace(self._job, roots=roots)
            await asyncio.to_thread(shelf.hosted.keep_job, self._job)
        shelf.on_head(core, head)
        return roots

    def _join(self, core: Core, proof: Proof | None) -> None:
        """Keep what is shown of the way from the copy's head to the longer one that the core had before."""
        upgrade = None if proof is None else proof.upgrade
        try:
            core.join(self._job.head.length, () if upgrade is None else (*upgrade.nodes, *upgrade.additional))
        except ProofError as error:
            log.info(
                "nothing is kept of the nodes beyond a copy's head",
                copy=self._job.copy,
                peer=str(self._channel.connection),
                reason=str(error),
            )

    async def _store(self, store: Store) -> None:
        hosted, core = self._shelf.hosted, self._shelf.core
        # Sectors first, then the core's nodes and marks, then the count: after a crash the count never covers what is not
        # on the disk.
        await asyncio.to_thread(hosted.store, self._job, store, self._tree)
        core.keep_nodes(store.nodes)
        for start, end in store.blocks:
            core.mark(start, end)
        core.flush()
        await asyncio.to_thread(hosted.advance, self._job, store.progress)
        for start, end in store.blocks:
            core.mark(
                start, end
            )  # again: an encoder on this node may have dropped its own blocks while the count was written
        if core.dirty:
            core.flush()
        self._shelf.on_stored(self._job, store.progress.sectors)


def head_roots(core: Core, head: PlanHead, proof: Proof | None) -> tuple[Node, ...]:
    """Return the roots of a copy's head, which is older than its plan's, from the core or from a proof that begins with them.

    They are right if they hash to its tree hash, which the chain has. Raises CopyRefused.
    """
    found: list[Sequence[Node]] = []
    with suppress(CoreError):
        found.append(core.roots(head.length))
    if proof is not None and proof.upgrade is not None and proof.upgrade.start == 0:
        found.append(proof.upgrade.nodes)
    for roots in found:
        with suppress(StreamError):
            head.check_roots(roots)
            return tuple(roots)
    raise m.CopyRefused(f"the roots of the copy's head of {head.length} blocks are not known here, and were not shown")
