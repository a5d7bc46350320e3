"""What `datdot doctor` finds of the way to a node from outside: by the DHT's nodes, by the running node, or by a dial."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from service.hypercore.net.taken import CannotListen, listening_at
from service.hypercore.swarm.dht.address import Address, bootstrap_nodes
from service.hypercore.swarm.dht.lookout import Lookout
from service.hypercore.swarm.dht.outside import OutsideView
from service.hypercore.swarm.dht.sockets import DhtError
from service.operating.objects import ReachKind, ReachState
from service.operating.reaching import by_address, forward, in_dht, silent
from service.operating.words import Level

from .findings import Finding, Grade, bad, good, warning_of
from .options import host_and_port
from .settings import NodeError, NodeSettings, announced, host_port, public_address

DIAL_SECONDS = 5.0
AskNode = Callable[[], Awaitable[dict[str, Any]]]
"""Asks the running node what it knows of the way to it: its ReachState as JSON. Raises NodeError."""


async def reach(settings: NodeSettings, ask: AskNode) -> Finding:
    """Look from outside at the way to a node. Nobody is asked but the DHT nodes of its settings, or itself if it runs."""
    try:
        nodes = bootstrap_nodes(settings.bootstrap)
    except ValueError as error:
        return bad("reach", f"bootstrap: {error}", "correct --bootstrap")
    if not nodes:
        return await _by_address(settings)
    announce = public_address(settings.announce)
    try:
        async with Lookout(
            Address.beside(settings.host, settings.port), nodes, None if announce is None else announce.port
        ) as lookout:
            return _of_view(lookout.outside(), settings, announce)
    except CannotListen as error:
        if error.errno == errno.EADDRINUSE:
            return await _of_running(error, ask)
        return bad("reach", error.strerror or str(error), "correct --listen")
    except OSError as error:
        return bad("reach", f"no UDP socket can be opened: {error.strerror or error}", "see what forbids it here")
    except DhtError:
        found = silent(settings.bootstrap, host_port(settings.host, settings.port))
        # static peers are dialled all the same
        return Finding("reach", Grade.WARNING if settings.peers else Grade.BAD, found.text, found.remedy)


def _of_view(view: OutsideView, settings: NodeSettings, announce: Address | None) -> Finding:
    """Judge what the DHT's nodes say, and whether that is what is announced."""
    found = _finding(in_dht(view, settings.port, settings.relay is not None))
    if announce is None:
        return found
    if view.address is None or view.address.port == 0:
        text = f"{found.text}; but {announce} is announced, as if it were open there"
        return warning_of("reach", text, f"{forward(announce.port)}; or leave --announce out")
    if view.address != announce:
        text = f"{found.text}; but {announce} is announced"
        return warning_of("reach", text, f"correct --announce: {view.address}")
    return found


def _finding(found: ReachState) -> Finding:
    grade = Grade.GOOD if found.level is Level.NOTE else Grade.WARNING
    return Finding("reach", grade, found.text, found.remedy)


async def _of_running(taken: CannotListen, ask: AskNode) -> Finding:
    """Ask the node, which has its port, what it was told by the DHT."""
    try:
        told = await ask()
        address = told["address"]
        found = ReachState(
            ReachKind(told["kind"]), Level(told["level"]), str(told["text"]), str(told["remedy"]),
            None if address is None else str(address),
        )  # fmt: skip
    except NodeError as error:
        remedy = f"if that is this node: {error}; or stop it, and look again"
        return warning_of("reach", f"not looked at from outside: {taken.strerror or taken}", remedy)
    except (KeyError, TypeError, ValueError) as error:
        text = f"not looked at: what runs at --http says something else than a node of this version: {error!r}"
        return warning_of("reach", text, "start the node again, with this version")
    return _finding(found)


# ---- without a DHT


async def _by_address(settings: NodeSettings) -> Finding:
    """Dial the address that others are told, while something of ours listens there."""
    where = announced(settings.announce, settings.host, settings.port)
    found = by_address(where)
    if found.kind is ReachKind.HIDDEN or where is None:
        return _finding(found)
    host, port = host_and_port(where)
    if not port:
        text = "its port is another one at each start: nobody can be told an address that stays"
        return warning_of("reach", text, "--listen HOST:PORT, with a port")
    return await dialled_from_here(settings, host, port)


async def dialled_from_here(settings: NodeSettings, host: str, port: int) -> Finding:
    """Dial the address of a node over TCP; listen in its stead if it does not run."""
    where, came = host_port(host, port), asyncio.Event()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.set()
        writer.close()

    server: asyncio.Server | None = None
    try:
        with listening_at("--listen", host_port(settings.host, settings.port)):
            server = await asyncio.start_server(accept, settings.host, settings.port)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:  # else the node runs, and answers itself
            return bad("reach", error.strerror or str(error), "correct --listen")
    try:
        why = await dial(host, port, None if server is None else came)
    finally:
        if server is not None:
            server.close()
    if why is None:
        return good(
            "reach", f"{where} answers when it is dialled from here, and so others dial it if nothing between bars them"
        )
    remedy = (
        f"{forward(settings.port, 'TCP')}; some routers lead nobody back from within: then let a peer elsewhere "
        f"dial it (datdot doctor there, with --peer); or --bootstrap HOST:PORT, for a DHT"
    )
    return warning_of("reach", f"{where}, which others are told, {why}", remedy)


async def dial(host: str, port: int, came: asyncio.Event | None = None) -> str | None:
    """Open a TCP connection and close it. With `came` it must also arrive there. Return why not, else None."""
    try:
        async with asyncio.timeout(DIAL_SECONDS):
            _, writer = await asyncio.open_connection(host, port)
    except (OSError, TimeoutError) as error:
        return f"does not answer: {error or 'no answer in time'}"
    try:
        if came is not None:
            async with asyncio.timeout(DIAL_SECONDS):
                await came.wait()
    except TimeoutError:
        return "is answered by something else than this machine"
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
    return None
