"""What the containers of docker-compose.yml run: commands that there are, with addresses and keys that they find by themselves.

They are not for people, and no part of `datdot`.
"""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Annotated

import aiohttp
import structlog
import typer

from service.address import account_id
from service.devnet.containers import (
    ROUTES,
    account_at,
    address_of,
    address_towards,
    fund,
    gateway,
    stand_by,
    until_all_stand_by,
)
from service.hypercore.swarm import DHT
from service.hypercore.swarm.dht.address import PORT, Address
from service.node.config import resolve
from service.node.run import run_node
from service.node.settings import NodeSettings
from service.session import chain_session
from service.units import UNIT
from service.vault import load_keys

from .failures import failure_of
from .options import DEFAULT_CHAIN, Chain
from .output import Output, configure_logging, run
from .progress import NodeLines

log = structlog.get_logger(__name__)
containers = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

PEER_PORT, HTTP_PORT = 4000, 8080
FAUCET = "//Alice"
MONEY = {"author": 2_000 * UNIT, "hoster": 20 * UNIT, "encoder": 250 * UNIT, "attester": 100 * UNIT}
"""What a peer is given, by the first word of its name."""
Names = Annotated[list[str], typer.Argument(metavar="PEER...", help="Names of the peers' containers: hoster-1.")]


@containers.command()
def peer(
    name: Annotated[str, typer.Option(help="The container's name in its network.")],
    roles: Annotated[str, typer.Option(help="As those of datdot node.")],
    dht_host: Annotated[str, typer.Option("--dht", help="The container with the node of the DHT.")] = "dht",
    directory: Annotated[Path, typer.Option("--dir")] = Path("/data"),
    chain: Chain = DEFAULT_CHAIN,
) -> None:
    """Run a peer once the chain is there. Its dashboard is read from the machine that runs the containers."""
    out = Output(json=False)
    configure_logging(False)

    async def main() -> None:
        await stand_by(chain, PEER_PORT)
        node, host = address_of(dht_host), gateway(ROUTES.read_text())
        given = {
            "chain": chain,
            "roles": roles,
            "listen": f"0.0.0.0:{PEER_PORT}",
            "announce": f"{address_towards(node)}:{PEER_PORT}",
            "bootstrap": f"{node}:{PORT}",
            "http_listen": f"0.0.0.0:{HTTP_PORT}",
            "http_names": [name],
            "http_readers": [] if host is None else [host],
        }
        found = resolve(given, None, NodeSettings.load(directory))
        await run_node(directory, found.settings, out.result, NodeLines(), found.config)

    run(out, main, lambda error: failure_of(error, str(directory)), quiet_interrupt=True)


@containers.command()
def dht() -> None:
    """Run the node of the DHT by which the peers find each other."""
    out = Output(json=False)
    configure_logging(False)

    async def main() -> None:
        here = Address(address_of(socket.gethostname()), PORT)
        async with DHT(Address("0.0.0.0", PORT), (), here) as node:
            out.result({"address": str(node.node.address)})
            await asyncio.Event().wait()

    run(out, main, lambda error: failure_of(error, f"0.0.0.0:{PORT}"), quiet_interrupt=True)


@containers.command()
def faucet(peers: Names, chain: Chain = DEFAULT_CHAIN) -> None:
    """Give each peer the money that it needs, as soon as it tells its account."""
    out = Output(json=False)
    configure_logging(False)
    unknown = [name for name in peers if name.partition("-")[0] not in MONEY]
    if unknown:
        raise typer.BadParameter(
            f"{unknown[0]}: names begin with {', '.join(MONEY)}: that says how much money they need"
        )
    amounts = {name: MONEY[name.partition("-")[0]] for name in peers}

    async def main() -> None:
        async with aiohttp.ClientSession() as http:
            accounts = await asyncio.gather(*(account_at(http, f"http://{name}:{HTTP_PORT}") for name in amounts))
        async with chain_session(chain, load_keys(FAUCET)) as session:
            await fund(session, {account_id(one): amounts[name] for one, name in zip(accounts, amounts, strict=True)})

    run(out, main, lambda error: failure_of(error, chain))


@containers.command()
def gate(peers: Names) -> None:
    """End when all peers stand by: then the chain may begin to make blocks."""
    out = Output(json=False)
    configure_logging(False)

    async def main() -> None:
        await until_all_stand_by(peers, PEER_PORT)
        log.info("all peers are there: the chain may start", peers=len(peers))

    run(out, main, lambda error: failure_of(error, ", ".join(peers)))
