"""Both ends of a copy connection, driven message by message, and a disk that keeps what was stored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from service.encoding import Frontier, SectorEncoder, pad
from service.encoding.hashes import leaf_hashes
from service.encoding.profiles import SECTOR
from service.protocols.copy import messages as m
from service.protocols.copy import receiver as r
from service.protocols.copy.feeder import Feeder, TreePoint
from service.protocols.copy.job import SegmentJob, verify
from service.protocols.copy.sender import Begin, CopySender, KeepReceipt
from service.protocols.copy.stream import Position
from tests.support.copy_world import (
    Feed,
    decoder,
    digest,
    encode_all,
    encoder_sign,
    hoster_sign,
    segment_key,
    stream_bytes,
)


@dataclass
class Disk:
    """What a hoster keeps: it survives the machines."""

    job: SegmentJob
    sectors: bytearray = field(default_factory=bytearray)
    progress: r.Stored | None = None
    checkpoint: m.Checkpoint | None = None
    blocks: list[tuple[int, int]] = field(default_factory=list)
    head: bytes | None = None
    earlier: bytes = b""

    def receiver(self) -> r.CopyReceiver:
        job = self.job
        progress = self.progress or r.Stored(0, job.stream.start)
        kept = bytes(self.sectors[: progress.sectors * SECTOR])
        plain = self.earlier + decoder(job).decode(0, kept)
        plain = plain[: job.first_byte + min(progress.sectors * SECTOR, job.length)]
        return r.CopyReceiver(job, progress, plain[progress.position.offset :], hoster_sign, verify)

    def run(self, receiver: r.CopyReceiver, actions: list[r.Action], send: Callable[[m.Message], None]) -> None:
        for action in actions:
            if isinstance(action, r.Send):
                send(action.message)
            elif isinstance(action, r.Decode):
                plain = decoder(self.job).decode(action.first, action.data)
                self.run(receiver, receiver.decoded(plain), send)
            elif isinstance(action, r.Store):
                assert len(self.sectors) >= action.first * SECTOR
                self.sectors[action.first * SECTOR :] = action.data
                self.progress = action.progress
                self.blocks += action.blocks
            elif isinstance(action, r.CompareRoot):
                self.run(receiver, receiver.own_root(self.root()), send)
            elif isinstance(action, r.KeepCheckpoint):
                self.checkpoint = action.checkpoint if action.whole else self.checkpoint
            else:
                self.head = action.proof
                receiver.installed(self.job.roots)

    def root(self) -> bytes:
        tree = Frontier(self.job.ctx)
        tree.append(bytes(self.sectors))
        return tree.root()


ENCODED: dict[bytes, bytes] = {}


def encoded_once(feed: Feed, job: SegmentJob) -> bytes:
    """Encoding is slow and always the same: a connection that is tried a hundred times looks it up."""
    name = digest(job.head.tree_hash, job.ranges, job.first_byte)
    if name not in ENCODED:
        ENCODED[name] = encode_all(feed, job)
    return ENCODED[name]


def encode_piece(job: SegmentJob, sector: int, piece: bytes) -> bytes:
    return SectorEncoder(job.salt, segment_key()).encode(sector, piece)


class Dropped(Exception):
    """The connection is lost."""


def connect(feed: Feed, job: SegmentJob, disk: Disk, budget: int = 10**9, run_sectors: int = 32) -> bool:
    """One connection that ends after `budget` messages; whether the segment's receipt came."""
    receiver, sender = disk.receiver(), CopySender(job, encoder_sign, verify)
    left = [budget]
    replies: list[object] = []

    def wire(message: m.Message) -> m.Message:
        if left[0] == 0:
            raise Dropped
        left[0] -= 1
        return m.decode(*m.encode(message))

    def to_encoder(message: m.Message) -> None:
        replies.append(sender.receive_message(wire(message)))

    def to_hoster(message: m.Message) -> None:
        disk.run(receiver, receiver.receive_message(wire(message)), to_encoder)

    try:
        disk.run(receiver, receiver.open(), to_encoder)
        begin = replies[0]
        assert isinstance(begin, Begin)
        to_hoster(m.HeadProof(b"upgrade"))
        stream(feed, job, Feeder(job, begin, TreePoint(0, start_position(job, disk))), sender, to_hoster, run_sectors)
    except Dropped:
        return False
    assert isinstance(replies[-1], KeepReceipt)
    assert replies[-1].whole
    return sender.done


def stream(
    feed: Feed,
    job: SegmentJob,
    feeder: Feeder,
    sender: CopySender,
    to_hoster: Callable[[m.Message], None],
    run_sectors: int,
) -> None:
    """Encode and send all sectors that the hoster lacks, then the checkpoint."""
    tree, plain, source, encoded = Frontier(job.ctx), bytearray(), stream_bytes(feed, job), encoded_once(feed, job)
    sector = feeder.first_sector
    while True:
        block = feeder.next_block
        if block is not None:
            siblings = [feed.nodes[index] for index in feeder.siblings(block)]
            plain += feeder.block(block, feed.blocks[block], siblings)
        while len(plain) >= run_sectors * SECTOR or (block is None and plain):
            piece = pad(bytes(plain[: run_sectors * SECTOR]))
            del plain[: run_sectors * SECTOR]
            first, last = sector * SECTOR, sector * SECTOR + len(piece)
            same = piece == source[job.first_byte + first :][: len(piece)].ljust(len(piece), b"\0")
            # what follows a segment that cuts a block is padded where the block ends
            assert same or last > job.length
            run = encoded[first:last] if same else encode_piece(job, sector, piece)
            fed = feeder.run(sector, run, b"".join(leaf_hashes(job.ctx, sector, run)))
            sector += len(piece) // SECTOR
            if fed.leaves:
                tree.append_leaves(fed.leaves)
            for message in fed.messages:
                if isinstance(message, m.Sectors):
                    sender.sent(message.first, len(message.data) // SECTOR)
                to_hoster(message)
        if block is None:
            break
    for message in feeder.finish():
        to_hoster(message)
    to_hoster(sender.checkpoint(job.sectors, tree.root()))


def start_position(job: SegmentJob, disk: Disk) -> Position:
    return job.stream.start if job.first_byte == 0 else STARTS[disk.job.segment]


STARTS: dict[int, Position] = {}
