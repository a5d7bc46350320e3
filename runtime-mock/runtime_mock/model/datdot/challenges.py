"""Storage challenges: issue, proof, miss (pallet-spec/README.md section 9)."""

from __future__ import annotations

from collections import deque

from ..storage import State
from .block import deposit, now, seed
from .changes import reputation, set_reputation
from .copies import clear
from .crypto import draw
from .errors import Error, ensure, error
from .events import StorageChallenged, StorageProved
from .items import (
    Copies,
    CopySlots,
    HosterDraws,
    Hosters,
    Segments,
    StorageChallenges,
    Storing,
    StoringCount,
)
from .limits import CHALLENGES, GIB_SECTORS, MAX_SAMPLES
from .merkle import proven_root
from .params import times
from .pauses import is_paused
from .queue import arm
from .records import Sample, StorageChallenge, StorageProof
from .segments import context_of, locate, passed_reputation
from .sums import Table
from .tables import copy_table
from .types import Wait


def sample_count(stored_sectors: int) -> int:
    """Return how many sectors a challenge names, repeats included."""
    doubled = (1 + stored_sectors // GIB_SECTORS).bit_length() - 1
    return min(max(4 + 2 * doubled, 8), MAX_SAMPLES)


def issue_challenges(s: State) -> None:
    """Challenge some of the hosters that store something."""
    storing = StoringCount.get(s)
    gap = max(1, times(s).mean_gap)
    draws = min(-(-storing // gap), CHALLENGES)
    span = max(gap * draws, storing)
    for i in range(draws):
        place = draw(3, seed(s), b"", i) % span
        hoster = Storing.get(s, place) if place < storing else None
        if hoster is not None:
            _challenge(s, hoster)


def _sample(s: State, table: Table, account: bytes, j: int) -> Sample | None:
    picked = table.pick(draw(4, seed(s), account, j))
    copy_id = CopySlots.get(s, account, picked[0]) if picked else None
    copy = Copies.get(s, copy_id) if copy_id is not None else None
    if picked is None or copy_id is None or copy is None:
        return None
    found = locate(copy, picked[1])
    return Sample(copy_id, *found) if found else None


def _challenge(s: State, account: bytes) -> None:
    """Challenge a hoster, unless a challenge is open or it is paused."""
    if StorageChallenges.contains(s, account):
        return
    hoster, entry = Hosters.get(s, account), HosterDraws.get(s, account)
    if hoster is None or entry is None or entry.slot is None or hoster.step or is_paused(s, hoster):
        return
    table = copy_table(s, account)
    drawn = (_sample(s, table, account, j) for j in range(sample_count(hoster.stored)))
    samples = sorted({sample for sample in drawn if sample is not None})
    if not samples:
        return
    issued = now(s)
    StorageChallenges.put(s, account, StorageChallenge(issued, samples))
    arm(s, Wait.PROOF, times(s).proof_window, entry.slot, issued)
    deposit(s, StorageChallenged(account, issued, len(samples)))


def submit_storage_proof(s: State, account: bytes, issued: int, proof: StorageProof) -> None:
    """Prove storage, by a challenged hoster: one sector per sample, in the challenge's order, and the siblings of all."""
    challenge = StorageChallenges.get(s, account)
    if challenge is None:
        raise error(Error.NoChallenge)
    ensure(challenge.issued == issued, Error.WrongChallenge)
    ensure(now(s) > issued, Error.OutsideWindow)
    ensure(len(proof.sectors) == len(challenge.samples), Error.WrongSectorCount)
    opened: dict[int, dict[int, bytes]] = {}
    for sample, data in zip(challenge.samples, proof.sectors, strict=True):
        opened.setdefault(sample.segment, {})[sample.sector] = data
    siblings = deque(proof.siblings)
    for number, sectors in opened.items():
        segment = Segments.get(s, number)
        context = context_of(s, segment, account) if segment is not None else None
        if segment is None or context is None:
            raise error(Error.BadOpening)
        ensure(proven_root(context, segment.sectors, sectors, siblings) == segment.root, Error.BadOpening)
    ensure(not siblings, Error.BadOpening)
    _proved(s, account, issued)


def _proved(s: State, account: bytes, issued: int) -> None:
    """Pay for the interval up to the challenge, then raise R. A late proof only makes good."""
    StorageChallenges.remove(s, account)
    before = reputation(s, account)
    hoster = Hosters.get(s, account)
    if hoster is not None and hoster.step:
        clear(s, account)
        return
    if hoster is not None:
        until = max(issued, hoster.last)
        hoster.acc += before * (until - hoster.last)
        hoster.last = until
        hoster.passed += 1
        Hosters.put(s, account, hoster)
    after = passed_reputation(before)
    set_reputation(s, account, after)
    deposit(s, StorageProved(account, issued, after))
