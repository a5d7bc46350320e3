"""The search for the largest packet that a path carries: data is padded to a size that is tried, step by step."""

from __future__ import annotations

from .packet import HEADER_BYTES, IP_UDP_BYTES, MAX_OFFSET

BASE, MOST, STEP, TRIES = 1200, 1500, 32, 3
"""Sizes with the headers of IPv4, UDP and UDX: the one that every path carries, the largest, and the step between trials."""
OVERHEAD = HEADER_BYTES + IP_UDP_BYTES


class MtuSearch:
    """`mtu` is the size that is known to pass."""

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Begin anew: the path has changed."""
        self.mtu = BASE
        self._next, self._tries, self._wanted, self._begun, self._done = BASE, 0, False, False, False

    @property
    def payload(self) -> int:
        """Bytes of data in a packet."""
        return self.mtu - OVERHEAD

    def trial(self, size: int) -> int:
        """Return the size to which a packet with `size` bytes of data is to be padded. 0: as it is."""
        if not self._wanted or size != self.payload or not 0 < self._next - OVERHEAD - size <= MAX_OFFSET:
            return 0
        self._wanted = False
        self._tries += 1
        return self._next

    def acked(self, trial: int) -> None:
        """Note that a packet has come; `trial` is the size it was padded to. The first packet begins the search."""
        if trial > self.mtu:
            self.mtu, self._tries = trial, 0
            self._done = self.mtu >= MOST
        elif self._begun:
            return
        self._begun = True
        self._next = min(self.mtu + STEP, MOST)
        self._wanted = not self._done

    def lost(self) -> None:
        """Note that a trial did not come."""
        self._done = self._done or self._tries >= TRIES
        self._wanted = not self._done
