"""The workflow of a forge runs what everybody runs, with no more rights than it needs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
FILE = ROOT / ".github" / "workflows" / "ci.yml"
RUN, KEYS = ".ci/run", {"run", "uses", "with", "name", "env"}


def workflow() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.load(FILE.read_text(), Loader=yaml.BaseLoader)  # as text: `on` is no truth value
    return loaded


def steps() -> list[dict[str, Any]]:
    return [step for job in workflow()["jobs"].values() for step in job["steps"]]


def test_it_runs_what_everybody_runs_and_nothing_beside_it() -> None:
    last = workflow()["jobs"]["run"]["steps"][-1]
    assert last == {"run": RUN}
    assert (ROOT / RUN).stat().st_mode & 0o100
    assert not [step for step in steps() if "pytest" in step.get("run", "")]


def test_what_the_test_command_leaves_out_is_run_after_it() -> None:
    left_out = set(re.findall(r"--ignore=tests/([^\s)]+)", (ROOT / "Makefile").read_text()))
    commands = (ROOT / RUN).read_text().splitlines()
    assert left_out == {"containers"}
    (after,) = [commands[number + 1 :] for number, line in enumerate(commands) if line.startswith("make test")]
    assert left_out == {line.split()[1] for line in after if line.startswith("make ")}


def test_every_job_ends_and_has_few_rights() -> None:
    found = workflow()
    assert found["permissions"] == {"contents": "read"}
    assert set(found["on"]) == {"push", "pull_request"}
    for name, job in found["jobs"].items():
        assert int(job["timeout-minutes"]) <= 120, name
        assert job.get("needs", "node") in found["jobs"], name
        assert "permissions" not in job, name


def test_every_step_is_one_and_no_text_of_a_stranger_becomes_a_command() -> None:
    for step in steps():
        assert step.keys() <= KEYS, step
        assert ("run" in step) != ("uses" in step), step
        assert "${{" not in step.get("run", ""), step
        if "uses" in step:
            assert re.fullmatch(r"actions/[a-z-]+@v\d+", step["uses"]), step


def test_the_node_is_that_of_the_containers() -> None:
    image = workflow()["jobs"]["node"]["env"]["IMAGE"]
    assert f"${{DATDOT_NODE_IMAGE:-{image}}}" in (ROOT / "docker-compose.yml").read_text()
