"""The distribution, built and installed somewhere else, works: the command, and the mock chain with its artefacts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.support.cli_process import WAIT, environment

ROOT = Path(__file__).parents[2]
BUILD = 600

pytestmark = pytest.mark.slow


def run(*command: object, cwd: Path, timeout: int = WAIT) -> str:
    ran = subprocess.run(
        [str(part) for part in command],
        capture_output=True, text=True, timeout=timeout, check=False, cwd=cwd, env=environment(),
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin directory of a fresh environment with the wheel in it; what it depends on is borrowed from this one."""
    base = tmp_path_factory.mktemp("wheel")
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")
    run(*pip, "wheel", "--no-deps", "--wheel-dir", base, ROOT, cwd=base, timeout=BUILD)
    (wheel,) = base.glob("datdot_service-*.whl")
    run(sys.executable, "-m", "venv", "--without-pip", base / "venv", cwd=base)
    python = base / "venv" / "bin" / "python"
    run(*pip, "--python", python, "install", "--no-deps", wheel, cwd=base, timeout=BUILD)
    (site,) = (base / "venv" / "lib").glob("python*/site-packages")
    (site / "borrowed.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return base / "venv" / "bin"


def test_it_is_the_installed_one(installed: Path, tmp_path: Path) -> None:
    script = "import runtime_mock, service; print(runtime_mock.__file__, service.__file__)"
    for file in run(installed / "python", "-c", script, cwd=tmp_path).split():
        assert Path(file).is_relative_to(installed.parent)


def test_the_command(installed: Path, tmp_path: Path) -> None:
    assert "devnet" in run(installed / "datdot", "--help", cwd=tmp_path)
    assert run(installed / "datdot", "--version", cwd=tmp_path).startswith("datdot ")
    (tmp_path / "file").write_bytes(os.urandom(100_000))
    made = json.loads(run(installed / "datdot", "feed", "import", "file", "--dir", "dir", "--json", cwd=tmp_path))
    run(installed / "datdot", "feed", "export", made["key"], "out", "--dir", "dir", cwd=tmp_path)
    assert (tmp_path / "out").read_bytes() == (tmp_path / "file").read_bytes()


@pytest.mark.parametrize("backend", ["model", "wasm"])
def test_the_mock_chain(installed: Path, tmp_path: Path, backend: str) -> None:
    command = [str(installed / "python"), "-m", "runtime_mock", "--backend", backend, "--port", "0"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=tmp_path, env=environment()
    ) as process:
        try:
            assert process.stdout is not None
            ready = json.loads(process.stdout.readline())
            status = run(installed / "datdot", "chain", "status", "--chain", ready["rpc"], "--json", cwd=tmp_path)
            assert json.loads(status)["genesis"] == ready["genesis"]
        finally:
            process.terminate()
            process.wait(60)


def test_the_dashboard(installed: Path, tmp_path: Path) -> None:
    script = (
        "import jinja2; from service.ui.static_files import static_files; "
        "print(*sorted(static_files()), *jinja2.PackageLoader('service.ui').list_templates())"
    )
    found = run(installed / "python", "-c", script, cwd=tmp_path).split()
    here = ROOT / "service" / "ui"
    assert sorted(found) == sorted(
        path.name for folder in ("static", "templates") for path in (here / folder).iterdir()
    )
