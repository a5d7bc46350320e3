"""schemathesis, which is given the API's document alone, finds nothing that the document does not say."""

from __future__ import annotations

import asyncio
import json
import subprocess
from pathlib import Path

import pytest

from tests.support.dashboard import served_dashboard
from tests.support.needs import missing

pytestmark = pytest.mark.slow

HERE = Path(__file__).parents[1] / "conformance" / "schemathesis"
PROGRAM = HERE / ".venv" / "bin" / "schemathesis"
PHASES = "examples,coverage,fuzzing"


def run(url: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [
        str(PROGRAM),
        "run",
        f"{url}/api/openapi.json",
        "--phases",
        PHASES,
        "--seed",
        "7",
        "--max-examples",
        "40",
    ]
    return subprocess.run(command, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=500)


async def test_schemathesis_finds_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not PROGRAM.exists():
        missing(
            "the environment of tests/conformance/schemathesis is not there: make tests/conformance/schemathesis/.venv/.setup"
        )
    async with served_dashboard(tmp_path, monkeypatch) as served:
        document = await served.text("/api/openapi.json")
        done = await asyncio.to_thread(run, served.url, tmp_path)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    operations = len(json.loads(document)["paths"]) - 1  # the document itself is asked for once
    assert operations > 15
    assert f"Selected: {operations}/{operations}" in done.stdout, done.stdout[-3000:]
    assert f"Tested: {operations}" in done.stdout, done.stdout[-3000:]
