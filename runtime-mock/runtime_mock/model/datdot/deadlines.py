"""The order of work in a block, and the effect of every expired wait (pallet-spec/README.md sections 5 and 13)."""

from __future__ import annotations

from ..frame import system
from ..frame.dispatch import Weight
from ..scale import U64
from ..storage import State
from .block import era, now, seed
from .challenges import issue_challenges
from .changes import apply_changes
from .copies import accept, remove_records
from .crypto import digest
from .ends import drop, drop_due
from .fraud import forget_report
from .items import Begins, Eras, Retrievals, SeedOverride, Seeds, SlotCount
from .jobs import begin_missed
from .ladder import evict, proof_missed, recheck_missed, sweep
from .limits import ERAS, EXPIRIES, REMOVALS, SEEDS, TICKS
from .money import pay_half
from .offers import free_slot
from .params import times
from .placement import place
from .plans import end_called, tick
from .queue import next_due
from .records import CopyEnd, EraInfo
from .segments import draw_salt
from .stalls import lease_passed, no_encoder
from .types import Deadline, Wait
from .weights import ATTEMPT, BLOCK, CHANGE, EXPIRY

A_BLOCK = {Wait.TICK: TICKS, Wait.SETTLE: REMOVALS}
"""What is counted of a kind in a block before no more is begun; of others EXPIRIES."""


def on_initialize(s: State) -> Weight:
    """Do everything that a block does before its extrinsics. Return its weight."""
    Begins.kill(s)
    _draw_seed(s)
    _begin_era(s)
    spent = BLOCK.ref_time + CHANGE.ref_time * apply_changes(s)
    spent += sum(EXPIRY[wait].ref_time * _expire(s, wait) for wait in Wait)
    issue_challenges(s)
    spent += ATTEMPT.ref_time * place(s)
    return Weight(spent)


def _draw_seed(s: State) -> None:
    block, value = now(s), SeedOverride.get(s)
    # The runtime's source, for development: H(subject | parent hash), with an empty subject.
    source = system.ParentHash.get(s) if value is None else value + U64.encode(block)
    Seeds.put(s, block, digest(source))
    if block >= SEEDS:
        Seeds.remove(s, block - SEEDS)


def _begin_era(s: State) -> None:
    if now(s) % max(1, times(s).era):
        return
    this_era = era(s)
    Eras.put(s, this_era, EraInfo(seed(s), SlotCount.get(s)))
    if this_era >= ERAS:
        Eras.remove(s, this_era - ERAS)


def _expire(s: State, wait: Wait) -> int:
    """Handle expiries of one kind: whole heads while fewer are counted than a block takes. Return the count."""
    counted, most = 0, A_BLOCK.get(wait, EXPIRIES)
    while counted < most:
        deadline = next_due(s, wait)
        if deadline is None:
            break
        counted += _act(s, wait, deadline)
    return counted


def _act(s: State, wait: Wait, deadline: Deadline) -> int:
    """Do what an expired wait does. Return what it counts."""
    due, id_, tag = deadline.due, deadline.id, deadline.tag
    match wait:
        case Wait.DECLINE:
            accept(s, id_)
        case Wait.ENCODER_DRAW:
            no_encoder(s, id_, tag)
        case Wait.BEGIN:
            begin_missed(s, id_, tag)
        case Wait.SALT:
            draw_salt(s, id_, tag, due)
        case Wait.LEASE:
            lease_passed(s, id_, tag)
        case Wait.PROOF:
            proof_missed(s, id_, tag)
        case Wait.HALF:
            pay_half(s, id_)
        case Wait.TICK:
            return tick(s, id_)
        case Wait.END_PLAN:
            return end_called(s, id_, forked=tag == 1)
        case Wait.SETTLE:
            Retrievals.remove(s, tag, id_)
        case Wait.RECORDS:
            free_slot(s, id_) if tag else remove_records(s, id_)
        case Wait.RECHECK:
            recheck_missed(s, id_, tag)
        case Wait.LAST_CALL:
            evict(s, id_, tag)
        case Wait.DROP:
            drop_due(s, id_, tag)
        case Wait.LEAVE:
            drop(s, id_, CopyEnd.LEFT)
        case Wait.SWEEP:
            return sweep(s, id_)
        case Wait.REPORT:
            forget_report(s, id_)
    return 1
