"""Whom a swarm dials next, whom it lets in, and whom it forgets: npm hyperswarm's policy, without sockets and clock.

All that strangers can make grow is bounded: peers of a topic, connections in all and of one host.
"""

from __future__ import annotations

import enum
import heapq
import itertools
import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from .dht.address import Address
from .peers import HIGHEST, JITTER_SECONDS, KnownPeer, Link, keeps_new

MAX_TOPICS = 1024
MAX_PEERS_OF_TOPIC = 1024
"""Peers that are remembered of one topic. Anybody can announce any number of keys."""
MAX_EXPLICIT = 1024
MAX_BANNED = 4096
"""Keys that are kept out. With more the oldest ban is forgotten."""
SWEEP = 0.66
"""npm's timers look each 0.66 of their time, and let go what they saw twice: a wait is 0.66 to 1.32 of it."""
CROSSING_SECONDS = 5.0
"""Two that dial each other at the same time see bytes on both connections: within this time the keys decide, which both
sides know, and not the bytes, by which (as in npm) each side would end the one that the other keeps."""
EAGER_ATTEMPTS = 5
"""Up to so many failures a peer that was asked for by its key is also tried whenever something happens."""


@dataclass(frozen=True, slots=True)
class SwarmLimits:
    """How many connections a swarm makes and takes. The defaults of the first two are npm's, which has no others."""

    peers: int = 64
    """Connections beyond which no more peers are dialled. Peers that were asked for by their key are, always."""
    parallel: int = 3
    """Peers that are dialled at a time."""
    dialled: int = 64
    """Connections that were dialled here."""
    taken: int = 256
    """Connections that others dialled."""
    of_host: int = 64
    """Connections with one IP address, on which many keys cost nothing."""


class Ruling(enum.Enum):
    """What becomes of a connection that a peer dialled."""

    TAKE = "taken"
    REPLACE = "takes the place of the one before"
    DUPLICATE = "a connection with this peer is there already"
    REFUSED = "this peer is refused"
    FULL = "there are too many connections"
    CROWDED = "there are too many connections with its host"


@dataclass(frozen=True, slots=True)
class DialOrder:
    """A peer that is to be dialled now."""

    key: bytes
    relays: tuple[Address, ...]
    force_relay: bool


class SwarmPolicy:
    """All peers of a swarm. `now` is in seconds of any clock that goes on while the machine sleeps."""

    def __init__(
        self,
        own: bytes,
        chance: random.Random,
        limits: SwarmLimits | None = None,
        firewall: Callable[[bytes], bool] = lambda key: False,
    ) -> None:
        self.own, self.limits = own, limits or SwarmLimits()
        self.suspended = False
        self.peers: dict[bytes, KnownPeer] = {}
        self._chance, self._firewall = chance, firewall
        self._topics: dict[bytes, set[bytes]] = {}
        self._explicit: dict[bytes, KnownPeer] = {}
        self._banned: dict[bytes, None] = {}
        self._queue: list[list[KnownPeer]] = [[] for _ in range(HIGHEST + 1)]
        self._waiting: list[tuple[float, int, KnownPeer]] = []
        self._order = itertools.count()
        self._links: Counter[Link] = Counter()
        self._hosts: Counter[str] = Counter()

    # ---- what is asked for

    @property
    def topics(self) -> frozenset[bytes]:
        """Topics whose peers are dialled."""
        return frozenset(self._topics)

    def join(self, topic: bytes) -> None:
        """Dial what is found under a topic. Raises ValueError if there are MAX_TOPICS already."""
        if topic not in self._topics and len(self._topics) >= MAX_TOPICS:
            raise ValueError(f"a swarm joins at most {MAX_TOPICS} topics: leave one")
        self._topics.setdefault(topic, set())

    def leave(self, topic: bytes) -> None:
        """Dial no more of what was found under a topic. Connections stay."""
        for key in self._topics.pop(topic, ()):
            peer = self.peers[key]
            peer.topics.discard(topic)
            if not self._is_wanted(peer):
                self._unqueue(peer)
                peer.due = None
            self._forget(peer)

    def join_peer(self, key: bytes, now: float) -> None:
        """Keep a connection with a peer. Raises ValueError if it is one's own key, or MAX_EXPLICIT are there already."""
        if key == self.own:
            raise ValueError("a swarm does not connect to itself")
        if key not in self._explicit and len(self._explicit) >= MAX_EXPLICIT:
            raise ValueError(f"a swarm joins at most {MAX_EXPLICIT} peers by their key: leave one")
        peer = self._known(key)
        peer.explicit = True
        self._explicit[key] = peer
        self._banned.pop(key, None)
        if peer.link is Link.NONE:
            self._enqueue(peer)

    def leave_peer(self, key: bytes) -> None:
        """Keep no connection with a peer any more. One that is there stays."""
        peer = self._explicit.pop(key, None)
        if peer is not None:
            peer.explicit = False
            if not self._is_wanted(peer):
                self._unqueue(peer)
                peer.due = None
            self._forget(peer)

    def ban(self, key: bytes) -> None:
        """Neither dial a peer nor let it in, until `unban`. A connection that is there is the caller's to close."""
        self._banned.pop(key, None)
        self._banned[key] = None
        if len(self._banned) > MAX_BANNED:
            self._banned.pop(next(iter(self._banned)))
        peer = self.peers.get(key)
        if peer is not None:
            self._explicit.pop(key, None)
            self._unqueue(peer)
            peer.explicit, peer.due = False, None
            self._leave_topics(peer)
            self._forget(peer)

    def unban(self, key: bytes) -> None:
        """Let a peer be dialled, and in, again."""
        self._banned.pop(key, None)

    def suspend(self, now: float) -> None:
        """Dial nobody, take nobody, and forget who was only found. All connections are the caller's to close."""
        self.suspended = True
        self._waiting.clear()
        for peer in list(self.peers.values()):
            self._unqueue(peer)
            peer.due = None
            if peer.link is not Link.NONE:
                self._set_link(peer, Link.NONE)
                peer.ended(now)
                peer.attempts = 0
            self._forget(peer)

    def resume(self, now: float) -> None:
        """Go on, with the peers that were asked for by their key."""
        self.suspended = False
        for peer in self._explicit.values():
            peer.attempts = 0
            self._enqueue(peer)

    # ---- what is found

    def found(self, topic: bytes, key: bytes, relays: tuple[Address, ...], now: float) -> bool:
        """Note that a peer was found under a topic. Return whether it is remembered."""
        members = self._topics.get(topic)
        if members is None or self.suspended or key == self.own or key in self._banned:
            return False
        if key not in members and len(members) >= MAX_PEERS_OF_TOPIC and not self._make_room(members):
            return False
        peer = self._known(key)
        members.add(key)
        peer.topics.add(topic)
        peer.relays = relays
        if peer.link is Link.NONE:
            peer.discovered_again()
            self._enqueue(peer)
        self._forget(peer)
        return key in self.peers

    def _make_room(self, members: set[bytes]) -> bool:
        """Forget the one with the most failures that waits for its next attempt. Return whether there was one."""
        failed = [
            peer
            for peer in map(self.peers.__getitem__, members)
            if peer.due is not None and not peer.explicit and not peer.proven
        ]
        if not failed:
            return False
        worst = max(failed, key=lambda peer: peer.attempts)
        worst.due = None
        self._leave_topics(worst)
        self._forget(worst)
        return True

    # ---- dialling

    def next_dial(self, now: float) -> DialOrder | None:
        """Return whom to dial now. The caller tells what became of it by `opened` or `failed`."""
        if self.suspended:
            return None
        self._take_due(now)
        if self._links[Link.DIALLING] >= self.limits.parallel:
            return None
        for peer in self._explicit.values():
            if self._is_eager(peer, now) and not self._firewall(peer.key):
                return self._dial(peer)
        while self._within() and (chosen := self._pop()) is not None:
            if chosen.link is Link.NONE and not self._firewall(chosen.key):
                return self._dial(chosen)
            self._forget(chosen)
        return None

    @staticmethod
    def _is_eager(peer: KnownPeer, now: float) -> bool:
        return peer.link is Link.NONE and peer.attempts < EAGER_ATTEMPTS and now - peer.ended_at >= peer.attempts

    def _within(self) -> bool:
        """Return whether a peer that was found may be dialled: those that were asked for take more of the places."""
        explicit = len(self._explicit)
        factor = 1 if explicit == 0 else 2 if explicit < 2 else 3 if explicit < 4 else 4
        dialled = self._links[Link.DIALLING] + self._links[Link.CLIENT]
        return factor * (dialled + self._links[Link.SERVER]) < self.limits.peers and dialled < self.limits.dialled

    def _dial(self, peer: KnownPeer) -> DialOrder:
        self._unqueue(peer)
        peer.due = None
        self._set_link(peer, Link.DIALLING)
        return DialOrder(peer.key, peer.relays, peer.force_relay)

    def opened(self, key: bytes, host: str, now: float) -> bool:
        """Note that a dialled connection is open. Return whether it is kept: not if its host has too many."""
        peer = self.peers[key]
        if not peer.explicit and self._hosts[host] >= self.limits.of_host:
            peer.attempts = EAGER_ATTEMPTS
            self.ended(key, now)
            return False
        self._set_link(peer, Link.CLIENT, host)
        peer.opened(now)
        return True

    def failed(self, key: bytes, now: float, *, force_relay: bool = False) -> None:
        """Note that no connection was made. `force_relay`: there is no path to it but through a relay."""
        peer = self.peers[key]
        if force_relay and not peer.force_relay:
            peer.force_relay, peer.attempts = (
                True,
                -1,
            )  # this was no attempt by the way that there is: in a second by that one
        self.ended(key, now)

    def ended(self, key: bytes, now: float) -> None:
        """Note that the connection with a peer has ended, whoever had dialled it."""
        peer = self.peers[key]
        was = peer.link
        self._set_link(peer, Link.NONE)
        if was is not Link.SERVER:
            peer.ended(now)
            if not self.suspended and self._is_wanted(peer):
                self._wait(peer, now)
        self._forget(peer)

    def renewal(self, key: bytes) -> DialOrder | None:
        """Return how to dial a peer anew whose connection was dialled here and may be dead. It counts for no attempt."""
        peer = self.peers.get(key)
        if self.suspended or peer is None or peer.link is not Link.CLIENT:
            return None
        return DialOrder(key, peer.relays, peer.force_relay)

    def renewed(self, key: bytes, host: str, now: float) -> None:
        """Note that another connection took the place of the one that was dialled here."""
        peer = self.peers[key]
        self._set_link(peer, Link.CLIENT, host)
        peer.opened(now)

    def _wait(self, peer: KnownPeer, now: float) -> None:
        backoff = peer.backoff()
        if backoff is None:
            return
        seconds, jitters = backoff.value
        whole = seconds + JITTER_SECONDS * (jitters + 1) * self._chance.random()
        peer.due = now + whole * SWEEP * (1 + self._chance.random())
        heapq.heappush(self._waiting, (peer.due, next(self._order), peer))

    def deadline(self) -> float:
        """Return when a peer is to be dialled again, if nothing happens before."""
        self._drop_stale()
        return self._waiting[0][0] if self._waiting else float("inf")

    def _drop_stale(self) -> None:
        while self._waiting and self._waiting[0][2].due != self._waiting[0][0]:
            heapq.heappop(self._waiting)

    def _take_due(self, now: float) -> None:
        self._drop_stale()
        while self._waiting and self._waiting[0][0] <= now:
            peer = heapq.heappop(self._waiting)[2]
            peer.due = None
            if peer.link is Link.NONE:
                self._enqueue(peer)
            self._forget(peer)
            self._drop_stale()

    # ---- who comes

    def refuses(self, key: bytes) -> bool:
        """Return whether a peer that begins a handshake is refused: a check without cost, before anything is made."""
        return self._refusal(key) is not None

    def _refusal(self, key: bytes) -> Ruling | None:
        if self.suspended or key == self.own or key in self._banned or self._firewall(key):
            return Ruling.REFUSED
        peer = self.peers.get(key)
        known = peer is not None and (peer.explicit or peer.link is Link.SERVER)
        return Ruling.FULL if self._links[Link.SERVER] >= self.limits.taken and not known else None

    def incoming(self, key: bytes, host: str, now: float, *, moved: bool) -> Ruling:
        """Say what becomes of a connection that a peer dialled. TAKE and REPLACE have it counted.

        `moved`: whether bytes went both ways on the connection with this peer that is there already, if one is.
        """
        refusal = self._refusal(key)
        if refusal is not None:
            return refusal
        peer = self.peers.get(key)
        there = peer is not None and peer.link is not Link.NONE
        if peer is not None and peer.opened_at is not None and now - peer.opened_at < CROSSING_SECONDS:
            moved = False
        if there and not keeps_new(self.own, key, initiator=False, moved=moved):
            return Ruling.DUPLICATE
        explicit = peer is not None and peer.explicit
        replaces = 1 if peer is not None and there and peer.host == host else 0
        if not explicit and self._hosts[host] - replaces >= self.limits.of_host:
            return Ruling.CROWDED
        peer = self._known(key)
        self._unqueue(peer)
        peer.due, peer.client, peer.opened_at = None, False, None
        self._set_link(peer, Link.SERVER, host)
        return Ruling.REPLACE if there else Ruling.TAKE

    # ---- what is asked

    def outstanding(self) -> set[bytes]:
        """Return the peers that are being dialled, or are next."""
        return {peer.key for peer in self.peers.values() if peer.queued or peer.link is Link.DIALLING}

    @property
    def is_stalled(self) -> bool:
        """Whether nobody is dialled, and nobody will be: there are connections enough."""
        return not self._links[Link.DIALLING] and not self._within()

    def count(self, link: Link) -> int:
        """Return how many peers there are with such a link."""
        return self._links[link]

    # ---- the books

    def _known(self, key: bytes) -> KnownPeer:
        return self.peers.setdefault(key, KnownPeer(key))

    def _is_wanted(self, peer: KnownPeer) -> bool:
        return peer.explicit or bool(peer.topics)

    def _set_link(self, peer: KnownPeer, link: Link, host: str = "") -> None:
        for change, of_link, of_host in ((-1, peer.link, peer.host), (1, link, host)):
            if of_link is not Link.NONE:
                self._links[of_link] += change
            if of_host:
                self._hosts[of_host] += change
                if not self._hosts[of_host]:
                    del self._hosts[of_host]
        peer.link, peer.host = link, host

    def _enqueue(self, peer: KnownPeer) -> None:
        if peer.may_connect():
            peer.queued, peer.due = True, None
            self._queue[peer.priority].append(peer)

    def _unqueue(self, peer: KnownPeer) -> None:
        if peer.queued:
            self._queue[peer.priority].remove(peer)
            peer.queued = False

    def _pop(self) -> KnownPeer | None:
        """Take any one of those with the highest priority: no order that others could know."""
        for row in reversed(self._queue):
            if row:
                place = self._chance.randrange(len(row))
                row[place], row[-1] = row[-1], row[place]
                peer = row.pop()
                peer.queued = False
                return peer
        return None

    def _leave_topics(self, peer: KnownPeer) -> None:
        for topic in peer.topics:
            self._topics[topic].discard(peer.key)
        peer.topics.clear()

    def _forget(self, peer: KnownPeer) -> None:
        if peer.is_idle() and self.peers.get(peer.key) is peer:
            self._leave_topics(peer)
            del self.peers[peer.key]

    def __iter__(self) -> Iterator[KnownPeer]:
        return iter(self.peers.values())
