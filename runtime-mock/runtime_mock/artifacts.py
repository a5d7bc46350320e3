"""The runtime's artefacts, made from its wasm, and the digest of the sources from which they were made.

`python -m runtime_mock.artifacts digest` prints the digest of the sources, `… build WASM` writes the artefacts.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path

import cramjam

from .chainspec import build_genesis, raw_spec
from .codec import Reader
from .state.overlay import Overlay
from .state.trie import Trie
from .wasm.runtime import COMPRESSED, WasmRuntime

WASM, SPEC, DIGEST = "datdot_runtime.compact.compressed.wasm", "chain-spec.json", "sources.sha256"
METADATA = {14: "metadata.scale", 15: "metadata-v15.scale", 16: "metadata-v16.scale"}
ZSTD_LEVEL = 19


def sources(root: Path) -> list[Path]:
    """Return the files that make the wasm: manifests, Cargo.lock and Rust sources without tests, below `pallet-spec`."""
    found = [root / "Cargo.toml", root / "Cargo.lock"]
    for crate in ("encoding", "pallet", "runtime"):
        found.append(root / crate / "Cargo.toml")
        found += [one for one in (root / crate / "src").rglob("*.rs") if not _is_test(one)]
    return sorted(found)


def _is_test(path: Path) -> bool:
    return path.name == "tests.rs" or "tests" in path.parts


def digest(root: Path) -> str:
    """Return the SHA-256 of the sources' names and bytes."""
    hasher = hashlib.sha256()
    for path in sources(root):
        data = path.read_bytes()
        hasher.update(f"{path.relative_to(root).as_posix()}\0{len(data)}\0".encode() + data)
    return hasher.hexdigest()


def build(wasm: Path, root: Path) -> None:
    """Write all artefacts of a runtime into `root/artifacts`, the digest of the sources last."""
    out = root / "artifacts"
    out.mkdir(exist_ok=True)
    raw = wasm.read_bytes()
    runtime = WasmRuntime(raw)
    for version, name in METADATA.items():
        reader = Reader(runtime.call(Overlay(Trie()), "Metadata_metadata_at_version", version.to_bytes(4, "little")))
        if not reader.uint(1):
            raise SystemExit(f"the runtime has no metadata of version {version}")
        (out / name).write_bytes(reader.bytes())
    code = COMPRESSED + bytes(cramjam.zstd.compress(raw, ZSTD_LEVEL))
    (out / WASM).write_bytes(code)
    spec = raw_spec(build_genesis(runtime, code, "development"), "datdot", "datdot-dev", "Development")
    (out / SPEC).write_text(json.dumps(spec, indent=1) + "\n")
    (out / DIGEST).write_text(digest(root) + "\n")


def main() -> None:
    """Build the runtime's artefacts, or print the digest of its sources."""
    parser = argparse.ArgumentParser(prog="python -m runtime_mock.artifacts", description=main.__doc__)
    parser.add_argument("--root", type=Path, default=Path("pallet-spec"))
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("digest")
    commands.add_parser("build").add_argument("wasm", type=Path)
    chosen = parser.parse_args()
    if chosen.command == "digest":
        print(digest(chosen.root))
    else:
        build(chosen.wasm, chosen.root)


if __name__ == "__main__":
    main()
