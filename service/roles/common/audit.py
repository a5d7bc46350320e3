"""Reports of sectors that do not decode to the feed: found once, kept on disk, committed to, shown, and never made twice.

    found ─ CommitFinding ─▶ the commit stands ─ four blocks ─ ShowFinding ─▶ the copy is invalid ─ ForgetFinding

The commit comes first so that nobody else can take the evidence out of the pool and make the report. A commit that expired
is made again. A copy is reported once, by whoever was first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import structlog

from service.chain_client import Block, DispatchError
from service.chain_client.pallet import calls
from service.chain_client.pallet.constants import MAX_BLOCK, REPORT_AGE
from service.chain_client.pallet.types import ChainBlockProof, ChainOpening, Copy, Evidence, Root
from service.encoding import Opening
from service.hypercore import Core, CoreError
from service.hypercore.tree import flat

from .context import Context
from .evidence import report_hash
from .findings import Findings
from .runner import Runner, submitted

log = structlog.get_logger(__name__)

OVER = ("NoSuchCopy", "AlreadyReported")
"""Refusals after which there is nothing left to report of a copy."""
REFUSED = ("WrongSegment", "BadOpening", "NotProven")
"""Refusals after which the same evidence would only be refused again."""


@dataclass(frozen=True, slots=True)
class CommitFinding:
    """Put the hash of a report on the chain."""

    copy: int


@dataclass(frozen=True, slots=True)
class ShowFinding:
    """Show the evidence that was committed to."""

    copy: int


@dataclass(frozen=True, slots=True)
class ForgetFinding:
    """Delete a finding that is shown, or that the chain can take no longer."""

    copy: int


AuditAction = CommitFinding | ShowFinding | ForgetFinding


def decide(
    now: int, next_copy: int, committed: Mapping[int, int | None], copies: Mapping[int, Copy]
) -> list[AuditAction]:
    """Return what to do about each finding: `committed` is the block in which its report was committed to, by copy."""
    actions: list[AuditAction] = []
    for number, block in sorted(committed.items()):
        copy = copies.get(number)
        if (copy is None and number < next_copy) or (copy is not None and copy.invalid):
            actions.append(ForgetFinding(number))
        elif copy is not None and block is None:
            actions.append(CommitFinding(number))
        elif copy is not None and block is not None and now + 1 >= block + REPORT_AGE:
            actions.append(ShowFinding(number))
    return actions


# ---- evidence


def block_proof(core: Core, length: int, index: int) -> ChainBlockProof:
    """Return a block of a feed with what proves it to a head of `length` blocks. Raises CoreError if a node is missing."""
    data = core.raw(index)
    if data is None:
        raise CoreError(f"block {index} of feed {core.key.hex()} is not here")
    roots, siblings, at = core.roots(length), [], 2 * index
    while at not in {root.index for root in roots}:
        sibling = core.node(flat.sibling(at))
        if sibling is None:
            raise CoreError(f"tree node {flat.sibling(at)} of feed {core.key.hex()} is not here")
        siblings.append(Root(sibling.hash, sibling.size))
        at = flat.parent(at)
    return ChainBlockProof(length, tuple(Root(one.hash, one.size) for one in roots), index, data, tuple(siblings))


@dataclass(frozen=True, slots=True)
class Read:
    """What was read of the feed for a sector: its first bytes from `offset` of the copy stream on, of `filled` that it has.

    `blocks` are those that hold them: block, its offset in the stream, its length.
    """

    plain: bytes
    offset: int
    filled: int
    blocks: tuple[tuple[int, int, int], ...]


def compare(core: Core, length: int, segment: int, opening: Opening, decoded: bytes, read: Read) -> Evidence | None:
    """Return the evidence that a sector does not decode to what was read of it, and to zeros beyond the stream, or None.

    Raises CoreError.
    """
    right = read.plain
    if len(right) == read.filled:
        right = right.ljust(len(decoded), b"\0")
    if decoded.startswith(right):
        return None
    at = next(place for place in range(len(right)) if decoded[place] != right[place])
    wrong = read.offset + at if at < len(read.plain) else None
    return evidence_of(core, length, segment, opening, wrong, read.blocks)


def evidence_of(
    core: Core,
    length: int,
    segment: int,
    opening: Opening,
    wrong: int | None,
    blocks: Sequence[tuple[int, int, int]],
) -> Evidence:
    """Return the evidence that an opened sector decodes to something else than the feed's bytes.

    `wrong` is the offset in the copy stream of a byte that differs, or None if it is one of the padding; `blocks` are
    (block, its offset in the stream, its length). Raises CoreError.
    """
    shown = ChainOpening(opening.data, opening.siblings)
    if wrong is None:
        return Evidence(segment, opening.sector, shown, None)
    index = next(block for block, offset, size in blocks if offset <= wrong < offset + size)
    return Evidence(segment, opening.sector, shown, block_proof(core, length, index))


def unshowable(evidence: Evidence) -> str | None:
    """Return why evidence gets into no block of the chain, or None if it can."""
    block = evidence.block
    if block is None or len(block.data) <= MAX_BLOCK:
        return None
    return f"block {block.index} of the feed has {len(block.data)} bytes, and a report shows {MAX_BLOCK} at most"


# ---- the shell


class Auditor:
    """Reports what a role found. Call `step` with each block, and `close` at the end."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._findings = Findings(context.database)
        self._runner = Runner("auditor")

    async def found(self, copy: int, evidence: Evidence) -> None:
        """Keep evidence against a copy; it is reported from the next block on. What was refused before is not kept."""
        place = {"copy": copy, "segment": evidence.segment, "sector": evidence.sector}
        before = await asyncio.to_thread(self._findings.refusal, copy, evidence.segment, evidence.sector)
        if before is not None:
            log.debug("a copy does not decode to its feed, and no report of it is taken", **place, reason=before)
            return
        why = unshowable(evidence)
        if why is not None:
            await self._refused(copy, evidence, why)
            return
        log.error("a copy does not decode to its feed: it will be reported", **place)
        await asyncio.to_thread(self._findings.keep, copy, evidence)

    async def _refused(self, copy: int, evidence: Evidence, reason: str) -> None:
        """Remember that evidence is not taken, so that it is not found and paid for again; it is told here, and once."""
        log.error(
            "a copy does not decode to its feed, but no report of that is taken",
            copy=copy,
            segment=evidence.segment,
            sector=evidence.sector,
            reason=reason,
        )
        await asyncio.to_thread(self._findings.refuse, copy, evidence.segment, evidence.sector, reason)

    async def step(self, block: Block) -> None:
        """Do what is due at a block. Raises ChainError and DatabaseError."""
        self._runner.look(block.number)
        findings = await asyncio.to_thread(self._findings.all)
        if not findings:
            self._runner.apply(block.number, [])
            return
        storage = self._context.client.storage
        committed = {copy: await storage.report(self._hash(copy, one), block.hash) for copy, one in findings.items()}
        copies = await storage.copies_of(findings, block.hash)
        actions = decide(block.number, await storage.next_copy(block.hash), committed, copies)
        self._runner.apply(block.number, [(one, partial(self._perform, one, findings[one.copy])) for one in actions])

    async def close(self) -> None:
        """Stop what is under way."""
        await self._runner.close()

    def _hash(self, copy: int, evidence: Evidence) -> bytes:
        return report_hash(self._context.client.genesis, self._context.signer.account, copy, evidence)

    async def _perform(self, action: AuditAction, evidence: Evidence) -> int | None:
        copy = action.copy
        match action:
            case ForgetFinding():
                await asyncio.to_thread(self._findings.forget, copy)
                return None
            case CommitFinding():
                why = unshowable(evidence)
                if why is not None:  # it was found by an earlier version
                    await self._refused(copy, evidence, why)
                    return None
                return await self._commit(self._hash(copy, evidence))
            case ShowFinding():
                return await self._show(copy, evidence)

    async def _commit(self, digest: bytes) -> int | None:
        async def held() -> bool:
            return await self._context.client.storage.report(digest) is not None

        async with self._context.reporting:
            return await submitted(self._context.signer, calls.commit_report(digest), held)

    async def _show(self, copy: int, evidence: Evidence) -> int | None:
        call = calls.report_invalid_encoding(copy, evidence)

        async def held() -> bool:
            found = await self._context.client.storage.copy(copy)
            return found is None or found.invalid

        try:
            async with self._context.reporting:
                block = await submitted(self._context.signer, call, held)
        except DispatchError as error:
            if error.name in REFUSED:
                await self._refused(copy, evidence, f"the chain says {error}")
                return None
            if error.name not in OVER:
                raise
            log.info("another report of a copy was faster", copy=copy, outcome=str(error))
            await asyncio.to_thread(self._findings.forget, copy)
            return None
        log.warning("copy reported: it did not decode to its feed", copy=copy)
        self._context.on_progress({"role": "auditor", "event": "reported", "copy": copy})
        return block
