"""A disk that is full at any write of an import: the same import completes it when there is room."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.disk import DISK_ERRORS
from service.feeds.export import export_feed
from service.feeds.imports import BATCH_BYTES, import_once
from service.feeds.verify import verify_feed
from service.hypercore import Corestore
from tests.support.full_disk import full_disk


@pytest.mark.case("feeds/full-disk")
@pytest.mark.parametrize("rolls_back", [True, False], ids=["rolled back", "left open"])
async def test_an_import_fails_at_every_write_and_is_completed(tmp_path: Path, rolls_back: bool) -> None:
    """The nth write and all after it fail, for all n until none fails any longer."""
    source = tmp_path / "file"
    source.write_bytes(bytes(range(256)) * (BATCH_BYTES // 100))
    failed = 0
    while True:
        directory = tmp_path / str(failed)
        directory.mkdir()
        with full_disk(directory) as disk:
            disk.rolls_back = rolls_back
            disk.fill(after=failed)
            store = None
            try:
                store = Corestore(directory)
                await import_once(store, directory, source)
                break
            except DISK_ERRORS:
                for core in store.cores() if store is not None else ():
                    assert (await verify_feed(core)).blocks == core.length
            finally:
                disk.free()
                if store is not None:
                    store.close()
        store = Corestore(directory)
        core = await import_once(store, directory, source)
        assert (await verify_feed(core)).blocks == core.length
        await export_feed(core, directory / "out")
        assert (directory / "out").read_bytes() == source.read_bytes()
        assert {one.length for one in store.cores()} == {core.length}, "nothing is left of what was cut off"
        store.close()
        failed += 1
    assert failed > 10
