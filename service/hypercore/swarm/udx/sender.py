"""The outgoing half of a stream: what is written becomes packets, which are paced, and sent again when they are lost."""

from __future__ import annotations

from collections import deque
from enum import Enum

from .bbr import Bbr
from .flight import Flight, Packet
from .mtu import MtuSearch
from .packet import DATA, END, Range, distance
from .rate import MAX_RTO, NEVER, Rate, RateSample, RoundTrip
from .receiver import WINDOW

MAX_TIMEOUTS, TIMEOUT_FACTOR = 6, 2
"""Times that one packet is sent into the void before the stream ends, and what the wait for it is after the first: with a
timeout of 1 s it takes 13 s, as npm's peers do. It does not grow: who has moved is to be found dead soon.
As many questions for a closed window in a row that nobody answers end it, too."""
FIRST_PROBE_SECONDS = 1.0
"""Time after which the last packet is sent again, while no round trip is known."""
LEAST_PROBE_SECONDS = 0.002
PACE_SECONDS, MOST_PACED_SECONDS = 0.001, 0.010
"""Packets leave in groups of what the pace allows in so much time; what was not used is not saved for longer."""
REORDERING_SACKS = 3
CLOCK_SECONDS = 0.0005
"""By how much later than due a lost packet is looked for."""
TIMEOUT_TOKENS = 1500.0


class Timer(Enum):
    """What is waited for."""

    TAIL = "tail"
    REORDER = "reorder"
    LOSS = "loss"
    WINDOW = "window"


class Sender:
    """What goes out. The stream calls it with the time, and takes the packets that `pump` leaves."""

    def __init__(self, now: float, first_probe: float = FIRST_PROBE_SECONDS) -> None:
        self.flight = Flight()
        self.mtu = MtuSearch()
        self.round_trip = RoundTrip()
        self.bbr = Bbr(now)
        self.rate = Rate()
        self.queued = 0
        """Bytes written and not sent yet."""
        self.ended = False
        """Whether the end was sent."""
        self.dead = False
        """Whether the peer has not answered for too long."""
        self.window_probes = 0
        """Questions for the peer's window that are due."""
        self.lost = self.resent = self.tail_probes = self.timeouts = 0
        self._queue: deque[memoryview] = deque()
        self._end_wanted = False
        self._window = WINDOW
        self._window_seq = self._window_ack = 0
        self.first_probe = first_probe
        self._recovery: int | None = None
        self._after_timeout = False
        self._probe: int | None = None
        self._window_wait = 0.0
        self._unanswered = 0
        self._tokens, self._filled_at = 0.0, float("-inf")
        self._timer: Timer | None = None
        self._timer_at = 0.0
        self._pace_at: float | None = None

    # ---- what is written

    def write(self, data: bytes) -> None:
        """Queue bytes."""
        if data:
            self._queue.append(memoryview(data))
            self.queued += len(data)

    def end(self) -> None:
        """End the stream once all that is queued was sent."""
        self._end_wanted = True

    @property
    def done(self) -> bool:
        """Whether the end was sent, and all has come."""
        return self.ended and self.flight.empty

    @property
    def unsent(self) -> bool:
        """Whether something waits to be sent for the first time."""
        return bool(self._queue) or (self._end_wanted and not self.ended)

    def change_path(self) -> None:
        """Go on over another path: nothing is lost, what it carries is searched for anew."""
        self.mtu.restart()
        for packet in self.flight.outgoing.values():
            packet.trial = 0

    # ---- what the peer says

    def set_window(self, window: int, seq: int, ack: int) -> None:
        """Note the peer's window, unless it is older than what is known (RFC 9293, 3.10.7.4)."""
        self._unanswered = 0
        newer = distance(seq, self._window_seq)
        if newer > 0 or (newer == 0 and distance(ack, self._window_ack) >= 0):
            self._window, self._window_seq, self._window_ack = window, seq, ack
            if window:
                self._window_wait = 0.0

    def take_acks(self, ack: int, ranges: list[Range], now: float) -> None:
        """Take what the peer says has come: all before `ack`, and the ranges."""
        flight = self.flight
        busy, prior = not flight.empty, flight.acked
        if self._probe is not None and distance(ack, self._probe) >= 0:
            self._probe = None
        if self._recovery is not None and distance(ack, self._recovery) > 0:
            self._recovery, self._after_timeout = None, False
        lost_before = self.lost
        sample = RateSample()
        come = flight.take_ack(ack) if ack != prior else []
        come += flight.take_ranges(ranges)
        for packet in come:
            self._came(packet, sample, now)
        if come:
            self._look_for_losses(now)
            if busy:
                self._learn(sample, len(come), self.lost - lost_before, now)
        if flight.empty:
            self._timer = None
        elif come or ack != prior:
            self._arm(now, fresh=True)

    def _came(self, packet: Packet, sample: RateSample, now: float) -> None:
        rtt = now - packet.sent_at
        believed = not packet.resent or rtt >= self.round_trip.least or self.round_trip.least == NEVER
        self.flight.came(packet, rtt, believed)
        self.mtu.acked(packet.trial)
        self.rate.acked(packet, sample)
        if not packet.resent:
            self.round_trip.add(rtt)
        if believed:
            sample.rtt = rtt

    def _learn(self, sample: RateSample, acked: int, lost: int, now: float) -> None:
        self.rate.finish(sample, self.round_trip.least, now)
        sample.acked, sample.lost = acked, lost
        flight = len(self.flight)
        recovering = self._recovery is not None
        if self.bbr.update(sample, flight, self.rate.delivered, self.mtu.payload, recovering, now):
            self.rate.limited_until = self.rate.delivered + flight or 1

    # ---- losses

    def _look_for_losses(self, now: float) -> None:
        flight = self.flight
        if not len(flight):
            return
        recovering = self._recovery is not None or self._after_timeout
        quick = not flight.reordered and (recovering or flight.sacked >= REORDERING_SACKS)
        patience = 0.0 if quick else min(self.round_trip.least / 4, self.round_trip.smooth)
        gone, latest = flight.overdue(patience, now)
        real = [packet for packet in gone if self._lose(packet)]
        if real and self._recovery is None:
            self._recovery, self._probe = flight.seq, None
        if latest:
            self._set_timer(Timer.REORDER, now + latest + CLOCK_SECONDS)

    def _lose(self, packet: Packet) -> bool:
        """Mark a packet as lost. Return whether that tells of congestion: one that was padded may have been too large."""
        self.flight.lose(packet)
        self.lost += 1
        if not packet.trial:
            return True
        packet.trial = 0
        self.mtu.lost()
        return False

    # ---- packets

    def pump(self, now: float) -> list[Packet]:
        """Return the packets that may leave now, the lost ones first. They are under way from then on."""
        passed = now - self._filled_at
        if passed >= PACE_SECONDS:
            self._tokens = min(passed, MOST_PACED_SECONDS) * self.bbr.pace
            self._filled_at = now
        self._pace_at = None
        flight = self.flight
        batch: list[Packet] = []
        count, tokens = len(flight), self._tokens
        while flight.lost and count < self.bbr.window and tokens > 0:
            packet = flight.to_resend()
            self.resent += 1
            batch.append(packet)
            count += 1
            tokens -= packet.size
        room = min(self.bbr.window, max(1, self._window // self.mtu.payload) if self._window else 0)
        while self.unsent and count < room and tokens > 0:
            packet = self._cut()
            batch.append(packet)
            count += 1
            tokens -= packet.size
        self._tokens = tokens
        if batch:
            self._send(batch, now)
        if tokens <= 0 and (flight.lost or self.unsent):
            self._pace_at = self._filled_at + PACE_SECONDS
        if self.unsent and not self._window and flight.empty and self._timer is None:
            self._window_wait = min(2 * self._window_wait, MAX_RTO) or self.round_trip.timeout
            self._set_timer(Timer.WINDOW, now + self._window_wait)
        return batch

    def _cut(self) -> Packet:
        """Make a packet of what is queued, as full as may be."""
        size, queue = self.mtu.payload, self._queue
        parts: list[memoryview] = []
        got = 0
        while queue and got < size:
            head = queue[0]
            if len(head) <= size - got:
                queue.popleft()
            else:
                head, queue[0] = head[: size - got], head[size - got :]
            parts.append(head)
            got += len(head)
        payload = parts[0] if len(parts) == 1 else b"".join(parts)
        self.queued -= got
        kind = DATA if got else 0
        if self._end_wanted and not queue:
            kind |= END
            self.ended = True
        packet = self.flight.new(kind, payload)
        packet.trial = self.mtu.trial(got)
        return packet

    def _send(self, batch: list[Packet], now: float) -> None:
        flight, rate = self.flight, self.rate
        idle = not len(flight)
        rate.sending(idle, now)
        limited = self.queued < self.mtu.payload and not flight.lost and len(flight) + len(batch) < self.bbr.window
        if limited:
            rate.limited_until = rate.delivered + len(flight) + len(batch) or 1
        for packet in batch:
            rate.sent(packet, now)
            flight.sent(packet)
        if idle:
            self.bbr.begins(limited, now)
        self._arm(now, fresh=idle)

    # ---- timers: one for what may be lost, and the pace

    def deadline(self) -> float | None:
        """Return when `fire` is to be called, or None."""
        if self._timer is None:
            return self._pace_at
        return self._timer_at if self._pace_at is None else min(self._timer_at, self._pace_at)

    def _set_timer(self, timer: Timer, at: float) -> None:
        self._timer, self._timer_at = timer, at

    def _arm(self, now: float, fresh: bool) -> None:
        if self.flight.empty or (self._timer is Timer.REORDER and not fresh):
            return
        if self._recovery is None and not self._after_timeout and not self.flight.sacked and self._probe is None:
            if fresh or self._timer is not Timer.LOSS:
                self._set_timer(Timer.TAIL, now + min(self._tail_seconds(), self.round_trip.timeout))
        elif fresh or self._timer is None:
            self._set_timer(Timer.LOSS, now + self.round_trip.timeout * (TIMEOUT_FACTOR if self._after_timeout else 1))

    def _tail_seconds(self) -> float:
        smooth = self.round_trip.smooth
        if not smooth:
            return self.first_probe
        return max(2 * smooth + (LEAST_PROBE_SECONDS if len(self.flight) == 1 else 0.0), LEAST_PROBE_SECONDS)

    def fire(self, now: float) -> list[Packet]:
        """Do what is due. Return the packets that leave."""
        timer = self._timer
        if timer is None or now < self._timer_at:
            return self.pump(now)
        self._timer = None
        if timer is Timer.WINDOW:
            self._unanswered += 1
            self.dead = self.dead or self._unanswered > MAX_TIMEOUTS  # nothing is under way that could be lost
            self.window_probes += 1
        elif self.flight.empty:
            pass
        elif timer is Timer.REORDER:
            self._look_for_losses(now)
            if self._timer is None:
                self._set_timer(Timer.LOSS, now + self.round_trip.timeout)
        elif timer is Timer.TAIL:
            return self._probe_tail(now)
        else:
            self._time_out(now)
        return self.pump(now)

    def _probe_tail(self, now: float) -> list[Packet]:
        """Send something new, or the last packet once more: what comes back tells what is lost (RFC 8985, 7)."""
        self.tail_probes += 1
        packet = self._cut() if self.unsent and self._window else None
        if packet is None:
            packet = self.flight.last
            if packet is None or packet.lost:
                packet = None
            else:
                packet.resent = True
        if packet is not None:
            self._probe = packet.seq
            self._send([packet], now)
        self._set_timer(Timer.LOSS, now + self.round_trip.timeout)
        return [packet] if packet is not None else []

    def _time_out(self, now: float) -> None:
        """Take all that is overdue as lost."""
        flight = self.flight
        self.timeouts += 1
        self._recovery, self._after_timeout, self._probe = flight.seq, True, None
        for packet in list(flight.under_way.values()):
            if packet.seq == flight.acked or packet.sent_at + flight.rtt < now:
                packet.timeouts += 1
                self.dead = self.dead or packet.timeouts > MAX_TIMEOUTS
                self._lose(packet)
        self.bbr.timed_out()
        self._arm(now, fresh=True)
        self._tokens = max(self._tokens, TIMEOUT_TOKENS)
