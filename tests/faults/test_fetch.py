"""A disk that is full during a fetch: the caller gets the store's error, no peer is blamed, the same fetch completes it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from service.hypercore import Core, Corestore, StorageError
from service.hypercore.net import Connection, Replicator, fetch
from service.hypercore.net.replicator import RETRY_SECONDS
from tests.support.full_disk import FullDisk
from tests.support.replicated import content, feed
from tests.support.wire_peers import side, until

BLOCKS = [b"%d," % number * (number % 40 + 1) for number in range(90)]
"""More than are asked for at once."""


def holes(core: Core) -> list[int]:
    return [index for start, end in core.ranges() for index in range(start, end) if core.raw(index) is None]


async def tried(copy: Core, connection: Connection) -> str | None:
    """What the store says if it cannot keep what is fetched."""
    try:
        await fetch(copy, connection)
    except StorageError as error:
        return str(error)
    return None


@pytest.mark.case("feeds/full-disk")
@pytest.mark.parametrize("rolls_back", [True, False], ids=["rolled back", "left open"])
async def test_a_fetch_fails_at_every_statement_and_is_completed(
    tmp_path: Path, disk: FullDisk, rolls_back: bool
) -> None:
    """The nth writing statement and all after it fail, for all n; then there is room, in a new process."""
    disk.rolls_back = rolls_back
    async with side() as one, side() as two:
        core = feed(one, BLOCKS)
        failed = 0
        while True:
            disk.free()
            store = Corestore(tmp_path / str(failed))
            copy = store.get(core.key)
            disk.fill(after=failed)
            connection = await two.connect(one)
            failure = await tried(copy, connection)
            if failure is None:
                break
            assert "disk is full" in failure
            assert "make room on that disk" in failure
            assert not connection.is_closed, connection.reason
            assert holes(copy) == []
            disk.free()
            store.close()
            store = Corestore(tmp_path / str(failed))
            copy = store.get(core.key)
            assert holes(copy) == []
            await fetch(copy, connection)
            assert content(copy) == BLOCKS
            connection.close("done")
            store.close()
            failed += 1 if failed < 12 else 17
        assert failed > len(BLOCKS)
        store.close()


async def test_nothing_is_asked_for_while_nothing_can_be_stored(tmp_path: Path, disk: FullDisk) -> None:
    """A live replicator goes on by itself when there is room."""
    async with side() as one, side() as two:
        core = feed(one, BLOCKS)
        store = Corestore(tmp_path)
        copy = store.get(core.key)
        disk.fill(after=30)
        with Replicator(copy, live=True) as replicator:
            peer = replicator.attach(await two.connect(one))
            await until(lambda: disk.reached and not peer.state.asked)
            tries = disk.written
            await asyncio.sleep(RETRY_SECONDS / 2)  # of the virtual clock
            assert disk.written == tries
            await asyncio.sleep(RETRY_SECONDS)
            assert disk.written > tries, "it tries again"
            disk.free()
            await until(lambda: copy.contiguous_length == len(BLOCKS))
        assert content(copy) == BLOCKS
        store.close()


async def test_all_who_wait_hear_of_it(tmp_path: Path, disk: FullDisk) -> None:
    async with side() as one, side() as two:
        core = feed(one, BLOCKS)
        store = Corestore(tmp_path)
        copy = store.get(core.key)
        with Replicator(copy) as replicator:
            replicator.attach(await two.connect(one))
            await replicator.update()
            disk.fill(after=5)
            waiting = [asyncio.create_task(replicator.download(start, start + 45)) for start in (0, 45)]
            for task in waiting:
                with pytest.raises(StorageError, match="disk is full"):
                    await task
            disk.free()
            await replicator.download()
        assert content(copy) == BLOCKS
        store.close()
