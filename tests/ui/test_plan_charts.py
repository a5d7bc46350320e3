"""A plan's lanes and its pot: where things stand in the drawing, what is told in words, and where the money ends."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import pytest

from service.operating.network_objects import PlanCopy, PlanDetail, PlanRow
from service.roles.common.ratio import kept
from service.ui.plan_charts import WIDE, lanes, pot, pot_told
from service.units import UNIT
from service.views.outlook import at_the_end
from tests.support.dashboard import ServedDashboard


def a_copy(**more: Any) -> PlanCopy:
    usual = {
        "copy": 3, "state": "Active", "hoster": "5H", "encoder": None, "here": False, "strikes": 0, "leaving": 0,
        "sectors": 9, "confirmed_sectors": 9, "offered": 120, "begun": 140, "active_since": 160, "failed_eras": [],
    }  # fmt: skip
    return PlanCopy(**usual | more)  # type: ignore[arg-type]


def a_detail(
    *copies: PlanCopy, pot: int = 6 * UNIT, burned: int = 2 * UNIT, until: int = 1100, now: int = 300, reserved: int = 0
) -> Any:
    """A plan that was published in block 100, and paid its surcharges to now."""
    terms = SimpleNamespace(until=until)
    plan = SimpleNamespace(terms=terms, published=100, burned=burned, mark=burned, reserved=reserved)
    per_era = burned * 24 // (now - 100)
    row = PlanRow(0, "ab", "Live", "5S", 9, 4, 1, 0, pot, burned, per_era, None, until, (until - now) // 24)
    runs_out, left = at_the_end(plan, pot, now)  # type: ignore[arg-type]
    return PlanDetail(
        now, row, list(copies), 0, [], 0, 1, 1, 1, 1, 0, [], False, 0, 0, [], "", "", 100, 0, 24, runs_out, left
    )


def rects(svg: str, kind: str) -> list[tuple[float, float]]:
    """Where the rectangles of a class begin, and their widths."""
    found = re.findall(f'<rect x="([^"]+)" y="[^"]+" width="([^"]+)" height="[^"]+" class="{kind}"/>', svg)
    return [(float(x), float(wide)) for x, wide in found]


def test_a_lane_has_its_phases_at_their_blocks() -> None:
    (lane,) = lanes(a_detail(a_copy()))
    assert rects(lane.svg, "f-edge") == [(100, 100), (200, 100)], "offered from 120 to 140, made to 160, of 100 to 300"
    assert rects(lane.svg, "f-mass") == [(300, 700)]
    assert "Copy 3: offered in block 120, begun in block 140, served from block 160" in lane.svg
    assert 'id="lane-3-t"' in lane.svg


def test_what_is_not_yet_so_is_not_drawn() -> None:
    (waits,) = lanes(a_detail(a_copy(begun=None, active_since=None)))
    assert rects(waits.svg, "f-edge") == [(100, 900)]
    assert rects(waits.svg, "f-mass") == []
    (made,) = lanes(a_detail(a_copy(active_since=None)))
    assert rects(made.svg, "f-edge") == [(100, 100), (200, 800)]


def test_eras_whose_fetches_failed_are_marked_at_their_end_and_told() -> None:
    (lane,) = lanes(a_detail(a_copy(failed_eras=[8, 11])))  # they end in blocks 216 and 288
    assert [x for x, _ in rects(lane.svg, "f-bad")] == [577, 937]
    assert "its test fetches failed in era 8, era 11" in lane.svg


def test_a_phase_of_one_block_is_seen_and_none_is_outside() -> None:
    drawn = lanes(a_detail(a_copy(copy=1, offered=90, begun=90, active_since=299), a_copy(copy=2, offered=300)))
    for lane in drawn:
        for kind in ("f-edge", "f-mass", "f-bad"):
            assert all(x >= 0 and x + wide <= WIDE and wide > 0 for x, wide in rects(lane.svg, kind)), lane.svg


@pytest.mark.parametrize(
    ("had", "burned", "until", "runs_out", "left"),
    [
        (12, 2, 1100, None, 4),  # 2 in 200 blocks, 8 in the 800 that are left
        (8, 2, 1100, None, 0),
        (6, 2, 1100, 900, 0),
        (0, 2, 1100, 300, 0),
        (6, 0, 1100, None, 6),
        (6, 2, 250, None, 6),
    ],
)
def test_the_pot_ends_where_the_mean_burn_leads(
    had: int, burned: int, until: int, runs_out: int | None, left: int
) -> None:
    detail = a_detail(pot=had * UNIT, burned=burned * UNIT, until=until)
    assert (detail.runs_out, detail.left_at_end) == (runs_out, left * UNIT)
    svg, told = pot(detail), pot_told(detail)
    assert f"{had}.000 UNIT are in the pot now" in told
    assert bool(rects(svg, "f-bad")) == (runs_out is not None)
    assert (f"ends unpaid in block {runs_out}" in told) == (runs_out is not None)
    if burned and runs_out is None:
        assert f"{left}.000 UNIT are left" in told
    assert told in svg
    points = [float(one) for one in re.findall(r"[ML](-?[\d.]+) ", svg)]
    assert all(0 <= x <= WIDE for x in points)


def test_what_the_pot_keeps_pays_no_tick() -> None:
    """Of 6 it keeps 2.1: the plan ends where 3.9 are paid, and these 2.1 are left."""
    detail = a_detail(reserved=UNIT)
    assert kept(UNIT, 0) == UNIT * 21 // 10
    assert (detail.runs_out, detail.left_at_end) == (690, UNIT * 21 // 10)
    assert "6.000 UNIT are in the pot now" in pot_told(detail)


async def test_the_page_has_both_with_their_figures(served: ServedDashboard) -> None:
    page = await served.text("/plans/0")
    assert page.count('class="plot h-lane"') == 3
    assert 'class="plot h-pot"' in page
    async with served.http.get(served.url + "/api/plan?plan=0") as answer:
        told = await answer.json()
    assert (told["published"], told["era_blocks"]) == (5, 24)
    assert [one["begun"] for one in told["copies"]] == [None] * 3
    assert [one["failed_eras"] for one in told["copies"]] == [[]] * 3
