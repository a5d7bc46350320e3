"""The command line is what it was when other programs began to rely on it.

`contract.json` was recorded at commit 6262d03, by `tests/support/contract.py`. New commands, options, codes and keys are added
to it. What stands in it changes only together with a line in CHANGELOG that says so.
"""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import typer

from service.cli.commands import COMMANDS, program
from service.cli.failures import CODES
from tests.support.cli_process import WAIT, running_chain
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


def test_each_code_is_that_of_a_class() -> None:
    for name in CODES:
        module, _, kind = name.rpartition(".")
        assert issubclass(getattr(import_module(module), kind), Exception)
        assert getattr(import_module(module), kind).__module__ == module, "an error is looked up by where it is defined"


@pytest.mark.parametrize("name", COMMANDS)
def test_what_the_list_of_commands_says_of_one_is_what_it_says_itself(name: str) -> None:
    """`datdot --help` imports no command: their first lines stand in a table."""
    group: Any = typer.main.get_command(program(name))
    assert group.commands[name].help.splitlines()[0] == COMMANDS[name][2]


def test_a_command_imports_only_what_it_needs() -> None:
    script = "import sys; from service.cli.commands import program; program(); print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=WAIT)
    assert not {name for name in ran.stdout.split() if name.startswith("service.")} - {
        "service.cli", "service.cli.commands", "service.cli.interrupts", "service.cli.output",
    }  # fmt: skip
