"""Run the tests of every case and say how many hold: `python -m tests.cases [options of pytest]`."""

from __future__ import annotations

import sys
from collections import defaultdict

import pytest

from .catalogue import CASES


class Count:
    """A pytest plugin that gathers the outcomes of each case's tests."""

    def __init__(self) -> None:
        self.outcomes: dict[str, list[str]] = defaultdict(list)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> object:
        report: pytest.TestReport = yield  # type: ignore[assignment]
        if report.when == "call" or report.outcome != "passed":
            for mark in item.iter_markers("case"):
                self.outcomes[mark.args[0]].append(report.outcome)
        return report


def main(arguments: list[str]) -> int:
    """Run the tests, print a line for each case and the count. Return 1 unless all hold."""
    count = Count()
    code = pytest.main(["-m", "case", "-q", *arguments, "tests"], plugins=[count])
    held = 0
    for name, right in sorted(CASES.items()):
        outcomes = count.outcomes.get(name, [])
        holds = bool(outcomes) and set(outcomes) == {"passed"}
        held += holds
        word = "ok" if holds else "no test" if not outcomes else "FAILED" if "failed" in outcomes else "skipped"
        print(f"{word:8}{name}: {right}")
    print(f"{held} of {len(CASES)}")
    return 0 if held == len(CASES) and code == pytest.ExitCode.OK else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
