"""The packets that were sent and not acknowledged, and which of them are lost (RACK, RFC 8985)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

from .packet import HEADER_BYTES, MASK, distance


class Packet:
    """A packet with a sequence number."""

    __slots__ = (
        "delivered",
        "delivered_at",
        "first_sent",
        "kind",
        "limited",
        "lost",
        "payload",
        "resent",
        "sent_at",
        "seq",
        "size",
        "timeouts",
        "trial",
    )

    def __init__(self, seq: int, kind: int, payload: bytes | memoryview) -> None:
        self.seq, self.kind, self.payload = seq, kind, payload
        self.size = len(payload) + HEADER_BYTES
        self.trial = self.timeouts = self.delivered = 0
        """`trial`: the size that it is padded to, to try it. 0: it is none."""
        self.resent = self.lost = self.limited = False
        self.sent_at = self.first_sent = self.delivered_at = 0.0


class Flight:
    """Packets from `acked`, the first that is not acknowledged, up to `seq`, the next number.

    `under_way` holds those that may still come, in the order of sending; `lost` those to be sent again; `outgoing` both.
    """

    def __init__(self) -> None:
        self.seq = self.acked = 0
        self.outgoing: dict[int, Packet] = {}
        self.under_way: OrderedDict[int, Packet] = OrderedDict()
        self.lost: OrderedDict[int, Packet] = OrderedDict()
        self.sacked = 0
        """Packets that have come after one that has not."""
        self.rtt = 0.0
        """The round trip of the last packet that came."""
        self.reordered = False
        self._newest_at = 0.0
        self._newest_seq = 0
        self._highest = 0
        self._known: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self.under_way)

    @property
    def empty(self) -> bool:
        """Whether everything is acknowledged."""
        return self.acked == self.seq

    @property
    def last(self) -> Packet | None:
        """The packet with the highest number, unless it has come."""
        return self.outgoing.get((self.seq - 1) & MASK)

    def new(self, kind: int, payload: bytes | memoryview) -> Packet:
        """Return the next packet. It is under way once it is `sent`."""
        packet = Packet(self.seq, kind, payload)
        self.outgoing[self.seq] = packet
        self.seq = (self.seq + 1) & MASK
        return packet

    def sent(self, packet: Packet) -> None:
        """Note that a packet was sent, now."""
        self.under_way.pop(packet.seq, None)
        self.under_way[packet.seq] = packet

    def to_resend(self) -> Packet:
        """Take the first of the lost ones."""
        _, packet = self.lost.popitem(last=False)
        packet.lost, packet.resent = False, True
        return packet

    def take_ack(self, ack: int) -> list[Packet]:
        """Return the packets that are acknowledged by all before `ack` having come."""
        found = []
        for i in range(distance(ack, self.acked)):
            packet = self.outgoing.pop((self.acked + i) & MASK, None)
            if packet is None:
                self.sacked -= 1
            else:
                found.append(packet)
        self.acked = ack
        return found

    def take_ranges(self, ranges: Iterable[tuple[int, int]]) -> list[Packet]:
        """Return the packets that are acknowledged by ranges having come. Ranges that cannot be are ignored."""
        found = []
        known: dict[int, int] = {}
        sent = distance(self.seq, self.acked)
        for start, end in ranges:
            # all from one point: numbers wrap, and of two that are far apart each seems to be before the other
            if not 0 <= distance(start, self.acked) < distance(end, self.acked) <= sent:
                continue
            # a range mostly grows at its end: what was known of it is not looked at again
            first = self._known.get(start, start)
            first = first if distance(end, first) >= 0 else start
            known[start] = end
            for i in range(distance(end, first)):
                packet = self.outgoing.pop((first + i) & MASK, None)
                if packet is not None:
                    self.sacked += 1
                    found.append(packet)
        self._known = known
        return found

    def came(self, packet: Packet, rtt: float, believed: bool) -> None:
        """Note that a packet has come after `rtt` seconds. `believed`: that is the time of its last sending."""
        (self.lost if packet.lost else self.under_way).pop(packet.seq, None)
        if believed:
            self.rtt = rtt
            if self._after(packet):
                self._newest_at, self._newest_seq = packet.sent_at, packet.seq
        if distance(packet.seq, self._highest) >= 0:
            self._highest = (packet.seq + 1) & MASK
        elif not packet.resent:
            self.reordered = True

    def _after(self, packet: Packet) -> bool:
        """Whether a packet was sent after all that have come. Those of one burst have one time, then numbers decide."""
        if packet.sent_at != self._newest_at:
            return packet.sent_at > self._newest_at
        return distance(packet.seq, self._newest_seq) >= 0

    def overdue(self, patience: float, now: float) -> tuple[list[Packet], float]:
        """Return the packets that must have been lost, and the seconds until the last one that may still come is.

        One is lost if another that was sent after it has come, and a round trip and `patience` seconds are over.
        """
        gone = []
        latest = 0.0
        for packet in self.under_way.values():
            if self._after(packet):
                break
            left = packet.sent_at + self.rtt + patience - now
            if left <= 0:
                gone.append(packet)
            else:
                latest = max(latest, left)
        return gone, latest

    def lose(self, packet: Packet) -> None:
        """Mark a packet as lost: it is to be sent again."""
        self.under_way.pop(packet.seq, None)
        packet.lost = True
        self.lost[packet.seq] = packet
