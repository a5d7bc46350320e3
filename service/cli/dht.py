"""The command `datdot dht`: a node of the DHT that others begin with."""

from __future__ import annotations

import asyncio
import ipaddress
from typing import Annotated

import typer

from service.hypercore.swarm import DHT
from service.hypercore.swarm.dht.address import Address

from .failures import failure_of
from .feed import parse_announce, parse_listen
from .options import Announce, Json
from .output import Output, configure_logging, run

PORT = 49_737
Bootstrap = Annotated[
    list[str] | None,
    typer.Option("--bootstrap", metavar="HOST:PORT", help="A node of the DHT to begin with (may be given again)."),
]


def ipv4(text: str) -> Address:
    """Parse `HOST:PORT` with an IPv4 host. Raises BadParameter."""
    host, port = parse_listen(text)
    try:
        return Address(str(ipaddress.IPv4Address(host)), port)
    except ValueError:
        raise typer.BadParameter(f"{text!r}: the DHT takes IPv4 addresses, as 192.0.2.1:{PORT}") from None


def dht(
    listen: Annotated[str, typer.Option(metavar="HOST:PORT", help="Where it listens.")] = f"127.0.0.1:{PORT}",
    announce: Announce = None,
    bootstrap: Bootstrap = None,
    json: Json = False,
) -> None:
    """Run a node of the DHT by which peers find each other, until Ctrl-C.

    A private network needs one and no other software: its address is what peers give with --bootstrap. Nothing else is
    contacted.
    """
    out = Output(json)
    configure_logging(json)
    here = ipv4(listen)
    told = parse_announce(announce)
    others = tuple(map(ipv4, bootstrap or ()))
    if told is None and ipaddress.IPv4Address(here.host).is_unspecified:
        raise typer.BadParameter(f"{listen} is no address that others can reach: --announce HOST:PORT says which is")

    async def main() -> None:
        async with DHT(here, others, ipv4(told) if told else here) as node:
            out.result({"address": str(node.node.address), "id": node.node.table.id.hex()})
            await asyncio.Event().wait()

    run(out, main, lambda error: failure_of(error, listen), quiet_interrupt=True)
