"""What deploy/ asks of Prometheus: every expression of every panel and rule, and the series that it names."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

DEPLOY = Path(__file__).parents[2] / "deploy"
RULES = DEPLOY / "prometheus" / "alerts.yml"
DASHBOARDS = DEPLOY / "grafana" / "dashboards"
_SERIES = re.compile(r"\b(datdot_\w+|substrate_\w+|up)\b(?=\s*[{\[)\s]|$)")
_STRINGS = re.compile(r'"[^"]*"')


def panels() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every panel, with where it stands."""
    for path in sorted(DASHBOARDS.glob("*.json")):
        for panel in json.loads(path.read_text())["panels"]:
            yield f"{path.name}: {panel['title']}", panel


def dashboard_expressions(variables: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield every expression of a panel, with its variables replaced."""
    for where, panel in panels():
        for target in panel["targets"]:
            expression = target["expr"]
            for name, value in variables.items():
                expression = expression.replace(f"${name}", value)
            assert "$" not in expression, f"{where}: a variable is not known here: {expression}"
            yield where, expression


def rule_expressions() -> Iterator[tuple[str, str]]:
    """Yield every expression of a rule, with the alert's name."""
    alert = ""
    for line in RULES.read_text().splitlines():
        name, found, rest = line.strip().removeprefix("- ").partition(": ")
        if found and name == "alert":
            alert = rest
        if found and name == "expr":
            yield alert, rest


def series_in(expression: str) -> set[str]:
    """Return the names of the series that an expression asks for."""
    return set(_SERIES.findall(_STRINGS.sub('""', expression)))


def promtool(*arguments: str) -> str:
    """Run promtool, which must succeed, and return what it prints."""
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
