"""The command `datdot relay`: a blind relay, at which peers meet that have no direct way to each other."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Annotated

import typer

from service.hypercore.swarm import DHT, BlindRelay

from .addresses import ipv4, parse_announce, parse_bootstrap
from .failures import failure_of
from .feed import swarm_pair
from .options import Announce, Bootstrap, Json, Key, PassphraseFile
from .output import Output, configure_logging, run


def relay(
    listen: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Where it listens; port 0 picks a free one.")
    ] = "0.0.0.0:0",
    announce: Announce = None,
    bootstrap: Bootstrap = None,
    key: Key = None,
    passphrase_file: PassphraseFile = None,
    json: Json = False,
) -> None:
    """Run a blind relay, until Ctrl-C: peers name its key with --relay, and meet there if nothing else leads to them.

    It passes on what it cannot read, for anybody: 1024 pairs at a time. It should be where everybody can reach it.
    """
    out = Output(json)
    configure_logging(json)
    here, told, nodes = ipv4(listen), parse_announce(announce), parse_bootstrap(bootstrap)
    if not nodes:
        raise typer.BadParameter("a relay is found by its key in a DHT: add --bootstrap HOST:PORT")
    pair = swarm_pair(out, key, passphrase_file)

    async def main() -> None:
        async with AsyncExitStack() as stack:
            node = await stack.enter_async_context(DHT(here, nodes, ipv4(told) if told else None))
            await stack.enter_async_context(BlindRelay(node, pair))
            out.result({"key": pair.public.hex(), "address": str(node.address)})
            await asyncio.Event().wait()

    run(out, main, lambda error: failure_of(error, listen), quiet_interrupt=True)
