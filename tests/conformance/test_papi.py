"""Unmodified polkadot-api against each backend, by chainHead_v1 alone; `papi.mjs` does the work, here its findings are checked."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runtime_mock.chainspec import ChainSpec, artifacts
from tests.support.chains import BACKENDS, RunningChain, running_chain
from tests.support.needs import missing

HERE = Path(__file__).parent
UNIT = 10**12
SECONDS = 240
BLOCK_MS = 1_000

pytestmark = [pytest.mark.node, pytest.mark.case("feeds/papi")]


@pytest.fixture(scope="module", params=BACKENDS)
def slow_chain(request: Any, tmp_path_factory: Any) -> Iterator[RunningChain]:
    """Each backend in turn. The client takes a transaction for lost that is final before it has read the block."""
    with running_chain(request.param, tmp_path_factory.mktemp("papi"), BLOCK_MS) as running:
        yield running


@pytest.fixture(scope="module")
def found(slow_chain: RunningChain) -> dict[str, Any]:
    node = shutil.which("node")
    if node is None:
        missing("Node.js is not installed")
    if not (HERE / "node_modules" / "polkadot-api").exists():
        missing("the packages of tests/conformance are not installed: npm ci")
    done = subprocess.run(
        [str(node), str(HERE / "papi.mjs"), slow_chain.url], capture_output=True, text=True, timeout=SECONDS, cwd=HERE
    )
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert done.returncode == 0, (lines[-3:], done.stderr[-2000:])
    return {line["step"]: line["found"] for line in lines}


def test_it_reads(found: dict[str, Any]) -> None:
    assert found["spec"] == ChainSpec.load(artifacts() / "chain-spec.json").name
    assert found["constant"] == str(10**9)
    assert found["finalized"] is found["account"] is found["fee"] is True
    count, sound = found["entries"]
    assert count >= 6
    assert sound
    assert found["body"] >= 1


def test_it_signs_and_submits(found: dict[str, Any]) -> None:
    assert found["submit"]["ok"] is True
    assert {"Balances.Transfer", "System.ExtrinsicSuccess"} <= set(found["submit"]["names"])
    assert found["states"] == ["signed", "broadcasted", "txBestBlocksState true", "finalized"]
    assert found["row"] == [True] * 3
    assert int(found["balance"]) == 4 * UNIT
    assert found["runtime api"] == 6


def test_it_is_told_of_failures(found: dict[str, Any]) -> None:
    assert found["fails"]["ok"] is False
    assert "Stale" in found["stale"]


def test_it_follows(found: dict[str, Any]) -> None:
    first, second, third = found["heads"]
    assert (second, third) == (first + 1, first + 2)
    assert found["best"] >= 1


def test_it_took_no_other_way(found: dict[str, Any]) -> None:
    groups = {name.rpartition("_")[0] for name in found["asked"]}
    assert groups == {"chainHead_v1", "transaction_v1", "chainSpec_v1"}
