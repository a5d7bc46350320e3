"""A hoster's files are damaged while it is down: it says at its start what is wrong and what to do, and goes on proving."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import capture_logs

from service.disk import DiskError
from service.encoding import DamagedSectors
from service.encoding.inline import InlineCodec
from service.hypercore import Corestore
from service.roles.hoster.feeds import HostedFeeds
from service.roles.hoster.sectors import segment_path
from tests.support.small_net import LivePeer, Net, blocks, copied, is_active, read_back

SIZES = [700, 20_000, 0, 17, 300]
Damage = Callable[[Path], None]


def sql(statement: str) -> Damage:
    def change(directory: Path) -> None:
        with closing(sqlite3.connect(directory / "corestore.sqlite")) as database:
            database.execute(statement)
            database.commit()

    return change


def gone(directory: Path) -> None:
    for path in directory.glob("corestore.sqlite*"):
        path.unlink()


DAMAGES: dict[str, tuple[Damage, str]] = {
    "corestore gone": (gone, "it has 0 blocks, and the copy is of 5"),
    "a leaf": (sql("UPDATE node SET hash = zeroblob(32) WHERE idx = 2"), "a tree node below 1 is damaged or missing"),
    "a leaf gone": (sql("DELETE FROM node WHERE idx = 2"), "a tree node below 1 is damaged or missing"),
    "a root": (sql("UPDATE node SET hash = zeroblob(32) WHERE idx = 3"), "tree node 3 is damaged or missing"),
    "a root gone": (sql("DELETE FROM node WHERE idx = 3"), "tree node 3 is not here"),
    "signature": (sql("UPDATE core SET signature = zeroblob(64)"), "the signature of its head is damaged"),
    "manifest": (sql("UPDATE core SET manifest = substr(manifest, 1, 5)"), "the stored manifest of core"),
}


async def proves_again(net: Net, hoster: LivePeer) -> None:
    now = net.chain.number
    await net.chain.until(lambda: max(net.chain.proved(hoster.account), default=0) > now)


def told(logs: list[Any]) -> list[Any]:
    return [one for one in logs if "the tree of a hosted feed is damaged" in one["event"]]


@pytest.mark.case("network/corrupt")
@pytest.mark.parametrize("name", DAMAGES)
async def test_a_damaged_tree_of_a_hosted_feed_is_told_with_a_remedy(net: Net, name: str) -> None:
    damage, fault = DAMAGES[name]
    async with copied(net, SIZES) as (_, _, hoster, core, copy):
        await net.chain.until(is_active(net, copy))
        with capture_logs() as logs:
            await hoster.restart()
            await proves_again(net, hoster)
        assert not told(logs)
        await hoster.stop()
        damage(hoster.directory)
        with capture_logs() as logs:
            await hoster.start()
            await proves_again(net, hoster)
        (line,) = told(logs)
        assert fault in line["error"]
        assert f"datdot feed fetch {core.key.hex()} --dir {hoster.directory}" in line["remedy"]


@pytest.mark.case("network/corrupt")
async def test_a_short_page_of_a_bitfield_does_no_harm(net: Net) -> None:
    async with copied(net, SIZES) as (_, _, hoster, core, copy):
        await net.chain.until(is_active(net, copy))
        await hoster.stop()
        sql("UPDATE page SET bits = zeroblob(3)")(hoster.directory)
        await hoster.start()
        await proves_again(net, hoster)
        assert await read_back(net, "Reader", core, hoster) == blocks(core)


@pytest.mark.case("network/corrupt")
async def test_a_damaged_record_is_named(net: Net) -> None:
    async with copied(net, SIZES) as (_, _, hoster, _, copy):
        await net.chain.until(is_active(net, copy))
        await hoster.stop()
        with closing(sqlite3.connect(hoster.directory / "roles.sqlite")) as database:
            kept = database.execute("SELECT segment, job FROM hosted").fetchall()
            database.execute("UPDATE hosted SET job = substr(job, 1, 50)")
            database.commit()
        with pytest.raises(DiskError, match=r"roles\.sqlite: a record of a hosted segment is damaged"):
            await hoster.start()
        with closing(sqlite3.connect(hoster.directory / "roles.sqlite")) as database:
            database.executemany("UPDATE hosted SET job = ?2 WHERE segment = ?1", kept)
            database.commit()
        await hoster.stop()
        await hoster.start()
        await proves_again(net, hoster)


@pytest.mark.case("network/corrupt")
async def test_damage_after_the_last_whole_group_costs_that_group_alone(net: Net) -> None:
    """456 sectors: a group of 256, and 200 after it. The first group is proved, the others are named."""
    async with copied(net) as (_, _, hoster, _, copy):
        await net.chain.until(is_active(net, copy))
        (part,) = net.chain.copy(copy).segments
        path = segment_path(hoster.directory, copy, part.segment)
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.write_bytes(data)
        assert part.sectors % 256
        root = net.chain.segment(part.segment).root
        faults: dict[int, str] = {}
        for sector in range(part.sectors):
            try:
                hoster.role._hosted.open_sector(part.segment, sector, root, part.sectors)
            except DamagedSectors as error:
                faults[sector] = str(error)
        first = part.sectors // 256 * 256
        assert list(faults) == list(range(first, part.sectors))
        assert all(f"sectors {first} to {part.sectors - 1} on disk" in fault for fault in faults.values())


async def test_a_check_of_the_trees_that_cannot_be_made_is_told() -> None:
    """The records cannot be read for a moment: nothing is known to be damaged, but nothing is known to be sound either."""

    def copies() -> list[int]:
        raise DiskError("roles.sqlite: disk I/O error")

    hosted: Any = SimpleNamespace(copies=copies)
    with capture_logs() as logs, closing(Corestore(None)) as store:
        await HostedFeeds(store, hosted, InlineCodec(), Path(), lambda copy, why: None).check_trees(
            lambda core, head: None
        )
    (one,) = logs
    assert "were not all checked" in one["event"]
    assert one["error"] == "roles.sqlite: disk I/O error"
