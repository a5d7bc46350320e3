"""Raw chain specs: reading the genesis state, and building a spec with a runtime's GenesisBuilder.

`python -m runtime_mock.chainspec WASM PRESET -o chain-spec.json` makes one that polkadot-omni-node accepts as well.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .codec import Reader, prefixed
from .runtime import CODE, Runtime
from .state.overlay import Overlay
from .state.trie import Trie


class ChainSpecError(ValueError):
    """A file is not a raw chain spec. The message says what is wrong."""


@dataclass(frozen=True, slots=True)
class ChainSpec:
    """The parts of a chain spec that are used here."""

    name: str
    identifier: str
    chain_type: str
    properties: dict[str, Any]
    genesis: Trie

    @classmethod
    def load(cls, path: Path) -> ChainSpec:
        """Read a raw chain spec. Raises ChainSpecError."""
        try:
            spec = json.loads(path.read_text())
            top = spec["genesis"]["raw"]["top"]
            entries = [(bytes.fromhex(key[2:]), bytes.fromhex(value[2:])) for key, value in top.items()]
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ChainSpecError(f"{path} is not a raw chain spec: {error!r}") from error
        genesis = Trie.of(entries)
        if genesis.get(CODE) is None:
            raise ChainSpecError(f"{path}: its genesis has no :code")
        return cls(spec["name"], spec["id"], spec["chainType"], spec.get("properties") or {}, genesis)


def artifacts() -> Path:
    """Return the folder of the runtime's artefacts: in a checkout, or inside the installed package."""
    here = Path(__file__).resolve().parent
    for candidate in (here / "artifacts", here.parent.parent / "pallet-spec" / "artifacts"):
        if (candidate / "chain-spec.json").exists():
            return candidate
    raise ChainSpecError("the runtime's artefacts (chain-spec.json) are missing: run `make runtime`")


def preset(runtime: Runtime, name: str | None) -> dict[str, Any]:
    """Return a genesis preset of the runtime; None stands for the default one. Raises ChainSpecError."""
    argument = b"\0" if name is None else b"\1" + prefixed(name.encode())
    reader = Reader(runtime.call(Overlay(Trie()), "GenesisBuilder_get_preset", argument))
    if not reader.uint(1):
        raise ChainSpecError(f"the runtime has no genesis preset {name!r}")
    found: dict[str, Any] = json.loads(reader.bytes())
    return found


def build_genesis(runtime: Runtime, code: bytes, name: str | None) -> Trie:
    """Build the genesis state of a preset. Raises ChainSpecError."""
    patch = preset(runtime, name) if name is not None else {}
    config = _merge(preset(runtime, None), patch)
    state = Overlay(Trie())
    answer = runtime.call(state, "GenesisBuilder_build_state", prefixed(json.dumps(config).encode()))
    if answer != b"\0":
        raise ChainSpecError(f"the runtime refuses the preset {name!r}: {Reader(answer, 1).bytes().decode()}")
    state.put(CODE, code)
    return state.trie()


def _merge(base: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    joined = dict(base)
    for key, value in patch.items():
        before = joined.get(key)
        joined[key] = _merge(before, value) if isinstance(before, dict) and isinstance(value, dict) else value
    return joined


def raw_spec(genesis: Trie, name: str, identifier: str, chain_type: str) -> dict[str, Any]:
    """Return a raw chain spec as JSON. `relay_chain` and `para_id` are required by polkadot-omni-node."""
    top = {"0x" + key.hex(): "0x" + value.hex() for key, value in genesis.items()}
    return {
        "name": name,
        "id": identifier,
        "chainType": chain_type,
        "bootNodes": [],
        "telemetryEndpoints": None,
        "protocolId": None,
        "properties": {"ss58Format": 42, "tokenDecimals": 12, "tokenSymbol": "UNIT"},
        "relay_chain": "dev",
        "para_id": 1000,
        "codeSubstitutes": {},
        "genesis": {"raw": {"top": top, "childrenDefault": {}}},
    }


def main() -> None:
    """Make a raw chain spec from a runtime's code."""
    from .wasm.runtime import WasmRuntime

    parser = argparse.ArgumentParser(prog="python -m runtime_mock.chainspec", description=main.__doc__)
    parser.add_argument("wasm", type=Path)
    parser.add_argument("preset")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--name", default="datdot")
    parser.add_argument("--id", default="datdot-dev")
    parser.add_argument("--type", default="Development")
    options = parser.parse_args()
    code = options.wasm.read_bytes()
    genesis = build_genesis(WasmRuntime(code), code, options.preset)
    spec = raw_spec(genesis, options.name, options.id, options.type)
    options.output.write_text(json.dumps(spec, indent=1) + "\n")


if __name__ == "__main__":
    main()
