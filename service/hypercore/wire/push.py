"""Push: blocks that go to a peer unasked, because its sync allows it. Without input or output."""

from __future__ import annotations

from ..codec import MAX_UINT
from ..tree import flat
from ..tree.proof import BlockRequest, Request, UpgradeRequest
from . import messages as m
from .peer import PeerState

NUMBER = 0
"""The request number of what nobody asked for."""

PUSH_LIMIT = 256 * 1024 * 1024
"""Bytes of pushed blocks that a reader stores unless it says otherwise: whoever may push decides what is stored."""
MAX_UNUSED = 16 * 1024 * 1024
"""Bytes that a peer may push in vain beyond those of use. It covers what is under way when pushes are allowed no longer."""
PUSH_COST = 1024
"""Bytes that a pushed block counts for at least: also an empty one is work."""
QUIET_SECONDS = 2.0
"""Time without a push of use, after a peer has told something new, from which on it is asked for what it did not push."""


class PushAllowance:
    """The bytes that one peer may still push in vain."""

    def __init__(self) -> None:
        self._unused = 0

    def count(self, size: int, used: bool) -> bool:
        """Count a pushed block of `size` bytes. Return False once too much was of no use."""
        cost = max(PUSH_COST, size)
        self._unused = max(0, self._unused - cost) if used else self._unused + cost
        return self._unused <= MAX_UNUSED


class Pushers:
    """The peers of a reader that waits for pushes, and what each may be asked for: the gaps that its pushes left.

    What a peer sends comes in order. So what is missing below a block that it pushed is a gap at once; all else is one when
    the peer was quiet for QUIET_SECONDS. News put that off once, until they are looked at: nobody can put it off for ever, and
    each peer only for itself.
    """

    def __init__(self, waiting: bool) -> None:
        """Begin without peers. If not `waiting` for pushes, every peer may be asked for anything at once."""
        self._waiting = waiting
        self._passed: dict[PeerState, int] = {}
        self._until: dict[PeerState, float] = {}

    def attach(self, peer: PeerState, now: float) -> None:
        """Wait for a peer's pushes."""
        if self._waiting:
            self._passed[peer], self._until[peer] = 0, now + QUIET_SECONDS

    def left(self, peer: PeerState) -> None:
        """Forget a peer."""
        self._passed.pop(peer, None)
        self._until.pop(peer, None)

    def news(self, peer: PeerState, now: float) -> None:
        """Note that a peer told of more: it may be about to push that."""
        if peer in self._until and now >= self._until[peer]:
            self._until[peer] = now + QUIET_SECONDS

    def pushed(self, peer: PeerState, index: int, used: bool, now: float) -> int:
        """Note a push of a block, and whether it was of use. Return where the gap below it begins: the block if there is none."""
        before = self._passed.get(peer)
        if before is None:
            return index
        self._passed[peer] = max(before, index + 1)
        if used:
            self._until[peer] = now + QUIET_SECONDS
        return min(before, index)

    def truncated(self, length: int) -> None:
        """Note that the core was cut: what comes after is pushed anew."""
        for peer, passed in self._passed.items():
            self._passed[peer] = min(passed, length)

    def passed(self, peer: PeerState, now: float) -> int:
        """Return the block below which a peer may be asked for what is missing."""
        return self._passed.get(peer, 0) if now < self._until.get(peer, now) else MAX_UINT

    def fell_quiet(self, before: float, now: float) -> list[PeerState]:
        """Return the peers that were not quiet at `before` and are now."""
        return [peer for peer, until in self._until.items() if before < until <= now]

    def deadline(self, now: float) -> float | None:
        """Return when the next peer will be quiet, or None."""
        return min((until for until in self._until.values() if until > now), default=None)


def takes(peer: PeerState, fork: int, index: int) -> bool:
    """Return whether a peer wants block `index` of a core at that fork to be pushed to it."""
    remote, both = peer.remote, m.ALLOW_PUSH | m.DOWNLOADING
    return peer.synced and remote.flags & both == both and remote.fork == fork and index not in peer.has


def request_for(index: int, length: int, remote_length: int, first: bool) -> Request:
    """Return what answers a peer that is `remote_length` long, for a block of a core of `length` blocks.

    `first`: it has nothing yet, so that the manifest goes with it.
    """
    upgrade = UpgradeRequest(remote_length, length - remote_length) if index >= remote_length else None
    return Request(BlockRequest(index, _most_missing(2 * index, 2 * remote_length)), upgrade=upgrade, manifest=first)


def _most_missing(node: int, head: int) -> int:
    """Return how many levels above a leaf the peer may lack, up to a root that it knows; 0 if the leaf is beyond its head."""
    if node >= head:
        return 0
    count, it = 0, flat.Iterator(node)
    it.parent()
    while not it.contains(head):
        count += 1
        it.parent()
    return count
