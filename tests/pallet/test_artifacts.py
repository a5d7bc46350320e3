"""The committed artefacts are those of the committed sources, and agree with one another."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from runtime_mock import artifacts
from runtime_mock.chainspec import build_genesis, raw_spec
from runtime_mock.codec import Reader
from runtime_mock.state.overlay import Overlay
from runtime_mock.state.trie import Trie
from runtime_mock.wasm.runtime import WasmRuntime, default_cache

SPEC = Path(__file__).parents[2] / "pallet-spec"
OUT = SPEC / "artifacts"
CODE = "0x" + b":code".hex()


@pytest.fixture(scope="module")
def code() -> bytes:
    return (OUT / artifacts.WASM).read_bytes()


@pytest.fixture(scope="module")
def runtime(code: bytes) -> WasmRuntime:
    return WasmRuntime(code, default_cache())


def test_the_digest_is_that_of_the_sources() -> None:
    recorded = (OUT / artifacts.DIGEST).read_text().strip()
    assert artifacts.digest(SPEC) == recorded, "sources changed since the artefacts were made: run `make runtime`"


def test_the_digest_sees_every_source_and_no_test(tmp_path: Path) -> None:
    names = {path.relative_to(SPEC).as_posix() for path in artifacts.sources(SPEC)}
    assert {"Cargo.toml", "Cargo.lock", "pallet/Cargo.toml", "pallet/src/lib.rs", "runtime/src/genesis.rs"} <= names
    assert not [name for name in names if "tests" in name]
    for name in names:
        target = tmp_path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((SPEC / name).read_bytes())
    before = artifacts.digest(tmp_path)
    assert before == artifacts.digest(SPEC)
    changed = tmp_path / "pallet/src/plans.rs"
    changed.write_bytes(changed.read_bytes() + b"\n")
    assert artifacts.digest(tmp_path) != before


def test_the_metadata_is_the_runtimes(runtime: WasmRuntime) -> None:
    for version, name in artifacts.METADATA.items():
        answer = runtime.call(Overlay(Trie()), "Metadata_metadata_at_version", version.to_bytes(4, "little"))
        reader = Reader(answer)
        assert reader.uint(1) == 1
        assert reader.bytes() == (OUT / name).read_bytes(), name


def test_the_chain_spec_is_the_development_preset_of_that_runtime(code: bytes, runtime: WasmRuntime) -> None:
    spec = json.loads((OUT / artifacts.SPEC).read_text())
    assert spec["genesis"]["raw"]["top"][CODE] == "0x" + code.hex()
    made = raw_spec(build_genesis(runtime, code, "development"), "datdot", "datdot-dev", "Development")
    assert made == spec
    # polkadot-omni-node wants both of these.
    assert spec["relay_chain"] == "dev"
    assert spec["para_id"] == 1000


def test_presets_are_both_columns(runtime: WasmRuntime) -> None:
    def preset(name: str) -> dict[str, Any]:
        wanted = b"\x01" + bytes([len(name) << 2]) + name.encode()
        reader = Reader(runtime.call(Overlay(Trie()), "GenesisBuilder_get_preset", wanted))
        assert reader.uint(1) == 1
        found: dict[str, Any] = json.loads(reader.bytes())
        return found

    development, production = preset("development"), preset("production")
    assert development["datDot"]["times"]["era"] == 24
    assert production["datDot"]["times"]["era"] == 14_400
    assert "balances" not in production
    assert "sudo" not in production
