"""What hyperdht puts into requests and replies: peers, announcements, records, and handshakes that relays pass on."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from ...codec import Reader, encode_buffer, encode_uint
from ...crypto import SIGNATURE_BYTES, KeyPair, blake2b, verify
from .address import (
    Address,
    decode_address,
    decode_address6,
    decode_addresses,
    encode_address,
    encode_address6,
    encode_addresses,
)
from .nat import Firewall
from .rpc import MAX_VALUE_BYTES

KEY_BYTES = TOKEN_BYTES = REFRESH_BYTES = 32
MAX_RELAYS, MAX_PEERS, MAX_ADDRESSES, MAX_PAIRS = 8, 20, 16, 16
"""What is read of one message. npm's peers write 3 relays and 20 peers at most."""
PAYLOAD_VERSION = 1


class Command(IntEnum):
    """The commands of hyperdht."""

    PEER_HANDSHAKE = 0
    PEER_HOLEPUNCH = 1
    FIND_PEER = 2
    LOOKUP = 3
    ANNOUNCE = 4
    UNANNOUNCE = 5
    MUTABLE_PUT = 6
    MUTABLE_GET = 7
    IMMUTABLE_PUT = 8
    IMMUTABLE_GET = 9


class PeerError(IntEnum):
    """Why a peer or a node refuses."""

    NONE = 0
    ABORTED = 1
    VERSION_MISMATCH = 2
    TRY_LATER = 3
    SEQ_REUSED = 16
    SEQ_TOO_LOW = 17


class Mode(IntEnum):
    """Between whom a handshake or a hole punch is passed on."""

    FROM_CLIENT = 0
    FROM_SERVER = 1
    FROM_RELAY = 2
    FROM_SECOND_RELAY = 3
    REPLY = 4


_ROOT = blake2b(b"hyperswarm/dht")


def name_of(command: Command) -> bytes:
    """Return the 32 bytes that keep a command's signatures and handshakes apart from all others'."""
    return blake2b(_ROOT, bytes((command,)))


HANDSHAKE_PROLOGUE = name_of(Command.PEER_HANDSHAKE)
HOLEPUNCH_NAME = name_of(Command.PEER_HOLEPUNCH)
_ANNOUNCE, _UNANNOUNCE, _MUTABLE = map(name_of, (Command.ANNOUNCE, Command.UNANNOUNCE, Command.MUTABLE_PUT))


# ---- peers


@dataclass(frozen=True, slots=True)
class FoundPeer:
    """A peer as the DHT tells of it: its key, and the nodes that pass handshakes on to it."""

    key: bytes
    relays: tuple[Address, ...] = ()

    def encode(self) -> bytes:
        """Return its bytes."""
        return self.key + encode_addresses(self.relays)

    @classmethod
    def decode(cls, reader: Reader) -> FoundPeer:
        """Read one. Raises CodecError."""
        return cls(reader.fixed(KEY_BYTES, "key of a peer"), decode_addresses(reader, MAX_RELAYS))


@dataclass(frozen=True, slots=True)
class Announcement:
    """A peer that wants to be found, signed; or `refresh` alone, which renews what was stored under its hash."""

    peer: FoundPeer | None = None
    refresh: bytes | None = None
    signature: bytes | None = None
    bump: int = 0

    def encode(self) -> bytes:
        """Return its bytes."""
        flags = (
            (1 if self.peer else 0)
            | (2 if self.refresh else 0)
            | (4 if self.signature else 0)
            | (8 if self.bump else 0)
        )
        out = bytes((flags,)) + (self.peer.encode() if self.peer else b"") + (self.refresh or b"")
        return out + (self.signature or b"") + (encode_uint(self.bump) if self.bump else b"")

    @classmethod
    def decode(cls, data: bytes) -> Announcement:
        """Read one. Raises CodecError."""
        reader = Reader(data)
        flags = reader.uint("flags")
        return cls(
            FoundPeer.decode(reader) if flags & 1 else None,
            reader.fixed(REFRESH_BYTES, "refresh") if flags & 2 else None,
            reader.fixed(SIGNATURE_BYTES, "signature") if flags & 4 else None,
            reader.uint("bump") if flags & 8 else 0,
        )


def _announced(name: bytes, target: bytes, node: bytes, token: bytes, peer: FoundPeer, refresh: bytes) -> bytes:
    return name + blake2b(target, node, token, peer.encode(), refresh)


def sign_announcement(
    pair: KeyPair,
    target: bytes,
    node: bytes,
    token: bytes,
    peer: FoundPeer,
    refresh: bytes = b"",
    *,
    leaving: bool = False,
) -> bytes:
    """Return the signature by which a node with an id lets a peer be found under a target, or (leaving) no longer."""
    return pair.sign(_announced(_UNANNOUNCE if leaving else _ANNOUNCE, target, node, token, peer, refresh))


def announced_by_peer(
    announcement: Announcement, target: bytes, node: bytes, token: bytes, *, leaving: bool = False
) -> bool:
    """Return whether an announcement was signed by its peer, for this node and this token."""
    peer, signature = announcement.peer, announcement.signature
    if peer is None or signature is None:
        return False
    name = _UNANNOUNCE if leaving else _ANNOUNCE
    return verify(_announced(name, target, node, token, peer, announcement.refresh or b""), signature, peer.key)


def encode_peers(peers: tuple[FoundPeer, ...], bump: int = 0) -> bytes:
    """Return the value of a reply to LOOKUP."""
    return encode_uint(len(peers)) + b"".join(one.encode() for one in peers) + encode_uint(bump)


def decode_peers(data: bytes) -> tuple[FoundPeer, ...]:
    """Read the value of a reply to LOOKUP. Raises CodecError."""
    reader = Reader(data)
    return tuple(FoundPeer.decode(reader) for _ in range(reader.uint("number of peers", MAX_PEERS)))


# ---- records


def _mutable(seq: int, value: bytes) -> bytes:
    return _MUTABLE + blake2b(encode_uint(seq) + encode_buffer(value))


@dataclass(frozen=True, slots=True)
class MutableRecord:
    """A value that its key's owner may replace by one with a higher `seq`. Its target is the key's hash."""

    key: bytes
    seq: int
    value: bytes
    signature: bytes

    @classmethod
    def signed(cls, pair: KeyPair, seq: int, value: bytes) -> MutableRecord:
        """Return a record of a key pair's owner."""
        return cls(pair.public, seq, value, pair.sign(_mutable(seq, value)))

    @property
    def is_signed(self) -> bool:
        """Whether the key's owner signed it."""
        return verify(_mutable(self.seq, self.value), self.signature, self.key)

    def encode(self) -> bytes:
        """Return what a MUTABLE_PUT holds."""
        return self.key + self.encode_found()

    def encode_found(self) -> bytes:
        """Return what a reply to MUTABLE_GET holds: who asks knows the key."""
        return encode_uint(self.seq) + encode_buffer(self.value) + self.signature

    @classmethod
    def decode(cls, data: bytes) -> MutableRecord:
        """Read what a MUTABLE_PUT holds. Raises CodecError."""
        reader = Reader(data)
        return cls._rest(reader.fixed(KEY_BYTES, "key"), reader)

    @classmethod
    def decode_found(cls, key: bytes, data: bytes) -> MutableRecord:
        """Read what a reply to MUTABLE_GET holds. Raises CodecError."""
        return cls._rest(key, Reader(data))

    @classmethod
    def _rest(cls, key: bytes, reader: Reader) -> MutableRecord:
        return cls(
            key,
            reader.uint("seq"),
            reader.buffer(MAX_VALUE_BYTES, "value"),
            reader.fixed(SIGNATURE_BYTES, "signature"),
        )


# ---- handshakes and hole punches, as relays pass them on


@dataclass(frozen=True, slots=True)
class RelayedHandshake:
    """A Noise message. `peer` is the address of whom it is from or for, as the relay sees it."""

    mode: int
    noise: bytes
    peer: Address | None = None
    relay: Address | None = None

    def encode(self) -> bytes:
        """Return its bytes."""
        flags = (1 if self.peer else 0) | (2 if self.relay else 0)
        out = bytes((flags,)) + encode_uint(self.mode) + encode_buffer(self.noise)
        out += encode_address(self.peer) if self.peer else b""
        return out + (encode_address(self.relay) if self.relay else b"")

    @classmethod
    def decode(cls, data: bytes) -> RelayedHandshake:
        """Read one. Raises CodecError."""
        reader = Reader(data)
        flags, mode = reader.uint("flags"), reader.uint("mode")
        noise = reader.buffer(MAX_VALUE_BYTES, "Noise message")
        peer = decode_address(reader) if flags & 1 else None
        return cls(mode, noise, peer, decode_address(reader) if flags & 2 else None)


@dataclass(frozen=True, slots=True)
class RelayedPunch:
    """A sealed message of a hole punch. `id` is the server's number of the handshake that it belongs to."""

    mode: int
    id: int
    payload: bytes
    peer: Address | None = None

    def encode(self) -> bytes:
        """Return its bytes."""
        out = bytes((1 if self.peer else 0,)) + encode_uint(self.mode) + encode_uint(self.id)
        return out + encode_buffer(self.payload) + (encode_address(self.peer) if self.peer else b"")

    @classmethod
    def decode(cls, data: bytes) -> RelayedPunch:
        """Read one. Raises CodecError."""
        reader = Reader(data)
        flags, mode, number = reader.uint("flags"), reader.uint("mode"), reader.uint("id")
        payload = reader.buffer(MAX_VALUE_BYTES, "payload")
        return cls(mode, number, payload, decode_address(reader) if flags & 1 else None)


# ---- inside the handshake


@dataclass(frozen=True, slots=True)
class UdxInfo:
    """The sender's number of the stream."""

    id: int
    seq: int = 0
    reusable_socket: bool = False


@dataclass(frozen=True, slots=True)
class PunchInfo:
    """The server's number of the handshake, and (relay, this server as that relay sees it) for each way to it."""

    id: int
    relays: tuple[tuple[Address, Address], ...] = ()


@dataclass(frozen=True, slots=True)
class RelayThrough:
    """A blind relay that both peers are to meet at."""

    key: bytes
    token: bytes


@dataclass(frozen=True, slots=True)
class NoisePayload:
    """What peers tell each other within the Noise handshake. Each of version 1; of another one only that is known."""

    version: int = PAYLOAD_VERSION
    error: int = PeerError.NONE
    firewall: int = Firewall.UNKNOWN
    punch: PunchInfo | None = None
    addresses4: tuple[Address, ...] = ()
    addresses6: tuple[Address, ...] = ()
    udx: UdxInfo | None = None
    secret_stream: bool = False
    relay_through: RelayThrough | None = None
    relays: tuple[Address, ...] = ()

    def encode(self) -> bytes:
        """Return its bytes."""
        parts = (
            self.punch and encode_uint(self.punch.id) + _encode_pairs(self.punch.relays),
            encode_addresses(self.addresses4) if self.addresses4 else None,
            _encode_addresses6(self.addresses6) if self.addresses6 else None,
            self.udx and _encode_udx(self.udx),
            b"\1" if self.secret_stream else None,
            self.relay_through and b"\1\0" + self.relay_through.key + self.relay_through.token,
            encode_addresses(self.relays) if self.relays else None,
        )
        flags = sum(1 << bit for bit, part in enumerate(parts) if part)
        head = bytes((PAYLOAD_VERSION, flags)) + encode_uint(self.error) + encode_uint(self.firewall)
        return head + b"".join(part for part in parts if part)

    @classmethod
    def decode(cls, data: bytes) -> NoisePayload:
        """Read one. Raises CodecError."""
        reader = Reader(data)
        version = reader.uint("version")
        if version != PAYLOAD_VERSION:
            return cls(version)
        flags = reader.uint("flags")
        error, firewall = reader.uint("error"), reader.uint("firewall")
        return cls(
            version,
            error,
            firewall,
            PunchInfo(reader.uint("id"), _decode_pairs(reader)) if flags & 1 else None,
            decode_addresses(reader, MAX_ADDRESSES) if flags & 2 else (),
            _decode_addresses6(reader) if flags & 4 else (),
            _decode_udx(reader) if flags & 8 else None,
            bool(flags & 16 and reader.uint("version of secret streams")),
            _decode_through(reader) if flags & 32 else None,
            decode_addresses(reader, MAX_RELAYS) if flags & 64 else (),
        )


def _encode_pairs(pairs: tuple[tuple[Address, Address], ...]) -> bytes:
    return encode_uint(len(pairs)) + b"".join(encode_address(one) for pair in pairs for one in pair)


def _decode_pairs(reader: Reader) -> tuple[tuple[Address, Address], ...]:
    count = reader.uint("number of relays", MAX_PAIRS)
    return tuple((decode_address(reader), decode_address(reader)) for _ in range(count))


def _encode_addresses6(addresses: tuple[Address, ...]) -> bytes:
    return encode_uint(len(addresses)) + b"".join(map(encode_address6, addresses))


def _decode_addresses6(reader: Reader) -> tuple[Address, ...]:
    return tuple(decode_address6(reader) for _ in range(reader.uint("number of addresses", MAX_ADDRESSES)))


def _encode_udx(udx: UdxInfo) -> bytes:
    return bytes((1, 1 if udx.reusable_socket else 0)) + encode_uint(udx.id) + encode_uint(udx.seq)


def _decode_udx(reader: Reader) -> UdxInfo:
    reader.uint("version of UDX")
    features = reader.uint("features")
    number = reader.uint("id of a stream", 0xFFFF_FFFF)
    return UdxInfo(number, reader.uint("seq", 0xFFFF_FFFF), bool(features & 1))


def _decode_through(reader: Reader) -> RelayThrough:
    reader.uint("version of relays")
    reader.uint("flags")
    return RelayThrough(reader.fixed(KEY_BYTES, "key of a relay"), reader.fixed(TOKEN_BYTES, "token"))


# ---- inside a hole punch


@dataclass(frozen=True, slots=True)
class PunchPayload:
    """What peers tell each other while they punch. `token` proves to whom it comes back that it reached its receiver."""

    error: int = PeerError.NONE
    firewall: int = Firewall.UNKNOWN
    round: int = 0
    connected: bool = False
    punching: bool = False
    addresses: tuple[Address, ...] | None = None
    remote_address: Address | None = None
    token: bytes | None = None
    remote_token: bytes | None = None

    def encode(self) -> bytes:
        """Return its bytes."""
        parts = (
            None if self.addresses is None else encode_addresses(self.addresses),
            self.remote_address and encode_address(self.remote_address),
            self.token,
            self.remote_token,
        )
        flags = self.connected | self.punching << 1 | sum(4 << bit for bit, part in enumerate(parts) if part)
        head = bytes((flags,)) + encode_uint(self.error) + encode_uint(self.firewall) + encode_uint(self.round)
        return head + b"".join(part for part in parts if part)

    @classmethod
    def decode(cls, data: bytes) -> PunchPayload:
        """Read one. Raises CodecError."""
        reader = Reader(data)
        flags = reader.uint("flags")
        error, firewall, number = reader.uint("error"), reader.uint("firewall"), reader.uint("round")
        return cls(
            error,
            firewall,
            number,
            bool(flags & 1),
            bool(flags & 2),
            decode_addresses(reader, MAX_ADDRESSES) if flags & 4 else None,
            decode_address(reader) if flags & 8 else None,
            reader.fixed(TOKEN_BYTES, "token") if flags & 16 else None,
            reader.fixed(TOKEN_BYTES, "token") if flags & 32 else None,
        )
