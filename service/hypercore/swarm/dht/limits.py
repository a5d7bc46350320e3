"""How much one host may make a node send: the DHT's replies are larger than its requests, and senders can be forged."""

from __future__ import annotations

from collections import OrderedDict

BURST, PER_SECOND = 200.0, 50.0
"""Requests of one host that are answered at once, and each second."""
MAX_HOSTS = 8192
"""Hosts that are remembered. The one that has been silent for longest is forgotten, and begins anew."""


class HostLimit:
    """A bucket for each host."""

    def __init__(self) -> None:
        self._hosts: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._hosts)

    def allow(self, host: str, now: float) -> bool:
        """Return whether a host may have one more answer."""
        level, since = self._hosts.pop(host, (BURST, now))
        level = min(BURST, level + PER_SECOND * max(0.0, now - since))
        allowed = level >= 1.0
        self._hosts[host] = (level - 1.0 if allowed else level), now
        self._forget(now)
        return allowed

    def _forget(self, now: float) -> None:
        """Forget the hosts that have been silent for longest: those whose bucket is full again, and those that are too many."""
        while self._hosts:
            host = next(iter(self._hosts))
            level, since = self._hosts[host]
            if len(self._hosts) <= MAX_HOSTS and level + PER_SECOND * (now - since) < BURST:
                return
            del self._hosts[host]
