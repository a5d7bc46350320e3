"""Search for bytes that break a decoder: `python -m tests.fuzz [--seconds N] [NAME...]`, N for each decoder.

It needs atheris (`pip install atheris`), which follows the code's branches. What it finds new is kept in `tests/fuzz/kept`,
smallest first and few of each; a crash stops it, with the input in `crash-*` in the current directory.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from types import FunctionType

from .decoders import decoders

KEPT = Path(__file__).parent / "kept"
KEPT_EACH, KEPT_BYTES = 12, 600


def functions(package: str) -> list[FunctionType]:
    """Return the functions and methods of a package's loaded modules."""
    found: dict[int, FunctionType] = {}
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == package:
            members = [one for one in vars(module).values() if getattr(one, "__module__", None) == name]
            for owner in [one for one in members if isinstance(one, type)]:
                members += [getattr(one, "__func__", getattr(one, "fget", one)) for one in vars(owner).values()]
            found |= {id(one): one for one in members if isinstance(one, FunctionType)}
    return list(found.values())


def search(name: str, corpus: Path, seconds: int) -> int:
    """Search in this process. Does not return on success: libFuzzer ends the process."""
    atheris = importlib.import_module("atheris")  # no dependency: only this command needs it
    decoder = decoders()[name]
    for function in functions("service"):
        atheris.instrument_func(function)
    atheris.Setup(
        [sys.argv[0], str(corpus), f"-max_total_time={seconds}", "-max_len=4096", "-timeout=10", "-rss_limit_mb=2048"],
        decoder.run,
    )
    atheris.Fuzz()
    return 0


def keep(name: str, corpus: Path) -> int:
    """Keep the smallest inputs that reached something new. Return how many."""
    target = KEPT / name
    shutil.rmtree(target, ignore_errors=True)
    found = sorted((path.read_bytes() for path in corpus.iterdir()), key=len)
    kept = [data for data in found if 0 < len(data) <= KEPT_BYTES]
    kept = kept[:: max(1, len(kept) // KEPT_EACH)][:KEPT_EACH]
    for data in kept:
        target.mkdir(parents=True, exist_ok=True)
        (target / hashlib.sha256(data).hexdigest()[:12]).write_bytes(data)
    return len(kept)


def main() -> int:
    """Search with each decoder in a process of its own. Return 1 if one broke."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("names", nargs="*", default=[], metavar="NAME", help="decoders (default: all)")
    parser.add_argument("--seconds", type=int, default=120, help="for each decoder")
    parser.add_argument("--search-in", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    names = options.names or sorted(decoders())
    if options.search_in is not None:
        return search(names[0], options.search_in, options.seconds)
    failed = []
    for name in names:
        with tempfile.TemporaryDirectory() as directory:
            corpus = Path(directory)
            kept = (path.read_bytes() for path in sorted((KEPT / name).glob("*")))
            for number, data in enumerate([*decoders()[name].seeds, *kept]):
                (corpus / f"seed{number}").write_bytes(data)
            command = [sys.executable, "-m", "tests.fuzz", name, "--seconds", str(options.seconds)]
            done = subprocess.run([*command, "--search-in", directory], capture_output=True, text=True, check=False)
            runs = [line for line in done.stderr.splitlines() if line.startswith(("#", "stat::")) and "DONE" in line]
            print(f"{name}: {runs[-1] if runs else ''} kept {keep(name, corpus)}", flush=True)
            if done.returncode:
                failed.append(name)
                print(done.stderr[-4000:] + done.stdout[-2000:], flush=True)
    print("ok" if not failed else f"BROKE: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
