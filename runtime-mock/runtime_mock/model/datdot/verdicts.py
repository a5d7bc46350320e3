"""Verdicts over eras: a copy whose readers were not served, or slowly, ends."""

from __future__ import annotations

from ..storage import State
from .drops import arm_drop
from .items import Copies
from .limits import FAILS, SLOW, VERDICTS
from .money import copy_and_plan
from .records import CopyEnd, CopyState, Plan, Verdict

_MASK = (1 << VERDICTS) - 1


def judge(s: State, era: int, copy_id: int, verdict: Verdict, latency_ms: int, kib_per_s: int) -> None:
    """Enter an era's verdict in the copy's last eight. Four failed or seven slow ones end it."""
    found = copy_and_plan(s, copy_id)
    if found is None or found[0].state == CopyState.ENDED:
        return
    copy, plan = found
    if era > copy.judged:
        shift = era - copy.judged
        copy.fails, copy.slow = (
            (0, 0) if shift >= VERDICTS else (copy.fails << shift & _MASK, copy.slow << shift & _MASK)
        )
        copy.judged = era
    back = copy.judged - era
    if back < VERDICTS:
        copy.fails |= (verdict == Verdict.FAILED) << back
        copy.slow |= (verdict == Verdict.PASSED and _misses_targets(plan, latency_ms, kib_per_s)) << back
    if copy.fails.bit_count() >= FAILS:
        arm_drop(s, copy_id, copy, CopyEnd.UNSERVED)
    elif copy.slow.bit_count() >= SLOW:
        arm_drop(s, copy_id, copy, CopyEnd.SLOW)
    Copies.put(s, copy_id, copy)


def _misses_targets(plan: Plan, latency_ms: int, kib_per_s: int) -> bool:
    return latency_ms > plan.terms.max_latency_ms or kib_per_s < plan.terms.min_kib_per_s
