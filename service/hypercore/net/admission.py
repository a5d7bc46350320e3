"""Which incoming connections are kept when there are too many. Pure: the transport ends those that are named."""

from __future__ import annotations

import ipaddress
import resource
from collections import Counter
from typing import NamedTuple, Protocol

MAX_PLACES = 1024
"""Incoming connections at a time, if the process may open enough files."""
RESERVED_FILES = 256
"""Files kept for the disk, the chain, and connections that this side makes."""
WANTED_FILES = 65_536
MAX_PER_HOST = 256
"""Incoming connections of one host at a time. All peers of a development network share one host."""
MAX_PER_PEER = 16
"""Connections of one peer of the network that are never ended for others. With more it is a stranger."""
KEPT_PLACES = 64
"""Places that only peers of the network get."""
BUSY_SECONDS = 1.0
"""A connection that said something so recently is not ended for another one."""
CONNECTS, CONNECTS_PER_SECOND = 512, 32.0
"""Connections that one host may make at once, and each second: each costs a key exchange."""
MAX_HOSTS = 4096
"""Hosts whose connections are counted before the one that has made none for longest is forgotten."""


def raise_file_limit() -> int:
    """Raise the soft limit on open files as far as allowed, to WANTED_FILES at most. Return the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = WANTED_FILES if hard == resource.RLIM_INFINITY else min(hard, WANTED_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    return WANTED_FILES if soft == resource.RLIM_INFINITY else soft


def places_of(files: int) -> int:
    """Return how many incoming connections a process that may open so many files takes."""
    return min(MAX_PLACES, max(files - RESERVED_FILES, files // 4))


class Origin(NamedTuple):
    """Where a connection comes from."""

    host: str
    """What counts as one host: an IPv4 address, or an IPv6 network of 64 bits, which one customer has whole."""
    site: str
    """The network of 48 bits in which an IPv6 host is: one customer may have that, too. Of IPv4 the address."""


def origin_of(host: str) -> Origin:
    """Return where an address belongs."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return Origin(host, host)
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is None:
        return Origin(*(str(ipaddress.ip_network((address, bits), strict=False)) for bits in (64, 48)))
    found = str(address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else address)
    return Origin(found, found)


class Guest(Protocol):
    """What is known of an incoming connection."""

    @property
    def host(self) -> str:
        """The remote address."""
        ...

    @property
    def heard_at(self) -> float:
        """The time of its last message on an open channel, or of its beginning, in seconds of the loop's clock."""
        ...


class Admission:
    """The incoming connections of a transport: strangers, and peers of the network, who are never ended for others."""

    def __init__(self, places: int = MAX_PLACES) -> None:
        self._places = places
        self._kept = min(KEPT_PLACES, places // 4)
        self._per_host = min(MAX_PER_HOST, max(1, places // 2))
        self._strangers: dict[Guest, Origin] = {}
        self._new: dict[Guest, None] = {}
        """Strangers whose key is not known yet, in the order in which they came."""
        self._known: dict[Guest, bytes] = {}
        self._hosts: dict[str, tuple[float, float]] = {}
        """How many connections each may make at once, as of when: the host that came last is last."""

    def __len__(self) -> int:
        return len(self._strangers) + len(self._known)

    def enter(self, guest: Guest, now: float) -> Guest | None:
        """Take in a connection whose key is not known yet. Return the one that must end for it, which may be itself.

        If all strangers are busy it gets one of the places that are kept, until its key shows whether it may have it.
        """
        origin = origin_of(guest.host)
        if not self._may_connect(origin.host, now):
            return guest
        leaver: Guest | None = None
        if sum(one.host == origin.host for one in self._strangers.values()) >= self._per_host:
            leaver = self._idlest(now, origin.host) or guest
        elif len(self._strangers) >= self._most_strangers:
            leaver = self._idlest(now)
            if leaver is None and len(self) >= self._places:
                leaver = next(iter(self._new), guest)
        if leaver is guest:
            return guest
        if leaver is not None:
            self.leave(leaver)
        self._strangers[guest] = origin
        self._new[guest] = None
        return leaver

    def stay(self, guest: Guest, now: float) -> Guest | None:
        """Note that a connection is of a stranger. Return the one that must end for it, which may be itself.

        If all are busy it is one of the site that has most, since an attester is a stranger too.
        """
        self._new.pop(guest, None)
        if guest not in self._strangers or len(self._strangers) <= self._most_strangers:
            return None
        leaver = self._idlest(now) or self._most_crowded(guest)
        self.leave(leaver)
        return leaver

    def recognise(self, guest: Guest, key: bytes, now: float) -> Guest | None:
        """Note that a connection is of the peer of the network with that key.

        Return the stranger that must end for it, which may be itself if the peer has MAX_PER_PEER others.
        """
        if sum(one == key for one in self._known.values()) >= MAX_PER_PEER:
            return self.stay(guest, now)
        self._new.pop(guest, None)
        if self._strangers.pop(guest, None) is None:
            return None
        self._known[guest] = key
        if len(self._strangers) <= self._most_strangers:
            return None
        leaver = min(self._strangers, key=lambda one: one.heard_at)
        self.leave(leaver)
        return leaver

    @property
    def _most_strangers(self) -> int:
        """How many strangers there may be: a place for one more peer of the network is always left."""
        return max(1, self._places - max(self._kept, len(self._known) + 1))

    def leave(self, guest: Guest) -> None:
        """Note that a connection has ended."""
        self._strangers.pop(guest, None)
        self._new.pop(guest, None)
        self._known.pop(guest, None)

    def _idlest(self, now: float, host: str | None = None) -> Guest | None:
        """Return the stranger (of a host) that has been silent longest, or None if all are busy."""
        found = min(
            (guest for guest, origin in self._strangers.items() if host in (None, origin.host)),
            key=lambda guest: guest.heard_at,
            default=None,
        )
        return None if found is None or now - found.heard_at < BUSY_SECONDS else found

    def _most_crowded(self, guest: Guest) -> Guest:
        """Return the idlest stranger of the site that has most connections, or the guest if its own has as many."""
        sites = {one: origin.site for one, origin in self._strangers.items()}
        counts = Counter(sites.values())
        site, most = counts.most_common(1)[0]
        if most <= counts[sites[guest]]:
            return guest
        return min((one for one, of in sites.items() if of == site), key=lambda one: one.heard_at)

    def _may_connect(self, host: str, now: float) -> bool:
        left, at = self._hosts.pop(host, (float(CONNECTS), now))
        if len(self._hosts) >= MAX_HOSTS:
            del self._hosts[next(iter(self._hosts))]
        left = min(float(CONNECTS), left + (now - at) * CONNECTS_PER_SECOND)
        self._hosts[host] = (left - 1 if left >= 1 else left, now)
        return left >= 1
