"""Hosters whose sectors are damaged on their disks: they say what is wrong, declare it lost, go on, and never serve a wrong byte.

All kinds of damage are done at once, each to another hoster of the same plan, as a missed challenge takes its time.
"""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from service.chain_client.pallet import events
from service.chain_client.pallet.types import Copy, CopyEnd
from service.devnet.network import NetPeer
from service.hypercore.net import ReplicationError
from service.units import UNIT
from tests.support.whole_network import Network, Published, network

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

SIZE = 96 * 1024
SECTOR = 256
MADE_ANEW = "it was lost and made anew while a reader waited for it"
DAMAGED = 100
"""A sector of the tree's first 64 KiB: an opening of any of these 256 of 384 sectors needs it, and 8 are sampled."""


def one_bit(folder: Path, segment: int) -> None:
    path = folder / f"{segment}.sectors"
    data = bytearray(path.read_bytes())
    data[DAMAGED * SECTOR + 17] ^= 4
    path.write_bytes(data)


def emptied(folder: Path, segment: int) -> None:
    (folder / f"{segment}.sectors").write_bytes(b"")


def removed(folder: Path, segment: int) -> None:
    (folder / f"{segment}.sectors").unlink()


def everything(folder: Path, segment: int) -> None:
    shutil.rmtree(folder)


Damage = Callable[[Path, int], None]
KINDS: tuple[Damage, ...] = (one_bit, emptied, removed, everything)
PEERS = (
    ("author,sponsor", 1, 2_000 * UNIT),
    ("hoster", len(KINDS) + 1, 20 * UNIT),
    ("encoder", len(KINDS) + 1, 250 * UNIT),
)


@dataclass
class Victim:
    """A hoster and its copy, as it was before it was damaged."""

    number: int
    copy: Copy
    hoster: NetPeer
    pid: int
    refusal: str = ""

    @property
    def folder(self) -> Path:
        return self.hoster.directory / "copies" / str(self.number)

    @property
    def segment(self) -> int:
        return self.copy.segments[0].segment

    def log(self) -> list[dict[str, Any]]:
        """All lines of its log."""
        assert self.hoster.child is not None
        return [json.loads(line) for line in self.hoster.child.log.read_text().splitlines()]

    def unanswered(self) -> list[str]:
        """What its log says of challenges that it could not answer."""
        return [line["error"] for line in self.log() if "storage challenge" in str(line.get("error"))]

    def damaged(self) -> list[str]:
        """What its log says of this copy when it was found damaged, whoever asked for it."""
        return [
            line["error"]
            for line in self.log()
            if "damaged on this disk" in line["event"] and line["copy"] == self.number
        ]


@dataclass
class Ruins:
    """A network in which all hosters but one have damaged sectors, and the chain knows of it."""

    net: Network
    published: Published
    since: int
    healthy: Victim
    victims: dict[Damage, Victim] = field(default_factory=dict)


@pytest.fixture(scope="module")
def chain() -> str:
    """One backend will do: the peers are what matters here."""
    return "model"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ruins(chain: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Ruins]:
    """Do the damage, and wait until it has shown."""
    directory = tmp_path_factory.mktemp("damage")
    async with network(directory / "net", chain, PEERS) as net:
        published = await net.publish(SIZE, len(KINDS) + 1)
        hosted = []
        for number, copy in sorted((await net.active(published.plan, len(KINDS) + 1)).items()):
            hoster = net.peer(copy.hoster)
            assert hoster.child is not None
            hosted.append(Victim(number, copy, hoster, hoster.child.pid))
        made = Ruins(net, published, net.now, hosted[0], dict(zip(KINDS, hosted[1:], strict=True)))
        for damage, victim in made.victims.items():
            damage(victim.folder, victim.segment)
        await asyncio.gather(*(shows(made, victim) for victim in made.victims.values()))
        yield made


async def shows(ruins: Ruins, victim: Victim) -> None:
    """Until the chain knows of the damage, and a reader who knows this hoster alone is refused."""
    net = ruins.net
    _, victim.refusal = await asyncio.gather(
        net.until(f"copy {victim.number} is struck or lost", lambda: struck(ruins, victim) or lost(ruins, victim)),
        refusal(net, ruins.published, victim),
    )


def struck(ruins: Ruins, victim: Victim) -> bool:
    """Whether a challenge asked for a damaged sector, and was missed."""
    return bool(ruins.net.happened(events.CopyStruck, copy=victim.number, strikes=1))


def lost(ruins: Ruins, victim: Victim) -> bool:
    """Whether the copy has ended: without a strike if a reader, or the encoder of another copy, came upon the damage first."""
    return bool(ruins.net.happened(events.CopyEnded, copy=victim.number, reason=CopyEnd.LOST))


async def refusal(net: Network, published: Published, victim: Victim) -> str:
    """Why a reader does not get the feed from this hoster alone: or that it had a new copy before the reader gave up."""
    try:
        assert await net.read(published.core, [victim.hoster]) == published.data
    except ReplicationError as error:
        return str(error)
    await net.event(events.CopyEnded, copy=victim.number, reason=CopyEnd.LOST)
    return MADE_ANEW


@pytest.mark.parametrize("damage", KINDS)
async def test_a_damaged_copy_is_struck_or_lost_and_its_hoster_says_why(ruins: Ruins, damage: Damage) -> None:
    net, victim = ruins.net, ruins.victims[damage]
    if struck(ruins, victim):
        (missed, *_) = net.happened(events.StorageMissed, hoster=victim.copy.hoster)
        ((issued, _),) = net.happened(events.StorageChallenged, hoster=victim.copy.hoster, issued=missed[1].issued)
        assert ruins.since <= issued
        said = victim.unanswered()
        assert said
        assert all(f"copy {victim.number}, segment {victim.segment}, sector " in line for line in said), said
    else:
        said = victim.damaged()
        assert len(said) == 1
    if damage is not everything:
        named = (f"{victim.segment}.sectors", "sectors 0 to 255", "is not what it decodes to")
        assert any(name in line for name in named for line in said), said
    assert victim.hoster.child is not None
    assert victim.hoster.child.running
    assert victim.hoster.child.pid == victim.pid


@pytest.mark.parametrize("damage", KINDS)
async def test_a_damaged_copy_is_refused_to_readers(ruins: Ruins, damage: Damage) -> None:
    victim = ruins.victims[damage]
    assert "not to be had from" in victim.refusal or victim.refusal == MADE_ANEW
    read = await ruins.net.read(ruins.published.core, [victim.hoster, ruins.healthy.hoster])
    assert read == ruins.published.data


async def test_an_undamaged_copy_has_nothing_to_do_with_it(ruins: Ruins) -> None:
    net, healthy = ruins.net, ruins.healthy
    await net.event(events.StorageProved, after=net.now, hoster=healthy.copy.hoster)
    assert not net.happened(events.StorageMissed, hoster=healthy.copy.hoster)
    copies = await net.copies(ruins.published.plan)
    assert copies[healthy.number].strikes == 0
    assert await net.read(ruins.published.core, [healthy.hoster]) == ruins.published.data
    await net.check_books()


async def test_what_a_disk_lost_is_declared_and_made_anew(ruins: Ruins) -> None:
    """The same processes say that their copies are lost, lose those, and take new ones."""
    net, plan = ruins.net, ruins.published.plan
    for victim in ruins.victims.values():
        await net.event(events.CopyEnded, copy=victim.number, reason=CopyEnd.LOST)
    new = await net.active(plan, len(KINDS) + 1)
    assert set(new).isdisjoint(victim.number for victim in ruins.victims.values())
    assert new[ruins.healthy.number].strikes == 0
    for victim in ruins.victims.values():
        assert victim.hoster.child is not None
        assert victim.hoster.child.pid == victim.pid
    for copy in new.values():
        assert await net.read(ruins.published.core, [net.peer(copy.hoster)]) == ruins.published.data
    assert not net.happened(events.HosterEvicted)
    await net.check_stored(ruins.published)
    await net.check_books()
