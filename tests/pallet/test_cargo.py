"""The Rust tests of the pallet, the runtime and the encoding, run by cargo."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.needs import missing

SPEC = Path(__file__).parents[2] / "pallet-spec"
# A cold build of all dependencies on two cores takes minutes, on a busy machine many.
SECONDS = 40 * 60
# Lines at the end of cargo's output that a failed test shows: cargo repeats failures there.
SHOWN = 120


def cargo() -> str:
    """Cargo's path; without it the test is skipped, or fails in CI."""
    found = shutil.which("cargo")
    return found or missing("cargo is missing: install Rust 1.89 or newer (https://rustup.rs)")


@pytest.mark.rust
@pytest.mark.slow
@pytest.mark.timeout(SECONDS + 60)
@pytest.mark.parametrize(
    ("workspace", "least"),
    [(SPEC, 100), (SPEC / "encoding", 8), (SPEC / "encoding/native", 17)],
    ids=["pallet", "encoding", "native"],
)
def test_the_rust_tests_pass(workspace: Path, least: int) -> None:
    done = subprocess.run(
        [cargo(), "test", "--locked", "--workspace"],
        cwd=workspace,
        env={**os.environ, "CARGO_TERM_COLOR": "never"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    if done.returncode:
        pytest.fail("cargo test failed:\n" + "\n".join(done.stdout.splitlines()[-SHOWN:]), pytrace=False)
    passed = sum(int(count) for count in re.findall(r"test result: ok\. (\d+) passed", done.stdout))
    assert passed >= least, f"cargo ran {passed} tests only:\n{done.stdout[-2000:]}"
