"""The messages of `hypercore/alpha`, in bytes (docs/protocol/hypercore.md section 3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..codec import CodecError, Reader, encode_buffer, encode_uint
from ..crypto import Node
from ..manifest import Manifest, ManifestError
from ..tree.proof import (
    BlockProof,
    BlockRequest,
    HashProof,
    HashRequest,
    Proof,
    Request,
    SeekProof,
    SeekRequest,
    UpgradeProof,
    UpgradeRequest,
)

SYNC, REQUEST, CANCEL, DATA, NO_DATA, WANT, UNWANT, BITFIELD, RANGE, EXTENSION = range(10)
MAX_NODES = 4096
MAX_BLOCK = (1 << 24) - 1
MAX_SIGNATURE = 32 * 1024
MAX_BITFIELD_WORDS = (1 << 21) // 32
BLOCK, HASH, SEEK, UPGRADE, MANIFEST, PRIORITY = 1, 2, 4, 8, 16, 32
CAN_UPGRADE, UPLOADING, DOWNLOADING, HAS_MANIFEST, ALLOW_PUSH = 1, 2, 4, 8, 16
NOT_AVAILABLE, INVALID_REQUEST = 1, 2


@dataclass(frozen=True, slots=True)
class Sync:
    """One side's state. `remote_length` is the other side's length as this side knows it."""

    flags: int
    fork: int
    length: int
    remote_length: int


def encode_sync(sync: Sync) -> bytes:
    """Encode message 0."""
    return b"".join(map(encode_uint, (sync.flags, sync.fork, sync.length, sync.remote_length)))


def decode_sync(data: bytes) -> Sync:
    """Decode message 0. Raises CodecError."""
    reader = Reader(data)
    return Sync(reader.uint("flags"), reader.uint("fork"), reader.uint("length"), reader.uint("remote length"))


def encode_request(number: int, fork: int, request: Request) -> bytes:
    """Encode message 1."""
    flags = BLOCK * (request.block is not None) | HASH * (request.hash is not None) | SEEK * (request.seek is not None)
    flags |= UPGRADE * (request.upgrade is not None) | MANIFEST * request.manifest
    out = encode_uint(flags) + encode_uint(number) + encode_uint(fork)
    if request.block is not None:
        out += encode_uint(request.block.index) + encode_uint(request.block.nodes)
    if request.hash is not None:
        out += encode_uint(request.hash.index) + encode_uint(request.hash.nodes)
    if request.seek is not None:
        out += encode_uint(request.seek.bytes) + encode_uint(request.seek.padding)
    if request.upgrade is not None:
        out += encode_uint(request.upgrade.start) + encode_uint(request.upgrade.length)
    return out


def decode_request(data: bytes) -> tuple[int, int, Request]:
    """Decode message 1 into number, fork and request. Raises CodecError."""
    reader = Reader(data)
    flags, number, fork = reader.uint("flags"), reader.uint("request id"), reader.uint("fork")
    block = BlockRequest(reader.uint("block"), reader.uint("nodes")) if flags & BLOCK else None
    node = HashRequest(reader.uint("node"), reader.uint("nodes")) if flags & HASH else None
    seek = None
    if flags & SEEK:
        offset = reader.uint("bytes")
        # version 10 sends no padding
        seek = SeekRequest(offset, reader.uint("padding") if reader.left else 0)
    upgrade = UpgradeRequest(reader.uint("start"), reader.uint("length")) if flags & UPGRADE else None
    return number, fork, Request(block, node, seek, upgrade, bool(flags & MANIFEST))


def encode_nodes(nodes: Sequence[Node]) -> bytes:
    """Encode an array of tree nodes."""
    parts = [encode_uint(len(nodes))]
    for node in nodes:
        parts += (encode_uint(node.index), encode_uint(node.size), node.hash)
    return b"".join(parts)


def decode_nodes(reader: Reader) -> tuple[Node, ...]:
    """Decode an array of at most 4,096 tree nodes. Raises CodecError."""
    count = reader.uint("count of nodes", MAX_NODES)
    if count * 34 > reader.left:
        raise CodecError(f"{count} nodes at offset {reader.offset}: the message ends")
    data, at, last, nodes = reader.data, reader.offset, reader.end_offset - 34 - 16, []
    for _ in range(count):
        if at > last:  # too close to the end to look ahead
            reader.offset = at
            nodes.append(Node(reader.uint("node"), reader.uint("size"), reader.fixed(32)))
            at = reader.offset
            continue
        index, at = _short(data, at)
        size, at = _short(data, at)
        nodes.append(Node(index, size, data[at : at + 32]))
        at += 32
    reader.offset = at
    return tuple(nodes)


def _short(data: bytes, at: int) -> tuple[int, int]:
    """Decode a number that is known to be within `data`. Return it with its end."""
    first = data[at]
    if first <= 0xFC:
        return first, at + 1
    if first == 0xFD:
        return data[at + 1] | data[at + 2] << 8, at + 3
    reader = Reader(data, at)
    return reader.uint("node"), reader.offset


def encode_data(number: int, proof: Proof) -> bytes:
    """Encode message 3."""
    flags = BLOCK * (proof.block is not None) | HASH * (proof.hash is not None) | SEEK * (proof.seek is not None)
    flags |= UPGRADE * (proof.upgrade is not None) | MANIFEST * (proof.manifest is not None)
    parts = [encode_uint(flags), encode_uint(number), encode_uint(proof.fork)]
    if proof.block is not None:
        block = proof.block
        parts += (encode_uint(block.index), encode_uint(len(block.value)), block.value, encode_nodes(block.nodes))
    if proof.hash is not None:
        parts += (encode_uint(proof.hash.index), encode_nodes(proof.hash.nodes))
    if proof.seek is not None:
        parts += (encode_uint(proof.seek.bytes), encode_nodes(proof.seek.nodes))
    if proof.upgrade is not None:
        upgrade = proof.upgrade
        parts += (encode_uint(upgrade.start), encode_uint(upgrade.length), encode_nodes(upgrade.nodes))
        parts += (encode_nodes(upgrade.additional), encode_buffer(upgrade.signature))
    if proof.manifest is not None:
        parts.append(proof.manifest)
    return b"".join(parts)


def decode_data(data: bytes) -> tuple[int, Proof]:
    """Decode message 3 into request number and proof. Raises CodecError."""
    reader = Reader(data)
    flags, number, fork = reader.uint("flags"), reader.uint("request id"), reader.uint("fork")
    block = node = seek = upgrade = manifest = None
    if flags & BLOCK:
        block = BlockProof(reader.uint("block"), reader.buffer(MAX_BLOCK, "block"), decode_nodes(reader))
    if flags & HASH:
        node = HashProof(reader.uint("node"), decode_nodes(reader))
    if flags & SEEK:
        seek = SeekProof(reader.uint("bytes"), decode_nodes(reader))
    if flags & UPGRADE:
        start, length = reader.uint("start"), reader.uint("length")
        nodes, additional = decode_nodes(reader), decode_nodes(reader)
        upgrade = UpgradeProof(start, length, nodes, additional, reader.buffer(MAX_SIGNATURE, "signature"))
    if flags & MANIFEST:
        begin = reader.offset
        try:
            Manifest.read(reader)
        except ManifestError as error:
            raise CodecError(f"manifest at offset {begin}: {error}") from error
        manifest = bytes(reader.data[begin : reader.offset])
    return number, Proof(fork, block, node, seek, upgrade, manifest)


def encode_no_data(number: int, reason: int) -> bytes:
    """Encode message 4."""
    return encode_uint(number) + b"\1" + encode_uint(reason)


def encode_range(start: int, length: int, drop: bool = False) -> bytes:
    """Encode message 8."""
    flags = int(drop) | (2 if length == 1 else 0)
    return encode_uint(flags) + encode_uint(start) + (b"" if length == 1 else encode_uint(length))


def decode_range(data: bytes) -> tuple[int, int, bool]:
    """Decode message 8 into start, length, and whether it is dropped. Raises CodecError."""
    reader = Reader(data)
    flags, start = reader.uint("flags"), reader.uint("start")
    return start, 1 if flags & 2 else reader.uint("length"), bool(flags & 1)


def encode_want(start: int, length: int) -> bytes:
    """Encode message 5 or 6."""
    return encode_uint(start) + encode_uint(length)


def decode_want(data: bytes) -> tuple[int, int]:
    """Decode message 5 or 6 into start and length. Raises CodecError."""
    reader = Reader(data)
    return reader.uint("start"), reader.uint("length")


def encode_bitfield(start: int, bits: bytes) -> bytes:
    """Encode message 7. `bits` are whole words of 4 bytes, block `start` first."""
    return encode_uint(start) + encode_uint(len(bits) // 4) + bits


def decode_bitfield(data: bytes) -> tuple[int, bytes]:
    """Decode message 7 into start and bits. Raises CodecError."""
    reader = Reader(data)
    start = reader.uint("start")
    return start, reader.fixed(4 * reader.uint("words", MAX_BITFIELD_WORDS), "bitfield")
