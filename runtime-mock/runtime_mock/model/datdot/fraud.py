"""Proofs of fraud: committed reports, and feeds of which two heads contradict each other."""

from __future__ import annotations

from ..frame import balances
from ..frame.limits import EXISTENTIAL_DEPOSIT
from ..scale import U64
from ..storage import State
from . import crypto, heads
from .block import deposit, genesis, now
from .changes import set_reputation
from .crypto import digest
from .drops import arm_invalid
from .errors import Error, ensure, error
from .events import EncodingReported, FeedIsFrozen, ReportCommitted
from .evidence import proves
from .heads import Subtree, tiles
from .items import Copies, Frozen, Moduli, NextReport, Peers, ReportAt, Reports, Segments
from .limits import MIN_REPUTATION, REPORT_AGE, REWARD_PART, SECTOR
from .merkle import opened_root
from .money import burn_held, copy_and_plan, count_minted
from .params import amounts, times
from .plans import get_plan
from .queue import arm
from .records import Copy, Evidence, OpenedNode, PlanState, Root, SignedHead
from .segments import context_of
from .tables import collateral_due
from .types import Role, Wait


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


def is_committed(s: State, account: bytes, copy_id: int, evidence: Evidence) -> bool:
    """Return whether the account committed to exactly that report, and at least four blocks ago."""
    committed = Reports.get(s, crypto.report(genesis(s), account, copy_id, evidence))
    return committed is not None and now(s) >= committed + REPORT_AGE


def report_invalid_encoding(s: State, account: bytes, copy_id: int, evidence: Evidence) -> None:
    """Show that a sector of a copy does not decode to the feed, by who committed to it. The copy may have ended."""
    found = copy_and_plan(s, copy_id)
    if found is None:
        raise error(Error.NoSuchCopy)
    copy, plan = found
    ensure(not copy.invalid, Error.AlreadyReported)
    segment = Segments.get(s, evidence.segment)
    if segment is None or evidence.segment not in [part.segment for part in copy.segments]:
        raise error(Error.WrongSegment)
    ensure(is_committed(s, account, copy_id, evidence), Error.NoReport)
    context = context_of(s, segment, copy.hoster)
    ensure(context is not None, Error.BadOpening)
    root = opened_root(context or b"", segment.sectors, evidence.sector, evidence.opening)
    ensure(root == segment.root, Error.BadOpening)
    ensure(proves(evidence, segment, Moduli.at(s, evidence.segment), plan.ranges), Error.NotProven)
    _punish(s, copy_id, copy, evidence.segment, segment.encoder, account)


def _punish(s: State, copy_id: int, copy: Copy, segment_id: int, encoder: bytes, reporter: bytes) -> None:
    """Take from hoster and encoder what they hold for the copy, and their reputation. A quarter is the reporter's."""
    for account in (copy.hoster, encoder):
        set_reputation(s, account, MIN_REPUTATION)
    collateral = collateral_due(amounts(s).collateral, SECTOR * copy.sectors)
    taken = burn_held(s, copy.hoster, Role.HOSTING, collateral)
    taken += burn_held(s, encoder, Role.ENCODING, amounts(s).encoder_bond)
    reward = _reward(s, reporter, taken // REWARD_PART)
    copy.invalid = True
    arm_invalid(s, copy_id, copy, segment_id)
    Copies.put(s, copy_id, copy)
    deposit(s, EncodingReported(copy_id, segment_id, reporter, taken, reward))


def _reward(s: State, account: bytes, amount: int) -> int:
    """Mint to an account. Return what it got: nothing if the account would not exist even with it."""
    if amount == 0 or balances.free(s, account) + amount < EXISTENTIAL_DEPOSIT:
        return 0
    balances.mint(s, account, amount)
    count_minted(s, amount)
    return amount


def report_equivocation(
    s: State, plan_id: int, first: SignedHead, second: SignedHead, root: int, nodes: list[OpenedNode]
) -> None:
    """Freeze a live plan's feed, by anyone who shows two heads of it of which the longer does not extend the shorter."""
    plan = get_plan(s, plan_id)
    ensure(plan.state == PlanState.LIVE, Error.PlanNotLive)
    ensure(plan.feed == first.key == second.key, Error.WrongFeedKey)
    ensure(not Frozen.contains(s, plan.feed), Error.FeedFrozen)
    heads.check(first)
    heads.check(second)
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
