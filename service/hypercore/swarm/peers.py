"""What a swarm remembers of one peer, and npm hyperswarm's rules on it: when it is tried again, and before whom."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from .dht.address import Address

PROVEN_SECONDS = 15.0
"""A connection that lasted so long has its failures before it forgotten."""
MOST_ATTEMPTS = 3
"""Failed attempts after which a peer that nobody insists on is given up, until it is discovered again."""
NORMAL, HIGHEST = 2, 4
"""The priority of a peer that was not tried yet, and the highest there is."""
JITTER_SECONDS = 0.5


class Backoff(enum.Enum):
    """How long a peer waits before it is tried again, as (seconds, units of jitter)."""

    S = (1.0, 1)
    M = (5.0, 2)
    L = (15.0, 4)
    X = (600.0, 240)


class Link(enum.Enum):
    """What there is between this side and a peer."""

    NONE = "none"
    DIALLING = "dialling"
    CLIENT = "client"
    """A connection that was dialled here."""
    SERVER = "server"
    """A connection that the peer dialled."""


@dataclass(slots=True, eq=False)
class KnownPeer:
    """A peer of a swarm: under which topics it was found, and how connections to it went."""

    key: bytes
    relays: tuple[Address, ...] = ()
    topics: set[bytes] = field(default_factory=set)
    explicit: bool = False
    """Whether it was asked for by its key: then it is never given up."""
    proven: bool = False
    """Whether a connection to it was made since it was discovered."""
    client: bool = False
    """Whether the last connection was dialled here."""
    attempts: int = 0
    priority: int = NORMAL
    force_relay: bool = False
    """Whether no path but through a relay was found."""
    link: Link = Link.NONE
    host: str = ""
    queued: bool = False
    due: float | None = None
    """When it is queued again."""
    opened_at: float | None = None
    ended_at: float = float("-inf")

    def backoff(self) -> Backoff | None:
        """Return how long it waits now, None if it is not tried again."""
        if self.attempts > MOST_ATTEMPTS:
            return Backoff.X if self.explicit else None
        unproven = (Backoff.S, Backoff.M, Backoff.L, Backoff.L)
        proven = (Backoff.S, Backoff.S, Backoff.M, Backoff.L)
        return (proven if self.proven else unproven)[self.attempts]

    def may_connect(self) -> bool:
        """Return whether it may be tried, and give it its priority."""
        if self.explicit and self.attempts > MOST_ATTEMPTS:
            self.attempts = MOST_ATTEMPTS
        if self.queued or self.attempts > MOST_ATTEMPTS:
            return False
        self.priority = (NORMAL, 4, 3, 1)[self.attempts]
        return True

    def discovered_again(self) -> None:
        """Forget failures of one that was last reached by its own dialling, or not for long."""
        if self.priority < NORMAL or not self.client:
            self.client = self.proven = False
            self.attempts = 0

    def opened(self, now: float) -> None:
        """Note that a connection was dialled and opened."""
        self.link, self.proven, self.client, self.opened_at = Link.CLIENT, True, True, now

    def ended(self, now: float) -> None:
        """Note that a connection which was dialled here has ended, or was never made."""
        if self.opened_at is not None and now - self.opened_at >= PROVEN_SECONDS:
            self.attempts = 0
        self.link, self.host, self.opened_at, self.ended_at = Link.NONE, "", None, now
        self.attempts += 1

    def is_idle(self) -> bool:
        """Return whether there is no reason to remember it."""
        return not (self.queued or self.explicit or self.due is not None or self.link is not Link.NONE)


@dataclass(frozen=True, slots=True)
class PeerInfo:
    """What a swarm knows of a peer."""

    key: bytes
    topics: frozenset[bytes]
    """The topics under which it was found. None for one that dialled here and was never found."""
    explicit: bool
    """Whether it was asked for by its key."""
    link: Link
    attempts: int
    """Failures since it last was connected, or discovered."""

    @classmethod
    def of(cls, peer: KnownPeer) -> PeerInfo:
        """Return what is known of a peer now."""
        return cls(peer.key, frozenset(peer.topics), peer.explicit, peer.link, peer.attempts)


def keeps_new(own: bytes, remote: bytes, *, initiator: bool, moved: bool) -> bool:
    """Return whether the second connection with a peer is kept, and the first one given up.

    `initiator` is whether the second one was dialled here, `moved` whether bytes went both ways on the first one: then
    the peer has lost it. Otherwise both sides keep the one that the larger key dialled.
    """
    return moved or (own > remote) == initiator
