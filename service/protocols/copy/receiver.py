"""The hoster's end of a copy connection as a pure machine: messages in, actions out; nothing unverified is stored.

    opened ── Head ──▶ receiving ── Sectors, BlockPaths, Checkpoint … ──▶ complete (the whole segment's SignedRoot is sent)
       └───────── any breach: CopyRefused, the channel is closed, what was stored before stays ─────────┘

Actions are carried out in their order, each finished before the next: an `Ack` thus follows the `Store` it speaks of.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from service.encoding.profiles import SECTOR
from service.hypercore.crypto import Node

from .job import SegmentJob, Sign, Verify
from .messages import (
    RUN_SECTORS,
    Ack,
    BlockPath,
    BlockPaths,
    Checkpoint,
    CopyRefusal,
    CopyRefused,
    HeadProof,
    Message,
    Sectors,
    SignedRoot,
    State,
)
from .stream import MAX_BLOCK, BlockVerifier, BlockWalk, Position, StreamError

MAX_PENDING = MAX_BLOCK + RUN_SECTORS * SECTOR
"""Decoded bytes held without a block that covers them: one block of the maximum size and one run."""


@dataclass(frozen=True, slots=True)
class Stored:
    """The durable progress of a segment: sectors stored, and the block that holds the next byte (or begins there)."""

    sectors: int
    position: Position


@dataclass(frozen=True, slots=True)
class Send:
    """Send this message."""

    message: Message


@dataclass(frozen=True, slots=True)
class InstallHead:
    """Give the feed's core a signed head at least as long as the copy's, and hand that one's roots to `installed`.

    `proof` upgrades it from its current length, or begins with these roots.
    """

    proof: bytes


@dataclass(frozen=True, slots=True)
class Decode:
    """Decode these sectors and hand the plaintext to `decoded`."""

    first: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Store:
    """Make durable, in this order: sectors from `first` on, their tree, then nodes, blocks [start, end) and progress."""

    first: int
    data: bytes
    nodes: tuple[Node, ...]
    blocks: tuple[tuple[int, int], ...]
    progress: Stored


@dataclass(frozen=True, slots=True)
class CompareRoot:
    """Hand the root of the stored tree to `own_root`."""


@dataclass(frozen=True, slots=True)
class KeepCheckpoint:
    """Make the encoder's signed checkpoint durable. `whole` says that it covers the segment."""

    checkpoint: Checkpoint
    whole: bool


Action = Send | InstallHead | Decode | Store | CompareRoot | KeepCheckpoint


class CopyReceiver:
    """The receiver of one segment, starting after the last durable sector.

    `prefix` is the plaintext from the start of `progress.position`'s block to the first sector to come.
    """

    def __init__(
        self, job: SegmentJob, progress: Stored, prefix: bytes, sign: Sign, verify: Verify, core_length: int = 0
    ) -> None:
        start = job.first_byte + min(progress.sectors * SECTOR, job.length)
        if progress.position.offset + len(prefix) != start:
            raise ValueError(
                f"a prefix of {len(prefix)} bytes does not reach from {progress.position.offset} to {start}"
            )
        self._job = job
        self._sign, self._verify = sign, verify
        self._core_length = core_length
        self._walk = BlockWalk(job.stream, progress.position)
        self._plain = bytearray(prefix)
        self._encoded = bytearray()
        self._stored = progress.sectors
        self._received = progress.sectors
        self._resume: deque[tuple[int, Position]] = deque()
        self._position = progress.position
        self._nodes: list[Node] = []
        self._headed = False
        self._verifier: BlockVerifier | None = None
        self._decoding: Decode | None = None
        self._checkpoint: Checkpoint | None = None

    @property
    def stored(self) -> int:
        """Sectors stored so far."""
        return self._stored

    @property
    def complete(self) -> bool:
        """Whether every sector of the segment is stored, and every block up to its end verified."""
        if self._stored < self._job.sectors:
            return False
        return not self._job.ends_stream or self._walk.next_block is None

    @property
    def _past_end(self) -> bool:
        if self._job.ends_stream:
            return self._walk.next_block is None
        return self._walk.position.offset >= self._job.first_byte + self._job.length

    def open(self) -> list[Action]:
        """Return what to send when the channel has opened."""
        state = State(self._job.segment, self._stored, self._position.block, self._position.offset, self._core_length)
        return [Send(state)]

    def receive_message(self, message: Message) -> list[Action]:
        """Take the encoder's next message. Raises CopyRefused, naming the fault, if it is out of order or wrong."""
        if self._decoding is not None or self._checkpoint is not None:
            raise RuntimeError("the previous actions are not finished")
        try:
            if isinstance(message, HeadProof):
                return self._head(message)
            if self._verifier is None:
                raise CopyRefused(f"{type(message).__name__} came before the head")
            if isinstance(message, Sectors):
                return self._sectors(message)
            if isinstance(message, BlockPaths):
                return self._blocks(message.blocks)
            if isinstance(message, Checkpoint):
                return self._signed(message)
        except StreamError as error:
            raise CopyRefused(str(error)) from error
        raise CopyRefused(f"{type(message).__name__} is not a message that an encoder sends")

    def _head(self, message: HeadProof) -> list[Action]:
        if self._headed:
            raise CopyRefused("a second head on one connection")
        self._headed = True
        return [InstallHead(message.proof)]

    def installed(self, roots: Sequence[Node]) -> None:
        """Take the roots of the copy's head. Raises CopyRefused if they do not hash to its tree hash."""
        try:
            self._verifier = BlockVerifier(self._job.head, roots)
        except StreamError as error:
            raise CopyRefused(str(error)) from error

    def _sectors(self, message: Sectors) -> list[Action]:
        if message.first != self._received:
            raise CopyRefused(f"sector {message.first} came, expected sector {self._received}")
        pending = len(self._plain) + len(message.data)
        if pending > MAX_PENDING:
            raise CopyRefused(f"{pending} bytes without a block: a block is over 1 MiB, or blocks are withheld")
        if self._past_end:
            raise CopyRefused("sectors past the segment's end")
        self._decoding = Decode(message.first, message.data)
        return [self._decoding]

    def decoded(self, plain: bytes) -> list[Action]:
        """Take the plaintext of the last `Decode`."""
        decoding, self._decoding = self._decoding, None
        if decoding is None or len(plain) != len(decoding.data):
            raise RuntimeError("this does not answer the last `Decode`")
        self._plain += plain
        counted = max(0, self._job.sectors - decoding.first) * SECTOR
        self._encoded += decoding.data[:counted]
        self._received += len(decoding.data) // SECTOR
        return []

    def _blocks(self, blocks: Sequence[BlockPath]) -> list[Action]:
        assert self._verifier is not None
        for block in blocks:
            if self._past_end:
                raise CopyRefused(f"block {block.index} is past the segment's end")
            if block.length > len(self._plain):
                raise CopyRefused(
                    f"block {block.index} of {block.length} bytes came before its sectors ({len(self._plain)} bytes arrived)"
                )
            before = self._walk.position
            verified = self._verifier.verify(block.index, bytes(self._plain[: block.length]), block.siblings)
            self._walk.accept(block.index, block.length, verified.offset)
            del self._plain[: block.length]
            self._nodes += verified.nodes
            self._resume.append((before.offset + block.length, before))
        return self._store()

    def _store(self) -> list[Action]:
        end, job = self._walk.position.offset, self._job
        finished = self._walk.next_block is None
        if finished or end >= job.first_byte + job.length:
            if any(self._plain) or len(self._plain) >= SECTOR:
                raise CopyRefused("the bytes after the last block are not zero padding up to the end of one sector")
            storable = job.sectors
        else:
            storable = (end - job.first_byte) // SECTOR
        if storable <= self._stored and not finished:
            return []
        data = bytes(self._encoded[: (storable - self._stored) * SECTOR])
        del self._encoded[: len(data)]
        boundary = job.first_byte + min(storable * SECTOR, job.length)
        before = self._position
        while self._resume and self._resume[0][0] <= boundary:
            self._resume.popleft()
        self._position = self._resume[0][1] if self._resume else self._walk.position
        store = Store(
            self._stored,
            data,
            tuple(self._nodes),
            self._job.stream.spans(before.block, self._position.block),
            Stored(storable, self._position),
        )
        self._nodes.clear()
        self._stored = storable
        return [store, Send(Ack(storable))]

    def _signed(self, message: Checkpoint) -> list[Action]:
        if message.sectors != self._stored or message.sectors == 0:
            raise CopyRefused(f"a checkpoint over {message.sectors} sectors, but {self._stored} are stored")
        if message.sectors == self._job.sectors and not self.complete:
            raise CopyRefused(f"a checkpoint over the segment while block {self._walk.next_block} is missing")
        statement = self._job.statement(message.sectors, message.root)
        if not self._verify(self._job.encoder.statement_key, statement, message.signature):
            raise CopyRefused("the checkpoint is not signed by the encoder's statement key")
        self._checkpoint = message
        return [CompareRoot()]

    def own_root(self, root: bytes) -> list[Action]:
        """Take the root of the stored tree, requested by the last `CompareRoot`."""
        checkpoint, self._checkpoint = self._checkpoint, None
        if checkpoint is None:
            raise RuntimeError("this does not answer a `CompareRoot`")
        if checkpoint.root != root:
            raise CopyRefused(
                f"the encoder's root over {checkpoint.sectors} sectors is {checkpoint.root.hex()}, but ours is {root.hex()}"
            )
        signature = self._sign(self._job.statement(checkpoint.sectors, root))
        keep = KeepCheckpoint(checkpoint, self.complete)
        return [keep, Send(SignedRoot(checkpoint.sectors, root, signature))]


def refusal(error: CopyRefused) -> CopyRefusal:
    """Return the message that tells the other side why the channel is closed."""
    return CopyRefusal(str(error)[:500])
