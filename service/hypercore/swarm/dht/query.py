"""An iterative query: nodes nearer and nearer to a target are asked, until the nearest 20 have answered."""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable
from dataclasses import dataclass

from .address import Address, node_id
from .rpc import DhtReply
from .table import ROW_NODES

CONCURRENCY, CACHED_CONCURRENCY = 10, 3
"""Nodes asked at a time; and while they come from what was known before, which may be stale."""
ENOUGH_FROM_CACHE = 10
FEW_ANSWERS = ROW_NODES // 4
"""Answers of all that were known below which those are asked, too, with which this node began: a table may be full of nodes that
are gone, or never were."""
MAX_SEEN = 4096
"""Addresses that one query looks at: nodes that name ever more of them do not keep it going."""


@dataclass(frozen=True, slots=True)
class Answerer:
    """A node that answered."""

    distance: int
    id: bytes
    address: Address
    reply: DhtReply

    def __lt__(self, other: Answerer) -> bool:
        return self.distance < other.distance


class Query:
    """The state of one query. It says whom to ask with `next`, and is told what comes of it. It sends nothing itself."""

    def __init__(self, target: bytes, own: bytes, known: Iterable[Address], bootstrap: Iterable[Address]) -> None:
        self.target = target
        self.closest: list[Answerer] = []
        """The nodes nearest to the target that answered, nearest first, at most 20."""
        self.answers = self.failures = 0
        self._target = int.from_bytes(target, "big")
        self._own = own
        self._seen: set[Address] = set()
        self._pending: list[Address] = []
        self._in_flight: set[Address] = set()
        self._slow: set[Address] = set()
        self._cached = False
        known, bootstrap = list(known), list(bootstrap)
        few = len(known) < ROW_NODES
        self._spare = [] if few else bootstrap
        for address in (*(bootstrap if few else ()), *reversed(known)):
            self._add(address)
        self._cached = bool(known)

    def _distance(self, identity: bytes) -> int:
        return int.from_bytes(identity, "big") ^ self._target

    def _add(self, address: Address) -> bool:
        """Note an address to ask. Return False if it is no nearer than all that answered."""
        if address in self._seen or len(self._seen) >= MAX_SEEN:
            return True
        identity = node_id(address)
        if identity == self._own:
            return True
        if len(self.closest) >= ROW_NODES and self._distance(identity) >= self.closest[-1].distance:
            return False
        self._seen.add(address)
        self._pending.append(address)
        return True

    @property
    def done(self) -> bool:
        """Whether nobody is left to ask, and nobody is worth waiting for."""
        if self._pending:
            return False
        return not self._in_flight or (len(self._slow) == len(self._in_flight) and len(self.closest) >= ROW_NODES)

    def next(self) -> Address | None:
        """Return whom to ask now, or None: enough are being asked, or nobody is left."""
        if self._spare and not self._pending and self.answers < FEW_ANSWERS and len(self._slow) == len(self._in_flight):
            self._pending = [one for one in self._spare if one not in self._seen and node_id(one) != self._own]
            self._seen.update(self._spare)
            self._spare = []
        most = CACHED_CONCURRENCY if self._cached and self.answers < ENOUGH_FROM_CACHE else CONCURRENCY
        while self._pending and len(self._in_flight) < most + len(self._slow):
            address = self._pending.pop()
            if len(self.closest) < ROW_NODES or self._distance(node_id(address)) < self.closest[-1].distance:
                self._in_flight.add(address)
                return address
        return None

    def slow(self, address: Address) -> None:
        """Note that a node has not answered the first time: another one may be asked beside it."""
        if address in self._in_flight:
            self._slow.add(address)

    def answered(self, address: Address, reply: DhtReply) -> None:
        """Note a node's answer, and the nearer nodes that it names."""
        self._over(address)
        self.answers += 1
        if reply.id is not None and reply.error == 0:
            insort(self.closest, Answerer(self._distance(reply.id), reply.id, address, reply))
            del self.closest[ROW_NODES:]
        for closer in reply.closer:
            if not self._add(closer):
                break

    def failed(self, address: Address) -> None:
        """Note that a node does not answer."""
        self._over(address)
        self.failures += 1

    def _over(self, address: Address) -> None:
        self._in_flight.discard(address)
        self._slow.discard(address)
