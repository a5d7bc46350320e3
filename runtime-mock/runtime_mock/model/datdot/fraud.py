"""Proofs of fraud: committed reports, and feeds of which two heads contradict each other."""

from __future__ import annotations

from ..scale import U64
from ..storage import State
from . import heads
from .block import deposit, now
from .crypto import digest
from .errors import Error, ensure
from .events import FeedIsFrozen, ReportCommitted
from .heads import Subtree, tiles
from .items import Frozen, NextReport, Peers, ReportAt, Reports
from .params import times
from .queue import arm
from .records import OpenedNode, Root, SignedHead
from .types import Wait


def commit_report(s: State, account: bytes, hash_: bytes) -> None:
    """Commit to a report, by a peer, so that nobody can copy it when it is made."""
    ensure(Peers.contains(s, account), Error.NotAPeer)
    ensure(not Reports.contains(s, hash_), Error.AlreadyReported)
    Reports.put(s, hash_, now(s))
    number = NextReport.get(s)
    NextReport.put(s, number + 1)
    ReportAt.put(s, number, hash_)
    arm(s, Wait.REPORT, times(s).report_window, number)
    deposit(s, ReportCommitted(account, hash_))


def forget_report(s: State, number: int) -> None:
    """Remove a report's commitment, in `on_initialize`."""
    hash_ = ReportAt.get(s, number)
    if hash_ is not None:
        Reports.remove(s, hash_)
        ReportAt.remove(s, number)


def report_equivocation(s: State, first: SignedHead, second: SignedHead, root: int, nodes: list[OpenedNode]) -> None:
    """Freeze a feed, by anyone who shows two heads of it of which the longer does not extend the shorter."""
    ensure(not Frozen.contains(s, first.key), Error.FeedFrozen)
    heads.check(first)
    heads.check(second)
    ensure(first.key == second.key, Error.WrongFeedKey)
    ensure(first.fork == second.fork and first.length <= second.length, Error.NotProven)
    ensure(_contradicts(first, second, root, nodes), Error.NotProven)
    Frozen.put(s, first.key, now(s))
    deposit(s, FeedIsFrozen(first.key))


def _contradicts(first: SignedHead, second: SignedHead, root: int, nodes: list[OpenedNode]) -> bool:
    """Return whether root number `root` of the first head is another in the tree of the second.

    `nodes` lead from the second's root over it down to its parent.
    """
    if root >= len(first.roots):
        return False
    at, claimed = tiles(0, first.length)[root], first.roots[root]
    for subtree, other in zip(tiles(0, second.length), second.roots, strict=True):
        if subtree == at:
            return not nodes and other != claimed
        if subtree.contains(at):
            found = _descend(subtree, other, at, nodes)
            return found is not None and found != claimed.hash
    return False


def _descend(subtree: Subtree, root: Root, to: Subtree, nodes: list[OpenedNode]) -> bytes | None:
    """Return the hash that opened nodes give the subtree `to` under a root, or None if they are not its ancestors."""
    expected = root.hash
    if len(nodes) != subtree.height - to.height:
        return None
    for height, node in zip(range(subtree.height, to.height, -1), nodes, strict=True):
        index = Subtree(to.start >> height << height, height).index
        if node.index != index or digest(b"\x01", U64.encode(node.size), node.left, node.right) != expected:
            return None
        expected = node.right if to.start >> (height - 1) & 1 else node.left
    return expected
