"""`make lives` and `make fuzz` in their short forms, and that they find what is put in."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from runtime_mock.model.datdot import retrieval

from . import lives


def test_lives_are_right() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.play.lives", "--lives", "4", "--blocks", "100", "--jobs", "2"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("4 of 4 lives right: ")


def test_a_runtime_that_pays_twice_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    pay: Any = vars(retrieval)["pay"]

    def twice(*arguments: Any) -> Any:
        pay(*arguments)
        return pay(*arguments)

    monkeypatch.setattr(retrieval, "pay", twice)
    # not in each life of so few blocks a report is paid
    found = next(life for life in (lives.lived(number, 150) for number in range(40)) if life.why)
    assert found.why.startswith("AssertionError")


def test_a_seed_of_the_fuzzer_is_the_same_in_every_process() -> None:
    command = [sys.executable, "-m", "tests.differential", "--seed", "7", "--lives", "1"]
    shown = [subprocess.run(command, capture_output=True, text=True, check=False).stdout for _ in range(2)]
    assert shown[0] == shown[1]
    assert shown[0].startswith("seed 7: 1 lives, ")
