"""The wasm backend exchanges its code as a node does: checked by its version, or by root without a check."""

from __future__ import annotations

from typing import Any

import pytest

from runtime_mock import ss58
from runtime_mock.chainspec import ChainSpec, preset
from runtime_mock.codec import blake2_256, compact, prefixed
from runtime_mock.node.chain import Block, Chain
from runtime_mock.runtime import CODE
from runtime_mock.state.overlay import Overlay
from runtime_mock.wasm.runtime import WasmRuntime, decompress, default_cache
from tests.support.differential.driver import Account
from tests.support.differential.runtime_names import names
from tests.support.runtime_version import SPEC_VERSION, VERSIONS

ROOT = Account.of("root")


@pytest.fixture
def chain(spec: ChainSpec) -> Chain:
    """On the real runtime, with a root whose key is known here."""
    code = spec.genesis.get(CODE)
    assert code is not None
    runtime = WasmRuntime(code, default_cache())
    assert preset(runtime, "development")["sudo"]["key"]
    state = Overlay(spec.genesis)
    state.put(names().key("Sudo", "Key"), ROOT.id)
    account = names().value("System", "Account", None)
    account |= {"providers": 1, "data": account["data"] | {"free": 10**18}}
    item = names().items["System", "Account"]
    state.put(names().key("System", "Account", ROOT.id), names().types.write(item.value, account))
    assert ss58.decode(ss58.encode(ROOT.id, 42)) == ROOT.id
    return Chain(runtime, state.trie())


def as_root(chain: Chain, name: str, code: bytes) -> tuple[Block, list[Any]]:
    inner = ("System", (name, {"code": code}))
    call = names().call("Sudo", "sudo_unchecked_weight", {"call": inner, "weight": {"ref_time": 1, "proof_size": 0}})
    extra = b"\0" + compact(chain.best.number) + b"\0"
    payload = call + extra + VERSIONS + chain.genesis.hash * 2
    signature = ROOT.sign(blake2_256(payload) if len(payload) > 256 else payload)
    block, refused = chain.build(chain.best, [prefixed(b"\x84\0" + ROOT.id + b"\0" + signature + extra + call)])
    assert refused == []
    chain.add(block)
    assert block.state is not None
    return block, names().value("System", "Events", block.state.get(names().key("System", "Events")))


def result(events: list[Any]) -> Any:
    (found,) = [one["event"][1][1]["sudo_result"] for one in events if one["event"][0] == "Sudo"]
    return found


def test_code_is_checked_by_its_version(chain: Chain) -> None:
    code = chain.genesis.state.get(CODE)  # type: ignore[union-attr]
    assert code is not None
    errors = [name for _, name in sorted(names().errors.items()) if name.startswith("System.")]
    for given, wanted in ((code, "SpecVersionNeedsToIncrease"), (b"rubbish", "FailedToExtractRuntimeVersion")):
        _, events = as_root(chain, "set_code", given)
        kind, (what, fields) = result(events)
        assert (kind, what) == ("Err", "Module")
        assert errors[fields["error"][0]] == f"System.{wanted}"
    assert chain.best.state.get(CODE) == code  # type: ignore[union-attr]


def test_root_may_exchange_it_unchecked(chain: Chain) -> None:
    code = chain.genesis.state.get(CODE)  # type: ignore[union-attr]
    assert code is not None
    plain = decompress(code)
    block, events = as_root(chain, "set_code_without_checks", plain)
    assert result(events) == ("Ok", ())
    assert any(one["event"] == ("System", ("CodeUpdated", {"hash": blake2_256(plain)})) for one in events)
    assert block.header.digest == (b"\x08",), "clients are told that the runtime was exchanged"
    assert block.state is not None
    assert block.state.get(CODE) == plain
    for _ in range(2):
        after, _ = chain.build(chain.best, [])
        chain.add(after)
    assert chain.version_at(chain.best).spec_version == SPEC_VERSION
