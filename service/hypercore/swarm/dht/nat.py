"""What other nodes tell of this one's address: whether it is behind a NAT, and of which kind."""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from enum import IntEnum

from .address import Address

WINDOW = 16
"""Samples that count. The oldest gives way."""
LATEST = 8
"""Nodes whose last word on a socket counts: a NAT may have given it another address since."""
ENOUGH, SURE = 3, 4
"""Samples after which the kind of a NAT may be told, and after which two that agree count as chance."""


class Firewall(IntEnum):
    """How a peer may be reached."""

    UNKNOWN = 0
    OPEN = 1
    CONSISTENT = 2
    """Its packets leave from one port, wherever they go to."""
    RANDOM = 3
    """They leave from another port for each address that they go to."""


class OwnAddress:
    """The address that most of the last 16 samples agree on. `host` is None while they do not, `port` 0 likewise."""

    def __init__(self) -> None:
        self.host: str | None = None
        self.port = 0
        self._samples: deque[Address] = deque(maxlen=WINDOW)

    def __len__(self) -> int:
        return len(self._samples)

    def add(self, address: Address) -> None:
        """Take what one more node says."""
        self._samples.append(address)
        size = len(self._samples)
        wanted = size - min(3, size // 4)
        (best, hits), *_ = Counter(self._samples).most_common(1)
        (host, of_host), *_ = Counter(one.host for one in self._samples).most_common(1)
        self.host = host if of_host >= wanted else None
        self.port = best.port if hits >= wanted else 0


class LatestSamples:
    """What nodes said lately of the address of a socket that is long in use: the last word of each, of the last few of them."""

    def __init__(self) -> None:
        self._samples: OrderedDict[Address, Address] = OrderedDict()

    def add(self, own: Address, node: Address) -> None:
        """Take what a node says of the socket's address."""
        self._samples.pop(node, None)
        self._samples[node] = own
        if len(self._samples) > LATEST:
            self._samples.popitem(last=False)

    def judge(self) -> NatSamples:
        """Return what follows from them."""
        found = NatSamples()
        for node, own in self._samples.items():
            found.add(own, node)
        return found


class NatSamples:
    """What nodes say of one socket's address, each counted once."""

    def __init__(self) -> None:
        self.firewall = Firewall.UNKNOWN
        self.addresses: tuple[Address, ...] = ()
        """Where peers may try to reach the socket. A port of 0: at any port of the host. Empty while nothing is known."""
        self.count = 0
        self._hosts: Counter[str] = Counter()
        self._addresses: Counter[Address] = Counter()
        self._nodes: set[Address] = set()

    def add(self, own: Address, node: Address) -> None:
        """Take what a node says of the socket's address."""
        if node in self._nodes:
            return
        self._nodes.add(node)
        self.count += 1
        self._hosts[own.host] += 1
        self._addresses[own] += 1
        if self.count >= ENOUGH:
            self._decide()

    def _decide(self) -> None:
        # most_common keeps the order of first sight among equals
        addresses = self._addresses.most_common()
        most, second = addresses[0][1], addresses[1][1] if len(addresses) > 1 else 0
        if most >= ENOUGH:
            self.firewall = Firewall.CONSISTENT
        elif most == 1 or (len(self._hosts) == 1 and self.count >= SURE):
            self.firewall = Firewall.RANDOM
        elif len(self._hosts) > 1 and second > 1:  # two ways out, each of them consistent
            self.firewall = Firewall.CONSISTENT
        elif self.count > SURE:
            self.firewall = Firewall.RANDOM
        if self.firewall is Firewall.RANDOM:
            self.addresses = (Address(self._hosts.most_common(1)[0][0], 0),)
        elif self.firewall is Firewall.CONSISTENT:
            self.addresses = tuple(one for number, (one, hits) in enumerate(addresses) if hits >= 2 or number < 2)
