"""Unmodified @polkadot/api against each backend; `driver.mjs` does the work, here its findings are checked."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from runtime_mock.chainspec import ChainSpec, artifacts
from tests.support.chains import RunningChain
from tests.support.needs import missing

HERE = Path(__file__).parent
UNIT = 10**12
SECONDS = 120

pytestmark = [pytest.mark.node, pytest.mark.case("feeds/pjs")]


@pytest.fixture(scope="module")
def found(chain: RunningChain) -> dict[str, Any]:
    node = shutil.which("node")
    if node is None:
        missing("Node.js is not installed")
    if not (HERE / "node_modules" / "@polkadot" / "api").exists():
        missing("the packages of tests/conformance are not installed: npm ci")
    done = subprocess.run(
        [str(node), str(HERE / "driver.mjs"), chain.url], capture_output=True, text=True, timeout=SECONDS, cwd=HERE
    )
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert done.returncode == 0, (lines[-3:], done.stderr[-2000:])
    return {line["step"]: line["found"] for line in lines}


def test_it_connects_by_metadata_v16(found: dict[str, Any]) -> None:
    assert found["connect"]["metadata"] == 16
    assert found["connect"]["spec"] == "datdot"
    assert found["connect"]["chain"] == ChainSpec.load(artifacts() / "chain-spec.json").name
    assert found["constant"] == str(10**9)


def test_maps_and_pages(found: dict[str, Any]) -> None:
    assert found["map"] is True
    assert sum(found["paged"]["pages"]) == found["paged"]["entries"] >= 6
    assert max(found["paged"]["pages"]) == 2
    assert len(found["multi"]) == 2


@pytest.mark.parametrize("era", ["immortal", "mortal"])
@pytest.mark.parametrize("scheme", ["sr25519", "ed25519"])
def test_it_signs_and_submits(found: dict[str, Any], scheme: str, era: str) -> None:
    result = found[f"submit {scheme} {era}"]
    statuses = [one for one in result["statuses"] if one != "Broadcast"]
    # the client drops a status when the next one comes while it still reads the block's events
    assert [one for one in statuses if one != "InBlock"] == ["Ready", "Finalized"]
    assert statuses[1:-1] in ([], ["InBlock"])
    assert result["error"] is None
    assert result["index"] == 1
    assert result["names"][0] == "balances.Withdraw"
    assert "balances.Transfer" in result["names"]
    assert result["names"][-1] == "system.ExtrinsicSuccess"


def test_errors_have_their_names(found: dict[str, Any]) -> None:
    assert found["bad origin"]["error"] == "BadOrigin"
    assert found["require sudo"]["error"] == "RequireSudo"
    assert found["stale"] == {"code": 1010, "message": "1010: Invalid Transaction: Transaction is outdated"}


def test_fees(found: dict[str, Any]) -> None:
    assert int(found["fee"]["partial"]) > 0
    assert found["fee"]["kind"] == "Normal"


def test_blocks_hash_to_their_names(found: dict[str, Any]) -> None:
    assert found["block"] == {"same": True, "first": ["timestamp.set"]}
    assert found["events at"] is True
    assert found["runtime api"] == found["multi"][1] + 2, "the nonce after two calls that failed"
    assert found["proof"] is True


def test_subscriptions(found: dict[str, Any]) -> None:
    heads = found["heads"]
    assert len(heads) >= 3
    assert heads == list(range(heads[0], heads[0] + len(heads)))
    steps = [int(after) - int(before) for before, after in zip(found["balances"], found["balances"][1:], strict=False)]
    assert steps == [UNIT] * 4


def test_a_trial_and_many_in_a_row(found: dict[str, Any]) -> None:
    assert found["dry run"] == {"Ok": {"Ok": []}}
    assert found["peer"] == "12D3KooW"
    assert found["row"] == 7
    assert found["derived"] is True
