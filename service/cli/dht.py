"""The command `datdot dht`: a node of the DHT that others begin with."""

from __future__ import annotations

import asyncio
import ipaddress
from contextlib import AsyncExitStack
from typing import Annotated

import typer

from service.hypercore.swarm import DHT
from service.hypercore.swarm.dht.address import PORT

from .addresses import ipv4, parse_announce, parse_bootstrap
from .failures import failure_of
from .options import Announce, Bootstrap, Json
from .output import Output, configure_logging, run


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
    others = parse_bootstrap(bootstrap)
    if told is None and ipaddress.IPv4Address(here.host).is_unspecified:
        raise typer.BadParameter(f"{listen} is no address that others can reach: --announce HOST:PORT says which is")

    async def main() -> None:
        async with AsyncExitStack() as stack:
            node = await stack.enter_async_context(DHT(here, others, ipv4(told) if told else here))
            out.result({"address": str(node.node.address), "id": node.node.table.id.hex()})
            await asyncio.Event().wait()

    run(out, main, lambda error: failure_of(error, listen), quiet_interrupt=True)
