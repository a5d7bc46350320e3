"""What the containers of docker-compose.yml do for each other: peers stand by until the chain is there, the chain waits for them.

A peer that is up before the first block misses no deadline. It says so by listening at the port at which other peers dial it.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import structlog

from service.chain_client import frame
from service.operating.transfers import check_development
from service.session import Session
from service.units import money

log = structlog.get_logger(__name__)

LOOK_SECONDS = 0.25
"""Between two looks at what is not there yet. A port that opens tells nobody."""
ASK_SECONDS = 5.0
"""For one answer."""
MOST_METRICS = 1 << 20
"""Bytes that are read of a peer's metrics."""
ROUTES = Path("/proc/net/route")
_ACCOUNT = re.compile(r'^datdot_info\{[^}]*account="([1-9A-HJ-NP-Za-km-z]{40,60})"[^}]*\} 1$', re.MULTILINE)


async def answers(host: str, port: int) -> bool:
    """Return whether somebody listens there."""
    try:
        async with asyncio.timeout(ASK_SECONDS):
            _, writer = await asyncio.open_connection(host, port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    return True


async def until_it_answers(host: str, port: int, what: str) -> None:
    """Wait until somebody listens there; say once that it is waited for."""
    told = False
    while not await answers(host, port):
        if not told:
            log.info("waiting", what=what, at=f"{host}:{port}")
        told = True
        await asyncio.sleep(LOOK_SECONDS)


async def stand_by(chain: str, port: int) -> None:
    """Listen at a peer's port until the chain can be reached, so that whoever starts the chain sees that the peer is there.

    Raises OSError if the port is taken.
    """
    parts = urlsplit(chain)
    assert parts.hostname is not None
    server = await asyncio.start_server(_hang_up, "0.0.0.0", port)
    async with server:
        await until_it_answers(parts.hostname, parts.port or (443 if parts.scheme == "wss" else 80), "the chain")


async def _hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def until_all_stand_by(peers: Sequence[str], port: int) -> None:
    """Wait until each of these hosts listens at the port of peers."""
    await asyncio.gather(*(until_it_answers(peer, port, peer) for peer in peers))


def address_towards(host: str) -> str:
    """Return this machine's IPv4 address in the network in which a host is. Nothing is sent. Raises OSError."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((host, 9))
        return str(probe.getsockname()[0])


def address_of(name: str) -> str:
    """Return a host's IPv4 address. Raises OSError."""
    return str(socket.getaddrinfo(name, None, socket.AF_INET, socket.SOCK_STREAM)[0][4][0])


def gateway(routes: str) -> str | None:
    """Return the default gateway of a table of routes as Linux shows it, or None: from there come requests to published ports."""
    for line in routes.splitlines()[1:]:
        fields = line.split()
        if len(fields) > 2 and fields[1] == "00000000" and fields[2] != "00000000":
            return socket.inet_ntoa(bytes.fromhex(fields[2])[::-1])
    return None


def account_in(metrics: str) -> str | None:
    """Return the account that a node's metrics name, in SS58."""
    found = _ACCOUNT.search(metrics)
    return found[1] if found else None


async def account_at(http: aiohttp.ClientSession, url: str) -> str:
    """Wait until a node tells its account, and return it."""
    while True:
        try:
            async with asyncio.timeout(ASK_SECONDS), http.get(f"{url}/metrics") as answer:
                text = (await answer.content.read(MOST_METRICS)).decode(errors="replace")
            found = account_in(text)
            if found is not None:
                return found
            log.debug("no account in the answer", url=url, status=answer.status)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            log.debug("a peer does not answer yet", url=url, error=str(error))
        await asyncio.sleep(LOOK_SECONDS)


async def fund(session: Session, amounts: Mapping[bytes, int]) -> None:
    """Give every account that has less than half of its amount that amount. Raises TransferRefused and ChainError."""
    await check_development(session.client)
    balances = await asyncio.gather(*map(session.client.balance, amounts))
    poor = [(one, amounts[one]) for one, has in zip(amounts, balances, strict=True) if has < amounts[one] // 2]
    await asyncio.gather(*(session.signer.submit(frame.transfer(account, amount)) for account, amount in poor))
    log.info("money was given", accounts=len(poor), sum=money(sum(amount for _, amount in poor)))
