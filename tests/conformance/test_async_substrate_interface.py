"""Unmodified async-substrate-interface against each backend, in an environment of its own; `asi/driver.py` does the work."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from substrateinterface import Keypair

from tests.support.chains import RunningChain
from tests.support.needs import missing

HERE = Path(__file__).parent / "asi"
PYTHON = HERE / ".venv" / "bin" / "python"
SECONDS = 120

pytestmark = pytest.mark.case("feeds/asi")


@pytest.fixture(scope="module")
def found(chain: RunningChain) -> dict[str, Any]:
    if not PYTHON.exists():
        missing("the environment of tests/conformance/asi is not there: make tests/conformance/asi/.venv/.setup")
    eve = Keypair.create_from_uri("//Eve")
    done = subprocess.run(
        [str(PYTHON), str(HERE / "driver.py"), chain.url, eve.public_key.hex(), eve.private_key.hex()],
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert done.returncode == 0, (lines[-3:], done.stderr[-2000:])
    return {line["step"]: line["found"] for line in lines}


def test_it_reads(found: dict[str, Any]) -> None:
    assert found["query"] is True
    assert found["paged"] >= 6
    assert found["constant"] == 10**9
    assert found["old"] == 1
    assert found["block"] >= 1
    assert found["events"] is True
    assert found["many"] == 50


def test_it_signs_and_submits(found: dict[str, Any]) -> None:
    for era in ("immortal", "mortal"):
        assert found[era] == [True, True, None]
    assert found["row"] == [True] * 5
    assert found["runtime api"] == found["nonce"] + 8


def test_it_is_told_of_failures(found: dict[str, Any]) -> None:
    success, paid, _ = found["fails"]
    assert (success, paid) == (False, True)
