"""Upper bounds of the calls' weights, set by hand as in pallet-spec: reference time, no proof size."""

from __future__ import annotations

from ..frame.dispatch import Weight
from .types import Wait


def _ms(n: int) -> Weight:
    return Weight(n * 10**9)


def submit_storage_proof(sectors: int, siblings: int) -> Weight:
    """Return the weight of a storage proof with so many sectors and siblings."""
    return Weight(670_000_000 + 37_000_000 * sectors + 1_500_000 * siblings)


def publish_plan(nodes: int) -> Weight:
    """Return the weight of a publication with so many opened nodes."""
    return Weight(2_000_000_000 + 10_000_000 * nodes)


def commit_retrievals(commits: int, records: int, draws: int) -> Weight:
    """Return the weight of so many commits, of which some make a record, for which so many slots are drawn."""
    return Weight(500_000_000 + 280_000_000 * commits + 200_000_000 * records + 30_000_000 * draws)


def reveal_retrievals(reveals: int) -> Weight:
    """Return the weight of so many reveals."""
    return Weight(700_000_000 + 450_000_000 * reveals)


REGISTER_PEER = _ms(2)
OFFER = _ms(2)
OFFER_ATTESTING = _ms(5)
MONEY = _ms(2)
DECLINE_COPY = _ms(3)
BEGIN_SEGMENT = _ms(5)
CONFIRM_SEGMENT = _ms(4)
SETTLE_RETRIEVAL = _ms(16)
UPDATE_HEAD = _ms(3)
DECLARE_LOST = _ms(6)
LEAVE_COPY = _ms(2)
DECLINE_JOB = _ms(3)
PAUSE = _ms(2)
AMEND_PLAN = _ms(7)
COMMIT_REPORT = _ms(2)
REPORT_INVALID_ENCODING = _ms(25)
REPORT_EQUIVOCATION = _ms(3)
ROOT = _ms(1)
SET_OPERATOR = _ms(1)
# Beside what the call weighs.
OPERATE = Weight(200_000_000)
# `on_initialize` without changes, expiries and tries; one change; one placement try; one expiry of a kind.
BLOCK = _ms(30)
CHANGE = Weight(1_500_000_000)
ATTEMPT = Weight(2_500_000_000)
EXPIRY = {
    Wait.DECLINE: _ms(1),
    Wait.ENCODER_DRAW: _ms(4),
    Wait.BEGIN: _ms(3),
    Wait.SALT: _ms(1),
    Wait.LEASE: _ms(6),
    Wait.PROOF: _ms(6),
    Wait.HALF: _ms(2),
    Wait.TICK: _ms(3),
    Wait.END_PLAN: _ms(5),
    Wait.SETTLE: _ms(1),
    Wait.RECORDS: _ms(15),
    Wait.RECHECK: _ms(2),
    Wait.LAST_CALL: _ms(3),
    Wait.DROP: _ms(6),
    Wait.LEAVE: _ms(6),
    Wait.SWEEP: _ms(6),
    Wait.REPORT: _ms(1),
}
