"""Encoder and hoster as they run, on real disks, in a simulated network and on the model chain."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from structlog.testing import capture_logs

from runtime_mock.model.datdot import items
from runtime_mock.model.datdot.errors import Error
from runtime_mock.model.datdot.records import CopyState
from service.chain_client import Block, BlockRef, CursorStore
from service.chain_client.pallet import events
from service.chain_client.pallet.types import CopyEnd
from service.hypercore.net import Channel, ChannelClosed, Connection, ReplicationError, TcpTransport
from service.hypercore.tree.proof import Request, UpgradeRequest
from service.protocols.copy import messages as m
from service.protocols.copy.stream import PlanHead
from service.roles.common.feed_window import open_feed
from service.roles.common.terms import EncoderTerms, RolesConfig
from service.roles.encoder.decisions import EncoderFacts, MakeKey
from service.roles.encoder.role import EncoderRole
from service.roles.hoster.role import HosterRole
from service.roles.hoster.sectors import segment_path
from tests.support.copy_world import digest
from tests.support.small_net import LivePeer, Net, author, blocks, check_copy, copied, is_active, read_back


async def proves_again(net: Net, hoster: LivePeer) -> None:
    """Wait until the hoster has answered a challenge that is issued from now on."""
    now = net.chain.number
    await net.chain.until(lambda: max(net.chain.proved(hoster.account), default=0) > now)


async def test_a_copy_is_made_confirmed_proved_and_read_without_its_author(net: Net) -> None:
    async with copied(net) as (writer, encoder, hoster, core, copy):
        await net.chain.until(is_active(net, copy))
        check_copy(net, hoster, core, copy)
        assert {event["event"] for event in encoder.told} >= {"begun", "encoding", "encoded"}
        expected = blocks(core)
        await net.chain.until(lambda: not encoder.database.rows("SELECT * FROM encoding"))
        assert not list((encoder.directory / "keys").glob("*.key"))
        assert not encoder.store.get(core.key).ranges(), "the encoder keeps no plaintext"
        await net.leave(writer)
        assert await read_back(net, "Reader", core, hoster) == expected
        await proves_again(net, hoster)
        await hoster.restart()
        await proves_again(net, hoster)
        assert await read_back(net, "Second", core, hoster) == expected
        assert not net.chain.refused


async def test_ranges_and_a_replica_that_serves_only_them(net: Net) -> None:
    _, core = await author(net, [100 * i for i in range(1, 12)])
    hoster = await net.start("Hoster", HosterRole)
    await net.start("Encoder", EncoderRole)
    copy = await net.place(core, [(2, 4), (6, 11)])
    await net.chain.until(is_active(net, copy))
    replica = hoster.store.get(core.key)
    assert replica.ranges() == [(2, 4), (6, 11)]
    assert replica.get(3) == core.get(3)
    assert replica.get(10) == core.get(10)


@pytest.mark.parametrize("whose", ["encoder", "hoster"])
async def test_a_killed_peer_goes_on_where_it_was(net: Net, whose: str) -> None:
    async with copied(net, [30_000] * 6) as (_, encoder, hoster, core, copy):
        victim = encoder if whose == "encoder" else hoster
        killed = 0
        for number in range(3):
            before = len(hoster.stored())
            await net.chain.until(lambda: len(hoster.stored()) > before or is_active(net, copy)())  # noqa: B023
            killed += not is_active(net, copy)()
            await victim.restart()
            if number == 1:
                await net.chain.wait_for(net.chain.number + 3)
        assert killed
        await net.chain.until(is_active(net, copy))
        check_copy(net, hoster, core, copy)
        stored = hoster.stored()
        assert stored == sorted(set(stored)), "nothing is stored twice"


async def test_a_lost_connection_is_made_anew(net: Net) -> None:
    async with copied(net, [30_000] * 6) as (_, _, hoster, core, copy):
        drops = [1, 3, 4]

        def on_told(event: dict[str, object]) -> None:
            if event["event"] == "stored" and len(hoster.stored()) in drops:
                hoster.drop_connections()

        hoster.on_told = on_told
        await net.chain.until(is_active(net, copy))
        check_copy(net, hoster, core, copy)
        stored = hoster.stored()
        assert stored == sorted(set(stored)), "nothing is stored twice"
        assert len(stored) > 4


@pytest.mark.parametrize("damage", ["bit", "file", "all"])
async def test_damaged_sectors_fail_the_challenge_and_nothing_else(net: Net, damage: str) -> None:
    async with copied(net) as (_, _, hoster, core, copy):
        await net.chain.until(is_active(net, copy))
        await net.chain.until(lambda: challenged(net, hoster) is None)
        path = segment_path(hoster.directory, copy, 0)
        good = path.read_bytes()
        if damage == "bit":
            path.write_bytes(good[:777] + bytes([good[777] ^ 4]) + good[778:])
        elif damage == "file":
            path.unlink()
        else:
            path.write_bytes(bytes(len(good)))
        with capture_logs() as logs:
            await net.chain.until(lambda: any("ChallengeFailed" in str(line) for line in logs))
        challenge = challenged(net, hoster)
        assert challenge is not None
        line = str(next(line for line in logs if "ChallengeFailed" in str(line)))
        named = re.search(rf"copy {copy}, segment 0, sector (\d+)", line)
        assert named is not None
        assert int(named[1]) in [sample.sector for sample in challenge.samples]
        assert hoster.task is not None
        assert not hoster.task.done()
        with pytest.raises(ReplicationError):
            await read_back(net, "Reader", core, hoster)
        path.write_bytes(good)
        await net.chain.until(lambda: challenge.issued in net.chain.proved(hoster.account))
        assert not net.chain.refused, "it sent no proof that it had not checked"


def challenged(net: Net, hoster: LivePeer) -> Any:
    """The open challenge of a hoster, or None."""
    return items.StorageChallenges.get(net.chain.state, hoster.account)


async def test_the_encoder_confirms_when_its_hoster_does_not(net: Net) -> None:
    class Lazy(HosterRole):
        async def _confirm(self, action: Any) -> int | None:
            await asyncio.Event().wait()
            return None

    _, core = await author(net)
    hoster = await net.start("Hoster", Lazy)
    await net.start("Encoder", EncoderRole, RolesConfig(confirm_grace=2))
    copy = await net.place(core)
    await net.chain.until(is_active(net, copy))
    check_copy(net, hoster, core, copy)


async def test_strangers_other_versions_and_other_chains_get_no_channel(net: Net) -> None:
    async with copied(net) as (writer, encoder, hoster, _, copy):
        await net.chain.until(lambda: bool(net.chain.begun))
        encoder.task.cancel()  # type: ignore[union-attr]
        await net.chain.until(lambda: net.chain.copy(copy).state == CopyState.ENCODING)
        await net.chain.wait_for(net.chain.number + 3)
        genesis = net.chain.genesis
        good = m.encode_handshake(genesis)
        for peer, name, handshake in (
            (writer, m.channel_id(copy), good),
            (encoder, m.channel_id(copy + 1), good),
            (encoder, None, good),
            (encoder, m.channel_id(copy), b"\2" + genesis),
            (encoder, m.channel_id(copy), m.encode_handshake(digest("another chain"))),
            (encoder, m.channel_id(copy), b"rubbish"),
        ):
            connection = await peer.transport.connect(hoster.keys.swarm_key)
            channel = connection.open(m.PROTOCOL, name, handshake)
            with pytest.raises(ChannelClosed):
                await channel.opened()
            connection.close()
        connection = await encoder.transport.connect(hoster.keys.swarm_key)
        channel = connection.open(m.PROTOCOL, m.channel_id(copy), good)
        await channel.opened()
        assert isinstance(m.decode(*await channel.receive()), m.State)
        await channel.send(2, b"\0" + bytes(257))
        answer = m.decode(*await channel.receive())
        assert isinstance(answer, m.CopyRefusal)
        assert "257 bytes is not 1 to 256 sectors" in answer.reason
        assert not hoster.stored()


async def test_a_second_channel_of_the_encoder_replaces_the_first(net: Net) -> None:
    async with copied(net, [30_000] * 6) as (_, encoder, hoster, core, copy):
        await net.chain.until(lambda: len(hoster.stored()) > 0)
        heard = 0
        for _ in range(3):
            connection = await encoder.transport.connect(hoster.keys.swarm_key)
            channel = connection.open(m.PROTOCOL, m.channel_id(copy), m.encode_handshake(net.chain.genesis))
            with suppress(ChannelClosed):
                await channel.opened()
                state = m.decode(*await channel.receive())
                assert isinstance(state, m.State)
                heard += state.sectors < net.chain.copy(copy).sectors
            connection.close()
        assert heard, "one of them replaced the first before all was stored"
        await net.chain.until(is_active(net, copy))
        check_copy(net, hoster, core, copy)
        stored = hoster.stored()
        assert stored == sorted(set(stored))


async def test_a_hoster_that_says_nothing_holds_its_encoder_only_for_a_while(net: Net) -> None:
    class Mute(HosterRole):
        async def _receive(self, channel: Channel) -> None:
            with suppress(ChannelClosed):
                while True:
                    await channel.receive()

    _, core = await author(net)
    hoster = await net.start("Hoster", Mute)
    await net.start("Encoder", EncoderRole)
    with capture_logs() as logs:
        copy = await net.place(core)
        await net.chain.until(lambda: any("has not sent its state" in str(line) for line in logs))
    hoster.become(HosterRole)
    await hoster.restart()
    await net.chain.until(is_active(net, copy))
    check_copy(net, hoster, core, copy)


@pytest.mark.parametrize("kill", ["nobody", "hoster", "encoder"])
async def test_a_copy_in_several_segments_that_cut_blocks(net: Net, monkeypatch: pytest.MonkeyPatch, kill: str) -> None:
    monkeypatch.setattr("service.roles.common.segment_jobs.longest_segment", lambda *copy: 40_960)
    monkeypatch.setattr("runtime_mock.model.datdot.segments.part_sectors", lambda state: 160)
    async with copied(net, [10_000, 45_000, 7, 30_000, 20_001, 0]) as (writer, encoder, hoster, core, copy):
        await net.chain.until(lambda: bool(net.chain.copy(copy).segments))
        victim = {"hoster": hoster, "encoder": encoder}.get(kill)
        if victim is not None:
            await victim.restart()
            await net.chain.until(lambda: len(net.chain.copy(copy).segments) > 1)
            await victim.restart()
        await net.chain.until(is_active(net, copy))
        assert [part.sectors for part in net.chain.copy(copy).segments] == [160, 160, 91]
        assert set(net.chain.paid.values()) == {1}
        assert len({net.chain.modulus(part.segment) for part in net.chain.copy(copy).segments}) == 3
        expected = blocks(core)
        await net.leave(writer)
        assert await read_back(net, "Reader", core, hoster) == expected
        sampled: set[int] = set()

        def note() -> bool:
            """Whether samples of all segments were asked for; those of the present challenge are noted."""
            challenge = challenged(net, hoster)
            if challenge is not None:
                sampled.update(sample.segment for sample in challenge.samples)
            return len(sampled) == 3

        await net.chain.until(note)
        await proves_again(net, hoster)
        assert not net.chain.events(events.StorageMissed)
        assert not net.chain.refused


async def test_what_is_longer_than_the_shortest_segment_of_the_chain_is_made_in_several(net: Net) -> None:
    """Hoster, encoder and chain agree where one ends: after 64 checkpoints, 4 MiB on a development chain."""
    async with copied(net, [1 << 19] * 9) as (writer, _, hoster, core, copy):
        await net.chain.until(is_active(net, copy))
        part = 64 * net.chain.client.times.checkpoint
        assert [one.sectors for one in net.chain.copy(copy).segments] == [part, (9 << 11) - part]
        assert not net.chain.events(events.Stalled)
        expected = blocks(core)
        await net.leave(writer)
        assert await read_back(net, "Reader", core, hoster) == expected


async def test_a_copy_that_the_chain_knows_no_more_is_deleted(net: Net) -> None:
    async with copied(net, [100 * i for i in range(1, 12)]) as (writer, _, hoster, core, copy):
        second = await net.place(core, [(2, 4)])
        await net.chain.until(is_active(net, copy))
        await net.chain.until(is_active(net, second))
        await net.leave(writer)
        copies = hoster.directory / "copies"
        assert sorted(one.name for one in copies.iterdir()) == [str(copy), str(second)]
        await net.end(copy)
        await net.chain.until(lambda: [one.name for one in copies.iterdir()] == [str(second)])
        await net.chain.until(lambda: hoster.store.get(core.key).ranges() == [(2, 4)])
        with pytest.raises(ReplicationError):
            await read_back(net, "Reader", core, hoster)
        await proves_again(net, hoster)
        await net.end(second)
        await net.chain.until(lambda: not list(copies.iterdir()))
        await net.chain.until(lambda: hoster.store.get(core.key).ranges() == [])
        await hoster.restart()
        assert not hoster.store.get(core.key).ranges()
        # what a challenge asks of that copy goes with it, and one that asks for it alone, maybe while its answer is on the way
        gone = {f"0x{error:02x}000000" for error in (Error.NoChallenge, Error.WrongChallenge, Error.WrongSectorCount)}
        assert {one["dispatch_error"]["Module"]["error"] for one in net.chain.refused} <= gone


async def test_a_decision_on_old_facts_makes_no_second_key(net: Net) -> None:
    """The key is made between the reading of a block's facts and the decision: its modulus must stay the one begun with."""

    class Slow(EncoderRole):
        made = 0
        stale = False

        async def _facts(self, block: Block) -> EncoderFacts:
            facts = await super()._facts(block)
            if not facts.keys and self.made and not self.stale:
                self.stale = True
                net.chain.poke()
                entry = self._runner._entries["key", 0, 0]
                await net.chain.until(lambda: entry.task is None)
            return facts

        async def _new_key(self, action: MakeKey) -> int | None:
            self.made += 1
            return await asyncio.shield(asyncio.create_task(self._slowly(action, self.made)))

        async def _slowly(self, action: MakeKey, time: int) -> int | None:
            """As in a thread: it goes on when its task is cancelled."""
            await net.chain.until(lambda: self.stale if time == 1 else bool(net.chain.begun))
            return await super()._new_key(action)

    _, core = await author(net)
    hoster = await net.start("Hoster", HosterRole)
    encoder = await net.start("Encoder", Slow)
    copy = await net.place(core)
    await net.chain.until(is_active(net, copy))
    assert encoder.role.stale
    check_copy(net, hoster, core, copy)


async def test_an_author_that_hosts_its_own_feed_keeps_it_when_the_copy_ends(net: Net) -> None:
    hoster = await net.start("Hoster", HosterRole)
    await net.start("Encoder", EncoderRole)
    core = hoster.store.create("feed")
    core.append([digest("block", i) * 100 for i in range(5)])
    expected = blocks(core)
    copy = await net.place(core, [(0, 4)])
    await net.chain.until(is_active(net, copy))
    assert hoster.database.rows("SELECT * FROM hosted")
    await net.end(copy)
    await net.chain.until(lambda: not hoster.database.rows("SELECT * FROM hosted"))
    assert core.ranges() == [(0, 5)]
    assert await read_back(net, "Reader", core, hoster) == expected


async def test_what_a_copy_holds_stays_when_an_encoder_on_the_same_node_drops_it(net: Net) -> None:
    writer, core = await author(net)
    hoster = await net.start("Hoster", HosterRole)
    await net.start("Encoder", EncoderRole)
    replica = hoster.store.get(core.key)
    async with open_feed(hoster.store, hoster.transport, core.key) as feed:
        await feed.reach(PlanHead(core.fork, core.length, core.tree_hash()))
        await feed.block(0, core.length)
        copy = await net.place(core)
        await net.chain.until(is_active(net, copy))
    await net.chain.until(lambda: replica.ranges() == [(0, core.length)])
    expected = blocks(core)
    await net.leave(writer)
    assert await read_back(net, "Reader", core, hoster) == expected
    replica.unmark(1, 3)
    replica.flush()
    await hoster.restart()
    assert hoster.store.get(core.key).ranges() == [(0, core.length)]


async def test_what_comes_into_a_copy_while_an_encoder_on_the_same_node_drops_it_stays(
    net: Net, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, core = await author(net)
    hoster = await net.start("Hoster", HosterRole)
    await net.start("Encoder", EncoderRole)
    replica, hosted, to_thread = hoster.store.get(core.key), hoster.role._hosted, asyncio.to_thread
    dropped = 0

    async def drop_first(function: Callable[..., Any], *given: Any) -> Any:
        nonlocal dropped
        if function == hosted.advance:
            replica.clear(0, core.length)
            await asyncio.sleep(0.01)  # the hoster looks what it has of them: this run is not yet among it
            dropped += 1
        return await to_thread(function, *given)

    monkeypatch.setattr(asyncio, "to_thread", drop_first)
    copy = await net.place(core)
    await net.chain.until(is_active(net, copy))
    assert dropped
    assert replica.ranges() == [(0, core.length)]


async def test_a_hoster_does_not_tell_of_blocks_of_another_fork(net: Net) -> None:
    """Its node's encoder took over a newer fork of the feed: what the copy holds beyond its beginning is not in that."""
    async with copied(net) as (_, _, hoster, core, copy):
        await net.chain.until(is_active(net, copy))
        core.truncate(4)
        core.append([b"another"] * 2)
        hoster.store.get(core.key).adopt_fork(core.prove(Request(upgrade=UpgradeRequest(0, core.length))))
        assert hoster.store.get(core.key).ranges() == [(0, 4)]
        await hoster.restart()
        assert hoster.store.get(core.key).ranges() == [(0, 4)]


async def test_what_an_encoder_fetched_is_dropped_and_its_connections_closed_whatever_happens(
    net: Net, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, core = await author(net)
    reader = await net.start("Reader")
    made: list[Connection] = []

    async def connect(key: bytes) -> Connection:
        made.append(await TcpTransport.connect(reader.transport, key))
        return made[-1]

    monkeypatch.setattr(reader.transport, "connect", connect)

    async def read() -> None:
        async with open_feed(reader.store, reader.transport, core.key) as feed:
            await feed.reach(PlanHead(core.fork, core.length, core.tree_hash()))
            await feed.block(0, 1)
            feed._next = asyncio.create_task(slow_to_end())
            await asyncio.Event().wait()

    async def slow_to_end() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.Event().wait()

    task = asyncio.create_task(read())
    await net.chain.until(lambda: reader.store.get(core.key).ranges() == [(0, 1)])
    for _ in range(2):
        await net.chain.wait_for(net.chain.number + 2)
        task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert not reader.store.get(core.key).ranges()
    assert made
    await net.chain.until(lambda: all(one.is_closed for one in made))


async def test_an_encoder_that_has_lost_a_key_says_so_once(net: Net) -> None:
    _, core = await author(net)
    await net.idle_hoster()
    encoder = await net.start("Encoder", EncoderRole)
    copy = await net.place(core)
    await net.chain.until(lambda: bool(net.chain.begun))
    with capture_logs() as logs:
        encoder.database.execute("DELETE FROM encoding")
        await net.chain.until(lambda: net.chain.copy(copy).state == CopyState.ENCODING)
        await net.chain.wait_for(net.chain.number + 5)
    assert [line["segment"] for line in logs if "private key is not on this disk" in line["event"]] == [0]


async def test_a_key_stays_until_the_chain_is_where_an_earlier_run_left_it(net: Net) -> None:
    _, core = await author(net)
    await net.idle_hoster()
    await net.idle_encoder()
    copy = await net.place(core)
    too_dear = EncoderTerms(10**18)
    encoder = await net.start("Encoder", EncoderRole, RolesConfig(encoding=too_dear))
    for seen in (10**6, 1):
        with encoder.database.transaction() as db:
            CursorStore(db).save(net.chain.genesis, BlockRef(seen, bytes(32)))
        await encoder.restart()
        encoder.role._store.make_key(copy, 0)
        await net.chain.wait_for(net.chain.number + 5)
        assert bool(encoder.role._store.records()) == (seen > net.chain.number)


async def test_a_key_that_has_a_record_is_never_overwritten(net: Net) -> None:
    role = (await net.start("Encoder", EncoderRole)).role
    role._store.make_key(0, 0)
    first, path = role._store.records(), role._store.key_path(0, 0).read_bytes()
    role._store.make_key(0, 0)
    assert (role._store.records(), role._store.key_path(0, 0).read_bytes()) == (first, path)


async def test_a_plan_with_an_oversized_block_is_declined(net: Net) -> None:
    _, core = await author(net, [1000, 0, (1 << 20) + 1])
    await net.start("Hoster", HosterRole)
    with capture_logs() as logs:
        plan = await net.publish(core, [(2, 3)])
        await net.chain.until(lambda: bool(net.chain.events(events.CopyEnded)))
    assert [event.reason for event in net.chain.events(events.CopyEnded)] == [CopyEnd.DECLINED]
    assert not net.chain.plan(plan).live
    assert any("over the limit of 1 MiB" in str(line) for line in logs)
    assert not net.chain.refused
