"""Chains of earlier versions that go on: the model's migration makes of them what the runtime's makes, and they live.

`tests/fixtures/state_of_version_N.json.xz` holds the states of chains in the middle of their lives, without `:code`. What is
stored changed with versions 3 and 8. Those of version 7 have a plan with two donors and a slot that asks more than slots may.
"""

from __future__ import annotations

import json
import lzma
from pathlib import Path
from typing import Any

import pytest

from runtime_mock.codec import compact, prefixed
from runtime_mock.model.datdot.check_state import check_state
from runtime_mock.model.datdot.migration import migrate
from runtime_mock.model.frame import system
from runtime_mock.model.frame.limits import SPEC_NAME, SPEC_VERSION
from runtime_mock.model.storage import twox
from runtime_mock.node.blocks import Header
from runtime_mock.runtime import Runtime
from runtime_mock.state.overlay import Overlay
from runtime_mock.state.trie import Trie, ordered_root
from tests.support.differential.driver import SLOT_MS, runtimes
from tests.support.differential.runtime_names import names

FIXTURES = Path(__file__).parents[1] / "fixtures"


def kept(version: int) -> dict[str, Any]:
    """The states that are kept of a version, by chain."""
    path = FIXTURES / f"state_of_version_{version}.json.xz"
    return dict(json.loads(lzma.decompress(path.read_bytes()))["chains"])


CHAINS = {(version, name): chain for version in (2, 4, 5, 6, 7, 8, 9) for name, chain in kept(version).items()}
BLOCKS = 150
UTILITY_VERSION = twox(b"Utility", 128) + twox(b":__STORAGE_VERSION__:", 128)


def state_of(version: int, name: str) -> Overlay:
    state = Overlay(Trie())
    for key, value in CHAINS[version, name]["state"].items():
        state.put(bytes.fromhex(key), bytes.fromhex(value))
    return state


def upgraded(state: Overlay, version: int) -> Overlay:
    """What the frame and the pallet's migrations make of a state of that version at the upgrade."""
    migrate(state)
    if version == 2:
        state.put(UTILITY_VERSION, bytes(2))
    state.put(system.LastRuntimeUpgrade.key, compact(SPEC_VERSION) + prefixed(SPEC_NAME))
    return state


def after(runtime: Runtime, trie: Trie, parent: bytes, number: int) -> Trie:
    """The state after an empty block."""
    state = Overlay(trie)
    header = Header(parent, number, bytes(32), ordered_root([], 0), ())
    runtime.call(state, "Core_initialize_block", header.encoded)
    time = compact(1) + b"timstap0" + prefixed((SLOT_MS * number).to_bytes(8, "little"))
    inherents = runtime.call(state, "BlockBuilder_inherent_extrinsics", time)
    assert runtime.call(state, "BlockBuilder_apply_extrinsic", inherents[1:]) == b"\0\0"
    runtime.call(state, "BlockBuilder_finalize_block", b"")
    return state.trie()


def unlike(ours: Trie, theirs: Trie, ignored: bytes) -> list[str]:
    """The entries that differ, but for one."""
    mine, right = dict(ours.items()), dict(theirs.items())
    keys = sorted(key for key in mine.keys() | right.keys() if mine.get(key) != right.get(key))
    return [names().show(key, mine.get(key), right.get(key)) for key in keys if key != ignored]


@pytest.mark.slow
@pytest.mark.parametrize(("version", "name"), sorted(CHAINS))
def test_a_chain_of_an_earlier_version_lives_on(version: int, name: str) -> None:
    model, wasm = runtimes()
    chain = CHAINS[version, name]
    number, parent = chain["block"], bytes.fromhex(chain["hash"])
    ours, theirs = upgraded(state_of(version, name), version).trie(), state_of(version, name).trie()
    check_state(Overlay(ours))
    for block in range(number + 1, number + 1 + BLOCKS):
        ours, theirs = after(model, ours, parent, block), after(wasm, theirs, parent, block)
        # the weight of the migration itself is the runtime's alone
        ignored = system.BlockWeight.key if block == number + 1 else b""
        assert unlike(ours, theirs, ignored) == [], f"block {block}"
        check_state(Overlay(ours))
        parent = ours.root(1)
