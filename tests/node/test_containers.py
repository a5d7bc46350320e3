"""What containers do for each other: peers are there before the chain, which waits for them, and each is found, read and funded."""

from __future__ import annotations

import asyncio
from importlib.metadata import version

import pytest

from service.devnet.containers import (
    account_in,
    address_of,
    address_towards,
    answers,
    fund,
    gateway,
    stand_by,
    until_all_stand_by,
)
from service.session import chain_session
from service.units import UNIT
from service.vault import PeerKeys, load_keys
from tests.support.mock_process import running_mock
from tests.support.needs import free_port

HEADING = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
OWN = "eth0\t000012AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n"
DEFAULT = "eth1\t00000000\t010013AC\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"


@pytest.mark.parametrize(
    ("routes", "found"),
    [
        (HEADING + DEFAULT + OWN, "172.19.0.1"),
        (HEADING + OWN + DEFAULT, "172.19.0.1"),
        (HEADING + OWN, None),
        ("", None),
    ],
)
def test_the_gateway_is_read_of_the_table_of_routes(routes: str, found: str | None) -> None:
    assert gateway(routes) == found


def test_addresses_are_of_ipv4() -> None:
    assert address_of("localhost") == address_towards("127.0.0.1") == "127.0.0.1"


def test_the_account_is_read_of_the_metrics() -> None:
    account = load_keys("//Bob").address
    line = f'datdot_info{{version="{version("datdot-service")}",account="{account}"}} 1\n'
    assert account_in(f"# TYPE datdot_info gauge\n{line}datdot_block 7\n") == account
    for wrong in (
        "",
        line.replace(account, "x"),
        line.replace("info", "block"),
        line.replace("} 1", "} 0"),
        f"# {line}",
    ):
        assert account_in(wrong) is None


async def test_a_peer_stands_by_until_the_chain_is_there_and_whoever_starts_it_sees_that() -> None:
    peer, chain = free_port(), free_port()
    gate = asyncio.create_task(until_all_stand_by(["127.0.0.1", "localhost"], peer))
    waiting = asyncio.create_task(stand_by(f"ws://127.0.0.1:{chain}", peer))
    await asyncio.wait([gate, waiting], return_when=asyncio.FIRST_COMPLETED)
    assert gate.done(), "the peer stood by before it was seen"
    assert not waiting.done()
    server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", chain)
    async with server:
        await waiting
    assert not await answers("127.0.0.1", peer), "the port is free for the node"


async def test_a_port_that_is_taken_is_an_error() -> None:
    server = await asyncio.start_server(lambda reader, writer: writer.close(), "0.0.0.0", 0)
    async with server:
        with pytest.raises(OSError, match="in use"):
            await stand_by("ws://127.0.0.1:1", server.sockets[0].getsockname()[1])


def test_the_faucet_gives_to_who_has_little_and_only_once() -> None:
    poor, rich = PeerKeys.generate().account, load_keys("//Bob").account
    with running_mock("--seal", "100") as mock:

        async def twice() -> list[int]:
            async with chain_session(mock.url, load_keys("//Alice")) as session:
                before = await session.client.balance(rich)
                for _ in range(2):
                    await fund(session, {poor: 20 * UNIT, rich: 20 * UNIT})
                return [await session.client.balance(poor), await session.client.balance(rich) - before]

        assert asyncio.run(twice()) == [20 * UNIT, 0]
