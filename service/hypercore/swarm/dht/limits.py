"""How much one host may make a node send: the DHT's replies are larger than its requests, and senders can be forged."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from .address import Address
from .rpc import DhtRequest

BURST, PER_SECOND = 200.0, 50.0
"""Requests of one host that are answered at once, and each second."""
PASSED_BURST, PASSED_PER_SECOND = 400.0, 200.0
"""The same for what a node at which a server announced itself passes on to it: one node may pass on all that its readers say.
A handshake takes half a millisecond of the processor, and one that is forged a tenth."""
MAX_HOSTS = 8192
"""Hosts that are remembered. The one that has been silent for longest is forgotten, and begins anew."""


class HostLimit:
    """A bucket for each host."""

    def __init__(self, burst: float = BURST, per_second: float = PER_SECOND) -> None:
        self._burst, self._per_second = burst, per_second
        self._hosts: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._hosts)

    def allow(self, host: str, now: float) -> bool:
        """Return whether a host may have one more answer."""
        level, since = self._hosts.pop(host, (self._burst, now))
        level = min(self._burst, level + self._per_second * max(0.0, now - since))
        allowed = level >= 1.0
        self._hosts[host] = (level - 1.0 if allowed else level), now
        self._forget(now)
        return allowed

    def _forget(self, now: float) -> None:
        """Forget the hosts that have been silent for longest: those whose bucket is full again, and those that are too many."""
        while self._hosts:
            host = next(iter(self._hosts))
            level, since = self._hosts[host]
            if len(self._hosts) <= MAX_HOSTS and level + self._per_second * (now - since) < self._burst:
                return
            del self._hosts[host]


Which = Callable[[DhtRequest, Address], bool]


class RequestLimits:
    """Which requests are answered. Most count for the host that they come from, two kinds do not.

    What a server says to a client that this node passed on to it (`is_awaited`) was paid for by the client's message: a server
    that many dial is not to be shut out by the nodes that pass them on. And what such nodes pass on to a server of this node
    (`is_passed_on`) has a limit of its own.
    """

    def __init__(self, is_awaited: Which) -> None:
        self._is_awaited = is_awaited
        self.is_passed_on: Which = lambda request, sender: False
        self._hosts, self._passed_on = HostLimit(), HostLimit(PASSED_BURST, PASSED_PER_SECOND)

    def __len__(self) -> int:
        return len(self._hosts) + len(self._passed_on)

    def allow(self, request: DhtRequest, sender: Address, now: float) -> bool:
        """Return whether a request may be answered, and count it."""
        if self._is_awaited(request, sender):
            return True
        limit = self._passed_on if self.is_passed_on(request, sender) else self._hosts
        return limit.allow(sender.host, now)
