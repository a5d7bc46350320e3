"""The copy protocol `datdot/copy/1`: its channel, its messages and their bytes. A changed layout gets a new name.

An encoder dials its hoster; the connection is authenticated by the swarm keys that both have bound on the chain. The
encoder opens a protomux channel with protocol "datdot/copy/1" and the copy's id as eight little-endian bytes; the hoster
answers only the encoder that the chain has assigned to that copy. Integers are `uint` of compact encoding unless said
otherwise; `buffer` is a uint length and bytes; `nodes` is a uint count, then uint index, uint size, hash[32] for each.

    handshake (both ways)    uint version = 1 | genesis[32]

    type  name        from      layout
    0     state       hoster    segment | sectors durable | next block | its offset in the copy stream | length of its core
    1     head        encoder   upgrade, to the end of the message
    2     sectors     encoder   first sector | 1 to 256 encoded sectors of 256 bytes, to the end of the message
    3     blocks      encoder   uint count | count times: block | bytes | nodes (siblings, bottom up)
    4     ack         hoster    sectors durable
    5     checkpoint  encoder   sectors | root[32] | signature[64]
    6     receipt     hoster    sectors | root[32] | signature[64]
    7     refusal     both      buffer: the reason in UTF-8; the channel is closed after it

Order. The hoster sends `state` when the channel has opened. The encoder answers with `head`: `upgrade` is the body of a
hypercore `data` message whose upgrade ends at the copy's head and starts at the hoster's core length, or at 0 if that reaches
the copy's head already; its signature may cover a longer head. Blocks are verified against the roots of the copy's head: the
chain keeps them while that is the plan's newest head, and after that they are those that an upgrade from 0 shows. While the
chain keeps them it may be empty instead of starting at 0: the hoster then looks elsewhere for the nodes beyond them.
Sectors follow from the first one that is not durable, in order. A block is announced after the sectors that hold its
last byte and before more than 1 MiB + 64 KiB lie unannounced; the first announcement is of `next block`, with the
siblings up to a root, each later one with the siblings up to the first node that follows from what came before on this
channel. The hoster decodes each run, checks each block by its path and its offset against the running sum, and stores a
sector only when every block that it touches is verified; `ack` says what is durable (fsync). The encoder keeps at most
4 MiB of sectors without acknowledgement.

A segment is the rest of the copy stream, or of a longer one what `longest_segment` says. Only one that ends where the
stream ends is padded, with zeros. One that cuts a block is followed by that block's remaining sectors (index going on, the
last one padded with zeros): they are verified, not stored and not counted.

A checkpoint may be sent whenever exactly `sectors` are durable by the rule above, and is sent over the whole segment at
its end. It signs the statement `segment` of pallet-spec/README.md section 2 over the first `sectors` sectors. The hoster
compares the root with its own tree's and answers with its own signature of the same statement. With the other's signature
either side can confirm the segment on the chain; the hoster does, the encoder only where the hoster does not. After a lost
connection everything starts over with `state`. The whole protocol is described in docs/protocol/copy.md.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from service.encoding.profiles import SECTOR
from service.hypercore import codec
from service.hypercore.crypto import Node

from .. import handshake
from .stream import MAX_BLOCK, MAX_PATH

PROTOCOL = "datdot/copy/1"
VERSION = 1
RUN_SECTORS = 256
"""Sectors in one message."""
WINDOW = 4 << 20
"""Bytes that may be in flight without acknowledgement: enough to cover a disk sync, little enough to hold in memory."""
MAX_BLOCKS = 1024
"""Blocks announced in one message."""
MAX_UPGRADE = 1 << 16
"""Bytes of a head's proof."""
MAX_REASON = 2000
"""Bytes of a refusal's reason."""
CHECKPOINT_SECTORS = 1 << 18
"""Sectors between two checkpoints (64 MiB)."""


class CopyRefused(Exception):
    """A message from the other side breaks the protocol, or does not fit the chain, the feed or our own state."""


class PeerRefused(Exception):
    """The other side refused to go on. The message is its reason."""


@dataclass(frozen=True, slots=True)
class State:
    """The hoster's durable progress."""

    segment: int
    sectors: int
    block: int
    offset: int
    core_length: int


@dataclass(frozen=True, slots=True)
class HeadProof:
    """A signed head that covers the plan's: the body of a hypercore `data` message with an upgrade, or nothing."""

    proof: bytes


@dataclass(frozen=True, slots=True)
class Sectors:
    """A run of encoded sectors."""

    first: int
    data: bytes


@dataclass(frozen=True, slots=True)
class BlockPath:
    """A block that lies wholly in the sectors sent so far, with the siblings that the hoster lacks."""

    index: int
    length: int
    siblings: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class BlockPaths:
    """Blocks in ascending order."""

    blocks: tuple[BlockPath, ...]


@dataclass(frozen=True, slots=True)
class Ack:
    """Sectors that are durable at the hoster."""

    sectors: int


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The encoder's signature over the first sectors."""

    sectors: int
    root: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class SignedRoot:
    """The hoster's signature over the same sectors."""

    sectors: int
    root: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class CopyRefusal:
    """The reason why the channel is being closed."""

    reason: str


Message = State | HeadProof | Sectors | BlockPaths | Ack | Checkpoint | SignedRoot | CopyRefusal


def channel_id(copy: int) -> bytes:
    """Return the protomux id of a copy's channel."""
    return struct.pack("<Q", copy)


def encode_handshake(genesis: bytes) -> bytes:
    """Return the handshake of this version on this chain."""
    return handshake.encode_handshake(VERSION, genesis)


def check_handshake(data: bytes, genesis: bytes) -> None:
    """Raise CopyRefused unless the other side speaks this version on this chain."""
    try:
        handshake.check_handshake(data, VERSION, genesis, "copy")
    except handshake.HandshakeError as error:
        raise CopyRefused(str(error)) from error


def encode(message: Message) -> tuple[int, bytes]:
    """Return the message's type and body."""
    uint = codec.encode_uint
    match message:
        case State():
            fields = (message.segment, message.sectors, message.block, message.offset, message.core_length)
            return 0, b"".join(uint(field) for field in fields)
        case HeadProof():
            return 1, message.proof
        case Sectors():
            return 2, uint(message.first) + message.data
        case BlockPaths():
            parts = [uint(len(message.blocks))]
            for block in message.blocks:
                parts += (uint(block.index), uint(block.length), _encode_nodes(block.siblings))
            return 3, b"".join(parts)
        case Ack():
            return 4, uint(message.sectors)
        case Checkpoint():
            return 5, uint(message.sectors) + message.root + message.signature
        case SignedRoot():
            return 6, uint(message.sectors) + message.root + message.signature
        case CopyRefusal():
            return 7, codec.encode_buffer(message.reason.encode()[:MAX_REASON])


def _encode_nodes(nodes: Sequence[Node]) -> bytes:
    uint = codec.encode_uint
    return uint(len(nodes)) + b"".join(uint(node.index) + uint(node.size) + node.hash for node in nodes)


def decode(kind: int, body: bytes) -> Message:
    """Decode a message. Raises CopyRefused, naming the field, if it is malformed or exceeds a bound."""
    names = ("state", "head", "sectors", "blocks", "ack", "checkpoint", "receipt", "refusal")
    if not 0 <= kind < len(names):
        raise CopyRefused(f"unknown message type {kind}")
    reader = codec.Reader(body)
    try:
        message = _decode(kind, reader)
        reader.end()
    except codec.CodecError as error:
        raise CopyRefused(f"message {names[kind]}: {error}") from error
    return message


def _decode(kind: int, reader: codec.Reader) -> Message:
    match kind:
        case 0:
            return State(reader.uint(), reader.uint(), reader.uint(), reader.uint(), reader.uint())
        case 1:
            return _decode_head(reader)
        case 2:
            return _decode_sectors(reader)
        case 3:
            return _decode_blocks(reader)
        case 4:
            return Ack(reader.uint())
        case 5:
            return Checkpoint(reader.uint(), reader.fixed(32), reader.fixed(64))
        case 6:
            return SignedRoot(reader.uint(), reader.fixed(32), reader.fixed(64))
        case _:
            return CopyRefusal(reader.buffer(MAX_REASON).decode("utf-8", "replace"))


def _decode_nodes(reader: codec.Reader, limit: int) -> tuple[Node, ...]:
    count = reader.uint()
    if count > limit:
        raise CopyRefused(f"{count} nodes, over the limit of {limit}")
    return tuple(Node(reader.uint(), reader.uint(), reader.fixed(32)) for _ in range(count))


def _decode_head(reader: codec.Reader) -> HeadProof:
    proof = reader.rest()
    if len(proof) > MAX_UPGRADE:
        raise CopyRefused(f"an upgrade of {len(proof)} bytes, over the limit of {MAX_UPGRADE}")
    return HeadProof(proof)


def _decode_sectors(reader: codec.Reader) -> Sectors:
    first, data = reader.uint(), reader.rest()
    if not data or len(data) % SECTOR or len(data) > RUN_SECTORS * SECTOR:
        raise CopyRefused(f"a run of {len(data)} bytes is not 1 to {RUN_SECTORS} sectors of {SECTOR} bytes")
    return Sectors(first, data)


def _decode_blocks(reader: codec.Reader) -> BlockPaths:
    count = reader.uint()
    if not 1 <= count <= MAX_BLOCKS:
        raise CopyRefused(f"{count} blocks in one message, not 1 to {MAX_BLOCKS}")
    blocks = []
    for _ in range(count):
        index, length = reader.uint(), reader.uint()
        if length > MAX_BLOCK:
            raise CopyRefused(f"block {index} has {length} bytes, over the limit of 1 MiB")
        blocks.append(BlockPath(index, length, _decode_nodes(reader, MAX_PATH)))
    return BlockPaths(tuple(blocks))
