"""The command line is what it was when other programs began to rely on it.

`contract.json` was recorded at commit 6262d03, by `tests/support/contract.py`. New commands, options, codes and keys are added
to it. What stands in it changes only together with a line in CHANGELOG that says so.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.support.cli_process import running_chain
from tests.support.contract import commands, error_codes, recorded

CONTRACT: dict[str, Any] = json.loads((Path(__file__).parent / "contract.json").read_text())


def test_commands_options_and_defaults() -> None:
    assert commands() == CONTRACT["commands"]


def test_error_codes() -> None:
    assert error_codes() == CONTRACT["error codes"]


def test_results_files_and_exit_codes(tmp_path: Path) -> None:
    (tmp_path / "chain").mkdir()
    with running_chain("model", tmp_path / "chain") as chain:
        found = recorded(tmp_path, chain.url)
    expected = {name: CONTRACT[name] for name in found}
    assert json.dumps(found, indent=1) == json.dumps(expected, indent=1), "keys come in this order"
