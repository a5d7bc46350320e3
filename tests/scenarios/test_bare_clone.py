"""What a newcomer does: clone the repository, and type `make demo`."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.cli_process import environment
from tests.support.needs import missing

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
REPLICAS = 3
LONGEST = 1_800
"""Seconds, after which it hangs: far more than the five minutes of a machine that has nothing else to do."""


def bare_environment() -> dict[str, str]:
    """The environment without this checkout's own Python, and without the make that may run these tests."""
    kept = environment()
    path = [one for one in kept["PATH"].split(":") if not one.startswith(str(ROOT))]
    ours = ("VIRTUAL_ENV", "PYTHONPATH", "MAKEFLAGS", "MAKELEVEL", "MFLAGS", "MAKEOVERRIDES", "ARGS")
    return {name: value for name, value in kept.items() if name not in ours} | {"PATH": ":".join(path)}


def test_make_demo_on_a_bare_clone(tmp_path: Path) -> None:
    for tool in ("git", "make"):
        if shutil.which(tool) is None:
            missing(f"{tool} is not installed")
    if not (ROOT / ".git").exists():
        missing(f"{ROOT} is no git checkout")
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", f"file://{ROOT}", clone], check=True, capture_output=True)
    arguments = f"--json --replicas {REPLICAS} --dir {tmp_path / 'kept'}"
    ran = subprocess.run(
        ["make", "demo", f"ARGS={arguments}"], cwd=clone, env=bare_environment(), capture_output=True, text=True, timeout=LONGEST,
    )  # fmt: skip
    assert ran.returncode == 0, (ran.stdout[-3000:], ran.stderr[-6000:])
    found = json.loads(ran.stdout.splitlines()[-1])
    assert found["ok"] is True
    assert found["chain"] == "model"
    assert found["active"] == REPLICAS
    assert found["identical"] is True
    assert found["bytes_read_back"] == found["bytes"] > 3 << 20
    assert (clone / ".venv").is_dir()
    assert not subprocess.run(
        ["git", "status", "--porcelain"], cwd=clone, capture_output=True, text=True, check=True
    ).stdout, "set-up and demo leave the checkout clean"
