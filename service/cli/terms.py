"""The options that say a plan's terms, for the commands that publish a plan and change one."""

from __future__ import annotations

from typing import Annotated

import typer

from .sums import price_option

REPLICAS = typer.Option(min=1, max=16, metavar="N", help="Number of copies.")
UNTIL = typer.Option(min=1, metavar="BLOCK", help="The plan ends at its first tick from this block on.")
MAX_ASK_DISK = price_option("Highest price per GiB and era")
MAX_ASK_ENCODING = price_option("Highest price of encoding, per GiB")
MAX_ASK_RECEIVING = price_option("Highest price of receiving, per GiB")
REPORT_PRICE = price_option("Price of one attester's report")
MIN_REPUTATION = typer.Option(metavar="PPM", help="Least reputation of a hoster, in millionths.")
MAX_LATENCY = typer.Option(metavar="MS", help="A copy whose median latency is mostly above ends.")
MIN_THROUGHPUT = typer.Option(metavar="KIB", help="A copy whose median throughput is mostly below ends, in KiB/s.")
LIVE = typer.Option("--live", help="The last range, which must end at the feed's end, grows with the feed.")
Regions = Annotated[
    list[str] | None, typer.Option("--region", metavar="G", help="Begin of a geohash where hosters say they are.")
]


def parse_regions(names: list[str] | None) -> tuple[bytes, ...] | None:
    """Return regions as the chain takes them, or None if none was named. What they are is checked later."""
    return tuple(name.encode(errors="replace") for name in names) if names else None
