"""Chains of version 2 that go on as version 3: the model's migration makes of them what the runtime's makes, and they live.

`tests/fixtures/state_of_version_2.json.xz` holds the states of two chains in the middle of their lives, without `:code`.
"""

from __future__ import annotations

import json
import lzma
from pathlib import Path

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

FIXTURE = Path(__file__).parents[1] / "fixtures" / "state_of_version_2.json.xz"
CHAINS = json.loads(lzma.decompress(FIXTURE.read_bytes()))["chains"]
BLOCKS = 150
UTILITY_VERSION = twox(b"Utility", 128) + twox(b":__STORAGE_VERSION__:", 128)


def state_of(name: str) -> Overlay:
    state = Overlay(Trie())
    for key, value in CHAINS[name]["state"].items():
        state.put(bytes.fromhex(key), bytes.fromhex(value))
    return state


def upgraded(state: Overlay) -> Overlay:
    """What the frame and the pallet's migration make of a state at the upgrade."""
    migrate(state)
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
@pytest.mark.parametrize("name", sorted(CHAINS))
def test_a_chain_of_version_2_lives_on(name: str) -> None:
    model, wasm = runtimes()
    number, parent = CHAINS[name]["block"], bytes.fromhex(CHAINS[name]["hash"])
    ours, theirs = upgraded(state_of(name)).trie(), state_of(name).trie()
    check_state(Overlay(ours))
    for block in range(number + 1, number + 1 + BLOCKS):
        ours, theirs = after(model, ours, parent, block), after(wasm, theirs, parent, block)
        # the weight of the migration itself is the runtime's alone
        ignored = system.BlockWeight.key if block == number + 1 else b""
        assert unlike(ours, theirs, ignored) == [], f"block {block}"
        check_state(Overlay(ours))
        parent = ours.root(1)
