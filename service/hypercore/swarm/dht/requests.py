"""Requests that wait for their replies: sent again, never too many at once, matched by number and by sender."""

from __future__ import annotations

import random
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum

from .address import Address
from .rpc import DhtReply, DhtRequest

RETRY_SECONDS = 1.0
SENDS = 4
"""Times that a request is sent before its node counts as down."""
BUCKET_SECONDS, BUCKETS = 0.75, 4
MOST_IN_BUCKET, MOST_IN_ALL = 80, 160
"""Datagrams that are sent in so much time, and in four times as much. A reply gives its place back."""
MAX_WAITING = 4096
"""Requests that wait for a place. What asks for more is answered as if the node were down."""
MAX_TIDS = 65_536


class Via(Enum):
    """Which socket: the one at which a node is asked, or the one from which it asks while nobody can reach it."""

    SERVER = "server"
    CLIENT = "client"


Port = Via | int
"""One of the two, or the number of a socket that was opened to punch a hole (`punches.py`)."""


@dataclass(frozen=True, slots=True)
class Datagram:
    """Bytes to be sent from one of the sockets. `ttl`: after how many routers they are dropped (0: the usual)."""

    data: bytes
    to: Address
    via: Port
    ttl: int = 0


OnReply = Callable[[DhtReply, Address, float], None]
OnFailure = Callable[[float], None]


@dataclass(slots=True, eq=False)
class Asked:
    """A request under way."""

    request: DhtRequest
    via: Port
    on_reply: OnReply
    on_failure: OnFailure
    left: int
    sends: int = 0
    due: float = 0.0
    any_port: bool = False
    """Whether the reply comes to the other socket, perhaps from another port of the host: that is what PING_NAT asks for."""

    @property
    def slow(self) -> bool:
        """Whether it had to be sent again."""
        return self.sends > 1


class SendingWindow:
    """How many datagrams were sent lately."""

    def __init__(self) -> None:
        self._buckets = [0] * BUCKETS
        self._at = 0
        self._until = 0.0

    def _turn(self, now: float) -> None:
        if now - self._until > BUCKETS * BUCKET_SECONDS:
            self._buckets = [0] * BUCKETS
            self._until = now + BUCKET_SECONDS
        while now >= self._until:
            self._at = (self._at + 1) % BUCKETS
            self._buckets[self._at] = 0
            self._until += BUCKET_SECONDS

    def take(self, now: float) -> bool:
        """Count one more datagram, if it may be sent."""
        self._turn(now)
        if self._buckets[self._at] >= MOST_IN_BUCKET or sum(self._buckets) >= MOST_IN_ALL:
            return False
        self._buckets[self._at] += 1
        return True

    def give_back(self, now: float) -> None:
        """Note that one was answered."""
        self._turn(now)
        for number in range(BUCKETS):
            at = (self._at - number) % BUCKETS
            if self._buckets[at]:
                self._buckets[at] -= 1
                return

    def opens(self) -> float:
        """Return when it may open again."""
        return self._until


class Requests:
    """All requests of a node. What is to be sent gathers in `out`."""

    def __init__(self, chance: random.Random) -> None:
        self.out: list[Datagram] = []
        self._chance = chance
        self._waiting: deque[Asked] = deque()
        self._refused: deque[Asked] = deque()
        self._under_way: OrderedDict[int, Asked] = OrderedDict()
        self._window = SendingWindow()
        self._blocked = False

    def __len__(self) -> int:
        return len(self._under_way) + len(self._waiting)

    def ask(
        self,
        request: DhtRequest,
        via: Port,
        on_reply: OnReply,
        on_failure: OnFailure,
        now: float,
        sends: int = SENDS,
        *,
        any_port: bool = False,
    ) -> Asked:
        """Send a request, as soon as the window allows. Its number is chosen here."""
        asked = Asked(request, via, on_reply, on_failure, sends, any_port=any_port)
        if len(self._waiting) >= MAX_WAITING:
            self._refused.append(asked)
        else:
            self._waiting.append(asked)
            self._send_waiting(now)
        return asked

    def drop(self, asked: Asked) -> None:
        """Wait for a reply no longer. Nobody is told."""
        asked.left = 0
        if self._under_way.get(asked.request.tid) is asked:
            del self._under_way[asked.request.tid]

    def _send_waiting(self, now: float) -> None:
        self._blocked = False
        while self._waiting:
            asked = self._waiting[0]
            if not asked.left:
                self._waiting.popleft()
            elif self._window.take(now):
                self._waiting.popleft()
                if not asked.sends:
                    asked.request = replace(asked.request, tid=self._new_tid())
                self._send(asked, now)
            else:
                self._blocked = True
                return

    def _new_tid(self) -> int:
        """Draw a number. npm's nodes count: whoever was asked could answer in the name of those that are asked next."""
        while (found := self._chance.randrange(MAX_TIDS)) in self._under_way:
            pass
        return found

    def _send(self, asked: Asked, now: float) -> None:
        asked.sends += 1
        asked.left -= 1
        asked.due = now + RETRY_SECONDS
        tid = asked.request.tid
        self._under_way[tid] = asked
        self._under_way.move_to_end(tid)
        self.out.append(Datagram(asked.request.encode(), asked.request.to, asked.via))

    def take(self, reply: DhtReply, sender: Address, now: float, via: Port = Via.SERVER) -> Asked | None:
        """Take a reply. Return the request that it answers: npm's nodes do not look at its sender, this one does."""
        asked = self._under_way.get(reply.tid)
        if asked is None:
            return None
        to = asked.request.to
        if asked.any_port:
            if sender.host != to.host or via is not Via.SERVER:
                return None
        elif sender != to:
            return None
        del self._under_way[reply.tid]
        asked.left = 0
        self._window.give_back(now)
        asked.on_reply(reply, sender, now)
        self._send_waiting(now)
        return asked

    def deadline(self) -> float | None:
        """Return when `fire` is to be called, or None."""
        times = [asked.due for asked in list(self._under_way.values())[:1]]
        if self._blocked:
            times.append(self._window.opens())
        if self._refused:
            times.append(float("-inf"))
        return min(times, default=None)

    def fire(self, now: float) -> None:
        """Send again, or give up, what was not answered in time."""
        for _ in range(len(self._refused)):
            refused = self._refused.popleft()
            if refused.left:
                refused.on_failure(now)
        while self._under_way:
            tid, asked = next(iter(self._under_way.items()))
            if asked.due > now:
                break
            if not asked.left:
                del self._under_way[tid]
                asked.on_failure(now)
            elif self._window.take(now):
                self._send(asked, now)
            else:
                asked.due = self._window.opens()
                self._under_way.move_to_end(tid)
                self._blocked = True
                break
        self._send_waiting(now)
