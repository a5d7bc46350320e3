"""Conformance vectors: blocks of raw extrinsics with what each leads to, in `pallet-spec/vectors/*.json.xz`.

A second implementation needs no more than these: the state at genesis, and of each block its extrinsics, its state root,
the entries that it changed, events and errors. How the extrinsics came about is said by `actions`, or by `test`, a test that
is run for what it does; both are for people, and for

    python -m tests.support.differential.vectors FILE...          # plays them anew, after rules were changed on purpose
    python -m tests.support.differential.vectors --test NODE...   # makes a vector of what each of these tests does
"""

from __future__ import annotations

import json
import lzma
import sys
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.support.differential.driver import Pair, Sealed
from tests.support.differential.life import World
from tests.support.differential.runtime_names import names

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "pallet-spec" / "vectors"
SUFFIX = ".json.xz"

Vector = dict[str, Any]


class Recorder:
    """A plugin of pytest that keeps the chains of each test that passed, by the test's node id."""

    def __init__(self) -> None:
        self.pairs: dict[str, list[Pair]] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        made = self.pairs[item.nodeid] = []
        create = Pair.__init__

        def created(pair: Pair, *arguments: Any, **named: Any) -> None:
            create(pair, *arguments, **named)
            made.append(pair)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Pair, "__init__", created)
            return (yield)


def recorded(tests: Sequence[str]) -> dict[str, Pair]:
    """Run tests, and return the first chain that each makes. Raises ValueError if one fails or makes none."""
    recorder = Recorder()
    known = "ignore::pytest.PytestAssertRewriteWarning"  # this module is one of those that pytest would have rewritten
    options = ["-q", "-n", "0", "-p", "no:cacheprovider", "-W", known, "--rootdir", str(ROOT)]
    if pytest.main([*options, *(str(ROOT / test) for test in tests)], plugins=[recorder]) != pytest.ExitCode.OK:
        raise ValueError("a test failed")
    found = {}
    for test in tests:
        pairs = recorder.pairs.get(test)
        if not pairs:
            raise ValueError(f"{test} makes no chain")
        found[test] = pairs[0]
    return found


def vector_of(pair: Pair, **about: Any) -> Vector:
    """What was done on a pair, after what is said about it."""
    return {
        **about,
        "accounts": len(pair.accounts),
        "patch": pair.patch,
        "genesis": pair.genesis.hex(),
        "state": entries_json(dict(pair.wasm.state(pair.wasm.genesis).items())),
        "blocks": [block_json(one) for one in pair.history],
    }


def entries_json(entries: dict[bytes, bytes | None]) -> dict[str, str | None]:
    return {key.hex(): None if value is None else value.hex() for key, value in entries.items()}


def block_json(block: Sealed) -> dict[str, Any]:
    return {
        "extrinsics": [outcome.extrinsic.hex() for outcome in block.outcomes],
        "refused": [outcome.refused.hex() if outcome.refused else None for outcome in block.outcomes],
        "errors": [outcome.error for outcome in block.outcomes],
        "events": block.events,
        "changes": entries_json(block.changes),
        "state_root": block.state_root.hex(),
    }


def played(vector: Vector) -> Vector:
    """The vector that its actions lead to now, model and runtime compared all the way."""
    world = World(Pair(vector["accounts"], vector["patch"]))
    world.play(vector["actions"])
    return vector_of(world.pair, why=vector["why"], actions=vector["actions"])


def replay(vector: Vector) -> None:
    """The raw blocks on both. Raises AssertionError where they, or the file, differ."""
    pair = Pair(vector["accounts"], vector["patch"])
    assert entries_json(dict(pair.state.items())) == vector["state"]
    assert pair.genesis.hex() == vector["genesis"]
    for number, block in enumerate(vector["blocks"], 1):
        for extrinsic in block["extrinsics"]:
            pair.queue(bytes.fromhex(extrinsic))
        pair.seal(check_validity=False)
        found = block_json(pair.history[-1])
        assert found == block, f"block {number}:\n{difference(found, block)}"


def difference(found: dict[str, Any], wanted: dict[str, Any]) -> str:
    """What of a block is not as it should be, the entries by name."""
    lines = [f"{part}: {found[part]}, wanted {wanted[part]}" for part in wanted if found[part] != wanted[part]]
    mine, right = found["changes"], wanted["changes"]
    for key in sorted(mine.keys() | right.keys()):
        if (key in mine, mine.get(key)) != (key in right, right.get(key)):
            values = (changes.get(key) for changes in (mine, right))
            shown = (bytes.fromhex(value) if value else None for value in values)
            lines.append(names().show(bytes.fromhex(key), *shown))
    return "\n".join(line for line in lines if not line.startswith("changes:"))


def load(path: Path) -> Vector:
    found: Vector = json.loads(lzma.decompress(path.read_bytes()))
    return found


def save(path: Path, vector: Vector) -> None:
    """One block a line."""
    blocks = ",\n".join(json.dumps(block) for block in vector["blocks"])
    rest = json.dumps({key: value for key, value in vector.items() if key != "blocks"}, indent=1)
    text = rest[:-2] + ',\n "blocks": [\n' + blocks + "\n]}\n"
    path.write_bytes(lzma.compress(text.encode(), preset=9 | lzma.PRESET_EXTREME))


def file_of(test: str) -> Path:
    """Where the vector of a test is kept: under its name."""
    name = test.rpartition("::")[2].removeprefix("test_").replace("_", "-").replace("[", "-").replace("]", "")
    return FOLDER / f"{name}{SUFFIX}"


def why_of(test: str) -> str:
    """What a test shows: its name in words."""
    return test.rpartition("::")[2].removeprefix("test_").replace("_", " ")


def save_tests(tests: dict[str, tuple[Path, str]]) -> None:
    """Run tests, and write what each does to its file, with why it is there."""
    for test, pair in recorded(list(tests)).items() if tests else ():
        path, why = tests[test]
        save(path, vector_of(pair, why=why, test=test))


def main(arguments: Sequence[str]) -> None:
    """Play files anew, or make files of tests."""
    if arguments[:1] == ["--test"]:
        save_tests({test: (file_of(test), why_of(test)) for test in arguments[1:]})
        return
    tests = {}
    for path in map(Path, arguments):
        vector = load(path)
        if "test" in vector:
            tests[vector["test"]] = path, vector["why"]
        else:
            save(path, played(vector))
    save_tests(tests)


if __name__ == "__main__":
    main(sys.argv[1:])
