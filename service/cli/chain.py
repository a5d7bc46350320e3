"""The commands `datdot chain`: show the chain's state and events."""

from __future__ import annotations

from typing import Annotated

import typer

from service.chain_client import ChainClient

from .failures import failure_of
from .options import DEFAULT_CHAIN, Chain, Json
from .output import Failure, Output, configure_logging, run

chain_app = typer.Typer(help="Show the chain's state and events.", no_args_is_help=True)


@chain_app.command()
def status(chain: Chain = DEFAULT_CHAIN, json: Json = False) -> None:
    """Show genesis, runtime, best and finalized block."""
    out = Output(json)
    configure_logging(json)

    async def main() -> None:
        async with await ChainClient.connect(chain) as client:
            best, finalized = await client.best(), await client.finalized()
            out.result(
                {
                    "genesis": client.genesis.hex(),
                    "spec_version": await client.spec_version(),
                    "best": best.number,
                    "finalized": finalized.number,
                }
            )

    run(out, main, lambda error: failure_of(error, chain))


@chain_app.command()
def events(
    first: Annotated[int, typer.Option("--from", min=0, metavar="A", help="The first block.")],
    last: Annotated[int, typer.Option("--to", min=0, metavar="B", help="The last block.")],
    chain: Chain = DEFAULT_CHAIN,
    json: Json = False,
) -> None:
    """Print the events of blocks A to B, one per line."""
    out = Output(json)
    configure_logging(json)
    if first > last:
        raise typer.BadParameter(f"--from {first} is after --to {last}")

    async def main() -> None:
        async with await ChainClient.connect(chain) as client:
            best = await client.best()
            if last > best.number:
                raise Failure(
                    "no_such_block", f"block {last} does not exist yet; the best block is {best.number}", chain
                )
            for number in range(first, last + 1):
                block = await client.block_hash(number)
                if block is None:
                    raise Failure("no_such_block", f"the node does not know block {number}", chain)
                runtime = await client.runtime_at(block)
                for record in await client.events(block):
                    fields = runtime.show_event(record)
                    value = {"block": number, "pallet": record.pallet, "event": record.name, "fields": fields}
                    out.result(value, f"{number}  {record.pallet}.{record.name}  {fields}")

    run(out, main, lambda error: failure_of(error, chain))
