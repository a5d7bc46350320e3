"""The conformance vectors hold on model and runtime, need nothing beside them, and show everything that the pallet has."""

from __future__ import annotations

import subprocess
import sys
from functools import reduce
from operator import or_
from pathlib import Path

import pytest

from runtime_mock.state.trie import Trie
from tests.support.differential.coverage import everything, shown_by
from tests.support.differential.vectors import FOLDER, ROOT, SUFFIX, load, replay, save

PATHS = sorted(FOLDER.glob(f"*{SUFFIX}"))
SPECIFICATION = FOLDER.parent / "README.md"
# What no chain can reach, as "errors: Name", and why not.
UNREACHABLE: dict[str, str] = {}

each = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.name.removesuffix(SUFFIX))


@each
def test_vectors_hold(path: Path) -> None:
    replay(load(path))


@each
def test_the_changes_of_vectors_lead_to_their_state_roots(path: Path) -> None:
    """A reader with a trie and nothing else can follow the state from genesis to the last block."""
    vector = load(path)
    state = Trie.of((bytes.fromhex(key), bytes.fromhex(value)) for key, value in vector["state"].items())
    for number, block in enumerate(vector["blocks"], 1):
        changes = {bytes.fromhex(key): value for key, value in block["changes"].items()}
        after = state.changed((key, None if value is None else bytes.fromhex(value)) for key, value in changes.items())
        assert set(state.differing(after)) == set(changes), f"block {number} lists what did not change"
        assert after.root(1).hex() == block["state_root"], f"block {number}"
        state = after


def test_vectors_show_every_call_event_error_and_deadline() -> None:
    shown = reduce(or_, (shown_by(load(path)) for path in PATHS))
    assert (everything() - shown).all() == set(UNREACHABLE)


@each
def test_the_specification_names_each_vector(path: Path) -> None:
    assert f"`vectors/{path.name.removesuffix(SUFFIX)}`" in SPECIFICATION.read_text()


def test_a_vector_that_does_not_hold_is_explained_by_name() -> None:
    vector = load(FOLDER / f"ecdsa{SUFFIX}")
    changes = vector["blocks"][0]["changes"]
    number = "26aa394eea5630e07c48ae0c9558cef702a5c1b19ab7a04f536c519aca4983ac"
    assert changes[number] == "01000000"
    changes[number] = "02000000"
    with pytest.raises(AssertionError, match=r"block 1:(.|\n)*System\.Number\(\)\s+1\s+2"):
        replay(vector)


@pytest.mark.parametrize("name", ["ecdsa", "bad-ranges"])
def test_vectors_are_played_anew_by_a_command(tmp_path: Path, name: str) -> None:
    """One of actions, and one of what a test does: both lead where they did."""
    kept = load(FOLDER / f"{name}{SUFFIX}")
    path = tmp_path / f"{name}{SUFFIX}"
    save(path, kept | {"genesis": "", "blocks": [], "state": {}})
    command = [sys.executable, "-m", "tests.support.differential.vectors", str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert load(path) == kept
