"""Changes of a plan's terms by its sponsor."""

from __future__ import annotations

from ..storage import State
from .block import deposit, less, now
from .drops import give_notice
from .errors import Error, ensure
from .events import PlanAmended
from .items import Copies, Plans, Shares
from .limits import WIDENING_PART
from .params import times
from .plans import check_terms, get_plan
from .queue import need_hoster
from .records import PlanState, Terms


def amend_plan(s: State, account: bytes, plan_id: int, terms: Terms) -> None:
    """Give a plan other terms, by its sponsor. Where others gave, it may only be worth less to hosters."""
    plan = get_plan(s, plan_id)
    ensure(plan.sponsor == account, Error.NotSponsor)
    ensure(plan.state == PlanState.LIVE, Error.PlanNotLive)
    check_terms(s, terms)
    old = plan.terms
    sooner = terms.until < min(old.until, now(s) + times(s).end_notice)
    other = terms.report_price != old.report_price or (terms.live and not old.live)
    ensure(not sooner and not other, Error.BadTerms)
    others = less(plan.shares, Shares.get(s, plan_id, account) or 0)
    ensure(WIDENING_PART * others <= plan.founded or _is_narrower(old, terms), Error.AmendTooWide)
    plan.terms = terms
    plan.fresh = now(s) + times(s).seed_delay
    deposit(s, PlanAmended(plan_id, terms))
    staying = [copy_id for copy_id in plan.live if not Copies.at(s, copy_id).leaving]
    for copy_id in staying[terms.replicas :]:
        copy = Copies.at(s, copy_id)
        give_notice(s, copy_id, copy, plan, 1)
        Copies.put(s, copy_id, copy)
    Plans.put(s, plan_id, plan)
    need_hoster(s, plan_id)


def _is_narrower(old: Terms, new: Terms) -> bool:
    """Return whether terms promise no more and ask for no more than the old ones. A later `until` is the same for longer."""
    return (
        new.replicas <= old.replicas
        and new.max_ask_disk <= old.max_ask_disk
        and new.max_ask_encoding <= old.max_ask_encoding
        and new.max_ask_receiving <= old.max_ask_receiving
        and new.min_reputation <= old.min_reputation
        and new.regions in (old.regions, [])
        and new.max_latency_ms == old.max_latency_ms
        and new.min_kib_per_s == old.min_kib_per_s
    )
