"""What a newcomer waits for: a bare clone, `make demo`, and the whole job done once."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from .registry import Figures, Report, Unavailable, measures

ROOT = Path(__file__).resolve().parents[1]
LEAST = "substrate-interface"
"""What a Python program on a Substrate chain installs in any case."""
OURS = ("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME", "MAKEFLAGS", "MAKELEVEL", "MFLAGS", "MAKEOVERRIDES", "ARGS")
SECONDS = 1_800
PART = 1_500
"""Characters of a command's output that an error shows."""


@measures("demo/first-run")
def first_run(report: Report) -> Figures:
    """Measure `make demo` from a clone without an environment; the codec's wheel is taken from the cache if it was built."""
    for tool in ("git", "make"):
        if shutil.which(tool) is None:
            raise Unavailable(f"{tool} is not installed")
    if not (ROOT / ".git").exists():
        raise Unavailable(f"{ROOT} is no git checkout")
    with tempfile.TemporaryDirectory(prefix="datdot-bench-") as name:
        clone = Path(name) / "clone"
        _run(["git", "clone", "--quiet", f"file://{ROOT}", str(clone)], Path(name))
        report("make demo")
        demo, said = _run(["make", "demo", "ARGS=--json"], clone)
        ended = json.loads(said.splitlines()[-1])
        assert ended["ok"] is True
        assert ended["identical"] is True
        report(f"an environment with {LEAST} alone")
        pip = [
            str(Path(name) / "venv/bin/python"),
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            LEAST,
        ]
        least = _run([sys.executable, "-m", "venv", str(Path(name) / "venv")], Path(name))[0] + _run(pip, Path(name))[0]
    how = (
        f"from nothing but the clone to the end of `make demo`: {ended['bytes']} bytes in {ended['active']} copies, read back; "
        "packages as pip finds them, the codec's wheel from the cache if it was built before"
    )
    return Figures("s", demo, least, f"a venv with {LEAST} alone", how)


def _run(command: Sequence[str], directory: Path) -> tuple[float, str]:
    """Run a command without this checkout's own Python. Return the seconds and its output. Raises RuntimeError."""
    path = os.pathsep.join(one for one in os.environ["PATH"].split(os.pathsep) if not one.startswith(str(ROOT)))
    environment = {name: value for name, value in os.environ.items() if name not in OURS} | {"PATH": path}
    start = time.perf_counter()
    ran = subprocess.run(
        list(command), cwd=directory, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    if ran.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {ran.returncode}: {ran.stderr[-PART:]}")
    return time.perf_counter() - start, ran.stdout
