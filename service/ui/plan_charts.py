"""A plan's charts, drawn by hand and inline: a lane for each copy over the plan's blocks, and its pot down to the plan's end."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from service.operating.network_objects import PlanCopy, PlanDetail
from service.units import UNIT

from .charts import plot, rect
from .shown import number

WIDE = 1000
"""Width of a chart in its own units: it is stretched to the page."""
HIGH = 16
"""Height of a lane."""
LEAST = 2.0
"""Width of a phase at least, so that one of a single block is seen."""
POT_HIGH, ROOM = 100, 1.1
"""Height of the pot's chart, and how much of it is above the highest sum."""


@dataclass(frozen=True, slots=True)
class PlanLane:
    """A copy's lane."""

    copy: PlanCopy
    svg: Markup


def lanes(detail: PlanDetail) -> list[PlanLane]:
    """Return a lane for each copy of a plan, from the block in which it was published to now."""
    first, last = detail.published, max(detail.block, detail.published + 1)
    return [PlanLane(one, _lane(one, first, last, detail.era_blocks)) for one in detail.copies]


def _lane(copy: PlanCopy, first: int, last: int, era: int) -> Markup:
    scale = WIDE / (last - first)

    def bar(start: int, end: int, high: float, kind: str) -> str:
        x = (max(start, first) - first) * scale
        return rect(min(x, WIDE - LEAST), (HIGH - high) / 2, max((end - max(start, first)) * scale, LEAST), high, kind)

    served = copy.active_since
    made = last if served is None else served
    begun = made if copy.begun is None else min(copy.begun, made)
    body = rect(0, HIGH / 2 - 0.4, WIDE, 0.8, "f-rule") + bar(copy.offered, begun, 2, "f-edge")
    told = [f"offered in block {number(copy.offered)}"]
    if copy.begun is not None:
        body += bar(begun, made, 8, "f-edge")
        told.append(f"begun in block {number(copy.begun)}")
    if served is not None:
        body += bar(served, last, HIGH, "f-mass")
        told.append(f"served from block {number(served)}")
        ends = [(one + 1) * era for one in copy.failed_eras if served <= (one + 1) * era <= last]
        body += "".join(rect((end - first) * scale - 3, 0, 6, HIGH, "f-bad") for end in ends)
    if copy.failed_eras:
        told.append(f"its test fetches failed in {', '.join(f'era {one}' for one in copy.failed_eras)}")
    title = f"Copy {copy.copy}: {', '.join(told)}"
    about = title, f"Blocks {number(first)} to {number(last)}, left to right."
    return plot(WIDE, HIGH, body, about, f"lane-{copy.copy}", "h-lane")


def pot(detail: PlanDetail) -> Markup:
    """Return the pot from a plan's publication to its end, at the mean burn since it was published."""
    plan = detail.plan
    first, now, end = detail.published, detail.block, max(plan.until, detail.block)
    scale, most = WIDE / max(1, end - first), max(1, plan.pot + plan.burned) * ROOM
    at = (now - first) * scale

    def y(amount: int) -> float:
        return POT_HIGH - amount / most * POT_HIGH

    last_x = (end if detail.runs_out is None else detail.runs_out) - first
    line = f"M0 {y(plan.pot + plan.burned):.2f}L{at:.2f} {y(plan.pot):.2f}"
    ahead = f"M{at:.2f} {y(plan.pot):.2f}L{last_x * scale:.2f} {y(detail.left_at_end):.2f}"
    stroke = 'class="f-none s-ink" stroke-width="2" vector-effect="non-scaling-stroke"'
    body = f'<path class="f-sunk" d="{line}V{POT_HIGH}H0z"/><path {stroke} d="{line}"/>'
    body += f'<path {stroke} stroke-dasharray="5 5" d="{ahead}"/>'
    body += rect(max(at - 1, 0), 0, 2, POT_HIGH, "f-edge") + rect(0, POT_HIGH - 0.6, WIDE, 0.6, "f-edge")
    if detail.runs_out is not None:
        body += rect(last_x * scale - 2, 0, 4, POT_HIGH, "f-bad")
    return plot(
        WIDE, POT_HIGH, body, ("The pot from publication to the end of the plan", pot_told(detail)), "pot", "h-pot"
    )


def pot_told(detail: PlanDetail) -> str:
    """Return what the chart of the pot shows, in words."""
    now = f"{_unit(detail.plan.pot)} UNIT are in the pot now."
    if not detail.plan.burned_per_era:
        return f"{now} Nothing was burned yet."
    if detail.runs_out is None:
        return f"{now} At the mean burn since it was published {_unit(detail.left_at_end)} UNIT are left at the plan’s end."
    ends = f"the plan ends unpaid in block {number(detail.runs_out)}: what is left then pays for the last proofs."
    return f"{now} At the mean burn since it was published {ends}"


def _unit(amount: int) -> str:
    """Return a sum in UNIT with three digits behind the point, cut off: beside the chart stands all of it."""
    return f"{amount // UNIT:,}.{amount % UNIT * 1000 // UNIT:03}"
