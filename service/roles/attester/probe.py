"""One probe of a hoster: read the feed as any reader does, ask for the encoded sector, and check both."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

from service.chain_client.pallet.types import Evidence
from service.encoding import EncodingError, Opening, SectorDecoder, verify_opening
from service.encoding.profiles import SECTOR
from service.hypercore import Core, CoreError, Corestore, KeyPair
from service.hypercore.crypto import Node
from service.hypercore.net import (
    ChannelClosed,
    ConnectError,
    Connection,
    ConnectionClosed,
    ReplicationError,
    Replicator,
    Transport,
)
from service.protocols.copy.stream import (
    MAX_BLOCK,
    BlockWalk,
    CopyStream,
    PlanHead,
    Position,
    StreamError,
    StreamRange,
)
from service.protocols.probe import messages as m
from service.protocols.probe.messages import Ask, ProbeRefused

from ..common.audit import Read, compare
from ..common.feed_window import FeedReader, FeedUnreachable

PROBE_SECONDS = 60.0
"""Time limit of one probe: a hoster that stalls must not use up the attester's turn."""
MAX_BLOCKS = 512
"""Blocks read in one probe, however small they are: a sector that spans more is judged by what was read of it."""
GUESSES = 6
"""Interpolated guesses before the search for a byte falls back to halving, which bounds it for uneven blocks."""


class ProbeFailed(Exception):
    """A probe was not answered in full. The message names copy, segment, sector and reason."""


class FalseEncoding(ProbeFailed):
    """The stored sector does not decode to the feed's bytes, as `evidence` shows."""

    def __init__(self, message: str, evidence: Evidence) -> None:
        super().__init__(message)
        self.evidence = evidence


@dataclass(frozen=True, slots=True)
class Target:
    """A sector of an active copy, as the chain describes it.

    `sector` counts from the start of its segment; `first_byte` is the segment's.
    """

    genesis: bytes
    hoster: bytes
    feed_key: bytes
    head: PlanHead
    roots: tuple[Node, ...]
    ranges: tuple[StreamRange, ...]
    copy: int
    segment: int
    sector: int
    first_byte: int
    sectors: int
    root: bytes
    ctx: bytes
    salt: bytes
    modulus: bytes

    @property
    def offset(self) -> int:
        """Offset of the sector's plaintext in the copy stream, in bytes."""
        return self.first_byte + self.sector * SECTOR


@dataclass(frozen=True, slots=True)
class Measured:
    """A probe answered in full: latency of the first block, throughput over all of them, and the stored sector."""

    latency_ms: int
    kib_per_s: int
    opening: Opening


async def probe(transport: Transport, target: Target, probe_bytes: int) -> Measured:
    """Probe a hoster over two connections, each under a throw-away identity.

    Raises FalseEncoding, and ProbeFailed if any other part of the answer is missing or wrong.
    """
    with closing(Corestore(None)) as store:
        core = store.get(target.feed_key)
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                reading = await _read(transport, target, core, probe_bytes)
                opening = await _sector(transport, target)
        except TimeoutError:
            raise _failed(target, f"no full answer within {PROBE_SECONDS:.0f} s") from None
        except (
            ConnectError, ConnectionClosed, ReplicationError, FeedUnreachable, StreamError, CoreError, ProbeRefused,
            EncodingError,
        ) as error:  # fmt: skip
            raise _failed(target, str(error)) from error
        _compare(core, target, reading, opening)
    return Measured(reading.latency_ms, reading.kib_per_s, opening)


def _compare(core: Core, target: Target, reading: _Reading, opening: Opening) -> None:
    """Raise FalseEncoding unless a sector decodes to what was read of it, and to zeros beyond the stream."""
    plain = SectorDecoder(target.salt, target.modulus).decode(target.sector, opening.data)
    filled = min(SECTOR, sum(blocks.bytes for blocks in target.ranges) - target.offset)
    read = Read(reading.plain, target.offset, filled, reading.blocks)
    evidence = compare(core, target.head.length, target.segment, opening, plain, read)
    if evidence is None:
        return
    why = _failed(target, "false encoding: the stored sector does not decode to the bytes of the feed")
    raise FalseEncoding(str(why), evidence)


def _failed(target: Target, reason: str) -> ProbeFailed:
    return ProbeFailed(f"probe of copy {target.copy}, segment {target.segment}, sector {target.sector}: {reason}")


@dataclass(frozen=True, slots=True)
class _Reading:
    plain: bytes
    latency_ms: int
    kib_per_s: int
    blocks: tuple[tuple[int, int, int], ...]
    """Those that hold the sector: block, its offset in the stream, its length."""


async def _read(transport: Transport, target: Target, core: Core, probe_bytes: int) -> _Reading:
    connection = await transport.connect(target.hoster, key_pair=KeyPair.generate())
    try:
        with Replicator(core, through=target.head.length) as replicator:
            replicator.attach(connection)
            await replicator.update(target.head.length)
            await FeedReader(core, replicator).reach(target.head, target.roots)
            return await _Walk(core, replicator, target).read(probe_bytes)
    finally:
        connection.close("done")


async def _sector(transport: Transport, target: Target) -> Opening:
    connection: Connection = await transport.connect(target.hoster, key_pair=KeyPair.generate())
    try:
        ask = Ask(target.copy, target.segment, target.sector)
        opening = await ask_sector(connection, target.genesis, ask)
        verify_opening(target.ctx, target.sectors, target.root, opening)
        return opening
    finally:
        connection.close("done")


class _Walk:
    """A reader that finds the block holding the sector's first byte and reads on from there."""

    def __init__(self, core: Core, replicator: Replicator, target: Target) -> None:
        self._core, self._replicator, self._target = core, replicator, target
        self._stream = CopyStream(target.ranges)
        self._bytes = 0
        self._latency = 0.0
        self._begun = asyncio.get_running_loop().time()

    async def read(self, probe_bytes: int) -> _Reading:
        """Return the sector's plaintext (unpadded) and the cost of reading up to `probe_bytes` from its start."""
        wanted = self._target.offset
        position = await self._find(wanted)
        end = min(wanted + probe_bytes, self._stream.total)
        walk = BlockWalk(self._stream, position)
        plain = bytearray()
        needed = min(wanted + SECTOR, self._stream.total) - position.offset
        taken, ahead, holding = 0, 1, []
        while walk.position.offset < end and taken < MAX_BLOCKS:
            block = walk.next_block
            if block is None:
                break
            if not self._core.has(block):
                await self._get(block, min(block + ahead, self._range_end(block)))
                ahead *= 2
            data = self._block(block)
            walk.accept(block, len(data), self._core.byte_range(block, self._target.head.length)[0])
            taken += 1
            if len(plain) < needed:
                holding.append((block, position.offset + len(plain), len(data)))
                plain += data
        seconds = max(asyncio.get_running_loop().time() - self._begun, 0.001)
        start = wanted - position.offset
        rate = round(self._bytes / 1024 / seconds)
        found = bytes(plain[start : start + SECTOR])
        return _Reading(found, round(self._latency * 1000), rate, tuple(holding))

    async def _get(self, start: int, end: int) -> None:
        before = asyncio.get_running_loop().time()
        await self._replicator.download(start, end)
        if not self._bytes:
            self._latency = asyncio.get_running_loop().time() - before
        self._bytes += sum(len(self._block(block)) for block in range(start, end))

    def _block(self, block: int) -> bytes:
        data = self._core.raw(block)
        if data is None:
            raise FeedUnreachable(f"block {block} of feed {self._core.key.hex()} was dropped right after its download")
        if len(data) > MAX_BLOCK:
            raise StreamError(f"block {block} has {len(data)} bytes, over the limit of 1 MiB")
        return data

    def _range_end(self, block: int) -> int:
        number = self._stream.range_of(block)
        return block + 1 if number is None else self._stream.ranges[number].end

    async def _find(self, wanted: int) -> Position:
        """Find the block that holds byte `wanted` of the stream: first by interpolation, then by halving."""
        number = _range_at(self._stream, wanted)
        blocks = self._stream.ranges[number]
        low, high = blocks.start, blocks.end
        first, last = self._stream.end_of(number) - blocks.bytes, self._stream.end_of(number)
        tries = 0
        while low < high:
            if tries < GUESSES:
                guess = low + min(high - low - 1, (wanted - first) * (high - low) // max(1, last - first))
            else:
                guess = (low + high) // 2
            tries += 1
            if not self._core.has(guess):
                await self._get(guess, guess + 1)
            start, size = self._core.byte_range(guess, self._target.head.length)
            start = self._stream.offset(number, start)
            if start <= wanted < start + size:
                return Position(guess, start)
            if wanted < start:
                high, last = guess, start
            else:
                low, first = guess + 1, start + size
        raise StreamError(f"inconsistent block sizes: no block of the feed holds byte {wanted} of the copy stream")


def _range_at(stream: CopyStream, wanted: int) -> int:
    for number in range(len(stream.ranges)):
        if wanted < stream.end_of(number):
            return number
    raise StreamError(f"byte {wanted} is past the end of the copy stream of {stream.total} bytes")


def lower_median(values: Sequence[int]) -> int:
    """Return element (m - 1) / 2 of the m sorted values, or 0 if there are none."""
    return sorted(values)[(len(values) - 1) // 2] if values else 0


async def ask_sector(connection: Connection, genesis: bytes, ask: m.Ask) -> Opening:
    """Ask a hoster for one encoded sector and its Merkle path. The caller must verify both.

    Raises ProbeRefused if the peer does not speak the protocol, breaks it or refuses, and ConnectionClosed.
    """
    channel = connection.open(m.PROTOCOL, None, m.encode_handshake(genesis))
    try:
        m.check_handshake(await channel.opened(), genesis)
        await channel.send(*m.encode(ask))
        answer = m.decode(*await channel.receive())
    except ChannelClosed as error:
        raise m.ProbeRefused(f"{connection}: {error}") from error
    finally:
        channel.close()
    if isinstance(answer, m.ProbeRefusal):
        raise m.ProbeRefused(f"{connection}: {answer.reason!r}")
    if not isinstance(answer, m.Answer) or answer.ask != ask:
        raise m.ProbeRefused(
            f"{connection} answered with something other than sector {ask.sector} of segment {ask.segment}"
        )
    return answer.opening
