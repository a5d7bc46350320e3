"""The probe protocol: its bytes, its rate, and a hoster's service against strangers, rubbish and other chains."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.encoding import DamagedSectors, Opening
from service.hypercore import KeyPair
from service.hypercore.net import ChannelClosed, Connection, PeerAddress, TcpTransport
from service.hypercore.net.shared import COMPLAINTS
from service.protocols.probe import messages as m
from service.roles.attester.probe import ask_sector
from service.roles.hoster.probes import ProbeService
from service.roles.hoster.role import HosterRole
from service.roles.hoster.sectors import SectorsMissing
from tests.support.copy_world import digest

GENESIS = digest("genesis")
OPENING = Opening(9, bytes(range(256)), (digest(1), digest(2), digest(3)))


@pytest.mark.parametrize(
    "message",
    [
        m.Ask(0, 0, 0),
        m.Ask(2**40, 2**50, 2**53 - 1),
        m.Answer(m.Ask(1, 2, 9), OPENING),
        m.ProbeRefusal("gone"),
        m.ProbeRefusal("ü"),
    ],
)
def test_messages_keep_what_they_carry(message: m.Message) -> None:
    assert m.decode(*m.encode(message)) == message


def test_the_bytes_of_an_answer() -> None:
    kind, body = m.encode(m.Answer(m.Ask(1, 300, 9), OPENING))
    assert kind == 1
    assert body == b"\x01\xfd\x2c\x01\x09" + OPENING.data + b"\x03" + b"".join(OPENING.siblings)


@given(st.integers(0, 4), st.binary(max_size=400))
def test_rubbish_is_refused_or_well_formed(kind: int, body: bytes) -> None:
    try:
        message = m.decode(kind, body)
    except m.ProbeRefused:
        return
    assert m.decode(*m.encode(message)) == message


@pytest.mark.parametrize(
    ("kind", "body", "reason"),
    [
        (0, b"\1\2", "type 0"),
        (0, b"\1\2\3\4", "type 0"),
        (1, b"\1\2\3" + bytes(255), "type 1"),
        (1, b"\1\2\3" + bytes(256) + b"\x21" + bytes(33 * 32), "33 siblings"),
        (1, b"\1\2\3" + bytes(256) + b"\xff" + b"\xff" * 8, "siblings|type 1"),
        (2, b"\xff" + b"\xff" * 8, "type 2"),
        (2, b"\xfd\xf5\x01" + bytes(501), "type 2"),
        (3, b"", "unknown message type 3"),
    ],
)
def test_malformed_messages_are_named(kind: int, body: bytes, reason: str) -> None:
    with pytest.raises(m.ProbeRefused, match=reason):
        m.decode(kind, body)


@pytest.mark.parametrize(
    ("handshake", "reason"),
    [
        (b"", "handshake"),
        (b"\1" + GENESIS[:31], "handshake"),
        (b"\1" + GENESIS + b"\0", "handshake"),
        (b"\2" + GENESIS, "version 2"),
        (m.encode_handshake(digest("other")), digest("other").hex()),
    ],
)
def test_handshakes_of_another_version_or_chain_are_refused(handshake: bytes, reason: str) -> None:
    with pytest.raises(m.ProbeRefused, match=reason):
        m.check_handshake(handshake, GENESIS)
    m.check_handshake(m.encode_handshake(GENESIS), GENESIS)


def test_the_rate_fills_with_the_chains_blocks() -> None:
    rate = m.RateLimit()
    assert [rate.allow("a", 100) for _ in range(m.BURST)] == [True] * m.BURST
    assert not rate.allow("a", 100)
    assert rate.allow("b", 100), "another address has its own"
    assert [rate.allow("a", 101) for _ in range(9)] == [True] * 8 + [False]
    assert not rate.allow("a", 90), "an earlier block gives nothing"
    assert [rate.allow("a", 10_000) for _ in range(m.BURST + 1)] == [True] * m.BURST + [False]
    for number in range(2 * m.MAX_ADDRESSES):
        rate.allow(str(number), 20_000 + number // 100)
    assert len(rate._level) <= m.MAX_ADDRESSES


def test_addresses_for_which_there_is_no_room_share_one_bucket() -> None:
    rate = m.RateLimit()
    came = [rate.allow(str(number), 100) for number in range(2 * m.MAX_ADDRESSES)]
    assert sum(came) == m.MAX_ADDRESSES + m.BURST
    assert len(rate._level) == m.MAX_ADDRESSES + 1
    assert rate.allow("0", 100), "who has a bucket keeps it"
    assert rate.allow("late", 101), "and the shared one fills like any other"


class Hosts:
    """A hoster that has one segment of 10 sectors, one of which is damaged."""

    def __init__(self) -> None:
        self.now = 0
        self.service: ProbeService | None = None

    def holds(self, ask: m.Ask) -> bool:
        return (ask.copy, ask.segment) == (1, 5)

    async def open(self, ask: m.Ask) -> Opening:
        if ask.segment != 5 or ask.sector > 9:
            raise SectorsMissing(f"segment {ask.segment} of /secret/path")
        if ask.sector == 4:
            raise DamagedSectors(4, 1)
        if ask.sector == 5:
            raise OSError(5, "Input/output error", "/secret/path")
        return Opening(ask.sector, bytes([ask.sector]) * 256, (digest(ask.sector),))


@asynccontextmanager
async def served(hosts: Hosts) -> AsyncIterator[tuple[TcpTransport, bytes]]:
    service = ProbeService(GENESIS, hosts.open, hosts.holds, lambda: hosts.now)
    hosts.service = service
    keys = KeyPair.generate()
    async with TcpTransport(keys, [], service.attach) as listening:
        host, port = await listening.listen("127.0.0.1", 0)
        async with TcpTransport(KeyPair.generate(), [PeerAddress(keys.public, host, port)]) as asking:
            yield asking, keys.public


async def test_any_stranger_is_shown_a_sector_and_told_why_not() -> None:
    async with served(Hosts()) as (transport, key):
        for _ in range(2):
            connection = await transport.connect(key, key_pair=KeyPair.generate())
            for sector in (0, 9):
                opening = await ask_sector(connection, GENESIS, m.Ask(1, 5, sector))
                assert opening == Opening(sector, bytes([sector]) * 256, (digest(sector),))
            with pytest.raises(m.ProbeRefused, match="sector 10 of segment 5 is not stored here") as gone:
                await ask_sector(connection, GENESIS, m.Ask(1, 5, 10))
            with pytest.raises(m.ProbeRefused, match="sector 4 of segment 5 cannot be opened") as damaged:
                await ask_sector(connection, GENESIS, m.Ask(1, 5, 4))
            with pytest.raises(m.ProbeRefused, match="sector 5 of segment 5 cannot be opened") as faulty:
                await ask_sector(connection, GENESIS, m.Ask(1, 5, 5))
            assert "secret" not in str(gone.value) + str(damaged.value) + str(faulty.value)
            connection.close()


@pytest.mark.case("network/probe_drain")
async def test_the_rate_limit_names_itself_and_passes() -> None:
    hosts = Hosts()
    async with served(hosts) as (transport, key):
        connection = await transport.connect(key)
        for _ in range(1 + m.BURST):
            await ask_sector(connection, GENESIS, m.Ask(1, 5, 0))
        with pytest.raises(m.ProbeRefused, match="too many probes from this address"):
            await ask_sector(connection, GENESIS, m.Ask(1, 5, 0))
        for copy in range(2, 20):  # a segment of copy 1 under other names is not counted
            with pytest.raises(m.ProbeRefused, match="sector 0 of segment 5 is not stored here"):
                await ask_sector(connection, GENESIS, m.Ask(copy, 5, 0))
        attester = await transport.connect(key, key_pair=KeyPair.generate())
        assert (await ask_sector(attester, GENESIS, m.Ask(1, 5, 9))).sector == 9, "the first is free"
        with pytest.raises(m.ProbeRefused, match="too many probes from this address"):
            await ask_sector(attester, GENESIS, m.Ask(1, 5, 9))
        hosts.now += 1
        await ask_sector(connection, GENESIS, m.Ask(1, 5, 0))


@pytest.mark.case("network/probe_drain_fast")
async def test_who_never_waits_for_answers_takes_nothing_from_an_attester(capsys: pytest.CaptureFixture[str]) -> None:
    async with served(Hosts()) as (transport, key):
        for _ in range(20):
            connection = await transport.connect(key, key_pair=KeyPair.generate())
            channel = connection.open(m.PROTOCOL, None, m.encode_handshake(GENESIS))
            await channel.opened()
            for number in range(500):
                connection.mux.send(channel._endpoint, *m.encode(m.Ask(1, 5, number % 4)))
        attester = await transport.connect(key, key_pair=KeyPair.generate())
        assert (await ask_sector(attester, GENESIS, m.Ask(1, 5, 9))).sector == 9
        assert capsys.readouterr().out.count("too many probes") <= COMPLAINTS + 1


@pytest.mark.parametrize("message", [(0, b"rubbish"), (7, b""), m.encode(m.ProbeRefusal("I am the asker"))])
async def test_rubbish_ends_the_connection_and_nothing_else(message: tuple[int, bytes]) -> None:
    async with served(Hosts()) as (transport, key):
        bad, good = await transport.connect(key), await transport.connect(key)
        channel = bad.open(m.PROTOCOL, None, m.encode_handshake(GENESIS))
        await channel.opened()
        await channel.send(*message)
        with pytest.raises(ChannelClosed):
            await channel.receive()
        await bad.wait_closed()
        assert (await ask_sector(good, GENESIS, m.Ask(1, 5, 0))).sector == 0


async def test_another_version_chain_or_id_gets_no_channel() -> None:
    async with served(Hosts()) as (transport, key):
        connection: Connection = await transport.connect(key)
        for identifier, handshake in (
            (None, b"\2" + GENESIS),
            (None, m.encode_handshake(digest("other"))),
            (b"id", m.encode_handshake(GENESIS)),
        ):
            channel = connection.open(m.PROTOCOL, identifier, handshake)
            with pytest.raises(ChannelClosed):
                await channel.opened()
        assert (await ask_sector(connection, GENESIS, m.Ask(1, 5, 0))).sector == 0


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (m.encode(m.Answer(m.Ask(1, 5, 8), OPENING)), "something other"),
        (m.encode(m.Ask(1, 5, 0)), "something other"),
        ((9, b""), "unknown message type 9"),
        (None, "closed"),
    ],
)
async def test_a_hoster_that_answers_wrongly_is_refused(answer: tuple[int, bytes] | None, reason: str) -> None:
    async def handle(channel: object) -> None:
        await channel.opened()  # type: ignore[attr-defined]
        await channel.receive()  # type: ignore[attr-defined]
        if answer is not None:
            await channel.send(*answer)  # type: ignore[attr-defined]
            await channel.receive()  # type: ignore[attr-defined]

    def attach(connection: Connection) -> None:
        connection.on_protocol(m.PROTOCOL, lambda *_: m.encode_handshake(GENESIS), handle)

    keys = KeyPair.generate()
    async with TcpTransport(keys, [], attach) as listening:
        host, port = await listening.listen("127.0.0.1", 0)
        async with TcpTransport(KeyPair.generate(), [PeerAddress(keys.public, host, port)]) as transport:
            connection = await transport.connect(keys.public)
            with pytest.raises(m.ProbeRefused, match=reason):
                await ask_sector(connection, GENESIS, m.Ask(1, 5, 0))


async def test_a_copy_that_ends_while_a_question_waits_is_told_as_not_stored() -> None:
    role: Any = SimpleNamespace(_roots={})
    with pytest.raises(SectorsMissing, match="segment 5 does not belong to an active copy any longer"):
        await HosterRole._open_probe(role, m.Ask(1, 5, 0))
