"""One probe of a hoster: read the feed as any reader does, ask for the encoded sector, and check both."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

from service.chain_client.pallet.types import Evidence
from service.encoding import EncodingError, Opening, SectorDecoder, verify_opening
from service.encoding.profiles import SECTOR
from service.feeds.connections import PeerConnections
from service.feeds.reading import PartRead, Stretch, announced, read_part
from service.hypercore import Core, CoreError, Corestore
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
from ..common.feed_window import FeedReader, FeedUnreachable, require_head

PROBE_SECONDS = 60.0
"""Time limit of one probe: a hoster that stalls must not use up the attester's turn."""


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
                async with transport.apart() as reader:
                    part = await _read(reader, target, core, probe_bytes)
                async with transport.apart() as asker:
                    opening = await _sector(asker, target, core)
            _compare(core, target, part, opening)
        except TimeoutError:
            raise _failed(target, f"no full answer within {PROBE_SECONDS:.0f} s") from None
        except (
            ConnectError, ConnectionClosed, ReplicationError, FeedUnreachable, StreamError, CoreError, ProbeRefused,
            EncodingError,
        ) as error:  # fmt: skip
            raise _failed(target, str(error)) from error
    return Measured(round(part.latency * 1000), round(part.received / 1024 / part.seconds), opening)


def _compare(core: Core, target: Target, part: PartRead, opening: Opening) -> None:
    """Raise FalseEncoding unless a sector decodes to what was read of it, and to zeros beyond the stream."""
    plain = SectorDecoder(target.salt, target.modulus).decode(target.sector, opening.data)
    evidence = compare(core, target.head.length, target.segment, opening, plain, _sector_read(core, target, part))
    if evidence is None:
        return
    why = _failed(target, "false encoding: the stored sector does not decode to the bytes of the feed")
    raise FalseEncoding(str(why), evidence)


def _failed(target: Target, reason: str) -> ProbeFailed:
    return ProbeFailed(f"probe of copy {target.copy}, segment {target.segment}, sector {target.sector}: {reason}")


async def _read(transport: Transport, target: Target, core: Core, probe_bytes: int) -> PartRead:
    """Read the feed of a hoster from the sector's first byte on, as `fetch_feed` begins: no message tells the two apart."""
    stream = CopyStream(target.ranges)
    number = _range_at(stream, target.offset)
    blocks = stream.ranges[number]
    byte = blocks.first_byte + target.offset - (stream.end_of(number) - blocks.bytes)
    await transport.providers(core.discovery_key)  # so do readers; the hoster is dialled whether it is named or not
    async with PeerConnections(transport, [target.hoster]) as reached:
        if not reached.connections:
            raise FeedUnreachable(f"feed {core.key.hex()}: {reached.failure}")
        with Replicator(core) as replicator:
            peer = replicator.attach(reached.connections[0])
            await replicator.update(target.head.length)
            within = announced(core, peer)
            if blocks.start >= within.end or byte >= within.last_byte:
                # no reader asks for a byte there: it knows no bounds but those of what is announced from the first block on
                within = Stretch(blocks.start, blocks.end, blocks.first_byte, blocks.first_byte + blocks.bytes)
            beyond = stream.spans(within.end, target.head.length)
            return await read_part(core, replicator, within, byte, probe_bytes, beyond)


async def _sector(transport: Transport, target: Target, core: Core) -> Opening:
    """Ask for the encoded sector. Not before the feed was read: whoever asks for one may well be an attester."""
    connection: Connection = await transport.connect(target.hoster)
    try:
        require_head(core, target.head, target.roots or await _roots(connection, target))
        ask = Ask(target.copy, target.segment, target.sector)
        opening = await ask_sector(connection, target.genesis, ask)
        verify_opening(target.ctx, target.sectors, target.root, opening)
        return opening
    finally:
        connection.close("done")


async def _roots(connection: Connection, target: Target) -> tuple[Node, ...]:
    """Return the roots of a head that is not the plan's newest: the chain keeps only those of that one."""
    with closing(Corestore(None)) as store:
        core = store.get(target.feed_key)
        with Replicator(core, through=target.head.length) as replicator:
            replicator.attach(connection)
            return await FeedReader(core, replicator).reach(target.head)


def _sector_read(core: Core, target: Target, part: PartRead) -> Read:
    """Return what was read of the sector. Raises StreamError for blocks that do not fit the copy's stream, and CoreError."""
    stream = CopyStream(target.ranges)
    filled = min(SECTOR, stream.total - target.offset)
    begin = stream.offset(_range_at(stream, target.offset), part.offset)
    walk, plain, holding = BlockWalk(stream, Position(part.block, begin)), bytearray(), []
    while walk.position.offset < target.offset + filled:
        block, offset = walk.next_block, walk.position.offset
        data = None if block is None else core.raw(block)
        if block is None or data is None:
            break  # the sector spans more blocks than are read
        walk.accept(block, len(data), core.byte_range(block, target.head.length)[0])
        holding.append((block, offset, len(data)))
        plain += data
    start = target.offset - begin
    return Read(bytes(plain[start : start + SECTOR]), target.offset, filled, tuple(holding))


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
