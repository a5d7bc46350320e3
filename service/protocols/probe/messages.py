"""The probe protocol `datdot/probe/1`: its channel, its messages and their bytes. A changed layout gets a new name.

Anybody may ask, under any identity. An attester uses a throw-away one, on a separate connection. The asker opens a
protomux channel with protocol "datdot/probe/1" and no id; integers are `uint` of compact encoding.

    handshake (both ways)    uint version = 1 | genesis[32]

    type  name      from     layout
    0     ask       asker    copy | segment | sector
    1     answer    hoster   copy | segment | sector | encoded sector[256] | uint count, count x hash[32]: siblings, bottom up
    2     refusal   hoster   buffer: the reason in UTF-8; the channel stays open

One question at a time. The hoster answers each once, in order, from the segment's tree (docs/protocol/encoding.md section 8),
and limits the rate: the first question of each connection is free; of further ones an address has eight for each block of
the chain on average, at most 72 at once. The whole protocol is described in docs/protocol/probe.md.
"""

from __future__ import annotations

from dataclasses import dataclass

from service.encoding import SECTOR, Opening
from service.hypercore import codec

from .. import handshake

PROTOCOL = "datdot/probe/1"
VERSION = 1
MAX_SIBLINGS = 32
MAX_REASON = 500
BURST = 72
"""Further questions that one address may ask at once."""
PER_BLOCK = 8
"""Further questions that one address may ask per block of the chain, on average."""
MAX_ADDRESSES = 4096
"""Addresses counted before those that asked nothing lately are forgotten."""
NEWCOMERS = "newcomers"
"""The bucket that addresses share for which there is no room."""


class ProbeRefused(Exception):
    """The other side broke the protocol, or refused and said why."""


@dataclass(frozen=True, slots=True)
class Ask:
    """The question: which sector of which segment."""

    copy: int
    segment: int
    sector: int


@dataclass(frozen=True, slots=True)
class Answer:
    """The sector as it is stored, with its Merkle path."""

    ask: Ask
    opening: Opening


@dataclass(frozen=True, slots=True)
class ProbeRefusal:
    """A refusal to answer, with its reason."""

    reason: str


Message = Ask | Answer | ProbeRefusal


def encode_handshake(genesis: bytes) -> bytes:
    """Return the handshake of this version on this chain."""
    return handshake.encode_handshake(VERSION, genesis)


def check_handshake(data: bytes, genesis: bytes) -> None:
    """Raise ProbeRefused unless the other side speaks this version on this chain."""
    try:
        handshake.check_handshake(data, VERSION, genesis, "probe")
    except handshake.HandshakeError as error:
        raise ProbeRefused(str(error)) from error


def encode(message: Message) -> tuple[int, bytes]:
    """Return the message's type and body."""
    uint = codec.encode_uint
    match message:
        case Ask():
            return 0, uint(message.copy) + uint(message.segment) + uint(message.sector)
        case Answer():
            siblings = message.opening.siblings
            head = encode(message.ask)[1]
            return 1, head + message.opening.data + uint(len(siblings)) + b"".join(siblings)
        case ProbeRefusal():
            return 2, codec.encode_buffer(message.reason.encode()[:MAX_REASON])


def decode(kind: int, body: bytes) -> Message:
    """Decode a message. Raises ProbeRefused if it is malformed or exceeds a bound."""
    reader = codec.Reader(body)
    try:
        message = _decode(kind, reader)
        reader.end()
    except codec.CodecError as error:
        raise ProbeRefused(f"probe message of type {kind}: {error}") from error
    return message


def _decode(kind: int, reader: codec.Reader) -> Message:
    if kind == 0:
        return Ask(reader.uint(), reader.uint(), reader.uint())
    if kind == 1:
        ask = Ask(reader.uint(), reader.uint(), reader.uint())
        data, count = reader.fixed(SECTOR), reader.uint()
        if count > MAX_SIBLINGS:
            raise ProbeRefused(f"{count} siblings, over the limit of {MAX_SIBLINGS}")
        return Answer(ask, Opening(ask.sector, data, tuple(reader.fixed(32) for _ in range(count))))
    if kind == 2:
        return ProbeRefusal(reader.buffer(MAX_REASON).decode("utf-8", "replace"))
    raise ProbeRefused(f"unknown message type {kind}")


class RateLimit:
    """A limit on how many sectors an address is shown: a bucket that fills with the chain's blocks.

    When there is no room for another bucket, all addresses that come then share one.
    """

    def __init__(self) -> None:
        self._level: dict[str, tuple[int, int]] = {}

    def allow(self, address: str, now: int) -> bool:
        """Take one sector from the address's bucket at block `now`. Returns False if it is empty."""
        if len(self._level) >= MAX_ADDRESSES:
            full = BURST // PER_BLOCK
            self._level = {one: found for one, found in self._level.items() if now - found[1] < full}
            if address not in self._level and len(self._level) >= MAX_ADDRESSES:
                address = NEWCOMERS
        level, then = self._level.get(address, (BURST, now))
        level = min(BURST, level + PER_BLOCK * max(0, now - then))
        allowed = level > 0
        self._level[address] = (level - allowed, max(now, then))
        return allowed
