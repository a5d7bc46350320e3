"""The installer of the codec in Rust: one line where something is missing and never an error, one build for all checkouts."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

NATIVE = Path(__file__).parents[2] / "pallet-spec/encoding/native"
TOOLS = [
    "bash",
    "env",
    "realpath",
    "dirname",
    "find",
    "sort",
    "xargs",
    "sha256sum",
    "cut",
    "uname",
    "sed",
    "mktemp",
    "mkdir",
    "rm",
    "mv",
    "touch",
    "cat",
]
PYTHON = """#!/usr/bin/env bash
echo "$@" >>"$LOG"
case "$*" in
*"pip wheel"*)
    [ -n "${BREAK:-}" ] && { echo "no network" >&2; exit 1; }
    while [ "$1" != --wheel-dir ]; do shift; done
    echo wheel >"$2/datdot_codec-0.1.0-any.whl" ;;
*"pip install"*)
    while [ $# -gt 1 ]; do shift; done
    [ -z "${REFUSE:-}" ] && [ "$(cat "$1")" = wheel ] || { echo "not a supported wheel on this platform" >&2; exit 1; } ;;
esac
"""


class Machine:
    """A machine with few tools, a Python that notes what it is asked for, and the cargo that a test gives it."""

    def __init__(self, folder: Path) -> None:
        self.bin, self.log, self.stamp, self.cache = (folder / name for name in ("bin", "log", "stamp", "cache"))
        self.bin.mkdir()
        for tool in TOOLS:
            found = shutil.which(tool)
            assert found is not None, tool
            (self.bin / tool).symlink_to(found)
        self._program("python", PYTHON)

    def _program(self, name: str, text: str) -> None:
        (self.bin / name).write_text(text)
        (self.bin / name).chmod(0o755)

    def cargo(self, version: str) -> None:
        self._program("cargo", f"#!/usr/bin/env bash\necho 'cargo {version} (abc 2026-01-01)'\n")

    def broken_cargo(self, says: str) -> None:
        self._program("cargo", f"#!/usr/bin/env bash\n{says}\n")

    def install(self, **environment: str) -> list[str]:
        """Run the installer. Returns the lines that it prints; it must not fail."""
        fixed = {"PATH": str(self.bin), "HOME": "/nonexistent", "XDG_CACHE_HOME": str(self.cache), "LOG": str(self.log)}
        done = subprocess.run(
            [NATIVE / "install.sh", self.bin / "python", self.stamp],
            env={**fixed, **environment},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout == ""
        return done.stderr.splitlines()

    def asked(self) -> list[str]:
        """What Python was asked for since the last look."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        self.log.unlink(missing_ok=True)
        return [line.split()[2] for line in lines]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_without_cargo_a_line_says_what_is_slower(machine: Machine) -> None:
    lines = machine.install()
    assert len(lines) == 1
    assert "cargo was not found (Rust 1.89 or newer" in lines[0]
    assert "decoded at a tenth of the speed" in lines[0]
    assert machine.asked() == []
    assert not machine.stamp.exists()  # cargo may still come


def test_an_old_cargo_is_as_none(machine: Machine) -> None:
    machine.cargo("1.63.0")
    (line,) = machine.install()
    assert line.startswith("cargo 1.63 is older than 1.89")
    assert machine.asked() == []


def test_a_build_serves_all_checkouts(machine: Machine) -> None:
    machine.cargo("1.96.0")
    (line,) = machine.install()
    assert line.startswith("building the codec by cargo, once")
    assert machine.asked() == ["wheel", "install"]
    assert machine.stamp.exists()
    assert machine.install() == []
    assert machine.asked() == ["install"]
    (machine.bin / "cargo").unlink()
    assert machine.install() == []
    assert machine.asked() == ["install"]


def test_a_build_that_fails_is_not_tried_at_each_call(machine: Machine) -> None:
    machine.cargo("1.96.0")
    _, line = machine.install(BREAK="yes")
    assert line.startswith("the codec could not be built")
    assert machine.asked() == ["wheel"]
    assert machine.stamp.exists()
    log = machine.cache / "datdot/codec/build.log"
    assert str(log) in line
    assert log.read_text() == "no network\n"
    assert sorted(os.listdir(log.parent)) == ["build.log"]


@pytest.mark.parametrize(
    "says",
    [
        "echo 'error: rustup could not choose a version of cargo to run' >&2; exit 1",
        "echo 'error while loading shared libraries' >&2; exit 127",
        "echo 'usage: cargo'",
        "true",
    ],
)
def test_a_cargo_that_does_not_work_is_as_none(machine: Machine, says: str) -> None:
    """Of rustup only the names may be there: no toolchain was chosen, or the one that was is gone."""
    machine.broken_cargo(says)
    (line,) = machine.install()
    assert line.startswith("cargo does not work (`cargo --version` says what is wrong)")
    assert "decoded at a tenth of the speed" in line
    assert machine.asked() == []
    assert not machine.stamp.exists()


def test_a_cargo_of_another_age_is_new_enough(machine: Machine) -> None:
    machine.cargo("2.1.0")
    machine.install()
    assert machine.asked() == ["wheel", "install"]


def test_a_wheel_that_was_damaged_in_the_cache_is_built_again(machine: Machine) -> None:
    machine.cargo("1.96.0")
    machine.install()
    (wheel,) = machine.cache.rglob("*.whl")
    wheel.write_text("half a wh")
    machine.asked()
    machine.stamp.unlink()
    (line,) = machine.install()
    assert line.startswith("building the codec by cargo")
    assert machine.asked() == ["install", "wheel", "install"]
    assert machine.stamp.exists()
    assert machine.install() == []
    assert machine.asked() == ["install"]


def test_a_wheel_that_python_refuses_is_told_and_ends_nothing(machine: Machine) -> None:
    machine.cargo("1.96.0")
    _, line = machine.install(REFUSE="yes")
    assert line.startswith("the codec was built, but cannot be installed")
    assert "not a supported wheel on this platform" in (machine.cache / "datdot/codec/build.log").read_text()
    assert machine.stamp.exists()
    (machine.bin / "cargo").unlink()
    (line,) = machine.install()  # nothing of it went to the cache, from where it would be tried at each call
    assert line.startswith("cargo was not found")


def test_a_cache_that_cannot_be_written_costs_a_line(machine: Machine) -> None:
    machine.cargo("1.96.0")
    machine.cache.write_text("no folder")
    (line,) = machine.install()
    assert line.startswith(f"{machine.cache}/datdot/codec cannot be written")
    assert machine.asked() == []
    assert not machine.stamp.exists()
