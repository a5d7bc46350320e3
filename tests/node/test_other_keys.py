"""An account's key and its operators' share a node's directory: what one of them sent has ended before another one sends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from service.chain_client import SignerBusy
from service.chain_client.sent import Sent, SentTable
from service.node.other_keys import OtherKeys
from service.node.settings import SIGNER_FILE, signer_file
from service.vault import PeerKeys
from tests.support.chain_world import World, bounded, following_peer, load_runtime, load_spec

OWN = PeerKeys(bytes(32), bytes(31) + b"\1", bytes(31) + b"\2")
OPERATOR, OTHER = OWN.of_operator(), OWN.of_operator()


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """A chain sealed by hand."""
    world = World(load_runtime(), load_spec())
    await world.start()
    yield world
    await world.stop()


@pytest.mark.parametrize(("before", "now"), [(OPERATOR, OWN), (OWN, OPERATOR), (OTHER, OPERATOR)])
async def test_what_another_key_sent_is_waited_for(
    world: World, tmp_path: Path, before: PeerKeys, now: PeerKeys
) -> None:
    path = tmp_path / signer_file(before)
    async with following_peer(world.url, tmp_path / "x") as peer:
        table = SentTable(path)
        death = world.best.number + 5
        table.add(peer.client.genesis, Sent(bytes(32), 0, 0, death, b"call", b"extrinsic", "DatDot.pause"))
        table.close()
        others = OtherKeys(tmp_path, now)
        with pytest.raises(SignerBusy):
            SentTable(path)
        waiting = asyncio.create_task(others.settled(peer.client, peer.follower))
        world.seal(3)
        await peer.caught_up(world)
        assert not waiting.done()
        world.seal(3)
        await bounded(waiting)
        others.close()
        table = SentTable(path)
        assert table.load(peer.client.genesis) == []
        table.close()
        again = OtherKeys(tmp_path, now)
        await bounded(again.settled(peer.client, peer.follower))
        again.close()


def test_each_key_has_a_table_and_the_own_ones_is_the_lock(tmp_path: Path) -> None:
    assert signer_file(OWN) == SIGNER_FILE
    assert len({signer_file(one) for one in (OWN, OPERATOR, OTHER)}) == 3
    OtherKeys(tmp_path, OWN).close()
    assert not list(tmp_path.iterdir())
    OtherKeys(tmp_path, OPERATOR).close()
    assert SIGNER_FILE in {one.name for one in tmp_path.iterdir()}
