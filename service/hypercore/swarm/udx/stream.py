"""A stream: bytes in both directions, in order and whole, and single messages beside them. It knows no socket and no clock.

A socket gives it the packets of one burst (`receive`), and lets it `settle` after them and after what its owner did; it
calls `fire` when `deadline` has come. What is to be sent gathers in `out`, what came in is taken with `read` and `messages`.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import StrEnum

from .flight import Packet
from .packet import (
    DATA,
    DESTROY,
    END,
    HEADER_BYTES,
    HEARTBEAT,
    IP_UDP_BYTES,
    MAGIC,
    MESSAGE,
    SACK,
    VERSION,
    Range,
    decode_ranges,
    distance,
    encode_ranges,
    header,
    unpack,
)
from .receiver import WINDOW, Receiver
from .sender import FIRST_PROBE_SECONDS, Sender

ACK_EVERY = 32
"""Packets of one burst after which they are acknowledged at once. Otherwise there is one acknowledgement a burst."""
TRAIN = 44
"""Packets that one call of the kernel sends at most: 64 KiB."""
MAX_MESSAGES = 64
"""Messages that wait for a reader. Those beyond are dropped, as messages may be."""


class Ended(StrEnum):
    """Why a stream is over."""

    FINISHED = "both sides ended it"
    DESTROYED = "this side gave it up"
    RESET = "the peer gave it up"
    TIMED_OUT = "the peer does not answer"


@dataclass(slots=True)
class Train:
    """Datagrams for one address: `count` of `size` bytes each, the last one perhaps shorter, joined."""

    data: bytes
    size: int
    count: int


class Stream:
    """One end of a stream. `local_id` is this side's number of it; the peer puts it into each packet."""

    def __init__(self, local_id: int, now: float, first_probe: float = FIRST_PROBE_SECONDS) -> None:
        self.local_id = local_id
        self.sender = Sender(now, first_probe)
        self.receiver = Receiver()
        self.out: list[Train] = []
        self.messages: deque[bytes] = deque(maxlen=MAX_MESSAGES)
        self.ended: Ended | None = None
        self._remote_id: int | None = None
        self._ack = 0
        self._ranges: list[Range] = []

    # ---- what the owner does

    @property
    def connected(self) -> bool:
        """Whether it is known where to send to."""
        return self._remote_id is not None

    def connect(self, remote_id: int) -> None:
        """Begin to send, to the peer's number of the stream."""
        self._remote_id = remote_id

    def change_path(self, remote_id: int) -> None:
        """Go on over another path. A message without content tells the peer."""
        self._remote_id = remote_id
        self.sender.change_path()
        self.message(b"")

    def write(self, data: bytes) -> None:
        """Send bytes, as soon as the path and the peer can take them. Writes before one `settle` share packets."""
        self.sender.write(data)

    def end(self) -> None:
        """Send no more after what was written."""
        self.sender.end()

    def read(self, most: int = WINDOW) -> bytearray:
        """Take bytes that have come. Who reads slowly slows the peer down."""
        data = self.receiver.read(most)
        if self.receiver.has_room_to_tell():
            self._acknowledge()
        return data

    def message(self, data: bytes) -> None:
        """Send one message: it may come late, twice or not at all. It must fit a packet."""
        if len(data) > self.sender.mtu.payload:
            raise ValueError(f"a message of {len(data)} bytes does not fit a packet of {self.sender.mtu.payload}")
        if self.ended is None:
            self._send(MESSAGE, data)

    def heartbeat(self) -> None:
        """Ask the peer for an acknowledgement."""
        if self.ended is None:
            self._send(HEARTBEAT)

    def destroy(self) -> None:
        """Give it up: what is under way is lost. The peer is told."""
        if self.ended is None:
            self._send(DESTROY)
            self._end(Ended.DESTROYED)

    # ---- what comes

    def receive(self, packet: memoryview) -> None:
        """Take one packet of a burst. Its sender's address is the caller's business.

        A stream that both sides ended still acknowledges, for the peer may not know: it is to be kept for a while.
        """
        _, _, kind, offset, _, window, seq, ack = unpack(packet)
        if self.ended is not None:
            if self.ended is Ended.FINISHED and kind & (DATA | END):
                self._acknowledge()
            return
        size = len(packet) - HEADER_BYTES
        if offset > size:
            return
        if kind & (DATA | END):
            self.receiver.take(seq, kind, packet[HEADER_BYTES + offset :])
            if self.receiver.due >= ACK_EVERY:
                self._acknowledge()
        elif kind & HEARTBEAT:
            self.receiver.due += 1
        if kind & DESTROY:
            if distance(seq, self.receiver.ack) >= 0:
                self._end(Ended.RESET)
            return
        if kind & MESSAGE:
            self.messages.append(bytes(packet[HEADER_BYTES + offset :]))
        if distance(ack, self.sender.flight.seq) > 0 or distance(ack, self._ack) < 0:
            return
        self._ack = ack
        self.sender.set_window(window, seq, ack)
        if kind & SACK:  # each tells all ranges, so the last one of a burst is enough
            self._ranges = decode_ranges(packet, offset or size)

    def settle(self, now: float) -> None:
        """Work off what a burst brought and what was written: acknowledge, send what may go."""
        if self.ended is not None or self._remote_id is None:
            return
        if self._ack != self.sender.flight.acked or self._ranges:
            ranges, self._ranges = self._ranges, []
            self.sender.take_acks(self._ack, ranges, now)
        self._transmit(self.sender.pump(now))
        if self.receiver.due:
            self._acknowledge()
        if self.receiver.ended and self.sender.done:
            self._end(Ended.FINISHED)

    def deadline(self) -> float | None:
        """Return when `fire` is to be called, or None."""
        return None if self.ended is not None or self._remote_id is None else self.sender.deadline()

    def fire(self, now: float) -> None:
        """Do what is due by now."""
        if self.ended is not None or self._remote_id is None:
            return
        batch = self.sender.fire(now)
        if self.sender.dead:
            self._end(Ended.TIMED_OUT)
            return
        while self.sender.window_probes:
            self.sender.window_probes -= 1
            self.heartbeat()
        self._transmit(batch)

    def _end(self, why: Ended) -> None:
        self.ended = self.ended or why

    # ---- what goes

    def _send(self, kind: int, data: bytes = b"") -> None:
        if self._remote_id is None:
            return
        receiver = self.receiver
        head = header(kind, self._remote_id, receiver.window(), self.sender.flight.seq, receiver.ack)
        self.out.append(Train(head + data, HEADER_BYTES + len(data), 1))

    def _acknowledge(self) -> None:
        self.receiver.due = 0
        if self.receiver.gaps:
            self._send(SACK, encode_ranges(self.receiver.ranges()))
        else:
            self._send(0)

    def _transmit(self, batch: list[Packet]) -> None:
        """Put packets into as few trains as may be: all packets of one are equally long, but for the last."""
        if not batch or self._remote_id is None:
            return
        receiver = self.receiver
        whole = header(0, self._remote_id, receiver.window(), 0, receiver.ack)
        middle, ack = whole[4:12], whole[16:]
        if not receiver.gaps:
            receiver.due = 0
        parts: list[bytes | memoryview] = []
        size = count = 0
        for packet in batch:
            padding = max(0, packet.trial - IP_UDP_BYTES - packet.size)
            length = packet.size + padding
            if count and (length > size or count == TRAIN):
                self.out.append(Train(b"".join(parts), size, count))
                parts, count = [], 0
            if not count:
                size = length
            parts += (bytes((MAGIC, VERSION, packet.kind, padding)), middle, packet.seq.to_bytes(4, "little"), ack)
            parts += (bytes(padding), packet.payload) if padding else (packet.payload,)
            count += 1
            if length < size:
                self.out.append(Train(b"".join(parts), size, count))
                parts, count = [], 0
        if count:
            self.out.append(Train(b"".join(parts), size, count))
