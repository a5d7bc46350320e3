"""Conformance vectors: blocks of raw extrinsics with what each leads to, in `pallet-spec/vectors/*.json`.

A second implementation needs no more than these: the genesis (the development preset with a patch, without `:code`), and a
block's extrinsics give its state root, events and errors. `actions` say how they came about, for people and for

    python -m tests.support.differential.vectors FILE...

which plays them anew and writes what they lead to now, after the rules were changed on purpose.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from tests.support.differential.driver import Outcome, Pair
from tests.support.differential.life import World

FOLDER = Path(__file__).resolve().parents[3] / "pallet-spec" / "vectors"

Vector = dict[str, Any]


def played(vector: Vector) -> Vector:
    """The vector with the blocks that its actions lead to, model and runtime compared all the way."""
    world = World(Pair(vector["accounts"], vector["patch"]))
    world.play(vector["actions"])
    return {**vector, **blocks_of(world.pair)}


def blocks_of(pair: Pair) -> Vector:
    """`genesis` and `blocks` of what was done on a pair."""
    return {"genesis": pair.genesis.hex(), "blocks": [block_json(*one) for one in pair.history]}


def block_json(root: bytes, outcomes: list[Outcome], events: list[str]) -> dict[str, Any]:
    return {
        "extrinsics": [outcome.extrinsic.hex() for outcome in outcomes],
        "refused": [outcome.refused.hex() if outcome.refused else None for outcome in outcomes],
        "errors": [outcome.error for outcome in outcomes],
        "events": events,
        "state_root": root.hex(),
    }


def replay(vector: Vector) -> None:
    """The raw blocks on both. Raises AssertionError where they, or the file, differ."""
    pair = Pair(vector["accounts"], vector["patch"])
    assert pair.genesis.hex() == vector["genesis"]
    for number, block in enumerate(vector["blocks"], 1):
        for extrinsic in block["extrinsics"]:
            pair.queue(bytes.fromhex(extrinsic))
        pair.seal(check_validity=False)
        assert block_json(*pair.history[-1]) == block, f"block {number}"


def load(path: Path) -> Vector:
    found: Vector = json.loads(path.read_text())
    return found


def save(path: Path, vector: Vector) -> None:
    """One block a line."""
    blocks = ",\n".join(json.dumps(block) for block in vector["blocks"])
    rest = json.dumps({key: value for key, value in vector.items() if key != "blocks"}, indent=1)
    path.write_text(rest[:-2] + ',\n "blocks": [\n' + blocks + "\n]}\n")


if __name__ == "__main__":
    for name in sys.argv[1:]:
        save(Path(name), played(load(Path(name))))
