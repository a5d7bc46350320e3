"""Write the chain's types from the runtime's metadata: `python -m service.codegen`; with `--check`, only compare."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from .describe import Metadata
from .render import modules_of

ROOT = Path(__file__).resolve().parents[2]
METADATA = ROOT / "pallet-spec" / "artifacts" / "metadata.scale"
TARGET = ROOT / "service" / "chain_client" / "pallet"


def in_form(text: str) -> str:
    """Return a module as ruff sorts and formats it. Raises CalledProcessError if it is not valid Python."""
    for command in (["check", "--select", "I,F401", "--fix", "--quiet"], ["format", "--quiet"]):
        arguments = [sys.executable, "-m", "ruff", *command, "--stdin-filename", str(TARGET / "types" / "one.py"), "-"]
        text = subprocess.run(arguments, input=text, capture_output=True, text=True, check=True).stdout
    return text


def generated(metadata: Path = METADATA) -> dict[Path, str]:
    """Return what the generated files must contain, by path, from the metadata (V14)."""
    return {TARGET / name: text for name, text in modules_of(Metadata(metadata.read_bytes()), in_form).items()}


def differing(files: dict[Path, str]) -> list[Path]:
    """Return the files that are missing or have a different content."""
    return [path for path, text in files.items() if not path.is_file() or path.read_text() != text]


def main() -> None:
    """Write the chain's types from the runtime's metadata."""
    parser = argparse.ArgumentParser(prog="python -m service.codegen", description=main.__doc__)
    parser.add_argument("--metadata", type=Path, default=METADATA)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a file is not what it would be")
    chosen = parser.parse_args()
    files = generated(chosen.metadata)
    found = differing(files)
    if chosen.check and found:
        sys.exit("not what the metadata says (run `python -m service.codegen`): " + ", ".join(map(str, found)))
    for path in [] if chosen.check else found:
        path.parent.mkdir(exist_ok=True)
        path.write_text(files[path])
        print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
