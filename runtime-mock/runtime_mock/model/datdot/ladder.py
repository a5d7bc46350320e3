"""The three deadlines of a storage challenge, and the end of a hoster that met none of them."""

from __future__ import annotations

from ..storage import State
from .block import deposit, less, now
from .changes import reputation, set_reputation, set_reputation_now
from .copies import end_copy, strike
from .drops import arm_drop
from .ends import forfeit, own_copy
from .errors import Error, ensure
from .events import HosterCleared, HosterEvicted, HosterOverdue, StorageMissed
from .items import Copies, CopySlots, HosterDraws, Hosters, HosterSlots, StorageChallenges
from .jobs import put_hoster_out
from .limits import EVICTION_PART, MIN_REPUTATION, SWEEP
from .params import times
from .queue import arm
from .records import CopyEnd, StorageChallenge
from .tables import copy_table
from .types import Wait

WARNED, SUSPENDED, EVICTED = 1, 2, 3


def _open(s: State, slot: int, issued: int, step: int) -> tuple[bytes, StorageChallenge] | None:
    """Return the hoster in a slot with its challenge, if that was issued in `issued` and the hoster stands at `step`."""
    account = HosterSlots.get(s, slot)
    challenge = StorageChallenges.get(s, account) if account is not None else None
    if account is None or challenge is None or challenge.issued != issued:
        return None
    hoster = Hosters.get(s, account)
    return (account, challenge) if hoster is not None and hoster.step == step else None


def _missed_reputation(value: int) -> int:
    return max(less(value, value // 8), MIN_REPUTATION)


def _overdue(s: State, account: bytes, issued: int, step: int, wait: Wait, blocks: int) -> None:
    """Note that a deadline passed, and arm the next one."""
    slot = HosterDraws.at(s, account).slot
    if slot is not None:
        arm(s, wait, blocks, slot, issued)
    deposit(s, HosterOverdue(account, issued, step, now(s) + blocks))


def _miss(s: State, account: bytes, challenge: StorageChallenge, after: int) -> None:
    """Warn a hoster that did not prove its sectors. Its reputation is `after` now."""
    issued = challenge.issued
    hoster = Hosters.at(s, account)
    hoster.step = WARNED
    hoster.last = max(hoster.last, issued)
    hoster.missed += 1
    Hosters.put(s, account, hoster)
    deposit(s, StorageMissed(account, issued, after))
    for copy_id in sorted({sample.copy for sample in challenge.samples}):
        strike(s, copy_id)
    _overdue(s, account, issued, WARNED, Wait.RECHECK, times(s).proof_window)


def proof_missed(s: State, slot: int, issued: int) -> None:
    """Warn a hoster whose challenge was not answered in its first window."""
    found = _open(s, slot, issued, 0)
    if found is None:
        return
    account, challenge = found
    after = _missed_reputation(reputation(s, account))
    set_reputation_now(s, account, after)
    _miss(s, account, challenge, after)


def recheck_missed(s: State, slot: int, issued: int) -> None:
    """Suspend a hoster whose challenge was not answered in its second window."""
    found = _open(s, slot, issued, WARNED)
    if found is None:
        return
    account, _ = found
    hoster = Hosters.at(s, account)
    hoster.step = SUSPENDED
    Hosters.put(s, account, hoster)
    set_reputation_now(s, account, _missed_reputation(reputation(s, account)))
    _overdue(s, account, issued, SUSPENDED, Wait.LAST_CALL, times(s).era)


def evict(s: State, slot: int, issued: int) -> None:
    """Evict a hoster whose challenge was never answered. Its copies are ended from the next block on."""
    found = _open(s, slot, issued, SUSPENDED)
    if found is None:
        return
    account, _ = found
    StorageChallenges.remove(s, account)
    hoster = Hosters.at(s, account)
    hoster.step = EVICTED
    Hosters.put(s, account, hoster)
    put_hoster_out(s, account)
    deposit(s, HosterEvicted(account))
    arm(s, Wait.SWEEP, 1, slot)


def sweep(s: State, slot: int) -> int:
    """End up to eight copies of an evicted hoster, which is good when none is left. Return what it counts."""
    account = HosterSlots.get(s, slot)
    if account is None:
        return 1
    count = 0
    while count < SWEEP and (copy_id := _first_copy(s, account)) is not None:
        forfeit(s, copy_id, Copies.at(s, copy_id), EVICTION_PART)
        end_copy(s, copy_id, CopyEnd.EVICTED)
        count += 1
    if _first_copy(s, account) is not None:
        arm(s, Wait.SWEEP, 1, slot)
        return count
    hoster = Hosters.at(s, account)
    hoster.step = 0
    Hosters.put(s, account, hoster)
    deposit(s, HosterCleared(account))
    return max(1, count)


def _first_copy(s: State, account: bytes) -> int | None:
    picked = copy_table(s, account).pick(0)
    return CopySlots.get(s, account, picked[0]) if picked else None


def declare_lost(s: State, account: bytes, copy_id: int) -> None:
    """Admit that a copy is lost, by its hoster. It is a miss if the open challenge asks for it."""
    copy, _ = own_copy(s, account, copy_id)
    ensure(not copy.dropping, Error.WrongState)
    challenge = StorageChallenges.get(s, account)
    asked = challenge is not None and any(sample.copy == copy_id for sample in challenge.samples)
    if challenge is not None and asked and Hosters.at(s, account).step == 0:
        after = _missed_reputation(reputation(s, account))
        set_reputation(s, account, after)
        _miss(s, account, challenge, after)
        copy = Copies.at(s, copy_id)
    arm_drop(s, copy_id, copy, CopyEnd.LOST)
    Copies.put(s, copy_id, copy)
