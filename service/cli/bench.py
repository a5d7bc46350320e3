"""The command `datdot bench`: how fast this machine does what roles do, and what that earns."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import structlog
import typer

from service import durable
from service.disk import room_at, shown_size
from service.node.findings import Finding
from service.node.measures import codec_rates, disk_rate, hash_rate
from service.node.prices import block_seconds, earnings, encoding_earnings, read_encoders, read_hosters
from service.node.setup import usual_offer
from service.roles.common.terms import RolesConfig
from service.roles.hoster.room import default_reserve
from service.session import client_session
from service.units import KIB, MIB, parse_size

from .failures import failure_of
from .options import Directory, Json, checked_url
from .output import Output, configure_logging, run

log = structlog.get_logger(__name__)
DISK_BYTES = 64 * MIB
STEPS = 3


def bench(
    directory: Directory,
    seconds: Annotated[float, typer.Option(min=0, max=600, help="For each figure of the processor, about.")] = 2.0,
    chain: Annotated[
        str | None,
        typer.Option(
            "--chain", metavar="URL", callback=checked_url, help="A chain's RPC address: what it would earn there."
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Measure disk, encoding, decoding and hashing on this machine, and say what it would earn at a chain's asks of today."""
    out = Output(json)
    configure_logging(json)

    async def main() -> None:
        durable.make_private_if_missing(directory)
        found: dict[str, Any] = {"cores": os.cpu_count() or 1}
        for number, (name, measure) in enumerate(_measures(directory, seconds).items(), 1):
            log.info("measuring", what=name, step=number, of=STEPS)
            values, text = await asyncio.to_thread(measure)
            found |= values
            if not json:
                out.result({}, f"{name:<8} {text}")
        told = [] if chain is None else await _earned(chain, directory, found["encode"] * found["cores"])
        value = found | {"earnings": [{"what": one.what, "text": one.text, "remedy": one.remedy} for one in told]}
        lines = [f"{one.what:<8} {one.text}" + (f"; {one.remedy}" if one.remedy else "") for one in told]
        out.result(value, "\n".join([f"{'cores':<8} {found['cores']}", *lines]))

    run(out, main, lambda error: failure_of(error, str(directory)))


def _measures(directory: Path, seconds: float) -> dict[str, Callable[[], tuple[dict[str, Any], str]]]:
    """Return what is measured, in its order: each gives its values, in bytes a second, and a line for people."""

    def disk() -> tuple[dict[str, Any], str]:
        rate = int(disk_rate(directory, DISK_BYTES))
        return {"disk_write": rate}, f"{shown_size(rate)}/s of durable writes"

    def codec() -> tuple[dict[str, Any], str]:
        rates = codec_rates(seconds)
        text = f"{rates.backend}: one core encodes {rates.encode / KIB:.0f} KiB/s and decodes {rates.decode / KIB:.0f} KiB/s"
        return {"codec": rates.backend, "encode": int(rates.encode), "decode": int(rates.decode)}, text

    def hashes() -> tuple[dict[str, Any], str]:
        rate = int(hash_rate(seconds))
        return {"hash": rate}, f"one core hashes {shown_size(rate)}/s of a feed's blocks"

    return {"disk": disk, "codec": codec, "hash": hashes}


async def _earned(chain: str, directory: Path, rate: float) -> list[Finding]:
    """Return what half of the disk, and all cores, earn at the asks that a node has if nothing is said. Raises ChainError."""
    usual = RolesConfig()
    offer = usual_offer(room_at(directory), default_reserve(directory))
    hosting = usual.hosting if offer is None else replace(usual.hosting, capacity=parse_size(offer))
    async with client_session(chain) as client:
        best = await client.best()
        era = await block_seconds(client, best.number)
        hosters, encoders = await read_hosters(client, best.hash), await read_encoders(client, best.hash)
        seconds = None if era is None else client.times.era * era
    return [
        earnings(replace(usual, hosting=hosting), hosters, seconds),
        encoding_earnings(usual.encoding.ask, encoders, rate),
    ]
