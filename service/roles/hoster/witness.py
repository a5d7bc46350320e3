"""A hoster audits others: the sectors that they open to the chain are public, and of a feed that it hosts it has the bytes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from service.chain_client import Block, ChainClient, ChainError
from service.chain_client.pallet import events
from service.chain_client.pallet.types import Copy, Evidence, Plan, Segment, StorageProof
from service.chain_client.runtime.events import EventRecord
from service.disk import DISK_ERRORS
from service.encoding import EncodingError, Opening, SectorDecoder
from service.encoding.profiles import SECTOR
from service.hypercore import Core, CoreError
from service.protocols.copy.stream import BlockWalk, CopyStream, PlanHead, StreamError

from ..common.audit import Auditor, Read, compare
from ..common.segment_jobs import stream_ranges
from .feeds import held_position
from .proofs import openings_of

log = structlog.get_logger(__name__)

MOST_PROOFS = 2
"""Proofs of a block that are decoded: each takes some hundredths of a second of the event loop."""
MOST_SECTORS = 16
"""Sectors of a block that are compared: for each a block of the feed is decoded."""
MOST_BLOCKS = 512
"""Blocks of the feed that are read for one sector: one that spans more is judged by what was read of it."""
PROOF = "submit_storage_proof"
ARGUMENTS: dict[str, Any] = {"issued": int, "proof": StorageProof}

CoreOf = Callable[[bytes], Core | None]
"""Returns the core of a feed that is hosted here."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A sector that another hoster opened to the chain, and what is needed to judge it."""

    copy: int
    hoster: bytes
    number: int
    segment: Segment
    modulus: bytes
    plan: Plan
    opening: Opening


def proofs_of_others(records: Iterable[EventRecord], account: bytes) -> list[tuple[bytes, int]]:
    """Return the hoster and the extrinsic of each storage proof of a block that is not ours."""
    found = []
    for record in records:
        event = record.event
        if isinstance(event, events.StorageProved | events.HosterCleared) and record.extrinsic is not None:
            found.append((event.hoster, record.extrinsic))
    return [one for one in dict.fromkeys(found) if one[0] != account]


def judge(core: Core, opened: Opened) -> Evidence | None:
    """Return the evidence that an opened sector does not decode to its feed, or None if it does or nobody here can tell.

    Raises CoreError, StreamError, EncodingError and OSError.
    """
    segment = opened.segment
    head = PlanHead(segment.head.fork, segment.head.length, segment.head.tree_hash)
    if segment.salt is None or core.fork != head.fork or core.length < head.length:
        return None
    head.check_roots(core.roots(head.length))
    stream = CopyStream(stream_ranges(opened.plan, segment.head))
    read = read_sector(core, stream, head.length, segment.first_byte + opened.opening.sector * SECTOR)
    if read is None:
        return None
    plain = SectorDecoder(segment.salt, opened.modulus).decode(opened.opening.sector, opened.opening.data)
    return compare(core, head.length, opened.number, opened.opening, plain, read)


def read_sector(core: Core, stream: CopyStream, length: int, offset: int) -> Read | None:
    """Return what a sector must hold, from a core that has its blocks; None if it lacks one.

    Raises CoreError and StreamError.
    """
    filled = min(SECTOR, stream.total - offset)
    position = held_position(core, stream, length, offset)
    if position is None:
        return None
    walk, plain = BlockWalk(stream, position), bytearray()
    blocks: list[tuple[int, int, int]] = []
    needed = offset + filled - position.offset
    while len(plain) < needed and len(blocks) < MOST_BLOCKS and walk.next_block is not None:
        block = walk.next_block
        data = core.raw(block)
        if data is None:
            return None
        blocks.append((block, position.offset + len(plain), len(data)))
        walk.accept(block, len(data), core.byte_range(block, length)[0])
        plain += data
    start = offset - position.offset
    return Read(bytes(plain[start : start + filled]), offset, filled, tuple(blocks))


class Witness:
    """Looks into the storage proofs of others, one block at a time and while nothing more urgent is to be done."""

    def __init__(self, client: ChainClient, account: bytes, core_of: CoreOf, auditor: Auditor) -> None:
        self._client, self._account = client, account
        self._core_of, self._auditor = core_of, auditor
        self._task: asyncio.Task[None] | None = None

    def look(self, block: Block) -> None:
        """Begin to look into a block, unless an earlier one is still looked into: then this one is passed over."""
        if self._task is not None and not self._task.done():
            return
        proofs = proofs_of_others(block.events, self._account)
        self._task = asyncio.create_task(self._look(block, proofs)) if proofs else None

    async def close(self) -> None:
        """Stop what is under way."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _look(self, block: Block, proofs: list[tuple[bytes, int]]) -> None:
        try:
            left, looked = MOST_SECTORS, 0
            for hoster, index in proofs:
                if left <= 0 or looked >= MOST_PROOFS:
                    break
                found = await self._opened(block, hoster, index, left)
                looked, left = looked + bool(found), left - len(found)
                for one in found:
                    await self._compare(one)
        except (ChainError, *DISK_ERRORS) as error:
            log.warning("the storage proofs of a block were not looked into", block=block.number, error=str(error))

    async def _opened(self, block: Block, hoster: bytes, index: int, most: int) -> list[Opened]:
        """Return up to `most` sectors of feeds that are hosted here, which a proof of a block opened. Raises ChainError."""
        storage, at = self._client.storage, block.parent
        challenge = await storage.storage_challenge(hoster, at)
        if challenge is None:
            return []
        copies = await storage.copies_of({sample.copy for sample in challenge.samples}, at)
        plans = await storage.plans_of({copy.plan for copy in copies.values()}, at)
        known = {number: copy for number, copy in copies.items() if self._is_known(copy, plans)}
        if not known:
            return []
        arguments = await self._client.call(block.hash, index, PROOF, ARGUMENTS)
        if arguments is None:
            return []
        segments = await storage.segments_of({sample.segment for sample in challenge.samples}, at)
        try:
            opened = openings_of(self._client.genesis, hoster, challenge.samples, segments, arguments["proof"])
        except EncodingError as error:
            # a copy ended in this very block, and with it some of the samples
            log.debug("cannot read a storage proof of another", block=block.number, error=str(error))
            return []
        pairs = zip(challenge.samples, opened, strict=True)
        shown = [(sample, opening) for sample, opening in pairs if sample.copy in known][:most]
        moduli = await storage.moduli_of({sample.segment for sample, _ in shown}, at)
        return [
            Opened(
                sample.copy, hoster, sample.segment, segments[sample.segment], moduli[sample.segment],
                plans[known[sample.copy].plan], opening,
            )
            for sample, opening in shown
            if sample.segment in moduli
        ]  # fmt: skip

    def _is_known(self, copy: Copy, plans: Mapping[int, Plan]) -> bool:
        plan = plans.get(copy.plan)
        return plan is not None and not copy.invalid and self._core_of(plan.feed) is not None

    async def _compare(self, opened: Opened) -> None:
        await asyncio.sleep(0)  # the event loop gets a turn between two sectors
        core = self._core_of(opened.plan.feed)
        if core is None:
            return
        try:
            evidence = judge(core, opened)
        except (CoreError, StreamError, EncodingError, *DISK_ERRORS) as error:
            log.debug(
                "cannot judge a sector that another hoster opened",
                copy=opened.copy, segment=opened.number, sector=opened.opening.sector, error=str(error),
            )  # fmt: skip
            return
        if evidence is not None:
            await self._auditor.found(opened.copy, evidence)
