"""Two streams and the paths between them, under a virtual clock: delay, loss, a bottleneck, reordering, a largest size."""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass

from service.hypercore.swarm.udx.packet import IP_UDP_BYTES
from service.hypercore.swarm.udx.stream import Stream


@dataclass
class Path:
    """One direction. `rate` is in bytes a second, `room` the bytes that wait at the bottleneck before more are dropped."""

    delay: float = 0.01
    loss: float = 0.0
    rate: float = 0.0
    room: int = 256 * 1024
    jitter: float = 0.0
    twice: float = 0.0
    mtu: int = 1500
    lose: Callable[[bytes], bool] = lambda packet: False
    free_at: float = 0.0
    sent: int = 0
    dropped: int = 0
    largest: int = 0

    def carry(self, packet: bytes, now: float, chance: random.Random) -> list[float]:
        """When the packet arrives: never, once or twice."""
        self.sent += 1
        size = len(packet) + IP_UDP_BYTES
        if size > self.mtu or self.lose(packet) or chance.random() < self.loss:
            self.dropped += 1
            return []
        self.largest = max(self.largest, size)
        at = now
        if self.rate:
            begin = max(now, self.free_at)
            if (begin - now) * self.rate > self.room:
                self.dropped += 1
                return []
            at = self.free_at = begin + size / self.rate
        times = 2 if chance.random() < self.twice else 1
        return [at + self.delay + chance.random() * self.jitter for _ in range(times)]


class Pair:
    """A stream's two ends. `told` are the bytes that each end has read."""

    def __init__(self, there: Path | None = None, back: Path | None = None, seed: int = 0, probe: float = 1.0) -> None:
        self.now = 100.0
        self.chance = random.Random(seed)
        self.ends = (Stream(11, self.now, probe), Stream(22, self.now, probe))
        self.paths = (there or Path(), back or Path())
        self.told = [bytearray(), bytearray()]
        self.reading = [True, True]
        self.packets = 0
        self._due: list[tuple[float, int, int, bytes]] = []
        self._order = itertools.count()
        for end, other in zip(self.ends, reversed(self.ends), strict=True):
            end.connect(other.local_id)
        self.flush()

    def write(self, end: int, data: bytes) -> None:
        self.ends[end].write(data)
        self.settle(end)

    def end(self, end: int) -> None:
        self.ends[end].end()
        self.settle(end)

    def settle(self, end: int) -> None:
        self.ends[end].settle(self.now)
        self.flush()

    def flush(self) -> None:
        """Put on the way what the ends have to send."""
        for number, end in enumerate(self.ends):
            for train in end.out:
                for at in range(0, len(train.data), train.size):
                    packet = train.data[at : at + train.size]
                    for arrival in self.paths[number].carry(packet, self.now, self.chance):
                        heapq.heappush(self._due, (arrival, next(self._order), 1 - number, packet))
            end.out.clear()

    def step(self) -> bool:
        """Go to the next event. Return whether there was one."""
        times = [end.deadline() for end in self.ends]
        at = min([time for time in (*times, *(one[0] for one in self._due[:1])) if time is not None], default=None)
        if at is None:
            return False
        self.now = max(self.now, at)
        touched = set()
        while self._due and self._due[0][0] <= self.now:
            _, _, number, packet = heapq.heappop(self._due)
            self.packets += 1
            self.ends[number].receive(memoryview(packet))
            touched.add(number)
        for number in touched:
            self.ends[number].settle(self.now)
        for end, time in zip(self.ends, times, strict=True):
            if time is not None and time <= self.now:
                end.fire(self.now)
        for number, end in enumerate(self.ends):
            if self.reading[number]:
                self.told[number] += end.read()
        self.flush()
        return True

    def run(self, until: Callable[[], bool] = lambda: False, seconds: float = 3600.0) -> bool:
        """Go on until something holds, nothing is left to do, or so much time is over. Return whether it holds."""
        limit = self.now + seconds
        while not until():
            if self.now > limit or not self.step():
                return until()
        return True
