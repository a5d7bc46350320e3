"""The programs of examples/ do what they say, each run as a process of its own, outside of this repository."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples"
SECONDS = 120


def run(directory: Path, *command: str) -> str:
    """Run Python in a directory; what it printed. Fails unless it ends with 0."""
    done = subprocess.run(
        [sys.executable, *command], cwd=directory, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_example_is_run_here() -> None:
    assert {path.name for path in EXAMPLES.glob("*.py")} == {
        "replicate.py", "swarm.py", "chain_client.py", "test_with_mock.py",
    }  # fmt: skip


def test_a_hypercore_is_served_and_fetched(tmp_path: Path) -> None:
    first, second = run(tmp_path, str(EXAMPLES / "replicate.py")).splitlines()
    assert re.fullmatch(r"fetched 2 blocks of [0-9a-f]{64}", first)
    assert second == "hello world"


def test_peers_meet_in_a_swarm(tmp_path: Path) -> None:
    first, second = run(tmp_path, str(EXAMPLES / "swarm.py")).splitlines()
    assert re.fullmatch(r"fetched 2 blocks of [0-9a-f]{64}", first)
    assert second == "hello swarm"


def test_our_client_transfers_and_tells_the_events(tmp_path: Path) -> None:
    *events, last = run(tmp_path, str(EXAMPLES / "chain_client.py")).splitlines()
    assert "Balances.Transfer" in events
    assert events[-1] == "System.ExtrinsicSuccess"
    assert "has 5 UNIT more" in last


def test_the_mock_serves_in_the_tests_of_another_project(tmp_path: Path) -> None:
    """As a project that has its own settings of pytest, and not ours."""
    shutil.copy(EXAMPLES / "test_with_mock.py", tmp_path)
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = -p no:cacheprovider\n")
    assert "2 passed" in run(tmp_path, "-m", "pytest", "-q", "test_with_mock.py")
