"""A mock chain's disk is full at any write: what was shown of the chain is there after a restart, and nothing else was."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime_mock.chainspec import ChainSpec, artifacts
from runtime_mock.model import ModelRuntime
from runtime_mock.node.chain import Chain
from runtime_mock.node.engine import MANUAL, Added, Engine, Event
from runtime_mock.node.store import Store, StoreError
from tests.support.full_disk import FullDisk

BLOCKS = 3


def fresh() -> Chain:
    return Chain(ModelRuntime(artifacts()), ChainSpec.load(artifacts() / "chain-spec.json").genesis)


@pytest.mark.parametrize("rolls_back", [True, False], ids=["rolled back", "left open"])
def test_a_block_that_is_not_stored_is_not_shown(tmp_path: Path, disk: FullDisk, rolls_back: bool) -> None:
    """The nth writing statement and all after it fail, for all n until none fails any longer."""
    disk.rolls_back = rolls_back
    failed = 0
    while True:
        store = Store(tmp_path / f"{failed}.sqlite")
        chain = fresh()
        engine = Engine(chain, MANUAL, store)
        added: list[bytes] = []

        def hear(event: Event, added: list[bytes] = added) -> None:
            if isinstance(event, Added):
                added.append(event.block.hash)

        engine.listen(hear)
        engine.seal()
        disk.fill(after=failed)
        try:
            for _ in range(BLOCKS):
                engine.seal()
        except StoreError as error:
            assert "make room, then start the chain again" in str(error)  # noqa: PT017 - it need not fail
        whole = not disk.refused
        shown = chain.best.hash, chain.finalized.hash
        if not whole:
            with pytest.raises(StoreError, match="disk is full"):
                engine.seal()
        assert (chain.best.hash, chain.finalized.hash) == shown
        disk.free()
        disk.refused = 0
        store.close()
        again = fresh()
        store = Store(tmp_path / f"{failed}.sqlite")
        after = Engine(again, MANUAL, store)
        assert (again.best.hash, again.finalized.hash) == shown
        assert [again.block(one).hash for one in added] == added
        after.seal()
        store.close()
        if whole:
            break
        failed += 1
    assert failed >= 3 * BLOCKS
