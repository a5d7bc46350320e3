"""The pages of what everybody sees: plans, one plan, the network."""

from __future__ import annotations

from aiohttp import web

from service.operating.feeds import has_feed
from service.operating.network import read_network, read_plan, read_plans
from service.operating.network_objects import PlanCopy, PlanDetail, PlanRow
from service.operating.objects import HeldCopy
from service.operating.table import LAST
from service.views.outlook import lasting

from .pages import whole
from .plan_charts import lanes, pot, pot_told
from .shown import copy_state, count, number
from .site import Site

PAGE = 100
"""Plans before there is a next page."""


class NetworkPages:
    """The handlers."""

    def __init__(self, site: Site) -> None:
        self._site, self._facts = site, site.facts

    def mount(self, app: web.Application) -> None:
        """Serve the pages."""
        app.router.add_get("/plans", self.plans)
        app.router.add_get(r"/plans/{plan:\d{1,18}}", self.plan)
        app.router.add_get("/network", self.network)

    async def plans(self, request: web.Request) -> web.StreamResponse:
        """List the plans."""
        pulse = await self._site.pulse()
        page = await read_plans(self._facts, PAGE, whole(request, "before", LAST))
        live = sum(1 for one in page.plans if one.state == "Live")
        data = {
            "answer": f"{count(page.total, 'plan')}, {number(live)} of those below live"
            if page.total
            else "No plan yet",
            "page": page,
            "state_of": plan_state,
        }
        return self._site.render(request, "plans.html", pulse, data)

    async def plan(self, request: web.Request) -> web.StreamResponse:
        """Show one plan."""
        pulse = await self._site.pulse()
        detail = await read_plan(self._facts, int(request.match_info["plan"]))
        state, _ = plan_state(detail.plan)
        data = {
            "detail": detail,
            "plan": detail.plan,
            "answer": _answer(detail.plan),
            "answer_state": "wait" if pulse.stale else state,
            "lead": _lead(detail),
            "shown_copy": shown_copy,
            "lanes": lanes(detail),
            "pot_chart": pot(detail) if detail.plan.state == "Live" else "",
            "pot_told": pot_told(detail),
            "feed_here": has_feed(self._facts, detail.plan.feed),
        }
        return self._site.render(request, "plan.html", pulse, data)

    async def network(self, request: web.Request) -> web.StreamResponse:
        """Show the whole network."""
        pulse = await self._site.pulse()
        found = await read_network(self._facts)
        plans = await read_plans(self._facts, 10, None)
        peers = found.hosters_total + found.encoders_total + found.attesters_total
        said = f"{count(peers, 'offer')}, {count(found.plans, 'plan')}"
        data = {
            "answer": f"{said}, {count(found.copies_live, 'live copy', 'live copies')}",
            "network": found,
            "page": plans,
            "state_of": plan_state,
        }
        return self._site.render(request, "network.html", pulse, data)


def plan_state(plan: PlanRow) -> tuple[str, str]:
    """Return the mark and the word of how a plan stands."""
    if plan.state != "Live":
        return "wait", "Ended"
    if plan.served >= plan.replicas:
        return "good", f"{plan.served} of {plan.replicas}"
    return ("half" if plan.served + plan.making >= plan.replicas else "warn"), f"{plan.served} of {plan.replicas}"


def shown_copy(copy: PlanCopy) -> tuple[str, str]:
    """Return the mark and the word of a copy of a plan."""
    held = HeldCopy(copy.copy, 0, False, False, copy.state, 0, 0, 0, copy.strikes, copy.leaving)
    return copy_state(held)


def _answer(plan: PlanRow) -> str:
    if plan.state != "Live":
        return f"Plan {plan.plan} has ended"
    if plan.served >= plan.replicas:
        return f"All {count(plan.replicas, 'copy', 'copies')} are served" if plan.replicas > 1 else "Its copy is served"
    return f"{plan.served} of {count(plan.replicas, 'copy', 'copies')} {'is' if plan.served == 1 else 'are'} served"


def _lead(detail: PlanDetail) -> str:
    plan = detail.plan
    if plan.state != "Live":
        return "What its pot did not spend goes back to those who gave it."
    parts = [f"{count(plan.making, 'copy is', 'copies are')} being made."] if plan.making else []
    if detail.missing:
        parts.append(f"{count(detail.missing, 'copy has', 'copies have')} no hoster yet.")
    parts.append("The feed can be read now." if plan.served else "The feed cannot be read from a copy yet.")
    parts.append(lasting(plan.lasts_eras, plan.ends_in_eras))
    return " ".join(parts)
