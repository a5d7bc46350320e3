"""The rules and dashboards in deploy/: every series is one that a node tells, every rule fires and is silent when all is well."""

from __future__ import annotations

import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from service.chain_client import ConnectionLost
from service.operating.facts import NodeFacts
from tests.support.dashboard import ServedDashboard, served_dashboard
from tests.support.needs import missing
from tests.support.prometheus import (
    DASHBOARDS,
    RULES,
    dashboard_expressions,
    panels,
    promtool,
    rule_expressions,
    series_in,
)

CHAIN_SERIES = {"substrate_block_height", "up"}
"""Of the chain's node, and of Prometheus itself: tests/containers asks for them."""
HOSTER = 'job="datdot", instance="hoster-1:8080"'
OTHER = 'job="datdot", instance="hoster-2:8080"'
WELL = {
    f"up{{{HOSTER}}}": "1+0x200",
    f'datdot_alerts_open{{{HOSTER}, severity="error"}}': "0+0x200",
    f'datdot_role_ready{{{HOSTER}, role="hoster"}}': "1+0x200",
    f"datdot_reachable{{{HOSTER}}}": "1+0x200",
    f"datdot_operator{{{HOSTER}}}": "1+0x200",
    f"datdot_block_age_seconds{{{HOSTER}}}": "5+0x200",
    f"datdot_block_age_seconds{{{OTHER}}}": "1e9+0x200",
    f"datdot_block{{{HOSTER}}}": "100+1x200",
    f"datdot_block{{{OTHER}}}": "99+1x200",
    f"datdot_journal_block{{{HOSTER}}}": "99+1x200",
    f"datdot_hosting_step{{{HOSTER}}}": "0+0x200",
    f"datdot_hosting_challenges_missed{{{HOSTER}}}": "3+0x200",
    f"datdot_disk_free_bytes{{{HOSTER}}}": "1000+0x200",
    f"datdot_disk_reserve_bytes{{{HOSTER}}}": "100+0x200",
    f'datdot_balance_unit{{{HOSTER}, kind="free"}}': "7+0x200",
    f'datdot_balance_unit{{{HOSTER}, kind="held"}}': "0+0x200",
}
"""A sample every five seconds: what a node tells that is well."""
ILL = {
    "NodeAway": (f"up{{{HOSTER}}}", "0+0x200"),
    "NodeAlert": (f'datdot_alerts_open{{{HOSTER}, severity="error"}}', "2+0x200"),
    "RoleIdle": (f'datdot_role_ready{{{HOSTER}, role="hoster"}}', "0+0x200"),
    "Unreachable": (f"datdot_reachable{{{HOSTER}}}", "0+0x200"),
    "NotOperator": (f"datdot_operator{{{HOSTER}}}", "0+0x200"),
    "ChainSilent": (f"datdot_block_age_seconds{{{HOSTER}}}", "61+0x200"),
    "NodeBehind": (f"datdot_block{{{HOSTER}}}", "70+1x200"),
    "JournalBehind": (f"datdot_journal_block{{{HOSTER}}}", "-2+1x200"),
    "HosterStep": (f"datdot_hosting_step{{{HOSTER}}}", "1+0x200"),
    "ChallengeMissed": (f"datdot_hosting_challenges_missed{{{HOSTER}}}", "3+0x70 4+0x130"),
    "DiskLow": (f"datdot_disk_free_bytes{{{HOSTER}}}", "199+0x200"),
    "MoneyLow": (f'datdot_balance_unit{{{HOSTER}, kind="free"}}', "0.9+0x200"),
}
"""What makes each rule fire."""


@pytest.fixture
async def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ServedDashboard]:
    async with served_dashboard(tmp_path, monkeypatch) as made:
        yield made


async def test_every_series_is_one_that_a_node_tells(served: ServedDashboard) -> None:
    text = await served.text("/metrics")
    told = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE ")}
    assert len(told) > 15
    asked = [*dashboard_expressions({"instance": "hoster-1:8080"}), *rule_expressions()]
    assert len(asked) > 30
    for where, expression in asked:
        names = series_in(expression)
        assert names, where
        assert names <= told | CHAIN_SERIES, f"{where}: {names - told - CHAIN_SERIES}"


def test_all_rules_are_looked_at() -> None:
    assert [name for name, _ in rule_expressions()] == list(ILL)


def tried(path: Path, series: dict[str, str], expected: list[dict[str, Any]], expression: str) -> None:
    """Let promtool evaluate the rules on made series."""
    if shutil.which("promtool") is None:
        missing("promtool is not installed (Debian: apt install prometheus)")
    test = {
        "interval": "5s",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [{"expr": expression, "eval_time": "10m", "exp_samples": expected}],
    }
    path.write_text(json.dumps({"rule_files": [str(RULES)], "evaluation_interval": "5s", "tests": [test]}))
    promtool("test", "rules", str(path))


def test_nothing_fires_while_all_is_well(tmp_path: Path) -> None:
    tried(tmp_path / "well.yml", WELL, [], "ALERTS")


@pytest.mark.parametrize("alert", ILL)
def test_a_rule_fires_and_no_other_one(alert: str, tmp_path: Path) -> None:
    series, values = ILL[alert]
    firing = 'count by (alertname) (ALERTS{alertstate="firing"})'
    labels = f'{{alertname="{alert}"}}'
    tried(tmp_path / "ill.yml", WELL | {series: values}, [{"labels": labels, "value": 1}], firing)


@pytest.mark.parametrize("before", [True, False], ids=["a block was read before", "none was"])
async def test_a_chain_that_is_away_is_told_as_that(
    served: ServedDashboard, before: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of what a peer tells then, Prometheus makes that the chain is silent and that the peer has alerts, not that it is away."""

    async def gone(*_: object) -> Any:
        raise ConnectionLost("the chain's node is gone")

    if before:
        await served.text("/metrics")
    else:
        served.facts._snapshot = None
    await served.seal()
    monkeypatch.setattr(served.facts, "_read", gone)
    monkeypatch.setattr(NodeFacts, "age", 61.0)
    told = (line.rsplit(" ", 1) for line in (await served.text("/metrics")).splitlines() if line[0] != "#")
    series = {f"up{{{HOSTER}}}": "1+0x200"}
    for name, value in told:
        bare, _, labels = name.rstrip("}").partition("{")
        series[f"{bare}{{{HOSTER}{', ' if labels else ''}{labels}}}"] = f"{value}+0x200"
    firing = 'count by (alertname) (ALERTS{alertstate="firing", alertname=~"ChainSilent|NodeAway|NodeAlert"})'
    expected = [
        {"labels": f'{{alertname="{name}"}}', "value": count} for name, count in (("ChainSilent", 1), ("NodeAlert", 2))
    ]
    tried(tmp_path / "silent.yml", series, expected, firing)


def test_the_files_are_what_prometheus_takes() -> None:
    if shutil.which("promtool") is None:
        missing("promtool is not installed (Debian: apt install prometheus)")
    assert "rules found" in promtool("check", "rules", str(RULES))
    assert "SUCCESS" in promtool("check", "config", str(RULES.with_name("prometheus.yml")))


def test_the_dashboards_are_whole() -> None:
    """As Grafana wants them: ids of their own, places that do not overlap, a sentence for each panel."""
    boards = [json.loads(path.read_text()) for path in sorted(DASHBOARDS.glob("*.json"))]
    assert [one["uid"] for one in boards] == ["datdot-network", "datdot-node"]
    for board in boards:
        assert board["schemaVersion"] >= 39
        assert len({one["id"] for one in board["panels"]}) == len(board["panels"])
        taken: set[tuple[int, int]] = set()
        for panel in board["panels"]:
            place = panel["gridPos"]
            cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
            assert not cells & taken, panel["title"]
            assert max(x for x, _ in cells) < 24
            taken |= cells
    for where, panel in panels():
        assert panel["datasource"] == {"type": "prometheus", "uid": "prometheus"}, where
        assert all((panel["title"], panel["description"])), where
