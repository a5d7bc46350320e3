"""The command `datdot status`: how a running node stands, as its own HTTP server tells it."""

from __future__ import annotations

import asyncio
import json as json_module
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import aiohttp
import typer
from rich.live import Live
from rich.text import Text

from service.node.settings import NodeError, NodeSettings
from service.units import decimal
from service.web.app import PATIENCE

from .failures import failure_of
from .options import Json
from .output import Failure, Output, configure_logging, run

MOST_BYTES = 1 << 20
SHOWN = 10
"""Alerts and events that are kept in sight."""
SECONDS = PATIENCE + 5.0
"""For an answer: a little longer than a node waits for its chain before it says that this does not answer."""
NodeDirectory = Annotated[Path | None, typer.Option("--dir", metavar="DIR", help="The node's directory.")]
NodeUrl = Annotated[
    str | None,
    typer.Option("--http", metavar="http://HOST:PORT", help="Where its HTTP server is, instead of --dir."),
]


def status(
    directory: NodeDirectory = None,
    http: NodeUrl = None,
    json: Json = False,
) -> None:
    """Show how a running node stands. It must have been started with --http HOST:PORT."""
    out = Output(json)
    configure_logging(json)
    find = _node_of(directory, http)

    async def main() -> None:
        url = find()
        found = await ask(f"{url}/api/status")
        out.result(found, None if json else _text(found))

    run(out, main, lambda error: failure_of(error, http or str(directory)))


def top(
    directory: NodeDirectory = None,
    http: NodeUrl = None,
    every: Annotated[float, typer.Option(min=0.5, max=3600, metavar="SECONDS", help="Between two looks.")] = 2.0,
    json: Json = False,
) -> None:
    """Keep showing how a running node stands, until Ctrl-C: what datdot status shows, with its alerts and newest events."""
    out = Output(json)
    configure_logging(json)
    find = _node_of(directory, http)

    async def main() -> None:
        url = find()
        found = await _looked(url)
        if json or not out.console.is_terminal:
            while True:
                out.result(found, _page(found))
                await asyncio.sleep(every)
                found = await _looked(url)
        with Live(Text(_page(found)), console=out.console, screen=True, auto_refresh=False) as live:
            while True:
                await asyncio.sleep(every)
                live.update(Text(_page(await _looked(url))), refresh=True)

    run(out, main, lambda error: failure_of(error, http or str(directory)), quiet_interrupt=True)


async def _looked(url: str) -> dict[str, Any]:
    """Return status, open alerts and the newest lines of the journal. Raises NodeError and Failure."""
    alerts = await ask(f"{url}/api/alerts?open=true&limit={SHOWN}")
    journal = await ask(f"{url}/api/journal?limit={SHOWN}")
    return {"status": await ask(f"{url}/api/status"), "alerts": alerts["alerts"], "journal": journal["lines"]}


def _page(found: dict[str, Any]) -> str:
    alerts = [f"{one['severity']:<8}   {one['text']}\n{'':<8}   {one['remedy']}" for one in found["alerts"]]
    lines = [
        f"{one['block']:>9}  {one['text']}{'  [' + one['cost'] + ']' if one['cost'] else ''}"
        for one in found["journal"]
    ]
    return "\n".join([_text(found["status"]), "", *(alerts or ["no alert is open"]), "", *lines])


def _node_of(directory: Path | None, http: str | None) -> Callable[[], str]:
    """Return what finds the address of a node's HTTP server; that raises NodeError. Raises BadParameter."""
    if (directory is None) == (http is None):
        raise typer.BadParameter("name the node: --dir DIR, or --http http://HOST:PORT")
    if http is None:
        return lambda: url_of(directory or Path())
    url = http.rstrip("/")
    try:
        parts = urlsplit(url)
        right = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        right = False
    if not right:
        raise typer.BadParameter(f"--http {http!r} is no address: write scheme, host and port, http://127.0.0.1:8080")
    return lambda: url


def url_of(directory: Path) -> str:
    """Return where the HTTP server of a directory's node is. Raises NodeError if it has none."""
    settings = NodeSettings.load(directory)
    if settings is None:
        raise NodeError(f"{directory} is of no node that ever ran")
    if settings.http is None:
        raise NodeError(f"the node of {directory} has no HTTP server: start it once with --http 127.0.0.1:8080")
    return f"http://{settings.http}"


async def ask(url: str) -> dict[str, Any]:
    """Return the answer of a node. Raises NodeError if there is none."""
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=SECONDS)) as session,
            session.get(url, allow_redirects=False) as answer,
        ):
            body = await answer.content.read(MOST_BYTES)
            found = _parsed(body)
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        raise NodeError(
            f"no node answers at {url}: {error or type(error).__name__}; does it run, with --http?"
        ) from error
    if answer.status != 200:
        raise Failure("node", str(found.get("message", f"the node answered with {answer.status}")), url)
    return found


def _parsed(body: bytes) -> dict[str, Any]:
    found = json_module.loads(body)
    if not isinstance(found, dict):
        raise ValueError("it answered with something else than an object")
    return found


def _text(found: dict[str, Any]) -> str:
    copies = ", ".join(f"{count} {state}" for state, count in sorted(found["copies"].items())) or "none"
    disk = found["disk"]
    free = "unknown" if disk["free"] is None else f"{disk['free']} bytes"
    lines = [
        found["answer"],
        f"account    {found['account']}",
        f"block      {found['block']}, {found['block_age_seconds']} s ago; the journal has {found['journal_block']}",
        *(f"{role['role']:<10} {'ready' if role['ready'] else 'not ready'}: {role['why']}" for role in found["roles"]),
        f"money      {decimal(int(found['free']))} UNIT free, {decimal(int(found['held']))} UNIT held",
        f"copies     {copies}",
        f"disk       {free} free, {disk['reserve']} bytes are never offered",
        f"peers      {found['connections']} connections",
        f"reach      {found['reach']['text']}",
        *([f"{'':<10} what to do: {found['reach']['remedy']}"] if found["reach"]["remedy"] else []),
        f"alerts     {found['alerts'] or 'none'}{' open: datdot alerts list --dir DIR' if found['alerts'] else ''}",
    ]
    return "\n".join(lines)
