"""What acknowledgements tell of a path: the round trip, and the rate at which packets are delivered."""

from __future__ import annotations

from .flight import Packet

MIN_RTO, MAX_RTO = 1.0, 30.0
NEVER = float("inf")


class RoundTrip:
    """The round trip's estimate (RFC 6298), in seconds. `least` is the smallest ever seen."""

    def __init__(self) -> None:
        self.smooth = self._variance = 0.0
        self.least = NEVER
        self.timeout = MIN_RTO

    def add(self, seconds: float) -> None:
        """Take a sample, of a packet that was sent once."""
        self.least = min(self.least, seconds)
        if not self.smooth:
            self.smooth, self._variance = seconds, seconds / 2
        else:
            self._variance += (abs(self.smooth - seconds) - self._variance) / 4
            self.smooth += (seconds - self.smooth) / 8
        self.timeout = min(max(MIN_RTO, self.smooth + 4 * self._variance), MAX_RTO)


class RateSample:
    """What one burst of acknowledgements tells: `delivered` packets in `interval` seconds, -1 each if it tells nothing."""

    __slots__ = ("acked", "delivered", "interval", "limited", "lost", "prior", "prior_at", "rtt", "seen")

    def __init__(self) -> None:
        self.seen = self.limited = False
        self.prior = self.delivered = self.acked = self.lost = 0
        self.prior_at = 0.0
        self.interval = self.rtt = -1.0

    @property
    def rate(self) -> float:
        """Packets a second, 0 if the sample tells none."""
        return self.delivered / max(self.interval, 0.0001) if self.delivered >= 0 and self.interval > 0 else 0.0


class Rate:
    """The packets delivered so far, and since when (draft-cheng-iccrg-delivery-rate-estimation)."""

    def __init__(self) -> None:
        self.delivered = 0
        self.delivered_at = self._first_sent = 0.0
        self.limited_until = 1 << 62
        """Deliveries up to which samples tell the writer's pace, not the path's. 0: they tell the path's."""

    def sending(self, idle: bool, now: float) -> None:
        """Note that packets are about to be sent. `idle`: none was under way."""
        if idle and self.delivered_at < now:
            self._first_sent = self.delivered_at = now

    def sent(self, packet: Packet, now: float) -> None:
        """Mark a packet with what is known when it is sent."""
        packet.sent_at, packet.first_sent = now, self._first_sent
        packet.delivered, packet.delivered_at = self.delivered, self.delivered_at
        packet.limited = bool(self.limited_until)

    def acked(self, packet: Packet, sample: RateSample) -> None:
        """Count a packet as delivered. The one that was sent last tells the most."""
        self.delivered += 1
        if packet.delivered_at and (not sample.seen or packet.sent_at >= self._first_sent):
            sample.seen = True
            sample.prior, sample.prior_at, sample.limited = packet.delivered, packet.delivered_at, packet.limited
            sample.interval = packet.sent_at - packet.first_sent
            self._first_sent = packet.sent_at

    def finish(self, sample: RateSample, least: float, now: float) -> None:
        """Complete a sample after all packets of a burst. `least` is the smallest round trip."""
        if self.limited_until and self.delivered > self.limited_until:
            self.limited_until = 0
        self.delivered_at = now
        if not sample.seen:
            sample.delivered = -1
            return
        sample.delivered = self.delivered - sample.prior
        sample.interval = max(sample.interval, now - sample.prior_at)
        if sample.interval < least:
            sample.interval = -1.0
