"""Push: blocks that go to a peer unasked, because its sync allows it. Without input or output."""

from __future__ import annotations

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


class PushAllowance:
    """The bytes that one peer may still push in vain."""

    def __init__(self) -> None:
        self._unused = 0

    def count(self, size: int, used: bool) -> bool:
        """Count a pushed block of `size` bytes. Return False once too much was of no use."""
        cost = max(PUSH_COST, size)
        self._unused = max(0, self._unused - cost) if used else self._unused + cost
        return self._unused <= MAX_UNUSED


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
