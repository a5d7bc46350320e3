"""BBR, version 1, as libudx has it: how many packets may be under way, and how fast they leave.

It keeps the best rate of ten round trips and the least round trip of ten seconds, and so paces what the path carries
instead of filling its queue (Cardwell et al., "BBR: Congestion-Based Congestion Control", ACM Queue 2016).
"""

from __future__ import annotations

from collections import deque
from enum import Enum

from .rate import NEVER, RateSample

FIRST_WINDOW, LEAST_WINDOW = 10, 4
"""Packets under way at first, and at least."""
HIGH, LOW = 2.88539, 1 / 2.88539
CYCLE = (1.25, 0.75, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0)
FIRST_PHASE = 4
ROUNDS = 10
LEAST_RTT_SECONDS, PROBE_SECONDS = 10.0, 0.2
SMALLEST_RTT = 0.002
"""Below it, two processes of one machine take turns, and nothing is learnt of a path: a window of so much time keeps a reader busy
that works off a block before it looks for more. The pace bounds what waits on the way. libudx counts in whole milliseconds."""
GROWTH, FULL_ROUNDS = 1.25, 3
MARGIN = 0.99
SLOWEST = 1000.0
"""Bytes a second that leave at least."""
FIRST_PACKET, FIRST_RTT = 1152, 0.001
EXTRA_ROUNDS, EXTRA_SECONDS = 5, 0.1


class Phase(Enum):
    """What BBR is doing."""

    STARTUP = "startup"
    DRAIN = "drain"
    PROBE_BANDWIDTH = "probe bandwidth"
    PROBE_RTT = "probe round trip"


class Bbr:
    """The state of one stream. `window` is in packets, `pace` in bytes a second."""

    def __init__(self, now: float) -> None:
        self.phase = Phase.STARTUP
        self.window = FIRST_WINDOW
        self.pace = FIRST_WINDOW * FIRST_PACKET / FIRST_RTT * HIGH
        self._best: deque[tuple[int, float]] = deque()
        """(round, rate), the rates falling."""
        self._round = self._next_delivered = 0
        self._round_start = False
        self._least, self._least_at = NEVER, now
        self._full, self._full_rounds, self._filled = 0.0, 0, False
        self._step, self._step_at = 2, 0.0
        self._prior_window = 0
        self._conserve = self._recovering = self._idle = False
        self._probe_until = 0.0
        self._probe_round = False
        self._extra = [0, 0]
        self._extra_rounds = self._extra_at = 0
        self._epoch_at, self._epoch_acked = now, 0

    @property
    def rate(self) -> float:
        """Packets a second that the path carries, 0 while it is not known."""
        return self._best[0][1] if self._best else 0.0

    def _on_path(self, gain: float) -> int:
        """Return how many packets fill the path, times a gain."""
        return FIRST_WINDOW if self._least == NEVER else int(self.rate * self._least * gain)

    def begins(self, limited: bool, now: float) -> None:
        """Note that sending begins after a silence."""
        if limited:
            self._idle = True
            self._epoch_at, self._epoch_acked = now, 0

    def timed_out(self) -> None:
        """Note that nothing came for so long that all counts as lost."""
        self._full = 0.0
        self._round_start = self._recovering = True

    def update(
        self, sample: RateSample, flight: int, delivered: int, payload: int, recovering: bool, now: float
    ) -> bool:
        """Take a sample. `flight`: packets under way, `delivered`: in all, `payload`: bytes of data in each.

        Return whether the rate is that of this machine for now, and not to be taken for the path's.
        """
        self._take_rate(sample, delivered, now)
        self._step_on(sample, flight, now)
        self._look_for_full(sample)
        if self.phase is Phase.STARTUP and self._filled:
            self.phase = Phase.DRAIN
        if self.phase is Phase.DRAIN and flight <= self._on_path(1):
            self._probe_bandwidth(now)
        self._take_round_trip(sample, flight, delivered, now)
        pace_gain, window_gain = self._gains()
        pace = max(self.rate * payload * pace_gain * MARGIN, SLOWEST)
        if self._filled or pace > self.pace:
            self.pace = pace
        if sample.acked:
            self._set_window(sample, flight, delivered, recovering, window_gain)
        if self.phase is Phase.PROBE_RTT:
            self.window = min(self.window, LEAST_WINDOW)
        return self.phase is Phase.PROBE_RTT

    def _gains(self) -> tuple[float, float]:
        if self.phase is Phase.PROBE_BANDWIDTH:
            return CYCLE[self._step], 2.0
        if self.phase is Phase.PROBE_RTT:
            return 1.0, 1.0
        return (HIGH if self.phase is Phase.STARTUP else LOW), HIGH

    def _take_rate(self, sample: RateSample, delivered: int, now: float) -> None:
        self._round_start = False
        rate = sample.rate
        if not rate:
            return
        if sample.prior >= self._next_delivered:
            self._next_delivered = delivered
            self._round += 1
            self._round_start, self._conserve = True, False
        best = self._best
        if not sample.limited or rate >= self.rate:
            while best and best[-1][1] <= rate:
                best.pop()
            best.append((self._round, rate))
        while len(best) > 1 and best[0][0] < self._round - ROUNDS:
            best.popleft()
        self._take_bursts(sample, now)

    def _take_bursts(self, sample: RateSample, now: float) -> None:
        """Measure by how much acknowledgements come in bursts: so much more must be under way."""
        if self._round_start:
            self._extra_rounds += 1
            if self._extra_rounds >= EXTRA_ROUNDS:
                self._extra_rounds = 0
                self._extra_at ^= 1
                self._extra[self._extra_at] = 0
        expected = self.rate * (now - self._epoch_at)
        if self._epoch_acked <= expected:
            self._epoch_acked, self._epoch_at, expected = 0, now, 0.0
        self._epoch_acked += sample.acked
        extra = min(int(self._epoch_acked - expected), self.window)
        self._extra[self._extra_at] = max(self._extra[self._extra_at], extra)

    def _step_on(self, sample: RateSample, flight: int, now: float) -> None:
        if self.phase is not Phase.PROBE_BANDWIDTH:
            return
        gain, over = CYCLE[self._step], now - self._step_at > self._least
        if gain > 1:
            over = over and (sample.lost > 0 or flight > self._on_path(gain))
        elif gain < 1:
            over = over or flight <= self._on_path(1)
        if over:
            self._step, self._step_at = (self._step + 1) % len(CYCLE), now

    def _look_for_full(self, sample: RateSample) -> None:
        if self._filled or not self._round_start or sample.limited:
            return
        if self.rate >= self._full * GROWTH:
            self._full, self._full_rounds = self.rate, 0
        else:
            self._full_rounds += 1
            self._filled = self._full_rounds >= FULL_ROUNDS

    def _probe_bandwidth(self, now: float) -> None:
        self.phase, self._step, self._step_at = Phase.PROBE_BANDWIDTH, FIRST_PHASE, now

    def _take_round_trip(self, sample: RateSample, flight: int, delivered: int, now: float) -> None:
        old = now - self._least_at > LEAST_RTT_SECONDS
        if sample.rtt >= 0 and (sample.rtt < self._least or old):
            self._least, self._least_at = max(sample.rtt, SMALLEST_RTT), now
        if old and not self._idle and self.phase is not Phase.PROBE_RTT:
            self.phase, self._probe_until = Phase.PROBE_RTT, 0.0
            self._prior_window = max(self._prior_window, self.window) if self._recovering else self.window
        if self.phase is Phase.PROBE_RTT:
            self._probe_rtt(flight, delivered, now)
        if sample.delivered > 0:
            self._idle = False

    def _probe_rtt(self, flight: int, delivered: int, now: float) -> None:
        """Keep little under way for 0.2 s and a round trip: then the queue is empty, and the least round trip is seen."""
        if not self._probe_until:
            if flight <= LEAST_WINDOW:
                self._probe_until, self._probe_round, self._next_delivered = now + PROBE_SECONDS, False, delivered
            return
        self._probe_round = self._probe_round or self._round_start
        if self._probe_round and now > self._probe_until:
            self._least_at = now
            self.window = max(self.window, self._prior_window)
            if self._filled:
                self._probe_bandwidth(now)
            else:
                self.phase = Phase.STARTUP

    def _set_window(self, sample: RateSample, flight: int, delivered: int, recovering: bool, gain: float) -> None:
        window = max(self.window - sample.lost, 1) if sample.lost else self.window
        if recovering and not self._recovering:
            self._prior_window = self.window
            self._conserve = True
            self._next_delivered = delivered
            window = flight + sample.acked
        elif self._recovering and not recovering:
            window = max(window, self._prior_window)
            self._conserve = False
        self._recovering = recovering
        if self._conserve:
            self.window = max(window, flight + sample.acked)
            return
        target = self._on_path(gain)
        if self._filled:
            target += min(max(self._extra), int(self.rate * EXTRA_SECONDS))
            window = min(window + sample.acked, target)
        elif window < target or delivered < FIRST_WINDOW:
            window += sample.acked
        self.window = max(window, LEAST_WINDOW)
